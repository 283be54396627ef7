"""This module is how a new TLS connection takes up the session of an earlier one (RFC 8446, 2.2; RFC 5077).

It saves both ends a signature, a chain of certificates and the checks of it. With TLS 1.3 what is needed for that, a ticket, comes at any
time after the handshake, and pyOpenSSL has no callback for it: so earlier connections are kept, and asked only when there is a new one. A
session is offered once, as RFC 8446, C.4 has it: when it does harm it is gone, and a connection that stands brings the next one.
"""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

_KEPT = 64  # as many connections as may resume at the same moment
_STANDS = b"SSL negotiation finished successfully"  # SSL_state_string_long(3): the certificate was taken, and no alert came since


@implementer(IOpenSSLClientConnectionCreator)
class Resuming:
    """Makes connections that resume the sessions of those which it made before.

    Its sessions are of one host, one port and one trust store: OpenSSL does not check a certificate anew when it resumes.

    Args:
        creator: What makes the connections, of one context, and checks certificates for one name.
    """

    def __init__(self, creator: IOpenSSLClientConnectionCreator) -> None:
        self._creator = creator
        self._made: deque[SSL.Connection] = deque(maxlen=_KEPT)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection; if the peer does not take up the session, its handshake is a full one."""
        connection: SSL.Connection = self._creator.clientConnectionForTLS(tlsProtocol)
        session = self._take()
        if session is not None:
            connection.set_session(session)
        self._made.append(connection)
        return cast("SSL.Connection", _Polite(connection))

    def _take(self) -> SSL.Session | None:
        """The session of the latest connection that stands, or stood until its end."""
        for made in reversed(self._made):
            if made.get_state_string() == _STANDS:
                self._made.remove(made)
                return made.get_session()
        return None


class _Polite:
    """A connection of pyOpenSSL whose session outlives it, if it was we who said good-bye."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any type
        return getattr(self._connection, name)

    def bio_shutdown(self) -> None:
        """Nothing more comes. OpenSSL takes that for an attack, and forgets the session, even where we said good-bye."""
        if not self._connection.get_shutdown() & SSL.SENT_SHUTDOWN:
            self._connection.bio_shutdown()
