"""This module is the whole daemon in memory: raw HTTP goes in at one end, a simulated upstream is at the other, and time is a value.

The server's side is its real factory of connections, so that everything of it runs: channel, request, routes, exchange, relay. The bytes
of a client go straight into a channel; the upstream is reached through an agent that ends in the simulator's own site.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import frozen
from treq.testing import RequestTraversalAgent
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from typing_extensions import Self, override

from ccproxy.config import Config
from ccproxy.service import assemble
from ccproxy.simulator.app import Simulator
from tests.unmeasured import Unmeasured

NOW = 1_790_000_000.0
"""When every test begins, Unix time."""

LINGERING = 2
"""Seconds for which a refused connection stays open."""

KEY = "user_test_key"
TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"


@frozen
class Speech:
    """How a client asks in one dialect."""

    name: str
    path: str

    def body(self, model: str = "sim/text", **fields: object) -> dict[str, Any]:
        """A small request; ``fields`` replace or add to it."""
        limit = {"max_tokens": 1000} if self is MESSAGES else {}
        return {"model": model, **limit, "messages": [{"role": "user", "content": "hello"}], **fields}

    def tool(self, name: str) -> dict[str, Any]:
        """The offer of a tool without arguments."""
        schema = {"type": "object", "properties": {}}
        if self is MESSAGES:
            return {"name": name, "description": "A tool.", "input_schema": schema}
        return {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": schema}}


CHAT = Speech("openai_chat", "/v1/chat/completions")
MESSAGES = Speech("anthropic_messages", "/v1/messages")
SPEECHES = (CHAT, MESSAGES)


@frozen
class Answer:
    """One response, as far as it has come; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool

    @property
    def document(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a refusal, in either dialect."""
        return cast("dict[str, Any]", self.document["error"])


class Wire(StringTransport):
    """A client's socket, seen from the server: after an abort nothing goes out any more."""

    aborted = False
    protocol: Any = None

    def __init__(self) -> None:
        super().__init__(lenient=True)

    @override
    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        if not self.aborted:
            super().write(data)

    @override
    def unregisterProducer(self) -> None:
        """Forget the producer, if there is one; a real socket does not mind either."""
        self.producer = self.streaming = None

    @override
    def abortConnection(self) -> None:
        """Drop the connection and what was not sent."""
        self.aborted = True
        super().abortConnection()


class Client:
    """One connection to the daemon.

    Attributes:
        wire: The server's end of it.
        connected: Whether it is still there.
    """

    def __init__(self, daemon: MemoryDaemon) -> None:
        self.wire = Wire()
        self.connected = True
        self._daemon = daemon
        self.wire.protocol = daemon.site.buildProtocol(None)
        self._protocol.makeConnection(self.wire)

    @property
    def _protocol(self) -> Any:
        """What serves the connection: a channel, until that hands it over."""
        return self.wire.protocol

    @property
    def received(self) -> bytes:
        """Every byte that came back."""
        return cast("bytes", self.wire.value())

    @property
    def answers(self) -> list[Answer]:
        """The responses that came back, the last one perhaps in part."""
        return list(answers(self.received))

    @property
    def answer(self) -> Answer:
        """The only response that came back."""
        (answer,) = self.answers
        return answer

    def send(self, data: bytes) -> Self:
        """Send bytes, and let everything run that can; what is sent into a lost connection is lost."""
        self.send_at_once(data)
        self._daemon.settle()
        return self

    def send_at_once(self, data: bytes) -> None:
        """Send bytes in the same turn of the reactor as whatever comes next."""
        if self.connected:
            self._protocol.dataReceived(data)

    def ask(
        self, method: str, path: str | bytes, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Client:
        """Send one whole request; a ``body`` that is no bytes goes as JSON."""
        target = path if isinstance(path, bytes) else path.encode()
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"host": "127.0.0.1", **({} if headers is None else headers)}
        if content:
            given = {"content-type": "application/json", "content-length": str(len(content)), **given}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return self.send(method.encode() + b" " + target + b" HTTP/1.1\r\n" + head.encode() + b"\r\n" + content)

    def post(self, speech: Speech, model: str = "sim/text", **fields: object) -> Client:
        """Ask for a turn."""
        return self.ask("POST", speech.path, speech.body(model, **fields), {"authorization": f"Bearer {KEY}"})

    def stop_reading(self) -> None:
        """Let the server's send buffer fill up."""
        self._protocol.pauseProducing()

    def read_on(self) -> None:
        """Let the server's send buffer empty itself."""
        self._protocol.resumeProducing()
        self._daemon.settle()

    def leave(self, *, tell_producer: bool = True) -> None:
        """Lose the connection, in the order in which a socket tells it: first to the producer, then to the protocol."""
        if not self.connected:
            return
        self.connected = False
        if tell_producer and self.wire.producer is not None:
            self.wire.producer.stopProducing()
        self._protocol.connectionLost(Failure(ConnectionLost()))
        self._daemon.settle()

    def notice(self) -> None:
        """Lose the connection if the server has closed it."""
        if self.wire.disconnecting:
            self.leave()


class MemoryDaemon:
    """A daemon whose upstream is a simulator.

    Args:
        agent: What opens connections to the upstream, in place of the simulator's.
        settings: What differs from the default configuration.

    Attributes:
        events: What was logged.
    """

    def __init__(self, agent: IAgent | None = None, **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.simulator = Simulator(self.clock, transcripts=TRANSCRIPTS)
        self.upstream = RequestTraversalAgent(self.simulator.resource())
        config = Config(**{"api_base": "http://127.0.0.1:3001", "cli_version": "1.62.1", **settings})
        self.house, self.app, self.site = assemble(config, agent or self.upstream, self.clock)
        self.events: list[LogEvent] = []
        self._clients: list[Client] = []
        self._flush = getattr(agent, "flush", lambda: None)

    def connect(self) -> Client:
        """A new connection."""
        client = Client(self)
        self.adopt(client)
        return client

    def adopt(self, client: Client) -> None:
        """Let a client notice what becomes of its connection."""
        self._clients.append(client)

    def settle(self) -> None:
        """Let everything run that needs no time."""
        self.clock.advance(0)  # the reactor's next turn
        for _ in range(3):
            self.upstream.flush()
            self._flush()
        for client in self._clients:
            client.notice()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.settle()

    def end(self) -> None:
        """Let every client leave, and what is kept for a moment after an answer with them."""
        for client in self._clients:
            client.leave()
        self.advance(self.house.config.drain_timeout)
        self.house.keeping.close()

    def wait(self, seconds: float, step: float = 1) -> None:
        """Let time pass in steps, so that what one step brings about can have its own time."""
        for _ in range(round(seconds / step)):
            self.advance(step)

    @property
    def tries(self) -> int:
        """How often the upstream was asked for a turn."""
        return len(self.simulator.requests)

    @property
    def lines(self) -> list[str]:
        """The log lines of exchanges that ended."""
        return [formatEvent(event) for event in self.events if "outcome" in event]


class HouseTestCase(Unmeasured):
    """A test with a daemon in memory."""

    def daemon(self, agent: IAgent | None = None, **settings: Any) -> MemoryDaemon:
        """A daemon whose log is kept for the test, and which leaves nothing behind after it."""
        daemon = MemoryDaemon(agent, **settings)
        self.watch(daemon)
        return daemon

    def watch(self, daemon: MemoryDaemon) -> None:
        """Keep a daemon's log, and see that it leaves nothing behind."""
        observer = cast("ILogObserver", daemon.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.addCleanup(self._end, daemon)

    def _end(self, daemon: MemoryDaemon) -> None:
        daemon.end()
        self.assertEqual(
            (daemon.simulator.open_streams, daemon.house.live, daemon.clock.getDelayedCalls()), (0, set(), [])
        )

    def asked(self, speech: Speech, model: str = "sim/text", **fields: object) -> Answer:
        """The answer of a new daemon to one turn that needs no time."""
        return self.daemon().connect().post(speech, model, **fields).answer


def answers(data: bytes) -> Iterator[Answer]:
    """The responses that bytes consist of, the last one perhaps in part."""
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        body, complete, data = _body(rest, headers)
        yield Answer(int(status.split(" ")[1]), headers, body, complete)


def _body(data: bytes, headers: Mapping[str, str]) -> tuple[bytes, bool, bytes]:
    """The body that ``data`` begins with, whether it is whole, and what follows it."""
    if headers.get("transfer-encoding") == "chunked":
        return _unchunked(data)
    length = int(headers.get("content-length", "0"))
    return data[:length], len(data) >= length, data[length:]


def _unchunked(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body, True, rest[2:]
        body += rest[:length]
        data = rest[length + 2 :]
    return body, False, b""
