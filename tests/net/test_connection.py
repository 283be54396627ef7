"""This module is the tests of one connection to the upstream: what it takes for an answer, and when it serves again."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.web.client import ResponseFailed, readBody
from twisted.web.iweb import IResponse
from zope.interface.verify import verifyObject

from ccproxy.net.idle import HeadTooLargeError
from tests.net.network import Peer
from tests.net.test_agent import ANSWER, AgentTestCase

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SURPLUS = (
    b"H",
    b"HTTP/1.1 200 Bad\r\nContent-Length: 6\r\n",
    b"HTTP/1.1 200 Bad\r\nContent-Length: 100\r\n\r\nabc",
    ANSWER,
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"nonsense\r\n",
)


class SurplusTests(AgentTestCase):
    """More than the answer that was asked for."""

    def test_not_kept(self) -> None:
        """A connection on which more came in the same read than its answer does not serve again, whatever it was."""
        for surplus in SURPLUS:
            first = self.post()
            peer = self.network.accept()
            peer.say(ANSWER + surplus)
            self.assertEqual((self.body(first), peer.hung_up_on), (b"hi", True), surplus)
            second = self.post()
            self.assertEqual(self.network.dials, 1, surplus)
            fresh = self.network.accept()
            fresh.say(ANSWER)
            self.assertEqual(self.body(second), b"hi", surplus)
            fresh.hang_up()

    def test_line_end(self) -> None:
        """A stray end of a line after an answer is no more than that."""
        first = self.post()
        peer = self.network.accept()
        peer.say(ANSWER + b"\r\n")

        self.assertEqual((self.body(first), peer.hung_up_on), (b"hi", False))

    def test_later(self) -> None:
        """What comes on an idle connection closes it."""
        peer = self.served()

        peer.say(ANSWER)

        self.assertTrue(peer.hung_up_on)


class ReadingTests(AgentTestCase):
    """What is taken for an answer."""

    def answered(self, data: bytes) -> tuple[Deferred[IResponse], Peer]:
        """A request that is answered so."""
        sent = self.post()
        peer = self.network.accept()
        peer.say(data)
        return sent, peer

    def test_trailing_spaces(self) -> None:
        """Spaces around a value are no part of it."""
        sent, _ = self.answered(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\nx-y: \tz \r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        )

        response = self.successResultOf(sent)
        self.assertEqual(response.headers.getRawHeaders(b"x-y"), [b"z"])
        self.assertEqual(self.successResultOf(readBody(response)), b"hi")

    def test_chunked_twice(self) -> None:
        """A server that chunks behind one that says so already is understood; any other coding is not."""
        field = b"Transfer-Encoding: chunked\r\n"
        for other, taken in ((field, True), (b"Transfer-Encoding: gzip\r\n", False)):
            sent, peer = self.answered(b"HTTP/1.1 200 OK\r\n" + other + field + b"\r\n2\r\nhi\r\n0\r\n\r\n")
            if taken:
                self.assertEqual(self.body(sent), b"hi")
                peer.hang_up()
            else:
                self.failureResultOf(sent, ResponseFailed)

    def test_trailers(self) -> None:
        """Trailers are passed over, and endless ones end the answer badly."""
        sent, peer = self.answered(CHUNKED + b"2\r\nhi\r\n0\r\nx: y\r\n\r\n")
        self.assertEqual(self.body(sent), b"hi")
        peer.hang_up()

        sent, peer = self.answered(CHUNKED + b"2\r\nhi\r\n0\r\nx: ")
        body = readBody(self.successResultOf(sent))
        for _ in range(3):
            peer.say(b"y" * 65536)

        failure = self.failureResultOf(body, ResponseFailed)
        self.assertTrue(failure.value.reasons[0].check(HeadTooLargeError))
        self.assertTrue(peer.hung_up_on)

    def test_long_body(self) -> None:
        """A body may be as long as it likes, and its chunks as small."""
        sent, peer = self.answered(CHUNKED)
        body = readBody(self.successResultOf(sent))
        for _ in range(100):
            peer.say(b"1\r\nx\r\n" * 1000)
        peer.say(b"0\r\n\r\n")

        self.assertEqual(len(self.successResultOf(body)), 100_000)

    def test_bodiless(self) -> None:
        """A 204 and a length of nothing are whole with their head."""
        for head in (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
            sent, peer = self.answered(head)
            self.assertEqual((self.body(sent), peer.hung_up_on), (b"", False))
            peer.hang_up()

    def test_delivered_once(self) -> None:
        """A body is delivered to one protocol."""
        sent, _ = self.answered(ANSWER)
        response = self.successResultOf(sent)
        readBody(response)

        self.assertRaises(RuntimeError, readBody, response)

    def test_is_a_response(self) -> None:
        """It has what a response has."""
        sent, _ = self.answered(ANSWER)

        self.assertTrue(verifyObject(IResponse, self.successResultOf(sent)))


class ClosingTests(AgentTestCase):
    """The end of the agent."""

    def test_after_close(self) -> None:
        """A connection that becomes idle after the end is closed, and nothing waits for it."""
        first = self.post()
        peer = self.network.accept()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        body = readBody(self.successResultOf(first))

        closing = self.agent.close()
        peer.say(b"hi")

        self.successResultOf(closing)
        self.assertEqual((self.successResultOf(body), peer.hung_up_on, self.network.timers()), (b"hi", True, 0))
