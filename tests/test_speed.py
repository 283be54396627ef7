"""Guards against slowness, in ratios and counts, which do not depend on the machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from typing_extensions import override

from ccproxy.dialects import DIALECTS
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.client import BytesProducer
from ccproxy.translator import Translator
from ccproxy.upstreams.commandcode.records import Records
from tests.cuts import every
from tests.net.network import Network
from tests.replay import TURN
from tests.upstreams.commandcode.test_records_properties import Plain

DELTAS = b"".join(
    json.dumps({"type": "text-delta", "id": "0", "text": f"word {number} "}, separators=(",", ":")).encode() + b"\n"
    for number in range(1000)
)


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
