"""This module is a request before any route: preflights and odd paths; and its response, once a route has something to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, HTTPChannel, parse_qs
from twisted.web.server import Request
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.web.body import Body, BoundedBody, body_of
from ccproxy.web.head import Head
from ccproxy.web.preamble import response_head
from ccproxy.web.refusing import advice

if TYPE_CHECKING:
    from twisted.internet.tcp import Server

    from ccproxy.web.channel import ProxyChannel

_ALLOWED_HEADERS = ("Authorization", "Content-Type", "x-api-key", "anthropic-version", "anthropic-beta")
_HOST = re.compile(r"[0-9A-Za-z._~%!$&'()*+,;=:\[\]-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)


class ProxyRequest(Request):
    """A request whose head `ccproxy.web.head` has read, and whose response is written here.

    Of twisted.web's own headers, cookies and ETags, of the request and of the response, nothing is used.
    """

    channel: ProxyChannel
    transport: Server
    head = Head()
    _left = False
    _bodiless = False
    _when_left: Callable[[], None] | None = None

    def __init__(self, channel: HTTPChannel, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as its base
        super().__init__(channel, *args, **named)
        self._fields: dict[str, str] = {}

    @property
    def plain_headers(self) -> Mapping[str, str]:
        """The fields of the head by lower-cased names."""
        return self.head.plain

    @property
    def is_over(self) -> bool:
        """Whether the response is whole, or will not be, as its client has left."""
        return bool(self.finished) or self._left

    @override
    def connectionLost(self, reason: Failure) -> None:
        """The client has left."""
        self._left = True
        super().connectionLost(reason)
        try:
            if self._when_left is not None:
                self._when_left()
        except Exception:
            self._log.failure("A bug in what was to end with its client")

    def when_left(self, call: Callable[[], None]) -> None:
        """Call something when the client leaves before its answer is whole: `notifyFinish`, without the ceremony."""
        self._when_left = call

    @override
    def finish(self) -> None:
        """The response is whole."""
        self._when_left = None
        super().finish()

    def asked(self) -> Body:
        """The body, which has to be whole; handed out once.

        Raises:
            ProxyError: It is beyond the limit as it came.
        """
        assert isinstance(self.content, BoundedBody)  # noqa: S101 - our site makes no other, and it is asked for once
        return body_of(self.content, self.plain_headers.get("content-encoding", ""))

    def abort(self) -> None:
        """Drop the connection, and what was not sent."""
        self.transport.abortConnection()

    def json(self, body: bytes) -> bytes:
        """The body of an answer that is JSON, once the head says so."""
        self.setHeader("content-type", "application/json")
        self.setHeader("content-length", str(len(body)))
        return body

    def forget(self) -> None:
        """Free what the client said, once it is read, and the head of the response, once it went out; the request itself lives on."""
        self.head = ProxyRequest.head
        self.content = None
        if self.startedWriting:
            self._fields = {}

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is whole. Its body is JSON and no form, so that nothing has to be found out about it here."""
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args = parse_qs(query, True) if query else {}
        self.process()

    @override
    def process(self) -> None:
        """Have it answered, or answer what no route can."""
        if self.method == b"OPTIONS":
            self._preflight()
        elif not _is_text(self.path):
            self._refuse("The path of the request is not valid UTF-8.")
        elif self.path == b"*":
            self.setHeader("Allow", "OPTIONS")
            self._refuse("There is nothing at * but OPTIONS.", Kind.METHOD_NOT_ALLOWED)
        elif not self._has_host():
            self.setHeader("Connection", "close")
            self.channel.persistent = False  # https://www.rfc-editor.org/rfc/rfc9112#section-3.2
            self._refuse("The request needs one Host header that names a host.")
        else:
            self.site = self.channel.site
            try:
                self.render(self.site.resource)
            except Exception:
                self.processingFailed(Failure())

    def split_path(self) -> None:
        """Set what twisted.web sets before it looks for a resource; Klein asks for it."""
        self.prepath = []
        self.postpath = [unquote_to_bytes(part) for part in self.path[1:].split(b"/")]

    @override
    def setHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Put a field into the head of the response, in place of one of the same name."""
        self._fields[_canonical(name)] = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")

    @override
    def write(self, data: bytes) -> None:
        """Send the next bytes of the response, after its head."""
        if self.finished:
            raise RuntimeError("a response that is whole cannot grow")
        if self._left:
            return
        if not self.startedWriting:
            self._begin()
        if data and not self._bodiless:
            self.channel.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _begin(self) -> None:
        self.startedWriting = 1
        self._bodiless = self.method == b"HEAD" or self.code in NO_BODY_CODES
        if not (self._bodiless or "Content-Length" in self._fields) and self.clientproto == b"HTTP/1.1":
            self.chunked = 1
            self._fields["Transfer-Encoding"] = "chunked"
        first = b"%b %d %b" % (self.clientproto, self.code, self.code_message)
        self.channel.write(
            response_head(first.decode("utf-8", "surrogateescape"), self._fields, self.channel.site.clock.seconds())
        )

    @override
    def getRequestHostname(self) -> bytes:
        """A constant: no route depends on the Host header, which may hold anything."""
        return b"ccproxy"

    def _preflight(self) -> None:
        asked = self.plain_headers.get("access-control-request-headers", "")
        names = [name.strip() for name in asked.split(",")]
        allowed = dict.fromkeys((*_ALLOWED_HEADERS, *(name for name in names if _HEADER_NAME.fullmatch(name))))
        self.setResponseCode(204)
        self.setHeader("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        self.setHeader("Access-Control-Allow-Headers", ", ".join(allowed))
        self.setHeader("Access-Control-Max-Age", "86400")
        self.finish()

    def _has_host(self) -> bool:
        host = self.plain_headers.get("host")  # two would have a space between them
        return not self.head.is_modern if host is None else _HOST.fullmatch(host) is not None

    def _refuse(self, message: str, kind: Kind = Kind.INVALID_REQUEST) -> None:
        error = ProxyError(kind, message)
        self.setResponseCode(error.status)
        for name, value in advice(error).items():
            self.setHeader(name, value)
        self.write(self.json(self.channel.site.refusal(self.path.decode("latin-1"), error)))
        self.finish()


@lru_cache(256)
def _canonical(name: str | bytes) -> str:
    """The name of a field as it is usually written."""
    text = name if isinstance(name, str) else name.decode("latin-1")
    return "-".join(word.capitalize() for word in text.split("-"))


def _is_text(path: bytes) -> bool:
    if b"%" not in path and path.isascii():
        return True
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
