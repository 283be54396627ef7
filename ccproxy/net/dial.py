"""This module is how a connection to the upstream is made: name, TCP, TLS, and why a certificate was not taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ccproxy.net.guard import GuardedEndpoint

_LONGEST_DIAL = 3600  # seconds; the system itself gives up earlier, but the default of endpoints is sooner still
_UNTRUSTED = "is signed by nobody whom this machine trusts"
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_REASONS = {
    9: "is not valid yet",
    10: "has expired",
    **dict.fromkeys((2, 18, 19, 20, 21, 27), _UNTRUSTED),
    23: "was revoked",
}


class CertificateError(Exception):
    """The upstream's certificate was not taken; the text says why, as the end of a sentence."""


@implementer(IAgentEndpointFactory)
class Dialer:
    """Makes the endpoints of an `Agent`.

    Args:
        reactor: Where connections are made.
        seconds: How long a TCP connection may take; 0 for as long as the system tries. Asked for each one.
    """

    def __init__(self, reactor: Any, seconds: Callable[[], float]) -> None:  # noqa: ANN401 - many interfaces
        self._reactor = reactor
        self._seconds = seconds
        self._creators: dict[str, IOpenSSLClientConnectionCreator] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """An endpoint for ``http`` or ``https``."""
        host = uri.host.decode("ascii")
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, host, uri.port, timeout=self._seconds() or _LONGEST_DIAL
        )
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._creator(host), endpoint)
        elif uri.scheme != b"http":
            raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
        return GuardedEndpoint(endpoint, self._reactor)

    def _creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        # Kept: each has read the whole trust store.
        if host not in self._creators:
            self._creators[host] = _Explaining(optionsForClientTLS(host))
        return self._creators[host]


@implementer(IOpenSSLClientConnectionCreator)
class _Explaining:
    """Makes TLS connections that say why they do not take a certificate; OpenSSL's own error says only that they do not."""

    def __init__(self, inner: IOpenSSLClientConnectionCreator) -> None:
        self._inner = inner

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection for a transport."""

        def verified(connection: SSL.Connection, certificate: object, code: int, depth: int, good: int) -> bool:
            if not good:
                why = _REASONS.get(code, f"was not taken by OpenSSL (error {code})")
                tlsProtocol.failVerification(Failure(CertificateError(why)))
            return bool(good)

        made = self._inner.clientConnectionForTLS(tlsProtocol)
        made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verified)
        return made
