"""This module is a request before any route: preflights, odd paths, and what every response carries."""

from __future__ import annotations

import re
from functools import cached_property
from urllib.parse import unquote_to_bytes

from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Request
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.net.client import lowered
from ccproxy.web.body import Body, body_of

_ALLOWED_HEADERS = ("Authorization", "Content-Type", "x-api-key", "anthropic-version", "anthropic-beta")
_HOST = re.compile(rb"[0-9A-Za-z._~%!$&'()*+,;=:\[\]-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)


class ProxyRequest(Request):
    """A request whose response can be read from any web page, and says nothing about the server that it need not."""

    _left = False

    @cached_property
    def plain_headers(self) -> dict[str, str]:
        """The header by lower-cased names, once it is whole."""
        return lowered(self.requestHeaders)

    @property
    def is_over(self) -> bool:
        """Whether the response is whole, or will not be, as its client has left."""
        return bool(self.finished) or self._left

    @override
    def connectionLost(self, reason: Failure) -> None:
        """The client has left."""
        self._left = True
        super().connectionLost(reason)

    def asked(self) -> Body:
        """The body, which has to be whole; handed out once.

        Raises:
            ProxyError: It is beyond the limit as it came.
        """
        return body_of(self)

    def abort(self) -> None:
        """Drop the connection, and what was not sent."""
        self.transport.abortConnection()  # type: ignore[union-attr] # TCP and TLS transports have it

    def json(self, body: bytes) -> bytes:
        """The body of an answer that is JSON, once the head says so."""
        self.setHeader("content-type", "application/json")
        self.setHeader("content-length", str(len(body)))
        return body

    def forget(self) -> None:
        """Free what the client said, once it is read, and the head of the response, once it went out; the request itself lives on."""
        self.requestHeaders = Headers()
        self.content = None
        vars(self).pop("plain_headers", None)
        if self.startedWriting:
            self.responseHeaders = Headers()

    @override
    def process(self) -> None:
        """Set what every response carries, and answer what no route can."""
        self.setHeader("Access-Control-Allow-Origin", "*")
        self.setHeader("Access-Control-Expose-Headers", "*")
        if self.method == b"OPTIONS":
            self._preflight()
        elif not _is_text(self.path):
            self._refuse("The path of the request is not valid UTF-8.")
        elif not self._has_host():
            self.setHeader("Connection", "close")
            self.channel.persistent = False  # https://www.rfc-editor.org/rfc/rfc9112#section-3.2
            self._refuse("The request needs one Host header that names a host.")
        else:
            super().process()

    @override
    def render(self, resrc: IResource) -> None:
        """Say who answers; `Request.process` has just said that it is Twisted."""
        self.setHeader("Server", "ccproxy")
        super().render(resrc)

    @override
    def getRequestHostname(self) -> bytes:
        """A constant: no route depends on the Host header, which may hold anything."""
        return b"ccproxy"

    def _preflight(self) -> None:
        asked = (self.getHeader(b"access-control-request-headers") or b"").decode("latin-1")
        names = [name.strip() for name in asked.split(",")]
        allowed = dict.fromkeys((*_ALLOWED_HEADERS, *(name for name in names if _HEADER_NAME.fullmatch(name))))
        self.setResponseCode(204)
        self.setHeader("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
        self.setHeader("Access-Control-Allow-Headers", ", ".join(allowed))
        self.setHeader("Access-Control-Max-Age", "86400")
        self.finish()

    def _has_host(self) -> bool:
        hosts = self.requestHeaders.getRawHeaders(b"Host", [])
        return all(map(_HOST.fullmatch, hosts)) and (len(hosts) == 1 or (not hosts and self.clientproto == b"HTTP/1.0"))

    def _refuse(self, message: str) -> None:
        self.setResponseCode(400)
        self.setHeader("X-Should-Retry", "false")
        site = self.channel.site  # type: ignore[attr-defined] # our site is the only one that makes channels
        body: bytes = site.refusal(self.path.decode("latin-1"), ProxyError(Kind.INVALID_REQUEST, message))
        self.setHeader("Content-Type", "application/json")
        self.setHeader("Content-Length", str(len(body)))
        self.write(body)
        self.finish()


def _is_text(path: bytes) -> bool:
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
