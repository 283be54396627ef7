"""This module is the connections of clients together: how many there may be, and what becomes of them when the daemon drains.

twisted.web keeps large bodies in temporary files (trap P13), unless a site has its own ``getContentFile``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Site
from typing_extensions import override

from ccproxy.config import Config
from ccproxy.errors import ProxyError
from ccproxy.web.body import BoundedBody
from ccproxy.web.channel import ProxyChannel
from ccproxy.web.request import ProxyRequest
from ccproxy.web.turnstile import Turnstile

_QUIET_SECONDS = 60.0


class Drainable(Protocol):
    """A client's connection."""

    def drain(self) -> None:
        """Close now if nothing is under way, else after what is."""


class _Surplus(protocol.Protocol):
    """A connection too many. That there is a protocol at all is for TLS, which would keep the socket of none."""

    @override
    def connectionMade(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr] # TCP and TLS transports have it


class ProxySite(Site):
    """The factory of client connections.

    Args:
        resource: Where the routes are.
        config: The limits on clients.
        refusal: Makes the JSON of an error, in the dialect of a path.
        objection: What is wrong with the key in request headers, if anything.
        clock: Where the time comes from.

    Attributes:
        channels: The connections that are open.
        draining: No connection outlives its response any more.
        turnstile: How many requests begin at once.
    """

    _log = Logger()
    noisy = False
    protocol = ProxyChannel  # type: ignore[assignment] # without the negotiation of HTTP/2, which we do not speak

    def __init__(
        self,
        resource: IResource,
        config: Config,
        refusal: Callable[[str, ProxyError], bytes],
        objection: Callable[[Mapping[str, str]], ProxyError | None],
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
        self.objection = objection
        self.clock = clock
        self.channels: set[Drainable] = set()
        self.draining = False
        self.turnstile = Turnstile(clock)
        self._complained_at: float | None = None
        self._empty: Deferred[None] | None = None

    @override
    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection, unless there are too many."""
        most = self.config.max_connections
        if most and len(self.channels) >= most:
            self._complain(most)
            return _Surplus()
        return super().buildProtocol(addr)

    def _complain(self, most: int) -> None:
        now = self.clock.seconds()
        if self._complained_at is None or now - self._complained_at >= _QUIET_SECONDS:
            self._complained_at = now
            self._log.warn("there are {most} client connections; more are closed at once", most=most)

    def configure(self, config: Config) -> None:
        """Change the limits; open connections keep their idle time."""
        self.config = config
        self.timeOut = config.client_idle_timeout or None

    def getContentFile(self, length: int | None) -> BoundedBody:
        """Where a request's body goes; ``length`` is None when it comes in chunks."""
        return BoundedBody(self.config.max_body_bytes, length)

    @override
    def log(self, request: http.Request) -> None:
        """A response is whole; exchanges write a line of their own, so this one is for debugging, and without the query."""
        if self.config.log_level != "debug":
            return
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

    def forget(self, channel: Drainable) -> None:
        """A connection is closed."""
        self.channels.discard(channel)
        if self._empty is not None and not self.channels:
            empty, self._empty = self._empty, None
            empty.callback(None)
