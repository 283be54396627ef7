"""This module is the tests of a conversation that is summed up: the request for it, and the item that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.compaction import CompactionDocument, CompactionStream, asked_for
from ccproxy.dialects.openai_responses.output import asked_of
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, TextDelta, TextDeltas, TextEnded, TextStarted
from ccproxy.keys import Key
from ccproxy.prompt import (
    Choice,
    Message,
    OutputFormat,
    Prompt,
    Role,
    Text,
    Tool,
    ToolChoice,
    View,
)
from ccproxy.seal import Seal
from tests.dialects.openai_responses.answering import CALLED, CUT, SECRET, STOP, THOUGHT, asking, call
from tests.dialects.strict import frames
from tests.dialects.strict_responses import check_response, read_responses
from tests.dialects.turns import encoded

SEAL = Seal(Key("user_test_key"))
SAID: tuple[Event, ...] = (
    *(THOUGHT, TextStarted(), TextDelta("They want "), TextDeltas(["a ", "ship."]), TextEnded()),
    *call("look", "{}", cuts=()),
)
FAILED = Failed(ProxyError(Kind.TIMEOUT, "Silence."))


def summary(item: dict[str, Any]) -> str:
    """What an item stands for, when its client gives it back."""
    text = Text("", item["encrypted_content"])
    (message,) = SEAL.unsealed(Prompt("m", (Message(Role.USER, (text,)),))).messages
    (part,) = message.parts
    assert isinstance(part, Text), part
    return part.text


def turn_of(*items: Mapping[str, object]) -> Turn:
    """A turn whose request has these items, and whose caller has the key."""
    return evolve(asking(Asked(compaction=True, items=items)), sealing_key=SEAL.secret)


class RequestTests(SynchronousTestCase):
    """The request for a sum."""

    def test_asked(self) -> None:
        """The conversation goes up as it is with one more message, and nothing that would keep the model from summing up."""
        said = Message(Role.USER, (Text("Build a ship."),))
        prompt = Prompt(
            "m",
            (said,),
            tools=(Tool("look", None, {}),),
            tool_choice=ToolChoice(Choice.REQUIRED),
            parallel_tool_calls=False,
            stop=("x",),
            output=OutputFormat(),
            max_tokens=900,
            view=View(kept=Asked(sealed=True)),
        )

        asked = asked_for(prompt)

        self.assertEqual((asked.messages[0], asked.messages[1].role, len(asked.messages)), (said, Role.USER, 2))
        self.assertEqual((asked.tools, asked.tool_choice, asked.parallel_tool_calls), ((), None, None))
        self.assertEqual((asked.stop, asked.output, asked.max_tokens), ((), None, None))
        self.assertEqual(asked.view, View(reasoning=False, whole=True, kept=Asked(sealed=True, compaction=True)))

    def test_foreign_body(self) -> None:
        """A body of another dialect can be summed up too."""
        self.assertEqual(asked_for(Prompt("m", ())).view.kept, Asked(compaction=True))


class StreamTests(SynchronousTestCase):
    """A sum in a stream."""

    def test_one_item(self) -> None:
        """The stream has one item, in which all text of the turn is, and neither thinking nor calls."""
        reading = read_responses(encoded(CompactionStream(turn_of()), [*SAID, CALLED]))

        (item,) = reading.items
        self.assertEqual((item["type"], item["id"], reading.end), ("compaction", "cmp_7f3a00", "completed"))
        self.assertTrue(summary(item).endswith("\n\nThey want a ship."))

    def test_begins(self) -> None:
        """The first that is said of the sum begins the response, as a ping does; announced text does not."""
        encoder = CompactionStream(turn_of())

        self.assertEqual(encoder.encode(TextStarted()), b"")
        self.assertEqual(len(frames(encoder.encode(TextDelta("a")))), 2)
        self.assertEqual(encoder.encode(TextDelta("b")), b"")
        self.assertEqual(len(frames(CompactionStream(turn_of()).ping())), 2)

    def test_cut(self) -> None:
        """A sum that was cut says so, and is given all the same."""
        reading = read_responses(encoded(CompactionStream(turn_of()), [TextDelta("a"), CUT]))

        self.assertEqual((reading.end, len(reading.items)), ("incomplete", 1))

    def test_failed(self) -> None:
        """A turn that fails has no item."""
        reading = read_responses(encoded(CompactionStream(turn_of()), [TextDelta("a"), FAILED]))

        self.assertEqual((reading.end, reading.items), ("failed", []))

    def test_kept(self) -> None:
        """The answer is kept like any other."""
        encoder = CompactionStream(turn_of())
        encoded(encoder, [TextDelta("a"), STOP])

        self.assertEqual(list(encoder.records()), ["resp_7f3a", "cmp_7f3a00"])


class DocumentTests(SynchronousTestCase):
    """A sum in one piece."""

    def test_response(self) -> None:
        """Asked for among the input it is the item of a whole response, as in the stream."""
        document = json.loads(encoded(CompactionDocument(turn_of(), bare=False), [*SAID, CALLED]))

        check_response(document)
        self.assertEqual(document, read_responses(encoded(CompactionStream(turn_of()), [*SAID, CALLED])).response)

    def test_kept(self) -> None:
        """The answer is kept like any other; the bare object is not, as nothing refers to it."""
        for bare, names in ((False, ["resp_7f3a", "cmp_7f3a00"]), (True, [])):
            encoder = CompactionDocument(turn_of(), bare=bare)
            encoded(encoder, [TextDelta("a"), STOP])

            self.assertEqual(list(encoder.records()), names)

    def test_bare(self) -> None:
        """Asked for by itself it is an object with the user's own messages before it."""
        turn = turn_of(
            {"role": "user", "content": "Hi"},
            {"type": "message", "role": "assistant", "content": "Hello"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Build"}]},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        )

        document = json.loads(encoded(CompactionDocument(turn, bare=True), [*SAID, CALLED]))

        *messages, item = document.pop("output")
        self.assertEqual(document.pop("usage")["total_tokens"], 0)
        self.assertEqual(document, {"id": "resp_7f3a", "object": "response.compaction", "created_at": 1_700_000_000})
        self.assertTrue(summary(item).endswith("ship."))
        head = {"type": "message", "status": "completed", "role": "user"}
        self.assertEqual(
            messages,
            [
                {**head, "id": "msg_7f3a02", "content": [{"type": "input_text", "text": "Hi"}]},
                {**head, "id": "msg_7f3a01", "content": [{"type": "input_text", "text": "Build"}]},
            ],
        )

    def test_long_messages(self) -> None:
        """Of many messages the newest are given back."""
        turn = turn_of(*({"role": "user", "content": f"{number}" + "x" * 100_000} for number in range(4)))

        *messages, _ = json.loads(encoded(CompactionDocument(turn, bare=True), [*SAID, CALLED]))["output"]

        self.assertEqual([message["content"][0]["text"][0] for message in messages], ["2", "3"])

    def test_failure_is_a_refusal(self) -> None:
        """A turn that fails is an error object."""
        self.assertEqual(json.loads(CompactionDocument(turn_of(), bare=True).encode(FAILED)).keys(), {"error"})

    def test_no_ping(self) -> None:
        """A document has no room for pings."""
        self.assertEqual(CompactionDocument(turn_of(), bare=True).ping(), b"")

    def test_too_long(self) -> None:
        """A sum that is too long for an envelope is cut to what has room in one."""
        document = json.loads(
            encoded(CompactionDocument(turn_of(), bare=True), [TextDelta("\U0001f600" * 600_000), STOP])
        )

        self.assertGreater(len(summary(document["output"][0])), 500_000)

    def test_another_key(self) -> None:
        """Whoever has another key cannot open it."""
        item = json.loads(encoded(CompactionDocument(asking(Asked()), bare=True), [*SAID, CALLED]))["output"][0]

        self.assertNotEqual(SEAL.secret, SECRET)
        self.assertRaises(ValueError, summary, item)
        self.assertEqual(asked_of(turn_of()).compaction, True)
