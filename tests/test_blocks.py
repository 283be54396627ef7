"""This module is the tests of the content blocks that a turn becomes."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.dialects.anthropic_messages.response import MessageStream
from ccproxy.events import Event, TextDelta, TextEnded, TextStarted
from ccproxy.keys import Key
from ccproxy.prompt import View
from ccproxy.seal import Seal
from tests.dialects.anthropic_messages.answering import CALLED, STOP, THOUGHT, call, document, outline, streamed, whole
from tests.dialects.strict import read_messages
from tests.dialects.turns import HIDDEN, TURN, encoded, said, turns
from tests.unmeasured import Unmeasured


class AnyTurnTests(Unmeasured):
    """What is true of every turn, however its parts overlap."""

    @settings(deadline=None)
    @given(turns())
    def test_stream_is_well_formed_and_loses_nothing(self, events: list[Event]) -> None:
        """Every stream passes a strict reader, and its blocks hold all text, all reasoning and every call in order."""
        spoken = said(events)

        reading = streamed(*events)

        texts = [block["text"] for block in reading.blocks if block["type"] == "text"]
        thoughts = [block["thinking"] for block in reading.blocks if block["type"] == "thinking"]
        calls = [(block["id"], block["name"], block["partial_json"]) for block in reading.blocks if "id" in block]
        self.assertEqual("".join(texts), spoken.text)
        self.assertEqual("".join(thoughts), spoken.reasoning)
        self.assertEqual(tuple(calls), spoken.calls)

    @settings(deadline=None)
    @given(turns())
    def test_stream_and_document_agree(self, events: list[Event]) -> None:
        """A document holds the blocks, the stop reason and the known usage of the stream."""
        reading = streamed(*events)

        message = document(*events)

        told = {name: count for name, count in message["usage"].items() if count}
        streamed_usage = {name: count for name, count in (reading.usage or {}).items() if count}
        self.assertEqual(message["content"], whole(reading.blocks))
        self.assertEqual(message["stop_reason"], reading.stop_reason)
        self.assertEqual(told, streamed_usage)

    @settings(deadline=None)
    @given(turns())
    def test_reasoning_is_not_shredded(self, events: list[Event]) -> None:
        """Two thinking blocks never follow each other."""
        kinds = [block["type"] for block in streamed(*events).blocks]

        self.assertNotIn(("thinking", "thinking"), list(pairwise(kinds)))

    @settings(deadline=None)
    @given(turns())
    def test_hidden_reasoning_leaves_no_block(self, events: list[Event]) -> None:
        """A client that did not turn thinking on sees none, and still all the rest."""
        reading = streamed(*events, turn=HIDDEN)

        texts = [block["text"] for block in reading.blocks if block["type"] == "text"]
        self.assertNotIn("thinking", {block["type"] for block in reading.blocks})
        self.assertEqual("".join(texts), said(events).text)
        self.assertEqual(document(*events, turn=HIDDEN)["content"], whole(reading.blocks))

    @settings(deadline=None)
    @given(turns(), st.data())
    def test_pings_fit_anywhere(self, events: list[Event], data: st.DataObject) -> None:
        """A ping between any two events disturbs no block."""
        encoder = MessageStream(TURN)
        cut = data.draw(st.integers(0, len(events) - 1))

        stream = encoded(encoder, events[:cut]) + encoder.ping() + encoded(encoder, events[cut:])

        reading = read_messages(stream)
        self.assertEqual(reading.pings, 1)
        self.assertEqual(reading.blocks, streamed(*events).blocks)


class BlockOrderTests(Unmeasured):
    """Which block follows which."""

    def test_text_follows_thinking(self) -> None:
        """Text stops the thinking block."""
        reading = streamed(THOUGHT, TextStarted(), TextDelta("a"), TextEnded(), STOP)

        self.assertEqual(outline(reading), [("thinking", "hm"), ("text", "a")])

    def test_end_of_text_does_not_stop_thinking(self) -> None:
        """The end of a text that said nothing leaves the thinking block open."""
        reading = streamed(THOUGHT, TextStarted(), TextEnded(), THOUGHT, STOP)

        self.assertEqual(outline(reading), [("thinking", "hmhm")])

    def test_reasoning_waits_for_the_end_of_text(self) -> None:
        """Reasoning inside a text becomes one thinking block when the text has ended."""
        encoder = MessageStream(TURN)
        encoded(encoder, [TextDelta("a")])

        held = encoded(encoder, [THOUGHT, TextDelta("b"), THOUGHT])
        released = encoder.encode(TextEnded())

        self.assertNotIn(b"thinking", held)
        self.assertEqual(released.count(b'"thinking_delta"'), 2)
        self.assertEqual(released.count(b"event: content_block_start"), 1)

    def test_call_releases_reasoning_held_by_text(self) -> None:
        """A call stops the text, and reasoning that waited for this comes before the call."""
        reading = streamed(TextDelta("a"), THOUGHT, *call("A"), CALLED)

        self.assertEqual(outline(reading), [("text", "a"), ("thinking", "hm"), ("tool_use", "A")])

    def test_finish_releases_reasoning_held_by_text(self) -> None:
        """A turn that finishes inside a text gives the reasoning that waited."""
        reading = streamed(TextDelta("a"), THOUGHT, STOP)

        self.assertEqual(outline(reading), [("text", "a"), ("thinking", "hm")])

    def test_text_blocks_stay_apart(self) -> None:
        """Two texts upstream are two blocks."""
        reading = streamed(TextDelta("a"), TextEnded(), TextStarted(), TextDelta("b"), TextEnded(), STOP)

        self.assertEqual(outline(reading), [("text", "a"), ("text", "b")])

    def test_text_and_reasoning_wait_for_the_end_of_a_call(self) -> None:
        """What is said during a call follows it."""
        start, *rest = call("A")

        reading = streamed(start, TextDelta("a"), TextEnded(), THOUGHT, *rest, CALLED)

        self.assertEqual(outline(reading), [("tool_use", "A"), ("text", "a"), ("thinking", "hm")])

    def test_texts_during_a_call_stay_apart(self) -> None:
        """Two texts that waited for a call are still two blocks."""
        start, *rest = call("A")

        reading = streamed(start, TextDelta("a"), TextEnded(), TextDelta("b"), TextEnded(), *rest, CALLED)

        self.assertEqual(outline(reading), [("tool_use", "A"), ("text", "a"), ("text", "b")])

    def test_interleaved_calls_become_blocks_in_order_of_their_start(self) -> None:
        """Calls that overlap upstream follow each other, whichever ends first."""
        first, second, third = call("A"), call("B"), call("C")

        reading = streamed(first[0], second[0], third[0], *third[1:], *second[1:], *first[1:], CALLED)

        self.assertEqual(outline(reading), [("tool_use", "A"), ("tool_use", "B"), ("tool_use", "C")])
        self.assertEqual([block["input"] for block in reading.blocks], [{"id": "A"}, {"id": "B"}, {"id": "C"}])

    def test_waiting_call_streams_as_soon_as_it_may(self) -> None:
        """A call that had to wait is not held until its end, but only until the other call's."""
        first, second = call("A"), call("B")
        encoder = MessageStream(TURN)
        encoded(encoder, [first[0], second[0], second[1], *first[1:]])

        fragment = encoder.encode(second[2])

        self.assertIn(b'"index":1,"delta":{"type":"input_json_delta"', fragment)

    def test_many_calls_inside_each_other_are_no_burden(self) -> None:
        """Calls nested five hundred deep come out one after the other."""
        calls = [call(f"c{number}") for number in range(500)]
        events = [*(event for one in calls for event in one[:-1]), *(one[-1] for one in reversed(calls))]

        reading = streamed(*events, CALLED)

        self.assertEqual([block["id"] for block in reading.blocks], [f"c{number}" for number in range(500)])

    def test_empty_text_makes_no_block(self) -> None:
        """A text that is announced and says nothing leaves no empty block."""
        reading = streamed(TextStarted(), TextDelta(""), TextEnded(), THOUGHT, STOP)

        self.assertEqual(outline(reading), [("thinking", "hm")])

    def test_thinking_is_signed(self) -> None:
        """A thinking block ends with a signature that the proxy recognises, the same in stream and document."""
        seal = Seal(Key("user_test_key"))
        turn = evolve(TURN, sealing_key=seal.secret)

        block = streamed(THOUGHT, THOUGHT, STOP, turn=turn).blocks[0]

        self.assertEqual(seal.opened("hmhm", block["signature"]), "hmhm")
        self.assertEqual(document(THOUGHT, THOUGHT, STOP, turn=turn)["content"][0], block)

    def test_omitted_thinking_is_carried_by_its_signature(self) -> None:
        """A client that asked not to see the thinking gets a block without text, from whose signature it can be restored."""
        seal = Seal(Key("user_test_key"))
        turn = evolve(TURN, sealing_key=seal.secret, view=View(reasoning_omitted=True))

        block = streamed(THOUGHT, THOUGHT, STOP, turn=turn).blocks[0]

        self.assertEqual(block["thinking"], "")
        self.assertEqual(seal.opened("", block["signature"]), "hmhm")
        self.assertEqual(document(THOUGHT, THOUGHT, STOP, turn=turn)["content"][0], block)
