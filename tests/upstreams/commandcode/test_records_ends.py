"""Tests of the decoder: how an answer ends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind
from ccproxy.events import (
    Failed,
    Finished,
    FinishReason,
    TextDelta,
    Usage,
)
from tests.upstreams.commandcode.streams import (
    FINISH,
    SPENT,
    STEP,
    TEXT,
    USAGE,
    before_finish,
    decoded,
    failure,
    record,
)


class EndTests(SynchronousTestCase):
    """How an answer ends."""

    def test_finish(self) -> None:
        """A finish ends the turn; nothing after it is heard, whether it comes with it or later."""
        late = (record("provider-metadata"), TEXT, record("error", error="late"), b"{broken\n")
        for stream in ((FINISH, *late), (FINISH + late[0] + late[1],), (FINISH + b"".join(late),)):
            self.assertEqual(decoded(*stream), [Finished(FinishReason.STOP, SPENT)])

    def test_last_step(self) -> None:
        """Where the finish is missing, the last step's end is one."""
        said = decoded(TEXT, record("finish-step", finishReason="length", rawFinishReason="max_tokens", usage=USAGE))

        self.assertEqual(said, [TextDelta("a"), Finished(FinishReason.LENGTH, SPENT)])

    def test_more_after_the_step(self) -> None:
        """A step that was not the last is no finish."""
        for more in (TEXT, record("text-start"), record("tool-input-start", id="c", toolName="look")):
            failed = failure(TEXT, STEP, more)

            self.assertEqual((failed.error.kind, failed.error.replayable, failed.usage), (Kind.UPSTREAM, False, SPENT))

    def test_steps(self) -> None:
        """The finish has the sum of all steps; where it has none, the steps are summed."""
        for total, spent in (
            ({"inputTokens": 50}, Usage(input=50)),
            (None, Usage(input=6, output=8)),
            ({}, Usage(input=6, output=8)),
            ("many", Usage(input=6, output=8)),
        ):
            said = decoded(TEXT, STEP, TEXT, STEP, record("finish", finishReason="stop", totalUsage=total))

            self.assertEqual(said[-1], Finished(FinishReason.STOP, spent))

    def test_raw_reason(self) -> None:
        """The provider's own word tells a pause."""
        said = decoded(TEXT, record("finish", finishReason="stop", rawFinishReason="pause_turn"))

        self.assertEqual(said[-1], Finished(FinishReason.PAUSE))

    def test_failed_finish(self) -> None:
        """A finish with an error is a failure, and the end."""
        said = decoded(TEXT, record("finish", finishReason="error", totalUsage=USAGE), TEXT)

        assert isinstance(said[1], Failed)
        self.assertEqual((len(said), said[1].usage), (2, SPENT))

    def test_no_finish(self) -> None:
        """An end without a finish is a failure that the client may try again, but not we."""
        for stream in (TEXT, record("event-from-tomorrow"), record("reasoning-start"), record("source") + b"null"):
            failed = failure(record("start"), stream)

            self.assertEqual(failed.error.message, "The upstream ended its answer before it was finished.")
            self.assertEqual((failed.error.retryable, failed.error.replayable), (True, False))

    def test_nothing(self) -> None:
        """An answer that ends with no event but start and start-step has generated nothing, and may be asked for again."""
        quiet = (
            record("start"),
            record("start-step", request={}),
            b": comment\n",
            b"\n",
            b"event: message\r\n",
            b"null\n",
        )
        for stream in ((), quiet[:1], quiet):
            failed = failure(*stream)

            self.assertEqual((failed.error.kind, failed.error.replayable), (Kind.UPSTREAM, True))
            self.assertIn("before it began", failed.error.message)

    def test_unfinished_last_line(self) -> None:
        """A last line without a line feed counts."""
        self.assertEqual(decoded(TEXT, FINISH[:-1])[-1], Finished(FinishReason.STOP, SPENT))

    def test_cut_last_line(self) -> None:
        """A last line that is cut is broken."""
        self.assertIn("cannot be read", failure(TEXT, FINISH[:-5]).error.message)

    def test_step_that_began_and_was_lost(self) -> None:
        """A step that begins after another finished is a part of the answer; an end inside it is no finish, however it was cut."""
        step = record("start-step", request={"body": "x" * 300})
        stream = b"".join((TEXT, STEP, step))

        whole = failure(stream)
        pieces = [failure(stream[:cut], stream[cut:]) for cut in range(len(stream))]

        self.assertIn("before it was finished", whole.error.message)
        self.assertEqual({piece.error.message for piece in pieces}, {whole.error.message})

    def test_abort(self) -> None:
        """An abort is a failure that keeps what was spent."""
        failed = failure(TEXT, STEP, record("abort", reason="stopped"), FINISH)

        self.assertEqual((failed.error.message, failed.usage), ("The upstream aborted its answer.", SPENT))


class ErrorTests(SynchronousTestCase):
    """Errors inside an answer that began well."""

    def test_shapes(self) -> None:
        """An error is an object, a text, an object with an object, or nothing at all."""
        for fields, kind, message in (
            ({"error": {"message": "Gone.", "statusCode": 503}}, Kind.OVERLOADED, "Gone."),
            ({"error": "Gone."}, Kind.UPSTREAM, "Gone."),
            ({"error": {"message": "<429> Slow."}}, Kind.RATE_LIMITED, "Slow."),
            ({"data": {"error": "Gone."}}, Kind.UPSTREAM, "Gone."),
            ({}, Kind.UPSTREAM, "The upstream ended its answer with an error and gave no reason."),
        ):
            failed = failure(TEXT, record("error", **fields), FINISH)

            self.assertEqual((failed.error.kind, failed.error.message), (kind, message))
            self.assertFalse(failed.error.replayable)

    def test_usage(self) -> None:
        """A failed turn keeps the usage of the steps before."""
        self.assertEqual(failure(TEXT, STEP, record("error", error="Gone.")).usage, SPENT)

    def test_envelope(self) -> None:
        """A refusal that comes with status 200, without a type or with an empty one, is a failure."""
        for line in (b'{"success":false,"error":{"message":"No."}}', b'{"error":"No."}', b'{"type":"","error":"No."}'):
            for ending in (b"\n", b"\r\n\n"):
                self.assertEqual(failure(line + ending, FINISH).error.message, "No.")

    def test_unknown_type(self) -> None:
        """An error in a record of an unknown type is none of ours."""
        self.assertEqual(before_finish(TEXT, record("tool-error", error="No.")), [TextDelta("a")])
