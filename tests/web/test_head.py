"""Tests of the reading of heads: as twisted.web reads them, and the same however they were cut."""

from __future__ import annotations

import string
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel, Request
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.net.headers import lowered
from ccproxy.web.head import Head, HeadReader
from tests.cuts import pieces

_TOKEN = st.text("!#$%&'*+.^_`|~-" + string.ascii_letters + string.digits, min_size=1, max_size=12)
_WORD = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), min_size=1, max_size=12
)
_VALUE = st.lists(_WORD, max_size=3).map(" ".join)
_SPACE = st.sampled_from(["", " ", "\t", " \t "])
_FRAMED = {"content-length", "transfer-encoding", "expect", "connection", "upgrade"}
_FIELD = st.tuples(_TOKEN.filter(lambda name: name.lower() not in _FRAMED), _VALUE, _SPACE, _SPACE)
_CONNECTION = st.sampled_from([None, "close", "Close", "keep-alive", "Keep-Alive close", "keep-alive, close", "closed"])


class PlainRequest(Request):
    """A request as twisted.web reads it."""

    seen: list[PlainRequest]

    @override
    def process(self) -> None:
        self.seen.append(self)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads that can be read in one way only."""
    version = draw(st.sampled_from(["1.1", "1.0"]))
    lines = [
        f"{draw(st.sampled_from(['GET', 'POST', 'OPTIONS']))} /{draw(st.sampled_from(['', 'v1/x', 'x?y=z&a']))} HTTP/{version}"
    ]
    lines += [f"{name}:{before}{value}{after}" for name, value, before, after in draw(st.lists(_FIELD, max_size=6))]
    if option := draw(_CONNECTION):
        lines.append(f"Connection: {option}")
    if draw(st.booleans()):
        lines.append("content-length: 0")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


def read(data: bytes) -> Head:
    """A head that comes in one piece."""
    head = HeadReader(0, 0).feed(data)
    assert head is not None
    return head


def read_by_twisted(data: bytes) -> tuple[PlainRequest, bool]:
    """The same request in twisted.web's own channel, and whether another one may follow it."""
    seen: list[PlainRequest] = []

    class Noting(PlainRequest):
        pass

    Noting.seen = seen
    channel = HTTPChannel()
    channel.requestFactory = Noting
    channel.timeOut = None
    channel.makeConnection(StringTransport())
    channel.dataReceived(data)
    (request,) = seen
    return request, bool(channel.persistent)


class HeadReaderTests(SynchronousTestCase):
    """A `HeadReader`."""

    @given(heads())
    def test_as_twisted(self, data: bytes) -> None:
        """What twisted.web reads line by line is read in one go, to the same end."""
        head, (request, persists) = read(data), read_by_twisted(data)

        fields = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
        self.assertEqual(head.plain, lowered(fields))
        self.assertEqual(head.is_modern, request.clientproto == b"HTTP/1.1")
        if "," not in head.plain.get("connection", ""):  # twisted.web knows spaces only
            self.assertEqual(head.persists, persists)

    @given(heads().flatmap(lambda data: st.tuples(st.just(data), pieces(data + b"the rest"))))
    def test_cuts(self, example: tuple[bytes, list[bytes]]) -> None:
        """It makes no difference how a head comes, and nothing behind it is lost."""
        data, parts = example
        reader, whole = HeadReader(0, 0), None
        for index, part in enumerate(parts):
            whole = reader.feed(part)
            if whole is not None:
                self.assertEqual(reader.rest + b"".join(parts[index + 1 :]), b"the rest")
                break

        assert whole is not None
        self.assertEqual((whole.fields, whole.is_modern), (read(data).fields, read(data).is_modern))
        self.assertEqual(reader.line, data.partition(b"\r\n")[0])

    def test_at_once(self) -> None:
        """What cannot become a head is refused before its end comes: nobody waits for that of a TLS greeting."""
        for data in (b"\x16\x03\x01\x02\x00\x01", b"GET /\x7f", b"GET / HTTP/1.1\r\nname "):
            with self.assertRaises(ProxyError) as raised:
                HeadReader(0, 0).feed(data)
            self.assertIs(raised.exception.kind, Kind.INVALID_REQUEST)

    def test_limits(self) -> None:
        """A head of exactly the limit is read, one byte or one field more is not, and what comes behind it does not count."""
        data = b"GET / HTTP/1.1\r\na: b\r\nc: d\r\n\r\n"

        self.assertIsNotNone(HeadReader(len(data), 2).feed(data + b"x" * 100))
        for most_bytes, most_fields in ((len(data) - 1, 0), (0, 1)):
            with self.assertRaises(ProxyError) as raised:
                HeadReader(most_bytes, most_fields).feed(data)
            self.assertIs(raised.exception.kind, Kind.HEADER_TOO_LARGE)

    def test_endless(self) -> None:
        """A head without end is refused when it is beyond the limit, and not kept."""
        reader = HeadReader(100, 0)
        reader.feed(b"GET / HTTP/1.1\r\na: ")

        with self.assertRaises(ProxyError):
            for _ in range(100):
                reader.feed(b"bb")

    def test_repeated(self) -> None:
        """A field that comes very often takes no longer than others."""
        took = []
        for count in (20_000, 200_000):
            data = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * count + b"\r\n"
            began = time.process_time()
            plain = read(data).plain
            took.append(time.process_time() - began)
            self.assertEqual(plain["a"].count("b"), count)

        self.assertLess(took[1], 40 * took[0])  # joined one by one it is 100 times as long

    def test_connection(self) -> None:
        """The word that matters may be one of a list."""
        for option, persists in (
            ("close", False),
            ("keep-alive, Close", False),
            ("keep-alive", True),
            ("closed", True),
        ):
            self.assertIs(read(f"GET / HTTP/1.1\r\nconnection: {option}\r\n\r\n".encode()).persists, persists, option)
