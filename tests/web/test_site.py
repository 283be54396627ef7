"""Tests of HTTP before any route: sizes, slow clients, and how many of them there may be."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.web.body import BoundedBody
from ccproxy.web.channel import ProxyChannel
from tests.web.house import CHAT, KEY, LINGERING, MESSAGES, SPEECHES, Client, HouseTestCase, MemoryDaemon

HEAD = f"POST {CHAT.path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n".encode()
LIMIT = 1000


class SizeTests(HouseTestCase):
    """Bodies beyond the limit."""

    def chunked(self, client: Client, *chunks: bytes) -> Client:
        """Send a body in chunks, whole."""
        client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for chunk in chunks:
            client.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        return client.send(b"0\r\n\r\n")

    def test_by_length(self) -> None:
        """A body that announces too much is a 413 in the path's dialect, and the connection is closed."""
        for speech, kind in ((CHAT, "invalid_request_error"), (MESSAGES, "request_too_large")):
            daemon = self.daemon(max_body_bytes=LIMIT)
            client = daemon.connect().post(speech, padding="x" * LIMIT)
            self.assertEqual((client.answer.status, client.answer.error["type"]), (413, kind))
            self.assertEqual(client.answer.headers["connection"], "close")
            self.assertEqual(daemon.tries, 0)

    def test_in_chunks(self) -> None:
        """A body that grows too large in chunks is a 413."""
        client = self.chunked(self.daemon(max_body_bytes=LIMIT).connect(), *[b" " * 100] * 11)

        self.assertEqual((client.answer.status, client.answer.error["code"]), (413, "request_too_large"))

    def test_at_the_limit(self) -> None:
        """A body of exactly the limit is served, by length and in chunks."""
        body = b'{"model":"sim/text","messages":[{"role":"user","content":"hello"}]}'.ljust(LIMIT)
        daemon = self.daemon(max_body_bytes=LIMIT)

        whole = daemon.connect().ask("POST", CHAT.path, body, {"authorization": f"Bearer {KEY}"})
        pieces = self.chunked(daemon.connect(), *(body[start : start + 7] for start in range(0, LIMIT, 7)))

        self.assertEqual((whole.answer.status, pieces.answer.status), (200, 200))

    def test_no_limit(self) -> None:
        """With a limit of 0 any size is taken."""
        client = self.daemon(max_body_bytes=0).connect().post(CHAT, padding="x" * 200_000)

        self.assertEqual(client.answer.status, 200)

    def test_invitation(self) -> None:
        """A client that asks first is invited to send a body that fits, and told at once of one that is too large."""
        daemon = self.daemon(max_body_bytes=LIMIT)

        fitting = daemon.connect().send(HEAD + b"expect: 100-continue\r\ncontent-length: 100\r\n\r\n")
        too_large = daemon.connect().send(HEAD + b"expect: 100-continue\r\ncontent-length: 1001\r\n\r\n")

        self.assertEqual(fitting.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual((too_large.answer.status, too_large.answer.headers["x-should-retry"]), (413, "false"))

    def test_strangers(self) -> None:
        """Of a body that comes without a key nothing is kept, as its answer is known."""
        daemon = self.daemon()
        client = daemon.connect().send(
            b"POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 4000\r\n\r\n" + b"x" * 2000
        )

        (channel,) = daemon.site.channels
        assert isinstance(channel, ProxyChannel)
        self.assertEqual(channel.requests[-1].content.getvalue(), b"")

        client.send(b"x" * 2000)
        self.assertEqual(client.answer.status, 401)

    def test_empty_line_between_requests(self) -> None:
        """An empty line after a body does not begin a request that could be late."""
        daemon = self.daemon()
        client = daemon.connect().ask("GET", "/health").send(b"\r\n")

        daemon.advance(20)

        self.assertEqual((client.answer.status, client.connected), (200, True))

    def test_slow_reader_of_a_finished_answer(self) -> None:
        """A client that still reads an answer is not idle; one that has stopped is given up in the end."""
        daemon = self.daemon(client_idle_timeout=10, client_stall_timeout=60)
        client = daemon.connect()
        client.stop_reading()
        client.ask("GET", "/health")

        daemon.wait(50, 5)
        still = client.connected
        daemon.wait(30, 5)

        self.assertEqual((still, client.connected), (True, False))


class BodyTests(SynchronousTestCase):
    """A body in memory."""

    def test_dropped(self) -> None:
        """What is beyond the limit is counted and not kept."""
        body = BoundedBody(10, None)

        for _ in range(3):
            body.write(b"123456")

        self.assertEqual((body.too_large, body.received, body.getvalue()), (True, 18, b""))

    def test_announced(self) -> None:
        """Of a body that announces too much nothing is kept."""
        body = BoundedBody(10, 11)

        body.write(b"1")

        self.assertEqual((body.too_large, body.getvalue()), (True, b""))


class SlowTests(HouseTestCase):
    """Clients that take their time to ask."""

    def test_slow_header(self) -> None:
        """A header that is not whole in time is a 408, and the connection is closed."""
        daemon = self.daemon(client_header_timeout=15)
        client = daemon.connect().send(HEAD)

        for _ in range(7):
            daemon.advance(2)
            client.send(b"x-a: b\r\n")
        before = client.received
        daemon.advance(2)
        daemon.advance(LINGERING)

        self.assertEqual((before, client.answer.status), (b"", 408))
        self.assertEqual(client.answer.headers["connection"], "close")
        self.assertEqual(client.answer.headers["access-control-allow-origin"], "*")
        self.assertFalse(client.connected)
        self.assertEqual(daemon.clock.getDelayedCalls(), [])

    def test_slow_body(self) -> None:
        """A body that brings less than a kilobyte in its time is a 408, and the connection is closed."""
        daemon = self.daemon(client_body_timeout=30)
        client = daemon.connect().send(HEAD + b"content-length: 100000\r\n\r\n")

        client.send(b" " * 1023)
        daemon.advance(30)
        daemon.advance(LINGERING)

        self.assertEqual((client.answer.status, client.answer.error["code"]), (408, "request_timeout"))
        self.assertEqual(client.answer.headers["access-control-allow-origin"], "*")
        self.assertFalse(client.connected)
        self.assertEqual((daemon.tries, daemon.clock.getDelayedCalls()), (0, []))

    def test_slow_but_steady_body(self) -> None:
        """A body that makes progress may take as long as it needs."""
        daemon = self.daemon(client_body_timeout=30)
        body = b'{"model":"sim/text","messages":[{"role":"user","content":"hello"}]}'.ljust(5 * 1024)
        client = daemon.connect().send(HEAD + b"content-length: %d\r\n\r\n" % len(body))

        for start in range(0, len(body), 1024):
            daemon.advance(29)
            client.send(body[start : start + 1024])

        self.assertEqual(client.answer.status, 200)

    def test_body_that_stops(self) -> None:
        """A body that made progress and then stops is a 408."""
        daemon = self.daemon(client_body_timeout=30)
        client = daemon.connect().send(HEAD + b"content-length: 100000\r\n\r\n" + b" " * 5000)

        daemon.wait(59)
        still = client.received
        daemon.wait(1)

        self.assertEqual((still, client.answer.status), (b"", 408))

    def test_idle_connection(self) -> None:
        """A connection between requests is closed after its time, without a word."""
        daemon = self.daemon(client_idle_timeout=75)
        client = daemon.connect().ask("GET", "/health")

        daemon.advance(74)
        still = client.connected
        daemon.advance(2)

        self.assertEqual((still, client.connected, len(client.answers)), (True, False, 1))

    def test_silent_connection(self) -> None:
        """A connection that never says anything is closed after its time."""
        daemon = self.daemon(client_idle_timeout=75)
        client = daemon.connect()

        daemon.advance(76)

        self.assertEqual((client.connected, client.received), (False, b""))

    def test_long_answer(self) -> None:
        """The limits on a client's silence do not count while it waits for its answer."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/silent")

        daemon.advance(800)

        self.assertEqual((client.connected, client.received), (True, b""))

    def test_off(self) -> None:
        """With limits of 0 a client may take for ever."""
        daemon = self.daemon(client_header_timeout=0, client_body_timeout=0, client_idle_timeout=0)
        clients = [
            daemon.connect(),
            daemon.connect().send(b"GET"),
            daemon.connect().send(HEAD + b"content-length: 9\r\n\r\n"),
        ]

        daemon.advance(1_000_000)

        self.assertEqual([(client.connected, client.received) for client in clients], [(True, b"")] * 3)


class ConnectionsTests(HouseTestCase):
    """How many clients there may be."""

    def warnings(self, daemon: MemoryDaemon) -> int:
        """How often the log says that there are too many."""
        return sum("more are closed at once" in str(event.get("log_format")) for event in daemon.events)

    def test_most(self) -> None:
        """Beyond the limit a connection is closed at once, and the log says so once."""
        daemon = self.daemon(max_connections=2)
        clients = [daemon.connect(), daemon.connect()]

        more = [Client(daemon) for _ in range(3)]

        self.assertEqual([client.wire.aborted for client in (*clients, *more)], [False] * 2 + [True] * 3)
        self.assertEqual((len(daemon.site.channels), self.warnings(daemon)), (2, 1))

    def test_room_again(self) -> None:
        """Where one has left, another may come."""
        daemon = self.daemon(max_connections=1)
        daemon.connect().leave()

        self.assertEqual(daemon.connect().ask("GET", "/health").answer.status, 200)

    def test_unlimited(self) -> None:
        """With a limit of 0 any number may come."""
        daemon = self.daemon(max_connections=0)

        self.assertEqual(len([daemon.connect() for _ in range(50)]), len(daemon.site.channels))


class MemoryTests(HouseTestCase):
    """What is held of a request."""

    def test_large_body_in_memory(self) -> None:
        """A large body is in memory, not in a temporary file."""
        self.patch(__import__("tempfile"), "TemporaryFile", None)

        for speech in SPEECHES:
            client = (
                self.daemon()
                .connect()
                .ask("POST", speech.path, speech.body(padding="x" * 300_000), {"authorization": f"Bearer {KEY}"})
            )
            self.assertEqual(client.answer.status, 200)
