"""Tests of the decoder: what stands on a line, and how long it may be."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import (
    Failed,
    Finished,
    FinishReason,
    TextDelta,
)
from ccproxy.upstreams.commandcode.records import Records
from tests.cuts import every
from tests.upstreams.commandcode.streams import FINISH, SPENT, STEP, TEXT, before_finish, decoded, failure, record


class LineTests(SynchronousTestCase):
    """What stands on a line."""

    def test_skipped(self) -> None:
        """What means nothing is skipped and counted, whether it comes with other lines or alone."""
        lines = (
            b"\n",
            b" \t\r\n",
            b": comment\n",
            b"event: message\n",
            b"id: 7\n",
            b"retry: 10\n",
            b"data:\n",
            b"data: [DONE]\n",
            b"[DONE]\n",
            b"null\n",
            b"[1,2]\n",
            b'"text"\n',
            b"7\n",
            b"{}\n",
            b'{"without":"a type"}\n',
            record("start"),
            record("event-from-tomorrow", id={}),
            record("text-elsewhere", text="x"),
            record("event-from-tomorrow", payload="x" * 500),
        )
        together = b"".join(lines)
        for stream in ([together], lines, every(together, 1)):
            decoder = Records(0)

            said = [event for data in stream for event in decoder.feed(data)]

            self.assertEqual((said, decoder.skipped), ([], len(lines)))

    def test_prefixes(self) -> None:
        """A record may stand behind ``data:``, with space around it, and before a carriage return."""
        for line in (b"data: %b", b"data:%b", b"  %b \t", b"data:  %b", b"%b\r", b"data: %b\r"):
            self.assertEqual(before_finish(line % TEXT[:-1] + b"\n"), [TextDelta("a")], line)

    def test_broken(self) -> None:
        """A line that cannot be read fails the turn there, as text may be lost in it, and keeps what was spent."""
        for line in (
            b'{"type":"text-delta","text":"a\n',
            b'{"type":"text-delta","text":"\xff"}\n',
            b'{"type":"text-delta","text":5}\n',
            b'{"type":"text-delta","text":"a"}{"type":"text-delta","text":"b"}\n',
            b"nonsense\n",
            b"<html>\n",
        ):
            said = decoded(STEP, TEXT, line, TEXT, FINISH)

            assert isinstance(said[-1], Failed)
            self.assertEqual((said[:-1], said[-1].usage), ([TextDelta("a")], SPENT))
            self.assertIn("cannot be read", said[-1].error.message)
            self.assertEqual((said[-1].error.retryable, said[-1].error.replayable), (True, False))

    def test_unknown_type_with_odd_fields(self) -> None:
        """What a record of an unknown type holds is its own business, wherever its type stands."""
        for line in (
            b'{"id":{},"type":"event-from-tomorrow"}\n',
            b'{"type":null,"id":"x"}\n',
            b'{"text":5,"type":["a"]}\n',
        ):
            self.assertEqual(before_finish(TEXT, line), [TextDelta("a")])

    def test_broken_unneeded(self) -> None:
        """A broken line of a type that is not needed is skipped."""
        self.assertEqual(before_finish(b'{"type":"start-step","request":\n', TEXT), [TextDelta("a")])

    def test_two_on_a_line(self) -> None:
        """Two records on one line are broken, even if a blank line makes up for them."""
        self.assertIn("cannot be read", failure(TEXT[:-1] + TEXT + b"\n", FINISH).error.message)

    def test_record_on_two_lines(self) -> None:
        """A record on two lines is broken, even if there are two on another."""
        line = b'{"type":"text-delta",\n"text":"a"}{"type":"text-delta","text":"b"}\n'

        self.assertIn("cannot be read", failure(line, FINISH).error.message)

    def test_raw_line_breaks(self) -> None:
        """Characters that some readers take for line ends stand in text as they are."""
        text = "a\u2028b\u2029c\x85d"

        self.assertEqual(before_finish(b'{"type":"text-delta","text":"%b"}\n' % text.encode()), [TextDelta(text)])


class LimitTests(SynchronousTestCase):
    """How long a line may be."""

    def test_needed(self) -> None:
        """A line that is needed and too long fails the turn, after what came before it."""
        long = record("text-delta", text="x" * 1000)
        for stream in ([TEXT + long + TEXT], [TEXT, long, TEXT], [TEXT, long[:600], long[600:]], [TEXT, long[:-1]]):
            said = decoded(*stream, FINISH, limit=500)

            self.assertEqual(said[:-1], [TextDelta("a")])
            assert isinstance(said[-1], Failed)
            self.assertIn("larger than the limit", said[-1].error.message)

    def test_short_last_line(self) -> None:
        """A last line that is longer than a small limit fails the turn, rather than being passed over."""
        failed = failure(STEP, record("text-delta", text="x" * 200)[:-1], limit=len(STEP))

        self.assertEqual(("larger than the limit" in failed.error.message, failed.usage), (True, SPENT))

    def test_unneeded(self) -> None:
        """A line of a type that is not needed may have any length."""
        echo = record("start-step", request={"body": "x" * 10_000})
        for stream in ([echo + TEXT], [echo, TEXT], [echo[place : place + 100] for place in range(0, len(echo), 100)]):
            self.assertEqual(decoded(*stream, TEXT, FINISH, limit=500)[-1], Finished(FinishReason.STOP, SPENT))

    def test_unneeded_before_a_last_step(self) -> None:
        """A long line that is not needed undoes no step that comes after it, however they are cut."""
        echo = record("start-step", request={"body": "x" * 1000})
        for stream in ([echo + TEXT + STEP], [echo, TEXT, STEP], [echo[:600], echo[600:] + TEXT + STEP]):
            self.assertEqual(decoded(*stream, limit=500)[-1], Finished(FinishReason.STOP, SPENT))

    def test_unneeded_after_a_step(self) -> None:
        """A new step that was dropped unread undoes the one before it."""
        echo = record("start-step", request={"body": "x" * 1000})
        for stream in (
            [TEXT + STEP + echo[:600], echo[600:]],
            [TEXT, STEP, echo[:600], echo[600:]],
            [TEXT + STEP + echo],
        ):
            self.assertIsInstance(decoded(*stream, limit=500)[-1], Failed)

    def test_no_limit(self) -> None:
        """A limit of 0 is none."""
        self.assertEqual(before_finish(record("text-delta", text="x" * 100_000)), [TextDelta("x" * 100_000)])
