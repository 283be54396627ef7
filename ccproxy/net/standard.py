"""This module is Twisted's own HTTP client as the way to the upstream, for who prefers it to ours (``upstreamClient``).

It keeps the same promises as `ccproxy.net.agent`, by watching its connections from below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from ccproxy.net.dial import Dialer, watch
from ccproxy.net.guard import Guard, GuardedEndpoint
from ccproxy.net.idle import KEPT_CONNECTIONS, KEPT_SECONDS, may_be_repeated

_T = TypeVar("_T")


class StaleConnectionError(Exception):
    """A reused connection closed before a byte of the answer."""


class _Leased:
    """A connection out of the pool, which knows whether it served before."""

    def __init__(self, connection: Any, reused: bool, clock: IReactorTime) -> None:  # noqa: ANN401 - Agent's protocol has no interface
        self._connection = connection
        self._reused = reused
        self._clock = clock
        self._sent_at = 0.0

    def request(self, request: object) -> Deferred[IResponse]:
        """Send one request; this is all that `Agent` asks of a connection."""
        self._sent_at = self._clock.seconds()
        guard: Guard = self._connection.guard
        guard.asked()
        sent: Deferred[IResponse] = self._connection.request(request)
        sent.addBoth(_passing(guard.answered))
        return sent.addErrback(self._failed) if self._reused else sent

    def _failed(self, failure: Failure) -> Failure:
        was_stale = may_be_repeated(failure, self._clock.seconds() - self._sent_at)
        return Failure(StaleConnectionError()) if was_stale else failure


def _passing(note: Callable[[], None]) -> Callable[[_T], _T]:
    def passed(result: _T) -> _T:
        note()
        return result

    return passed


class _Pool(HTTPConnectionPool):
    """A pool whose connections know whether they served before, and which hands out none that is stale."""

    def __init__(self, reactor: IReactorTime, *, persistent: bool) -> None:
        super().__init__(reactor, persistent=persistent)
        self.maxPersistentPerHost = KEPT_CONNECTIONS
        self.cachedConnectionTimeout = KEPT_SECONDS
        self.retryAutomatically = False
        _HTTP11ClientFactory.noisy = False  # else each new connection is two log lines; there is no public way
        self._clock = reactor
        self._known: WeakSet[object] = WeakSet()

    @override
    def getConnection(self, key: object, endpoint: IStreamClientEndpoint) -> Deferred[Any]:
        """Take a kept connection, or open one."""
        while True:
            found: Deferred[Any] = super().getConnection(key, endpoint)
            kept: Any = found.result if found.called else None
            if kept not in self._known or not kept.guard.is_stale():
                return found.addCallback(self._lease)
            kept.abort()

    def _lease(self, connection: Any) -> _Leased:  # noqa: ANN401 - Agent's protocol has no interface
        reused = connection in self._known
        if not reused:
            watch(connection.transport)
        self._known.add(connection)
        return _Leased(connection, reused, self._clock)


@implementer(IAgentEndpointFactory)
class _Guarding:
    """Endpoints whose connections have a guard below them."""

    def __init__(self, dialer: Dialer, clock: IReactorTime) -> None:
        self._dialer = dialer
        self._clock = clock

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """An endpoint for ``http`` or ``https``."""
        return GuardedEndpoint(self._dialer.endpointForURI(uri), self._clock)


@implementer(IAgent)
class StandardAgent:
    """Sends requests over kept connections, and once more over a new one where that is safe.

    Args:
        reactor: Where connections are made.
        connect_timeout: Seconds until a TCP connection must stand; 0 for as long as the system tries.

    Attributes:
        connect_timeout: The same, for the connections to come.
    """

    def __init__(self, reactor: IReactorTime, *, connect_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self._pool = _Pool(reactor, persistent=True)
        dialer = _Guarding(Dialer(reactor, lambda: self.connect_timeout), reactor)
        self._kept: IAgent = Agent.usingEndpointFactory(reactor, dialer, self._pool)
        self._new: IAgent = Agent.usingEndpointFactory(reactor, dialer, _Pool(reactor, persistent=False))

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send a request; ``bodyProducer`` may be started twice."""

        def retry(failure: Failure) -> Deferred[IResponse]:
            failure.trap(StaleConnectionError)
            return self._new.request(method, uri, headers, bodyProducer)

        return self._kept.request(method, uri, headers, bodyProducer).addErrback(retry)

    def close(self) -> Deferred[None]:
        """Close the connections that serve nothing now."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed
