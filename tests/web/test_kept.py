"""Tests of answers that are kept: what is found again, by whom, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.store.memory import MemoryStore
from ccproxy.web.keeping import Keeping
from ccproxy.web.offload import at_once
from tests.web.house import KEY
from tests.web.responses import OTHER_KEY, PATH, ResponsesTestCase, events, text_of

TRIGGER = {"type": "compaction_trigger"}


class AwayStore(MemoryStore):
    """A store that cannot be reached."""

    @override
    async def get(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Fail."""
        raise ProxyError(Kind.OVERLOADED, "The store of responses cannot be reached; try again.")

    @override
    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Fail."""
        raise ProxyError(Kind.OVERLOADED, "The store of responses cannot be reached; try again.")


class KeptTests(ResponsesTestCase):
    """An answer and its input, again."""

    def response(self, **fields: Any) -> dict[str, Any]:
        """An answer in one piece."""
        document: dict[str, Any] = self.ask(**fields).answer.document
        return document

    def test_again(self) -> None:
        """An answer is there again as it was, whether it was streamed or not."""
        whole = self.response()
        streamed = events(self.ask(stream=True).answer.body)[-1]["response"]

        self.assertEqual(self.get(whole["id"]).document, whole)
        self.assertEqual(self.get(streamed["id"]).document, streamed)
        self.assertEqual(self.get(whole["id"]).headers["content-type"], "application/json")

    def test_input(self) -> None:
        """What an answer answered is there in pages, with ids."""
        response = self.response(text=[{"role": "user", "content": f"line {number}"} for number in range(3)])

        first = self.get(f"{response['id']}/input_items?limit=2&order=asc").document
        rest = self.get(f"{response['id']}/input_items?order=asc&after={first['last_id']}").document

        texts = [item["content"][0]["text"] for item in (*first["data"], *rest["data"])]
        self.assertEqual(texts, ["line 0", "line 1", "line 2"])
        self.assertEqual((first["has_more"], rest["has_more"]), (True, False))
        self.assertEqual(self.get(f"{response['id']}/input_items?limit=0").status, 400)

    def test_deleted(self) -> None:
        """What is deleted is not there any more, nor are its items."""
        response = self.response()
        reference = {"type": "item_reference", "id": response["output"][0]["id"]}

        answer = self.get(response["id"], "DELETE")

        self.assertEqual(answer.document, {"id": response["id"], "object": "response", "deleted": True})
        self.assertEqual([self.get(response["id"], method).status for method in ("GET", "DELETE")], [404, 404])
        self.assertEqual(self.ask([reference, {"role": "user", "content": "go on"}]).answer.status, 400)

    def test_not_kept(self) -> None:
        """An answer that is not to be kept is nowhere."""
        response = self.response(store=False)

        answer = self.get(response["id"])

        self.assertEqual(
            (answer.status, answer.error["message"]), (404, f"Response with id '{response['id']}' not found.")
        )

    def test_another_key(self) -> None:
        """Another key finds nothing, under no path."""
        response = self.response()
        paths = (("", "GET"), ("", "DELETE"), ("/input_items", "GET"), ("/cancel", "POST"))

        statuses = [self.get(response["id"] + path, method, key=OTHER_KEY).status for path, method in paths]

        self.assertEqual(statuses, [404] * 4)
        self.assertEqual(self.ask(previous_response_id=response["id"], key=OTHER_KEY).answer.status, 400)
        self.assertEqual(self.get(response["id"]).status, 200)

    def test_without_a_key(self) -> None:
        """Without a key it is a 401, as everywhere."""
        answer = self.house.connect().ask("GET", f"{PATH}/resp_1").answer

        self.assertEqual(answer.status, 401)

    def test_input_with_equal_ids(self) -> None:
        """Items to which their client gave one id have pages with an end."""
        response = self.response(
            text=[{"role": "user", "content": f"{number}", "id": "msg_123"} for number in range(5)]
        )
        seen: list[str] = []
        after = ""
        for _ in range(5):
            page = self.get(f"{response['id']}/input_items?limit=2&order=asc&after={after}").document
            seen += [item["content"][0]["text"] for item in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break

        self.assertEqual(seen, ["0", "1", "2", "3", "4"])

    def test_expired(self) -> None:
        """An hour later nothing is left."""
        response = self.response()

        self.house.advance(3600)

        self.assertEqual(self.get(response["id"]).status, 404)

    def test_cancel(self) -> None:
        """An answer that its client waited for cannot be cancelled."""
        answer = self.get(f"{self.response()['id']}/cancel", "POST")

        self.assertEqual((answer.status, answer.error["message"]), (400, "Cannot cancel a synchronous response."))

    def test_stream(self) -> None:
        """Nor can its events be had again."""
        self.assertEqual(self.get(f"{self.response()['id']}?stream=true").status, 400)


class ReferenceTests(ResponsesTestCase):
    """Requests that refer to earlier answers."""

    def test_previous(self) -> None:
        """A request goes on from an answer, over any number of turns."""
        first = self.ask("one").answer.document
        second = self.ask("two", previous_response_id=first["id"]).answer.document
        third = self.ask("three", previous_response_id=second["id"], stream=True).answer

        roles = ["user", "assistant", "user", "assistant", "user"]
        self.assertEqual([role for role, _ in self.said()], roles)
        self.assertEqual([text for role, text in self.said() if role == "user"], ["one", "two", "three"])
        self.assertEqual(self.said()[1][1], text_of(first))
        self.assertEqual(events(third.body)[-1]["response"]["previous_response_id"], second["id"])

    def test_item(self) -> None:
        """An item stands where it is referred to."""
        first = self.ask("one").answer.document
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}

        self.ask([{"role": "user", "content": "one"}, reference, {"role": "user", "content": "two"}])

        self.assertEqual(self.said(), [("user", "one"), ("assistant", text_of(first)), ("user", "two")])

    def test_used(self) -> None:
        """An item that is referred to again and again does not expire."""
        reference = {"type": "item_reference", "id": self.ask("one").answer.document["output"][0]["id"]}
        for _ in range(4):
            self.house.advance(1800)
            answer = self.ask(
                [{"role": "user", "content": "one"}, reference, {"role": "user", "content": "two"}]
            ).answer
            self.assertEqual(answer.status, 200)

    def test_item_of_a_failure(self) -> None:
        """An item that its client has seen whole can be referred to, also when the answer failed after it or the client left."""
        tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
        seen = events(self.ask("one", "transcript/05_error_mid_stream", stream=True, tools=[tool]).answer.body)
        done = [event["item"] for event in seen if event["type"] == "response.output_item.done"]
        self.assertEqual(seen[-1]["type"], "response.failed")

        for item in done:
            reference = {"type": "item_reference", "id": item["id"]}
            answer = self.ask([reference, {"role": "user", "content": "two"}]).answer
            self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.get(seen[0]["response"]["id"]).status, 404)

    def test_tools(self) -> None:
        """A result finds its call in the answer that is referred to."""
        tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
        first = self.ask("one", "sim/tool", tools=[tool]).answer.document
        (call,) = (item for item in first["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}

        answer = self.ask([result], tools=[tool], previous_response_id=first["id"]).answer

        self.assertEqual(answer.status, 200)
        self.assertEqual([role for role, _ in self.said()], ["user", "assistant", "tool"])

    def test_lost(self) -> None:
        """An answer that is not there is the error from which clients recover, and the upstream is not asked."""
        answer = self.ask(previous_response_id="resp_1").answer

        self.assertEqual((answer.status, answer.error["code"]), (400, "previous_response_not_found"))
        self.assertEqual(answer.error["param"], "previous_response_id")
        self.assertEqual(self.house.tries, 0)

    def test_unreachable(self) -> None:
        """A store that cannot be reached fails a request that needs it, to be tried again, and no other."""
        away = AwayStore(limit=0, seconds=60, clock=self.house.clock)
        self.house.house.keeping = Keeping(away, at_once)

        plain, referring = self.ask().answer, self.ask(previous_response_id="resp_1").answer

        self.assertEqual((plain.status, referring.status), (200, 503))
        self.assertEqual(referring.headers["x-should-retry"], "true")


class SumTests(ResponsesTestCase):
    """A conversation that is summed up."""

    def test_cut(self) -> None:
        """A sum that was cut, or is empty, is a failure, whichever way it was asked for: it would take the place of everything."""
        for model, status in (("sim/length", 502), ("sim/content-filter", 502), ("transcript/17_reasoning_only", 502)):
            answer = (
                self.house.connect()
                .ask("POST", f"{PATH}/compact", {"model": model, "input": "hello"}, {"authorization": f"Bearer {KEY}"})
                .answer
            )
            told = events(self.ask([{"role": "user", "content": "hello"}, TRIGGER], model, stream=True).answer.body)

            self.assertEqual((answer.status, told[-1]["type"]), (status, "response.failed"), model)
            self.assertNotIn("response.output_item.done", [event["type"] for event in told])

    def test_limit(self) -> None:
        """The limit of an answer is no limit of a sum."""
        self.ask([{"role": "user", "content": "hello"}, TRIGGER], max_output_tokens=5)

        body: Any = self.house.simulator.requests[-1].body
        self.assertGreater(body["params"]["max_tokens"], 5)

    def test_however_asked(self) -> None:
        """The user's own messages come back however a sum is asked for, and nothing is kept of it."""
        for fields in ({}, {"store": False}, {"background": True}):
            body = {"model": "sim/text", "input": "hello", **fields}
            headers = {"authorization": f"Bearer {KEY}"}
            document = self.house.connect().ask("POST", f"{PATH}/compact", body, headers).answer.document

            self.assertEqual([item["type"] for item in document["output"]], ["message", "compaction"], fields)
            self.assertEqual(self.get(document["id"]).status, 404)

    def test_another_dialect(self) -> None:
        """A conversation in another dialect is not answered where a sum is asked for: the answer would pass for one."""
        call = {"id": "A", "function": {"name": "look", "arguments": "{}"}}
        messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "tool_calls": [call]}]
        headers = {"authorization": f"Bearer {KEY}"}
        answer = (
            self.house.connect().ask("POST", f"{PATH}/compact", {"model": "m", "messages": messages}, headers).answer
        )

        self.assertEqual((answer.status, answer.error["param"], self.house.tries), (400, "input", 0))
