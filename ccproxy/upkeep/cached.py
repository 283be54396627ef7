"""This module is a value that is fetched now and then and served at once.

States: EMPTY (nothing fetched yet: `Cached.get` waits for the one fetch that is under way), FRESH, and STALE (older than it should be:
it is served all the same, and a fetch starts behind). A fetch that fails keeps the old value, or else the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

_T = TypeVar("_T")
_RETRY_SECONDS = 5.0  # between the end of a fetch and the next that is started because somebody asks


class Cached(Generic[_T]):
    """One value with one fetch at a time, however many ask for it.

    Args:
        fetch: Gets the value; keeps its own deadline.
        fallback: What to serve while nothing was ever fetched.
        max_age: Seconds after which the value is stale; 0 for never.
        clock: Where the time comes from.
    """

    def __init__(
        self, fetch: Callable[[], Coroutine[Deferred[Any], Any, _T]], fallback: _T, max_age: float, clock: IReactorTime
    ) -> None:
        self._fetch = fetch
        self._value = fallback
        self._max_age = max_age
        self._clock = clock
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: Deferred[None] | None = None
        self._error: Exception | None = None
        self._waiting: list[Deferred[None]] = []

    def peek(self) -> _T:
        """The value as it is, or the fallback; never waits, never fetches."""
        return self._value

    async def get(self) -> _T:
        """The value; waits only while there is none and the first fetch has not ended. Never fails."""
        if self._fetched_at is None and self._tried_at is None:
            self._start()
            await self._settled()
        elif self._is_stale() and self._may_retry():
            self._start()
        return self._value

    async def refresh(self) -> None:
        """Fetch the value now, or join the fetch that is under way. Cancelling this cancels the fetch.

        Raises:
            Exception: Whatever the fetch raised; the old value stays.
        """
        self._start()
        try:
            await self._settled()
        except CancelledError:
            if self._fetching is not None:
                self._fetching.cancel()
            raise
        if self._error is not None:
            raise self._error

    def _is_stale(self) -> bool:
        if self._fetched_at is None:
            return True
        return bool(self._max_age) and self._clock.seconds() - self._fetched_at > self._max_age

    def _may_retry(self) -> bool:
        return self._tried_at is None or self._clock.seconds() - self._tried_at >= _RETRY_SECONDS

    def _start(self) -> None:
        if self._fetching is None:
            started = Deferred.fromCoroutine(self._run())
            self._fetching = None if started.called else started

    async def _run(self) -> None:
        self._error = None
        try:
            self._value = await self._fetch()
            self._fetched_at = self._clock.seconds()
        except CancelledError:
            pass
        except Exception as error:
            self._error = error
        self._tried_at = self._clock.seconds()
        self._fetching = None
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    async def _settled(self) -> None:
        """Wait for the fetch that is under way; each waiter has its own Deferred, which it may cancel (trap P17)."""
        if self._fetching is not None:
            waiter: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiter)
            await waiter
