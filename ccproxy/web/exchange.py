"""This module is one request, from its headers to its last byte, in reading order.

Before the first byte an error is an exception, and the routes turn it into a status; after it an error is a frame, and nothing leaves
here (trap P1). A client that left is neither.
"""

from __future__ import annotations

from typing import TypeAlias

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.iweb import IResponse

from ccproxy.codecs import Dialect, Encoder, Key
from ccproxy.config import Config
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished, Usage
from ccproxy.net.answer import Collector, StreamAnswer
from ccproxy.net.deadline import IdleTimeout, Limits
from ccproxy.net.relay import ClientStalledError, Relay
from ccproxy.stages.validated import Validated
from ccproxy.translator import Translator
from ccproxy.web.attempts import persist
from ccproxy.web.body import Body, body_of
from ccproxy.web.caller import is_harmless, request_id
from ccproxy.web.house import House
from ccproxy.web.plan import Plan, chain, identify, plan, replan, summary
from ccproxy.web.report import Report
from ccproxy.web.request import ProxyRequest

Answer: TypeAlias = StreamAnswer | Collector

_EMPTY_SECONDS = 5.0  # so soon an empty answer has cost nothing


class Exchange:
    """One request and its answer.

    Args:
        house: What it needs.
        dialect: The language that the client speaks on this path.
        request: The request, its body complete.
    """

    _log = Logger()

    def __init__(self, house: House, dialect: Dialect, request: ProxyRequest) -> None:
        self._house = house
        self._dialect = dialect
        self._request = request
        self._headers = request.plain_headers
        self._id = house.token(12)
        self._report = Report(request_id(self._headers) or self._id, dialect.name, house.clock.seconds())
        self._answer: Answer | None = None
        self._encoder: Encoder | None = None
        self._relay: Relay | None = None
        self._check: Validated | None = None
        self._serving: Deferred[bytes | None] | None = None
        self._abandoned: ProxyError | None = None

    async def run(self) -> bytes | None:
        """Serve the request; give the document, or None when the answer was streamed.

        Raises:
            ProxyError: Nothing was sent yet, and nothing will be.
            CancelledError: The client left.
        """
        self._serving = Deferred.fromCoroutine(self._serve())
        try:
            return await self._serving
        except CancelledError:
            if self._abandoned is None:
                self._report.cancelled()
                raise
            self._report.failed(self._abandoned)
            self._fail(self._abandoned)
        except ClientStalledError:
            self._report.stalled()
            self._request.transport.abortConnection()  # type: ignore[union-attr] # TCP and TLS transports have it
        except ProxyError as error:
            self._report.failed(error)
            self._fail(error)
        except Exception:
            self._log.failure("A bug in exchange {id}", id=self._report.id)
            bug = ProxyError(Kind.INTERNAL, "The proxy failed; its log says more.")
            self._report.failed(bug)
            self._fail(bug)
        finally:
            if self._answer is not None:
                self._answer.close()
                self._report.sent = self._answer.sent
            self._report.write(self._house.clock.seconds())
        return None

    def abandon(self, error: ProxyError) -> None:
        """The daemon gives up on this exchange; the client is told why."""
        self._abandoned = error
        if self._relay is not None:
            self._relay.abandon(error)
        elif self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> bytes | None:
        self._request.setHeader("x-request-id", self._report.id)
        self._request.setHeader("request-id", self._report.id)
        key = self._house.upstream.credential(self._headers)
        async with self._house.admission.place(key):
            body = body_of(self._request)
            planned = await self._planned(body, key)
            self._report.model = planned.turn.model
            self._encoder = self._dialect.encoder(planned.turn, stream=planned.prompt.stream)
            self._answer = self._begin(planned, self._encoder)
            ended = await self._ask(planned)
        return self._end(ended)

    async def _planned(self, body: Body, key: Key) -> Plan:
        identity = identify(self._house, self._headers, key)
        return await self._house.offload(
            lambda: plan(self._house, self._dialect, body, identity, self._id), body.weight
        )

    def _begin(self, planned: Plan, encoder: Encoder) -> Answer:
        if not planned.prompt.stream:
            return Collector()
        self._request.setHeader("content-type", encoder.content_type)
        self._request.setHeader("cache-control", "no-cache, no-transform")
        self._request.setHeader("x-accel-buffering", "no")
        config = self._house.config
        return StreamAnswer(
            self._request,
            encoder,
            self._house.clock,
            header_delay=config.header_delay,
            ping_interval=config.ping_interval,
        )

    async def _ask(self, planned: Plan) -> Finished | Failed:
        """Ask the upstream, and once more for a document that does not fit its schema."""
        try:
            return await self._persist(planned)
        except ProxyError:
            again = replan(self._house, planned, self._check) if self._check is not None else None
            if again is None:
                raise
        return await self._persist(again)

    async def _persist(self, planned: Plan) -> Finished | Failed:
        """Ask the upstream, again where that is safe."""
        if planned.notes:
            self._request.setHeader("x-ccproxy-notes", summary(planned.notes))
        return await persist(lambda: self._attempt(planned), clock=self._house.clock, random=self._house.random)

    async def _attempt(self, planned: Plan) -> Finished | Failed:
        """Ask the upstream once; the encoder is the same each time, as pings may have begun its stream, and nothing else has."""
        assert self._answer is not None and self._encoder is not None  # noqa: S101 - made before any attempt
        self._report.tries += 1
        made = chain(planned, self._house.config)
        self._check = made.check
        config, clock = self._house.config, self._house.clock
        diagnose = self._house.upstream.diagnose
        response = await self._house.client.open(planned.request, diagnose, seconds=config.silence_timeout)
        opened_at = clock.seconds()
        self._trace(response)
        translator = Translator(self._house.upstream.decoder(), made.stages, self._encoder)
        limits = Limits(
            text_silence=_text_silence(planned, config),
            silence=config.silence_timeout,
            stall=config.client_stall_timeout,
            drain=config.drain_timeout,
        )
        self._relay = relay = Relay(translator, self._answer, clock, limits)
        response.deliverBody(IdleTimeout(relay, clock, relay.silence_limit, relay.silent))
        try:
            return await relay.done
        except ProxyError as error:
            # An answer that stays empty for long has been thought about, and is billed.
            error.replayable = error.replayable and clock.seconds() - opened_at <= _EMPTY_SECONDS
            raise
        finally:
            self._relay = None
            self._report.decided_at = relay.decided_at
            if translator.outcome is not None:
                self._learn(planned, translator.outcome.usage)

    def _learn(self, planned: Plan, spent: Usage) -> None:
        """Keep what an attempt cost, for the log line and for later estimates; that of a failed one too."""
        self._report.usage = spent
        if planned.estimated is not None:
            self._house.corrections.observe(planned.prompt.model, planned.estimated, spent.input)

    def _trace(self, response: IResponse) -> None:
        """Pass on the upstream's own id of the request, which its support asks for."""
        trace = b"".join(response.headers.getRawHeaders(b"x-trace-id", ())).decode("latin-1")
        if is_harmless(trace):
            self._report.trace = trace
            if not self._request.startedWriting:
                self._request.setHeader("x-ccproxy-upstream-trace", trace)

    def _end(self, ended: Finished | Failed) -> bytes | None:
        self._report.ended(ended)
        if isinstance(self._answer, Collector):
            document = self._answer.value()
            self._request.setHeader("content-type", "application/json")
            self._request.setHeader("content-length", str(len(document)))
            return document
        self._request.finish()
        return None

    def _fail(self, error: ProxyError) -> None:
        """A failure before any output: raise it, or frame it when pings have already sent the status."""
        if self._answer is None or self._encoder is None or not self._answer.begun:
            raise self._enriched(error)
        self._answer.write(self._encoder.encode(Failed(error)))
        self._request.finish()

    def _enriched(self, error: ProxyError) -> ProxyError:
        """Help with a model that the upstream does not know."""
        if error.kind is not Kind.MODEL_NOT_FOUND:
            return error
        nearest = ", ".join(self._house.catalog.nearest(self._report.model))
        said = error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
        return ProxyError(error.kind, f"{said} The nearest known models: {nearest}.", field=error.field)


def _text_silence(planned: Plan, config: Config) -> float:
    """How long an open text may be silent: a model that has tools may be writing a call behind it, of which nothing is seen yet."""
    if planned.prompt.tools:
        return config.silence_timeout
    return config.stream_idle_timeout if planned.prompt.stream else config.document_idle_timeout
