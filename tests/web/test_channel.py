"""Tests of requests that cannot be read without doubt, or are too large: each is refused once, and nothing of it becomes a second one."""

from __future__ import annotations

import json
from typing import Any

from tests.web.house import CHAT, KEY, LINGERING, MESSAGES, SPEECHES, Client, HouseTestCase, Speech

LIMIT = 1000
BODY = b'{"model":"sim/text","messages":[{"role":"user","content":"hello"}]}'
SMUGGLED = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"


def head(*lines: str | bytes, speech: Speech = CHAT) -> bytes:
    """The head of a request with a key, and with these lines."""
    fixed = (f"POST {speech.path} HTTP/1.1", "host: a", f"authorization: Bearer {KEY}")
    return b"\r\n".join(line.encode() if isinstance(line, str) else line for line in (*fixed, *lines)) + b"\r\n\r\n"


DOUBTFUL = {
    "length and chunks": head(f"content-length: {len(BODY)}", "transfer-encoding: chunked"),
    "chunks and length": head("transfer-encoding: chunked", f"content-length: {len(BODY)}"),
    "two lengths": head("content-length: 5", f"content-length: {len(BODY)}"),
    "one length twice": head(f"content-length: {len(BODY)}", f"content-length: {len(BODY)}"),
    "a list of lengths": head(f"content-length: {len(BODY)}, {len(BODY)}"),
    "a signed length": head(f"content-length: +{len(BODY)}"),
    "a negative length": head("content-length: -1"),
    "a length in words": head("content-length: five"),
    "a length without end": head("content-length: " + "9" * 5000),
    "a length of noughts": head("content-length: " + "0" * 5000 + str(len(BODY))),
    "an empty length": head("content-length:"),
    "no coding": head("transfer-encoding: identity", f"content-length: {len(BODY)}"),
    "chunks of HTTP/1.0": b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
    "a folded length": head("content-length:", f" {len(BODY)}"),
    "a folded field": head("x: y", "\tz", "content-length: 0"),
    "another coding": head("transfer-encoding: gzip, chunked"),
    "a coding in disguise": head("transfer-encoding: xchunked"),
    "a coding with a vertical tab": head("transfer-encoding: \x0bchunked"),
    "chunks twice": head("transfer-encoding: chunked", "transfer-encoding: chunked"),
    "a space before the colon": head(f"content-length : {len(BODY)}"),
    "a name with a control character": head(b"x\x01y: 1"),
    "a field without a colon": head("authorization"),
    "a line feed inside a field": head(b"x: 1\nhost: b"),
    "a carriage return inside a field": head(b"x: 1\rhost: b"),
    "a nul inside a field": head(b"x: 1\x002"),
    "a control character inside a key": head("x-api-key: user_\x7f"),
    "a length beyond all computers": head("content-length: 99999999999999999999"),
    "no version": b"POST /v1/chat/completions\r\nhost: a\r\n\r\n",
    "another version": b"POST /v1/chat/completions HTTP/2.0\r\nhost: a\r\n\r\n",
    "spaces in the path": b"POST /v1/chat completions HTTP/1.1\r\nhost: a\r\n\r\n",
    "a method with a slash": b"PO/ST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n",
    "two hosts": head("host: b", "content-length: 0"),
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "a host with a space": b"GET /health HTTP/1.1\r\nhost: a b\r\n\r\n",
    "a host with a path": b"GET /health HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "a bad chunk length": head("transfer-encoding: chunked") + b"xyz\r\n",
    "a negative chunk length": head("transfer-encoding: chunked") + b"-1\r\n\r\n",
    "a chunk longer than it says": head("transfer-encoding: chunked") + b"2\r\nabcde\r\n0\r\n\r\n",
    "an endless chunk length": head("transfer-encoding: chunked") + b"0" * 5000 + b"\r\n",
}


class DoubtTests(HouseTestCase):
    """Requests of which two readers could think differently."""

    def test_refused(self) -> None:
        """A request that can be read in two ways is a 400 with a JSON body, once; what follows it is not another request."""
        for name, request in DOUBTFUL.items():
            daemon = self.daemon()
            client = daemon.connect().send(request + BODY + SMUGGLED).send(SMUGGLED)
            daemon.advance(LINGERING)
            self.assertEqual([answer.status for answer in client.answers], [400], name)
            self.assertEqual(client.answer.error["type"], "invalid_request_error", name)
            self.assertEqual(client.answer.headers["connection"], "close", name)
            self.assertEqual((client.connected, daemon.tries, self.flushLoggedErrors()), (False, 0, []), name)

    def test_in_pieces(self) -> None:
        """It makes no difference how the bytes arrive."""
        for name, request in DOUBTFUL.items():
            daemon = self.daemon()
            client = daemon.connect()
            for byte in request:
                client.send(bytes([byte]))
            daemon.advance(LINGERING)
            self.assertEqual([answer.status for answer in client.answers], [400], name)

    def test_speech(self) -> None:
        """A request that cannot be read is refused in the dialect of its path, as far as that was read."""
        answer = self.daemon().connect().send(head("content-length: -1", speech=MESSAGES)).answer

        self.assertEqual(answer.document["type"], "error")

    def test_old_client(self) -> None:
        """A client of HTTP/1.0 need not say a host."""
        client = self.daemon().connect().send(b"GET /health HTTP/1.0\r\n\r\n")

        self.assertTrue(client.received.startswith(b"HTTP/1.0 200 OK\r\n"))
        self.assertTrue(client.received.endswith(b"\r\n\r\nOK"))

    def test_time_to_see_it(self) -> None:
        """A client that is refused while it sends has a moment to read the answer; what it sends meanwhile is dropped."""
        daemon = self.daemon()
        client = daemon.connect().send(head("content-length: -1"))

        client.send(b"x" * 100_000).send(SMUGGLED)
        still = client.connected
        daemon.advance(LINGERING)

        self.assertEqual((still, client.connected, len(client.answers)), (True, False, 1))
        self.assertEqual(daemon.clock.getDelayedCalls(), [])

    def test_draining(self) -> None:
        """A daemon that drains does not wait for a client that was refused."""
        daemon = self.daemon()
        client = daemon.connect().send(head("content-length: -1"))

        drained = daemon.site.drain()
        daemon.settle()

        self.successResultOf(drained)
        self.assertFalse(client.connected)


class ReachTests(HouseTestCase):
    """Requests at the edge of what is taken."""

    def test_long_first_line(self) -> None:
        """A first line may be as long as a header may."""
        client = self.daemon(max_header_bytes=65536).connect().ask("GET", "/health?" + "a" * 20_000)

        self.assertEqual(client.answer.status, 200)

    def test_empty_lines(self) -> None:
        """A client that sends nothing but empty lines is idle."""
        daemon = self.daemon(client_idle_timeout=10)
        client = daemon.connect()

        for _ in range(3):
            client.send(b"\r\n")
            daemon.advance(6)

        self.assertFalse(client.connected)


class ReadingTests(HouseTestCase):
    """Clients that ask and do not read."""

    def test_pipelining(self) -> None:
        """Of requests that come together no more are answered than are read; then the rest are, in order."""
        daemon = self.daemon()
        client = daemon.connect()
        client.stop_reading()
        client.send(SMUGGLED * 50)
        for _ in range(20):
            client.send(SMUGGLED * 50)
        unread = len(client.answers)

        while len(client.answers) < 1050:
            before = len(client.answers)
            client.read_on()
            self.assertGreater(len(client.answers), before)

        self.assertEqual(unread, 1)
        self.assertEqual({answer.status for answer in client.answers}, {200})

    def test_not_read_on(self) -> None:
        """While its answers wait, nothing is taken from such a client."""
        client = self.daemon().connect()
        client.stop_reading()
        client.send(SMUGGLED)

        self.assertEqual(client.wire.producerState, "paused")


class ClosingTests(HouseTestCase):
    """Connections that are to be closed."""

    def test_last_of_several(self) -> None:
        """The last request of a connection, which came with an earlier one, has all the time that its answer takes."""
        for first in ("sim/text", "sim/slow"):
            daemon = self.daemon(client_idle_timeout=2)
            ask = (CHAT.body(first), CHAT.body("sim/slow", stream=True))
            earlier, last = (json.dumps(body).encode() for body in ask)
            client = daemon.connect().send(
                head(f"content-length: {len(earlier)}")
                + earlier
                + head(f"content-length: {len(last)}", "connection: close")
                + last
            )

            daemon.wait(60)

            self.assertEqual([(answer.status, answer.complete) for answer in client.answers], [(200, True)] * 2, first)
            self.assertFalse(client.connected)

    def test_too_late(self) -> None:
        """What comes when the connection is closing, as it still may over TLS, is not served: nobody would get the answer."""
        daemon = self.daemon()
        client = daemon.connect().ask("GET", "/health")
        client.wire.disconnecting = True

        client.send_at_once(head(f"content-length: {len(BODY)}") + BODY)

        self.assertEqual((len(client.answers), daemon.tries, daemon.house.live), (1, 0, set()))

    def test_refused_and_unread(self) -> None:
        """A client that was refused and holds on is cut off, whatever it does."""
        daemon = self.daemon()
        client = daemon.connect()
        client.wire.loseConnection = lambda: None  # type: ignore[method-assign] # its buffer does not empty itself
        client.send(head("content-length: -1"))

        daemon.advance(LINGERING)
        before = client.wire.aborted
        daemon.advance(LINGERING)

        self.assertEqual((before, client.wire.aborted), (False, True))

    def test_last_answer_unread(self) -> None:
        """So is one that does not read the last answer of its connection, after the time of an idle one."""
        daemon = self.daemon(client_idle_timeout=10)
        client = daemon.connect()
        client.wire.loseConnection = lambda: None  # type: ignore[method-assign] # its buffer does not empty itself
        client.send(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")

        daemon.wait(40, 5)

        self.assertTrue(client.wire.aborted)

    def test_more_after_the_last(self) -> None:
        """What comes after the last request of a connection begins no other."""
        daemon = self.daemon()
        client = daemon.connect()
        client.wire.loseConnection = lambda: None  # type: ignore[method-assign] # as over TLS, until the other end agrees
        client.send(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")

        client.send(SMUGGLED).send(b"GET /hea")
        daemon.advance(20)

        self.assertEqual(len(client.answers), 1)

    def test_half_a_line_when_draining(self) -> None:
        """A request of which the daemon has half a line when it begins to drain is still answered."""
        daemon = self.daemon()
        client = daemon.connect().send(SMUGGLED[:6])

        daemon.site.drain()
        client.send(SMUGGLED[6:])

        self.assertEqual((client.answer.status, client.answer.headers["connection"]), (200, "close"))


class HeaderTests(HouseTestCase):
    """Headers beyond the limits."""

    def refused(self, request: bytes, **limits: Any) -> Client:
        """A client that was refused for its header, and dropped."""
        daemon = self.daemon(**limits)
        client = daemon.connect().send(request)
        daemon.advance(LINGERING)
        self.assertEqual((client.answer.status, client.connected, daemon.tries), (431, False, 0))
        return client

    def test_total(self) -> None:
        """A header that is too large altogether is a 431 that names the limit, in the dialect of the path."""
        for speech, place in ((CHAT, "code"), (MESSAGES, "type")):
            client = self.refused(head(*["x: " + "y" * 1000] * 20, speech=speech))
            self.assertIn("maxHeaderBytes", client.answer.error["message"])
            self.assertIn(client.answer.error[place], ("headers_too_large", "invalid_request_error"))

    def test_one_line(self) -> None:
        """A line that never ends is a 431 as soon as it is too long, whichever line it is."""
        for speech in SPEECHES:
            self.refused(head(speech=speech)[:-2] + b"x: " + b"y" * 20_000)
        self.refused(b"POST /" + b"y" * 20_000)

    def test_count(self) -> None:
        """Too many fields are a 431 that names the limit."""
        client = self.refused(head(*["x: y"] * 501))

        self.assertIn("maxHeaders", client.answer.error["message"])

    def test_at_the_limits(self) -> None:
        """A header of exactly the limits is taken."""
        request = head(*["x: y"] * 17, "content-length: 0")
        daemon = self.daemon(max_headers=20, max_header_bytes=len(request))

        self.assertEqual(daemon.connect().send(request).answer.status, 400)  # for its empty body
        self.refused(request, max_headers=19)
        self.refused(request, max_header_bytes=len(request) - 1)

    def test_no_limits(self) -> None:
        """With limits of 0 any header is taken."""
        daemon = self.daemon(max_headers=0, max_header_bytes=0)

        client = daemon.connect().send(head(*["x: " + "y" * 100] * 2000, f"content-length: {len(BODY)}") + BODY)

        self.assertEqual(client.answer.status, 200)


class BodyTests(HouseTestCase):
    """Bodies beyond the limit, which are refused before they are there."""

    def test_by_length(self) -> None:
        """A body that announces too much is refused at once, without any of it."""
        for speech in SPEECHES:
            daemon = self.daemon(max_body_bytes=LIMIT)
            client = daemon.connect().send(head(f"content-length: {LIMIT + 1}", speech=speech))
            self.assertEqual((client.answer.status, client.answer.headers["connection"]), (413, "close"))
            self.assertEqual(daemon.tries, 0)

    def test_in_chunks(self) -> None:
        """A body in chunks is refused as soon as it is beyond the limit, whether or not it goes on."""
        daemon = self.daemon(max_body_bytes=LIMIT)
        client = daemon.connect().send(head("transfer-encoding: chunked"))

        client.send(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        before = client.received
        client.send(b"1\r\n \r\n")

        self.assertEqual((before, client.answer.status), (b"", 413))
        client.send(b"0\r\n\r\n" + SMUGGLED)
        self.assertEqual(len(client.answers), 1)

    def test_end_in_the_same_read(self) -> None:
        """A body in chunks that is too large and whole in one read has one answer."""
        daemon = self.daemon(max_body_bytes=LIMIT)
        body = b"7d0\r\n" + b" " * 2000 + b"\r\n0\r\n\r\n"

        client = daemon.connect().send(head("transfer-encoding: chunked") + body + SMUGGLED)

        self.assertEqual(client.answers[0].status, 413)
        self.assertEqual(daemon.tries, 0)

    def test_strangers(self) -> None:
        """Without a key the answer is 401, however large the body is."""
        for framing in ("content-length: 5000", "transfer-encoding: chunked"):
            daemon = self.daemon(max_body_bytes=LIMIT)
            request = f"POST {MESSAGES.path} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n".encode()
            client = daemon.connect().send(request + b"7d0\r\n" + b" " * 2000)
            self.assertEqual((client.answer.status, client.answer.document["type"]), (401, "error"), framing)
