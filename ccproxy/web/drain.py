"""This module is the end of the daemon's life: answers that are under way may end, and then none is left without a word."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.logger import Logger
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.web.house import House
from ccproxy.web.site import ProxySite

_FLUSH_SECONDS = 2.0  # for the last bytes to leave


class Drain(Service):
    """A service whose stop takes as long as the answers that are under way, and at most the grace.

    A MultiService stops all its children at once, so that the listening sockets close while this one still waits.

    Args:
        site: Knows the connections.
        house: Lets nobody in any more, and knows what is under way: exchanges, answers in the background, records.
        grace: Seconds that answers may take; what is left then gets a retryable error.
        close: What is closed last.

    Attributes:
        grace: The same, for a stop to come.
    """

    _log = Logger()

    def __init__(
        self,
        site: ProxySite,
        house: House,
        grace: float,
        close: Callable[[], object],
    ) -> None:
        self._site = site
        self._house = house
        self.grace = grace
        self._close = close
        self._waiting: Deferred[None] | None = None

    @override
    def stopService(self) -> Deferred[None]:
        """Drain; fires when the last answer is out."""
        super().stopService()
        return Deferred.fromCoroutine(self._drain())

    def hurry(self) -> None:
        """Wait no longer, or not at all if it has not begun."""
        self.grace = 0.0
        if self._waiting is not None:
            self._waiting.cancel()

    async def _drain(self) -> None:
        self._house.admission.close()
        if self._house.live:
            self._log.info(
                "waiting up to {grace:g} s for {count} requests", grace=self.grace, count=len(self._house.live)
            )
        closed = self._over()
        if not await self._wait(closed, self.grace if self._house.live else _FLUSH_SECONDS):
            for exchange in tuple(self._house.live):
                exchange.abandon(ProxyError(Kind.OVERLOADED, "The proxy is shutting down; send the request again."))
            await self._wait(self._over(), _FLUSH_SECONDS)
        await self._wait(Deferred.fromCoroutine(self._house.keeping.settled()), _FLUSH_SECONDS)
        self._house.keeping.close()
        self._close()

    def _over(self) -> Deferred[None]:
        """Fires when the last connection is closed, and the last answer that has none is made."""

        async def over() -> None:
            await self._site.drain()
            await self._house.background.settled()

        return Deferred.fromCoroutine(over())

    async def _wait(self, closed: Deferred[None], seconds: float) -> bool:
        """Whether it came about in time."""
        self._waiting = closed
        try:
            await closed.addTimeout(seconds, self._house.clock)
        except (DeferredTimeoutError, CancelledError):
            return False
        return True
