"""This module is the upstream client: a request value in, a response or the name of what went wrong out.

Whole responses, the model list and the version, are fetched by treq, which is met only here. Its conveniences that do not fit a proxy are
off: shared cookies (trap P5), redirects (trap P8), bodies held in memory (trap P29), body producers that need extra reactor turns
(trap P9), timeouts that stop counting at the headers (trap P4). What is to be relayed is asked below treq, of `IdentityAgent`: even off,
those conveniences take a sixth of the time of a short request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeAlias, TypeVar

from attrs import frozen
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import VerificationError
from twisted.python.failure import Failure
from twisted.web.client import (
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.iweb import IAgent, IResponse
from typing_extensions import override

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.body import BytesProducer
from ccproxy.net.certificates import CertificateError
from ccproxy.net.headers import headers_of, lowered
from ccproxy.net.identity import IdentityAgent
from ccproxy.net.idle import HeadTooLargeError

_REFUSAL_LIMIT = 64 * 1024  # bytes of an error body that are worth reading

_T = TypeVar("_T")
Diagnose: TypeAlias = Callable[[int, Mapping[str, str], bytes], ProxyError]


@frozen
class Reply:
    """A whole response: status, lower-cased headers, body (perhaps cut at the limit)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UpstreamClient:
    """Sends requests to the upstream.

    Args:
        agent: What opens connections.
        clock: Where the time comes from.
    """

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._agent = IdentityAgent(agent)
        self._http = HTTPClient(
            self._agent,
            cookiejar=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # type: ignore[arg-type] # treq's own jar type adds only a way to look into it
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
        began = self._clock.seconds()
        response = await self._awaited(self._agent.ask(request), began, seconds)
        if response.code == 200:
            return response
        reply = await self._awaited(Deferred.fromCoroutine(_read(response, _REFUSAL_LIMIT)), began, seconds)
        raise diagnose(reply.status, reply.headers, reply.body)

    async def fetch(self, request: HTTPRequest, *, limit: int, seconds: float) -> Reply:
        """Send a request and read the whole response.

        Args:
            request: What to send.
            limit: Bytes of body; whatever is beyond is not waited for.
            seconds: For all of it together; 0 for ever.

        Raises:
            ProxyError: There is no response.
        """
        fetched = Deferred.fromCoroutine(self._fetched(request, limit))
        return await self._awaited(fetched, self._clock.seconds(), seconds)

    async def _fetched(self, request: HTTPRequest, limit: int) -> Reply:
        response = await self._http.request(
            request.method,
            request.url,
            headers=headers_of(request),
            data=request.body if request.method == "POST" else None,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,  # type: ignore[arg-type] # treq uses it for its own timeout only
        )
        return await _read(response, limit)

    def _awaited(self, sent: Deferred[_T], began: float, seconds: float) -> Deferred[_T]:
        """The same result, until ``seconds`` after ``began`` (0: for ever); what went wrong has our name.

        A cancellation is a `CancelledError`, whatever the layers below make of it.
        """

        def give_up(why: Exception) -> None:
            awaited.errback(why)
            sent.cancel()

        def hand_over(result: _T | Failure) -> None:
            if awaited.called:
                return
            if isinstance(result, Failure) and isinstance(result.value, _NAMED):
                awaited.errback(_named(result.value))
            else:
                awaited.callback(result)

        def stop(result: _T) -> _T:
            if timer.active():
                timer.cancel()
            return result

        awaited: Deferred[_T] = Deferred(lambda _: give_up(CancelledError()))
        if seconds:  # not `addTimeout`, whose callbacks cost as much as all of this
            left = max(0, began + seconds - self._clock.seconds())
            timer = self._clock.callLater(left, lambda: give_up(_late(seconds)))
            awaited.addBoth(stop)
        sent.addBoth(hand_over)
        return awaited


def _late(seconds: float) -> ProxyError:
    return ProxyError(Kind.TIMEOUT, f"The upstream did not answer within {seconds:g} seconds.")


async def _read(response: IResponse, limit: int) -> Reply:
    body = _ShortBody(limit)
    response.deliverBody(body)
    fields = ((name, value) for name, values in response.headers.getAllRawHeaders() for value in values)
    return Reply(response.code, lowered(fields), await body.done)


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
