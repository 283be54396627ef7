"""Tests of the decoder: what each record says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import (
    Failed,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
)
from tests.upstreams.commandcode.streams import FINISH, TEXT, before_finish, decoded, failure, record

CALL = [ToolStarted("c", "look"), ToolArguments("c", '{"a":1}'), ToolEnded("c", '{"a":1}')]


class SpeechTests(SynchronousTestCase):
    """Text and reasoning."""

    def test_text(self) -> None:
        """A block of text is announced, said and ended."""
        said = before_finish(
            record("text-start", id="t"), record("text-delta", id="t", text="a"), record("text-end", id="t")
        )

        self.assertEqual(said, [TextStarted(), TextDelta("a"), TextEnded()])

    def test_reasoning(self) -> None:
        """Reasoning is said; its start and end are nothing by themselves."""
        said = before_finish(
            record("reasoning-start", id="r"),
            record("reasoning-delta", id="r", text="hm"),
            record("reasoning-end", id="r"),
        )

        self.assertEqual(said, [ReasoningDelta("hm")])

    def test_delta_names(self) -> None:
        """A piece goes by three names."""
        for name in ("text", "delta", "textDelta"):
            self.assertEqual(before_finish(record("text-delta", **{name: "a"})), [TextDelta("a")])
            self.assertEqual(before_finish(record("reasoning-delta", **{name: "a"})), [ReasoningDelta("a")])

    def test_empty(self) -> None:
        """A piece of nothing is not said."""
        for fields in ({}, {"text": ""}, {"text": None}):
            self.assertEqual(before_finish(TEXT, record("text-delta", **fields)), [TextDelta("a")])
            self.assertEqual(before_finish(TEXT, record("reasoning-delta", **fields)), [TextDelta("a")])

    def test_split_characters(self) -> None:
        """A character in two halves is whole again, in text and in reasoning at the same time."""
        said = before_finish(
            record("text-delta", text="a\ud83d"),
            record("reasoning-delta", text="b\ud83e"),
            record("text-delta", text="\udc33"),
            record("reasoning-delta", text="\udd80"),
        )

        self.assertEqual(said, [TextDelta("a"), ReasoningDelta("b"), TextDelta("🐳"), ReasoningDelta("🦀")])

    def test_half_characters(self) -> None:
        """A half that stays alone is U+FFFD: at the end of its block, and at the end of the turn, however that ends."""
        halves = record("text-delta", text="\ud83d"), record("reasoning-delta", text="\ud83d")
        for ending in (FINISH, record("abort"), b""):
            said = decoded(*halves, ending)

            self.assertEqual(said[:-1], [ReasoningDelta("\ufffd"), TextDelta("\ufffd")])
        blocks = before_finish(halves[0], record("text-end"), halves[1], record("reasoning-end"))
        self.assertEqual(blocks, [TextDelta("\ufffd"), TextEnded(), ReasoningDelta("\ufffd")])


class CallTests(SynchronousTestCase):
    """Tool calls, in every variant that was seen."""

    def test_streamed(self) -> None:
        """A call is announced, streams its arguments and is completed."""
        said = before_finish(
            record("tool-input-start", id="c", toolName="look"),
            record("tool-input-delta", id="c", delta='{"a":1}'),
            record("tool-input-end", id="c"),
            record("tool-call", toolCallId="c", toolName="look", input={"a": 1}),
        )

        self.assertEqual(said, CALL)

    def test_whole(self) -> None:
        """A call may come at once, under two types; its input has three names, and its id and its name have two."""
        for type_ in ("tool-call", "tool-input-available"):
            for identity in ({"toolCallId": "c"}, {"id": "c"}, {"toolCallId": "c", "id": "x"}):
                for named in ({"toolName": "look"}, {"name": "look"}):
                    for given in ("input", "args", "arguments"):
                        for value in ({"a": 1}, '{"a":1}'):
                            line = record(type_, **identity, **named, **{given: value})

                            self.assertEqual(before_finish(line), CALL, line)

    def test_false_input(self) -> None:
        """An input is what is not null, even if it holds nothing."""
        said = before_finish(record("tool-call", toolCallId="c", toolName="look", input=False, args={"a": 1}))

        self.assertEqual(said[-1], ToolEnded("c", '{"value":false}'))

    def test_numeric_id(self) -> None:
        """An id that is a number names a call all the same."""
        said = before_finish(
            record("tool-input-start", id=7, toolName="look"), record("tool-call", toolCallId=7, input={})
        )

        self.assertEqual(said, [ToolStarted("7", "look"), ToolArguments("7", "{}"), ToolEnded("7", "{}")])

    def test_no_id(self) -> None:
        """Calls without an id are told apart, each with its own fragments."""
        start, delta = record("tool-input-start", toolName="look"), record("tool-input-delta", delta='{"a":1}')
        final = record("tool-call", toolName="look")

        said = before_finish(start, delta, final, start, delta, final)

        self.assertEqual(
            [event for event in said if isinstance(event, ToolEnded)],
            [ToolEnded("call_0", '{"a":1}'), ToolEnded("call_1", '{"a":1}')],
        )

    def test_old_deltas(self) -> None:
        """The oldest form names the call in its fragments, and may hold everything one level down."""
        flat = {"toolCallId": "c", "name": "look", "arguments": '{"a":1}'}
        for fields in (flat, {"data": flat}):
            said = before_finish(record("tool-call-delta", **fields), record("tool-call", toolCallId="c", input=None))

            self.assertEqual(said, CALL)

    def test_data_beside_fields(self) -> None:
        """A record that has fields of its own is not nested, whatever stands in its data."""
        self.assertEqual(before_finish(record("text-delta", text="said", data={"other": 1})), [TextDelta("said")])

    def test_nested_text(self) -> None:
        """Text of the oldest form is said."""
        self.assertEqual(before_finish(record("text-delta", data={"text": "a"})), [TextDelta("a")])

    def test_foreign_data(self) -> None:
        """Something else one level down changes nothing."""
        for data in ([1], "x", 7, {"text": 5}):
            self.assertEqual(before_finish(record("text-delta", text="a", data=data)), [TextDelta("a")])

    def test_upstream_calls(self) -> None:
        """A call that runs upstream is not shown, however much of it comes."""
        said = before_finish(
            TEXT,
            record("tool-input-start", id="s", toolName="web_search", providerExecuted=True),
            record("tool-input-delta", id="s", delta="{}"),
            record("tool-call", toolCallId="s", toolName="web_search", input={}, providerExecuted=True),
            record("tool-call", toolCallId="t", toolName="web_search", input={}, providerExecuted=True),
            record("tool-result", toolCallId="s", toolName="web_search", output={"found": 1}),
            record("tool-error", toolCallId="t", toolName="web_search", error="none"),
        )

        self.assertEqual(said, [TextDelta("a")])

    def test_own_calls(self) -> None:
        """A call that is said not to run upstream is the client's."""
        said = before_finish(
            record("tool-call", toolCallId="c", toolName="look", input={"a": 1}, providerExecuted=False)
        )

        self.assertEqual(said, CALL)

    def test_bad_call(self) -> None:
        """A call that cannot be completed ends the turn there."""
        said = decoded(
            record("tool-input-start", id="c", toolName="look"),
            record("tool-input-delta", id="c", delta='{"a":'),
            record("tool-call", toolCallId="c", toolName="look", input={"a": 1}),
            TEXT,
            FINISH,
        )

        self.assertEqual(said[:-1], [ToolStarted("c", "look"), ToolArguments("c", '{"a":')])
        self.assertIsInstance(said[-1], Failed)

    def test_nameless_call(self) -> None:
        """A call that was begun and never named is shown before the finish."""
        said = before_finish(record("tool-input-delta", id="c", delta='{"a":1}'))

        self.assertEqual(said, [ToolStarted("c", "unknown"), ToolArguments("c", '{"a":1}')])

    def test_long_arguments(self) -> None:
        """The arguments of one call are bounded like a line."""
        delta = record("tool-input-delta", id="c", delta="x" * 100)

        failed = failure(record("tool-input-start", id="c", toolName="look"), delta * 3, limit=250)

        self.assertIn("arguments of a tool call are larger", failed.error.message)
