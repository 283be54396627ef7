"""This module is the connections of clients: slow ones, full ones, and what becomes of them when the daemon drains.

twisted.web has no limit on the time of a header or on a body, answers ``100 Continue`` to any size (trap P28) and keeps large bodies in
temporary files (trap P13). The hooks used are public: ``connectionMade``, ``dataReceived``, ``allHeadersReceived``, ``checkPersistence``,
``allContentReceived``, ``requestDone`` and ``connectionLost`` of `HTTPChannel`, and ``getContentFile`` of `Site`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from typing_extensions import override

from ccproxy.config import Config
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.client import lowered
from ccproxy.web.body import BoundedBody
from ccproxy.web.request import ProxyRequest

_LEAST_BODY_PROGRESS = 1024  # bytes that a body must bring in each period


class Phase(Enum):
    """What a client connection is doing."""

    IDLE = "idle"
    HEADER = "header"
    BODY = "body"
    SERVING = "serving"


class ProxyChannel(HTTPChannel):
    """A client connection: a header has to be whole in time, a body has to make progress, and draining closes it when it may."""

    site: ProxySite

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.IDLE
        self._deadline: IDelayedCall | None = None
        self._progress = 0
        self._full_since: float | None = None

    @override
    def connectionMade(self) -> None:
        """The client connected."""
        super().connectionMade()
        self.site.channels.add(self)

    @override
    def dataReceived(self, data: bytes) -> None:
        """The client sent something; the first of it begins a header."""
        if self.phase is Phase.IDLE and data.strip(b"\r\n"):  # some clients send an empty line after a body
            self._enter(Phase.HEADER, self.site.config.client_header_timeout, self._header_late)
        super().dataReceived(data)

    @override
    def allHeadersReceived(self) -> None:
        """The header is whole. A body that is too large is not invited."""
        request = self.requests[-1]
        limit = self.site.config.max_body_bytes
        if limit and self.length is not None and self.length > limit and request.requestHeaders.hasHeader(b"Expect"):
            self._refuse(
                ProxyError(Kind.TOO_LARGE, "The request body is larger than the limit of the proxy (maxBodyBytes).")
            )
            return
        super().allHeadersReceived()
        if self.length != 0 and not self.site.is_credible(lowered(request.requestHeaders)):
            request.content.refuse()  # it will be a 401, whatever the body says
        self._progress = 0
        self._enter(Phase.BODY, self.site.config.client_body_timeout, self._body_late)

    @override
    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Whether another request may follow on this connection: not while the daemon drains."""
        if self.site.draining:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    @override
    def allContentReceived(self) -> None:
        """The body is whole."""
        self._enter(Phase.SERVING)
        super().allContentReceived()

    @override
    def requestDone(self, request: Request) -> None:
        """The response is whole."""
        self._enter(Phase.IDLE)
        super().requestDone(request)
        if not self.persistent:
            self.setTimeout(self.timeOut)  # for the last bytes to leave

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client is gone."""
        self._enter(Phase.IDLE)
        self.site.forget(self)
        super().connectionLost(reason)

    @override
    def pauseProducing(self) -> None:
        """The client does not keep up."""
        if self._full_since is None:
            self._full_since = self.site.clock.seconds()
        super().pauseProducing()

    @override
    def resumeProducing(self) -> None:
        """The client has read what it was sent."""
        self._full_since = None
        super().resumeProducing()

    @override
    def timeoutConnection(self) -> None:
        """The client sent nothing for long; one that still reads an answer is not idle (trap P16)."""
        stall = self.site.config.client_stall_timeout
        if self._full_since is not None and (not stall or self.site.clock.seconds() - self._full_since < stall):
            self.setTimeout(self.timeOut)
        else:
            super().timeoutConnection()

    def drain(self) -> None:
        """Close now if nothing is under way, else after the response."""
        self.persistent = False
        if self.phase is Phase.IDLE:
            self.loseConnection()

    def _enter(self, phase: Phase, seconds: float = 0, late: Callable[[], None] = lambda: None) -> None:
        self.phase = phase
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self.callLater(seconds, late) if seconds else None

    def _header_late(self) -> None:
        self._refuse(ProxyError(Kind.CLIENT_TIMEOUT, "The header of the request did not come in time."))

    def _body_late(self) -> None:
        received = self.requests[-1].content.received
        if received - self._progress < _LEAST_BODY_PROGRESS:
            self._refuse(ProxyError(Kind.CLIENT_TIMEOUT, "The body of the request did not come in time."))
            return
        self._progress = received
        self._enter(Phase.BODY, self.site.config.client_body_timeout, self._body_late)

    def _refuse(self, error: ProxyError) -> None:
        """Answer a request that never became whole, and close."""
        body = self.site.refusal("", error)
        head = f"HTTP/1.1 {error.status} {RESPONSES[error.status].decode()}\r\nConnection: close\r\n"
        head += f"Access-Control-Allow-Origin: *\r\nX-Should-Retry: {str(error.retryable).lower()}\r\n"
        head += f"Retry-After: {error.retry_after}\r\n" if error.retry_after is not None else ""
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        assert self.transport is not None  # noqa: S101 - a deadline does not outlive its connection
        self.transport.write(head.encode() + body)
        self.loseConnection()


class ProxySite(Site):
    """The factory of client connections.

    Args:
        resource: Where the routes are.
        config: The limits on clients.
        refusal: Makes the JSON of an error, in the dialect of a path.
        is_credible: Whether request headers hold a key that the upstream could know.
        clock: Where the time comes from.

    Attributes:
        channels: The connections that are open.
        draining: No connection outlives its response any more.
    """

    _log = Logger()
    noisy = False
    protocol = ProxyChannel  # type: ignore[assignment] # without the negotiation of HTTP/2, which we do not speak

    def __init__(
        self,
        resource: IResource,
        config: Config,
        refusal: Callable[[str, ProxyError], bytes],
        is_credible: Callable[[Mapping[str, str]], bool],
        clock: IReactorTime,
    ) -> None:
        super().__init__(
            resource,
            ProxyRequest,
            parsePOSTFormSubmission=False,
            timeout=config.client_idle_timeout or None,
            reactor=clock,
        )
        self.config = config
        self.refusal = refusal
        self.is_credible = is_credible
        self.clock = clock
        self.channels: set[ProxyChannel] = set()
        self.draining = False
        self._full = False
        self._empty: Deferred[None] | None = None

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection, unless there are too many."""
        most = self.config.max_connections
        if most and len(self.channels) >= most:
            if not self._full:
                self._log.warn("there are {most} client connections; more are closed at once", most=most)
            self._full = True
            return None
        self._full = False
        return super().buildProtocol(addr)

    def getContentFile(self, length: int | None) -> BoundedBody:
        """Where a request's body goes; ``length`` is None when it comes in chunks."""
        return BoundedBody(self.config.max_body_bytes, length)

    @override
    def log(self, request: http.Request) -> None:
        """A response is whole; exchanges write a line of their own, so this one is for debugging, and without the query."""
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        self._log.debug("{method} {path} -> {status}", method=method, path=path, status=request.code)

    def drain(self) -> Deferred[None]:
        """Let no connection outlive its response; fires when the last one is closed."""
        self.draining = True
        for channel in tuple(self.channels):
            channel.drain()
        if not self.channels:
            return succeed(None)
        self._empty = Deferred()
        return self._empty

    def forget(self, channel: ProxyChannel) -> None:
        """A connection is closed."""
        self.channels.discard(channel)
        if self._empty is not None and not self.channels:
            empty, self._empty = self._empty, None
            empty.callback(None)
