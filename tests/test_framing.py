"""Tests of bytes on the wire: lines and records."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.framing import LineSplitter, MalformedJSONError, Record, RecordReader
from tests.cuts import pieces

MARK = b"#" * 10
quickly = settings(max_examples=150, deadline=None)


class Pair(Record):
    """A record to read."""

    name: str = ""
    size: int = 0


def marked(head: bytes) -> bool:
    """Whether a line is not wanted; its first few bytes do not tell yet."""
    return head.startswith(MARK)


def split(stream: Sequence[bytes], limit: int = 0) -> tuple[list[bytes], bool]:
    """The wanted lines of a stream that arrives in these pieces, and whether one was too long."""
    splitter = LineSplitter(limit, marked)
    given = b"".join([*map(splitter.feed, stream), splitter.end()])
    lines = given.removesuffix(b"\n").split(b"\n") if given else []
    return [line for line in lines if not marked(line)], splitter.overflowed


class LineSplitterTests(SynchronousTestCase):
    """Lines."""

    def test_whole(self) -> None:
        """Whole lines are given at once, each with its line feed, and the rest when it is complete."""
        splitter = LineSplitter(100)

        given = [splitter.feed(b"one\ntwo\nthr"), splitter.feed(b"e"), splitter.feed(b"e\n"), splitter.end()]

        self.assertEqual(given, [b"one\ntwo\n", b"", b"three\n", b""])

    def test_last(self) -> None:
        """A last line without a line feed is given at the end, once."""
        splitter = LineSplitter(100)
        splitter.feed(b"one\ntw")

        self.assertEqual((splitter.end(), splitter.end()), (b"tw", b""))

    def test_other_breaks(self) -> None:
        """Nothing but a line feed ends a line."""
        line = "a\r\x0b\x0c\x1c\x85\u2028\u2029b".encode()
        splitter = LineSplitter(100)

        self.assertEqual((splitter.feed(line), splitter.feed(b"\n")), (b"", line + b"\n"))

    def test_limit(self) -> None:
        """A line of exactly the limit passes; one byte more, and it and what follows is lost."""
        splitter = LineSplitter(5)

        given = [splitter.feed(b"12345\n"), splitter.feed(b"1\n123456\n2\n"), splitter.feed(b"3\n"), splitter.end()]

        self.assertEqual(given, [b"12345\n", b"1\n", b"", b""])
        self.assertTrue(splitter.overflowed)

    def test_endless(self) -> None:
        """A line that never ends is given up as soon as it is too long."""
        splitter = LineSplitter(1000)
        splitter.feed(b"x" * 1000)
        held = splitter.overflowed

        splitter.feed(b"x")

        self.assertEqual((held, splitter.overflowed), (False, True))

    def test_unwanted(self) -> None:
        """A long line that is not wanted is skipped without being held, whatever its size, and counted."""
        splitter = LineSplitter(1000, marked)

        given = [
            splitter.feed(MARK + b"x" * 990),
            *(splitter.feed(b"x" * 1000) for _ in range(9)),
            splitter.feed(b"\na\n"),
        ]

        self.assertEqual(b"".join(given), b"a\n")
        self.assertEqual((splitter.overflowed, splitter.skipped), (False, 1))

    def test_unwanted_at_the_end(self) -> None:
        """A skipped line that the end of the stream cuts gives nothing."""
        splitter = LineSplitter(0, marked)
        splitter.feed(MARK + b"x" * 1000)

        self.assertEqual(splitter.end(), b"")

    @given(st.data())
    @quickly
    def test_cuts(self, data: st.DataObject) -> None:
        """Any stream gives the same lines however it is cut: all before the first that is wanted and too long."""
        size = st.integers(0, 12) | st.integers(240, 262) | st.just(600)
        line = st.builds(lambda mark, size: mark + b"x" * size, st.sampled_from((b"", MARK)), size)
        lines = data.draw(st.lists(line, min_size=1, max_size=6))
        limit = data.draw(st.integers(0, 12) | st.integers(240, 262))
        ended = data.draw(st.booleans())
        stream = data.draw(pieces(b"\n".join(lines) + b"\n" * ended))

        wanted, overflowed = split(stream, limit)

        kept = [line for line in lines if not marked(line)]
        whole = next((number for number, line in enumerate(kept) if limit and len(line) > limit), None)
        empty_last = not ended and not lines[-1]
        expected = kept[:whole] if whole is not None or not empty_last else kept[:-1]
        self.assertEqual((wanted, overflowed), (expected, whole is not None))


class RecordReaderTests(SynchronousTestCase):
    """Records."""

    def setUp(self) -> None:
        """Make a reader."""
        self.reader = RecordReader(Pair)

    def test_block(self) -> None:
        """Whole lines of one object each are read together; what an object lacks is the default, what it has more is left."""
        block = b'{"name":"a","size":1}\n{"size":2,"more":[{}]}\n {}\n'

        self.assertEqual(self.reader.block(b"{}\n"), [Pair()])
        self.assertEqual(self.reader.block(block.replace(b" ", b"")), [Pair("a", 1), Pair("", 2), Pair()])

    def test_no_block(self) -> None:
        """Lines are looked at one by one when there is not one good object on each of them."""
        for block in (
            b"\n",
            b"{}\n\n",
            b"{}{}\n",
            b"{}{}\n\n",
            b"{}\n\n{}{}\n",
            b'{"name":\n"a"}\n',
            b'{"name":\n"a"}{}\n',
            b"[]\n",
            b"{\n",
            b'{"name":1}\n',
            b'{"name":"\xff"}\n',
            b'{"name":"\\ud83d"}\n',
            b"data: {}\n",
        ):
            self.assertIsNone(self.reader.block(block), block)

    def test_line(self) -> None:
        """A line that is an object is a record, also with a lone surrogate in it; other JSON is none."""
        self.assertEqual(self.reader.line(b'{"name":"a"}'), Pair("a"))
        self.assertEqual(self.reader.line(b'{"name":"\\ud83d"}'), Pair("\ud83d"))
        self.assertIsNone(self.reader.line(b"[1]"))
        self.assertIsNone(self.reader.line(b"null"))

    def test_bad_lines(self) -> None:
        """A line that is not JSON, and one with a field of a wrong type, is refused."""
        for line in (b"", b"{", b"{}{}", b'{"name":"\xff"}', b'{"name":1}', b'{"size":"1"}', b"NaN"):
            self.assertRaises(MalformedJSONError, self.reader.line, line)

    def test_value(self) -> None:
        """An object that is decoded already becomes a record, if its fields have the right types."""
        self.assertEqual(self.reader.value({"name": "a", "more": 1}), Pair("a"))
        self.assertRaises(MalformedJSONError, self.reader.value, {"name": 1})

    @given(
        st.lists(
            st.sampled_from([b"{", b"}", b"{}", b'"name":', b'"a"', b"1", b'"size":', b",", b" ", b"\n", b"[", b"]"])
        )
    )
    @example([b"{", b'"name":', b"\n", b'"a"', b"}", b"{}"])
    @example([b"{}", b"{}", b"\n"])
    @settings(max_examples=400, deadline=None)
    def test_same(self, tokens: list[bytes]) -> None:
        """Lines that are read together give what they give one by one."""
        block = b"".join(tokens) + b"\n"

        records = self.reader.block(block)

        if records is not None:
            self.assertEqual(records, [self.reader.line(line) for line in block[:-1].split(b"\n")])
