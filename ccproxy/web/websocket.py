"""This module is one WebSocket connection, from its upgrade to its end: frames on the wire, messages to and from a socket's owner.

Autobahn reads and writes the frames. Its timers, its limits and its compression stay off: time is the house's, a limit of Autobahn's would
hold for what is sent, too, and what is packed may unpack to a thousandfold. The hooks that are overridden are those it documents; but
`onCloseFrame` and `sendCloseFrame`, which are not, it calls itself, and has the only way to close with any code (RFC 6455, 7.4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, cast

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from ccproxy.net.cork import CORK
from ccproxy.web.body import BoundedBody

_LINGER_SECONDS = 2.0  # for a client to answer a close, or to read what was said before
_TOO_BIG = 1009
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: ccproxy\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)


class Owner(Protocol):
    """Who listens to a connection."""

    def received(self, message: bytes) -> None:
        """A text message is whole."""

    def too_large(self) -> None:
        """A message is larger than it may be, and nothing of it is kept."""

    def unreadable(self) -> None:
        """A message is no text."""

    def left(self) -> None:
        """The client is gone, or said farewell; called once."""

    def drain(self) -> None:
        """The daemon goes down."""


@implementer(IPushProducer)
class WebSocket(WebSocketServerProtocol):  # type: ignore[misc] # its package has no types
    """One connection after its upgrade. While its client does not read, nothing is read of it either.

    Args:
        owner: Who is told of messages.
        limit: Bytes that a message may have; 0 for any number.
        clock: Where the time comes from.
        gone: Called when the connection is closed.

    Attributes:
        full_since: Since when the client does not read; None while it does.
        heard_at: When the client last sent anything.
    """

    log = txaio.make_logger(level="error")

    def __init__(self, owner: Owner, limit: int, clock: IReactorTime, gone: Callable[[], None]) -> None:
        super().__init__()
        self.factory = _factory(clock)
        self.full_since: float | None = None
        self.heard_at = clock.seconds()
        self._owner = owner
        self._limit = limit
        self._clock = clock
        self._gone = gone
        self._body: BoundedBody | None = None
        self._binary = False
        self._producer: IPushProducer | None = None
        self._leaving: IDelayedCall | None = None
        self._left = False

    @property
    def incoming(self) -> int | None:
        """How many bytes of a message came that is not whole yet; None between messages."""
        return None if self._body is None else self._body.received

    @property
    def is_talking(self) -> bool:
        """Whether messages may go both ways."""
        return bool(self.state == self.STATE_OPEN)

    # The owner calls

    def shake_hands(self, key: bytes) -> None:
        """Answer the upgrade, by the client's ``Sec-WebSocket-Key``; the key of its caller stays out of Autobahn's hands."""
        self.transport.registerProducer(self, True)
        self.dataReceived(_HANDSHAKE % key)

    def send(self, message: bytes) -> None:
        """Send a text message, if there is still somebody to read it."""
        if self.is_talking:
            self.sendMessage(message)

    def ping(self) -> None:
        """Ask for a sign of life, unless the client does not read anyway."""
        if self.is_talking and self.full_since is None:
            self.sendPing()

    def close(self, code: int, reason: str) -> None:
        """Say farewell, and close when the client has answered, or has had the time for it."""
        if self.is_talking:
            self.sendCloseFrame(code=code, reasonUtf8=reason.encode(), isReply=False)

    def abort(self) -> None:
        """Drop the connection, and what was not sent."""
        self.transport.abortConnection()

    def attach(self, producer: IPushProducer) -> None:
        """From now on the client's reading paces a producer."""
        self._producer = producer
        if self.full_since is not None:
            producer.pauseProducing()

    def detach(self) -> None:
        """Nothing more comes from the producer."""
        self._producer = None

    def drain(self) -> None:
        """Close when nothing is under way any more."""
        self._owner.drain()

    # The transport calls

    @override
    def dataReceived(self, data: bytes) -> None:
        """The client sent something."""
        self.heard_at = self._clock.seconds()
        with CORK:
            super().dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client is gone."""
        if self._leaving is not None and self._leaving.active():
            self._leaving.cancel()
        super().connectionLost(reason)
        self._leave()
        self._gone()

    def pauseProducing(self) -> None:
        """The client does not keep up: what we would answer to what it sends would only pile up."""
        if self.full_since is None:
            self.full_since = self._clock.seconds()
        self.transport.pauseProducing()
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has read what it was sent."""
        self.full_since = None
        self.transport.resumeProducing()
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The client is gone."""
        self._leave()

    # Autobahn calls

    @override
    def onMessageBegin(self, isBinary: bool) -> None:
        """A message begins."""
        self.message_data_total_length = 0
        self._binary = isBinary
        self._body = BoundedBody(self._limit, None)

    @override
    def onMessageFrameBegin(self, length: int) -> None:
        """A frame of a message begins, and says its length."""
        if self._body is not None and self._limit and self._body.received + length > self._limit:
            self._body = None
            self._owner.too_large()
            self.close(_TOO_BIG, "message too big")

    @override
    def onMessageFrameData(self, payload: bytes) -> None:
        """A part of a frame."""
        if self._body is not None:
            self._body.write(payload)

    @override
    def onMessageFrameEnd(self) -> None:
        """A frame is whole."""

    @override
    def onMessageEnd(self) -> None:
        """A message is whole."""
        body, self._body = self._body, None
        if body is None or not self.is_talking:
            return
        if self._binary:
            self._owner.unreadable()
        else:
            self._owner.received(body.take())

    @override
    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> bool | None:
        """The client says farewell, or answers ours."""
        done = super().onCloseFrame(code, reasonRaw)
        self._leave()
        return cast("bool | None", done)

    @override
    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """Say farewell, or answer it: nothing can be told any more. A client that then neither answers nor reads is dropped in a moment."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._leave()
        if self._leaving is None and self.connected:
            self._leaving = self._clock.callLater(_LINGER_SECONDS, self.abort)

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self._owner.left()


@lru_cache(1)
def _factory(clock: IReactorTime) -> WebSocketServerFactory:
    """What Autobahn wants to know of a server."""
    factory = WebSocketServerFactory(server="ccproxy", reactor=clock)
    factory.setProtocolOptions(
        versions=[13], webStatus=False, failByDrop=False, openHandshakeTimeout=0, closeHandshakeTimeout=0
    )
    return factory
