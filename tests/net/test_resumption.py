"""Tests of which connection is offered which session; that they are taken up, `tests.faults.test_tls` shows."""

from __future__ import annotations

from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ccproxy.net.resumption import Resuming


class Connection:
    """What a connection shows of itself; its session is itself."""

    def __init__(self) -> None:
        self.stands = False
        self.offered: object = None

    def get_state_string(self) -> bytes:
        """Where its handshake is."""
        return b"SSL negotiation finished successfully" if self.stands else b"before SSL initialization"

    def get_session(self) -> Connection:
        """Its session."""
        return self

    def set_session(self, session: object) -> None:
        """It offers another one's."""
        self.offered = session


@implementer(IOpenSSLClientConnectionCreator)
class Creator:
    """Makes such connections."""

    def __init__(self) -> None:
        self.made: list[Connection] = []

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """One more."""
        self.made.append(Connection())
        return cast("SSL.Connection", self.made[-1])


class ResumingTests(SynchronousTestCase):
    """A `Resuming`."""

    def test_once(self) -> None:
        """A session is offered to one connection only; one whose handshake goes on has none to offer."""
        creator = Creator()
        resuming = Resuming(creator)

        def more(count: int) -> list[Connection]:
            for _ in range(count):
                resuming.clientConnectionForTLS(cast("Any", None))
            return creator.made[-count:]

        (first,) = more(1)
        first.stands = True
        second = more(3)
        self.assertEqual([made.offered for made in second], [first, None, None])

        for made in second:
            made.stands = True
        third = more(3)
        self.assertEqual({id(made.offered) for made in third}, {id(made) for made in second})
