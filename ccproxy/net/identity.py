"""This module is answers as they are: no compression, which holds back deltas and hides bombs (trap P29)."""

from __future__ import annotations

from functools import partial

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.body import BytesProducer
from ccproxy.net.headers import headers_of
from ccproxy.net.response import field

_AS_IT_IS = ("Accept-Encoding", "identity")


@implementer(IAgent)
class IdentityAgent:
    """Asks for answers as they are, and refuses one that is compressed all the same.

    Args:
        agent: What sends requests.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent
        self._ask = agent.ask if isinstance(agent, UpstreamAgent) else partial(_asked_of, agent)

    def ask(self, request: HTTPRequest) -> Deferred[IResponse]:
        """Send a request value."""
        if _AS_IT_IS not in request.headers:
            request = evolve(request, headers=(*request.headers, _AS_IT_IS))
        return self._ask(request).addCallback(_plain)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Send a request; what treq fetches has asked for gzip by the time that it comes here (trap P8)."""
        if headers is None or headers.getRawHeaders(b"Accept-Encoding") != [b"identity"]:
            headers = Headers() if headers is None else headers.copy()
            headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(_plain)


def _asked_of(agent: IAgent, request: HTTPRequest) -> Deferred[IResponse]:
    body = BytesProducer(request.body)
    return agent.request(request.method.encode(), request.url.encode(), headers_of(request), body)


def _plain(response: IResponse) -> IResponse:
    coding = field(response, b"content-encoding").strip().lower()
    if coding in (b"", b"identity"):
        return response
    _refuse(response)
    raise ProxyError(Kind.UPSTREAM, "The upstream sent a compressed answer, although it was asked not to.")


def _refuse(response: IResponse) -> None:
    """Close the connection of a response that nobody will read; an ignored one is a leaked socket (trap P10)."""
    response.deliverBody(_HangUp())


class _HangUp(Protocol):
    @override
    def connectionMade(self) -> None:
        self.transport.stopProducing()  # type: ignore[union-attr] # body protocols are given a producer

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        pass
