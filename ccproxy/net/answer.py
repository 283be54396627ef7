"""This module is where an answer's bytes go: to a client that watches it grow, or into memory until it is whole."""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer, IReactorTime
from zope.interface import implementer

from ccproxy.codecs import Encoder


@implementer(IConsumer)
class StreamAnswer:
    """The client's response while it streams, kept alive with pings whenever nothing is said.

    The status and headers go out with the first write. They wait for something decisive, so that an early failure keeps its real status,
    but not for ever: after ``header_delay`` a ping is written, and the client knows that it is being served.

    Args:
        response: The HTTP request whose response this is.
        encoder: Knows what a ping looks like.
        clock: Where the time comes from.
        header_delay: Seconds until the first ping, if nothing was written before; 0 for never.
        ping_interval: Seconds of silence before any later ping; 0 for never.

    Attributes:
        begun: The status went out; from now on a failure is a frame.
        sent: Bytes written.
    """

    def __init__(
        self, response: IConsumer, encoder: Encoder, clock: IReactorTime, *, header_delay: float, ping_interval: float
    ) -> None:
        self.begun = False
        self.sent = 0
        self._response = response
        self._encoder = encoder
        self._clock = clock
        self._header_delay = header_delay
        self._ping_interval = ping_interval
        self._wrote_at = clock.seconds()
        self._timer: IDelayedCall | None = None
        if header_delay:
            self._wake(self._wrote_at + min(header_delay, ping_interval or header_delay))

    def write(self, data: bytes) -> None:
        """Send bytes to the client now."""
        self._wrote_at = self._clock.seconds()
        self.sent += len(data)
        self._response.write(data)
        if not self.begun:
            self.begun = True
            self._arm()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """From now on the client's socket says when to pause."""
        self._response.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Nothing more will come from the producer."""
        self._response.unregisterProducer()

    def close(self) -> None:
        """No more pings."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Have a timer that comes in time; a write does not move it, and it looks for itself whether a ping is due."""
        interval = self._ping_interval if self.begun else self._header_delay
        due = self._wrote_at + interval
        if interval and (self._timer is None or self._timer.getTime() > due):
            self._wake(due)

    def _wake(self, due: float) -> None:
        self.close()
        self._timer = self._clock.callLater(max(0, due - self._clock.seconds()), self._due)

    def _due(self) -> None:
        self._timer = None
        interval = self._ping_interval if self.begun else self._header_delay
        if interval and self._wrote_at + interval <= self._clock.seconds():
            self.write(self._encoder.ping())
        self._arm()


@implementer(IConsumer)
class Collector:
    """A document, in memory until it is whole; the stage `ccproxy.stages.size_limit` bounds it.

    Attributes:
        begun: Always false: nothing of a document goes out before its end.
        sent: Bytes collected.
    """

    begun = False

    def __init__(self) -> None:
        self.sent = 0
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.sent += len(data)
        self._parts.append(data)

    def value(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._parts)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Memory never asks to pause."""

    def unregisterProducer(self) -> None:
        """Nothing more will come from the producer."""

    def close(self) -> None:
        """Nothing to end."""
