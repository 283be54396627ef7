"""This module is one request, from its headers to its last byte, in reading order.

Before the first byte an error is an exception, and the routes turn it into a status; after it an error is a frame, and nothing leaves
here (trap P1). A client that left is neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeAlias

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IResponse
from twisted.web.server import Request

from ccproxy.codecs import Dialect, Encoder, Identity, Key, Stage, Turn, Upstream
from ccproxy.config import Config
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished
from ccproxy.net.answer import Collector, StreamAnswer
from ccproxy.net.client import UpstreamClient, lowered
from ccproxy.net.deadline import IdleTimeout
from ccproxy.net.relay import ClientStalledError, Limits, Relay
from ccproxy.prompt import Note, NoteCode, Prompt
from ccproxy.stages.single_call import SingleCall
from ccproxy.stages.size_limit import SizeLimit
from ccproxy.stages.tool_names import RestoreNames, aliased
from ccproxy.translator import Translator
from ccproxy.upkeep.catalog import Catalog
from ccproxy.upkeep.release import Release
from ccproxy.upkeep.sessions import Sessions
from ccproxy.web import caller
from ccproxy.web.admission import Admission
from ccproxy.web.attempts import persist
from ccproxy.web.body import body_of
from ccproxy.web.report import Report

Answer: TypeAlias = StreamAnswer | Collector


@frozen
class House:
    """What every exchange needs of the running daemon.

    Attributes:
        config: The settings.
        upstream: The codec towards the upstream.
        client: The connection towards the upstream.
        sessions: The live sessions.
        release: The client version to report.
        catalog: The model list.
        admission: Who may come in.
        clock: Where the time comes from; its seconds are Unix time.
        token: Makes random hex text of so many bytes.
        random: Makes a random number from 0 to 1.
    """

    config: Config
    upstream: Upstream
    client: UpstreamClient
    sessions: Sessions
    release: Release
    catalog: Catalog
    admission: Admission
    clock: IReactorTime
    token: Callable[[int], str]
    random: Callable[[], float]


class Exchange:
    """One request and its answer.

    Args:
        house: What it needs.
        dialect: The language that the client speaks on this path.
        request: The request, its body complete.
    """

    _log = Logger()

    def __init__(self, house: House, dialect: Dialect, request: Request) -> None:
        self._house = house
        self._dialect = dialect
        self._request = request
        self._headers = lowered(request.requestHeaders)
        self._report = Report(house.token(12), dialect.name, house.clock.seconds())
        self._answer: Answer | None = None
        self._encoder: Encoder | None = None
        self._relay: Relay | None = None
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
        key = self._house.upstream.credential(self._headers)
        async with self._house.admission.place(key):
            prompt, names = aliased(self._dialect.parse(body_of(self._request)))
            self._report.model = prompt.model
            upstream_request = self._house.upstream.generate(prompt, self._identity(key))
            self._note((*prompt.notes, *upstream_request.notes))
            turn = Turn(self._report.id, int(self._house.clock.seconds()), prompt.model, prompt.view)
            self._encoder = self._dialect.encoder(turn, stream=prompt.stream)
            self._answer = self._begin(prompt, self._encoder)

            async def attempt() -> Finished | Failed:
                self._report.tries += 1
                response = await self._house.client.open(
                    upstream_request, self._house.upstream.diagnose, seconds=self._house.config.silence_timeout
                )
                return await self._relayed(response, prompt, stages_of(prompt, names, self._house.config))

            ended = await persist(attempt, clock=self._house.clock, random=self._house.random)
        return self._end(ended)

    def _identity(self, key: Key) -> Identity:
        now = self._house.clock.seconds()
        return Identity(
            key=key,
            session=caller.session(self._headers) or self._house.sessions.of(key, now),
            version=self._house.release.version(),
            trace_id=caller.trace_id(self._headers) or self._house.token(16),
            span_id=self._house.token(8),
            date=datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d"),
            zero_data_retention=caller.wants_no_retention(self._headers),
        )

    def _note(self, notes: tuple[Note, ...]) -> None:
        ignored = [subject for note in notes if note.code is NoteCode.IGNORED for subject in note.subjects]
        if ignored and self._house.config.strict:
            raise ProxyError(
                Kind.INVALID_REQUEST, f"{ignored[0][:80]}: unknown or without effect here.", field=ignored[0][:80]
            )
        counts: Counter[str] = Counter()
        for note in notes:
            counts[note.code.value] += len(note.subjects) or 1
        if counts:
            self._request.setHeader("x-ccproxy-notes", ", ".join(f"{code}={count}" for code, count in counts.items()))

    def _begin(self, prompt: Prompt, encoder: Encoder) -> Answer:
        if not prompt.stream:
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

    async def _relayed(self, response: IResponse, prompt: Prompt, stages: Sequence[Stage]) -> Finished | Failed:
        assert self._answer is not None and self._encoder is not None  # noqa: S101 - made before any attempt
        self._report.trace = lowered(response.headers).get("x-trace-id", "-")[:64]
        translator = Translator(self._house.upstream.decoder(), stages, self._encoder)
        config = self._house.config
        limits = Limits(
            text_silence=config.stream_idle_timeout if prompt.stream else config.document_idle_timeout,
            silence=config.silence_timeout,
            stall=config.client_stall_timeout,
            drain=config.drain_timeout,
        )
        self._relay = relay = Relay(translator, self._answer, self._house.clock, limits)
        response.deliverBody(IdleTimeout(relay, self._house.clock, relay.silence_limit, relay.silent))
        try:
            return await relay.done
        finally:
            self._relay = None
            self._report.decided_at = relay.decided_at

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
        return ProxyError(error.kind, f"{error.message} The nearest known models: {nearest}.", field=error.field)


def stages_of(prompt: Prompt, names: Mapping[str, str], config: Config) -> Sequence[Stage]:
    """What happens to the events of a turn on their way, in order."""
    stages: list[Stage] = []
    if prompt.parallel_tool_calls is False:
        stages.append(SingleCall())
    if names:
        stages.append(RestoreNames(names))
    if not prompt.stream and config.max_document_bytes:
        stages.append(SizeLimit(config.max_document_bytes))
    return stages
