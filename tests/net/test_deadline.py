"""This module is the tests of the deadline on a peer's silence."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall, IProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.net.deadline import IdleTimeout
from tests.net.relaying import ENDED, UpstreamBody


class Listener(Protocol):
    """Remembers what it was told.

    Attributes:
        stops: It stops the transport when it is told something.
        ends: Ends meanwhile.
    """

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: list[Failure] = []
        self.stops = False
        self.ends: IdleTimeout | None = None

    @override
    def dataReceived(self, data: bytes) -> None:
        self.heard.append(data)
        if self.stops:
            self.transport.stopProducing()  # type: ignore[union-attr] # a body protocol's transport is a producer
        if self.ends is not None:
            self.ends.connectionLost(ENDED)

    @override
    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.append(reason)


class StrictClock(Clock):
    """A clock that lets nothing be called in the past, as reactors do."""

    @override
    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        assert delay >= 0, delay
        return super().callLater(delay, callable, *args, **kw)


class IdleTimeoutTests(SynchronousTestCase):
    """A transport that may be silent for 30 seconds, between it and a protocol that listens."""

    @override
    def setUp(self) -> None:
        self.clock = StrictClock()
        self.clock.advance(1000)
        self.body = UpstreamBody()
        self.listener = Listener()
        self.allowed = 30.0
        self.silences: list[float] = []
        self.idle = IdleTimeout(self.listener, self.clock, lambda: self.allowed, self.silences.append)

    def connect(self) -> None:
        """The transport may speak from now on."""
        self.idle.makeConnection(self.body)

    def test_is_a_protocol_and_a_push_producer(self) -> None:
        """It is to the transport what the protocol is, and to the protocol what the transport is."""
        self.connect()

        self.assertTrue(verifyObject(IProtocol, self.idle))
        self.assertTrue(verifyObject(IPushProducer, self.idle))

    def test_protocol_gets_every_read(self) -> None:
        """What the transport says arrives unchanged, read by read."""
        self.connect()

        self.idle.dataReceived(b"one")
        self.idle.dataReceived(b"two")

        self.assertEqual(self.listener.heard, [b"one", b"two"])

    def test_protocol_is_told_why_the_transport_ended(self) -> None:
        """The reason of the end is passed on, and the clock stops."""
        self.connect()

        self.idle.connectionLost(ENDED)

        self.assertEqual(self.listener.lost, [ENDED])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence_is_told_with_its_limit(self) -> None:
        """After 30 seconds without a byte the owner hears of it."""
        self.connect()
        self.clock.advance(29.9)
        before = list(self.silences)

        self.clock.advance(0.1)

        self.assertEqual((before, self.silences), ([], [30.0]))

    def test_silence_is_told_once(self) -> None:
        """A transport that stays silent is not reported again, and no timer is left."""
        self.connect()
        self.clock.advance(30)

        self.clock.advance(1000)

        self.assertEqual(self.silences, [30.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_read_starts_the_count_anew(self) -> None:
        """The silence counts from the last byte, not from the first."""
        self.connect()
        self.clock.advance(20)

        self.idle.dataReceived(b"still here")
        self.clock.advance(29)
        before = list(self.silences)
        self.clock.advance(1)

        self.assertEqual((before, self.silences), ([], [30.0]))

    def test_trickle_is_never_cut(self) -> None:
        """A transport that says a byte now and then may take as long as it likes."""
        self.connect()

        for _ in range(500):
            self.clock.advance(29)
            self.idle.dataReceived(b".")

        self.assertEqual(self.silences, [])

    def test_reads_need_one_timer(self) -> None:
        """However many reads there are, there is one timer."""
        self.connect()
        (timer,) = self.clock.getDelayedCalls()

        for _ in range(100):
            self.clock.advance(0.01)
            self.idle.dataReceived(b".")

        self.assertEqual(self.clock.getDelayedCalls(), [timer])

    def test_exact_limit_counts_as_silence(self) -> None:
        """The timer that comes due to the last digit ends the wait, although 32.3 - 2.3 is less than 30 in floating point."""
        self.clock.rightNow = 2.3
        self.connect()

        self.clock.advance(30)
        self.clock.advance(0.001)

        self.assertEqual(self.silences, [30.0])

    def test_shorter_limit_holds_from_the_read_that_brings_it(self) -> None:
        """When a read makes the transport more suspicious, the running timer is drawn in."""
        self.allowed = 900
        self.connect()
        self.clock.advance(100)
        self.allowed = 30

        self.idle.dataReceived(b"now I talk")
        self.clock.advance(30)

        self.assertEqual(self.silences, [30])

    def test_shorter_limit_is_cheap(self) -> None:
        """No timer is drawn in by the reactor, which would look through those of all other streams for it."""
        self.patch(DelayedCall, "reset", lambda call, seconds: self.fail("a timer was reset"))

        self.test_shorter_limit_holds_from_the_read_that_brings_it()

    def test_jump(self) -> None:
        """When the time jumps while a read is looked at, beyond a limit that the read has drawn in, that limit is over, and no more."""
        self.allowed = 900
        self.connect()
        self.patch(self.listener, "dataReceived", lambda data: self.clock.advance(100))
        self.allowed = 30

        self.idle.dataReceived(b"now I talk")
        self.clock.advance(0)

        self.assertEqual(self.silences, [30])

    def test_longer_limit_holds_from_the_read_that_brings_it(self) -> None:
        """When a read makes the transport less suspicious, the old limit does not cut it."""
        self.connect()
        self.clock.advance(10)
        self.allowed = 900

        self.idle.dataReceived(b"now I think")
        self.clock.advance(899)
        before = list(self.silences)
        self.clock.advance(1)

        self.assertEqual((before, self.silences), ([], [900]))

    def test_zero_is_no_limit(self) -> None:
        """Without a limit there is no timer."""
        self.allowed = 0

        self.connect()
        self.idle.dataReceived(b".")

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_limit_that_ends_stops_the_clock(self) -> None:
        """A read after which any silence is allowed leaves no timer."""
        self.connect()
        self.allowed = 0

        self.idle.dataReceived(b"that is all")

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_limit_that_ends_between_reads_is_respected(self) -> None:
        """A timer that comes due when no limit holds any more tells nothing, and is the last."""
        self.connect()
        self.allowed = 0

        self.clock.advance(30)

        self.assertEqual(self.silences, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_pause_stops_the_clock(self) -> None:
        """Nobody is silent who is not listened to: the transport is paused and nothing counts."""
        self.connect()

        self.idle.pauseProducing()
        self.clock.advance(1000)

        self.assertEqual(self.body.state, "paused")
        self.assertEqual(self.silences, [])

    def test_late_read_does_not_start_the_clock_during_a_pause(self) -> None:
        """Bytes that arrive after the pause, the rest of a read (trap P12), are passed on, but arm nothing."""
        self.connect()
        self.idle.pauseProducing()

        self.idle.dataReceived(b"late")

        self.assertEqual(self.listener.heard, [b"late"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_resumption_starts_the_count_anew(self) -> None:
        """The silence after a pause counts from its end."""
        self.connect()
        self.clock.advance(29)
        self.idle.pauseProducing()
        self.clock.advance(1000)

        self.idle.resumeProducing()
        self.clock.advance(29)
        before = list(self.silences)
        self.clock.advance(1)

        self.assertEqual(self.body.state, "producing")
        self.assertEqual((before, self.silences), ([], [30.0]))

    def test_stop_stops_the_clock(self) -> None:
        """A transport that was stopped may be silent."""
        self.connect()

        self.idle.stopProducing()

        self.assertEqual(self.body.state, "stopped")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late_read_does_not_start_the_clock_after_a_stop(self) -> None:
        """Bytes that arrive after the stop arm nothing."""
        self.connect()
        self.idle.stopProducing()

        self.idle.dataReceived(b"late")

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_inside_a_read_leaves_no_timer(self) -> None:
        """A protocol that stops the transport while it is told something is not watched any more."""
        self.listener.stops = True
        self.connect()

        self.idle.dataReceived(b"enough")

        self.assertEqual(self.body.stops, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_end_inside_a_read_leaves_no_timer(self) -> None:
        """A transport that ends while it is listened to is not watched any more."""
        self.listener.ends = self.idle
        self.connect()

        self.idle.dataReceived(b"bye")

        self.assertEqual(self.clock.getDelayedCalls(), [])
