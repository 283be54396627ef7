"""This module is the tests of jobs on a timer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.errors import Kind, ProxyError
from ccproxy.upkeep.periodic import Periodic


class Job:
    """Work that takes as long as a test wants.

    Attributes:
        runs: Every run that was begun.
        failure: What a run raises at once; None for a run that succeeds or waits.
        waits: A run ends only when a test fires it.
        cancelled: How many runs were cancelled.
    """

    def __init__(self) -> None:
        self.runs: list[Deferred[None]] = []
        self.failure: Exception | None = None
        self.waits = False
        self.cancelled = 0

    async def run(self) -> None:
        """Do the work."""
        run: Deferred[None] = Deferred(self._cancel)
        self.runs.append(run)
        if self.failure is not None:
            raise self.failure
        if self.waits:
            await run

    def _cancel(self, run: Deferred[None]) -> None:
        self.cancelled += 1


class PeriodicTests(SynchronousTestCase):
    """A job that runs every 60 seconds."""

    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.job = Job()
        self.periodic = Periodic("model list", self.job.run, 60, self.clock)

    def warnings_of(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """What the job complained of."""
        warnings = [event for event in events if event["log_level"] is LogLevel.warn]
        return [event["log_format"].format(**event) for event in warnings]

    def test_is_a_service(self) -> None:
        """It lives in the service tree."""
        parent = MultiService()

        self.periodic.setServiceParent(parent)

        self.assertTrue(verifyObject(IService, self.periodic))
        self.assertIs(parent.getServiceNamed("model list"), self.periodic)

    def test_does_nothing_before_its_start(self) -> None:
        """A service that was not started has no timer."""
        self.clock.advance(1000)

        self.assertEqual(self.job.runs, [])

    def test_runs_at_the_start(self) -> None:
        """The first run does not wait for the interval."""
        self.periodic.startService()

        self.assertEqual((len(self.job.runs), self.periodic.running), (1, 1))

    def test_runs_after_every_interval(self) -> None:
        """The runs are 60 seconds apart."""
        self.periodic.startService()
        self.clock.advance(59)
        early = len(self.job.runs)

        self.clock.pump([1] + [60] * 3)

        self.assertEqual((early, len(self.job.runs)), (1, 5))

    def test_runs_never_overlap(self) -> None:
        """A run that takes longer than the interval is waited for."""
        self.job.waits = True
        self.periodic.startService()
        self.clock.pump([60] * 5)
        during = len(self.job.runs)

        self.job.runs[0].callback(None)
        self.clock.advance(60)

        self.assertEqual((during, len(self.job.runs)), (1, 2))

    def test_hastened(self) -> None:
        """A job that is hastened runs at once, and then again an interval later."""
        self.periodic.startService()
        self.clock.advance(50)

        self.periodic.hasten()
        at_once = len(self.job.runs)
        self.clock.advance(59)
        before = len(self.job.runs)
        self.clock.advance(1)

        self.assertEqual((at_once, before, len(self.job.runs)), (2, 2, 3))

    def test_hastened_while_it_runs(self) -> None:
        """A run that is under way is enough; a job that was stopped does not run."""
        self.job.waits = True
        self.periodic.startService()
        self.periodic.hasten()
        during = len(self.job.runs)
        self.periodic.stopService()
        self.periodic.hasten()

        self.assertEqual((during, len(self.job.runs)), (1, 1))

    def test_survives_a_failure(self) -> None:
        """A run that fails, for a known or an unknown reason, does not end the timer."""
        self.periodic.startService()

        for failure in (ProxyError(Kind.UPSTREAM, "down"), ValueError("a bug"), None):
            self.job.failure = failure
            self.clock.advance(60)

        self.assertEqual(len(self.job.runs), 4)
        self.flushLoggedErrors(ValueError)

    def test_failure_is_logged_once_per_streak(self) -> None:
        """A job that goes on failing complains once, and again when it had worked in between."""
        down = ProxyError(Kind.UPSTREAM, "the upstream is down")
        self.job.failure = down
        with capturedLogs() as events:
            self.periodic.startService()
            for failure in (down, down, None, down, down):
                self.job.failure = failure
                self.clock.advance(60)

        self.assertEqual(
            self.warnings_of(events), ["model list failed and will be tried again: the upstream is down"] * 2
        )

    def test_bug_is_logged_with_its_traceback(self) -> None:
        """An exception that nobody expected is logged as a failure."""
        self.job.failure = ValueError("a bug")

        self.periodic.startService()

        self.assertEqual([str(failure.value) for failure in self.flushLoggedErrors(ValueError)], ["a bug"])

    def test_stop_ends_the_timer(self) -> None:
        """After the stop there is no run and no timer."""
        self.periodic.startService()

        self.periodic.stopService()
        self.clock.advance(1000)

        self.assertEqual((len(self.job.runs), self.periodic.running), (1, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_cancels_the_run_that_is_under_way(self) -> None:
        """A daemon that goes down does not wait for a download, and a cancelled run is no failure."""
        self.job.waits = True
        self.periodic.startService()
        with capturedLogs() as events:
            self.periodic.stopService()

        self.assertEqual(self.job.cancelled, 1)
        self.assertEqual((self.warnings_of(events), self.clock.getDelayedCalls()), ([], []))

    def test_starts_again_after_a_stop(self) -> None:
        """A service may be started more than once."""
        self.job.waits = True
        self.periodic.startService()
        self.periodic.stopService()
        self.job.waits = False

        self.periodic.startService()
        self.clock.advance(60)

        self.assertEqual(len(self.job.runs), 3)

    def test_no_interval_means_one_run(self) -> None:
        """With 0 the job runs at the start, and never again."""
        once = Periodic("client version", self.job.run, 0, self.clock)

        once.startService()
        self.clock.advance(1_000_000)
        once.stopService()

        self.assertEqual(len(self.job.runs), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_cancels_a_single_run(self) -> None:
        """A run without an interval is cancelled like any other."""
        self.job.waits = True
        once = Periodic("client version", self.job.run, 0, self.clock)
        once.startService()

        once.stopService()

        self.assertEqual(self.job.cancelled, 1)
