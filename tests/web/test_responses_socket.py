"""Tests of Responses over a WebSocket, as Codex and the public compliance suite use it."""

from __future__ import annotations

import gc
import json
from typing import Any

from ccproxy.fields import Fields
from ccproxy.framing import sse
from tests.dialects.strict_responses import read_responses
from tests.web.dialogues import Caller, framed, head
from tests.web.house import KEY, HouseTestCase, MemoryDaemon

PATH = "/v1/responses"
_TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}


class Codex(Caller):
    """A client of Responses."""

    def __init__(self, daemon: MemoryDaemon) -> None:
        super().__init__(daemon)
        daemon.adopt(self)
        self.send(head(PATH, openai_beta="responses_websockets=2026-02-06"))

    def create(self, said: object = "hello", model: str = "sim/text", **fields: object) -> Codex:
        """Ask for an answer that is not to be stored."""
        self.say({"type": "response.create", "model": model, "input": said, "store": False, **fields})
        return self

    @property
    def response(self) -> dict[str, Any]:
        """The latest response."""
        response: dict[str, Any] = [message["response"] for message in self.messages if "response" in message][-1]
        return response

    @property
    def text(self) -> str:
        """The text of the latest response, whose events are read strictly."""
        last = max(index for index, message in enumerate(self.messages) if message["type"] == "response.created")
        read_responses(
            b"".join(sse(json.dumps(event).encode(), event["type"].encode()) for event in self.messages[last:])
        )
        return "".join(part["text"] for item in self.response["output"] for part in item.get("content", ()))

    @property
    def error(self) -> dict[str, Any]:
        """The error that came last, checked."""
        assert self.last["type"] == "error"
        assert isinstance(self.last["status"], int)
        error: dict[str, Any] = self.last["error"]
        assert isinstance(error["code"], str) and isinstance(error["message"], str)
        return error


class ResponsesSocketTests(HouseTestCase):
    """A client of Responses on a WebSocket."""

    def codex(self, **settings: Any) -> Codex:
        """A client of a new daemon."""
        return Codex(self.daemon(**settings))

    def test_paths(self) -> None:
        """Every path of Responses has a socket."""
        daemon = self.daemon()
        for path in ("/v1/responses", "/responses", "/openai/v1/responses"):
            self.assertEqual(daemon.connect().send(head(path)).answers[0].status, 101)

    def test_message_is_let_go(self) -> None:
        """What was made of a message is not held in memory while its answer is being read."""
        said = [{"role": "user", "content": "word " * 10_000}]
        for goes_on in (False, True):
            daemon = self.daemon()
            codex = Codex(daemon).create("hello")
            earlier = {"previous_response_id": codex.response["id"]} if goes_on else {}
            before = self.bodies()

            codex.create(said, "sim/stall", tools=[{**_TOOL, "strict": True}], **earlier)
            daemon.advance(1)

            self.assertEqual(codex.last["type"], "response.output_text.delta")
            self.assertEqual(self.bodies(), before)

    def bodies(self) -> int:
        """How many objects of bodies are in memory."""
        gc.collect()
        return sum(isinstance(thing, Fields) for thing in gc.get_objects())

    def test_sequence(self) -> None:
        """Answers come one after the other, each with the events of a stream from its beginning to its end."""
        codex = self.codex()
        texts = [codex.create(f"number {count}").text for count in range(3)]

        self.assertEqual(texts, [f"Hello from the simulator! You said: number {count}" for count in range(3)])
        kinds = [message["type"] for message in codex.messages]
        self.assertEqual((kinds.count("response.created"), kinds.count("response.completed")), (3, 3))

    def test_own_fields(self) -> None:
        """What is the transport's own may be there, as Codex and others send it, and changes nothing."""
        codex = self.codex(strict=True)

        text = codex.create(stream=True, stream_options={"include_obfuscation": False}, background=True).text

        self.assertEqual((text[:5], codex.response["background"], codex.response["store"]), ("Hello", False, False))

    def test_continuation(self) -> None:
        """An answer that is stored nowhere can be gone on from, again and again."""
        codex = self.codex()
        codex.create("first")
        codex.create("second", previous_response_id=codex.response["id"])

        text = codex.create("third", "sim/echo", previous_response_id=codex.response["id"]).text

        self.assertIn("messages: 5 (user assistant user assistant user)", text)

    def test_tool_loop(self) -> None:
        """The result of a call goes up with the call, which the client does not send again."""
        codex = self.codex().create("look", "sim/call-look", tools=[_TOOL])
        (call,) = [item for item in codex.response["output"] if item["type"] == "function_call"]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "nothing"}

        text = codex.create([result], "sim/echo", tools=[_TOOL], previous_response_id=codex.response["id"]).text

        self.assertIn("messages: 3 (user assistant tool)", text)
        self.assertIn("calls: look", text)

    def test_not_found(self) -> None:
        """An answer that nobody knows is an error with the code for it, and the connection stays."""
        codex = self.codex().create(previous_response_id="resp_unknown")

        self.assertEqual((codex.last["status"], codex.error["code"]), (400, "previous_response_not_found"))
        self.assertEqual(codex.error["param"], "previous_response_id")
        self.assertIn("Hello", codex.create().text)

    def test_reconnect(self) -> None:
        """On a new connection an answer that was not stored is not found, and the whole conversation is served."""
        daemon = self.daemon()
        first = Codex(daemon).create()

        second = Codex(daemon).create(previous_response_id=first.response["id"])
        self.assertEqual(second.error["code"], "previous_response_not_found")

        whole = [{"role": "user", "content": "hello"}, *first.response["output"], {"role": "user", "content": "more"}]
        self.assertIn("(user assistant user)", second.create(whole, "sim/echo").text)

    def test_stored(self) -> None:
        """One that was stored is found from a new connection, and over HTTP, and the other way round."""
        daemon = self.daemon()
        first = Codex(daemon).create(store=True)
        asked = {"model": "sim/echo", "input": "more", "previous_response_id": first.response["id"]}

        over_http = daemon.connect().ask("POST", PATH, asked, {"authorization": f"Bearer {KEY}"}).answer.document
        back = Codex(daemon).create("again", "sim/echo", previous_response_id=over_http["id"])

        self.assertIn("(user assistant user)", str(over_http["output"]))
        self.assertIn("(user assistant user assistant user)", back.text)

    def test_both(self) -> None:
        """A message may go on from what the connection remembers and refer to what the store has."""
        daemon = self.daemon()
        (stored,) = Codex(daemon).create(store=True).response["output"]
        codex = Codex(daemon).create()
        reference = {"type": "item_reference", "id": stored["id"]}

        text = codex.create(
            [reference, {"role": "user", "content": "?"}], "sim/echo", previous_response_id=codex.response["id"]
        ).text

        self.assertIn("(user assistant", text)
        self.assertTrue(text.split(")")[0].endswith("user"))

    def test_evicted(self) -> None:
        """A result without its call fails, and what it went on from is not found any more."""
        codex = self.codex().create()
        name = codex.response["id"]
        orphan = {"type": "function_call_output", "call_id": "call_nowhere", "output": "1"}

        self.assertEqual(codex.create([orphan], previous_response_id=name).last["status"], 400)
        self.assertNotEqual(codex.error["code"], "previous_response_not_found")

        self.assertEqual(codex.create(previous_response_id=name).error["code"], "previous_response_not_found")

    def test_no_generation(self) -> None:
        """``generate: false`` begins and ends a response without output, which the next message goes on from."""
        daemon = self.daemon()
        codex = Codex(daemon).create("prefix", generate=False)
        self.assertEqual((codex.text, codex.response["output"], codex.response["status"]), ("", [], "completed"))
        self.assertEqual(daemon.tries, 0)

        text = codex.create("more", "sim/echo", previous_response_id=codex.response["id"]).text

        self.assertIn("messages: 2 (user user)", text)

    def test_processed(self) -> None:
        """An acknowledgement has no answer."""
        codex = self.codex().create()
        count = len(codex.messages)

        codex.say({"type": "response.processed", "response_id": codex.response["id"]})

        self.assertEqual(len(codex.messages), count)

    def test_unknown(self) -> None:
        """A message that nobody knows is an error, and the connection stays."""
        codex = self.codex()
        codex.say({"type": "response.append"})
        self.assertEqual((codex.last["status"], codex.error["param"]), (400, "type"))

        codex.send(framed(b"{"))
        self.assertEqual(codex.error["type"], "invalid_request_error")
        self.assertIn("Hello", codex.create().text)

    def test_refused(self) -> None:
        """What the upstream refuses is an error with its status and code."""
        for model, status, code in (
            ("sim/http-401", 401, "invalid_api_key"),
            ("sim/http-402", 402, "insufficient_quota"),
            ("sim/http-429", 429, "rate_limit_exceeded"),
        ):
            daemon = self.daemon()
            codex = Codex(daemon).create(model=model)
            daemon.wait(60)
            self.assertEqual((codex.last["status"], codex.error["code"]), (status, code))

    def test_failed(self) -> None:
        """An answer that breaks off ends with a response that failed."""
        daemon = self.daemon()
        codex = Codex(daemon).create(model="sim/cut")
        daemon.wait(3)

        self.assertEqual((codex.last["type"], codex.response["status"]), ("response.failed", "failed"))

    def test_compacted(self) -> None:
        """What sums up a conversation can begin another one."""
        daemon = self.daemon()
        asked = {"model": "sim/text", "input": "a long story"}
        headers = {"authorization": f"Bearer {KEY}"}
        compacted = daemon.connect().ask("POST", f"{PATH}/compact", asked, headers).answer.document

        text = Codex(daemon).create([*compacted["output"], {"role": "user", "content": "go on"}]).text

        self.assertIn("The conversation so far, summed up", text)

    def test_expired(self) -> None:
        """After an hour a client is told to connect anew, by the code that it knows."""
        daemon = self.daemon(client_idle_timeout=0)
        codex = Codex(daemon)

        daemon.wait(3660, 60)

        self.assertEqual(codex.error["code"], "websocket_connection_limit_reached")
