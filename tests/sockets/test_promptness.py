"""Tests of what nobody has to wait for."""

from __future__ import annotations

import socket

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from ccproxy.net.connection import Connection
from ccproxy.net.cork import CORK
from tests.sockets.house import Reader, SocketTestCase, request


class PromptTests(SocketTestCase):
    """The order of what leaves and what is done beside it."""

    async def test_answer_before_log(self) -> None:
        """An answer has left, whole, before its line is written to the log."""
        assembly = self.daemon()
        port = self.listening(self.reactor.listenTCP(0, assembly.site, interface="127.0.0.1"))
        client = await connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", port), Reader())
        self.addCleanup(client.transport.abortConnection)
        sent: list[bytes] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            if "outcome" in event:
                sent.append(client.transport.socket.recv(1_000_000))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        client.transport.pauseProducing()
        client.transport.write(request(stream=True).replace(b"connection: close\r\n", b""))
        await self.until(lambda: sent)

        self.assertTrue(sent[0].startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(sent[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"))

    async def test_request_at_once(self) -> None:
        """Without TLS a request has left for the upstream as soon as it is written, whatever else is done in that read."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        connection = Connection(self.clock, lambda idle: None, lambda lost: None)
        await connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", server.getsockname()[1]), connection)
        upstream, _ = server.accept()
        self.addCleanup(upstream.close)
        upstream.setblocking(False)

        with CORK:
            asked: Deferred[object] = connection.ask(b"GET / HTTP/1.1\r\n\r\n", None)  # type: ignore[assignment]
            heard = upstream.recv(1000)
        asked.addErrback(lambda failure: None)
        asked.cancel()

        self.assertEqual(heard, b"GET / HTTP/1.1\r\n\r\n")
