"""Tests of TLS to the upstream: a certificate that is not good costs the client a 502 that says why, and the upstream hears nothing."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, PrivateCertificate, TLSVersion, VerificationError
from twisted.internet.tcp import Client
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.web.client import ResponseNeverReceived, readBody
from zope.interface import implementer

from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.standard import StandardAgent
from ccproxy.service import AGENTS
from tests.faults.house import FaultTestCase, failure, request, said
from tests.faults.upstream import BEGINNING, CHUNKED, SILENCE, WHOLE, Close, ScriptedUpstream, chunks, sized
from tests.sockets.house import Reader
from tests.web.house import Speech


def self_signed(host: str, *, days: int = 1) -> bytes:
    """A key and a certificate for an address or a name, in PEM form, that nobody has signed, good for ten days past and some to come."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class TrustTestCase(FaultTestCase):
    """A test that vouches for the certificate which it made."""

    def trust(self, pem: bytes) -> None:
        """Vouch for a certificate."""
        trusted = Path(self.mktemp())
        trusted.write_bytes(pem)
        self.addCleanup(_set, "SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE"))
        _set("SSL_CERT_FILE", str(trusted.resolve()))


class TLSTests(TrustTestCase):
    """An upstream whose certificate was made by the test."""

    def secured(self, pem: bytes, *steps: Any) -> tuple[ScriptedUpstream, str]:
        """An upstream with a certificate, and where it is."""
        made = ScriptedUpstream(self.clock, steps or [sized(WHOLE)])
        factory = PrivateCertificate.loadPEM(pem).options()
        port = self.listening(self.reactor.listenSSL(0, made, factory, interface="127.0.0.1"))
        return made, f"https://127.0.0.1:{port}"

    async def untrusted(self, pem: bytes, says: str) -> None:
        """An upstream with this certificate is a 502 that says so; nothing is sent to it."""

        async def ask(speech: Speech, stream: bool) -> None:
            upstream, api_base = self.secured(pem)
            answer = await self.asked(self.daemon(api_base), request(speech, stream=stream))
            self.assertEqual((answer.status, upstream.requests), (502, []))
            self.assertIn(says, failure(speech, answer.body, stream=False)["message"])

        await self.in_every_mode(ask)

    async def test_unknown(self) -> None:
        """A certificate that nobody vouches for."""
        await self.untrusted(self_signed("127.0.0.1"), "certificate is signed by nobody whom this machine trusts")

    async def test_expired(self) -> None:
        """A certificate whose time is over."""
        pem = self_signed("127.0.0.1", days=-1)
        self.trust(pem)

        await self.untrusted(pem, "certificate has expired")

    async def test_wrong_name(self) -> None:
        """A certificate for somebody else."""
        pem = self_signed("127.0.0.2")
        self.trust(pem)

        await self.untrusted(pem, "certificate is for another name")

    async def test_trusted(self) -> None:
        """A certificate that SSL_CERT_FILE vouches for is taken."""
        pem = self_signed("127.0.0.1")
        self.trust(pem)

        async def ask(speech: Speech, stream: bool) -> None:
            _, api_base = self.secured(pem)
            answer = await self.asked(self.daemon(api_base), request(speech, stream=stream))
            self.assertEqual(said(speech, answer.body, stream=stream), "A beginning")

        await self.in_every_mode(ask)

    async def test_no_tls(self) -> None:
        """An upstream that does not speak TLS at all."""

        async def ask(speech: Speech, stream: bool) -> None:
            _, plain = self.upstream([sized(WHOLE)], greeting=[b"HTTP/1.1 400 Bad Request\r\n\r\n"])
            answer = await self.asked(self.daemon(plain.replace("http:", "https:")), request(speech, stream=stream))
            self.assertEqual(answer.status, 502)
            self.assertIn("TLS", failure(speech, answer.body, stream=False)["message"])

        await self.in_every_mode(ask)

    async def test_silent_handshake(self) -> None:
        """An upstream that never answers to the handshake is given up after silenceTimeout."""

        async def ask(speech: Speech, stream: bool) -> None:
            _, plain = self.upstream([SILENCE])
            assembly = self.daemon(plain.replace("http:", "https:"), silence_timeout=0.2)
            answer = await self.asked(assembly, request(speech, stream=stream))
            self.assertEqual(answer.status, 504)

        await self.in_every_mode(ask)

    async def test_broken_inside_the_text(self) -> None:
        """A stream over TLS that breaks off is an error event after its text."""
        pem = self_signed("127.0.0.1")
        self.trust(pem)

        async def ask(speech: Speech, stream: bool) -> None:
            _, api_base = self.secured(pem, CHUNKED + chunks(BEGINNING), Close())
            answer = await self.asked(self.daemon(api_base), request(speech, stream=stream))
            self.assertEqual(answer.status, 200 if stream else 502)
            self.assertIn("broke before", failure(speech, answer.body, stream=stream)["message"])

        await self.in_every_mode(ask)

    async def test_client_leaves(self) -> None:
        """When the client leaves, the connection is closed at once, over TLS as well, and however full it is."""
        pem = self_signed("127.0.0.1")
        self.trust(pem)

        async def ask(speech: Speech, stream: bool) -> None:
            upstream, api_base = self.secured(pem, CHUNKED + chunks(BEGINNING), SILENCE)
            assembly = self.daemon(api_base)
            reader = await self.connected(assembly)
            reader.transport.write(request(speech, stream=stream))  # type: ignore[union-attr] # it is connected
            await self.until(lambda: upstream.requests)
            reader.transport.abortConnection()  # type: ignore[union-attr] # it is connected
            await self.until(lambda: not upstream.open and not assembly.house.live, seconds=1)

        await self.in_every_mode(ask)


@implementer(IOpenSSLServerConnectionCreator)
class _Ticketing:
    """A server's side of TLS that gives out tickets, and can lose the keys to them."""

    def __init__(self, pem: bytes, version: TLSVersion) -> None:
        self.made: list[SSL.Connection] = []
        self._certificate = PrivateCertificate.loadPEM(pem)
        self._version = version
        self.forget()

    def forget(self) -> None:
        """The tickets of before are worth nothing."""
        self._options = CertificateOptions(
            privateKey=self._certificate.privateKey.original,
            certificate=self._certificate.original,
            enableSessionTickets=True,
            insecurelyLowerMinimumTo=self._version,
            lowerMaximumSecurityTo=self._version,
        )

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection."""
        self.made.append(self._options.serverConnectionForTLS(tlsProtocol))
        return self.made[-1]

    def resumed(self) -> list[bool]:
        """Which of the connections took up an earlier one."""
        lib: Any = vars(SSL)["_lib"]  # pyOpenSSL has no public way
        return [bool(lib.SSL_session_reused(each._ssl)) for each in self.made]


class ResumptionTests(TrustTestCase):
    """An upstream that closes after each answer, so that every request needs a new connection."""

    def ticketing(self, version: TLSVersion) -> tuple[_Ticketing, int, UpstreamAgent | StandardAgent, bytes]:
        """An upstream, its port, an agent, and the address for that."""
        pem = self_signed("127.0.0.1")
        self.trust(pem)
        server = _Ticketing(pem, version)
        upstream = ScriptedUpstream(self.clock, [sized(b"ok", "connection: close")])
        factory = TLSMemoryBIOFactory(server, isClient=False, wrappedFactory=upstream)
        port = self.served(factory)
        agent = AGENTS[self.settings.get("upstream_client", "httptools")](self.reactor, connect_timeout=5)
        self.addCleanup(self.until, self.no_client)
        return server, port, agent, b"https://127.0.0.1:%d/" % port

    def no_client(self) -> bool:
        """Whether each connection to the upstream is closed on our side too."""
        return not any(isinstance(reader, Client) for reader in self.reactor.getReaders())

    async def fetched(self, agent: UpstreamAgent | StandardAgent, uri: bytes) -> None:
        """Ask once, and wait for the whole answer."""
        self.assertEqual(await readBody(await agent.request(b"GET", uri)), b"ok")

    async def test_resumed(self) -> None:
        """A new connection takes up the session of an earlier one."""
        for version in (TLSVersion.TLSv1_3, TLSVersion.TLSv1_2):
            server, _, agent, uri = self.ticketing(version)
            for _ in range(3):
                await self.fetched(agent, uri)

            self.assertEqual(server.resumed(), [False, True, True], version)

    async def test_at_the_same_time(self) -> None:
        """Connections that are made together shake hands in full, or take up a session, and each of them serves."""
        server, _, agent, uri = self.ticketing(TLSVersion.TLSv1_3)
        await self.fetched(agent, uri)
        for _ in range(2):
            await self.together(*(self.fetched(agent, uri) for _ in range(3)))

        self.assertEqual(len(server.resumed()), 7)
        self.assertIn(True, server.resumed())

    async def test_forgotten(self) -> None:
        """An upstream that lost its keys gets a full handshake, and the next connection resumes that."""
        for version in (TLSVersion.TLSv1_3, TLSVersion.TLSv1_2):
            server, _, agent, uri = self.ticketing(version)
            await self.fetched(agent, uri)
            server.forget()
            for _ in range(2):
                await self.fetched(agent, uri)

            self.assertEqual(server.resumed(), [False, False, True], version)

    async def test_another_name(self) -> None:
        """The session of one name is none for another: the certificate of the same port is refused."""
        server, port, agent, uri = self.ticketing(TLSVersion.TLSv1_3)
        await self.fetched(agent, uri)
        error: Any = await self.assertFailure(
            agent.request(b"GET", b"https://localhost:%d/" % port), ResponseNeverReceived
        )

        self.assertTrue(any(reason.check(VerificationError) for reason in error.reasons))
        self.assertEqual(server.resumed(), [False, False])
        await self.fetched(agent, uri)
        self.assertEqual(server.resumed(), [False, False, True])


class ClientTLSTests(FaultTestCase):
    """Clients of a daemon that listens with TLS."""

    async def test_too_many(self) -> None:
        """Beyond maxConnections a connection is closed at once, as without TLS."""
        assembly = self.daemon("http://127.0.0.1:1", max_connections=2)
        factory = PrivateCertificate.loadPEM(self_signed("127.0.0.1")).options()
        port = self.listening(self.reactor.listenSSL(0, assembly.site, factory, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)

        clients: list[Reader] = [await connectProtocol(endpoint, Reader()) for _ in range(5)]
        await self.until(lambda: sum(client.lost is not None for client in clients) == 3)

        self.assertEqual(len(assembly.site.channels), 2)
        for client in clients:
            client.transport.abortConnection()  # type: ignore[union-attr] # it was connected
        await self.until(lambda: not assembly.site.channels)


def _set(name: str, value: str | None) -> None:
    """Set an environment variable, or take it away."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
