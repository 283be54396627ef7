"""Tests of WebSockets on real sockets, over TCP and over TLS: long answers, clients that do not read, and such that are killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from attrs import frozen
from twisted.internet.endpoints import SSL4ClientEndpoint, TCP4ClientEndpoint, connectProtocol
from twisted.internet.ssl import CertificateOptions, PrivateCertificate

from ccproxy.web.site import ProxySite
from tests.faults.test_tls import self_signed
from tests.sockets.house import Reader, SocketTestCase
from tests.web.dialogues import CLOSE, TEXT, Frame, framed, frames, head, said, spoken, turn

_HOST = "127.0.0.1"
_LONGEST = 0.05  # seconds


@frozen
class Line:
    """A daemon, and a connection to it that was upgraded."""

    site: ProxySite
    reader: Reader

    def send(self, data: bytes) -> None:
        """Send bytes to the daemon."""
        assert self.reader.transport is not None
        self.reader.transport.write(data)

    @property
    def frames(self) -> list[Frame]:
        """What came, which is whole."""
        answered, _, rest = self.reader.data.partition(b"\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 101 "), answered
        return list(frames(rest))


class WebSocketTests(SocketTestCase):
    """A client on a WebSocket."""

    @asynccontextmanager
    async def line(self, *, tls: bool) -> AsyncIterator[Line]:
        """A new connection; whatever the client did, nothing is left of it afterwards."""
        house = self.daemon().house
        _, site = spoken(house)
        if tls:
            options = PrivateCertificate.loadPEM(self_signed(_HOST)).options()
            port = self.listening(self.reactor.listenSSL(0, site, options, interface=_HOST))
            connected = connectProtocol(SSL4ClientEndpoint(self.reactor, _HOST, port, CertificateOptions()), Reader())
        else:
            port = self.listening(self.reactor.listenTCP(0, site, interface=_HOST))
            connected = connectProtocol(TCP4ClientEndpoint(self.reactor, _HOST, port), Reader())
        line = Line(site, await connected)
        line.send(head())
        await self.until(lambda: b"\r\n\r\n" in line.reader.data)
        yield line
        if line.reader.lost is None:
            line.reader.transport.abortConnection()  # type: ignore[union-attr] # it was connected
        await self.until(lambda: not site.channels)
        await self.until(lambda: not self.simulator.open_streams)
        self.assertEqual(house.live, set())

    async def ended(self, line: Line, turns: int) -> None:
        """Wait until so many turns have ended."""
        await self.until(lambda: line.reader.data.count(b"[DONE]") == turns, 30)

    async def test_turns(self) -> None:
        """Several turns, each larger than the buffers of the system, and a farewell."""
        for tls in (False, True):
            async with self.line(tls=tls) as line:
                for turns in (1, 2):
                    line.send(said(turn("sim/flood-2")))
                    await self.ended(line, turns)
                line.send(framed(b"\x03\xe8", CLOSE))
                await self.until(partial(getattr, line.reader, "lost"))

                came = line.frames
                self.assertEqual((came[-1].opcode, came[-1].code), (CLOSE, 1000))
                self.assertEqual({frame.opcode for frame in came[:-1]}, {TEXT})
                self.assertGreater(sum(len(frame.payload) for frame in came), 4_000_000)

    async def test_large_message(self) -> None:
        """A message of a megabyte, in one frame and in many."""
        for tls in (False, True):
            async with self.line(tls=tls) as line:
                line.send(said(turn(note="x" * 1_000_000)))
                await self.ended(line, 1)
                pieces = [framed(b"x" * 1000, 0, fin=False)] * 1000
                line.send(framed(b'{"type": "read", "note": "', fin=False) + b"".join(pieces) + framed(b'"}', 0))
                line.send(said(turn()))
                await self.ended(line, 2)

    async def test_not_reading(self) -> None:
        """While a client does not read, the upstream waits; then it goes on."""
        for tls in (False, True):
            await self.held(tls=tls)

    async def held(self, *, tls: bool) -> None:
        """Have a client stop reading a long answer, and read on."""
        async with self.line(tls=tls) as line:
            (channel,) = line.site.channels
            line.reader.transport.pauseProducing()  # type: ignore[union-attr] # TCP and TLS transports have it
            line.send(said(turn("sim/flood-50")))
            await self.until(lambda: channel.full_since is not None)  # type: ignore[attr-defined] # it was upgraded
            self.assertEqual(self.simulator.open_streams, 1)
            before = len(line.reader.data)

            line.reader.transport.resumeProducing()  # type: ignore[union-attr]

            await self.until(lambda: len(line.reader.data) > before + 8_000_000, 30)

    async def killed(self, *, tls: bool) -> float:
        """Seconds from the server's seeing that its client is gone to the upstream's seeing the same."""
        async with self.line(tls=tls) as line:
            line.send(said(turn("sim/stall")))
            await self.until(lambda: b"beginning" in line.reader.data)
            before = self.simulator.closed_early
            line.reader.transport.abortConnection()  # type: ignore[union-attr] # it is connected
            await self.until(lambda: not line.site.channels)
            gone = self.clock.seconds()
            await self.until(lambda: self.simulator.closed_early > before)
            return self.clock.seconds() - gone

    async def test_killed(self) -> None:
        """When a client is killed the upstream's connection is closed within 50 milliseconds."""
        for tls in (False, True):
            delay = await self.killed(tls=tls)
            if delay > _LONGEST:  # perhaps the machine was busy; a fault would show again
                delay = await self.killed(tls=tls)
            self.assertLess(delay, _LONGEST)
