"""This module is what is watched below HTTP: how large the head of an answer grows, and whether an idle connection is still good.

twisted.web's client takes any number of header lines, does not tell what ``Keep-Alive`` said, and learns that an idle connection was closed
only when the reactor comes to it, which may be after a request was written to it.
"""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from ccproxy.net.certificates import explained
from ccproxy.net.idle import HEAD_LIMIT, HeadTooLargeError, Idleness, keep_alive_seconds

_LINE_LIMIT = 16384  # bytes; twisted.web takes no more, but does not say so
_INFORMATIONAL = re.compile(rb"\A(?:HTTP/1\.[01] 1\d\d.*?\r?\n\r?\n)+", re.DOTALL)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_KEEP_ALIVE = re.compile(rb"^keep-alive:([^\r\n]*)", re.MULTILINE | re.IGNORECASE)


class Guard(Protocol):
    """Hands everything on to HTTP's own protocol, and keeps watch.

    Args:
        inner: HTTP's own protocol; it gets the transport itself.
        clock: Where the time comes from.
    """

    def __init__(self, inner: IProtocol, clock: IReactorTime) -> None:
        self.inner = inner
        self._idleness = Idleness(clock)
        self._head: bytearray | None = None
        self._problem: Exception | None = None

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        self._idleness.heard()
        self.inner.makeConnection(self.transport)  # type: ignore[arg-type] # a connected protocol has one

    @override
    def dataReceived(self, data: bytes) -> None:
        """The upstream said something."""
        self._idleness.heard()
        if self._head is not None:
            if _is_too_large(self._head):
                self._refuse()
                return
            self._head += data
        self.inner.dataReceived(data)
        if self._head is not None and _is_too_large(self._head):
            self._refuse()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, and perhaps we know better than the transport why."""
        self.inner.connectionLost(Failure(self._problem) if self._problem else explained(reason, self.transport))

    def asked(self) -> None:
        """A request goes out: the head of an answer is next."""
        self._head = bytearray()

    def answered(self) -> None:
        """The head of the answer is whole, or will not come."""
        head, self._head = self._head, None
        if head is not None:
            head = bytearray(_INFORMATIONAL.sub(b"", head))
            end = _END_OF_HEAD.search(head)
            said = _KEEP_ALIVE.findall(head, 0, end.end() if end else len(head))
            self._idleness.keep(keep_alive_seconds(b", ".join(said)))

    def _refuse(self) -> None:
        self._problem, self._head = HeadTooLargeError(), None
        self.transport.abortConnection()  # type: ignore[union-attr] # TCP and TLS transports have it

    def is_stale(self) -> bool:
        """Whether the upstream has closed this idle connection, or is about to."""
        return self._idleness.is_over(self.transport)


def _is_too_large(head: bytearray) -> bool:
    return len(head) > HEAD_LIMIT or len(head) - head.rfind(b"\n") > _LINE_LIMIT


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """An endpoint whose connections have a `Guard` below their protocol.

    Args:
        endpoint: What connects.
        clock: Where the time comes from.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; the result is the factory's own protocol, with the guard as its attribute ``guard``."""
        return self._endpoint.connect(_Guarding(protocolFactory, self._clock)).addCallback(_unwrapped)


def _unwrapped(guard: IProtocol) -> IProtocol:
    assert isinstance(guard, Guard)  # noqa: S101 - our own factory makes nothing else
    guard.inner.guard = guard  # type: ignore[attr-defined] # our own mark on it
    return guard.inner


class _Guarding(Factory):
    noisy = False

    def __init__(self, inner: IProtocolFactory, clock: IReactorTime) -> None:
        self._inner = inner
        self._clock = clock

    @override
    def buildProtocol(self, addr: IAddress | None) -> Guard | None:
        inner = self._inner.buildProtocol(addr)  # type: ignore[arg-type] # an endpoint knows the address
        return None if inner is None else Guard(inner, self._clock)
