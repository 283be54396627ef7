"""Tests of answers that come to a good end, in both dialects, streamed and in one piece."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from tests.dialects.strict import read_chat, read_messages
from tests.web.house import CHAT, MESSAGES, SPEECHES, HouseTestCase, Speech

LONG_NAME = "mcp__a_server_with_quite_a_long_name__" + "and_a_tool_with_an_even_longer_one" * 2
GREETING = "Hello from the simulator! You said: hello"


@frozen
class Said:
    """What an answer says, whatever its dialect and mode; ``calls`` are names and arguments."""

    text: str
    reasoning: str
    calls: tuple[tuple[str, Any], ...]
    reason: str


def said(speech: Speech, body: bytes, *, stream: bool) -> Said:
    """Read a whole answer strictly."""
    if speech is CHAT:
        return _chat_stream(body) if stream else _chat_document(json.loads(body))
    if stream:
        reading = read_messages(body)
        return _message(reading.blocks, str(reading.stop_reason))
    document = json.loads(body)
    return _message(document["content"], document["stop_reason"])


def _chat_stream(body: bytes) -> Said:
    reading = read_chat(body)
    calls = tuple((call["name"], json.loads(call["arguments"])) for call in reading.calls)
    return Said(reading.text, reading.reasoning, calls, str(reading.finish_reason))


def _chat_document(document: dict[str, Any]) -> Said:
    (choice,) = document["choices"]
    message = choice["message"]
    functions = [call["function"] for call in message.get("tool_calls", [])]
    calls = tuple((function["name"], json.loads(function["arguments"])) for function in functions)
    return Said(message["content"] or "", message.get("reasoning_content", ""), calls, choice["finish_reason"])


def _message(blocks: list[dict[str, Any]], reason: str) -> Said:
    def joined(kind: str) -> str:
        return "".join(block[kind] for block in blocks if block["type"] == kind)

    calls = tuple((block["name"], block["input"]) for block in blocks if block["type"] == "tool_use")
    return Said(joined("text"), joined("thinking"), calls, reason)


class AnswersTestCase(HouseTestCase):
    """A test of what answers say."""

    def said(self, speech: Speech, model: str = "sim/text", *, stream: bool, **fields: object) -> Said:
        """What a new daemon answers to one turn."""
        answer = self.asked(speech, model, stream=stream, **fields)
        self.assertEqual((answer.status, answer.complete), (200, True))
        return said(speech, answer.body, stream=stream)

    def assertSaid(self, model: str, chat: Said, messages: Said, **fields: object) -> None:  # noqa: N802 - as trial's own
        """A turn says the same streamed and in one piece, in each dialect."""
        for stream in (False, True):
            self.assertEqual(self.said(CHAT, model, stream=stream, **fields), chat)
            self.assertEqual(self.said(MESSAGES, model, stream=stream, **fields), messages)


class ScenarioTests(AnswersTestCase):
    """Each turn of the simulator that ends well."""

    def test_text(self) -> None:
        """Text comes through, and ends the turn."""
        self.assertSaid("sim/text", Said(GREETING, "", (), "stop"), Said(GREETING, "", (), "end_turn"))

    def test_catalogue_model(self) -> None:
        """An ordinary model is answered like any other."""
        self.assertSaid("claude-sonnet-4-6", Said(GREETING, "", (), "stop"), Said(GREETING, "", (), "end_turn"))

    def test_unknown_events(self) -> None:
        """What the upstream says beyond its protocol is no part of the answer."""
        self.assertSaid("sim/unknown-events", Said(GREETING, "", (), "stop"), Said(GREETING, "", (), "end_turn"))

    def test_reasoning(self) -> None:
        """Reasoning is shown on chat, and on Messages when thinking was turned on."""
        thoughts = "Let me think about it. A short answer will do."
        for stream in (False, True):
            thinking = {"type": "enabled", "budget_tokens": 5000}
            self.assertEqual(self.said(CHAT, "sim/reasoning", stream=stream).reasoning, thoughts)
            self.assertEqual(self.said(MESSAGES, "sim/reasoning", stream=stream, thinking=thinking).reasoning, thoughts)
            self.assertEqual(self.said(MESSAGES, "sim/reasoning", stream=stream).reasoning, "")

    def test_tool(self) -> None:
        """A tool call comes through whole, and the reason says that there is one."""
        text, calls = "Let me look that up.", (("get_weather", {"city": "Oslo"}),)

        self.assertSaid("sim/tool", Said(text, "", calls, "tool_calls"), Said(text, "", calls, "tool_use"))

    def test_parallel_tools(self) -> None:
        """Calls that the upstream makes side by side come through one after the other."""
        text, calls = "Let me look up both.", (("get_weather", {"city": "Oslo"}),) * 2

        self.assertSaid("sim/parallel-tools", Said(text, "", calls, "tool_calls"), Said(text, "", calls, "tool_use"))

    def test_length(self) -> None:
        """An answer at its limit says so."""
        text = "This is the beginning of an answer that"

        self.assertSaid("sim/length", Said(text, "", (), "length"), Said(text, "", (), "max_tokens"))

    def test_content_filter(self) -> None:
        """A filtered answer says so."""
        text = "This is the beginning of an answer that"

        self.assertSaid("sim/content-filter", Said(text, "", (), "content_filter"), Said(text, "", (), "refusal"))

    def test_pause_turn(self) -> None:
        """A pause is one where the dialect knows it, and else an end."""
        text = "This is the beginning of an answer that"

        self.assertSaid("sim/pause-turn", Said(text, "", (), "stop"), Said(text, "", (), "pause_turn"))

    def test_long(self) -> None:
        """A thousand deltas come through in order."""
        text = "".join(f"line {number} of 1000\n" for number in range(1, 1001))

        self.assertSaid("sim/long", Said(text, "", (), "stop"), Said(text, "", (), "end_turn"))

    def test_transcripts(self) -> None:
        """A replayed answer says the same in every dialect and mode."""
        for name in (
            "02_reasoning_then_text_overlap",
            "11_unicode_emoji",
            "15_quirks_toolcall_variants",
            "24_late_reasoning",
        ):
            answers = [
                self.said(speech, f"transcript/{name}", stream=stream, **fields)
                for speech, fields in ((CHAT, {}), (MESSAGES, {"thinking": {"type": "adaptive"}}))
                for stream in (False, True)
            ]
            self.assertEqual(len({(said.text, said.reasoning, str(said.calls)) for said in answers}), 1, name)

    def test_slow(self) -> None:
        """A slow answer is passed on as it comes, word by word."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/slow", stream=True)

        pieces = []
        for _ in range(5):
            daemon.advance(0.2)
            pieces.append(client.answer.body.count(b'"content"'))

        self.assertEqual(pieces, [1, 2, 3, 4, 5])

    def test_usage(self) -> None:
        """Tokens are those of the upstream, in each dialect's own reckoning."""
        for stream in (False, True):
            chat = self.asked(CHAT, "transcript/10_usage_v6_nested_cache_write", stream=stream).body
            messages = self.asked(MESSAGES, "transcript/10_usage_v6_nested_cache_write", stream=stream).body
            self.assertIn(b'"prompt_tokens":2400,"completion_tokens":75,"total_tokens":2475', chat)
            for count in (b'"input_tokens":152', b'"output_tokens":75', b'"cache_read_input_tokens":2048'):
                self.assertIn(count, messages)


class ConversationTests(AnswersTestCase):
    """What goes up, seen by what comes back."""

    def test_image(self) -> None:
        """A picture arrives upstream with its type and its size."""
        pixel = "iVBORw0KGgo="
        source = {"type": "base64", "media_type": "image/png", "data": pixel}
        for speech, part in (
            (CHAT, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}),
            (MESSAGES, {"type": "image", "source": source}),
        ):
            answer = self.said(speech, "sim/echo", stream=False, messages=[{"role": "user", "content": [part]}])
            self.assertIn("images: image/png 8 bytes", answer.text)

    def test_tool_round_trip(self) -> None:
        """The result of a tool goes up beside its call, and the model answers it."""
        chat = [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ]
        messages = [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "rain"}]},
        ]
        for speech, history in ((CHAT, chat), (MESSAGES, messages)):
            answer = self.said(speech, stream=True, messages=history, tools=[speech.tool("look")])
            self.assertEqual((answer.text, answer.calls), ("The tool look says: rain", ()), speech)

    def test_long_tool_names(self) -> None:
        """A tool name that no provider takes goes up as an alias, and comes back as it was."""
        for speech in SPEECHES:
            for name in (LONG_NAME, "files.read/äöü"):
                daemon = self.daemon()
                client = daemon.connect().post(speech, "sim/tool", stream=True, tools=[speech.tool(name)])
                sent: Any = daemon.simulator.requests[-1].body
                self.assertRegex(sent["params"]["tools"][0]["name"], "^[a-zA-Z0-9_-]{1,64}$")
                self.assertEqual([call[0] for call in said(speech, client.answer.body, stream=True).calls], [name])
                self.assertEqual(client.answer.headers["x-ccproxy-notes"], "tool-renamed=1")

    def test_no_parallel_calls(self) -> None:
        """A client that wants one call at a time gets one, although the upstream makes two."""
        choice = {"type": "auto", "disable_parallel_tool_use": True}
        for stream in (False, True):
            chat = self.said(CHAT, "sim/parallel-tools", stream=stream, parallel_tool_calls=False)
            messages = self.said(MESSAGES, "sim/parallel-tools", stream=stream, tool_choice=choice)
            self.assertEqual((len(chat.calls), chat.reason), (1, "tool_calls"))
            self.assertEqual((len(messages.calls), messages.reason), (1, "tool_use"))

    def test_no_system(self) -> None:
        """Without system text one space goes up, so that the upstream adds none of its own."""
        daemon = self.daemon()
        daemon.connect().post(CHAT)

        sent: Any = daemon.simulator.requests[-1].body

        self.assertEqual(sent["params"]["system"], " ")

    def test_usage_apart(self) -> None:
        """A client that asks for usage in a chunk of its own gets it there."""
        answer = self.asked(CHAT, stream=True, stream_options={"include_usage": True})

        self.assertTrue(read_chat(answer.body).usage_apart)


class DocumentSizeTests(HouseTestCase):
    """Answers in one piece have to fit into memory."""

    def test_too_large(self) -> None:
        """A document beyond the limit fails with a hint, is not to be tried again, and the upstream is hung up on."""
        for speech in SPEECHES:
            daemon = self.daemon(max_document_bytes=1000)
            answer = daemon.connect().post(speech, "sim/long").answer
            self.assertEqual((answer.status, answer.headers["x-should-retry"], daemon.tries), (502, "false", 1))
            self.assertIn("Ask for a stream", answer.error["message"])
            self.assertEqual(daemon.simulator.open_streams, 0)

    def test_streams(self) -> None:
        """The limit is none for streams."""
        daemon = self.daemon(max_document_bytes=1000)

        answer = daemon.connect().post(CHAT, "sim/long", stream=True).answer

        self.assertEqual(read_chat(answer.body).finish_reason, "stop")

    def test_no_limit(self) -> None:
        """With a limit of 0 any document is collected."""
        self.assertEqual(self.daemon(max_document_bytes=0).connect().post(CHAT, "sim/long").answer.status, 200)


class LogTests(HouseTestCase):
    """The one line that an exchange leaves."""

    def test_line(self) -> None:
        """A line says who asked what, how it ended, and what it cost."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/slow", stream=True)

        daemon.wait(2, 0.2)

        (line,) = daemon.lines
        self.assertRegex(
            line,
            r"^[0-9a-f]{24} anthropic_messages sim/slow -> 200 ok in 1\.[468]00s, first event after 0\.200s, tokens 2/11, "
            rf"{len(client.answer.body)} bytes, tries 1, upstream trace [0-9a-f]{{32}}$",
        )

    def test_one_line_each(self) -> None:
        """Every exchange leaves one line, also one that is refused or fails."""
        daemon = self.daemon()

        for model in ("sim/text", "sim/http-402", "sim/no-finish"):
            daemon.connect().post(CHAT, model, stream=True)
        daemon.connect().ask("POST", CHAT.path, CHAT.body())
        daemon.connect().ask("GET", "/v1/models")

        outcomes = [line.split(" -> ")[1].split(" in ")[0] for line in daemon.lines]
        self.assertEqual(outcomes, ["200 ok", "402 credit", "200 upstream", "401 authentication"])

    def test_long_model(self) -> None:
        """A long model id does not make a long line."""
        daemon = self.daemon()

        daemon.connect().post(CHAT, "m" * 256)

        self.assertIn(f" {'m' * 80} -> ", daemon.lines[0])
