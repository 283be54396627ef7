"""This module is the way from an HTTP request to a WebSocket: who may have one, and how the connection changes hands.

Autobahn is an extra; without it there are no sockets, and a client that asks for one is told to do without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.error import ConnectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from ccproxy.codecs import Dialect
from ccproxy.dialogue import Dialogue
from ccproxy.errors import Kind, ProxyError
from ccproxy.web.house import House
from ccproxy.web.request import ProxyRequest
from ccproxy.web.routes import Handler
from ccproxy.web.socket import Socket

_VERSION = "13"
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)


def can_upgrade() -> bool:
    """Whether there can be sockets here."""
    return find_spec("autobahn") is not None


def wants_socket(headers: Mapping[str, str]) -> bool:
    """Whether a request with these lower-cased headers is to become a WebSocket."""
    return _has(headers, "upgrade", "websocket") and _has(headers, "connection", "upgrade")


def upgrading(house: House, dialect: Dialect, dialogue: Dialogue) -> Handler:
    """The handler of a GET on one of the dialogue's paths.

    Args:
        house: What is needed.
        dialect: The language of the path.
        dialogue: What its messages mean.
    """

    def upgrade(request: ProxyRequest) -> None:
        headers = request.plain_headers
        _check(request, headers)
        house.upstream.credential(headers)
        _hand_over(request, Socket(house, dialect, dialogue, headers), house)

    def handle(request: ProxyRequest) -> Deferred[bytes | None]:
        upgraded: Deferred[bytes | None] = execute(upgrade, request)
        return upgraded

    return handle


def _check(request: ProxyRequest, headers: Mapping[str, str]) -> None:
    """Raise what is wrong with a request for a socket (https://www.rfc-editor.org/rfc/rfc6455#section-4.2)."""
    if not wants_socket(headers) or request.clientproto != b"HTTP/1.1":
        request.setHeader("allow", "POST")
        raise ProxyError(Kind.METHOD_NOT_ALLOWED, "This path answers to POST, and to GET for a WebSocket.")
    if headers.get("sec-websocket-version") != _VERSION:
        request.setHeader("sec-websocket-version", _VERSION)
        raise ProxyError(Kind.UPGRADE_REQUIRED, f"WebSockets are spoken here in version {_VERSION} (RFC 6455).")
    if not _KEY.fullmatch(headers.get("sec-websocket-key", "")):
        raise ProxyError(Kind.INVALID_REQUEST, "The Sec-WebSocket-Key header is none.")
    if request.head.has_body:
        raise ProxyError(Kind.INVALID_REQUEST, "A request for a WebSocket has no body.")
    if request.channel.site.draining:
        raise ProxyError(Kind.OVERLOADED, "The proxy is shutting down; connect again.")


def _hand_over(request: ProxyRequest, socket: Socket, house: House) -> None:
    """Give the connection of a request to a socket; the channel has no part in it any more."""
    from ccproxy.web.websocket import WebSocket

    channel: Any = request.channel  # of our site, on a transport like TCP
    transport, site = channel.transport, channel.site
    key = request.plain_headers["sec-websocket-key"].encode()
    wire = WebSocket(socket, house.config.max_body_bytes, house.clock, lambda: site.forget(wire))
    early = channel.take_unread()
    transport.unregisterProducer()
    if isinstance(transport, ProtocolWrapper):  # TLS is one, too
        transport.wrappedProtocol = wire
    else:
        transport.protocol = wire
    site.channels.add(wire)
    site.forget(channel)
    request.connectionLost(Failure(ConnectionDone()))
    wire.makeConnection(transport)
    wire.shake_hands(key)
    socket.open(wire)
    if early:
        wire.dataReceived(early)


def _has(headers: Mapping[str, str], name: str, token: str) -> bool:
    return token in (word.strip().lower() for word in headers.get(name, "").split(","))
