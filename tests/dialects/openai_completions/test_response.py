"""This module is the tests of how a legacy Completions answer is written."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_completions.response import CompletionDocument, CompletionStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, TextDelta, Usage
from ccproxy.prompt import View
from tests.dialects.strict import CompletionsReading, frames, read_completions
from tests.dialects.turns import TURN, encoded, said, turns

APART = evolve(TURN, view=View(usage_apart=True, reasoning=False))
GONE = ProxyError(Kind.UPSTREAM, "Gone.")


def streamed(*events: Event, turn: Turn = TURN) -> CompletionsReading:
    """The strict reading of the stream of some events."""
    return read_completions(encoded(CompletionStream(turn), events))


def document(*events: Event) -> dict[str, Any]:
    """The document of some events."""
    read: dict[str, Any] = json.loads(encoded(CompletionDocument(TURN), events))
    return read


class AnyTurnTests(SynchronousTestCase):
    """What is true of every turn, whatever it consists of."""

    @settings(deadline=None)
    @given(turns())
    def test_stream_holds_the_text(self, events: list[Event]) -> None:
        """Every stream passes a strict reader, and holds all text and nothing else."""
        self.assertEqual(streamed(*events).text, said(events).text)

    @settings(deadline=None)
    @given(turns())
    def test_stream_and_document_agree(self, events: list[Event]) -> None:
        """A document holds the text, the finish reason and the usage of the stream."""
        reading, read = streamed(*events), document(*events)

        (choice,) = read["choices"]
        self.assertEqual((choice["text"], choice["finish_reason"]), (reading.text, reading.finish_reason))
        self.assertEqual(read.get("usage"), reading.usage)

    @settings(deadline=None)
    @given(turns())
    def test_usage_apart_is_the_last_chunk(self, events: list[Event]) -> None:
        """A client that asked for it gets the usage in a chunk of its own, and otherwise the same stream."""
        apart = streamed(*events, turn=APART)

        self.assertTrue(apart.usage_apart)
        self.assertEqual(evolve(apart, usage_apart=False), streamed(*events))

    @settings(deadline=None)
    @given(turns(), st.data())
    def test_pings_fit_anywhere(self, events: list[Event], data: st.DataObject) -> None:
        """A ping between any two events is a comment, which changes nothing."""
        encoder = CompletionStream(TURN)
        cut = data.draw(st.integers(0, len(events) - 1))

        stream = encoded(encoder, events[:cut]) + encoder.ping() + encoded(encoder, events[cut:])

        self.assertEqual(read_completions(stream), evolve(streamed(*events), comments=1))


class AnswerTests(SynchronousTestCase):
    """Single answers."""

    def test_chunk_of_text(self) -> None:
        """A chunk has the id, the time, the requested model and a piece of text."""
        (frame,) = frames(CompletionStream(TURN).encode(TextDelta('"a"')))

        choice = {"text": '"a"', "index": 0, "logprobs": None, "finish_reason": None}
        head = {"id": "cmpl-7f3a", "object": "text_completion", "created": 1_700_000_000, "model": "vendor/model-1"}
        self.assertEqual(json.loads(frame.data or ""), {**head, "choices": [choice]})

    def test_document(self) -> None:
        """A document has the same head, the whole text and the usage."""
        read = document(TextDelta("a"), TextDelta("b"), Finished(FinishReason.STOP, Usage(input=10, output=20)))

        choice = {"text": "ab", "index": 0, "logprobs": None, "finish_reason": "stop"}
        head = {"id": "cmpl-7f3a", "object": "text_completion", "created": 1_700_000_000, "model": "vendor/model-1"}
        usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
        self.assertEqual(read, {**head, "choices": [choice], "usage": usage})

    def test_finish_reasons(self) -> None:
        """Every finish reason has its word, in stream and document; a call, which nobody could ask for, is a stop."""
        words = dict.fromkeys(FinishReason, "stop")
        words[FinishReason.LENGTH] = "length"
        words[FinishReason.CONTENT_FILTER] = "content_filter"

        streams = {reason: streamed(TextDelta("a"), Finished(reason)).finish_reason for reason in FinishReason}
        documents = {reason: document(Finished(reason))["choices"][0]["finish_reason"] for reason in FinishReason}

        self.assertEqual((streams, documents), (words, words))

    def test_failure(self) -> None:
        """A failure is an error without [DONE] in a stream, and alone in a document."""
        (first, last) = frames(encoded(CompletionStream(TURN), [TextDelta("a"), Failed(GONE)]))

        self.assertEqual(json.loads(first.data or "")["choices"][0]["text"], "a")
        self.assertEqual(json.loads(last.data or "")["error"]["message"], "Gone.")
        self.assertEqual(document(TextDelta("a"), Failed(GONE)), json.loads(last.data or ""))

    def test_exotic_line_breaks_in_text_are_escaped(self) -> None:
        """No text breaks a frame for a client that splits lines as Unicode does."""
        reading = streamed(TextDelta("a\u2028\u2029\x85\r"), Finished(FinishReason.STOP))

        self.assertEqual(reading.text, "a\u2028\u2029\x85\r")

    def test_pings(self) -> None:
        """A ping is a comment in a stream, and nothing in a document."""
        self.assertEqual((CompletionStream(TURN).ping(), CompletionDocument(TURN).ping()), (b": keep-alive\n\n", b""))
