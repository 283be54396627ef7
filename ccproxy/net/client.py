"""This module is the upstream client: a request value in, a response or the name of what went wrong out.

Only here is treq met. Its conveniences that do not fit a proxy are off: shared cookies (trap P5), redirects (trap P8), bodies held in
memory (trap P29), body producers that need extra reactor turns (trap P9), timeouts that stop counting at the headers (trap P4).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NoReturn, TypeAlias, TypeVar

from attrs import frozen
from hyperlink import EncodedURL
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import VerificationError
from twisted.python.failure import Failure
from twisted.web.client import (
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from typing_extensions import override
from zope.interface import implementer

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.certificates import CertificateError
from ccproxy.net.identity import IdentityAgent
from ccproxy.net.idle import HeadTooLargeError

_NO_COOKIES = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # treq would make one for each request
_REFUSAL_LIMIT = 64 * 1024  # bytes of an error body that are worth reading

_T = TypeVar("_T")
Diagnose: TypeAlias = Callable[[int, Mapping[str, str], bytes], ProxyError]


@frozen
class Reply:
    """A whole response: status, lower-cased headers, body (perhaps cut at the limit)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@implementer(IBodyProducer)
class BytesProducer:
    """A request body that is in memory already, and can be sent again."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write it, whole."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """There is nothing left to pause."""

    def resumeProducing(self) -> None:
        """There is nothing left to resume."""

    def stopProducing(self) -> None:
        """There is nothing left to stop."""


class _KnownURL(EncodedURL):
    """An address that is encoded already; treq encodes each again, for each request."""

    def to_uri(self) -> _KnownURL:
        """The same."""
        return self


@lru_cache(16)
def _known(url: str) -> _KnownURL:
    known = _KnownURL.from_text(EncodedURL.from_text(url).to_uri().to_text())
    assert isinstance(known, _KnownURL)  # noqa: S101 - a class method makes its class
    return known


class UpstreamClient:
    """Sends requests to the upstream.

    Args:
        agent: What opens connections.
        clock: Where the time comes from.
    """

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._http = HTTPClient(
            IdentityAgent(agent),
            cookiejar=_NO_COOKIES,  # type: ignore[arg-type] # treq's own jar type adds only a way to look into it
            data_to_body_producer=BytesProducer,
        )
        self._clock = clock

    async def open(self, request: HTTPRequest, diagnose: Diagnose, *, seconds: float) -> IResponse:
        """Send a request and await its 200; the caller has to deliver the body. Cancelling closes the connection.

        Args:
            request: What to send.
            diagnose: Names the cause of an answer that is not 200.
            seconds: For connect, TLS, headers, and the body of a refusal, together; 0 for ever.

        Raises:
            ProxyError: There is no 200, and why; `ProxyError.replayable` when nothing can have been generated.
        """
        return await self._within(seconds, self._opened(request, diagnose))

    async def fetch(self, request: HTTPRequest, *, limit: int, seconds: float) -> Reply:
        """Send a request and read the whole response.

        Args:
            request: What to send.
            limit: Bytes of body; whatever is beyond is not waited for.
            seconds: For all of it together; 0 for ever.

        Raises:
            ProxyError: There is no response.
        """
        return await self._within(seconds, self._fetched(request, limit))

    async def _opened(self, request: HTTPRequest, diagnose: Diagnose) -> IResponse:
        response = await self._send(request)
        if response.code == 200:
            return response
        reply = await _read(response, _REFUSAL_LIMIT)
        raise diagnose(reply.status, reply.headers, reply.body)

    async def _fetched(self, request: HTTPRequest, limit: int) -> Reply:
        return await _read(await self._send(request), limit)

    async def _send(self, request: HTTPRequest) -> IResponse:
        sent = self._http.request(
            request.method,
            _known(request.url),
            headers=Headers({name: [value] for name, value in request.headers}),
            data=request.body if request.method == "POST" else None,
            cookies=_NO_COOKIES,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,  # type: ignore[arg-type] # treq uses it for its own timeout only
        )
        try:
            return await _leavable(sent)
        except _NAMED as error:
            raise _named(error) from None

    async def _within(self, seconds: float, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        started = Deferred.fromCoroutine(work)
        if seconds:
            started.addTimeout(seconds, self._clock, onTimeoutCancel=_timed_out)
        return await started


def _leavable(sent: Deferred[_T]) -> Deferred[_T]:
    """The same result, but a cancellation is a `CancelledError`, whatever the layers below make of it (a name lookup: an unknown name)."""

    def leave(left: Deferred[_T]) -> None:
        left.errback(CancelledError())
        sent.cancel()

    def hand_over(result: _T | Failure) -> None:
        if not handed.called:
            handed.callback(result)

    handed: Deferred[_T] = Deferred(leave)
    sent.addBoth(hand_over)
    return handed


async def _read(response: IResponse, limit: int) -> Reply:
    body = _ShortBody(limit)
    response.deliverBody(body)
    return Reply(response.code, lowered(response.headers), await body.done)


def lowered(headers: Headers) -> dict[str, str]:
    """Headers by lower-cased name; a header that came twice has its values joined."""
    return {
        name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
        for name, values in headers.getAllRawHeaders()
    }


class _ShortBody(Protocol):
    """Collects a body up to a limit; its Deferred closes the connection when it is cancelled (trap P2)."""

    def __init__(self, limit: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._parts: list[bytes] = []
        self._room = limit

    @override
    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        self._parts.append(data[: self._room])
        self._room -= len(data)
        if self._room <= 0:
            self._stop()
            self.done.callback(b"".join(self._parts))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(b"".join(self._parts))

    def _stop(self) -> None:
        if self.transport is not None:
            self.transport.stopProducing()  # type: ignore[attr-defined] # body protocols are given a producer


_NAMED = (
    ConnectError,
    DNSLookupError,
    SSL.Error,
    ResponseNeverReceived,
    RequestTransmissionFailed,
    ResponseFailed,
)


def _timed_out(result: object, seconds: float) -> NoReturn:
    raise ProxyError(Kind.TIMEOUT, f"The upstream did not answer within {seconds:g} seconds.")


def _named(error: Exception) -> ProxyError:
    """Say in our words why there is no response."""
    match error:
        case DNSLookupError():
            return ProxyError(Kind.UNREACHABLE, "The upstream's host name could not be resolved.", replayable=True)
        case ConnectTimeoutError():
            return ProxyError(
                Kind.UNREACHABLE, "The connection to the upstream could not be made in time.", replayable=True
            )
        case ConnectError():
            return ProxyError(Kind.UNREACHABLE, "The upstream could not be reached.", replayable=True)
        case ResponseNeverReceived(reasons=reasons) | RequestTransmissionFailed(reasons=reasons):
            return _unanswered(reasons)
        case ResponseFailed(reasons=reasons):
            return _half_answered(reasons)
    return ProxyError(Kind.UPSTREAM, "The connection to the upstream failed in TLS.")


def _unanswered(reasons: Sequence[Failure]) -> ProxyError:
    """Nothing came."""
    for reason in reasons:
        if reason.check(CertificateError):
            return ProxyError(Kind.UNREACHABLE, f"The upstream's TLS certificate {reason.getErrorMessage()}.")
        if reason.check(VerificationError):
            return ProxyError(Kind.UNREACHABLE, "The upstream's TLS certificate is for another name.")
        if reason.check(SSL.Error):
            return ProxyError(Kind.UNREACHABLE, "The upstream's TLS connection was broken off.")
    return ProxyError(Kind.UPSTREAM, "The upstream closed the connection before it answered.")


def _half_answered(reasons: Sequence[Failure]) -> ProxyError:
    """The head of the answer did not become whole."""
    if any(reason.check(HeadTooLargeError) for reason in reasons):
        return ProxyError(Kind.UPSTREAM, "The header of the upstream's answer is larger than the proxy takes.")
    if all(reason.check(ConnectionDone, ConnectionLost) for reason in reasons):
        return ProxyError(Kind.UPSTREAM, "The connection to the upstream broke inside the header of its answer.")
    return ProxyError(Kind.UPSTREAM, "The upstream's answer is not HTTP that can be understood.")
