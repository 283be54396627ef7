"""Tests of clients that leave, on real sockets: how long the upstream goes on for nobody."""

from __future__ import annotations

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from tests.sockets.house import Reader, SocketTestCase, request
from tests.web.house import SPEECHES, Speech

_LONGEST = 0.05  # seconds


class DisconnectTests(SocketTestCase):
    """A client that is killed while its answer is being written."""

    async def delay(self, speech: Speech, *, stream: bool) -> float:
        """Seconds from the server's seeing that its client is gone to the upstream's seeing the same."""
        house, _, site = self.daemon()
        port = self.listening(self.reactor.listenTCP(0, site, interface="127.0.0.1"))
        reader = await connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", port), Reader())
        reader.transport.write(request(speech, "sim/stall", stream=stream))
        before = self.simulator.closed_early
        await self.until(lambda: b"beginning" in reader.data if stream else self.simulator.open_streams)

        reader.transport.abortConnection()
        await self.until(lambda: not site.channels)
        gone = self.clock.seconds()
        await self.until(lambda: self.simulator.closed_early > before)

        self.assertEqual((house.live, self.simulator.open_streams), (set(), 0))
        return self.clock.seconds() - gone

    async def test_killed(self) -> None:
        """The upstream's connection is closed within 50 milliseconds, in both dialects, streamed and not."""
        for speech in SPEECHES:
            for stream in (False, True):
                delay = await self.delay(speech, stream=stream)
                if delay > _LONGEST:  # perhaps the machine was busy; a fault would show again
                    delay = await self.delay(speech, stream=stream)
                self.assertLess(delay, _LONGEST)
