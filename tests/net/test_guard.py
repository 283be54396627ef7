"""This module is the tests of what is watched below HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.net.guard import Guard, GuardedEndpoint
from ccproxy.net.idle import HeadTooLargeError
from ccproxy.net.standard import StandardAgent
from tests.net.network import Network
from tests.net.test_agent import ANSWER, AgentTestCase


class Inner(Protocol):
    """A protocol that keeps what it is told."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost: Failure | None = None
        self.head_is_whole: Callable[[], None] = lambda: None

    @override
    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if b"\r\n\r\n" in data:
            self.head_is_whole()

    @override
    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost = reason


class Pair(StringTransport):
    """A transport over a real pair of sockets, of which the reactor has not read yet."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = socket.socketpair()

    def getHandle(self) -> socket.socket:  # noqa: N802 - as of a TCP transport
        """Our end."""
        return self.ours

    def close(self) -> None:
        """Close both ends."""
        self.ours.close()
        self.theirs.close()


class GuardTests(SynchronousTestCase):
    """A guard below a protocol."""

    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = Inner()
        self.transport = Pair()
        self.addCleanup(self.transport.close)
        self.guard = Guard(self.inner, self.clock)
        self.inner.head_is_whole = self.guard.answered
        self.guard.makeConnection(self.transport)

    def answer(self, head: bytes) -> None:
        """A request, and the head of its answer."""
        self.guard.asked()
        self.guard.dataReceived(head)

    def test_hands_on(self) -> None:
        """The protocol has the transport itself, and hears everything."""
        self.guard.dataReceived(b"a")
        self.guard.dataReceived(b"b")
        self.guard.connectionLost(Failure(ConnectionDone()))

        self.assertIs(self.inner.transport, self.transport)
        self.assertEqual((self.inner.heard, self.inner.lost and self.inner.lost.type), (b"ab", ConnectionDone))

    def test_many_headers(self) -> None:
        """A head without end is cut off, and the protocol is told why."""
        self.guard.asked()
        for _ in range(70):
            self.guard.dataReceived(b"x: " + b"y" * 1000 + b"\r\n")
        self.guard.connectionLost(Failure(ConnectionAborted()))

        self.assertTrue(self.transport.disconnected or self.transport.disconnecting)
        self.assertEqual(self.inner.lost and self.inner.lost.type, HeadTooLargeError)
        self.assertLess(len(self.inner.heard), 80_000)

    def test_long_header(self) -> None:
        """One line without end is cut off sooner."""
        self.guard.asked()
        self.guard.dataReceived(b"x: " + b"y" * 16_384)

        self.assertTrue(self.transport.disconnected or self.transport.disconnecting)

    def test_body(self) -> None:
        """A body may be as long as it likes, also that of an answer whose head came in the same read."""
        self.answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)
        self.guard.dataReceived(b"x" * 100_000)

        self.assertFalse(self.transport.disconnected or self.transport.disconnecting)

    def test_keep_alive(self) -> None:
        """A connection that its upstream keeps for some seconds is stale a little sooner, counted from the last word."""
        for field, good, stale in (
            (b"Keep-Alive: timeout=5", 3.9, 4.1),
            (b"keep-alive:max=100,  Timeout = 5", 3.9, 4.1),
            (b"Keep-Alive: timeout=1", 0.4, 0.6),
            (b"Keep-Alive: timeout=0", 0, 0.1),
        ):
            self.answer(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % field)
            self.clock.advance(100)
            self.guard.dataReceived(b"the end of the body")
            self.clock.advance(good)
            before = self.guard.is_stale()
            self.clock.advance(stale - good)
            self.assertEqual((before, self.guard.is_stale()), (False, True), field)

    def test_no_keep_alive(self) -> None:
        """Without such a header nothing is known, whatever a body says."""
        self.answer(b"HTTP/1.1 200 OK\r\nx-keep-alive: timeout=1\r\n\r\nKeep-Alive: timeout=1\r\n")

        self.clock.advance(50)

        self.assertFalse(self.guard.is_stale())

    def test_closed(self) -> None:
        """A connection whose end has come, but not to the reactor, is stale."""
        before = self.guard.is_stale()

        self.transport.theirs.close()

        self.assertEqual((before, self.guard.is_stale()), (False, True))

    def test_unasked(self) -> None:
        """A connection on which something came that nobody asked for is stale."""
        self.transport.theirs.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

        self.assertTrue(self.guard.is_stale())

    def test_gone(self) -> None:
        """A transport whose socket is closed already does not matter."""
        self.transport.close()

        self.assertFalse(self.guard.is_stale())


class EndpointTests(SynchronousTestCase):
    """The endpoint around an endpoint."""

    def test_is_an_endpoint(self) -> None:
        """Anything that connects can use it."""
        network = Network()

        self.assertTrue(verifyObject(IStreamClientEndpoint, GuardedEndpoint(object(), network)))  # type: ignore[arg-type]


class KeepAliveTests(AgentTestCase):
    """Kept connections of which the upstream said for how long it keeps them."""

    def test_about_to_be_closed(self) -> None:
        """A kept connection that the upstream is about to close is closed by us, and the request goes out on a new one."""
        first = self.post()
        old = self.network.accept()
        old.say(ANSWER.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=5\r\n\r\n"))
        self.body(first)
        old.forget()
        self.network.advance(4.5)

        second = self.post()
        fresh = self.network.accept()
        fresh.say(ANSWER)

        self.assertEqual((self.body(second), old.heard, old.hung_up_on), (b"hi", b"", True))

    def test_many_at_once(self) -> None:
        """However many kept connections are stale, the next request finds its way past them."""
        sent = [self.post() for _ in range(500)]
        peers = [self.network.accept() for _ in sent]
        for peer, request in zip(peers, sent, strict=True):
            peer.say(ANSWER.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=5\r\n\r\n"))
            self.body(request)
        self.network.advance(4.5)

        last = self.post()
        self.network.accept().say(ANSWER)

        self.assertEqual(self.body(last), b"hi")
        self.assertTrue(all(peer.hung_up_on for peer in peers))

    def test_soon_enough(self) -> None:
        """Before that it serves."""
        first = self.post()
        peer = self.network.accept()
        peer.say(ANSWER.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=5\r\n\r\n"))
        self.body(first)
        self.network.advance(3.5)

        self.post()

        self.assertEqual(self.network.dials, 0)


class StandardKeepAliveTests(KeepAliveTests):
    """The same of Twisted's own client."""

    make = StandardAgent
