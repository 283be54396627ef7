"""This module is the connections to the upstream: a pool, and what a connection is not allowed to do.

An answer is never compressed, since a compressor holds back deltas and a small bomb becomes a large text (trap P29). A kept connection
that the upstream has closed, or is about to close, is not used again. Where that cannot be seen in time, a request that failed at once
on a reused connection, before a byte of its answer, is sent once more, on a new one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseNeverReceived,
    _HTTP11ClientFactory,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from ccproxy.errors import Kind, ProxyError
from ccproxy.net.dial import Dialer
from ccproxy.net.guard import Guard

_T = TypeVar("_T")

_KEPT_CONNECTIONS = 1024  # a cache size, not a limit; the default of 2 makes most short requests dial anew
# A dead peer is found within two minutes: while nothing is under way by probes, and else by what it does not acknowledge.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}
_STALE_SECONDS = (
    1.0  # a connection that was closed before shows it at once; later, the request may have been worked on, and billed
)
_KEPT_SECONDS = 55  # below the keep-alive of common servers (60), so that they do not close first


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
        error = failure.value
        if not isinstance(error, (ResponseNeverReceived, RequestTransmissionFailed)):
            return failure
        cancelled = any(reason.check(CancelledError) for reason in error.reasons)
        worked_on = self._clock.seconds() - self._sent_at > _STALE_SECONDS
        return failure if cancelled or worked_on else Failure(StaleConnectionError())


def _passing(note: Callable[[], None]) -> Callable[[_T], _T]:
    def passed(result: _T) -> _T:
        note()
        return result

    return passed


class _Pool(HTTPConnectionPool):
    """A pool whose connections know whether they served before, and which hands out none that is stale."""

    def __init__(self, reactor: IReactorTime, *, persistent: bool) -> None:
        super().__init__(reactor, persistent=persistent)
        self.maxPersistentPerHost = _KEPT_CONNECTIONS
        self.cachedConnectionTimeout = _KEPT_SECONDS
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
            _watch(connection)
        self._known.add(connection)
        return _Leased(connection, reused, self._clock)


def _watch(connection: Any) -> None:  # noqa: ANN401 - Agent's protocol has no interface
    """Let the system find out that a silent peer is dead: a model may think for minutes, and so may nobody at all."""
    transport = connection.transport
    tcp = getattr(transport, "transport", transport)  # under TLS
    handle = tcp.getHandle() if hasattr(tcp, "getHandle") else None
    if isinstance(handle, socket.socket):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@implementer(IAgent)
class UpstreamAgent:
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
        dialer = Dialer(reactor, lambda: self.connect_timeout)
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


@implementer(IAgent)
class IdentityAgent:
    """Asks for answers as they are, and refuses one that is compressed all the same."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send a request; treq has already asked for gzip by the time that it comes here (trap P8)."""
        headers = Headers() if headers is None else headers.copy()
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(_plain)


def _plain(response: IResponse) -> IResponse:
    coding = b",".join(response.headers.getRawHeaders(b"Content-Encoding", [])).strip().lower()
    if coding in (b"", b"identity"):
        return response
    _refuse(response)
    raise ProxyError(Kind.UPSTREAM, "The upstream sent a compressed answer, although it was asked not to.")


def _refuse(response: IResponse) -> None:
    """Close the connection of a response that nobody will read; an ignored one is a leaked socket (trap P10)."""
    response.deliverBody(_HangUp())


class _HangUp(Protocol):
    @override
    def connectionMade(self) -> None:
        self.transport.stopProducing()  # type: ignore[union-attr] # body protocols are given a producer

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        pass
