"""This module is a daemon between a client and an upstream that both may misbehave, and the watch on what must never be seen.

Every request of these tests carries a canary: a key and a sentence. Whatever happens, neither is in the log, at any level and in either
form, the key is in no answer, and no traceback is logged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from io import StringIO
from itertools import product
from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IListeningPort
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from ccproxy.logs import observer
from ccproxy.service import Assembly
from tests.dialects.strict import frames, read_chat, read_messages
from tests.faults.upstream import Script, ScriptedUpstream
from tests.sockets.house import Reader, SocketTestCase
from tests.web.house import MESSAGES, SPEECHES, Answer, Speech, answers

CANARY_KEY = "user_canary_key_that_nobody_may_see"
CANARY_TEXT = "the canary sings at midnight"
MODES: Sequence[tuple[Speech, bool]] = tuple(product(SPEECHES, (False, True)))


def request(speech: Speech, *, stream: bool, model: str = "test/model", **fields: Any) -> bytes:
    """A request for a turn, with the canary in it, on a connection that closes after it."""
    messages = [{"role": "user", "content": CANARY_TEXT}]
    body = json.dumps(speech.body(model, messages=messages, stream=stream, **fields)).encode()
    return head(speech, f"content-length: {len(body)}") + body


def head(speech: Speech, *fields: str, close: bool = True) -> bytes:
    """The head of a request with the canary for a key."""
    lines = (
        *(f"POST {speech.path} HTTP/1.1", "host: localhost", f"authorization: Bearer {CANARY_KEY}"),
        *(("connection: close",) if close else ()),
        *("content-type: application/json", *fields, "", ""),
    )
    return "\r\n".join(lines).encode()


def failure(speech: Speech, body: bytes, *, stream: bool) -> dict[str, Any]:
    """The error of a refusal, or the one at the end of a stream; fails where a stream ends like a success."""
    if not stream:
        return cast("dict[str, Any]", json.loads(body)["error"])
    if speech is MESSAGES:
        error = read_messages(body).error
        assert error is not None, "a stream that looks like a success"
        return error
    last = json.loads(frames(body)[-1].data or "")
    assert b"[DONE]" not in body and b'"finish_reason":"' not in body, "a stream that looks like a success"
    return cast("dict[str, Any]", last["error"])


def said(speech: Speech, body: bytes, *, stream: bool) -> str:
    """The text of a whole success."""
    if stream and speech is MESSAGES:
        return "".join(block["text"] for block in read_messages(body).blocks)
    if stream:
        return read_chat(body).text
    document = json.loads(body)
    if speech is MESSAGES:
        return "".join(block["text"] for block in document["content"])
    return str(document["choices"][0]["message"]["content"])


class FaultTestCase(SocketTestCase):
    """A test in which something goes wrong, and nothing is seen of the canary."""

    settings: ClassVar[Mapping[str, Any]] = {}

    def setUp(self) -> None:
        """Listen to all that is logged."""
        super().setUp()
        self.answered_with: list[bytes] = []
        self.events: list[LogEvent] = []
        self.lines = {form: StringIO() for form in ("text", "json")}
        watch = [
            observer(log_format=form, level="debug", path="", stream=stream) for form, stream in self.lines.items()
        ]
        for each in (*watch, cast("ILogObserver", self.events.append)):
            globalLogPublisher.addObserver(each)
            self.addCleanup(globalLogPublisher.removeObserver, each)

    def tearDown(self) -> None:
        """Nothing of the canary got out, and nothing was a surprise."""
        for form, stream in self.lines.items():
            self.assertNotIn("canary", stream.getvalue(), form)
        for body in self.answered_with:
            self.assertNotIn(CANARY_KEY.encode(), body)
        self.assertEqual([event for event in self.events if "log_failure" in event], [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def daemon(self, api_base: str | None = None, **settings: Any) -> Assembly:
        """A daemon that makes its pauses as short as they may be."""
        assembly = super().daemon(api_base, **{**self.settings, **settings})
        assembly.house.random = lambda: 0.0
        return assembly

    def upstream(self, *scripts: Script, greeting: Script = ()) -> tuple[ScriptedUpstream, str]:
        """An upstream that plays these scripts, and where it is."""
        made = ScriptedUpstream(self.clock, *scripts, greeting=greeting)
        return made, f"http://127.0.0.1:{self.served(made)}"

    def served(self, factory: Any) -> int:
        """The port of a factory."""
        port: IListeningPort = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        return self.listening(port)

    async def connected(self, assembly: Assembly) -> Reader:
        """A client of a daemon."""
        port = self.served(assembly.site)
        reader: Reader = await connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", port), Reader())
        self.addCleanup(reader.transport.abortConnection)  # type: ignore[union-attr] # it is connected
        return reader

    async def asked(self, assembly: Assembly, data: bytes) -> Answer:
        """The one answer to a request, whole."""
        reader = await self.connected(assembly)
        reader.transport.write(data)  # type: ignore[union-attr] # it is connected
        await self.until(lambda: reader.lost)
        self.answered_with.append(reader.data)
        (answer,) = answers(reader.data)
        self.assertTrue(answer.complete, "an answer that breaks off")
        return answer

    async def refused(self, reader: Reader) -> Answer:
        """The one answer that a client has by now, or soon; the client leaves as soon as it has it."""
        await self.until(lambda: any(answer.complete for answer in answers(reader.data)))
        reader.transport.loseConnection()  # type: ignore[union-attr] # it was connected
        (answer,) = answers(reader.data)
        return answer

    async def suffered(
        self,
        script: Script,
        status: int,
        says: str,
        *,
        text: str = "",
        tries: int | None = 1,
        greeting: Script = (),
        **settings: Any,
    ) -> None:
        """A fault of the upstream is what it should be to every client.

        Args:
            script: What the upstream does with each request.
            status: What a client gets before the first byte: of a document always, of a stream when there was no ``text``.
            says: Words of the error.
            text: What the upstream said before, which a stream's reader has got.
            tries: How often the upstream is asked; None for any number.
            greeting: What the upstream does when it is connected to.
            settings: The configuration of the daemon.
        """

        async def suffer(speech: Speech, stream: bool) -> None:
            upstream, api_base = self.upstream(script, greeting=greeting)
            assembly = self.daemon(api_base, **settings)
            answer = await self.asked(assembly, request(speech, stream=stream))
            begun = stream and bool(text)
            self.assertEqual(answer.status, 200 if begun else status, (speech.name, stream, answer.body))
            error = failure(speech, answer.body, stream=begun)
            self.assertIn(says, error["message"])
            if begun:
                self.assertIn(text.encode(), answer.body)
            if tries is not None and not greeting:
                self.assertEqual(len(upstream.requests), tries)
            await self.let_go(upstream, assembly)

        await self.in_every_mode(suffer)

    async def survived(self, script: Script, text: str = "A beginning", *, tries: int = 1, **settings: Any) -> None:
        """What the upstream does is no fault: every client gets the whole answer."""

        async def survive(speech: Speech, stream: bool) -> None:
            upstream, api_base = self.upstream(script)
            assembly = self.daemon(api_base, **settings)
            answer = await self.asked(assembly, request(speech, stream=stream))
            self.assertEqual(answer.status, 200, (speech.name, stream, answer.body))
            self.assertEqual(said(speech, answer.body, stream=stream), text)
            self.assertEqual(len(upstream.requests), tries)
            await self.let_go(upstream, assembly)

        await self.in_every_mode(survive)

    async def in_every_mode(self, act: Callable[[Speech, bool], Coroutine[Deferred[Any], Any, None]]) -> None:
        """Do it in both dialects, streamed and not, all at the same time."""
        await self.together(*(act(speech, stream) for speech, stream in MODES))

    async def together(self, *acts: Coroutine[Deferred[Any], Any, None]) -> None:
        """Do several things at the same time: what they wait for is waited for once."""
        try:
            await gatherResults(map(Deferred.fromCoroutine, acts), consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()

    async def let_go(self, upstream: ScriptedUpstream, assembly: Assembly) -> None:
        """Nothing is under way any more, and no connection is open but those that are kept, which close when told."""
        await self.until(lambda: not assembly.house.live)

        def closed() -> bool:
            self.agents[assembly.site].close()
            return not upstream.open

        await self.until(closed)
