"""This module is the tests of how a Responses answer is streamed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked, CallForm, CallKind
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    TextDelta,
    TextDeltas,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolStarted,
    Usage,
)
from ccproxy.framing import dumps, sse
from tests.dialects.openai_responses.answering import (
    CALLED,
    CUT,
    FORMED,
    SEALED,
    STOP,
    SUMMARY,
    THOUGHT,
    asking,
    call,
    document,
    streamed,
)
from tests.dialects.strict import Frame, frames
from tests.dialects.strict_responses import read_responses
from tests.dialects.turns import HIDDEN, TURN, encoded, said, turns
from tests.unmeasured import Unmeasured

EVERYTHING = asking(Asked(summary=True, sealed=True, echo={"instructions": "be\u2028brief", "store": True}))
TURNS = st.sampled_from([TURN, HIDDEN, SEALED, SUMMARY, EVERYTHING, evolve(TURN, model="a\u2028b")])
ITEM = '"item_id":"msg_7f3a00","output_index":0,"content_index":0'


def kinds(stream: bytes) -> list[str]:
    """The types of all events, without what they all begin with; comments stand with their text."""
    return [(frame.event or f": {frame.comment}").removeprefix("response.") for frame in frames(stream)]


class PropertyTests(Unmeasured):
    """What holds for every turn."""

    @settings(deadline=None)
    @given(turns(), TURNS)
    def test_strict_and_lossless(self, events: list[Event], turn: Turn) -> None:
        """Every stream passes the strict reader, and its items say what the turn says; its last response is the document."""
        stream = encoded(ResponseStream(turn), events)

        reading = read_responses(stream)

        spoken = said(events)
        texts = [item["content"][0]["text"] for item in reading.items if item["type"] == "message"]
        thoughts = [item for item in reading.items if item["type"] == "reasoning"]
        calls = [item for item in reading.items if item["type"] == "function_call"]
        self.assertEqual("".join(texts), spoken.text)
        shown = "".join([*item["summary"], *item.get("content", [])][0]["text"] for item in thoughts)
        self.assertEqual(shown, spoken.reasoning if turn.view.reasoning else "")
        self.assertEqual([(item["call_id"], item["name"], item["arguments"]) for item in calls], list(spoken.calls))
        self.assertEqual(reading.response, json.loads(encoded(ResponseDocument(turn), events)))

    @settings(deadline=None)
    @given(turns(), st.sampled_from(CallKind), st.none() | st.just("space"))
    def test_forms(self, events: list[Event], kind: CallKind, namespace: str | None) -> None:
        """Calls of every form pass the strict reader, and the document shows them as the stream does."""
        names = {event.name for event in events if isinstance(event, ToolStarted)}
        turn = asking(Asked(forms={name: CallForm("bare", kind, namespace) for name in names}))

        reading = streamed(*events, turn=turn)

        calls = [item for item in reading.items if item["type"] == kind.value]
        self.assertEqual([item["call_id"] for item in calls], [one for one, _, _ in said(events).calls])
        self.assertEqual(reading.response, document(*events, turn=turn))

    @settings(deadline=None)
    @given(turns(), TURNS, st.data())
    def test_failed_anywhere(self, events: list[Event], turn: Turn, data: st.DataObject) -> None:
        """A turn that fails after any event, pinged or not, ends with one failed response that has the items which were whole."""
        cut = data.draw(st.integers(0, len(events) - 1))
        encoder = ResponseStream(turn)
        pings = encoder.ping() if data.draw(st.booleans()) else b""

        stream = pings + encoded(encoder, [*events[:cut], Failed(ProxyError(Kind.TIMEOUT, "Silence."))])

        reading = read_responses(stream)
        self.assertEqual((reading.end, reading.response["error"]["code"]), ("failed", "timeout"))

    @settings(deadline=None)
    @given(turns(), st.lists(st.booleans(), min_size=60, max_size=60), TURNS)
    def test_pings_anywhere(self, events: list[Event], pinged: list[bool], turn: Turn) -> None:
        """Signs of life between any events change nothing but the numbers."""
        encoder = ResponseStream(turn)

        stream = b"".join(
            encoder.encode(event) + (encoder.ping() if ping and event is not events[-1] else b"")
            for event, ping in zip(events, pinged * (len(events) // 60 + 1), strict=False)
        )

        self.assertEqual(read_responses(stream).items, streamed(*events, turn=turn).items)


class ReaderTests(SynchronousTestCase):
    """The strict reader notices what it is there for."""

    def test_every_frame_counts(self) -> None:
        """A stream from which any event is missing is refused, and so is one in which two that follow each other are swapped."""
        events = [
            THOUGHT,
            TextDelta("a"),
            TextEnded(),
            *call("look", '{"a":1}'),
            *call("patch", '{"input":"x"}'),
            CALLED,
        ]
        turn = evolve(FORMED, sealing_key=b"x")
        whole = frames(encoded(ResponseStream(turn), events))
        read_responses(renumbered(whole))

        for place in range(len(whole)):
            swapped = [*whole[:place], *whole[place : place + 2][::-1], *whole[place + 2 :]]
            for damaged in (whole[:place] + whole[place + 1 :], whole[:place] + swapped[place:]):
                same = [frame.event for frame in damaged] == [frame.event for frame in whole]
                if not same:
                    self.assertRaises((AssertionError, KeyError), read_responses, renumbered(damaged))


def renumbered(events: Sequence[Frame]) -> bytes:
    """A stream of these events, numbered anew."""
    stream = b""
    for number, frame in enumerate(events):
        data = {**json.loads(frame.data or ""), "sequence_number": number}
        stream += sse(dumps(data), (frame.event or "").encode())
    return stream


class StreamTests(SynchronousTestCase):
    """The events of a stream."""

    def setUp(self) -> None:
        """Make the encoder of one turn."""
        self.encoder = ResponseStream(TURN)

    def test_announced_text_says_nothing_yet(self) -> None:
        """Nothing is sent before something is said, so that an early failure keeps its status."""
        self.assertEqual(encoded(self.encoder, [TextStarted(), TextEnded()]), b"")

    def test_text(self) -> None:
        """A message begins, has its part, its pieces and its whole text, and is done at the end."""
        stream = encoded(self.encoder, [TextStarted(), TextDelta("a"), TextDelta("b"), TextEnded(), STOP])

        text = ["output_item.added", "content_part.added", *["output_text.delta"] * 2, "output_text.done"]
        self.assertEqual(
            kinds(stream), ["created", "in_progress", *text, "content_part.done", "output_item.done", "completed"]
        )

    def test_piece_of_text_is_one_frame(self) -> None:
        """Each piece of text goes out at once, in the frame of its part, with the number of its event."""
        self.encoder.encode(TextDelta("a"))

        frame = self.encoder.encode(TextDelta('"b"'))

        data = f'{{"type":"response.output_text.delta",{ITEM},"logprobs":[],"sequence_number":5,"delta":"\\"b\\""}}'
        self.assertEqual(frame.decode(), f"event: response.output_text.delta\ndata: {data}\n\n")

    def test_pieces_together(self) -> None:
        """Pieces that come together are numbered as if they came apart, whatever comes after them."""
        for texts in (["a"], ["", "a"], ["a", "", "b\u2028"], ["a", "b", "c"]):
            for before in ([], [TextDelta("x")], [THOUGHT]):
                together, apart = ResponseStream(TURN), ResponseStream(TURN)
                joined: list[Event] = [*before, TextDeltas(texts), TextEnded(), STOP]
                single: list[Event] = [*before, *map(TextDelta, texts), TextEnded(), STOP]

                self.assertEqual(encoded(together, joined), encoded(apart, single))

    def test_many_pieces_together(self) -> None:
        """Numbers rise by one over any number of pieces and deliveries."""
        texts = [f"{number} " for number in range(990)]
        for sizes in ([5, 990, 3], [990, 990, 990, 700], [990, 4, 1, 1, 1, 2, 990]):
            joined = [TextDeltas(texts[:size]) for size in sizes]
            single = [TextDelta(text) for size in sizes for text in texts[:size]]

            stream = encoded(ResponseStream(TURN), [*joined, STOP])

            self.assertEqual(stream, encoded(ResponseStream(TURN), [*single, STOP]))
            self.assertEqual(len(read_responses(stream).deltas[0]), sum(sizes))

    def test_message_is_done_with_the_next_item(self) -> None:
        """A message whose text is over is done when something else begins, and not before its whole text was told."""
        self.encoder.encode(TextDelta("a"))

        over, after = self.encoder.encode(TextEnded()), self.encoder.encode(THOUGHT)

        self.assertEqual(kinds(over), ["output_text.done", "content_part.done"])
        self.assertEqual(kinds(after)[:2], ["output_item.done", "output_item.added"])

    def test_reasoning(self) -> None:
        """Reasoning is told as the reasoning that it is, or as a summary where one was asked for."""
        for turn, part, text in (
            (TURN, "content_part", "reasoning_text"),
            (SUMMARY, "reasoning_summary_part", "reasoning_summary_text"),
        ):
            stream = encoded(ResponseStream(turn), [THOUGHT, THOUGHT, STOP])

            told = [f"{part}.added", *[f"{text}.delta"] * 2, f"{text}.done", f"{part}.done"]
            self.assertEqual(kinds(stream)[2:-1], ["output_item.added", *told, "output_item.done"])

    def test_sealed_reasoning(self) -> None:
        """Reasoning that is given in sealed form has it when it is done and in the end, and not when it begins."""
        reading = streamed(THOUGHT, STOP, turn=SEALED)

        self.assertTrue(reading.items[0]["encrypted_content"].startswith("ccproxy2."))
        self.assertNotIn("encrypted_content", streamed(THOUGHT, STOP).items[0])

    def test_hidden_reasoning_begins_the_response_only(self) -> None:
        """Reasoning that is not shown still tells the client that the turn has begun, once."""
        encoder = ResponseStream(HIDDEN)

        self.assertEqual(kinds(encoder.encode(THOUGHT)), ["created", "in_progress"])
        self.assertEqual(encoder.encode(THOUGHT), b"")

    def test_function_call(self) -> None:
        """A call is told in pieces of its arguments, then whole, and empty pieces are left out."""
        stream = encoded(self.encoder, [*call("look", '{"a":1}', cuts=(0, 2)), CALLED])

        told = [*["function_call_arguments.delta"] * 2, "function_call_arguments.done"]
        self.assertEqual(kinds(stream)[2:-1], ["output_item.added", *told, "output_item.done"])

    def test_custom_call(self) -> None:
        """A custom tool is called with text, which is told in pieces as the model writes it."""
        reading = streamed(*call("patch", r'{"input":"a\nb"}', cuts=(12, 13)), CALLED, turn=FORMED)

        self.assertEqual(reading.deltas[0], ["a", "\n", "b"])
        self.assertEqual((reading.items[0]["name"], reading.items[0]["input"]), ("apply_patch", "a\nb"))

    def test_custom_call_of_another_form(self) -> None:
        """What is not the one text is told at the end, whole."""
        reading = streamed(*call("patch", '{"patch":"p"}', cuts=(5,)), CALLED, turn=FORMED)

        self.assertEqual((reading.deltas[0], reading.items[0]["input"]), (["p"], "p"))

    def test_custom_call_without_text(self) -> None:
        """An empty text is told without pieces."""
        reading = streamed(*call("patch", '{"input":""}'), CALLED, turn=FORMED)

        self.assertEqual((reading.deltas[0], reading.items[0]["input"]), ([], ""))

    def test_local_shell(self) -> None:
        """A call of the local shell has its action when it is done, and no pieces."""
        stream = encoded(ResponseStream(FORMED), [*call("shell", '{"command":["ls"]}'), CALLED])

        self.assertEqual(kinds(stream)[2:-1], ["output_item.added", "output_item.done"])
        self.assertEqual(read_responses(stream).items[0]["action"]["command"], ["ls"])

    def test_exotic_line_breaks_are_escaped(self) -> None:
        """No text, name or model id breaks a frame for a client that splits lines as Unicode does."""
        turn = evolve(FORMED, model="m\u2028\x85")
        called = [*call("n\u2029", '{"\u2028":1}', call_id="i\u2028"), *call("patch", '{"input":"\u2028"}')]

        reading = streamed(TextDelta("a\u2028"), TextDelta("\u2029\x85\r"), *called, CALLED, turn=turn)

        self.assertEqual(reading.items[0]["content"][0]["text"], "a\u2028\u2029\x85\r")
        self.assertEqual([item["call_id"] for item in reading.items[1:]], ["i\u2028", "call_1"])


class EndingTests(SynchronousTestCase):
    """How a stream ends."""

    def test_statuses(self) -> None:
        """A response that was cut or filtered is incomplete, and says why; any other is completed."""
        reasons = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
        for reason in FinishReason:
            reading = streamed(TextDelta("a"), TextEnded(), Finished(reason))

            cut = reasons.get(reason)
            self.assertEqual(reading.end, "incomplete" if cut else "completed")
            self.assertEqual(reading.response["incomplete_details"], {"reason": cut} if cut else None)
            self.assertEqual(reading.items[0]["status"], "incomplete" if cut else "completed")

    def test_cut_after_a_call(self) -> None:
        """A message after which more was said is whole, although the turn was cut."""
        reading = streamed(TextDelta("a"), *call("look", "{}", cuts=(1,)), CUT)

        self.assertEqual(reading.items[0]["status"], "completed")

    def test_nothing_said(self) -> None:
        """A turn that ends before it said anything begins and ends properly, and nothing is invented for it."""
        for reason, end in ((FinishReason.LENGTH, "incomplete"), (FinishReason.STOP, "completed")):
            reading = streamed(Finished(reason))

            self.assertEqual((reading.end, reading.items), (end, []))

    def test_usage(self) -> None:
        """Usage has all its counts."""
        spent = Usage(input=100, output=7, cache_read=80, cache_write=10, reasoning=5)

        self.assertEqual(
            streamed(TextDelta("a"), Finished(FinishReason.STOP, spent)).response["usage"],
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 10},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 107,
            },
        )

    def test_failed_first(self) -> None:
        """A failure that is the first thing to say is preceded by the beginning."""
        stream = ResponseStream(TURN).encode(Failed(ProxyError(Kind.CONTEXT_LENGTH, "Too long.")))

        self.assertEqual(kinds(stream), ["created", "in_progress", "failed"])
        error = {"code": "context_length_exceeded", "message": "Too long.", "type": "invalid_request_error"}
        self.assertEqual(read_responses(stream).response["error"], error)

    def test_failed_in_an_item(self) -> None:
        """An item that is open when the turn fails stays open; a message that was over by then is done."""
        failed = Failed(ProxyError(Kind.UPSTREAM, "Gone."), Usage(input=3, output=1))

        reading = streamed(TextDelta("a"), TextEnded(), ToolStarted("c", "look"), ToolArguments("c", '{"a'), failed)
        over = streamed(TextDelta("a"), TextEnded(), failed)

        self.assertEqual([item["type"] for item in reading.response["output"]], ["message"])
        self.assertEqual(reading.response["usage"]["total_tokens"], 4)
        self.assertEqual(over.items[0]["status"], "completed")


class PingTests(SynchronousTestCase):
    """Signs of life."""

    def test_first(self) -> None:
        """A ping that comes first begins the response, which then does not begin again."""
        encoder = ResponseStream(TURN)

        stream = encoder.ping() + encoder.ping() + encoded(encoder, [TextDelta("a"), STOP])

        self.assertEqual(kinds(stream)[:4], ["created", "in_progress", ": keep-alive", "output_item.added"])

    def test_long_silence(self) -> None:
        """In a long silence every tenth ping is an event, for clients to which a comment is no sign of life."""
        encoder = ResponseStream(TURN)
        encoder.ping()

        stream = b"".join(encoder.ping() for _ in range(20))

        quiet = [": keep-alive"] * 9
        self.assertEqual(kinds(stream), [*quiet, "in_progress", *quiet, "in_progress"])

    def test_new_silence(self) -> None:
        """Comments are counted from the last event."""
        encoder = ResponseStream(TURN)
        before = [encoder.ping() for _ in range(9)]
        encoder.encode(TextDelta("a"))

        self.assertEqual(kinds(b"".join(before[1:]) + encoder.ping()), [": keep-alive"] * 9)
