"""Tests of JSON that is carried verbatim."""

from __future__ import annotations

import inspect
import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy import verbatim
from ccproxy.codecs import Dialect
from ccproxy.dialects import DIALECTS
from ccproxy.doors import read
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, body
from ccproxy.framing import MalformedJSONError, dumps, loads
from ccproxy.prompt import Message, Prompt, Role, Text, ToolCall
from ccproxy.upstreams.commandcode.params import params
from ccproxy.verbatim import Verbatim
from tests.fuzz.mutations import request
from tests.fuzz.test_requests import COUNT, SEED

texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\n\t\r\x00\x1f \x85\xa0\u2003\u2028😀é')
)
names = st.text(st.sampled_from('ab"\\\n é😀'), max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, values, min_size=1, max_size=3)
ODD = "caf\\u00e9 \\ud83d\\ude00 \\u003c\\/b\\u003e"
"""A text in JSON as no encoder of ours would write it."""


def written(text: str, *, ascii_only: bool) -> Verbatim:
    """A text in the JSON of one kind of encoder or of the other."""
    return Verbatim(json.dumps(text, ensure_ascii=ascii_only).encode())


def outlined(data: bytes) -> Fields:
    """A body that is read by its outline, which has to be possible."""
    outline = verbatim.outline(data)
    assert outline is not None
    return Fields(outline, "")


def decoded(data: bytes) -> Any:
    """A body that is decoded at once; None when that cannot be."""
    try:
        return loads(data)
    except MalformedJSONError:  # as with a whole number of 5000 digits, which does no harm where nobody reads it
        return None


def outcome(fields: Fields, door: Dialect) -> tuple[object, ...]:
    """What becomes of a body: what is said of it upstream, and how it is to be answered, or the refusal."""
    try:
        prompt = read(fields, door, DIALECTS)
        said, notes = params(prompt)
    except ProxyError as error:
        return error.kind, error.message, error.field, error.details
    return prompt, json.loads(dumps(said)), notes


class OutlineTests(SynchronousTestCase):
    """A body that is read by its outline is read as any other."""

    def test_same_outcome(self) -> None:
        """What becomes of a request that can be decoded at once does not depend on how it is read, whatever is wrong with it."""
        compared = taken = 0
        for number in range(COUNT):
            data = request(SEED, number).body
            door = DIALECTS[number % len(DIALECTS)]
            outline, value = verbatim.outline(data), decoded(data)
            if outline is not None and value is not None:
                compared += 1
                said, expected = outcome(Fields(outline, ""), door), outcome(Fields(value, ""), door)
                self.assertEqual(said, expected, f"request {number} at {door.name}")
                taken += isinstance(said[0], Prompt)
        self.assertGreater(compared, COUNT / 2)
        self.assertGreater(taken, COUNT / 8)

    @given(st.dictionaries(names, values, max_size=3), st.lists(values | objects, max_size=4), st.booleans())
    @example({}, [{"b": [{"c": -(2**63)}], "d": [{"e": 1e300}]}, None, []], True)
    def test_same_values(self, value: dict[str, Any], array: list[Any], ascii_only: bool) -> None:
        """Every field has the value that it has in a body that is decoded at once, and every array the same objects."""
        data = json.dumps({**value, "array": array}, ensure_ascii=ascii_only).encode()
        outline = verbatim.outline(data)
        assume(outline is not None)
        fields, plain = Fields(outline or {}, ""), Fields(loads(data), "")

        for name in (*value, "array"):
            self.assertEqual(fields.shows(name), plain.shows(name))
            self.assertEqual(
                [(inner.place, [*map(inner.shows, inner.names)], inner.decoded()) for inner in fields.glimpse(name)],
                [(inner.place, [*map(inner.shows, inner.names)], inner.decoded()) for inner in plain.glimpse(name)],
            )
            self.assertEqual(fields.text(name), plain.text(name))
            self.assertEqual(fields.peek(name), plain.peek(name))
        self.assertEqual(fields.decoded(), plain.decoded())

    def test_none(self) -> None:
        """What only a full reading can tell, or refuse, has no outline."""
        for data in (
            b"",
            b"nonsense",
            b"[1]",
            b'{"a":"\xff"}',
            b'{"a":"' + "é".encode() * 40_000 + b'\xff"}',
            b'{"a":"' + "é".encode() * 40_000 + b'\xc3"}',
            b'{"a":[{"b":"\xff"}]}',
            b'{"a":[{"b":"\\ud800"}]}',
            b'{"a":[{"b":"\\x"}]}',
            b'{"a":[{"b":"\n"}]}',
            b'{"a":[{"b":01}]}',
            b'{"a":[{"b":1]}',
            b'{"a":1e999}',
            b'\xef\xbb\xbf{"a":1}',
        ):
            self.assertIsNone(verbatim.outline(data), data)

    def test_number_out_of_range(self) -> None:
        """A number that no float holds is refused where it stands, however the body is read."""
        for data in (b'{"a":[{"b":1e999}]}', b'{"a":[{"b":1e999}],"c":"%b"}' % (b"x" * 5000)):
            (inner,) = body(data).objects("a")
            error = self.assertRaises(ProxyError, inner.number, "b", least=0, most=2)
            self.assertEqual(error.field, "a[0].b")

    def test_carried(self) -> None:
        """A body is carried when its texts are long; where there are many short values it is decoded at once."""
        message = b'{"role":"user","content":"%b"}'
        for texts, carried in (
            ([b"x" * 5000], True),
            ([b"x" * 5000] * 200, True),
            ([rb"{\"a\":1,\"b\":2}" * 200] * 20, True),
            ([b"x" * 3000], False),
            ([b"x" * 500] * 200, False),
            ([b"x"] * 9000 + [b"x" * 100_000] + [b"x"] * 9000, False),
        ):
            data = b'{"messages":[%b]}' % b",".join(message % text for text in texts)
            self.assertEqual(verbatim.long_outline(data) is not None, carried, data[:40])
        self.assertIsNone(verbatim.long_outline(b'{"messages":[%b]}' % b",".join([b"{}"] * 9000)))
        self.assertIsNone(verbatim.long_outline(b"x" * 9000))

    def test_body_is_let_go(self) -> None:
        """A text that is carried does not keep alive the body in which it came."""
        data = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"ignored":[{"a":"%b"}]}' % (b"x" * 9000)
        before = sys.getrefcount(data)

        fields = body(data)
        prompt = read(fields, DIALECTS[0], DIALECTS)
        during = sys.getrefcount(data)
        del fields

        self.assertEqual((during > before, sys.getrefcount(data)), (True, before))
        self.assertEqual(prompt.messages[0].parts, (Text("hi"),))

    def test_memory(self) -> None:
        """That a long text is UTF-8 is seen in little memory, also where one character of it makes a wide string of all."""
        data = b'{"a":[{"b":"%b"}]}' % (b"x" * 2_000_000 + "😀".encode())
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

        self.assertIsNotNone(verbatim.outline(data))

        self.assertLess(tracemalloc.get_traced_memory()[1], 1_000_000)

    def test_endless_number(self) -> None:
        """A whole number of 5000 digits, which Python does not read, does no harm where nobody looks, and else is refused there."""
        fields = body(b'{"a":[{"b":%b,"c":"%b"}]}' % (b"7" * 5000, b"x" * 5000))
        (inner,) = fields.objects("a")

        self.assertEqual(inner.string("c"), "x" * 5000)
        error = self.assertRaises(ProxyError, inner.value, "b")
        self.assertEqual((error.field, error.message), ("a[0].b", "a[0].b: cannot be read: not valid JSON."))

    def test_stack(self) -> None:
        """What could be left undecoded and cannot be decoded later, as the stack is fuller then, is refused where it stands."""
        deep = b"[" * 400 + b"]" * 400
        fields = outlined(b'{"a":[{"b":%b,"c":[%b]}]}' % (deep, deep))
        (inner,) = fields.objects("a")

        for look, name, place in (
            (inner.value, "b", "a[0].b"),
            (inner.elements, "c", "a[0].c"),
            (fields.value, "a", "a"),
        ):
            error = self.assertRaises(ProxyError, self._on_full_stack, look, name)
            self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, place))
            self.assertEqual(error.message, f"{place}: cannot be read: nested too deeply.")

    def _on_full_stack(self, look: Callable[[str], object], name: str) -> object:
        """Look at a field where fewer frames are left than it is deep."""

        def deeper(frames: int) -> object:
            return look(name) if frames == 0 else deeper(frames - 1)

        return deeper(sys.getrecursionlimit() - len(inspect.stack(0)) - 350)


class TextTests(SynchronousTestCase):
    """A text in the JSON in which it came."""

    @given(texts, st.booleans())
    def test_text(self, text: str, ascii_only: bool) -> None:
        """It is the text, and blank when the text is."""
        self.assertEqual(verbatim.text(written(text, ascii_only=ascii_only)), text)
        self.assertEqual(Text(written(text, ascii_only=ascii_only)), Text(text))
        self.assertEqual(Text(written(text, ascii_only=ascii_only)).is_blank, not text.strip())

    @given(st.text(st.sampled_from(' \n\t\r\x00\x1f\x1c\x85\xa0\u2003\u2028\\"/nat!~\x7f')), st.booleans())
    def test_blank(self, text: str, ascii_only: bool) -> None:
        """The first look, at the JSON, never sees anything where there is nothing."""
        self.assertEqual(verbatim.is_blank(written(text, ascii_only=ascii_only)), not text.strip())

    def test_all_blanks(self) -> None:
        """No character that is a blank is taken for anything else, however it is written; these others are seen at once."""
        for code in range(sys.maxunicode + 1):
            if chr(code).isspace():
                for ascii_only in (True, False):
                    self.assertTrue(verbatim.is_blank(written(chr(code), ascii_only=ascii_only)), hex(code))
                self.assertTrue(verbatim.is_blank(Verbatim(b'"\\u%04x"' % code)), hex(code))
        seen = [first for first in 'a"\\/0~é中あア😀я' if verbatim._VISIBLE.match(written(first, ascii_only=False))]
        self.assertEqual("".join(seen), 'a"\\/0~é中あア😀я')
        self.assertTrue(all(verbatim._VISIBLE.match(written(first, ascii_only=True)) for first in "中😀"))

    def test_long_blank(self) -> None:
        """A long text of blanks is looked at in little memory."""
        for blank in (b" ", rb"\n"):
            text = Verbatim(b'"%b"' % (blank * 1_000_000))
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            self.assertTrue(verbatim.is_blank(text))
            self.assertFalse(verbatim.is_blank(Verbatim(b'"%bx"' % (blank * 1_000_000))))
            self.assertLess(tracemalloc.get_traced_memory()[1], 10_000_000)
            tracemalloc.stop()

    def test_secret(self) -> None:
        """No text is in any representation."""
        self.assertNotIn("secret", repr(Text(Verbatim(b'"secret"'))))

    def test_verbatim(self) -> None:
        """The text parts of a long conversation go up in the very JSON in which they came."""
        odd = ODD * 200
        for name, form in (
            ("openai_chat", '{"model":"m","messages":[{"role":"user","content":"%s"}]}'),
            ("openai_chat", '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"%s"}]}]}'),
            ("anthropic_messages", '{"model":"m","messages":[{"role":"user","content":"%s"}]}'),
            (
                "anthropic_messages",
                '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"%s"}]}]}',
            ),
            ("openai_responses", '{"model":"m","store":false,"input":[{"role":"user","content":"%s"}]}'),
        ):
            (door,) = (dialect for dialect in DIALECTS if dialect.name == name)
            said, _ = params(read(body((form % odd).encode()), door, DIALECTS))
            self.assertIn(f'"text":"{odd}"'.encode(), dumps(said), form)

    def test_result(self) -> None:
        """So does what a tool gave out."""
        calls = '[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]'
        odd = ODD * 200
        data = (
            f'{{"model":"m","messages":[{{"role":"assistant","tool_calls":{calls}}},'
            f'{{"role":"tool","tool_call_id":"c","content":"{odd}"}}]}}'
        )
        said, _ = params(read(body(data.encode()), DIALECTS[0], DIALECTS))

        self.assertIn(f'"value":"{odd}"'.encode(), dumps(said))

    def test_beside_half_a_character(self) -> None:
        """A text that is carried and a half character that becomes U+FFFD can stand in one request."""
        messages = (
            Message(Role.USER, (Text(Verbatim(b'"caf\\u00e9"')),)),
            Message(Role.ASSISTANT, (ToolCall("c", "f", '{"a":"\\ud800"}'),)),
        )
        said, _ = params(Prompt("m", messages))

        sent: Any = json.loads(dumps(said))["messages"]
        self.assertEqual(sent[0]["content"][0]["text"], "café")
        self.assertEqual(sent[1]["content"][0]["input"], {"a": "\ufffd"})

    def test_malformed(self) -> None:
        """Only what has to be an array is decoded as one, and what is too deep for that says so."""
        self.assertEqual(verbatim.elements(Verbatim(b'[1,"a",{"b":[2]},[{}],null]'))[3], [{}])
        self.assertRaises(MalformedJSONError, verbatim.elements, Verbatim(b"[" * 5000 + b"]" * 5000))
