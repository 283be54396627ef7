"""This module is one connection of a client, from its first byte to its last: slow clients, and those whose HTTP is not clean.

twisted.web has no limit on the time of a header or on a body, answers ``100 Continue`` to any size (trap P28), and answers what it cannot
read with a bare 400, or not at all. The hooks used are public methods of `HTTPChannel`, with one exception,
``_respondToBadRequestAndDisconnect``, which is what it calls when it cannot read something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.net.cork import CORK
from ccproxy.web.phase import Limit, Phase
from ccproxy.web.refusing import header_too_large, path_in, too_large, whole_refusal

if TYPE_CHECKING:
    from ccproxy.web.site import ProxySite

_LEAST_BODY_PROGRESS = 1024  # bytes that a body must bring in each period
_LINGER_SECONDS = 2.0  # for a client that still sends to see that it was refused; a close would reset the connection
_FRESH_SECONDS = 1.0  # in which the first request of a connection may be on its way
_NO_LIMIT = 2**31
_LONGEST_FIRST_LINE = 16384
_EARLY = 16384  # bytes of a request that are kept before it may begin; of more the rest is left to the system


class ProxyChannel(HTTPChannel):
    """A client connection: a header has to be whole in time, a body has to make progress, and draining closes it when it may.

    A request that cannot be read, or is too large, is answered at once in the dialect of its path. What the client still sends is
    dropped, for a moment, and never taken for another request. While a client does not read its answers, no more of its requests begin.
    """

    # Together with Twisted's there would be more than 30, and a dictionary of five times the size for each connection.
    __slots__ = (
        "_connected_at", "_early", "_first_line", "_full_since", "_header_count", "_header_size", "_host", "_limit", "_objection",
        "_patience", "_progress", "phase",
    )  # fmt: skip

    site: ProxySite
    # Ours are told apart from what is malformed, and are hit first.
    maxHeaders = totalHeadersSize = _NO_LIMIT  # noqa: N815 - Twisted's names

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.IDLE
        self._connected_at = 0.0
        self._first_line = b""
        self._objection: ProxyError | None = None
        self._limit = Limit(self)
        self._early: list[bytes] = []
        self._host: IAddress | None = None
        self._progress = 0
        self._header_count = self._header_size = 0
        self._full_since: float | None = None

    # The transport and the parser call

    @override
    def connectionMade(self) -> None:
        """The client connected."""
        config = self.site.config
        self.MAX_LENGTH = config.max_header_bytes or _NO_LIMIT
        super().connectionMade()
        CORK.watch(self.transport)
        self._connected_at = self.site.clock.seconds()
        self.site.channels.add(self)

    @override
    def dataReceived(self, data: bytes) -> None:
        """The client sent something; the first of it begins a header. What that makes us say, to whomever, goes out at once."""
        if self.phase is Phase.CLOSING:
            return
        begins = self.phase is Phase.IDLE and data.strip(b"\r\n")  # some clients send an empty line after a body
        if self.phase is Phase.WAITING or (begins and not self.site.turnstile.lets_in()):
            self._wait(data)
        else:
            self._read(data, begins=bool(begins))

    @override
    def lineReceived(self, line: bytes) -> None:
        """One line of a header came."""
        if self.phase is Phase.CLOSING:
            return
        if self.phase is Phase.IDLE and line:
            self._begin()
        if not self._first_line:
            self._first_line = line[:_LONGEST_FIRST_LINE]
        elif line[:1] in (b" ", b"\t"):  # https://www.rfc-editor.org/rfc/rfc9112#section-5.2
            self._respondToBadRequestAndDisconnect()
            return
        self._header_count += 1
        self._header_size += len(line) + 2
        config = self.site.config
        if config.max_header_bytes and self._header_size > config.max_header_bytes:
            self._refuse(header_too_large("maxHeaderBytes"))
        elif config.max_headers and self._header_count > config.max_headers + 2:  # with the first line and the last
            self._refuse(header_too_large("maxHeaders"))
        else:
            super().lineReceived(line)

    @override
    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of a header is longer than a whole header may be."""
        self._first_line = self._first_line or line[:_LONGEST_FIRST_LINE]
        self._refuse(header_too_large("maxHeaderBytes"))

    @override
    def headerReceived(self, line: bytes) -> bool:
        """One field of a header is whole."""
        name, _, value = line.partition(b":")
        if name.lower() == b"transfer-encoding" and (
            value.strip(b" \t").lower() != b"chunked" or self._first_line.endswith(b"HTTP/1.0")
        ):  # https://www.rfc-editor.org/rfc/rfc9112#section-6.1
            self._respondToBadRequestAndDisconnect()
            return False
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of thousands of digits, which Python does not read
            self._respondToBadRequestAndDisconnect()
            return False

    @override
    def allHeadersReceived(self) -> None:
        """The header is whole. A body that is too large is not invited."""
        if self.phase is Phase.CLOSING:
            return
        request, limit = self.requests[-1], self.site.config.max_body_bytes
        self._objection = self.site.objection(request.plain_headers) if self.length != 0 else None
        if limit and self.length is not None and self.length > limit:
            self._refuse(self._objection or too_large())
            return
        super().allHeadersReceived()
        if self._objection is not None:
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
        if self.phase is Phase.CLOSING:
            return
        self._enter(Phase.SERVING)
        super().allContentReceived()

    @override
    def requestDone(self, request: Request) -> None:
        """The response is whole."""
        self._enter(Phase.IDLE if self.persistent else Phase.CLOSING)
        if self._full_since is not None:
            self.paused = True  # its other requests wait until it has read this
        super().requestDone(request)
        if self.paused:
            self.transport.pauseProducing()  # type: ignore[union-attr] # a connected transport
        if not self.persistent:
            self.setTimeout(self.site.config.client_idle_timeout or None)  # for the last bytes to leave

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
        if self.paused:
            self.paused = False
            self.dataReceived(b"")

    @override
    def getHost(self) -> IAddress:
        """Our end, the same for all requests of a connection; the system is asked once."""
        if self._host is None:
            self._host = super().getHost()
        return self._host

    @override
    def timeoutConnection(self) -> None:
        """The client sent nothing for long; one that still reads an answer is not idle (trap P16)."""
        stall = self.site.config.client_stall_timeout
        if self._full_since is not None and (not stall or self.site.clock.seconds() - self._full_since < stall):
            self.setTimeout(self.timeOut)
        else:
            super().timeoutConnection()

    @override
    def _respondToBadRequestAndDisconnect(self) -> None:
        self._refuse(ProxyError(Kind.INVALID_REQUEST, "The request is not HTTP/1.1 that can be read without doubt."))

    # The daemon calls

    def drain(self) -> None:
        """Close now if nothing is under way, else after the response.

        A connection that was made just now may have its request on the way, and has a moment for it.
        """
        match self.phase:
            case Phase.IDLE if self.site.clock.seconds() - self._connected_at < _FRESH_SECONDS:
                self._enter(Phase.IDLE, _FRESH_SECONDS, self.loseConnection)
            case Phase.IDLE | Phase.CLOSING:
                self.loseConnection()
            case Phase.BODY | Phase.SERVING:
                self.persistent = False
            case Phase.WAITING | Phase.HEADER:
                pass  # `checkPersistence` will say so; Twisted drops the first line of a request on a connection that is to be closed

    # The phases

    def _wait(self, data: bytes) -> None:
        """A crowd came before this request: keep its beginning."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.WAITING)
            self._patience = self.setTimeout(None)  # it is not idle
            self.site.turnstile.wait(self._go_on, self.transport.abortConnection)  # type: ignore[union-attr] # TCP, TLS
        self._early.append(data)
        if sum(map(len, self._early)) > _EARLY:
            self.transport.pauseProducing()  # type: ignore[union-attr] # a connected transport

    def _go_on(self) -> None:
        if self.phase is not Phase.WAITING:  # its client left
            return
        self._enter(Phase.IDLE)
        self.setTimeout(self._patience)
        early, self._early = b"".join(self._early), []
        if len(early) > _EARLY and self._full_since is None and not self.paused:
            self.transport.resumeProducing()  # type: ignore[union-attr] # a connected transport
        self._read(early, begins=True)

    def _read(self, data: bytes, *, begins: bool) -> None:
        with CORK, self._limit:
            if begins:
                self._begin()
            super().dataReceived(data)
            if self.phase is Phase.BODY and self.requests[-1].content.overflown:
                self._refuse(self._objection or too_large())

    def _begin(self) -> None:
        self._first_line = b""
        self._header_count = self._header_size = 0
        self._enter(Phase.HEADER, self.site.config.client_header_timeout, self._header_late)

    def _enter(self, phase: Phase, seconds: float = 0, late: Callable[[], None] | None = None) -> None:
        self.phase = phase
        self._limit.set(seconds, late)

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
        """Answer a request that never became whole, and close when the client has had time to see it."""
        if self.phase is Phase.CLOSING:
            return
        assert self.transport is not None  # noqa: S101 - a deadline does not outlive its connection
        self.transport.write(whole_refusal(error, self.site.refusal(path_in(self._first_line), error)))
        self.persistent = False
        self.clearLineBuffer()
        self.setTimeout(None)
        self._enter(Phase.CLOSING, _LINGER_SECONDS, self._close)

    def _close(self) -> None:
        self.loseConnection()
        # A client that does not read, or over TLS does not say farewell, would keep it open for ever.
        self._enter(Phase.CLOSING, _LINGER_SECONDS, self.transport.abortConnection)  # type: ignore[union-attr] # TCP, TLS
