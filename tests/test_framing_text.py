"""Tests of bytes on the wire: JSON, frames, and characters that were cut in half."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.framing import (
    MalformedJSONError,
    SurrogateJoiner,
    dumps,
    loads,
    quote,
    quote_all,
    sse,
    sse_comment,
    sse_data,
)
from tests.cuts import pieces

quickly = settings(max_examples=150, deadline=None)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
halves = st.text(st.characters(max_codepoint=0xFFFF) | st.characters(categories=["Cs"]), max_size=12)


class JSONTests(SynchronousTestCase):
    """The one JSON codec."""

    def test_read(self) -> None:
        """Whatever is JSON is read: also lone surrogates, and numbers beyond any machine's."""
        self.assertEqual(loads(b'{"a":[1,"x",null]}'), {"a": [1, "x", None]})
        self.assertEqual(loads(b'"\\ud83d!"'), "\ud83d!")
        self.assertEqual(loads(f"[{10**40},1e999,-1e999]"), [10**40, float("inf"), float("-inf")])

    def test_not_json(self) -> None:
        """What is not JSON is refused, with the place where it stops being it."""
        for text, complaint in (
            (b"", "Expecting value at line 1, column 1"),
            (b'{"a":1', "Expecting ',' delimiter at line 1, column 7"),
            (b'"\xff"', "not valid UTF-8 at byte 1"),
            (b"[" * 100_000, "nested too deeply"),
            (b"NaN", "not valid JSON"),
            (b"[-Infinity]", "not valid JSON"),
            (b"1" * 5000, "not valid JSON"),
        ):
            error = self.assertRaises(MalformedJSONError, loads, text)
            self.assertEqual(str(error), complaint)

    @given(anything)
    @quickly
    def test_round_trip(self, value: object) -> None:
        """What is written reads back the same, for us and for others."""
        written = dumps(value)

        self.assertEqual(loads(written), value)
        self.assertEqual(json.loads(written), value)

    @given(
        st.lists(halves | st.text("\x85\u2028\u2029 \u00e2\u0080"), max_size=6),
        st.binary(max_size=3).filter(bytes.isascii),
    )
    @quickly
    def test_many(self, texts: list[str], separator: bytes) -> None:
        """Many texts are written as each of them is."""
        self.assertEqual(quote_all(texts, separator), separator.join(map(quote, texts)))

    def test_compact(self) -> None:
        """JSON is written without spaces, and as UTF-8 rather than in escapes."""
        self.assertEqual(dumps({"a": [1, "é"]}), '{"a":[1,"é"]}'.encode())

    def test_unwritable(self) -> None:
        """What UTF-8 or JSON cannot hold is replaced: a lone surrogate by U+FFFD, an infinity by null; a pair is joined."""
        self.assertEqual(dumps({"\ud83d": "\ud83d\udc33\udc33"}), '{"\ufffd":"🐳\ufffd"}'.encode())
        self.assertEqual(dumps([float("inf")]), b"[null]")
        self.assertEqual(dumps([float("inf"), "\ud83d"]), '[null,"\ufffd"]'.encode())

    @given(anything | halves)
    @example("\x85\u2028\u2029")
    @quickly
    def test_quoted(self, value: object) -> None:
        """Quoted JSON is one line for every reader of lines, and says the same."""
        quoted = quote(value)

        self.assertEqual(len(quoted.decode().splitlines()), 1)
        self.assertEqual(loads(quoted), loads(dumps(value)))


class FrameTests(SynchronousTestCase):
    """Server-sent events."""

    @given(st.lists(anything, max_size=5))
    @quickly
    def test_found_again(self, values: list[object]) -> None:
        """What was framed is found again in whole frames, whatever it is, and comments and names are not."""
        written = [sse(quote(value), b"data: name" if index % 2 else b"") for index, value in enumerate(values)]

        self.assertEqual(sse_data(sse_comment(b"data: no").join([b"", *written])), [quote(value) for value in values])

    def test_data(self) -> None:
        """A frame is its data and a blank line, after its event if it has one."""
        self.assertEqual(sse(b"{}"), b"data: {}\n\n")
        self.assertEqual(sse(b"{}", b"ping"), b"event: ping\ndata: {}\n\n")

    def test_comment(self) -> None:
        """A comment begins with a colon."""
        self.assertEqual((sse_comment(b"hi"), sse_comment()), (b": hi\n\n", b": \n\n"))


class SurrogateJoinerTests(SynchronousTestCase):
    """Characters that were cut in half."""

    def test_joined(self) -> None:
        """The two halves of a character become one where the second arrives."""
        joiner = SurrogateJoiner()

        self.assertEqual([joiner.join("a \ud83d"), joiner.join("\udc33 b"), joiner.end()], ["a ", "🐳 b", ""])
        self.assertEqual([joiner.join("\ud83d\udc33"), joiner.end()], ["🐳", ""])

    def test_every_half(self) -> None:
        """The first and the last character of those that can be cut are joined as well."""
        for first, second in (("\ud800", "\udc00"), ("\udbff", "\udfff")):
            joiner = SurrogateJoiner()
            whole = (first + second).encode("utf-16", "surrogatepass").decode("utf-16")

            self.assertEqual([joiner.join(first), joiner.join(second)], ["", whole])

    def test_never_whole(self) -> None:
        """A half that nothing completes is U+FFFD: when something else follows, or at the end."""
        joiner = SurrogateJoiner()

        self.assertEqual([joiner.join("\ud83d"), joiner.join("a"), joiner.join("\ud83d")], ["", "\ufffda", ""])
        self.assertEqual([joiner.end(), joiner.end()], ["\ufffd", ""])

    @given(halves, st.data())
    @quickly
    def test_cuts(self, text: str, data: st.DataObject) -> None:
        """Text says the same however it is cut, and is always fit to be sent."""
        joiner = SurrogateJoiner()

        joined = "".join([*map(joiner.join, data.draw(pieces(text))), joiner.end()])

        self.assertEqual(joined, text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
