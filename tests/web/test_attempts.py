"""Tests of when the upstream is asked again: only where nothing can have been generated."""

from __future__ import annotations

from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseNeverReceived

from ccproxy.simulator.scenarios import NAMES
from tests.web.agents import Failing
from tests.web.house import CHAT, SPEECHES, HouseTestCase, MemoryDaemon

AGAIN = {"sim/http-503", "sim/http-529", "sim/start-only"}


class TriesTests(HouseTestCase):
    """How often the upstream is asked."""

    def tried(self, model: str, *, stream: bool) -> int:
        """How often a turn of a new daemon reaches the upstream in ten seconds."""
        daemon = self.daemon()
        daemon.connect().post(CHAT, model, stream=stream)
        daemon.wait(10)
        return daemon.tries

    def test_every_scenario(self) -> None:
        """Overload and an answer that never began are tried three times, everything else once."""
        for model in (*NAMES, "sim/http-nothing", "transcript/08_zero_output", "transcript/19_error_prefix_429"):
            for stream in (False, True):
                self.assertEqual(self.tried(model, stream=stream), 3 if model in AGAIN else 1, (model, stream))

    def test_pauses(self) -> None:
        """The second try comes after 0.1 to 0.3 seconds, and the third 0.3 to 0.9 seconds later."""
        daemon = self.daemon()
        daemon.connect().post(CHAT, "sim/http-503")

        tries = []
        for pause in (0.099, 0.201, 0.299, 0.601, 100):
            daemon.advance(pause)
            tries.append(daemon.tries)

        self.assertEqual(tries, [1, 2, 2, 3, 3])

    def test_log(self) -> None:
        """The log line says how often the upstream was asked."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/http-503")

        daemon.advance(0.3)
        daemon.advance(0.9)

        self.assertEqual(client.answer.status, 503)
        self.assertIn("-> 503 overloaded", daemon.lines[0])
        self.assertIn("tries 3", daemon.lines[0])

    def test_same_request(self) -> None:
        """The second try says what the first one said, under the same session and trace."""
        daemon = self.daemon()
        daemon.connect().post(CHAT, "sim/start-only")

        daemon.advance(0.3)

        first, second = daemon.simulator.requests
        self.assertEqual((first.body, first.key, first.headers), (second.body, second.key, second.headers))


class ConnectionTests(HouseTestCase):
    """Connections that cannot be made, or break before the answer."""

    def through(self, times: int, error: Exception) -> tuple[Failing, MemoryDaemon]:
        """A daemon whose first connections fail."""
        agent = Failing(times, error)
        agent.daemon = self.daemon(agent)
        return agent, agent.daemon

    def test_recovers(self) -> None:
        """A connection that can be made at the third try serves the client, who sees nothing of it."""
        for speech in SPEECHES:
            agent, daemon = self.through(2, ConnectionRefusedError())
            client = daemon.connect().post(speech, stream=True)
            daemon.advance(0.3)
            daemon.advance(0.9)
            self.assertEqual((client.answer.status, client.answer.complete, agent.asked), (200, True, 3))

    def test_unreachable(self) -> None:
        """An upstream that cannot be reached is a 502 that says so, after three tries."""
        for error, words in (
            (ConnectionRefusedError(), "could not be reached"),
            (ConnectError(), "could not be reached"),
            (ConnectTimeoutError(), "could not be made in time"),
            (DNSLookupError(), "could not be resolved"),
        ):
            agent, daemon = self.through(9, error)
            client = daemon.connect().post(CHAT)
            daemon.advance(0.3)
            daemon.advance(0.9)
            self.assertEqual((client.answer.status, agent.asked), (502, 3), error)
            self.assertIn(words, client.answer.error["message"])
            self.assertEqual(client.answer.headers["retry-after"], "1")

    def test_broken(self) -> None:
        """A connection that breaks after the request may have been read is not tried again."""
        for error in (
            ResponseNeverReceived([Failure(ConnectionRefusedError())]),
            RequestTransmissionFailed([Failure(ConnectionRefusedError())]),
        ):
            agent, daemon = self.through(9, error)
            client = daemon.connect().post(CHAT, stream=True)
            daemon.advance(5)
            self.assertEqual((client.answer.status, agent.asked), (502, 1))
            self.assertIn("closed the connection before it answered", client.answer.error["message"])
