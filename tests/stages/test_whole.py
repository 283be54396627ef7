"""Tests of the stage that lets no part of an answer pass for the answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import Event, Failed, Finished, FinishReason, ReasoningDelta, TextDelta, Usage
from ccproxy.stages.whole import Whole

SPENT = Usage(input=1, output=2)


def said(*events: Event) -> list[Event]:
    """What becomes of a turn."""
    stage = Whole()
    return [told for event in events for told in stage.feed(event)]


class WholeTests(SynchronousTestCase):
    """What an answer has to be."""

    def test_whole(self) -> None:
        """A turn that says something and comes to its own end is as it was."""
        for reason in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            turn = (ReasoningDelta("hm"), TextDelta(" "), TextDelta("yes"), Finished(reason, SPENT))
            self.assertEqual(said(*turn), list(turn))

    def test_cut(self) -> None:
        """One that was cut has failed, for good, and what it cost is told."""
        for reason in set(FinishReason) - {FinishReason.STOP, FinishReason.TOOL_CALLS}:
            told = said(TextDelta("half"), Finished(reason, SPENT))
            failed = told[-1]
            assert isinstance(failed, Failed)
            self.assertEqual((told[0], failed.error.retryable, failed.usage), (TextDelta("half"), False, SPENT))

    def test_nothing(self) -> None:
        """One that says nothing but white space has failed, and may be tried again."""
        failed = said(ReasoningDelta("hm"), TextDelta(" \n"), Finished(FinishReason.STOP, SPENT))[-1]
        assert isinstance(failed, Failed)
        self.assertTrue(failed.error.retryable)
