"""This module is a LoopingCall that outlives its failures."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from typing_extensions import override

from ccproxy.errors import ProxyError


class Periodic(Service):
    """Runs a job when it starts and again after every interval, whatever became of the last run.

    A LoopingCall ends at the first exception, and nothing would tell; here a failure is logged, once until the job works again. When the
    service stops, a run that is under way is cancelled.

    Args:
        name: What the log calls the job.
        job: The work; it keeps its own deadline.
        interval: Seconds between two starts; with 0 the job runs only once.
        clock: Where the time comes from.
    """

    _log = Logger()

    def __init__(
        self, name: str, job: Callable[[], Coroutine[Deferred[Any], Any, None]], interval: float, clock: IReactorTime
    ) -> None:
        self.name = name
        self._job = job
        self._interval = interval
        self._running: Deferred[None] | None = None
        self._failing = False
        self._loop = LoopingCall(self._run)
        self._loop.clock = clock

    @override
    def startService(self) -> None:
        """Run the job now, and from now on."""
        super().startService()
        self._begin()

    @override
    def stopService(self) -> None:
        """Run no more, and cancel the run that is under way."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        if self._running is not None:
            self._running.cancel()

    def hasten(self) -> None:
        """Run now, unless a run is under way, and count the interval from here."""
        if not self.running or (self._running is not None and not self._running.called):
            return
        if self._loop.running:
            self._loop.stop()
        self._begin()

    def _begin(self) -> None:
        if self._interval:
            self._loop.start(self._interval, now=True)
        else:
            self._run()

    def _run(self) -> Deferred[None]:
        # The loop waits for what is returned here; the job's own Deferred stays ours to cancel.
        self._running = Deferred.fromCoroutine(self._guarded())
        return self._running

    async def _guarded(self) -> None:
        try:
            await self._job()
        except CancelledError:
            return
        except ProxyError as error:
            self._complain(error.message)
        except Exception:
            self._log.failure("A bug in the job {job}", job=self.name)
        else:
            self._failing = False

    def _complain(self, reason: str) -> None:
        if not self._failing:
            self._log.warn("{job} failed and will be tried again: {reason}", job=self.name, reason=reason)
        self._failing = True
