"""Tests of the stage that bills a turn for an earlier attempt too."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, ReasoningDelta, TextDelta, ToolStarted, Usage
from ccproxy.stages.add_usage import AddUsage
from tests.stages.feeding import fed

EARLIER = Usage(input=10, output=20, cache_read=3, cache_write=4, reasoning=5)
LATER = Usage(input=100, output=200, cache_read=30, cache_write=40, reasoning=50)
BOTH = Usage(input=110, output=220, cache_read=33, cache_write=44, reasoning=55)


class AddUsageTests(SynchronousTestCase):
    """The usage of both attempts."""

    def test_sum(self) -> None:
        """However the turn ends, each count is that of both attempts, and all else is as it was."""
        error = ProxyError(Kind.UPSTREAM, "gone")

        for end, expected in (
            (Finished(FinishReason.STOP_SEQUENCE, LATER, "END"), Finished(FinishReason.STOP_SEQUENCE, BOTH, "END")),
            (Failed(error, LATER), Failed(error, BOTH)),
        ):
            self.assertEqual(fed(AddUsage(EARLIER), end), [expected])

    def test_unknown(self) -> None:
        """A count that one of the two does not know is unknown, and nothing is not unknown."""
        earlier = Usage(input=10, output=None, cache_read=None, reasoning=0)
        later = Usage(input=None, output=200, cache_read=None, reasoning=50)

        self.assertEqual(
            fed(AddUsage(earlier), Finished(FinishReason.STOP, later)),
            [Finished(FinishReason.STOP, Usage(reasoning=50))],
        )

    def test_all_else(self) -> None:
        """Whatever is not the end passes."""
        events: list[Event] = [ReasoningDelta("a"), TextDelta("b"), ToolStarted("c", "d")]

        self.assertEqual(fed(AddUsage(EARLIER), *events), events)
