"""This module is the tests of a Responses answer in one piece, of the response object, and of what is kept of it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Encoder, Turn
from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, TextDelta, TextDeltas, TextEnded, TextStarted, Usage
from tests.dialects.openai_responses.answering import CUT, STOP, THOUGHT, asking, call, document
from tests.dialects.turns import TURN, encoded

FAILED = Failed(ProxyError(Kind.TIMEOUT, "Silence."))
ASKED = {"type": "message", "role": "user", "content": "Hi\u2028"}


def records(asked: Asked, *events: Event, stream: bool) -> dict[str, object]:
    """What is kept of some events, read."""
    turn = asking(asked)
    encoder: ResponseStream | ResponseDocument = ResponseStream(turn) if stream else ResponseDocument(turn)
    encoded(encoder, events)
    return {name: json.loads(record) for name, record in encoder.records().items()}


def both(turn: Turn) -> tuple[Encoder, Encoder]:
    """The two encoders of a turn."""
    return ResponseStream(turn), ResponseDocument(turn)


class DocumentTests(SynchronousTestCase):
    """One response as a document."""

    def test_whole_document(self) -> None:
        """A document has every field of a response, each with its default where nothing was asked."""
        finished = Finished(FinishReason.STOP, Usage(input=4, output=2, cache_read=3))
        part = {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}

        shown = document(TextStarted(), TextDeltas(["Hello", "!"]), TextEnded(), finished)

        self.assertEqual(
            shown,
            {
                "id": "resp_7f3a",
                "object": "response",
                "created_at": 1_700_000_000,
                "completed_at": 1_700_000_000,
                "status": "completed",
                "incomplete_details": None,
                "error": None,
                "model": "vendor/model-1",
                "output": [
                    {
                        "type": "message",
                        "id": "msg_7f3a00",
                        "status": "completed",
                        "role": "assistant",
                        "content": [part],
                    }
                ],
                "usage": {
                    "input_tokens": 4,
                    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
                    "output_tokens": 2,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 6,
                },
                "previous_response_id": None,
                "instructions": None,
                "tools": [],
                "tool_choice": "auto",
                "truncation": "disabled",
                "parallel_tool_calls": True,
                "text": {"format": {"type": "text"}},
                "top_p": 1,
                "presence_penalty": 0,
                "frequency_penalty": 0,
                "top_logprobs": 0,
                "temperature": 1,
                "reasoning": {"effort": None, "summary": None},
                "max_output_tokens": None,
                "max_tool_calls": None,
                "store": False,
                "background": False,
                "service_tier": "default",
                "metadata": {},
                "safety_identifier": None,
                "prompt_cache_key": None,
            },
        )

    def test_echo(self) -> None:
        """What was asked is repeated."""
        tools = [{"type": "function", "name": "look"}]

        shown = document(STOP, turn=asking(Asked(echo={"tools": tools, "store": True, "user": "me"})))

        self.assertEqual((shown["tools"], shown["store"], shown["user"], shown["top_p"]), (tools, True, "me", 1))

    def test_cut(self) -> None:
        """A message in which the turn was cut is incomplete, like the response; one before a call is not."""
        cut, whole = (
            document(TextDelta("a"), TextEnded(), CUT),
            document(TextDelta("a"), *call("f", "{}", cuts=()), CUT),
        )

        self.assertEqual((cut["status"], cut["output"][0]["status"]), ("incomplete", "incomplete"))
        self.assertEqual((whole["status"], whole["output"][0]["status"]), ("incomplete", "completed"))

    def test_says_nothing_before_the_end(self) -> None:
        """A document comes at once, and no ping comes before it."""
        encoder = ResponseDocument(TURN)

        self.assertEqual(encoded(encoder, [TextStarted(), TextDelta("a"), THOUGHT, *call("f", "{}", cuts=())]), b"")
        self.assertEqual(encoder.ping(), b"")

    def test_failure_is_a_refusal(self) -> None:
        """A turn that fails is an error object, not a shorter response."""
        failed = json.loads(encoded(ResponseDocument(TURN), [TextDelta("a"), FAILED]))

        self.assertEqual(failed.keys(), {"error"})

    def test_content_types(self) -> None:
        """A stream is an event stream and a document is JSON."""
        self.assertEqual([encoder.content_type for encoder in both(TURN)], ["text/event-stream", "application/json"])


class RecordTests(SynchronousTestCase):
    """What is kept of an answer."""

    def test_kept(self) -> None:
        """An answer that ended is kept with what it answered, and each of its items under its own id."""
        for stream in (True, False):
            for finished in (STOP, CUT):
                kept = records(Asked(items=[ASKED]), THOUGHT, TextDelta("a"), finished, stream=stream)

                shown = document(THOUGHT, TextDelta("a"), finished, turn=asking(Asked()))
                reasoning, message = shown["output"]
                wanted = {"resp_7f3a": {"response": shown, "input": [ASKED]}}
                self.assertEqual(kept, {**wanted, "rs_7f3a00": reasoning, "msg_7f3a01": message})

    def test_not_kept(self) -> None:
        """Nothing is kept where that is not wanted, of an answer that failed, and of one that is not at its end."""
        for stream in (True, False):
            self.assertEqual(records(Asked(stored=False), TextDelta("a"), STOP, stream=stream), {})
            self.assertEqual(records(Asked(), TextDelta("a"), FAILED, stream=stream), {})
            self.assertEqual(records(Asked(), TextDelta("a"), stream=stream), {})

    def test_background(self) -> None:
        """An answer in the background is kept while it is made, and when it failed."""
        for stream in (True, False):
            kept = [records(Asked(background=True), *said, stream=stream) for said in ((), (TextDelta("a"), FAILED))]

            statuses = [record["resp_7f3a"]["response"]["status"] for record in kept]  # type: ignore[index]
            self.assertEqual(statuses, ["in_progress", "failed"])
