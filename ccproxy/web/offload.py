"""This module is where a large request is read: beside the reactor, so that nobody else waits for it.

A request of thirty megabytes, or one of three that was made for it, keeps the interpreter busy for seconds. In a thread of its own it gets
the interpreter in turns, a few milliseconds each, and the streams of others go on. Reading is pure, so that it may happen anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

_T = TypeVar("_T")
_HEAVY = 64 * 1024  # bytes; what is smaller is read in a few milliseconds


class Offload(Protocol):
    """Does work of a weight (bytes to read), now or somewhere else; what it raises comes out of the Deferred."""

    def __call__(self, work: Callable[[], _T], weight: int) -> Deferred[_T]:
        """Do it."""


def at_once(work: Callable[[], _T], weight: int) -> Deferred[_T]:
    """Do it here and now."""
    done: Deferred[_T] = execute(work)
    return done


def beside(reactor: IReactorThreads, pool: ThreadPool) -> Offload:
    """Do heavy work in a thread of the pool; if its result is no longer wanted, it is dropped."""

    def offload(work: Callable[[], _T], weight: int) -> Deferred[_T]:
        return at_once(work, weight) if weight < _HEAVY else deferToThreadPool(reactor, pool, work)

    return offload
