"""Guards against slowness and waste, in ratios and counts, which do not depend on the machine."""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from typing_extensions import override

from ccproxy.config import Config
from ccproxy.dialects import DIALECTS
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.body import BytesProducer
from ccproxy.service import assemble
from ccproxy.translator import Translator
from ccproxy.upstreams.commandcode.records import Records
from tests.cuts import every
from tests.net.network import Network
from tests.replay import TURN
from tests.unmeasured import Unmeasured
from tests.upstreams.commandcode.test_records_properties import Plain
from tests.web.house import CHAT, KEY, SPEECHES, MemoryDaemon, Speech

DELTAS = b"".join(
    json.dumps({"type": "text-delta", "id": "0", "text": f"word {number} "}, separators=(",", ":")).encode() + b"\n"
    for number in range(1000)
)

WORD = DELTAS.partition(b"\n")[0] + b"\n"
FIXTURES = ("*/tests/*", "*/twisted/internet/testing.py")


def best(work: Callable[[], object]) -> float:
    """The least processor time that it takes, seconds."""
    times = []
    for _ in range(7):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


class TranslationTests(SynchronousTestCase):
    """Text in deliveries of 8 KiB."""

    def test_short_way(self) -> None:
        """It costs less than half of what it costs record by record; a quarter was seen."""
        deliveries = every(DELTAS, 8192)
        for dialect in DIALECTS:

            def translate(decoder: type[Records], dialect: object = dialect) -> None:
                translator = Translator(decoder(0), (), dialect.encoder(TURN, stream=True))  # type: ignore[attr-defined]
                for delivery in deliveries:
                    translator.feed(delivery)

            short, plain = best(lambda: translate(Records)), best(lambda: translate(Plain))
            self.assertLess(short, plain / 2, dialect.name)


class Counting(Protocol):
    """A body protocol that counts what it is called."""

    def __init__(self) -> None:
        self.calls = 0

    @override
    def dataReceived(self, data: bytes) -> None:
        self.calls += 1


class DeliveryTests(SynchronousTestCase):
    """The way of bytes through the process."""

    def test_chunks_of_one_read(self) -> None:
        """What comes in one read is handed on in one piece, however many chunks it was cut into."""
        network, body = Network(), Counting()
        sent = UpstreamAgent(network, connect_timeout=10).request(
            b"POST", b"http://api.example/", Headers(), BytesProducer(b"?")
        )
        peer = network.accept()
        peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.successResultOf(sent).deliverBody(body)

        peer.say(b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in DELTAS.splitlines(keepends=True)))

        self.assertEqual(body.calls, 1)


class Wire(StringTransport):
    """A client's socket."""

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - of Twisted's transports
        """Nothing to set."""


class ExchangeTests(SynchronousTestCase):
    """One client connection and one upstream connection, both kept, without sockets."""

    @override
    def setUp(self) -> None:
        """Serve one request, for which the upstream connection is made."""
        self.network = Network()
        config = Config(api_base="http://api.example", cli_version="1.62.1", use_provider_models=False)
        site = assemble(config, UpstreamAgent(self.network, connect_timeout=10), self.network).site
        self.channel = site.buildProtocol(None)
        self.wire = Wire()
        self.channel.makeConnection(self.wire)
        body = json.dumps(CHAT.body("some-model", stream=True)).encode()
        head = f"POST {CHAT.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.ask()
        self.peer = self.network.accept()
        self.end()

    def ask(self) -> None:
        """A client asks, and the upstream begins its answer."""
        self.channel.dataReceived(self.request)
        self.network.advance(0)

    def say(self, text: str) -> None:
        """The upstream says a piece of text."""
        line = json.dumps({"type": "text-delta", "id": "0", "text": text}, separators=(",", ":")) + "\n"
        self.peer.say(b"%x\r\n%b\r\n" % (len(line), line.encode()))

    def end(self) -> None:
        """The upstream says its whole answer: a head, twenty pieces of text and the finish in one read."""
        finish = b'{"type":"finish","finishReason":"stop","totalUsage":{"inputTokens":10,"outputTokens":20}}\n'
        said = b"".join(DELTAS.splitlines(keepends=True)[:20]) + finish
        self.peer.forget()
        self.peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(said), said))
        self.assertTrue(self.wire.value().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"))
        self.wire.clear()

    def calls(self, work: Callable[[], object]) -> int:
        """How many functions are called, but for those that the garbage of other tests has called when it is collected."""
        gc.disable()
        self.addCleanup(gc.enable)
        count = 0

        def note(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(None)
        return count

    def test_request(self) -> None:
        """A short answer takes few function calls; 1235 were counted (CPython 3.11)."""

        def serve() -> None:
            self.ask()
            self.end()

        self.assertLess(self.calls(serve), 1400)

    def test_event(self) -> None:
        """A piece of text that comes alone takes few function calls; 81 were counted."""
        self.ask()
        self.peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.say("first")

        self.assertLess(self.calls(lambda: self.say("second")), 100)
        self.assertIn(b'"content":"second"', self.wire.value())

    def test_garbage(self) -> None:
        """Nearly all that a request leaves behind is freed without the garbage collector; eight objects are not."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

        for _ in range(10):
            self.ask()
            self.end()

        self.assertLess(gc.collect(), 200)


class HeldStreamTests(Unmeasured):
    """Streams whose upstream has said a word and is silent, with a conversation of 50 kB behind each."""

    def setUp(self) -> None:
        """A daemon, and what connects it to upstreams."""
        self.network = Network()
        self.daemon = MemoryDaemon(UpstreamAgent(self.network, connect_timeout=10))
        self.addCleanup(self.daemon.end)

    def hold(self, speech: Speech, count: int) -> None:
        """Begin streams."""
        conversation = [{"role": "user", "content": "word " * 10_000}]
        for _ in range(count):
            client = self.daemon.connect().post(speech, stream=True, messages=conversation)
            peer = self.network.accept()
            peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.say(b"%x\r\n%b\r\n" % (len(WORD), WORD))
            self.assertIn(b"word", client.received)
            peer.forget()
            client.wire.clear()

    def test_size(self) -> None:
        """One takes less than half of what its client said; 19 KiB were seen, and 199 when it was all kept."""
        for speech in SPEECHES:
            self.hold(speech, 5)  # what is made once
            gc.collect()
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            self.hold(speech, 50)
            gc.collect()

            snapshot = tracemalloc.take_snapshot()
            tracemalloc.stop()

            ours = snapshot.filter_traces([tracemalloc.Filter(False, pattern) for pattern in FIXTURES])
            size = sum(trace.size for trace in ours.traces) / 50
            self.assertLess(size, 25_000, speech.name)
