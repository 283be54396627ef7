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
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.ssl import PrivateCertificate

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


class TLSTests(FaultTestCase):
    """An upstream whose certificate was made by the test."""

    def secured(self, pem: bytes, *steps: Any) -> tuple[ScriptedUpstream, str]:
        """An upstream with a certificate, and where it is."""
        made = ScriptedUpstream(self.clock, steps or [sized(WHOLE)])
        factory = PrivateCertificate.loadPEM(pem).options()
        port = self.listening(self.reactor.listenSSL(0, made, factory, interface="127.0.0.1"))
        return made, f"https://127.0.0.1:{port}"

    def trust(self, pem: bytes) -> None:
        """Vouch for a certificate."""
        trusted = Path(self.mktemp())
        trusted.write_bytes(pem)
        self.addCleanup(_set, "SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE"))
        _set("SSL_CERT_FILE", str(trusted.resolve()))

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
            await self.until(lambda: not upstream.open and not assembly.app.live, seconds=1)

        await self.in_every_mode(ask)


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
