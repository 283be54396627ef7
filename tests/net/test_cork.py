"""This module is the tests of when bytes leave."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ccproxy.net.cork import Cork
from tests.sockets.house import Reader


class OtherTests(SynchronousTestCase):
    """Transports that are not TCP's."""

    def test_left_alone(self) -> None:
        """What is written to them goes the usual way."""
        cork, transport = Cork(), StringTransport()
        cork.watch(transport)

        with cork:
            transport.write(b"a")
            during = transport.value()

        self.assertEqual(during, b"a")


class CorkTests(TestCase):
    """A connection on which much is written at once."""

    async def connected(self) -> Any:
        """Our end of a connection, and the other end as a socket."""
        from twisted.internet import reactor

        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.getsockname()[1])
        self.reader = reader = await connectProtocol(endpoint, Reader())
        self.other, _ = server.accept()
        self.other.setblocking(False)
        self.addCleanup(self.other.close)
        self.addCleanup(reader.transport.abortConnection)
        self.cork = Cork()
        self.cork.watch(reader.transport)
        return reader.transport

    def heard(self) -> bytes:
        """What has arrived."""
        try:
            return self.other.recv(1_000_000)
        except BlockingIOError:
            return b""

    async def test_together(self) -> None:
        """What is written leaves together at the end of the region, without a turn of the reactor."""
        transport = await self.connected()

        with self.cork:
            transport.write(b"a")
            with self.cork:
                transport.writeSequence([b"b", b"c"])
            during = self.heard()

        self.assertEqual((during, self.heard()), (b"", b"abc"))

    async def test_send(self) -> None:
        """What nothing will be added to can leave before the end of the region; what is written after that leaves at the end."""
        transport = await self.connected()

        with self.cork:
            self.cork.send(transport)
            transport.write(b"a")
            self.cork.send(transport)
            during = self.heard()
            transport.write(b"b")

        self.assertEqual((during, self.heard()), (b"a", b"b"))

    async def test_send_among_many(self) -> None:
        """Where many events are handled together, what they write leaves together."""
        transport = await self.connected()

        with self.cork:
            with self.cork:
                transport.write(b"a")
                self.cork.send(transport)
            during = self.heard()

        self.assertEqual((during, self.heard()), (b"", b"a"))

    async def test_outside(self) -> None:
        """What is written outside a region goes the usual way."""
        transport = await self.connected()

        transport.write(b"a")
        at_once = self.heard()
        await self.turns()

        self.assertEqual((at_once, self.heard()), (b"", b"a"))

    async def test_more_than_is_taken(self) -> None:
        """What the socket does not take at once follows, whole and in order."""
        transport = await self.connected()
        data = bytes(range(256)) * 40_000

        with self.cork:
            transport.write(data)
            transport.write(b"end")
        got = b""
        while len(got) < len(data) + 3:
            got += self.heard()
            await self.turns()

        self.assertTrue(got == data + b"end")

    async def test_closed_after_it(self) -> None:
        """A connection that is closed in the region is closed when everything has left."""
        transport = await self.connected()

        with self.cork:
            transport.write(b"a")
            transport.loseConnection()
        await self.turns()

        self.assertEqual(self.other.recv(10), b"a")
        self.assertEqual(self.other.recv(10), b"")

    async def test_lost_in_it(self) -> None:
        """A connection that is torn down in the region is no trouble."""
        transport = await self.connected()

        with self.cork:
            transport.write(b"a")
            transport.abortConnection()
        await self.turns()

        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_bug_of_another(self) -> None:
        """A bug in what one connection's producer does costs that connection, and no other its bytes."""
        guilty = await self.connected()
        cork = self.cork
        innocent = await self.connected()
        cork.watch(innocent)

        class Producer:
            def pauseProducing(self) -> None:
                pass

            def resumeProducing(self) -> None:
                raise RuntimeError("a bug")

            def stopProducing(self) -> None:
                pass

        guilty.registerProducer(Producer(), True)
        with cork:
            guilty.write(b"a" * 70_000)
            innocent.write(b"b")
        await self.turns()

        self.assertEqual(self.heard(), b"b")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_other_end_gone(self) -> None:
        """A connection whose other end is gone is found out."""
        transport = await self.connected()
        self.other.close()
        await self.turns()

        for _ in range(3):
            with self.cork:
                transport.write(b"a" * 100_000)
            await self.turns()

        self.assertIsNotNone(self.reader.lost)

    async def test_producer(self) -> None:
        """A producer that was paused in the region goes on when everything has left."""
        transport = await self.connected()
        calls: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

            def stopProducing(self) -> None:
                calls.append("stop")

        transport.registerProducer(Producer(), True)
        with self.cork:
            transport.write(b"a" * 70_000)
        transport.unregisterProducer()

        self.assertEqual(calls, ["pause", "resume"])

    async def turns(self) -> None:
        """Let the reactor turn a few times."""
        from twisted.internet import reactor
        from twisted.internet.task import deferLater

        clock: Any = reactor
        for _ in range(3):
            await deferLater(clock, 0.001)
