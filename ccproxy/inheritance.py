"""This module is listening sockets that one process opens and others serve.

An endpoint is a text, and how it opens its socket is its own affair; but whatever it is, it asks a reactor for it. So a parent gives
each endpoint a `Lender` for a reactor, which opens the socket and accepts nothing, and its workers give the same endpoint an `Heir`, which
takes the socket that was inherited, whatever address is asked for. TLS and the PROXY protocol are thus the endpoint's own in each worker.

Twisted takes a listening socket to be its process's own: closing shuts it down for all, and a Unix socket's file gets another mode
and is removed. That is undone here with members that are private to Twisted: ``_shouldShutdown``, ``_fromListeningDescriptor``.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from attrs import frozen
from twisted.internet import fdesc, tcp, unix
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import directlyProvides, providedBy

FIRST = 3
"""The descriptor of a worker's first socket; the others follow."""

_FROM_SYSTEMD = re.compile(r"\A(?P<wrappers>(?:haproxy:)*)systemd:.*")


@frozen
class Lent:
    """What one endpoint has opened: the address family of each socket, and the endpoint as a worker can read it."""

    endpoint: str
    families: tuple[int, ...]


class _Reactor:
    """A reactor, but for what opens ports."""

    def __init__(self, reactor: Any) -> None:  # noqa: ANN401 - many interfaces
        self._reactor = reactor
        directlyProvides(self, *providedBy(reactor))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the reactor has it
        return getattr(self._reactor, name)


class Lender(_Reactor):
    """The reactor of one endpoint in the parent.

    Attributes:
        ports: What the endpoint has opened.
    """

    def __init__(self, reactor: Any, endpoint: str) -> None:  # noqa: ANN401 - many interfaces
        super().__init__(reactor)
        self._endpoint = endpoint
        self.ports: list[Any] = []

    @property
    def lent(self) -> Lent:
        """What a worker has to know of it."""
        # trap P26: where systemd's sockets are stands in an environment that is not the worker's own
        readable = _FROM_SYSTEMD.sub(r"\g<wrappers>tcp:0", self._endpoint)
        return Lent(readable, tuple(int(port.addressFamily) for port in self.ports))

    def listenTCP(self, *arguments: object, **named: object) -> IListeningPort:
        """Open a TCP port."""
        return self._lend(self._reactor.listenTCP(*arguments, **named))

    def listenSSL(self, *arguments: object, **named: object) -> IListeningPort:
        """Open a TCP port, where workers will speak TLS."""
        return self._lend(self._reactor.listenSSL(*arguments, **named))

    def listenUNIX(self, *arguments: object, **named: object) -> IListeningPort:
        """Open a Unix socket, whose file is removed when the parent stops."""
        return self._lend(self._reactor.listenUNIX(*arguments, **named))

    def adoptStreamPort(self, descriptor: int, family: int, factory: IProtocolFactory) -> IListeningPort:
        """Take a socket that the parent has inherited itself."""
        return self._lend(adopt(self._reactor, descriptor, family, factory))

    def _lend(self, port: Any) -> IListeningPort:  # noqa: ANN401 - its members are no interface's
        port.stopReading()
        port._shouldShutdown = False
        self.ports.append(port)
        return port  # type: ignore[no-any-return]


class Heir(_Reactor):
    """The reactor of one endpoint in a worker.

    Args:
        reactor: The real one.
        inherited: Descriptor and address family of the endpoint's sockets, in the order in which it opened them.
    """

    def __init__(self, reactor: Any, inherited: Iterable[tuple[int, int]]) -> None:  # noqa: ANN401 - many interfaces
        super().__init__(reactor)
        self._inherited = iter(inherited)

    def listenTCP(self, port: object, factory: IProtocolFactory, *rest: object, **named: object) -> IListeningPort:
        """Take the next socket."""
        return self._take(factory)

    def listenSSL(
        self,
        port: object,
        factory: IProtocolFactory,
        contextFactory: IOpenSSLContextFactory,
        *rest: object,
        **named: object,
    ) -> IListeningPort:
        """Take the next socket, and speak TLS there."""
        return self._take(TLSMemoryBIOFactory(contextFactory, False, factory))

    def listenUNIX(self, path: object, factory: IProtocolFactory, *rest: object, **named: object) -> IListeningPort:
        """Take the next socket."""
        return self._take(factory)

    def adoptStreamPort(self, descriptor: object, family: object, factory: IProtocolFactory) -> IListeningPort:
        """Take the next socket."""
        return self._take(factory)

    def _take(self, factory: IProtocolFactory) -> IListeningPort:
        try:
            descriptor, family = next(self._inherited)
        except StopIteration:
            raise CannotListenError("", "", OSError("no socket was inherited for it")) from None
        fdesc.setNonBlocking(descriptor)
        port = adopt(self._reactor, descriptor, family, factory)
        os.close(descriptor)  # the port has its own, and the last one that is left open keeps a socket alive
        return port


class _SharedUNIXPort(unix.Port):
    """A Unix socket whose file belongs to another process."""

    @override
    def startListening(self) -> None:
        """Accept, and leave the file its mode."""
        tcp.Port.startListening(self)

    @override
    def connectionLost(self, reason: Failure) -> None:
        """Accept no more, and leave the file where it is."""
        tcp.Port.connectionLost(self, reason)


def adopt(reactor: Any, descriptor: int, family: int, factory: IProtocolFactory) -> IListeningPort:  # noqa: ANN401 - many interfaces
    """Accept connections on a listening socket that others may serve too; the descriptor stays open."""
    if family != socket.AF_UNIX:
        port: IListeningPort = reactor.adoptStreamPort(descriptor, family, factory)
        return port
    shared = _SharedUNIXPort._fromListeningDescriptor(reactor, descriptor, factory)
    shared.startListening()
    return shared  # type: ignore[no-any-return]


def heirs(lent: Iterable[Lent], reactor: Any) -> Iterator[tuple[str, Heir]]:  # noqa: ANN401 - many interfaces
    """Each endpoint that was lent to a worker, and the reactor to give it."""
    descriptors = count(FIRST)
    for endpoint in lent:
        yield endpoint.endpoint, Heir(reactor, [(next(descriptors), family) for family in endpoint.families])
