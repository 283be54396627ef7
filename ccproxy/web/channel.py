"""This module is one connection of a client, from its first byte to its last: slow clients, and those whose HTTP is not clean.

twisted.web has no limit on the time of a header or on a body, answers ``100 Continue`` to any size (trap P28), and answers what it cannot
read with a bare 400, or not at all. Heads are read by `ccproxy.web.head`; `HTTPChannel` gets the first line and the field that says where
the body ends, and its own reading (``LineReceiver.dataReceived``, ``allHeadersReceived``) never runs. Bodies, the order of requests and the
way of responses are left to it. Of what is not public ``rawDataReceived`` is called, as the reading did that is replaced, and
``_respondToBadRequestAndDisconnect`` is the hook for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from typing_extensions import override

from ccproxy.errors import ProxyError
from ccproxy.net.cork import CORK
from ccproxy.web.head import Head, HeadReader
from ccproxy.web.phase import Limit, Phase
from ccproxy.web.refusing import malformed, path_in, too_large, too_late, whole_refusal

if TYPE_CHECKING:
    from twisted.internet.tcp import Server

    from ccproxy.web.request import ProxyRequest
    from ccproxy.web.site import ProxySite

_LEAST_BODY_PROGRESS = 1024  # bytes that a body must bring in each period
_LINGER_SECONDS = 2.0  # for a client that still sends to see that it was refused; a close would reset the connection
_FRESH_SECONDS = 1.0  # in which the first request of a connection may be on its way
_NO_LIMIT = 2**31
_SHOWN_LINE = 1024  # bytes of a first line, in which the path is looked for
_NO_READER = HeadReader(0, 0)
_INVITATION = b"HTTP/1.1 100 Continue\r\n\r\n"
_EARLY = 16384  # bytes of a request that are kept before it may begin; of more the rest is left to the system


class ProxyChannel(HTTPChannel):
    """A client connection: a header has to be whole in time, a body has to make progress, and draining closes it when it may.

    A request that cannot be read, or is too large, is answered at once in the dialect of its path. What the client still sends is
    dropped, for a moment, and never taken for another request. While a client does not read its answers, no more of its requests begin.
    """

    # Together with Twisted's there would be more than 30, and a dictionary of five times the size for each connection.
    __slots__ = (
        "_connected_at", "_early", "_full_since", "_host", "_limit", "_line", "_objection", "_patience", "_progress", "_reader", "phase",
    )  # fmt: skip

    site: ProxySite
    transport: Server
    totalHeadersSize = _NO_LIMIT  # noqa: N815 - Twisted's name; a first line is as long as our own limit lets it be

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.IDLE
        self._connected_at = 0.0
        self._line = b""
        self._reader = _NO_READER
        self._objection: ProxyError | None = None
        self._limit = Limit(self)
        self._early: list[bytes] = []
        self._host: IAddress | None = None
        self._progress = 0
        self._full_since: float | None = None

    # The transport and the parser call

    @override
    def connectionMade(self) -> None:
        """The client connected."""
        super().connectionMade()
        CORK.watch(self.transport)
        self._connected_at = self.site.clock.seconds()
        self.site.channels.add(self)

    @override
    def dataReceived(self, data: bytes) -> None:
        """The client sent something; what that makes us say, to whomever, goes out at once."""
        if self.phase is Phase.CLOSING or self.transport.disconnecting:  # TLS still listens then
            return
        if self.phase is Phase.IDLE and not self._early and not (data := data.lstrip(b"\r\n")):
            return  # some clients send an empty line after a body
        if self.paused:
            self._early.append(data)
        elif self.phase is Phase.WAITING or (self.phase is Phase.IDLE and not self.site.turnstile.lets_in()):
            self._wait(data)
        else:
            self._read(data)

    @override
    def setLineMode(self, extra: bytes = b"") -> None:
        """Another request may begin; this much of it came already."""
        if extra:
            self.dataReceived(extra)

    def take_unread(self) -> bytes:
        """Forget what came and belongs to no request yet, and hand it out."""
        unread, self._reader = self._reader.rest, _NO_READER
        return unread

    @override
    def allContentReceived(self) -> None:
        """The body is whole."""
        if self.phase is Phase.CLOSING:
            return
        self._enter(Phase.SERVING)
        super().allContentReceived()

    @override
    def requestDone(self, request: ProxyRequest) -> None:
        """The response is whole."""
        self._enter(Phase.IDLE if self.persistent else Phase.CLOSING)
        if self._full_since is not None:
            self.paused = True  # its other requests wait until it has read this
        is_last = not self.persistent  # the next request, which may begin in a moment, may say otherwise
        super().requestDone(request)
        CORK.send(self.transport)
        if self.paused:
            self.transport.pauseProducing()
        if is_last:
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
            early, self._early = b"".join(self._early), []
            self.setLineMode(early)

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
        self._refuse(malformed())

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
                pass  # `_expect` will say so

    # The phases

    def _wait(self, data: bytes) -> None:
        """A crowd came before this request: keep its beginning."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.WAITING)
            self._patience = self.setTimeout(None)  # it is not idle
            self.site.turnstile.wait(self._go_on, self.transport.abortConnection)
        self._early.append(data)
        if sum(map(len, self._early)) > _EARLY:
            self.transport.pauseProducing()

    def _go_on(self) -> None:
        if self.phase is not Phase.WAITING:  # its client left
            return
        self._enter(Phase.IDLE)
        self.setTimeout(self._patience)
        early, self._early = b"".join(self._early), []
        if len(early) > _EARLY and self._full_since is None and not self.paused:
            self.transport.resumeProducing()
        self._read(early)

    def _read(self, data: bytes) -> None:
        with CORK, self._limit:
            self.resetTimeout()
            if self.phase is Phase.IDLE:
                config = self.site.config
                self._reader = HeadReader(config.max_header_bytes, config.max_headers)
                self._enter(Phase.HEADER, config.client_header_timeout, lambda: self._refuse(too_late("header")))
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """The next bytes, of a head or of what follows it."""
        if self.phase is Phase.HEADER:
            self._feed_head(data)
            return
        self.rawDataReceived(data)
        if self.phase is Phase.BODY and self.requests[-1].content.overflown:
            self._refuse(self._objection or too_large())

    def _feed_head(self, data: bytes) -> None:
        """The next bytes of a head, and perhaps its end."""
        reader = self._reader
        try:
            head = reader.feed(data)
        except ProxyError as error:
            self._line = reader.line
            self._refuse(error)
            return
        self._line = reader.line[:_SHOWN_LINE]
        if head is None:
            return
        self.lineReceived(reader.line)  # makes the request
        if self.phase is Phase.HEADER and (head.framing is None or self.headerReceived(head.framing)):
            self._expect(head, self.requests[-1])
        unread = self.take_unread()
        if unread:
            (self._feed if self.phase is Phase.BODY else self.dataReceived)(unread)

    def _expect(self, head: Head, request: ProxyRequest) -> None:
        """A request begins; now comes its body. One that is too large is not invited."""
        request.head = head
        self._objection = self.site.objection(head.plain) if self.length != 0 else None
        if 0 < self.site.config.max_body_bytes < (self.length or 0):
            self._refuse(self._objection or too_large())
            return
        self.persistent = head.persists and not self.site.draining
        if head.is_modern and not self.persistent:
            request.setHeader("Connection", "close")
        request.gotLength(self.length)
        if head.awaits_invitation:
            self.transport.write(_INVITATION)
        if self._objection is not None:
            self.requests[-1].content.refuse()  # it will be a 401, whatever the body says
        self._progress = 0
        self._enter(Phase.BODY, self.site.config.client_body_timeout, self._body_late)
        if self.length == 0:
            self.allContentReceived()

    def _enter(self, phase: Phase, seconds: float = 0, late: Callable[[], None] | None = None) -> None:
        self.phase = phase
        self._limit.set(seconds, late)

    def _body_late(self) -> None:
        received = self.requests[-1].content.received
        if received - self._progress < _LEAST_BODY_PROGRESS:
            self._refuse(too_late("body"))
            return
        self._progress = received
        self._enter(Phase.BODY, self.site.config.client_body_timeout, self._body_late)

    def _refuse(self, error: ProxyError) -> None:
        """Answer a request that never became whole, and close when the client has had time to see it."""
        if self.phase is Phase.CLOSING:
            return
        body = self.site.refusal(path_in(self._line), error)
        self.transport.write(whole_refusal(error, body, self.site.clock.seconds()))
        self.persistent = False
        self._reader = _NO_READER
        self.setTimeout(None)
        self._enter(Phase.CLOSING, _LINGER_SECONDS, self._close)

    def _close(self) -> None:
        self.loseConnection()
        # A client that does not read, or over TLS does not say farewell, would keep it open for ever.
        self._enter(Phase.CLOSING, _LINGER_SECONDS, self.transport.abortConnection)
