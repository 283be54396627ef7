"""Tests of how a Responses request that refers to earlier answers is completed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.recall import completed, wanted
from ccproxy.dialects.openai_responses.request import parse
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields
from ccproxy.framing import dumps
from ccproxy.prompt import Message, Role, Text, ToolCall, ToolResult
from tests.dialects.openai_responses.asking import HELLO

FIRST = {"type": "message", "id": "msg_in_0", "role": "user", "content": [{"type": "input_text", "text": "time?"}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "now", "arguments": "{}", "status": "completed"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
ANSWER = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "noon"}]}
RESPONSE: dict[str, object] = {"id": "resp_1", "status": "completed", "output": [CALL]}
KEPT = {
    "resp_1": dumps({"response": RESPONSE, "input": [FIRST], "key": "value"}),
    "msg_1": dumps(ANSWER),
    "fc_1": dumps(CALL),
}


def request(**fields: Any) -> Fields:
    """A body."""
    return Fields({"model": "m", **fields}, "")


def read(found: Mapping[str, bytes] = KEPT, **fields: Any) -> tuple[Message, ...]:
    """The conversation of a completed body."""
    return parse(completed(request(**fields), found)).messages


class Case(SynchronousTestCase):
    """What the tests of references share."""

    def refused(self, found: Mapping[str, bytes] = KEPT, **fields: Any) -> ProxyError:
        """Check that a body cannot be completed, and give the error."""
        error: ProxyError = self.assertRaises(ProxyError, completed, request(**fields), found)
        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        return error


class WantedTests(Case):
    """What a body refers to."""

    def test_all(self) -> None:
        """The earlier response and every item that is only named, each once, in their order."""
        items = [{"type": "item_reference", "id": "b"}, HELLO, {"id": "c"}, {"type": None, "id": "b"}, ANSWER]

        self.assertEqual(wanted(request(previous_response_id="a", input=items)), ("a", "b", "c"))

    def test_nothing(self) -> None:
        """Most bodies refer to nothing, and what is malformed does not either."""
        for fields in (
            {},
            {"input": "a"},
            {"input": [HELLO, ANSWER, 7, {"type": "item_reference"}, {"id": 7}, {"id": None}]},
            {"previous_response_id": 7},
            {"previous_response_id": ""},
            {"previous_response_id": "a" * 1000},
            {"input": [{"id": "\ud83d"}, {"id": "a b"}]},
            {"messages": [HELLO]},
        ):
            self.assertEqual(wanted(Fields({"model": "m", **fields}, "")), (), fields)

    def test_many(self) -> None:
        """Ten thousand references are enough for any conversation, however often each of them is made."""
        items = [{"type": "item_reference", "id": f"msg_{number % 1000}"} for number in range(10_000)]

        self.assertEqual(len(wanted(request(input=items))), 1000)
        error = self.assertRaises(ProxyError, wanted, request(input=[*items, items[0]]))
        self.assertEqual(error.field, "input")

    def test_large(self) -> None:
        """What is referred to counts each time: a small request may not stand for any amount of memory."""
        item = json.dumps({"type": "message", "id": "msg_1", "role": "assistant", "content": "x" * 1_000_000}).encode()
        reference = {"type": "item_reference", "id": "msg_1"}

        self.assertEqual(len(completed(request(input=[reference] * 30), {"msg_1": item}).peek("input")), 30)
        error = self.assertRaises(ProxyError, completed, request(input=[reference] * 40), {"msg_1": item})
        self.assertEqual((error.kind, error.field), (Kind.TOO_LARGE, "input"))

    def test_nothing_counts_as_read(self) -> None:
        """Looking leaves every field to be reported."""
        body = Fields({"input": [{"id": "a"}], "previous_response_id": "b"}, "")

        wanted(body)

        self.assertEqual(body.unread(), ("input", "previous_response_id"))


class CompletedTests(Case):
    """Bodies with what they refer to."""

    def test_plain(self) -> None:
        """A body that refers to nothing stays as it is."""
        for fields in ({"input": "a"}, {"input": [HELLO]}, {}, {"input": 7}, {"previous_response_id": None}):
            body = Fields({"model": "m", **fields}, "")
            self.assertIs(completed(body, {}), body)

    def test_previous(self) -> None:
        """An earlier response stands for its whole input and its output; what is new follows."""
        conversation = (
            Message(Role.USER, (Text("time?"),)),
            Message(Role.ASSISTANT, (ToolCall("c1", "now", "{}"),)),
            Message(Role.TOOL, (ToolResult("c1", (Text("noon"),)),)),
        )

        self.assertEqual(read(previous_response_id="resp_1", input=[RESULT]), conversation)
        self.assertEqual(
            read(previous_response_id="resp_1", input="hello"),
            (*conversation[:2], Message(Role.USER, (Text("hello"),))),
        )

    def test_nothing_new(self) -> None:
        """An earlier response can be gone on from without anything new."""
        self.assertEqual(len(read(previous_response_id="resp_1")), 2)
        self.assertEqual(len(read(previous_response_id="resp_1", input=[])), 2)

    def test_repeated(self) -> None:
        """The response says what it goes on from, and is kept with the whole input, the items as they were."""
        view = parse(completed(request(previous_response_id="resp_1", input=[RESULT]), KEPT)).view

        assert isinstance(view.kept, Asked)
        self.assertEqual(view.kept.echo["previous_response_id"], "resp_1")
        self.assertEqual(view.kept.items, (FIRST, CALL, {**RESULT, "id": "fco_in_2"}))

    def test_other_fields(self) -> None:
        """Instructions are not those of the earlier response, and no field is lost or new."""
        body = completed(request(previous_response_id="resp_1", input=[RESULT], instructions="b", new=1), KEPT)

        prompt = parse(body)

        self.assertEqual(prompt.messages[0], Message(Role.SYSTEM, (Text("b"),)))
        self.assertEqual([note.subjects for note in prompt.notes], [("new",)])

    def test_references(self) -> None:
        """An item that is only named is the one that was kept, without an earlier response too."""
        conversation = read(input=[HELLO, {"type": "item_reference", "id": "fc_1"}, RESULT, {"id": "msg_1"}])

        spoken = [message.parts for message in conversation if message.role is Role.ASSISTANT]
        self.assertEqual(spoken, [(ToolCall("c1", "now", "{}"),), (Text("noon"),)])

    def test_places(self) -> None:
        """Errors count the client's own items, and name what it refers to where that is at fault."""
        for items, place in (([RESULT, 7], "input[1]"), ([{"role": "nobody"}], "input[0].role")):
            body = completed(request(previous_response_id="resp_1", input=items), KEPT)
            error: ProxyError = self.assertRaises(ProxyError, parse, body)
            self.assertEqual(error.field, place)
        odd = dumps({"response": {**RESPONSE, "output": [{"role": "nobody"}]}, "input": []})
        error = self.assertRaises(ProxyError, parse, completed(request(previous_response_id="r"), {"r": odd}))
        self.assertEqual(error.field, "previous_response_id.role")


class LostTests(Case):
    """References to what is not there."""

    def test_previous(self) -> None:
        """A response that is not there, or no response, has the error from which clients recover."""
        item, damaged = {"resp_2": dumps(ANSWER)}, {"resp_2": b"{"}
        lost: tuple[dict[str, bytes], ...] = (
            {},
            KEPT,
            item,
            damaged,
            {"resp_2": b"[]"},
            {"resp_2": b'{"response":[]}'},
        )
        for found in lost:
            error = self.refused(found, previous_response_id="resp_2", input="a")
            self.assertEqual(error.message, "Previous response with id 'resp_2' not found.")
            self.assertEqual(error.field, "previous_response_id")
            self.assertEqual(error.details, {"code": "previous_response_not_found"})
        self.assertLess(len(self.refused({}, previous_response_id="a" * 5000).message), 200)

    def test_unfinished(self) -> None:
        """A response that is still being made cannot be gone on from."""
        for status in ("queued", "in_progress"):
            response: dict[str, object] = {**RESPONSE, "status": status, "output": []}
            record = dumps({"response": response, "input": [FIRST]})
            error = self.refused({"resp_1": record}, previous_response_id="resp_1", input="a")
            self.assertEqual((error.field, error.details), ("previous_response_id", None))

    def test_references(self) -> None:
        """An item that is not there, or no item, is refused as clients know it."""
        lost: tuple[dict[str, bytes], ...] = ({}, {"msg_2": b"{"}, {"msg_2": b"7"}, {"msg_2": KEPT["resp_1"]})
        for found in lost:
            error = self.refused(found, input=[HELLO, {"id": "msg_2"}])
            self.assertEqual((error.field, error.message), ("input", "input[1]: Item with id 'msg_2' not found."))
        self.assertEqual(self.refused(input=[{"type": "item_reference"}]).field, "input[0].id")

    def test_orphan(self) -> None:
        """A result whose call is nowhere is refused where an earlier response was to hold it."""
        for kind in ("function_call_output", "custom_tool_call_output"):
            orphan = {**RESULT, "type": kind, "call_id": "c2"}
            error = self.refused(previous_response_id="resp_1", input=[RESULT, orphan])
            self.assertEqual(error.message, "No tool call found for function call output with call_id c2.")
            self.assertEqual(error.field, "input")
        self.assertEqual(len(read(input=[{"id": "msg_1"}, {**RESULT, "call_id": "c2"}])), 2)

    def test_own_call(self) -> None:
        """A result may have its call in the client's own input, in any form."""
        for call in ({**CALL, "call_id": "c2"}, {"type": "local_shell_call", "id": "c2"}):
            self.assertTrue(read(previous_response_id="resp_1", input=[call, {**RESULT, "call_id": "c2"}]))
