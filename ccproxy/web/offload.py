"""This module is where a large request is read: beside the reactor, so that nobody else waits for it.

A request of thirty megabytes, or one of three that was made for it, keeps the interpreter busy for seconds. In a thread of its own it gets
the interpreter in turns, and the streams of others go on; only the decoding of its JSON, some hundredths of a second, is one turn. Reading
is pure, so that it may happen anywhere.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

_T = TypeVar("_T")
_HEAVY = 64 * 1024  # bytes; what is smaller is read in a few milliseconds


class Offload(Protocol):
    """Does work of a weight (bytes to read), now or somewhere else; what it raises comes out of the Deferred."""

    def __call__(self, work: Callable[[], _T], weight: int) -> Deferred[_T]:
        """Do it; cancelling says that nobody wants the result any more."""


def at_once(work: Callable[[], _T], weight: int) -> Deferred[_T]:
    """Do it here and now."""
    done: Deferred[_T] = execute(work)
    return done


@define(eq=False)
class _Job:
    work: Callable[[], Any]
    done: Deferred[Any] = field(init=False)


class ReadingRoom:
    """One thread that reads large requests, in the order in which they come; more would only take turns with it.

    A job whose client has left before its turn is dropped, so that there are never more than there are exchanges. The thread is a
    daemon: neither the end of the reactor nor that of the process waits for it.

    Args:
        reactor: Where results are handed over.
    """

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._waiting: deque[_Job] = deque()
        self._reading: _Job | None = None
        self._orders: SimpleQueue[_Job] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, work: Callable[[], _T], weight: int) -> Deferred[_T]:
        """Do light work now and heavy work in the thread."""
        if weight < _HEAVY:
            return at_once(work, weight)
        job = _Job(work)
        job.done = Deferred(lambda _: self._leave(job))
        self._waiting.append(job)
        self._next()
        return job.done

    def _leave(self, job: _Job) -> None:
        if job is not self._reading:
            self._waiting.remove(job)

    def _next(self) -> None:
        if self._reading is None and self._waiting:
            self._reading = self._waiting.popleft()
            if self._thread is None:
                self._thread = threading.Thread(target=self._read, name="reading", daemon=True)
                self._thread.start()
            self._orders.put(self._reading)

    def _read(self) -> None:
        while True:
            job = self._orders.get()
            result: object
            try:
                result = job.work()
            except BaseException:
                result = Failure()
            self._reactor.callFromThread(self._hand_over, job, result)
            del job, result  # else kept, tens of megabytes perhaps, until there is another

    def _hand_over(self, job: _Job, result: object) -> None:
        self._reading = None
        if not job.done.called:
            job.done.callback(result)  # a Failure is an errback
        self._next()
