"""This module is how a connection to the upstream is made: name, TCP, and TLS that checks who is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ccproxy.net.guard import GuardedEndpoint

_LONGEST_DIAL = 3600  # seconds; the system itself gives up earlier, but the default of endpoints is sooner still


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
            self._creators[host] = optionsForClientTLS(host)
        return self._creators[host]
