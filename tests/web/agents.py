"""This module is agents that do not lead to a working upstream."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tests.web.house import MemoryDaemon


@implementer(IAgent)
class Failing:
    """An agent whose first requests fail; later ones go to the simulator of ``daemon``.

    Attributes:
        asked: How many requests there were.
    """

    def __init__(self, times: int, error: Exception) -> None:
        self.asked = 0
        self.daemon: MemoryDaemon | None = None
        self._times = times
        self._error = error

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Fail, or pass the request on."""
        self.asked += 1
        if self.asked <= self._times or self.daemon is None:
            return fail(self._error)
        passed: Deferred[IResponse] = self.daemon.upstream.request(method, uri, headers, bodyProducer)
        return passed


@implementer(IAgent)
class Mute:
    """An agent whose requests are never answered.

    Attributes:
        given_up: How many of them were cancelled.
    """

    def __init__(self) -> None:
        self.given_up = 0

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Wait for ever."""
        return Deferred(self._give_up)

    def _give_up(self, _: Deferred[IResponse]) -> None:
        self.given_up += 1
