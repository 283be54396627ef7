"""This module is one request, from its headers to its last byte, in reading order.

Before the first byte an error is an exception, and the routes turn it into a status; after it an error is a frame, and nothing leaves
here (trap P1). A client that left is neither.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeAlias

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.iweb import IResponse

from ccproxy.codecs import Dialect, Encoder
from ccproxy.config import Config
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished, Usage
from ccproxy.keys import Key
from ccproxy.net.answer import Collector, StreamAnswer
from ccproxy.net.deadline import ClientStalledError, IdleTimeout, Limits
from ccproxy.net.relay import Relay
from ccproxy.net.response import field
from ccproxy.stages.validated import Validated
from ccproxy.translator import Translator
from ccproxy.web.attempts import persist
from ccproxy.web.caller import is_harmless, request_id
from ccproxy.web.following import begin, follow
from ccproxy.web.house import House
from ccproxy.web.plan import Plan, chain, identify, plan, replan, summary
from ccproxy.web.recalling import recalled
from ccproxy.web.report import Report
from ccproxy.web.sink import Sink, begin_stream

Answer: TypeAlias = StreamAnswer | Collector

_EMPTY_SECONDS = 5.0  # so soon an empty answer has cost nothing


class Exchange:
    """One request and its answer; ``encoder`` is what writes it, once there is one.

    Args:
        house: What it needs.
        dialect: The language that the client speaks on this path.
        sink: The request, its body complete, and where the answer goes.
    """

    _log = Logger()

    def __init__(self, house: House, dialect: Dialect, sink: Sink) -> None:
        self._house = house
        self._dialect = dialect
        self._sink = sink
        self._id = house.token(12)
        self._report = Report(request_id(sink.plain_headers) or self._id, dialect.name, house.clock.seconds())
        self._plan: Plan | None = None
        self._answer: Answer | None = None
        self.encoder: Encoder | None = None
        self._relay: Relay | None = None
        self._check: Validated | None = None
        self._weight = 0
        self._follows = False
        self._in_band: frozenset[Kind] = frozenset()
        self._serving: Deferred[bytes | None] | None = None
        self._abandoned: ProxyError | None = None

    def start(self) -> Deferred[bytes | None]:
        """Serve the request; fires with the document, or None when the answer was streamed, and is cancelled when the client leaves.

        It fails with `ProxyError` when nothing was sent yet, and nothing will be, and with `CancelledError` when the client left.
        """
        self._serving = Deferred.fromCoroutine(self._run(self._serve()))
        return self._serving

    def write_down(self, planned: Plan, weight: int) -> Deferred[bytes | None]:
        """Make an answer, whose request was read before, whether or not its client is still there; a cancellation ends it."""
        self._plan, self._weight = planned, weight
        self._serving = Deferred.fromCoroutine(self._run(self._write_down(planned.identity.key)))
        return self._serving

    async def _run(self, serving: Coroutine[Deferred[Any], Any, bytes | None]) -> bytes | None:
        try:
            return await serving
        except CancelledError:
            if self._abandoned is None:
                self._report.cancelled()
                raise
            self._report.failed(self._abandoned)
            self._fail(self._abandoned)
        except ClientStalledError:
            self._report.stalled()
            self._sink.abort()
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
        """The daemon gives up on this exchange; the client is told why. Who follows another exchange hears of its end."""
        if self._follows:
            return
        self._abandoned = error
        if self._relay is not None:
            self._relay.abandon(error)
        elif self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> bytes | None:
        self._sink.setHeader("x-request-id", self._report.id)
        self._sink.setHeader("request-id", self._report.id)
        key = self._house.upstream.credential(self._sink.plain_headers)
        async with self._house.admission.place(key):
            self._plan = await self._read(key)
            detached = self._plan.turn.view.detached
            if not detached:
                self._prepare()
                try:
                    ended = await self._ask()
                finally:
                    self.keep(key)
        return await self._detach() if detached else self._end(ended)

    async def _write_down(self, key: Key) -> bytes | None:
        self._prepare()
        assert self._answer is not None and self.encoder is not None  # noqa: S101 - just made
        self._answer.write(self.encoder.ping())  # whoever comes finds the beginning at once
        async with self._house.admission.place(key):
            ended = await self._ask()
        return self._end(ended)

    async def _detach(self) -> bytes | None:
        """Have the answer made by an exchange of its own, and show this client what there is of it."""
        planned, self._plan = self._planned, None
        self._report.model = planned.turn.model
        self._note(planned)
        begun = await begin(self._house, self._dialect, planned, self._report.id, self._weight)
        exchange = Exchange(self._house, self._dialect, begun.journal)
        streamed = evolve(planned, prompt=evolve(planned.prompt, stream=True))
        serving = exchange.write_down(streamed, self._weight)
        self._house.background.run(exchange, serving, begun, partial(exchange.keep, begun.key))
        if not planned.prompt.stream:
            return self._sink.json(begun.shown)
        self._follows = True
        del planned, streamed, serving  # a client may read for long
        await follow(self._house, begun.memory, begun.key, begun.name, 0, self._sink)
        return None

    async def _read(self, key: Key) -> Plan:
        asked = self._sink.asked()
        identity = identify(self._house, self._sink.plain_headers, key)
        self._sink.forget()
        body = await recalled(self._house, self._dialect, asked, key)
        self._weight = body.weight
        return await self._house.offload(
            lambda: plan(self._house, self._dialect, body.fields(), identity, self._id), body.weight
        )

    def _prepare(self) -> None:
        planned = self._planned
        self._report.model = planned.turn.model
        self.encoder = self._dialect.encoder(planned.turn, stream=planned.prompt.stream)
        self._answer = self._begin(planned, self.encoder)

    def _begin(self, planned: Plan, encoder: Encoder) -> Answer:
        if not planned.prompt.stream:
            return Collector()
        self._in_band = planned.turn.view.in_band
        begin_stream(self._sink, encoder.content_type)
        config = self._house.config
        return StreamAnswer(
            self._sink,
            encoder,
            self._house.clock,
            header_delay=config.header_delay,
            ping_interval=config.ping_interval,
        )

    async def _ask(self) -> Finished | Failed:
        """Ask the upstream, and once more for a document that does not fit its schema."""
        try:
            return await self._persist()
        except ProxyError:
            if self._check is None or self._plan is None:
                raise
            self._plan = replan(self._house, self._plan, self._check)
            if self._plan is None:
                raise
        return await self._persist()

    async def _persist(self) -> Finished | Failed:
        """Ask the upstream, again where that is safe."""
        self._note(self._planned)
        return await persist(self._attempt, clock=self._house.clock, random=self._house.random)

    async def _attempt(self) -> Finished | Failed:
        """Ask the upstream once; the encoder is the same each time, as pings may have begun its stream, and nothing else has."""
        self._report.tries += 1
        model, estimated = self._planned.prompt.model, self._planned.estimated
        translator, relay = await self._open()
        opened_at = self._house.clock.seconds()
        try:
            return await relay.done
        except ProxyError as error:
            # An answer that stays empty for long has been thought about, and is billed.
            error.replayable = error.replayable and self._house.clock.seconds() - opened_at <= _EMPTY_SECONDS
            raise
        finally:
            self._relay = None
            self._report.decided_at = relay.decided_at
            if translator.outcome is not None:
                self._learn(model, estimated, translator.outcome.usage)

    async def _open(self) -> tuple[Translator, Relay]:
        """Send the request, and have its answer relayed."""
        assert self._answer is not None and self.encoder is not None  # noqa: S101 - made before any attempt
        planned, config, clock = self._planned, self._house.config, self._house.clock
        made = chain(planned, config)
        self._check = made.check
        diagnose = self._house.upstream.diagnose
        response = await self._house.client.open(planned.request, diagnose, seconds=config.silence_timeout)
        self._trace(response)
        translator = Translator(self._house.upstream.decoder(), made.stages, self.encoder)
        limits = Limits(
            text_silence=_text_silence(planned, config),
            silence=config.silence_timeout,
            stall=config.client_stall_timeout,
            drain=config.drain_timeout,
        )
        self._relay = relay = Relay(translator, self._answer, clock, limits, self._forget)
        response.deliverBody(IdleTimeout(relay, clock, relay.silence_limit, relay.silent))
        return translator, relay

    @property
    def _planned(self) -> Plan:
        assert self._plan is not None  # noqa: S101 - until there is output
        return self._plan

    def _forget(self) -> None:
        """There is output, so that nothing will be asked again: a long conversation need not be kept while its answer grows."""
        self._plan = None
        self._sink.forget()

    def _learn(self, model: str, estimated: int | None, spent: Usage) -> None:
        """Keep what an attempt cost, for the log line and for later estimates; that of a failed one too."""
        self._report.usage = spent
        if estimated is not None:
            self._house.corrections.observe(model, estimated, spent.input)

    def _trace(self, response: IResponse) -> None:
        """Pass on the upstream's own id of the request, which its support asks for."""
        trace = field(response, b"x-trace-id").decode("latin-1")
        if is_harmless(trace):
            self._report.trace = trace
            if not self._sink.startedWriting:
                self._sink.setHeader("x-ccproxy-upstream-trace", trace)

    def _note(self, planned: Plan) -> None:
        if planned.notes:
            self._sink.setHeader("x-ccproxy-notes", summary(planned.notes))

    def keep(self, key: Key) -> None:
        """Keep what there is of the answer for later requests, where the dialect has such and this one wants it."""
        memory, encoder = self._dialect.memory, self.encoder
        if memory is not None and encoder is not None:
            self._house.keeping.keep(key, lambda: memory.records(encoder), self._weight)

    def _end(self, ended: Finished | Failed) -> bytes | None:
        self._report.ended(ended)
        if isinstance(self._answer, Collector):
            return self._sink.json(self._answer.value())
        self._sink.finish()
        return None

    def _fail(self, error: ProxyError) -> None:
        """A failure before any output: raise it, or frame it when pings have sent the status, or the client wants it so."""
        if self._answer is None or self.encoder is None or not (self._answer.begun or error.kind in self._in_band):
            raise self._house.catalog.explained(error, self._report.model)
        self._answer.write(self.encoder.encode(Failed(error)))
        self._sink.finish()


def _text_silence(planned: Plan, config: Config) -> float:
    """How long an open text may be silent: a model that has tools may be writing a call behind it, of which nothing is seen yet."""
    if planned.prompt.tools:
        return config.silence_timeout
    return config.stream_idle_timeout if planned.prompt.stream else config.document_idle_timeout
