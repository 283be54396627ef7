"""This module is the tests of the connections to the upstream."""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed, ResponseNeverReceived, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.body import BytesProducer
from ccproxy.net.identity import IdentityAgent
from ccproxy.net.idle import KEPT_SECONDS
from ccproxy.net.standard import StandardAgent
from tests.net.network import Network, Peer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
URL = b"http://api.example/alpha/generate"


class AgentTestCase(SynchronousTestCase):
    """An agent on a network in memory."""

    make: ClassVar[type[UpstreamAgent] | type[StandardAgent]] = UpstreamAgent

    @override
    def setUp(self) -> None:
        self.network = Network()
        self.agent = self.make(self.network, connect_timeout=10)

    def post(self, url: bytes = URL) -> Deferred[IResponse]:
        """Send a request."""
        return self.agent.request(b"POST", url, Headers(), BytesProducer(b"question"))

    def served(self) -> Peer:
        """A connection that has served one request, and is kept."""
        first = self.post()
        peer = self.network.accept()
        peer.say(ANSWER)
        self.assertEqual(self.body(first), b"hi")
        peer.forget()
        return peer

    def body(self, sent: Deferred[IResponse]) -> bytes:
        """The body of the response that is here."""
        body: bytes = self.successResultOf(readBody(self.successResultOf(sent)))
        return body


class UpstreamAgentTests(AgentTestCase):
    """Kept connections, and the one case in which a request is sent again."""

    def test_is_an_agent(self) -> None:
        """Anything that sends requests can use it."""
        self.assertTrue(verifyObject(IAgent, self.agent))

    def test_request_goes_out_on_a_new_connection(self) -> None:
        """The first request dials, and is written whole."""
        self.post()

        peer = self.network.accept()

        self.assertTrue(peer.heard.startswith(b"POST /alpha/generate HTTP/1.1\r\n"), peer.heard)
        self.assertTrue(peer.heard.endswith(b"\r\n\r\nquestion"), peer.heard)

    def test_second_request_uses_the_kept_connection(self) -> None:
        """A connection that ended its response serves again."""
        peer = self.served()

        second = self.post()
        peer.say(ANSWER)

        self.assertEqual(self.network.dials, 0)
        self.assertEqual(self.body(second), b"hi")

    def test_many_connections_are_kept(self) -> None:
        """The pool does not forget all but two connections."""
        requests = [self.post() for _ in range(10)]
        peers = [self.network.accept() for _ in requests]
        for peer, request in zip(peers, requests, strict=True):
            peer.say(ANSWER)
            self.body(request)

        for _ in range(10):
            self.post()

        self.assertEqual((self.network.dials, any(peer.hung_up_on for peer in peers)), (0, False))

    def test_kept_connection_is_closed_before_the_upstream_does_it(self) -> None:
        """An idle connection lives 55 seconds; common servers close after 60."""
        peer = self.served()
        self.network.advance(54)
        before = peer.hung_up_on

        self.network.advance(1)

        self.assertEqual((before, peer.hung_up_on), (False, True))

    def test_other_host_gets_its_own_connection(self) -> None:
        """A kept connection serves its own host only."""
        self.served()

        self.post(b"http://other.example/")

        self.assertEqual(self.network.dials, 1)

    def test_reused_connection_that_closed_is_replaced(self) -> None:
        """When the upstream had closed an idle connection, the request goes out once more, whole, on a new one."""
        stale = self.served()
        second = self.post()

        stale.hang_up()
        fresh = self.network.accept()
        fresh.say(ANSWER)

        self.assertEqual(self.body(second), b"hi")
        self.assertTrue(fresh.heard.endswith(b"\r\n\r\nquestion"), fresh.heard)

    def test_reused_connection_that_closes_within_a_second_is_replaced(self) -> None:
        """The news that a connection was closed before may take a moment."""
        stale = self.served()
        self.post()
        self.network.advance(1)

        stale.hang_up()

        self.assertEqual(self.network.dials, 1)

    def test_reused_connection_that_closes_later_is_not_replaced(self) -> None:
        """An upstream that held a request for longer may have worked on it, and would bill it twice."""
        stale = self.served()
        second = self.post()
        self.network.advance(1.1)

        stale.hang_up()

        self.failureResultOf(second, ResponseNeverReceived)
        self.assertEqual(self.network.dials, 0)

    def test_request_is_sent_again_once(self) -> None:
        """When the new connection closes too, the request fails."""
        stale = self.served()
        second = self.post()
        stale.hang_up()

        self.network.accept().hang_up()

        self.failureResultOf(second, ResponseNeverReceived)
        self.assertEqual(self.network.dials, 0)

    def test_other_kept_connections_are_not_tried(self) -> None:
        """Where one kept connection is stale the others are suspect: the request goes out on a new one."""
        first, second = self.post(), self.post()
        peers = [self.network.accept(), self.network.accept()]
        for peer in peers:
            peer.say(ANSWER)
        self.body(first)
        self.body(second)
        third = self.post()

        for peer in peers:
            if peer.heard.count(b"question") == 2:
                peer.hang_up()

        self.assertEqual(self.network.dials, 1)
        self.assertNoResult(third)

    def test_fresh_connection_that_closed_is_not_replaced(self) -> None:
        """On a new connection the request may have been understood: it is not sent again."""
        sent = self.post()

        self.network.accept().hang_up()

        self.failureResultOf(sent, ResponseNeverReceived)
        self.assertEqual(self.network.dials, 0)

    def test_request_with_a_byte_of_its_answer_is_not_sent_again(self) -> None:
        """An upstream that began to answer has read the request."""
        stale = self.served()
        second = self.post()

        stale.say(b"H")
        stale.hang_up()

        self.failureResultOf(second, ResponseFailed)
        self.assertEqual(self.network.dials, 0)

    def test_cancelled_request_is_not_sent_again(self) -> None:
        """A request on a kept connection that is cancelled closes it, and that is all."""
        stale = self.served()
        second = self.post()

        second.cancel()

        self.assertTrue(self.failureResultOf(second, ResponseNeverReceived).value.reasons[0].check(CancelledError))
        self.assertEqual((stale.hung_up_on, self.network.dials), (True, 0))

    def test_cancellation_reaches_the_second_try(self) -> None:
        """A request that waits for its new connection can be cancelled."""
        stale = self.served()
        second = self.post()
        stale.hang_up()

        second.cancel()

        self.failureResultOf(second)
        self.network.advance(KEPT_SECONDS)  # after which nobody looks for old connections any more
        self.assertTrue(self.network.given_up)
        self.assertEqual(self.network.timers(), 0)

    def test_connection_that_cannot_be_made_is_not_tried_again(self) -> None:
        """A refused connection is a failure."""
        sent = self.post()

        self.network.refuse(ConnectionRefusedError())

        self.failureResultOf(sent, ConnectionRefusedError)
        self.assertEqual(self.network.dials, 0)

    def test_connect_timeout_is_the_reactors(self) -> None:
        """The TCP connection has the seconds that it was given; with 0 the system itself gives up first."""
        self.post()
        self.make(self.network, connect_timeout=0).request(b"GET", URL)

        timeouts = [client[3] for client in self.network.tcpClients]

        self.assertEqual(timeouts, [10, 3600])

    def test_close_ends_idle_connections(self) -> None:
        """At the end nothing is kept, and no timer runs."""
        peer = self.served()

        closing = self.agent.close()
        peer.hang_up()

        self.successResultOf(closing)
        self.assertEqual((peer.hung_up_on, self.network.timers()), (True, 0))

    def test_close_waits_for_the_idle_connections(self) -> None:
        """Closing is done when the connections are closed."""
        peer = self.served()

        closing = self.agent.close()

        self.assertNoResult(closing)
        peer.hang_up()
        self.successResultOf(closing)


class StandardAgentTests(UpstreamAgentTests):
    """The same of Twisted's own client."""

    make = StandardAgent


class ValueTests(AgentTestCase):
    """Requests that are values."""

    def test_value(self) -> None:
        """A request value is said as the same request in twisted.web's words is."""
        agent = UpstreamAgent(self.network, connect_timeout=10)
        fields = (("Authorization", "Bearer user_test"), ("X-Odd", "\xe9"))
        agent.ask(HTTPRequest("POST", URL.decode(), fields, b"question"))
        agent.request(
            b"POST",
            URL,
            Headers({name.encode(): [value.encode("latin-1")] for name, value in fields}),
            BytesProducer(b"question"),
        )

        self.assertEqual(self.network.accept().heard, self.network.accept().heard)

    def test_smuggling(self) -> None:
        """A request value in whose fields another field would begin is not sent."""
        agent = UpstreamAgent(self.network, connect_timeout=10)
        for value in ("a\r\nX-Other: b", "a\nX-Other: b", "a\rX-Other: b"):
            with self.assertRaises(ValueError):
                agent.ask(HTTPRequest("POST", URL.decode(), (("X-Mark", value),)))

        self.assertEqual(self.network.dials, 0)


class IdentityAgentTests(AgentTestCase):
    """No compression."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.identity = IdentityAgent(self.agent)

    def answered(self, headers: bytes) -> tuple[Deferred[IResponse], Peer]:
        """A request that is answered with some headers, and a body that goes on."""
        sent = self.identity.request(b"GET", URL)
        peer = self.network.accept()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n" + headers + b"\r\nhi")
        return sent, peer

    def test_is_an_agent(self) -> None:
        """Anything that sends requests can use it."""
        self.assertTrue(verifyObject(IAgent, self.identity))

    def test_asks_for_identity_once(self) -> None:
        """Whatever encodings were asked for, one header goes out, and the caller's headers stay as they were."""
        headers = Headers({b"accept-encoding": [b"gzip", b"br"]})
        self.identity.request(b"GET", URL, headers)

        heard = self.network.accept().heard

        self.assertEqual(heard.lower().count(b"accept-encoding"), 1)
        self.assertIn(b"Accept-Encoding: identity\r\n", heard)
        self.assertEqual(headers.getRawHeaders(b"accept-encoding"), [b"gzip", b"br"])

    def test_plain_answer_passes(self) -> None:
        """An answer without an encoding, or with the one asked for, is handed on."""
        for headers in (b"", b"Content-Encoding: identity\r\n", b"Content-Encoding: Identity \r\n"):
            sent, peer = self.answered(headers)

            self.assertEqual(self.successResultOf(sent).code, 200)
            self.assertFalse(peer.hung_up_on)

    def test_compressed_answer_is_refused(self) -> None:
        """An answer that is compressed all the same is no answer, and its connection is closed (trap P10)."""
        for headers in (b"Content-Encoding: gzip\r\n", b"content-encoding: identity\r\ncontent-encoding: br\r\n"):
            sent, peer = self.answered(headers)

            error = self.failureResultOf(sent, ProxyError).value

            self.assertEqual(error.kind, Kind.UPSTREAM)
            self.assertIn("compressed", error.message)
            self.assertTrue(peer.hung_up_on)

    def test_refused_answer_may_go_on_for_a_moment(self) -> None:
        """What still arrives on the closed connection is dropped without complaint."""
        sent, peer = self.answered(b"Content-Encoding: gzip\r\n")

        peer.say(b"more")
        peer.hang_up(ConnectionDone())

        self.failureResultOf(sent, ProxyError)
