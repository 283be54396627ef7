"""This module is the tests of the upstream client: what goes out, what a refusal says, and what a failure is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError, NoRouteError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import VerificationError
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IBodyProducer, IResponse
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.body import BytesProducer
from ccproxy.net.client import Reply, UpstreamClient
from ccproxy.net.idle import KEPT_SECONDS
from tests.net.network import Network, Peer

URL = "http://api.example/alpha/generate"
POST = HTTPRequest("POST", URL, (("Authorization", "Bearer user_test_key"), ("X-Mark", "1")), b'{"params":{}}')
GET = HTTPRequest("GET", URL, ())


def diagnosed(status: int, headers: Mapping[str, str], body: bytes) -> ProxyError:
    """A diagnosis that repeats what it was given."""
    return ProxyError(Kind.PERMISSION, "refused", details={"status": status, "headers": headers, "body": body})


class ClientTestCase(SynchronousTestCase):
    """A client on a network in memory."""

    @override
    def setUp(self) -> None:
        self.network = Network()
        agent = UpstreamAgent(self.network, connect_timeout=10)
        self.client = UpstreamClient(agent, self.network)

    def open(self, request: HTTPRequest = POST, *, seconds: float = 60) -> Deferred[IResponse]:
        """Send a request of which a 200 is expected."""
        return Deferred.fromCoroutine(self.client.open(request, diagnosed, seconds=seconds))

    def fetch(self, request: HTTPRequest = GET, *, limit: int = 1000, seconds: float = 10) -> Deferred[Reply]:
        """Send a request of which the whole response is expected."""
        return Deferred.fromCoroutine(self.client.fetch(request, limit=limit, seconds=seconds))

    def error_of(self, sent: Deferred[IResponse] | Deferred[Reply]) -> ProxyError:
        """Why there is no response."""
        error = self.failureResultOf(sent, ProxyError).value
        assert isinstance(error, ProxyError)
        return error


class RequestTests(ClientTestCase):
    """What goes out."""

    def test_request_is_on_the_wire_as_it_is(self) -> None:
        """Method, path, headers and body are those of the value, and nothing reveals who we are."""
        self.open()

        heard = self.network.accept().heard

        head, _, body = heard.partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        self.assertEqual(first, b"POST /alpha/generate HTTP/1.1")
        self.assertEqual(
            sorted(header.lower() for header in headers),
            [
                b"accept-encoding: identity",
                b"authorization: bearer user_test_key",
                b"content-length: 13",
                b"host: api.example",
                b"x-mark: 1",
            ],
        )
        self.assertEqual(body, b'{"params":{}}')

    def test_encoding_that_the_request_names_goes_out_once(self) -> None:
        """The upstream's codec asks for identity itself; the header is not repeated."""
        self.open(HTTPRequest("POST", URL, (("Accept-Encoding", "identity"),), b"{}"))

        heard = self.network.accept().heard

        self.assertEqual(heard.lower().count(b"accept-encoding"), 1)

    def test_user_agent_goes_out_when_it_is_given(self) -> None:
        """A configured user agent is sent as it is."""
        self.open(HTTPRequest("POST", URL, (("User-Agent", "mine/1"),), b"{}"))

        heard = self.network.accept().heard

        self.assertEqual(heard.lower().count(b"user-agent: mine/1"), 1)

    def test_empty_body_is_sent_as_such(self) -> None:
        """A POST has a length even when it has no body; a GET has none."""
        self.open(HTTPRequest("POST", URL, ()))
        self.fetch(GET)

        posted, got = self.network.accept().heard, self.network.accept().heard

        self.assertIn(b"Content-Length: 0\r\n", posted)
        self.assertNotIn(b"content-length", got.lower())

    def test_cookie_of_one_caller_is_not_sent_with_the_key_of_another(self) -> None:
        """Cookies are dropped: there is one client for all keys (trap P5)."""
        for _ in range(2):
            first = self.open()
            peer = self.network.accept()
            peer.say(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: tenant=a; Path=/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self.successResultOf(first)

        self.assertNotIn(b"cookie", peer.heard.lower())

    def test_body_producer_can_start_twice(self) -> None:
        """A request body is a body producer that writes itself whole, as often as it is asked to."""
        producer, wire = BytesProducer(b"question"), StringTransport()

        self.successResultOf(producer.startProducing(wire))
        self.successResultOf(producer.startProducing(wire))

        self.assertTrue(verifyObject(IBodyProducer, producer))
        self.assertEqual((wire.value(), producer.length), (b"questionquestion", 8))


class AnswerTests(ClientTestCase):
    """What a response becomes."""

    def answered(self, status: bytes, headers: bytes = b"", body: bytes = b"") -> tuple[Deferred[IResponse], Peer]:
        """A request and what it was answered."""
        sent = self.open()
        peer = self.network.accept()
        peer.say(b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, headers, body))
        return sent, peer

    def test_200_is_handed_over_unread(self) -> None:
        """The body of a 200 is the caller's to deliver; until then the upstream is not read."""
        sent, peer = self.answered(b"200 OK", b"Content-Length: 100\r\n", b"some of it")

        self.assertEqual(self.successResultOf(sent).code, 200)
        self.assertTrue(peer.paused)
        self.assertFalse(peer.hung_up_on)

    def test_200_is_kept_nowhere(self) -> None:
        """A body is delivered once; nobody holds it in memory for another time (trap P29)."""
        sent, _ = self.answered(b"200 OK", b"Content-Length: 100\r\n", b"some of it")
        response = self.successResultOf(sent)
        response.deliverBody(Protocol())

        self.assertRaises(RuntimeError, response.deliverBody, Protocol())

    def test_200_ends_the_deadline(self) -> None:
        """Once the headers are here, the body may take its time: it has a deadline of its own."""
        sent, peer = self.answered(b"200 OK", b"Content-Length: 100\r\n")
        self.successResultOf(sent)

        self.network.advance(1000)

        self.assertFalse(peer.hung_up_on)
        self.assertEqual(self.network.timers(), 0)

    def test_refusal_is_diagnosed(self) -> None:
        """Anything but a 200 is read, and named by its status, its lower-cased headers and its body."""
        sent, peer = self.answered(b"403 Forbidden", b"X-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n", b"no wa")

        details = self.error_of(sent).details

        assert details is not None
        self.assertEqual((details["status"], details["body"]), (403, b"no wa"))
        headers = details["headers"]
        assert isinstance(headers, dict)
        self.assertEqual(headers["x-a"], "1, 2")
        self.assertFalse(peer.hung_up_on)

    def test_other_success_is_a_refusal_too(self) -> None:
        """Only 200 begins an answer."""
        sent, _ = self.answered(b"204 No Content")

        details = self.error_of(sent).details

        assert details is not None
        self.assertEqual((details["status"], details["body"]), (204, b""))

    def test_redirect_is_not_followed(self) -> None:
        """A key is not carried to wherever a response points (trap P8)."""
        for status in (b"301 Moved", b"302 Found", b"303 See Other", b"307 Elsewhere", b"308 Elsewhere"):
            self.setUp()
            sent, _ = self.answered(status, b"Location: http://other.example/\r\nContent-Length: 0\r\n")

            details = self.error_of(sent).details

            assert details is not None
            self.assertEqual((details["status"], self.network.dials), (int(status[:3]), 0))

    def test_refusal_body_is_waited_for(self) -> None:
        """A refusal that comes in pieces is read to its end."""
        sent, peer = self.answered(b"400 Bad", b"Content-Length: 6\r\n", b"one")
        self.assertNoResult(sent)

        peer.say(b"two")

        details = self.error_of(sent).details
        assert details is not None
        self.assertEqual(details["body"], b"onetwo")

    def test_refusal_body_is_read_to_64_kib(self) -> None:
        """A refusal that goes on is cut there, and its connection closed."""
        sent, peer = self.answered(b"500 Oops", b"Content-Length: 1000000\r\n", b"x" * 65_535)
        self.assertNoResult(sent)

        peer.say(b"yz")
        peer.say(b"late")

        details = self.error_of(sent).details
        assert details is not None
        self.assertEqual(details["body"], b"x" * 65_535 + b"y")
        self.assertTrue(peer.hung_up_on)

    def test_refusal_body_that_breaks_off_is_diagnosed(self) -> None:
        """Half a refusal is a refusal, and its status is known."""
        sent, peer = self.answered(b"429 Slow down", b"Content-Length: 100\r\n", b"half")

        peer.hang_up(ConnectionLost())

        details = self.error_of(sent).details
        assert details is not None
        self.assertEqual((details["status"], details["body"]), (429, b"half"))

    def test_fetch_gives_any_status(self) -> None:
        """A fetch has the whole response, whatever its status."""
        fetched = self.fetch()

        self.network.accept().say(b"HTTP/1.1 404 Not Found\r\nX-Why: none\r\nContent-Length: 2\r\n\r\nno")

        reply = self.successResultOf(fetched)
        self.assertEqual((reply.status, reply.headers["x-why"], reply.body), (404, "none", b"no"))

    def test_fetch_does_not_wait_beyond_its_limit(self) -> None:
        """When all the bytes that were asked for are here, the end of the response is not waited for."""
        fetched = self.fetch(limit=4)
        peer = self.network.accept()

        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabcd")

        self.assertEqual(self.successResultOf(fetched).body, b"abcd")

    def test_fetch_is_cut_at_its_limit(self) -> None:
        """What is beyond the limit is not waited for."""
        fetched = self.fetch(limit=4)
        peer = self.network.accept()

        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabcdefgh")

        self.assertEqual(self.successResultOf(fetched).body, b"abcd")
        self.assertTrue(peer.hung_up_on)

    def test_compressed_answer_is_refused(self) -> None:
        """An answer that cannot be read is a failure, and its connection is closed."""
        sent, peer = self.answered(b"200 OK", b"Content-Encoding: gzip\r\nContent-Length: 100\r\n", b"\x1f\x8b")

        error = self.error_of(sent)

        self.assertEqual((error.kind, peer.hung_up_on), (Kind.UPSTREAM, True))


Phase = Callable[[ClientTestCase], "Peer | None"]


def _connecting(case: ClientTestCase) -> None:
    """The connection is being made."""


def _waiting(case: ClientTestCase) -> Peer:
    """The request is sent, and nothing of the answer came."""
    return case.network.accept()


def _reading_head(case: ClientTestCase) -> Peer:
    """Half of the headers came."""
    peer = case.network.accept()
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Le")
    return peer


def _reading_refusal(case: ClientTestCase) -> Peer:
    """Half of a refusal came."""
    peer = case.network.accept()
    peer.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf")
    return peer


PHASES: tuple[Phase, ...] = (_connecting, _waiting, _reading_head, _reading_refusal)


class DeadlineTests(ClientTestCase):
    """One deadline over the name, the connection, the headers and the body of a refusal; and cancellation in each of them."""

    def begin(self, phase: Phase) -> tuple[Deferred[IResponse], Peer | None]:
        """A request that has come as far as a phase."""
        self.setUp()
        sent = self.open(seconds=60)
        return sent, phase(self)

    def assert_closed(self, peer: Peer | None, phase: Phase) -> None:
        """The connection is closed or no longer tried, and nothing is left."""
        closed = self.network.given_up if peer is None else peer.hung_up_on
        self.assertTrue(closed, phase.__doc__)
        self.assertEqual((self.network.dials, self.network.timers()), (1 if peer is None else 0, 0), phase.__doc__)

    def test_deadline_closes_the_connection_in_every_phase(self) -> None:
        """After 60 seconds it is a timeout, wherever the time went, and nothing that may be tried again."""
        for phase in PHASES:
            sent, peer = self.begin(phase)
            self.network.advance(59)
            self.assertNoResult(sent)

            self.network.advance(1)

            error = self.error_of(sent)
            self.assertEqual((error.kind, error.replayable), (Kind.TIMEOUT, False), phase.__doc__)
            self.assert_closed(peer, phase)

    def test_deadline_is_one_for_all_phases(self) -> None:
        """Each phase uses up what the earlier ones left."""
        sent = self.open(seconds=60)
        self.network.advance(25)
        peer = self.network.accept()
        self.network.advance(25)
        peer.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf")
        self.network.advance(9)
        self.assertNoResult(sent)

        self.network.advance(1)

        self.assertEqual(self.error_of(sent).kind, Kind.TIMEOUT)
        self.assertTrue(peer.hung_up_on)

    def test_cancellation_closes_the_connection_in_every_phase(self) -> None:
        """A request that nobody waits for is given up at once, and is nobody's failure."""
        for phase in PHASES:
            sent, peer = self.begin(phase)

            sent.cancel()

            self.failureResultOf(sent, CancelledError)
            self.assert_closed(peer, phase)

    def test_cancellation_on_a_kept_connection(self) -> None:
        """A kept connection is closed as well: its answer would be another request's."""
        first = self.fetch()
        peer = self.network.accept()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.successResultOf(first)
        sent = self.open()

        sent.cancel()

        self.failureResultOf(sent, CancelledError)
        self.network.advance(KEPT_SECONDS)  # after which nobody looks for old connections any more
        self.assertEqual((peer.hung_up_on, self.network.dials, self.network.timers()), (True, 0, 0))

    def test_cancellation_while_the_name_is_looked_up(self) -> None:
        """A client that leaves during the name lookup is not taken for a name that is unknown, which would be tried again."""
        self.network.names.answering = False
        sent = self.open()

        sent.cancel()

        self.failureResultOf(sent, CancelledError)
        self.network.names.answer()
        self.assertEqual((self.network.dials, self.network.timers()), (0, 0))

    def test_deadline_while_the_name_is_looked_up(self) -> None:
        """A name server that says nothing counts like anything else."""
        self.network.names.answering = False
        sent = self.open(seconds=60)

        self.network.advance(60)

        self.assertEqual(self.error_of(sent).kind, Kind.TIMEOUT)

    def test_no_deadline(self) -> None:
        """With 0 the upstream may take as long as it likes."""
        sent = self.open(seconds=0)
        peer = self.network.accept()

        self.network.advance(100_000)

        self.assertNoResult(sent)
        self.assertFalse(peer.hung_up_on)


class FailureTests(ClientTestCase):
    """What each failure is called, and whether the request may be sent again."""

    def refused(self, error: Exception) -> ProxyError:
        """What a connection that cannot be made is called."""
        sent = self.open()
        self.network.refuse(error)
        return self.error_of(sent)

    def closed(self, reason: Exception, said: bytes = b"") -> ProxyError:
        """What a connection that closed during a request is called."""
        sent = self.open()
        peer = self.network.accept()
        if said:
            peer.say(said)
        peer.hang_up(reason)
        return self.error_of(sent)

    def test_unknown_name(self) -> None:
        """A host without an address was never reached."""
        self.network.names.known = False

        error = self.error_of(self.open())

        self.assertEqual((error.kind, error.replayable), (Kind.UNREACHABLE, True))
        self.assertIn("host name", error.message)

    def test_refused_connection(self) -> None:
        """A connection that is refused carried nothing."""
        for cause in (ConnectionRefusedError(), NoRouteError()):
            error = self.refused(cause)

            self.assertEqual((error.kind, error.replayable), (Kind.UNREACHABLE, True))
            self.assertIn("could not be reached", error.message)

    def test_connect_timeout(self) -> None:
        """A connection that does not stand in time is told from one that is refused; it is a 502, and may be tried again."""
        error = self.refused(ConnectTimeoutError())

        self.assertEqual((error.kind, error.status, error.replayable), (Kind.UNREACHABLE, 502, True))
        self.assertIn("in time", error.message)

    def test_broken_tls(self) -> None:
        """A TLS connection that could not be verified is named as such."""
        for cause in (SSL.Error([("SSL routines", "", "certificate verify failed")]), VerificationError(errors=[])):
            error = self.closed(cause)

            self.assertEqual((error.kind, error.replayable), (Kind.UNREACHABLE, False))
            self.assertIn("TLS", error.message)

    def test_close_before_the_answer(self) -> None:
        """An upstream that hangs up on a new connection may have understood the request."""
        for cause in (ConnectionDone(), ConnectionLost()):
            error = self.closed(cause)

            self.assertEqual((error.kind, error.replayable), (Kind.UPSTREAM, False))
            self.assertIn("before it answered", error.message)

    def test_close_in_the_headers(self) -> None:
        """Half of the headers are no answer."""
        error = self.closed(ConnectionLost(), b"HTTP/1.1 200 OK\r\nConte")

        self.assertEqual((error.kind, error.replayable), (Kind.UPSTREAM, False))

    def test_garbage(self) -> None:
        """What is not HTTP is refused, and its connection closed."""
        sent = self.open()
        peer = self.network.accept()

        peer.say(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

        error = self.error_of(sent)
        self.assertEqual((error.kind, peer.hung_up_on), (Kind.UPSTREAM, True))
        self.assertIn("not HTTP", error.message)

    def test_key_is_in_no_failure(self) -> None:
        """Neither the words nor the causes of a failure hold the key."""
        errors = [self.refused(ConnectionRefusedError()), self.closed(ConnectionLost())]

        shown = [f"{error!r} {error.message} {error.__cause__!r} {error.details!r}" for error in errors]

        self.assertNotIn("user_test_key", "".join(shown))
