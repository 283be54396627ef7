"""This module is a network in memory: connections that are made, refused, spoken on and broken when a test says so."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

ADDRESS = "203.0.113.7"
"""What every host name resolves to; an address for documentation (RFC 5737)."""


class Socket(StringTransport):
    """Our end of a connection, as forgiving after its end as a real socket."""

    @override
    def stopProducing(self) -> None:
        self.loseConnection()

    @override
    def pauseProducing(self) -> None:
        if not self.disconnecting:
            super().pauseProducing()

    @override
    def resumeProducing(self) -> None:
        if not self.disconnecting:
            super().resumeProducing()


class Peer:
    """The upstream's end of a connection."""

    def __init__(self, protocol: Any, socket: Socket) -> None:
        self._protocol = protocol
        self._socket = socket
        protocol.makeConnection(socket)

    @property
    def heard(self) -> bytes:
        """What was sent to it."""
        heard: bytes = self._socket.value()
        return heard

    @property
    def paused(self) -> bool:
        """Whether it is not listened to now."""
        return self._socket.producerState == "paused"

    @property
    def hung_up_on(self) -> bool:
        """Whether our end was closed."""
        return self._socket.disconnecting

    def forget(self) -> None:
        """Only what is sent from now on counts as heard."""
        self._socket.clear()

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self._protocol.dataReceived(data)

    def hang_up(self, reason: Exception | None = None) -> None:
        """Close the connection, or report that it closed."""
        self._protocol.connectionLost(Failure(reason or ConnectionDone()))


@implementer(IHostnameResolver)
class Names:
    """Host names.

    Attributes:
        known: Whether a name has an address.
        answering: Whether a question is answered at once, or not before `answer`.
    """

    def __init__(self) -> None:
        self.known = True
        self.answering = True
        self._asked: list[tuple[IResolutionReceiver, int]] = []

    def resolveHostName(  # noqa: N802 - the resolver's interface
        self,
        receiver: IResolutionReceiver,
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        *others: object,
    ) -> IHostResolution:
        """Take a question."""
        receiver.resolutionBegan(None)  # type: ignore[arg-type] # nobody cancels it
        self._asked.append((receiver, portNumber))
        if self.answering:
            self.answer()
        return None  # type: ignore[return-value]

    def answer(self) -> None:
        """Answer what was asked."""
        asked, self._asked = self._asked, []
        for receiver, port in asked:
            if self.known:
                receiver.addressResolved(IPv4Address("TCP", ADDRESS, port))
            receiver.resolutionComplete()


@implementer(IReactorPluggableNameResolver)
class Network(MemoryReactorClock):
    """A reactor that connects to peers in memory, and whose clock moves when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(1_000_000)
        self.names = self.nameResolver = Names()
        self._met = 0

    @property
    def dials(self) -> int:
        """How many connections are being made and wait for `accept` or `refuse`."""
        return len(self.tcpClients) - self._met

    @property
    def given_up(self) -> bool:
        """Whether the newest connection is not waited for any more."""
        return bool(self.connectors[-1].stoppedConnecting)

    def accept(self) -> Peer:
        """The oldest connection that is being made stands."""
        factory = self._next()
        return Peer(factory.buildProtocol(IPv4Address("TCP", ADDRESS, 443)), Socket())

    def refuse(self, error: Exception) -> None:
        """The oldest connection that is being made fails, and there is no other address to try."""
        connector = self.connectors[self._met]
        self._next().clientConnectionFailed(connector, Failure(error))
        self.advance(1)

    def timers(self) -> int:
        """How many timers are running."""
        return len(self.getDelayedCalls())

    def _next(self) -> Any:
        factory = self.tcpClients[self._met][2]
        self._met += 1
        return factory
