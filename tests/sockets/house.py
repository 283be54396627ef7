"""This module is a daemon and its simulated upstream on real sockets of the test's own reactor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from ccproxy.config import Config
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.standard import StandardAgent
from ccproxy.service import AGENTS, Assembly, assemble
from ccproxy.simulator.app import Simulator
from ccproxy.simulator.service import SimulatorSite
from ccproxy.web.site import ProxySite
from tests.unmeasured import Unmeasured
from tests.web.house import CHAT, KEY, Speech

_PATIENCE_SECONDS = 10.0
_STEP_SECONDS = 0.001


class Reader(Protocol):
    """A client that keeps what it reads.

    Attributes:
        data: What it has read.
        lost: Why there is no connection any more.
    """

    def __init__(self) -> None:
        self.data = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Keep the reason."""
        self.lost = reason


def request(speech: Speech = CHAT, model: str = "sim/text", **fields: object) -> bytes:
    """The bytes of a request for a turn, on a connection that closes after it."""
    body = json.dumps(speech.body(model, **fields)).encode()
    head = (
        f"POST {speech.path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class SocketTestCase(Unmeasured, TestCase):
    """A test with a simulator and a daemon that listen."""

    def setUp(self) -> None:
        """Take the reactor, and a simulator."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.clock: IReactorTime = self.reactor
        self.simulator = Simulator(self.clock)
        self.agents: dict[ProxySite, UpstreamAgent | StandardAgent] = {}

    def listening(self, port: IListeningPort) -> int:
        """The number of a port that is closed after the test."""
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port  # type: ignore[attr-defined] # of TCP
        return number

    def daemon(self, api_base: str | None = None, **settings: Any) -> Assembly:
        """A daemon that does not listen yet, on a simulator that does."""
        if api_base is None:
            site = SimulatorSite(self.simulator.resource())
            api_base = f"http://127.0.0.1:{self.listening(self.reactor.listenTCP(0, site, interface='127.0.0.1'))}"
        config = Config(**{"api_base": api_base, "cli_version": "1.62.1", **settings})
        agent = AGENTS[config.upstream_client](self.reactor, connect_timeout=config.connect_timeout)
        self.addCleanup(agent.close)
        assembly = assemble(config, agent, self.reactor)
        self.agents[assembly.site] = agent
        return assembly

    async def until(self, condition: Callable[[], object], seconds: float = _PATIENCE_SECONDS) -> None:
        """Let the reactor run until something is so."""
        deadline = self.clock.seconds() + seconds
        while not condition():
            self.assertLess(self.clock.seconds(), deadline, "it did not come about")
            await deferLater(self.clock, _STEP_SECONDS)

    async def answered(self, connected: Deferred[Any], data: bytes) -> bytes:
        """What comes back on a connection until it is closed."""
        reader: Reader = await connected
        reader.transport.write(data)  # type: ignore[union-attr] # it is connected
        await self.until(lambda: reader.lost)
        return reader.data
