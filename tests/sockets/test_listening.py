"""Tests of the ways to listen, and to reach the upstream: Unix sockets and TLS."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.ssl import PrivateCertificate

from ccproxy.simulator.service import SimulatorSite
from ccproxy.startup import listening
from tests.sockets.house import Reader, SocketTestCase, request
from tests.web.house import CHAT, MESSAGES


def self_signed(host: str) -> bytes:
    """A key and a certificate for an address, in PEM form, that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


class UnixTests(SocketTestCase):
    """A Unix socket."""

    async def test_endpoint(self) -> None:
        """A daemon that listens on a Unix socket serves its clients there."""
        directory = tempfile.mkdtemp()  # trial's own are too long for the name of a socket
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "socket")
        service = listening(f"unix:{path}:mode=600", self.daemon().site, self.reactor)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)

        answer = await self.answered(
            connectProtocol(UNIXClientEndpoint(self.reactor, path), Reader()), request(MESSAGES, stream=True)
        )

        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertIn(b"event: message_stop", answer)


class UpstreamTLSTests(SocketTestCase):
    """An upstream whose certificate was made by the test."""

    def setUp(self) -> None:
        """Make a certificate, and serve the simulator with it."""
        super().setUp()
        self.pem = self_signed("127.0.0.1")
        factory = PrivateCertificate.loadPEM(self.pem).options()
        site = SimulatorSite(self.simulator.resource())
        port = self.reactor.listenSSL(0, site, factory, interface="127.0.0.1")
        self.api_base = f"https://127.0.0.1:{self.listening(port)}"

    async def asked(self) -> bytes:
        """What a new daemon answers."""
        site = self.daemon(self.api_base).site
        port = self.listening(self.reactor.listenTCP(0, site, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)
        return await self.answered(connectProtocol(endpoint, Reader()), request(CHAT))

    async def test_unknown_certificate(self) -> None:
        """A certificate that nobody vouches for is a 502 that says so; the upstream is told nothing."""
        answer = await self.asked()

        self.assertTrue(answer.startswith(b"HTTP/1.1 502 "))
        self.assertIn(b"TLS certificate is signed by nobody whom this machine trusts", answer)
        self.assertEqual(len(self.simulator.requests), 0)

    async def test_trusted_certificate(self) -> None:
        """A certificate that SSL_CERT_FILE vouches for is taken."""
        trusted = Path(self.mktemp())
        trusted.write_bytes(self.pem)
        self.addCleanup(self.restore, os.environ.get("SSL_CERT_FILE"))
        os.environ["SSL_CERT_FILE"] = str(trusted.resolve())

        answer = await self.asked()

        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(len(self.simulator.requests), 1)

    def restore(self, value: str | None) -> None:
        """Put the variable back."""
        if value is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = value
