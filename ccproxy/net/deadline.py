"""This module is how long peers may be silent, and the deadline on it: a protocol around a protocol."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer


class ClientStalledError(Exception):
    """The client did not read for too long."""


@frozen
class Limits:
    """How long each side of a relay may keep the other waiting; seconds, 0 for ever.

    Attributes:
        text_silence: Silence of the upstream inside an open text block.
        silence: Silence of the upstream anywhere else.
        stall: A client that does not read.
        drain: An upstream that does not end its response after the finish.
    """

    text_silence: float
    silence: float
    stall: float
    drain: float


@implementer(IProtocol, IPushProducer)
class IdleTimeout(Protocol):
    """Passes everything between a transport and a protocol, and tells when the transport has been silent for too long.

    The clock runs only while the transport may speak: it stops with `pauseProducing` and starts anew with `resumeProducing`. There is one
    timer per connection and none per read; a read only moves the mark from which the timer measures when it comes due.

    Args:
        inner: The protocol that speaks; it gets this object as its transport.
        clock: Where the time comes from.
        limit: How many seconds of silence are allowed just now; 0 for any. Asked after every read.
        on_silence: Called once with the limit that was exceeded.
    """

    def __init__(
        self, inner: IProtocol, clock: IReactorTime, limit: Callable[[], float], on_silence: Callable[[float], None]
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._limit = limit
        self._on_silence = on_silence
        self._heard_at = 0.0
        self._timer: IDelayedCall | None = None
        self._paused = False

    # The transport calls

    @override
    def connectionMade(self) -> None:
        """The transport may speak from now on."""
        self._heard_at = self._clock.seconds()
        self._inner.makeConnection(self)  # type: ignore[arg-type] # a body protocol's transport is a producer only
        self._arm()

    @override
    def dataReceived(self, data: bytes) -> None:
        """The transport spoke."""
        self._heard_at = self._clock.seconds()
        self._inner.dataReceived(data)
        self._arm()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport will not speak again."""
        self._paused = True
        self._disarm()
        self._inner.connectionLost(reason)
        self.transport = None

    # The protocol calls

    def pauseProducing(self) -> None:
        """Nobody listens: silence does not count."""
        self._paused = True
        self._disarm()
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """Somebody listens again: silence counts from now."""
        self._paused = False
        self._heard_at = self._clock.seconds()
        self._arm()
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody will listen again."""
        self._paused = True
        self._disarm()
        self._producer.stopProducing()

    @property
    def _producer(self) -> IPushProducer:
        producer: IPushProducer = self.transport  # type: ignore[assignment] # what Agent hands to a body protocol is one
        return producer

    # The timer

    def _arm(self) -> None:
        limit = self._limit()
        if self._paused or not limit:
            self._disarm()
            return
        due = self._heard_at + limit
        if self._timer is not None and due < self._timer.getTime():
            self._disarm()  # trap P31: to draw it in, a reactor would search for it among all timers there are
        if self._timer is None:
            self._timer = self._clock.callLater(max(0, due - self._clock.seconds()), self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        limit = self._limit()
        if limit and self._heard_at + limit <= self._clock.seconds():
            self._on_silence(limit)
        else:
            self._arm()
