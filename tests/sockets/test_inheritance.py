"""Tests of listening sockets that one side opens and another serves, for each kind of endpoint."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTCP, IStreamClientEndpoint, IStreamServerEndpointStringParser
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.plugin import getPlugins
from twisted.trial.unittest import SkipTest
from zope.interface.verify import verifyObject

from ccproxy.inheritance import Heir, Lender
from ccproxy.startup import listening
from tests.faults.test_tls import self_signed
from tests.sockets.house import Reader, SocketTestCase


class Greeter(Protocol):
    """Says once what it was asked and by whom."""

    def dataReceived(self, data: bytes) -> None:
        """Answer, and close."""
        peer = getattr(self.transport.getPeer(), "host", "")  # type: ignore[union-attr] # it is connected
        self.transport.write(data + peer.encode())  # type: ignore[union-attr] # it is connected
        self.transport.loseConnection()  # type: ignore[union-attr] # it is connected


class InheritanceTestCase(SocketTestCase):
    """A parent that opens sockets, and workers in the same process, which inherit copies of their descriptors."""

    def setUp(self) -> None:
        """A directory whose name is short enough for a socket in it."""
        super().setUp()
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def served(self, endpoint: str, reactor: Any) -> IService:
        """An endpoint that listens until the end of the test."""
        service = listening(endpoint, Factory.forProtocol(Greeter), reactor)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def lender(self, endpoint: str) -> Lender:
        """A parent that has opened an endpoint."""
        lender = Lender(self.reactor, endpoint)
        self.parent = self.served(endpoint, lender)
        return lender

    def inherited(self, lender: Lender) -> Sequence[tuple[int, int]]:
        """What a worker inherits of it."""
        return [
            (os.dup(port.fileno()), family) for port, family in zip(lender.ports, lender.lent.families, strict=True)
        ]

    def worker(self, lender: Lender) -> IService:
        """A worker that listens on the same endpoint."""
        return self.served(lender.lent.endpoint, Heir(self.reactor, self.inherited(lender)))

    def number(self, lender: Lender) -> int:
        """The number of its port."""
        number: int = lender.ports[0].getHost().port
        return number

    def local(self, lender: Lender) -> IStreamClientEndpoint:
        """Where a client finds it, on IPv4."""
        return TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.number(lender))

    def asked(self, client: IStreamClientEndpoint, data: bytes = b"who?") -> Any:
        """What comes back."""
        return Deferred.fromCoroutine(self.answered(connectProtocol(client, Reader()), data))


class EndpointTests(InheritanceTestCase):
    """Each kind of endpoint."""

    async def test_tcp(self) -> None:
        """A TCP port is served by a worker, and by the next one when that has gone."""
        lender = self.lender("tcp:0:interface=127.0.0.1:backlog=7")
        for _ in range(2):
            worker = self.worker(lender)
            self.assertEqual(await self.asked(self.local(lender)), b"who?127.0.0.1")
            await worker.stopService()

    async def test_parent_accepts_nothing(self) -> None:
        """A client that comes while there is no worker waits for the first one; the parent leaves it alone."""
        lender = self.lender("tcp:0:interface=127.0.0.1")
        waiting = self.asked(self.local(lender))
        for _ in range(3):
            await self.until_connected(lender)

        self.assertFalse(waiting.called)
        self.worker(lender)

        self.assertEqual(await waiting, b"who?127.0.0.1")

    async def until_connected(self, lender: Lender) -> None:
        """Make one more connection, so that those before it had their time."""
        reader = await connectProtocol(self.local(lender), Reader())
        self.addCleanup(reader.transport.abortConnection)

    async def test_parent_closes(self) -> None:
        """When the parent closes its copy the workers' are as good as before."""
        lender = self.lender("tcp:0:interface=127.0.0.1")
        client = self.local(lender)
        self.worker(lender)

        await self.parent.stopService()

        self.assertEqual(await self.asked(client), b"who?127.0.0.1")

    async def test_tcp6(self) -> None:
        """A port of IPv6."""
        try:
            lender = self.lender("tcp6:0:interface=\\:\\:1")
        except CannotListenError:
            raise SkipTest("this machine has no IPv6") from None
        self.worker(lender)

        client = TCP6ClientEndpoint(self.reactor, "::1", self.number(lender))
        self.assertEqual(await self.asked(client), b"who?::1")

    async def test_unix(self) -> None:
        """A Unix socket keeps its file and its mode whatever becomes of workers; the parent removes it at the end."""
        path = os.path.join(self.directory, "socket")
        lender = self.lender(f"unix:{path}:mode=600")
        client = UNIXClientEndpoint(self.reactor, path)
        for _ in range(2):
            worker = self.worker(lender)
            self.assertEqual(await self.asked(client), b"who?")
            await worker.stopService()
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.worker(lender)

        await self.parent.stopService()

        self.assertFalse(os.path.exists(path))

    async def test_haproxy(self) -> None:
        """The PROXY protocol is spoken by the worker."""
        lender = self.lender("haproxy:tcp:0:interface=127.0.0.1")
        self.worker(lender)

        header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n"
        self.assertEqual(await self.asked(self.local(lender), header + b"who?"), b"who?192.0.2.7")

    async def encrypted(self, endpoint: str) -> None:
        """An endpoint where a worker speaks TLS with a certificate of its own."""
        pem = self_signed("localhost")
        Path(self.directory, "localhost.pem").write_bytes(pem)
        lender = self.lender(endpoint.format(self.directory))
        self.worker(lender)

        client = wrapClientTLS(optionsForClientTLS("localhost", Certificate.loadPEM(pem)), self.local(lender))
        self.assertTrue((await self.asked(client)).startswith(b"who?"))

    async def test_ssl(self) -> None:
        """TLS with a certificate, in the old form."""
        await self.encrypted("ssl:0:interface=127.0.0.1:privateKey={}/localhost.pem")

    async def test_tls(self) -> None:
        """TLS with a directory of certificates."""
        if not any(parser.prefix == "tls" for parser in getPlugins(IStreamServerEndpointStringParser)):
            raise SkipTest("this Twisted has no such endpoint")
        await self.encrypted("tls:{}:port=0:interface=127.0.0.1")

    async def test_adopted(self) -> None:
        """A socket that the parent has inherited itself: its file and its mode are those who made it."""
        path = os.path.join(self.directory, "socket")
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)
            made.listen(5)
            os.chmod(path, 0o620)
            lender = Lender(self.reactor, "systemd:domain=UNIX:name=http")
            port = lender.adoptStreamPort(os.dup(made.fileno()), socket.AF_UNIX, Factory.forProtocol(Greeter))
            heir = Heir(self.reactor, self.inherited(lender))
            taken = heir.adoptStreamPort(0, 0, Factory.forProtocol(Greeter))

            self.assertEqual(await self.asked(UNIXClientEndpoint(self.reactor, path)), b"who?")
            await port.stopListening()  # type: ignore[misc] # it gives a Deferred
            self.assertEqual(await self.asked(UNIXClientEndpoint(self.reactor, path)), b"who?")
            await taken.stopListening()  # type: ignore[misc] # it gives a Deferred

        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o620)


class ReactorTests(InheritanceTestCase):
    """What endpoints see of the two."""

    def test_readable(self) -> None:
        """A worker reads an endpoint of systemd as another one, since the environment says nothing to it."""
        for endpoint, readable in (
            ("systemd:domain=INET:name=http", "tcp:0"),
            ("haproxy:systemd:domain=INET6:index=0", "haproxy:tcp:0"),
            ("unix:/run/systemd:mode=600", "unix:/run/systemd:mode=600"),
            ("tcp:80", "tcp:80"),
        ):
            self.assertEqual(Lender(self.reactor, endpoint).lent.endpoint, readable)

    def test_interfaces(self) -> None:
        """Both are what the reactor is, but for what opens ports."""
        for each in (Lender(self.reactor, "tcp:0"), Heir(self.reactor, ())):
            self.assertTrue(verifyObject(IReactorTCP, each))
            self.assertEqual(each.callLater, self.reactor.callLater)

    def test_nothing_left(self) -> None:
        """An endpoint that opens more than was inherited cannot listen."""
        self.assertRaises(CannotListenError, self.served, "tcp:0", Heir(self.reactor, ()))

    def test_descriptor(self) -> None:
        """A worker keeps no second descriptor of a socket, which would keep it open when it stops listening."""
        lender = self.lender("tcp:0:interface=127.0.0.1")
        ((descriptor, family),) = self.inherited(lender)

        self.served("tcp:0", Heir(self.reactor, [(descriptor, family)]))

        self.assertRaises(OSError, os.fstat, descriptor)
