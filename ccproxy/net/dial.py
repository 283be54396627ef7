"""This module is how a connection to the upstream is made: name, TCP and its probes, and TLS that checks who is there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import URI
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ccproxy.net.resumption import Resuming

_LONGEST_DIAL = 3600  # seconds; the system itself gives up earlier, but the default of endpoints is sooner still
# A dead peer is found within two minutes: while nothing is under way by probes, and else by what it does not acknowledge.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}


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
        self._creators: dict[tuple[str, int], IOpenSSLClientConnectionCreator] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """An endpoint for ``http`` or ``https``."""
        host = uri.host.decode("ascii")
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, host, uri.port, timeout=self._seconds() or _LONGEST_DIAL
        )
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._creator(host, uri.port), endpoint)
        elif uri.scheme != b"http":
            raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
        return endpoint

    def _creator(self, host: str, port: int) -> IOpenSSLClientConnectionCreator:
        # Kept: each has read the whole trust store, and knows the sessions.
        if (host, port) not in self._creators:
            checking = optionsForClientTLS(host, extraCertificateOptions={"enableSessionTickets": True})
            self._creators[host, port] = Resuming(checking)
        return self._creators[host, port]


def watch(transport: Any) -> None:  # noqa: ANN401 - TCP or TLS
    """Let the system find out that a silent peer is dead: a model may think for minutes, and so may nobody at all."""
    tcp = getattr(transport, "transport", transport)  # under TLS
    handle = tcp.getHandle() if hasattr(tcp, "getHandle") else None
    if isinstance(handle, socket.socket):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
