"""This module is the tests of how a Messages answer is written around its blocks."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.anthropic_messages.response import MessageDocument, MessageStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
    Usage,
)
from tests.dialects.anthropic_messages.answering import CALLED, STOP, THOUGHT, call, document, outline, streamed
from tests.dialects.strict import frames
from tests.dialects.turns import HIDDEN, TURN, encoded


class StreamTests(SynchronousTestCase):
    """The frames around the blocks."""

    def setUp(self) -> None:
        """Make the encoder of one turn."""
        self.encoder = MessageStream(TURN)

    def test_announced_text_says_nothing_yet(self) -> None:
        """Nothing is sent before something is said, so that an early failure keeps its status."""
        self.assertEqual(encoded(self.encoder, [TextStarted(), TextEnded()]), b"")

    def test_message_start_shows_id_and_requested_model(self) -> None:
        """The message has an id with the dialect's prefix, and the model id that the client asked for."""
        reading = streamed(TextDelta("a"), STOP)

        assert reading.message is not None
        self.assertEqual(reading.message["id"], "msg_7f3a")
        self.assertEqual(reading.message["model"], "vendor/model-1")

    def test_ping_starts_the_message(self) -> None:
        """A ping that comes first is preceded by message_start, which then is not repeated."""
        stream = self.encoder.ping() + self.encoder.ping() + encoded(self.encoder, [TextDelta("a"), STOP])

        self.assertEqual(
            [frame.event for frame in frames(stream)][:4], ["message_start", "ping", "ping", "content_block_start"]
        )

    def test_ping_has_the_documented_form(self) -> None:
        """A ping is an event with an object that holds its type."""
        self.encoder.ping()

        self.assertEqual(self.encoder.ping(), b'event: ping\ndata: {"type": "ping"}\n\n')

    def test_hidden_reasoning_starts_the_message_only(self) -> None:
        """Reasoning that is not shown still tells the client that the turn has begun, once."""
        encoder = MessageStream(HIDDEN)

        self.assertEqual([frame.event for frame in frames(encoder.encode(THOUGHT))], ["message_start"])
        self.assertEqual(encoder.encode(THOUGHT), b"")

    def test_turn_without_blocks_is_a_whole_message(self) -> None:
        """A turn that is cut before it said anything starts and ends properly."""
        reading = streamed(Finished(FinishReason.LENGTH))

        self.assertEqual((reading.blocks, reading.stop_reason), ([], "max_tokens"))

    def test_exotic_line_breaks_are_escaped(self) -> None:
        """No text, name or model id breaks a frame for a client that splits lines as Unicode does."""
        turn = evolve(TURN, model="m\u2028\x85")
        arguments = '{"\u2028":1}'
        called: list[Event] = [
            ToolStarted("i\u2028", "n\u2029"),
            ToolArguments("i\u2028", arguments),
            ToolEnded("i\u2028", arguments),
        ]

        reading = streamed(TextDelta("a\u2028"), TextDelta("\u2029\x85\r"), *called, CALLED, turn=turn)

        self.assertEqual(outline(reading), [("text", "a\u2028\u2029\x85\r"), ("tool_use", "i\u2028")])

    def test_text_in_an_open_block_is_one_frame(self) -> None:
        """Each piece of text goes out at once, in the frame of its block."""
        self.encoder.encode(TextDelta("a"))

        frame = self.encoder.encode(TextDelta('"b"'))

        expected = r'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"b\""}}'
        self.assertEqual(frame.decode(), f"event: content_block_delta\ndata: {expected}\n\n")


class EndingTests(SynchronousTestCase):
    """How a message ends."""

    def test_stop_reasons(self) -> None:
        """Every finish reason has its word, in stream and document."""
        words = {
            FinishReason.STOP: "end_turn",
            FinishReason.STOP_SEQUENCE: "stop_sequence",
            FinishReason.LENGTH: "max_tokens",
            FinishReason.TOOL_CALLS: "tool_use",
            FinishReason.CONTENT_FILTER: "refusal",
            FinishReason.PAUSE: "pause_turn",
        }

        streams = {reason: streamed(TextDelta("a"), Finished(reason)).stop_reason for reason in FinishReason}
        documents = {reason: document(TextDelta("a"), Finished(reason))["stop_reason"] for reason in FinishReason}

        self.assertEqual(streams, words)
        self.assertEqual(documents, words)

    def test_input_tokens_exclude_the_cache(self) -> None:
        """Tokens that were read from or written to the cache are not counted as input again."""
        finished = Finished(FinishReason.STOP, Usage(input=1000, output=7, cache_read=800, cache_write=100))
        expected = {
            "input_tokens": 100,
            "output_tokens": 7,
            "cache_read_input_tokens": 800,
            "cache_creation_input_tokens": 100,
        }

        self.assertEqual(streamed(TextDelta("a"), finished).usage, expected)
        self.assertEqual(document(TextDelta("a"), finished)["usage"], expected)

    def test_input_tokens_are_never_negative(self) -> None:
        """A cache count that contradicts the total does not make a negative number."""
        finished = Finished(FinishReason.STOP, Usage(input=10, output=1, cache_read=20))

        self.assertEqual(document(TextDelta("a"), finished)["usage"]["input_tokens"], 0)

    def test_unknown_usage(self) -> None:
        """Unknown counts are left out of a stream and null in a document, but for those that the schema has as integers."""
        required = {"input_tokens": 0, "output_tokens": 0}
        optional = {"cache_read_input_tokens": None, "cache_creation_input_tokens": None}

        self.assertEqual(streamed(TextDelta("a"), STOP).usage, {"output_tokens": 0})
        self.assertEqual(document(TextDelta("a"), STOP)["usage"], {**required, **optional})

    def test_passing_failure_invites_another_try(self) -> None:
        """A failure that may pass has, inside a stream, the one type after which Claude Code tries again."""
        kinds = (Kind.UPSTREAM, Kind.UNREACHABLE, Kind.OVERLOADED, Kind.TIMEOUT)

        errors = [streamed(TextDelta("a"), Failed(ProxyError(kind, "Gone."))).error for kind in kinds]

        self.assertEqual([error and error["type"] for error in errors], ["overloaded_error"] * 4)

    def test_lasting_failure_keeps_its_type(self) -> None:
        """A failure that would come again does not invite another try."""
        cut = streamed(TextDelta("a"), Failed(ProxyError(Kind.UPSTREAM, "Cut.", retryable=False)))
        credit = streamed(TextDelta("a"), Failed(ProxyError(Kind.CREDIT, "No credit.")))

        assert cut.error is not None and credit.error is not None
        self.assertEqual(cut.error, {"type": "api_error", "message": "Cut."})
        self.assertEqual(credit.error, {"type": "billing_error", "message": "No credit."})

    def test_words_of_a_failure_do_not_break_their_frame(self) -> None:
        """The upstream's words may hold any line break."""
        reading = streamed(TextDelta("a"), Failed(ProxyError(Kind.CREDIT, "No\u2028credit\x85\n")))

        assert reading.error is not None
        self.assertEqual(reading.error["message"], "No\u2028credit\x85\n")

    def test_failure_gives_up_what_was_held_back(self) -> None:
        """A turn that fails inside a call ends at once; what waited for the end of the call is not said."""
        reading = streamed(call("A")[0], TextDelta("later"), Failed(ProxyError(Kind.UPSTREAM, "Gone.")))

        self.assertEqual([block["type"] for block in reading.blocks], ["tool_use"])

    def test_failure_before_anything_else_stands_alone(self) -> None:
        """A stream that fails at once is an error event and nothing else."""
        stream = encoded(MessageStream(TURN), [Failed(ProxyError(Kind.OVERLOADED, "Busy."))])

        self.assertEqual([frame.event for frame in frames(stream)], ["error"])


class DocumentTests(SynchronousTestCase):
    """One message as a document."""

    def test_whole_document(self) -> None:
        """A document has every field of a message, and the input of a call as an object."""
        events = [TextDelta("Hi"), TextEnded(), *call("A"), Finished(FinishReason.TOOL_CALLS, Usage(7558, 42, 7552))]

        self.assertEqual(
            document(*events),
            {
                "id": "msg_7f3a",
                "type": "message",
                "role": "assistant",
                "model": "vendor/model-1",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "tool_use", "id": "A", "name": "look", "input": {"id": "A"}},
                ],
                "stop_reason": "tool_use",
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 6,
                    "output_tokens": 42,
                    "cache_read_input_tokens": 7552,
                    "cache_creation_input_tokens": None,
                },
            },
        )

    def test_says_nothing_before_the_end(self) -> None:
        """A document comes at once, and no ping comes before it."""
        encoder = MessageDocument(TURN)

        self.assertEqual(encoded(encoder, [TextStarted(), TextDelta("a"), THOUGHT, *call("A")]), b"")
        self.assertEqual(encoder.ping(), b"")

    def test_failure_is_a_refusal(self) -> None:
        """A turn that fails is an error object, not a shorter message."""
        failed = document(TextDelta("a"), Failed(ProxyError(Kind.TIMEOUT, "Silence.")))

        self.assertEqual(failed["error"]["type"], "timeout_error")
