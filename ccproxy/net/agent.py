"""This module is the connections to the upstream: which of them takes a request.

A kept connection that the upstream has closed, or is about to close, is not used again. Where that cannot be seen in time, a request that
failed at once on a reused connection, before a byte of its answer, is sent once more, on a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, TypeAlias

from attrs import frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from ccproxy.codecs import HTTPRequest
from ccproxy.net.body import BytesProducer
from ccproxy.net.connection import Connection
from ccproxy.net.dial import Dialer, watch
from ccproxy.net.headers import joined
from ccproxy.net.idle import KEPT_CONNECTIONS, KEPT_SECONDS, may_be_repeated

_Key: TypeAlias = "tuple[bytes, bytes, int]"  # scheme, host, port
_VISIBLE = re.compile(rb"[\x21-\x7e]+")


@frozen
class _Place:
    """Where a request goes."""

    uri: URI
    key: _Key
    target: str
    host: str


@lru_cache(64)
def _place(uri: bytes) -> _Place:
    if not _VISIBLE.fullmatch(uri):
        raise ValueError("the address of a request holds what no address may")
    parsed = URI.fromBytes(uri)
    return _Place(
        parsed,
        (parsed.scheme, parsed.host, parsed.port),
        parsed.originForm.decode("ascii"),
        parsed.netloc.decode("ascii"),
    )


@implementer(IAgent)
class UpstreamAgent:
    """Sends requests over kept connections, and once more over a new one where that is safe.

    Args:
        reactor: Where connections are made.
        connect_timeout: Seconds until a TCP connection must stand; 0 for as long as the system tries.

    Attributes:
        connect_timeout: The same, for the connections to come.
    """

    def __init__(self, reactor: Any, *, connect_timeout: float) -> None:  # noqa: ANN401 - many interfaces
        self.connect_timeout = connect_timeout
        self._clock: IReactorTime = reactor
        self._dialer = Dialer(reactor, lambda: self.connect_timeout)
        self._idle: dict[_Key, dict[Connection, float]] = {}  # since when, the longest first
        self._sweep: IDelayedCall | None = None
        self._closed: Deferred[None] | None = None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send a request; ``bodyProducer`` may be started twice."""
        given = headers.getAllRawHeaders() if headers is not None else ()
        fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, values in given for value in values)
        place = _place(uri)
        return self._send(place, _head(method.decode("latin-1"), place, fields, bodyProducer), bodyProducer)

    def ask(self, request: HTTPRequest) -> Deferred[IResponse]:
        """The same for a request value, of which no `Headers` need be made."""
        place, body = _place(request.url.encode()), BytesProducer(request.body)
        return self._send(place, _head(request.method, place, request.headers, body), body)

    def _send(self, place: _Place, head: bytes, body: IBodyProducer | None) -> Deferred[IResponse]:
        connection = self._take(place.key)
        if connection is None:
            return self._dial(place, head, body)
        sent_at = self._clock.seconds()

        def failed(failure: Failure) -> Deferred[IResponse]:
            if may_be_repeated(failure, self._clock.seconds() - sent_at):
                return self._dial(place, head, body)
            return fail(failure)

        return connection.ask(head, body).addErrback(failed)

    def close(self) -> Deferred[None]:
        """Close the connections that serve nothing now; fires when they are closed."""
        self._closed = Deferred() if self._idle else succeed(None)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connections in tuple(self._idle.values()):
            for connection in tuple(connections):
                connection.hang_up()
        return self._closed

    def _dial(self, place: _Place, head: bytes, body: IBodyProducer | None) -> Deferred[IResponse]:
        def asked(connection: Connection) -> Deferred[IResponse]:
            watch(connection.transport)
            return connection.ask(head, body)

        keep, forget = partial(self._keep, place.key), partial(self._forget, place.key)
        making = _Making(lambda: Connection(self._clock, keep, forget))
        connected: Deferred[Any] = self._dialer.endpointForURI(place.uri).connect(making)
        return connected.addCallback(asked)

    # Idle connections

    def _take(self, key: _Key) -> Connection | None:
        """The kept connection that served last and is still good."""
        while connections := self._idle.get(key):
            connection = next(reversed(connections))
            self._drop(key, connection)
            if not connection.is_stale():
                return connection
            connection.hang_up()
        return None

    def _keep(self, key: _Key, connection: Connection) -> None:
        """A connection may serve again."""
        if self._closed is not None:
            connection.hang_up()
            return
        connections = self._idle.setdefault(key, {})
        connections[connection] = self._clock.seconds()
        if len(connections) > KEPT_CONNECTIONS:
            oldest = next(iter(connections))
            self._drop(key, oldest)
            oldest.hang_up()
        if self._sweep is None:
            self._sweep = self._clock.callLater(KEPT_SECONDS, self._close_old)

    def _forget(self, key: _Key, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._idle.get(key, ()):
            self._drop(key, connection)
        if not self._idle and self._closed is not None and not self._closed.called:
            self._closed.callback(None)

    def _drop(self, key: _Key, connection: Connection) -> None:
        """It is not idle any more; the timer stays, as the next one soon will be."""
        del self._idle[key][connection]
        if not self._idle[key]:
            del self._idle[key]

    def _close_old(self) -> None:
        """One timer for all: each is closed when it has been idle for long enough."""
        self._sweep = None
        now = self._clock.seconds()
        ages = {connection: now - since for kept in self._idle.values() for connection, since in kept.items()}
        for connection, age in ages.items():
            if age >= KEPT_SECONDS:
                connection.hang_up()
        young = [age for age in ages.values() if age < KEPT_SECONDS]
        if young:
            self._sweep = self._clock.callLater(KEPT_SECONDS - max(young), self._close_old)


class _Making(Factory):
    """Makes the protocol of one connection."""

    noisy = False

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make

    @override
    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._make()


def _head(method: str, place: _Place, fields: Iterable[tuple[str, str]], body: IBodyProducer | None) -> bytes:
    """The head of a request.

    Raises:
        ValueError: There is a line break where none may be.
    """
    lines = [f"{method} {place.target} HTTP/1.1", f"Host: {place.host}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {body.length}")  # ours know theirs
    elif method == "POST":
        lines.append("Content-Length: 0")
    return joined(lines).encode("latin-1")
