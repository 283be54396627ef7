"""Tests of the end of the daemon: answers that are under way may end, and then none is left without a word."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ccproxy.web.drain import Drain
from tests.dialects.strict import read_messages
from tests.web.agents import Mute
from tests.web.house import CHAT, MESSAGES, SPEECHES, HouseTestCase, MemoryDaemon


class DrainTests(HouseTestCase):
    """Stopping the service."""

    def setUp(self) -> None:
        """Nothing was closed yet."""
        self.closed = 0

    def close(self) -> None:
        """What the service closes last."""
        self.closed += 1

    def stopping(self, daemon: MemoryDaemon, grace: float = 25) -> tuple[Drain, Deferred[None]]:
        """The service of a daemon, and the end of it."""
        drain = Drain(daemon.site, daemon.house, grace, self.close)
        drain.startService()
        stopped = drain.stopService()
        daemon.settle()
        return drain, stopped

    def test_nothing_under_way(self) -> None:
        """Without connections it stops at once."""
        _, stopped = self.stopping(self.daemon())

        self.successResultOf(stopped)
        self.assertEqual(self.closed, 1)

    def test_idle_connections(self) -> None:
        """Connections that wait for a request are closed at once."""
        daemon = self.daemon()
        clients = [daemon.connect(), daemon.connect().ask("GET", "/health")]
        daemon.advance(1)

        _, stopped = self.stopping(daemon)

        self.successResultOf(stopped)
        self.assertEqual([client.connected for client in clients], [False, False])

    def test_fresh_connection(self) -> None:
        """A connection that was made just now has a moment for its request, which is served; without one it is closed."""
        daemon = self.daemon()
        asking, silent = daemon.connect(), daemon.connect()

        _, stopped = self.stopping(daemon)
        asking.ask("GET", "/health")
        daemon.advance(1)

        self.successResultOf(stopped)
        self.assertEqual((asking.answer.status, asking.connected), (200, False))
        self.assertEqual((silent.received, silent.connected), (b"", False))

    def test_grace(self) -> None:
        """An answer that is under way comes to its end, then its connection closes, and then the daemon stops."""
        for speech in SPEECHES:
            for stream in (False, True):
                daemon = self.daemon()
                client = daemon.connect().post(speech, "sim/slow", stream=stream)
                daemon.advance(0.2)
                _, stopped = self.stopping(daemon)
                self.assertNoResult(stopped)
                daemon.wait(2, 0.2)
                self.successResultOf(stopped)
                self.assertEqual((client.answer.status, client.answer.complete, client.connected), (200, True, False))
                self.assertIn("-> 200 ok", daemon.lines[0])

    def test_queue(self) -> None:
        """A request whose turn comes only because those before it were given up is not sent to the upstream any more."""
        daemon = self.daemon(key_concurrency=1)
        clients = [daemon.connect().post(CHAT, "sim/silent", stream=True) for _ in range(2)]
        _, stopped = self.stopping(daemon, grace=5)

        daemon.wait(8, 1)

        self.successResultOf(stopped)
        self.assertEqual([client.answer.status for client in clients], [503, 503])
        self.assertEqual(len(daemon.simulator.requests), 1)

    def test_connection_close(self) -> None:
        """A request that arrives meanwhile on an open connection is a 503 to be tried again, and the connection closes."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/slow", stream=True)
        half = daemon.connect().send(b"POST /v1/messages HTTP/1.1\r\nhost: a\r\n")
        self.stopping(daemon)

        half.send(b"authorization: Bearer user_test_key\r\ncontent-length: 2\r\n\r\n{}")

        self.assertEqual((half.answer.status, half.answer.error["type"]), (503, "overloaded_error"))
        self.assertEqual((half.answer.headers["x-should-retry"], half.answer.headers["connection"]), ("true", "close"))
        self.assertEqual((half.connected, client.connected), (False, True))

    def test_health(self) -> None:
        """While it drains the daemon is still healthy for those who ask on an open connection."""
        daemon = self.daemon()
        daemon.connect().post(CHAT, "sim/silent")
        client = daemon.connect().send(b"GET /health HTTP/1.1\r\n")
        self.stopping(daemon)

        client.send(b"host: a\r\n\r\n")

        self.assertEqual((client.answer.status, client.connected), (200, False))

    def test_abandoned_stream(self) -> None:
        """A stream that is not done after the grace ends with a retryable error frame."""
        daemon = self.daemon()
        chat = daemon.connect().post(CHAT, "sim/stall", stream=True)
        messages = daemon.connect().post(MESSAGES, "sim/stall", stream=True)
        _, stopped = self.stopping(daemon, grace=5)

        daemon.wait(4)
        still = chat.answer.complete
        daemon.wait(1)

        error = read_messages(messages.answer.body).error
        self.successResultOf(stopped)
        self.assertEqual((still, chat.answer.complete, chat.connected), (False, True, False))
        self.assertEqual((error and error["type"], daemon.simulator.closed_early), ("overloaded_error", 2))
        self.assertIn(b"shutting down", chat.answer.body)
        self.assertNotIn(b"[DONE]", chat.answer.body)

    def test_abandoned_before_the_first_byte(self) -> None:
        """What has not begun after the grace is a 503, also what still waits for its turn."""
        for stream in (False, True):
            daemon = self.daemon(key_concurrency=1)
            clients = [daemon.connect().post(MESSAGES, "sim/silent", stream=stream) for _ in range(2)]
            _, stopped = self.stopping(daemon, grace=5)
            daemon.wait(5)
            self.successResultOf(stopped)
            for client in clients:
                self.assertEqual((client.answer.status, client.answer.error["type"]), (503, "overloaded_error"))
                self.assertEqual(client.answer.headers["x-should-retry"], "true")
            self.assertEqual(daemon.simulator.open_streams, 0)

    def test_abandoned_while_dialing(self) -> None:
        """A request that the upstream has not answered is given up with a 503."""
        agent = Mute()
        daemon = self.daemon(agent)
        client = daemon.connect().post(CHAT)
        _, stopped = self.stopping(daemon, grace=5)

        daemon.wait(5)

        self.successResultOf(stopped)
        self.assertEqual((client.answer.status, agent.given_up), (503, 1))
        self.assertIn("-> 503 overloaded", daemon.lines[0])

    def test_abandoned_between_tries(self) -> None:
        """A request in the pause before another try is given up with a 503, and there is no other try."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/start-only")
        _, stopped = self.stopping(daemon, grace=0.05)

        daemon.wait(3, 0.05)

        self.successResultOf(stopped)
        self.assertEqual((client.answer.status, daemon.tries), (503, 1))
        self.assertIn("shutting down", client.answer.error["message"])

    def test_abandoned_after_pings(self) -> None:
        """A stream that has nothing but pings ends with an error frame."""
        daemon = self.daemon(header_delay=1)
        client = daemon.connect().post(MESSAGES, "sim/silent", stream=True)
        _, stopped = self.stopping(daemon, grace=5)

        daemon.wait(5)

        reading = read_messages(client.answer.body)
        self.successResultOf(stopped)
        self.assertEqual((reading.pings, reading.error and reading.error["type"]), (1, "overloaded_error"))

    def test_hurry(self) -> None:
        """Asked a second time, it waits no longer."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)
        drain, stopped = self.stopping(daemon)

        drain.hurry()
        daemon.settle()

        self.successResultOf(stopped)
        self.assertIn(b"shutting down", client.answer.body)
        self.assertTrue(client.answer.complete)

    def test_hurry_for_nothing(self) -> None:
        """Asked to hurry when there is nothing to wait for, it does nothing."""
        daemon = self.daemon()
        drain = Drain(daemon.site, daemon.house, 25, self.close)
        drain.hurry()

        done, stopped = self.stopping(daemon)
        done.hurry()

        self.successResultOf(stopped)
        self.assertEqual(self.closed, 1)

    def test_hurry_beforehand(self) -> None:
        """Asked to hurry before it is asked to stop, it gives no grace."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)
        drain = Drain(daemon.site, daemon.house, 25, self.close)
        drain.startService()

        drain.hurry()
        stopped = drain.stopService()
        daemon.advance(0)
        daemon.settle()

        self.successResultOf(stopped)
        self.assertIn(b"shutting down", client.answer.body)

    def test_client_that_does_not_read(self) -> None:
        """A client that reads nothing holds the daemon up for the grace and a moment, not longer."""
        daemon = self.daemon()
        client = daemon.connect().send(b"GET /health HTTP/1.1\r\n")
        client.wire.loseConnection = lambda: None  # type: ignore[method-assign] # bytes that never leave keep a socket open
        _, stopped = self.stopping(daemon, grace=5)

        daemon.wait(2)
        self.assertNoResult(stopped)
        daemon.wait(2)

        self.successResultOf(stopped)
        self.assertEqual(self.closed, 1)

    def test_log(self) -> None:
        """The log says how many answers are waited for."""
        daemon = self.daemon()
        daemon.connect().post(CHAT, "sim/silent")

        self.stopping(daemon)

        waiting = [event for event in daemon.events if "grace" in event]
        self.assertEqual([(event["count"], event["grace"]) for event in waiting], [(1, 25)])
