"""This module is the corpus, and what the whole daemon makes of each of its cases: what goes up, and what the client gets.

A case is a folder ``tests/corpus/<dialect>/<case>``; its README tells what is in it. Everything that a daemon would draw from chance or
from its surroundings is fixed here: ids, time, session, version and platform.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import evolve, field, frozen
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError as RefusedError
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from typing_extensions import override
from zope.interface import implementer

from ccproxy.config import Config, settings
from ccproxy.dialects import DIALECTS
from ccproxy.estimate import Corrections
from ccproxy.loading import load
from ccproxy.upstreams import UPSTREAMS
from ccproxy.web.app import App
from ccproxy.web.site import ProxySite
from tests.web.house import KEY, NOW, Answer, MemoryDaemon

CORPUS = Path(__file__).parent / "corpus"
SESSION = "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
EXPECTED = ("upstream-request*.json", "response.sse", "response.json")
"""The files of a case that the daemon writes, as patterns."""

_HEX = "0123456789abcdef"
_PATHS = {dialect.name: dialect.paths[0] for dialect in DIALECTS}
_LONGEST_WAIT = 1000  # seconds


@frozen
class Attempt:
    """What the upstream does when it is asked.

    Attributes:
        status: Its HTTP status.
        headers: Its headers.
        body: Its body.
        breaks: ``connect`` when there is no connection, ``silence`` when it says nothing more after the body; else empty.
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    breaks: str = ""


@frozen
class Case:
    """One case, as its folder tells it.

    Attributes:
        folder: Where it is.
        shows: What it shows, in one sentence.
        mode: ``stream`` or ``document``.
        path: Where the request goes.
        headers: Its headers besides the key and the session.
        request: Its body.
        settings: What differs from the default configuration.
        attempts: What the upstream does, each time that it is asked.
        status: The HTTP status of the answer.
        notes: What its header ``x-ccproxy-notes`` says; empty when it has none.
        response_headers: Further headers that it has.
    """

    folder: Path
    shows: str
    mode: str
    path: str
    headers: Mapping[str, str]
    request: bytes
    settings: Mapping[str, Any]
    attempts: Sequence[Attempt]
    status: int
    notes: str
    response_headers: Mapping[str, str]

    @property
    def name(self) -> str:
        """The dialect and the case."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def kept(self) -> dict[str, bytes]:
        """What is expected, by file."""
        return {path.name: path.read_bytes() for pattern in EXPECTED for path in self.folder.glob(pattern)}


@frozen
class Outcome:
    """What became of a case: the answer, its files, and how often the upstream was asked."""

    answer: Answer
    files: Mapping[str, bytes]
    tries: int


def cases() -> list[Case]:
    """All cases, in the order of their names."""
    return [_case(path.parent) for path in sorted(CORPUS.glob("*/*/case.json"))]


class Bench:
    """Where cases are served: by one daemon for each configuration, as its routes take longer to build than a case to serve."""

    def __init__(self) -> None:
        self._daemons: dict[str, CorpusDaemon] = {}

    def run(self, case: Case) -> Outcome:
        """Let a daemon serve a case."""
        configuration = repr(case.settings)
        daemon = self._daemons.pop(configuration, None) or CorpusDaemon(**case.settings)
        daemon.follow(case.attempts)
        headers = {"authorization": f"Bearer {KEY}", "x-session-id": SESSION, **case.headers}
        client = daemon.connect().ask("POST", case.path, case.request, headers)
        for _ in range(_LONGEST_WAIT):
            if client.answers and client.answer.complete:
                break
            daemon.advance(1)
        client.leave()
        if daemon.clock.seconds() == NOW:  # a daemon for which time has passed would tell the next case another time
            self._daemons[configuration] = daemon
        return _outcome(client.answer, daemon.bodies)


class CorpusDaemon(MemoryDaemon):
    """A daemon that leaves nothing to chance and learns nothing, and whose upstream follows a script.

    Args:
        settings: What differs from the default configuration.

    Attributes:
        bodies: What the upstream was sent.
    """

    def __init__(self, **settings: Any) -> None:
        self._scripted = _Scripted()
        super().__init__(self._scripted, **settings)
        self.upstream = self._scripted.inner
        self.bodies = self._scripted.bodies
        config = self.house.config
        upstream = UPSTREAMS["commandcode"](
            api_base=config.api_base,
            project_slug=config.project_slug,
            user_agent="",
            environment="linux",
            zero_data_retention=False,
            line_limit=config.max_line_bytes,
        )
        self.house = evolve(
            self.house, upstream=upstream, token=_token, random=lambda: 0.5, corrections=_NoCorrections()
        )
        self.app = App(self.house)
        self.site = ProxySite(self.app.resource(), config, self.app.refusal, self.app.objection, self.clock)

    def follow(self, attempts: Sequence[Attempt]) -> None:
        """Let the upstream do this next."""
        self._scripted.attempts[:] = attempts
        self.bodies.clear()


class _NoCorrections(Corrections):
    """No experience with any model, so that an estimate is the same after every case."""

    @override
    def observe(self, model: str, estimated: int, reported: int | None) -> None:
        """Learn nothing."""


class _Answering(Resource):
    """An upstream that does what it is told next."""

    isLeaf = True  # noqa: N815 - the framework's name

    def __init__(self) -> None:
        super().__init__()
        self.next = Attempt()
        self.bodies: list[bytes] = []

    @override
    def render(self, request: Request) -> Any:
        """Answer."""
        content = request.content
        assert content is not None
        self.bodies.append(content.read())
        request.setResponseCode(self.next.status)
        for name, value in self.next.headers.items():
            request.setHeader(name, value)
        if not self.next.breaks:
            return self.next.body
        request.write(self.next.body)
        return NOT_DONE_YET


@implementer(IAgent)
class _Scripted:
    """The connections to an upstream that does one thing after another."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._answering = _Answering()
        self.inner = RequestTraversalAgent(self._answering)
        self.bodies = self._answering.bodies

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Do the next thing; one more than was told is a mistake of the case."""
        attempt = self.attempts.pop(0)
        if attempt.breaks == "connect":
            self.bodies.append(b"")
            return fail(RefusedError())
        self._answering.next = attempt
        return cast("Deferred[IResponse]", self.inner.request(method, uri, headers, bodyProducer))


def _case(folder: Path) -> Case:
    told: dict[str, Any] = json.loads((folder / "case.json").read_bytes())
    return Case(
        folder=folder,
        shows=told["shows"],
        mode=told["mode"],
        path=told.get("path", _PATHS[folder.parent.name]),
        headers=told.get("headers", {}),
        request=(folder / "request.json").read_bytes(),
        settings=_settings(folder / "config.json"),
        attempts=[_attempt(folder, attempt) for attempt in told["upstream"]],
        status=told["status"],
        notes=told.get("notes", ""),
        response_headers=told.get("response_headers", {}),
    )


def _settings(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    plain, config = Config(), load(path=str(file), environ={}, options={}).config
    values = {setting.attribute: getattr(config, setting.attribute) for setting in settings()}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}


def _attempt(folder: Path, told: Mapping[str, Any]) -> Attempt:
    body = (folder / told["body"]).read_bytes() if "body" in told else b""
    return Attempt(told.get("status", 200), told.get("headers", {}), body, told.get("breaks", ""))


def _outcome(answer: Answer, bodies: Sequence[bytes]) -> Outcome:
    streamed = answer.headers["content-type"].startswith("text/event-stream")
    response = {"response.sse" if streamed else "response.json": answer.body}
    return Outcome(answer, {**_requests(bodies), **response}, len(bodies))


def _requests(bodies: Sequence[bytes]) -> dict[str, bytes]:
    """The bodies that went up, laid out for reading, by file; one that is the same as the one before has none."""
    files: dict[str, bytes] = {}
    before = b""
    for index, body in enumerate(bodies, 1):
        if body and body != before:
            laid_out = json.dumps(json.loads(body), ensure_ascii=False, indent=1)
            files["upstream-request.json" if index == 1 else f"upstream-request-{index}.json"] = (
                laid_out.encode() + b"\n"
            )
        before = body
    return files


def _token(size: int) -> str:
    return (_HEX * size)[: 2 * size]
