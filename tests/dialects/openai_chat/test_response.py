"""This module is the tests of how a Chat Completions answer is written."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_chat.response import ChatDocument, ChatStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
    Usage,
)
from ccproxy.prompt import View
from tests.dialects.strict import ChatReading, frames, read_chat
from tests.dialects.turns import HIDDEN, TURN, encoded, said, turns

STOP = Finished(FinishReason.STOP)
KNOWN = Finished(FinishReason.STOP, Usage(input=10, output=20, cache_read=8, reasoning=5))
APART = evolve(TURN, view=View(usage_apart=True))
SHOWN_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def streamed(*events: Event, turn: Turn = TURN) -> ChatReading:
    """The strict reading of the stream of some events."""
    return read_chat(encoded(ChatStream(turn), events))


def document(*events: Event, turn: Turn = TURN) -> dict[str, Any]:
    """The document of some events."""
    read: dict[str, Any] = json.loads(encoded(ChatDocument(turn), events))
    return read


class AnyTurnTests(SynchronousTestCase):
    """What is true of every turn, however its parts overlap."""

    @settings(deadline=None)
    @given(turns())
    def test_stream_is_well_formed_and_loses_nothing(self, events: list[Event]) -> None:
        """Every stream passes a strict reader, and holds all text, all reasoning and every call in order."""
        spoken = said(events)

        reading = streamed(*events)

        calls = tuple((call["id"], call["name"], call["arguments"]) for call in reading.calls)
        self.assertEqual((reading.text, reading.reasoning, calls), (spoken.text, spoken.reasoning, spoken.calls))

    @settings(deadline=None)
    @given(turns())
    def test_stream_and_document_agree(self, events: list[Event]) -> None:
        """A document holds the text, the reasoning, the calls, the finish reason and the usage of the stream."""
        reading = streamed(*events)

        read = document(*events)

        (choice,) = read["choices"]
        message = choice["message"]
        calls = [{"id": call["id"], **call["function"]} for call in message.get("tool_calls", [])]
        self.assertEqual(message["content"] or "", reading.text)
        self.assertEqual(message.get("reasoning_content", ""), reading.reasoning)
        self.assertEqual(calls, reading.calls)
        self.assertEqual(choice["finish_reason"], reading.finish_reason)
        self.assertEqual(read.get("usage"), reading.usage)

    @settings(deadline=None)
    @given(turns())
    def test_usage_apart_is_the_last_chunk(self, events: list[Event]) -> None:
        """A client that asked for it gets the usage in a chunk of its own, and otherwise the same stream."""
        apart, riding = streamed(*events, turn=APART), streamed(*events)

        self.assertTrue(apart.usage_apart)
        self.assertEqual(evolve(apart, usage_apart=False), riding)

    @settings(deadline=None)
    @given(turns(), st.data())
    def test_pings_fit_anywhere(self, events: list[Event], data: st.DataObject) -> None:
        """A ping between any two events is a comment, which changes nothing."""
        encoder = ChatStream(TURN)
        cut = data.draw(st.integers(0, len(events) - 1))

        stream = encoded(encoder, events[:cut]) + encoder.ping() + encoded(encoder, events[cut:])

        self.assertEqual(read_chat(stream), evolve(streamed(*events), comments=1))


class StreamTests(SynchronousTestCase):
    """The chunks of a stream."""

    def test_chunk_of_text(self) -> None:
        """The first piece of text comes with the role, in a chunk that has the id, the time and the requested model."""
        (frame,) = frames(ChatStream(TURN).encode(TextDelta('"a"')))

        self.assertEqual(
            json.loads(frame.data or ""),
            {
                "id": "chatcmpl-7f3a",
                "object": "chat.completion.chunk",
                "created": 1_700_000_000,
                "model": "vendor/model-1",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": '"a"'}, "finish_reason": None}],
            },
        )

    def test_announcements_say_nothing(self) -> None:
        """The bounds of a text block and the end of a call have no chunk."""
        encoder = ChatStream(TURN)

        self.assertEqual(encoded(encoder, [TextStarted(), TextEnded()]), b"")

    def test_interleaved_calls_keep_their_index(self) -> None:
        """Fragments of calls that overlap go to the index of their call at once."""
        reading = streamed(
            ToolStarted("A", "look"),
            ToolStarted("B", "find"),
            ToolArguments("B", "{"),
            ToolArguments("A", "{}"),
            ToolArguments("B", "}"),
            ToolEnded("B", "{}"),
            ToolEnded("A", "{}"),
            Finished(FinishReason.TOOL_CALLS),
        )

        self.assertEqual(
            reading.calls,
            [{"id": "A", "name": "look", "arguments": "{}"}, {"id": "B", "name": "find", "arguments": "{}"}],
        )

    def test_hidden_reasoning(self) -> None:
        """Reasoning that is not to be shown is neither in the stream nor in the document."""
        events = (ReasoningDelta("hm"), TextDelta("a"), STOP)

        self.assertEqual(streamed(*events, turn=HIDDEN).reasoning, "")
        self.assertNotIn("reasoning_content", document(*events, turn=HIDDEN)["choices"][0]["message"])

    def test_turn_without_output_still_has_a_role(self) -> None:
        """A turn that is cut before it said anything is a whole stream."""
        reading = streamed(Finished(FinishReason.LENGTH))

        self.assertEqual((reading.text, reading.finish_reason), ("", "length"))

    def test_exotic_line_breaks_in_text_are_escaped(self) -> None:
        """No text breaks a frame for a client that splits lines as Unicode does."""
        reading = streamed(TextDelta("a\u2028\u2029\x85\r"), STOP)

        self.assertEqual(reading.text, "a\u2028\u2029\x85\r")

    def test_ping_is_a_comment(self) -> None:
        """A ping is a comment, as any data frame would have to have choices."""
        self.assertEqual(ChatStream(TURN).ping(), b": keep-alive\n\n")


class EndingTests(SynchronousTestCase):
    """How an answer ends."""

    def test_finish_reasons(self) -> None:
        """Every finish reason has its word, in stream and document."""
        words = {
            FinishReason.STOP: "stop",
            FinishReason.STOP_SEQUENCE: "stop",
            FinishReason.LENGTH: "length",
            FinishReason.TOOL_CALLS: "tool_calls",
            FinishReason.CONTENT_FILTER: "content_filter",
            FinishReason.PAUSE: "stop",
        }

        streams = {reason: streamed(TextDelta("a"), Finished(reason)).finish_reason for reason in FinishReason}
        documents = {
            reason: document(TextDelta("a"), Finished(reason))["choices"][0]["finish_reason"] for reason in FinishReason
        }

        self.assertEqual(streams, words)
        self.assertEqual(documents, words)

    def test_usage_rides_on_the_last_chunk(self) -> None:
        """Usage is on the chunk that finishes, and its input includes cached tokens."""
        reading = streamed(TextDelta("a"), KNOWN)

        self.assertEqual((reading.usage, reading.usage_apart), (SHOWN_USAGE, False))

    def test_usage_that_was_asked_for_comes_apart(self) -> None:
        """A client that asked for usage gets it after the finish, in a chunk without choices."""
        reading = streamed(TextDelta("a"), KNOWN, turn=APART)

        self.assertEqual((reading.usage, reading.usage_apart), (SHOWN_USAGE, True))

    def test_unknown_usage_is_absent(self) -> None:
        """Usage that is unknown, in part or whole, is not shown as zero."""
        half = Finished(FinishReason.STOP, Usage(input=10))

        self.assertIs(streamed(TextDelta("a"), half).usage, None)
        self.assertNotIn("usage", document(TextDelta("a"), STOP))

    def test_failure_ends_a_stream_without_done(self) -> None:
        """A stream that fails ends with an error object, and [DONE] does not follow."""
        stream = encoded(ChatStream(TURN), [TextDelta("a"), Failed(ProxyError(Kind.UPSTREAM, "Gone."))])

        last = frames(stream)[-1]

        self.assertEqual(json.loads(last.data or "")["error"]["message"], "Gone.")


class DocumentTests(SynchronousTestCase):
    """One completion as a document."""

    def test_whole_document(self) -> None:
        """A document has every field of a completion."""
        self.assertEqual(
            document(ReasoningDelta("hm"), TextDelta("Hello"), TextDelta("!"), KNOWN),
            {
                "id": "chatcmpl-7f3a",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": "vendor/model-1",
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "Hello!",
                            "refusal": None,
                            "reasoning_content": "hm",
                        },
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": SHOWN_USAGE,
            },
        )

    def test_calls_without_text_have_null_content(self) -> None:
        """A message that only calls tools has no content; its arguments are JSON text."""
        called: list[Event] = [ToolStarted("A", "look"), ToolArguments("A", "{}"), ToolEnded("A", "{}")]

        message = document(*called, Finished(FinishReason.TOOL_CALLS))["choices"][0]["message"]

        self.assertIs(message["content"], None)
        self.assertEqual(
            message["tool_calls"], [{"id": "A", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
        )

    def test_nothing_said_is_empty_content(self) -> None:
        """A message without text and calls has empty content rather than none."""
        message = document(ReasoningDelta("hm"), Finished(FinishReason.LENGTH))["choices"][0]["message"]

        self.assertEqual(message["content"], "")

    def test_says_nothing_before_the_end(self) -> None:
        """A document comes at once, and no ping comes before it."""
        encoder = ChatDocument(TURN)

        self.assertEqual(encoded(encoder, [TextStarted(), TextDelta("a"), ReasoningDelta("hm")]), b"")
        self.assertEqual(encoder.ping(), b"")

    def test_failure_is_a_refusal(self) -> None:
        """A turn that fails is an error object, not a shorter completion."""
        failed = document(TextDelta("a"), Failed(ProxyError(Kind.TIMEOUT, "Silence.")))

        self.assertEqual(failed.keys(), {"error"})
