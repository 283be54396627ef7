"""This module is the simulated service as a web application, with a memory of what it was asked."""

import hashlib
import json
import secrets
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from attrs import frozen
from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from ccproxy.simulator import models, pairing, refusals
from ccproxy.simulator.asked import asked
from ccproxy.simulator.records import Narrator
from ccproxy.simulator.refusals import Refusal
from ccproxy.simulator.scenarios import NAMES, Scenario, choose, failing
from ccproxy.simulator.validation import refusal_of_body, refusal_of_headers
from ccproxy.simulator.writer import Writer

BODY_LIMIT: Final = 64 * 1024 * 1024
"""The largest request body, in bytes."""

_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key", "x-oauth-token", "proxy-authorization", "cookie"})


@frozen
class Recorded:
    """A request to ``/alpha/generate`` as it arrived.

    Attributes:
        headers: The headers with lower-case names, without those that hold secrets.
        key: A digest of the ``Authorization`` header, equal for equal keys of one simulator; empty when there was none.
        body: The parsed JSON, None when it was no JSON.
    """

    headers: Mapping[str, str]
    key: str
    body: object


class Simulator:
    """A Command Code upstream.

    Attributes:
        requests: The latest requests, oldest first, refused ones included.
        open_streams: How many answers are being written now.
        closed_early: How many answers the client hung up on.
    """

    app = Klein()

    def __init__(self, clock: IReactorTime, *, transcripts: Path | None = None, remember: int = 64) -> None:
        """Serve with ``clock``, replaying files of the directory ``transcripts`` and keeping ``remember`` requests."""
        self.requests: deque[Recorded] = deque(maxlen=remember)
        self.open_streams = 0
        self.closed_early = 0
        self._clock = clock
        self._transcripts = transcripts
        self._salt = secrets.token_bytes(16)

    def resource(self) -> KleinResource:
        """The root resource for a ``Site``."""
        return self.app.resource()

    @app.route("/alpha/generate", methods=["POST"])
    def generate(self, request: Request) -> bytes | Deferred[None]:
        """Answer a turn, or refuse it."""
        raw = request.content.read(BODY_LIMIT + 1) if request.content else b""
        headers = _headers(request)
        body = _parse(raw)
        self.requests.append(
            Recorded(
                {name: value for name, value in headers.items() if name not in _SECRET_HEADERS},
                self._digest(headers.get("authorization", "")),
                body,
            )
        )
        refusal = refusals.TOO_LARGE if len(raw) > BODY_LIMIT else refusal_of_headers(headers)
        if refusal is None and body is None:
            refusal = refusals.NOT_JSON
        refusal = refusal or refusal_of_body(headers, body)
        return _refuse(request, refusal) if refusal else self._answer(request, body)

    @app.route("/provider/v1/models", methods=["GET"])
    def models(self, request: Request) -> bytes:
        """The model list, which needs no key."""
        request.setHeader("content-type", "application/json")
        return models.listing(NAMES)

    @app.handle_errors(HTTPException)
    def no_route(self, request: IRequest, failure: Failure) -> bytes:
        """An unknown path or method, in the service's own envelope."""
        problem = cast("HTTPException", failure.value)
        return _refuse(request, refusals.no_route(problem.code or 500, problem.name))

    def _answer(self, request: Request, body: object) -> bytes | Deferred[None]:
        params = asked(body)
        scenario = choose(params.model, self._transcripts)
        if isinstance(scenario, Refusal):
            return _refuse(request, scenario)
        complaint = pairing.complaint(params.messages)
        turn = secrets.token_hex(16)
        narrator = Narrator(params, turn, self._clock.seconds())
        return self._stream(request, failing(complaint) if complaint else scenario, narrator)

    def _stream(self, request: Request, scenario: Scenario, narrator: Narrator) -> Deferred[None]:
        # The body is NDJSON, whatever the content type says: so it is with the real service.
        request.setHeader("content-type", "text/event-stream")
        request.setHeader("cache-control", "no-cache")
        request.setHeader("x-trace-id", narrator.turn)

        def ended(closed_early: bool) -> None:
            self.open_streams -= 1
            self.closed_early += closed_early

        reset = cast("ITCPTransport", request.transport).abortConnection
        writer = Writer(scenario(narrator), request, self._clock, reset=reset, ended=ended)
        self.open_streams += 1
        writer.start()
        return writer.finished

    def _digest(self, key: str) -> str:
        return hashlib.blake2b(key.encode(), key=self._salt, digest_size=8).hexdigest() if key else ""


def _refuse(request: IRequest, refusal: Refusal) -> bytes:
    request.setResponseCode(refusal.status)
    request.setHeader("content-type", refusal.content_type)
    request.setHeader("x-trace-id", secrets.token_hex(16))
    for name, value in refusal.headers.items():
        request.setHeader(name, value)
    return refusal.body()


def _headers(request: Request) -> dict[str, str]:
    pairs = request.requestHeaders.getAllRawHeaders()
    return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in pairs}


def _parse(raw: bytes) -> object:
    """The JSON of a body; the standard parser takes lone surrogates, as JavaScript does."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
