"""Tests of the reading of a client's JSON object."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, body, invalid
from ccproxy.prompt import Text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
READERS: tuple[Callable[[Fields, str], object], ...] = (
    Fields.string,
    Fields.boolean,
    lambda fields, name: fields.integer(name, least=1),
    lambda fields, name: fields.number(name, least=0, most=2),
    Fields.array,
    Fields.object,
    Fields.mapping,
    lambda fields, name: list(fields.objects(name)),
    Fields.required_string,
    Fields.required_text,
    Fields.text,
    Fields.strings,
    Fields.one_or_more,
    Fields.elements,
    lambda fields, name: list(fields.glimpse(name)),
)


def fields(**value: object) -> Fields:
    """Fields that stand somewhere inside a body."""
    return Fields(value, "tools[2]")


class FieldsTestCase(SynchronousTestCase):
    """A test case that expects refusals."""

    def refused(self, message: str, field: str | None, read: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Reading raises a refusal with this message and this field."""
        error = self.assertRaises(ProxyError, read, *args, **kwargs)

        self.assertEqual((error.kind, error.message, error.field), (Kind.INVALID_REQUEST, message, field))


class BodyTests(FieldsTestCase):
    """A whole body."""

    def test_object(self) -> None:
        """A body is a JSON object, whose fields are named by themselves."""
        read = body(b'{"model":"m"}')

        self.assertEqual((read.string("model"), read.place, read.at("model")), ("m", "", "model"))

    def test_not_json(self) -> None:
        """A body that is not JSON is refused, with the reason."""
        message = "The request body is not valid JSON: Expecting value at line 1, column 1."

        self.refused(message, None, body, b"nonsense")

    def test_not_an_object(self) -> None:
        """A body that is other JSON is refused."""
        self.refused("The request body has to be a JSON object.", None, body, b"[1]")

    def test_unended_text(self) -> None:
        """A text without an end, full of quotes, is refused in the time that its length takes: it is looked through once."""
        hostile = b'{"a":[' + b"1," * 250_001 + b'"' + rb"\"" * 100_000
        began = time.process_time()

        error = self.assertRaises(ProxyError, body, hostile)

        self.assertEqual(error.kind, Kind.TOO_LARGE)
        self.assertLess(time.process_time() - began, 5)  # where it is looked through from each quote, it takes a minute

    def test_escapes(self) -> None:
        """A text with very many escapes, beside many values, is looked through in little memory."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        data = b'{"a":"' + b"," * 260_000 + rb"\n" * 1_000_000 + rb"\"" * 1000 + rb"\\" + b'"}'

        self.assertTrue(body(data).text("a"))

        self.assertLess(tracemalloc.get_traced_memory()[1], 30_000_000)

    def test_many_values(self) -> None:
        """Values are counted, and neither what stands in a text nor the names of fields."""
        fields = b"{" + b",".join(b'"%d":"a,[{"' % number for number in range(249_998)) + b"}"

        self.assertEqual(len(body(b'{"a":%b}' % fields).mapping("a") or ()), 249_998)
        for values in (b'"",' * 250_001, b'{"":""},' * 125_001, b"[" * 250_001):
            error = self.assertRaises(ProxyError, body, b"[" + values + b"1]")
            self.assertEqual(error.kind, Kind.TOO_LARGE)


class PlaceTests(FieldsTestCase):
    """Where a field stands."""

    def test_at(self) -> None:
        """A field inside a body is named with all that it stands in."""
        read = body(b'{"a":{"b":[{},{"c":1}]}}').object("a")

        assert read is not None
        (_, second) = read.objects("b")
        self.refused("a.b[1].c: has to be a string.", "a.b[1].c", second.string, "c")

    def test_invalid(self) -> None:
        """An error of the body as a whole names no field."""
        self.assertEqual((invalid("Wrong.", "").field, invalid("Wrong.", "").message), (None, "Wrong."))
        self.assertEqual((invalid("is wrong.", "a").field, invalid("is wrong.", "a").message), ("a", "a: is wrong."))


class ReadingTests(FieldsTestCase):
    """One field after the other."""

    def test_right_types(self) -> None:
        """A field of the right type is given as it is."""
        read = fields(text="a", flag=False, list=[1], object={"b": 1})

        self.assertEqual(read.string("text"), "a")
        self.assertIs(read.boolean("flag"), False)
        self.assertEqual(read.array("list"), [1])
        self.assertEqual(read.mapping("object"), {"b": 1})
        self.assertEqual(read.value("object"), {"b": 1})

    def test_absent(self) -> None:
        """A field that is absent and one that is null are none."""
        read = fields(null=None)

        for name in ("null", "absent"):
            self.assertEqual([reader(read, name) for reader in READERS[:8]], [None] * 7 + [[]])
            self.assertIs(read.has(name), False)
            self.assertIsNone(read.value(name))

    def test_has(self) -> None:
        """A field that holds anything else is there, also if it holds nothing much."""
        holding: tuple[object, ...] = ("", 0, False, [], {})

        self.assertEqual([value for value in holding if not fields(a=value).has("a")], [])

    def test_wrong_types(self) -> None:
        """A field of a wrong type is refused in the words of the type that it should have."""
        for read, wrong, expected in (
            (Fields.string, 1, "a string"),
            (Fields.boolean, 0, "true or false"),
            (Fields.boolean, "true", "true or false"),
            (Fields.array, {}, "an array"),
            (Fields.object, [], "an object"),
            (Fields.mapping, "{}", "an object"),
            (Fields.required_string, 1, "a string"),
        ):
            self.refused(f"tools[2].a: has to be {expected}.", "tools[2].a", read, fields(a=wrong), "a")

    def test_objects(self) -> None:
        """The elements of an array of objects stand where they stand; anything else among them is refused."""
        read = fields(a=[{}, {"b": 1}])

        self.assertEqual([element.place for element in read.objects("a")], ["tools[2].a[0]", "tools[2].a[1]"])
        self.refused("tools[2].a[1]: has to be an object.", "tools[2].a[1]", list, fields(a=[{}, 1]).objects("a"))

    def test_one_or_more(self) -> None:
        """A string alone is as good as an array of one; anything else is refused in its place."""
        read = fields(a="x", b=["x", "y"], c=None, d=5, e=["x", 5])

        self.assertEqual([read.one_or_more(name) for name in "abc"], [("x",), ("x", "y"), ()])
        self.refused("tools[2].d: has to be an array.", "tools[2].d", read.one_or_more, "d")
        self.refused("tools[2].e[1]: has to be a string.", "tools[2].e[1]", read.one_or_more, "e")

    def test_peek(self) -> None:
        """A first look at a field does not count as asking for it."""
        read = fields(a=[1])

        self.assertEqual((read.peek("a"), read.peek("b"), read.unread()), ([1], None, ("tools[2].a",)))

    def test_but(self) -> None:
        """All fields can be had with some of them changed; the body stays as it is, and none counts as asked for."""
        read = fields(a=1, b=2)

        self.assertEqual(read.decoded(b=3, c=None), {"a": 1, "b": 3, "c": None})
        self.assertEqual((read.peek("b"), read.unread()), (2, ("tools[2].a", "tools[2].b")))

    def test_without(self) -> None:
        """The same object can be had without some fields and with others; what was asked of the one was not asked of the other."""
        read = fields(a=1, b=2, c=3)
        read.ignore("a", "b", "c")
        other = read.changed("a", "b", b=5, d=6)

        self.assertEqual(
            (other.decoded(), other.unread()), ({"c": 3, "b": 5, "d": 6}, tuple(f"tools[2].{n}" for n in "cbd"))
        )
        self.assertEqual(read.decoded(), {"a": 1, "b": 2, "c": 3})

    def test_same_object(self) -> None:
        """An object that is asked for twice remembers what was asked of it."""
        read = fields(a={"b": 1, "c": 2})
        first, second = read.object("a"), read.object("a")
        assert first is not None and second is not None

        first.value("b")

        self.assertEqual(second.unread(), ("tools[2].a.c",))

    def test_required(self) -> None:
        """A required string is there and not empty, a required text may be empty."""
        self.assertEqual((fields(a="x").required_string("a"), fields(a="").required_text("a")), ("x", Text("")))
        self.refused("tools[2].a: is required.", "tools[2].a", fields(a="").required_string, "a")
        self.refused("tools[2].a: is required.", "tools[2].a", fields(a=None).required_string, "a")
        self.refused("tools[2].a: is required.", "tools[2].a", fields().required_text, "a")

    def test_integer(self) -> None:
        """A whole number may be written as a float, and has a least value."""
        self.assertEqual([fields(a=value).integer("a", least=1) for value in (1, 64000.0, 10**30)], [1, 64000, 10**30])
        self.assertIsInstance(fields(a=2.0).integer("a", least=1), int)
        for wrong, expected in (
            (0, "at least 1"),
            (-5.0, "at least 1"),
            (1.5, "a whole number"),
            (True, "a number"),
            ("1", "a number"),
            (float("inf"), "a number"),
        ):
            self.refused(f"tools[2].a: has to be {expected}.", "tools[2].a", fields(a=wrong).integer, "a", least=1)

    def test_number(self) -> None:
        """A number lies between two bounds, which belong to it."""
        self.assertEqual([fields(a=value).number("a", least=0, most=2) for value in (0, 0.7, 2)], [0, 0.7, 2])
        for wrong, expected in (
            (-0.1, "a number from 0 to 2"),
            (2.1, "a number from 0 to 2"),
            (False, "a number"),
            (float("-inf"), "a number"),
        ):
            self.refused(
                f"tools[2].a: has to be {expected}.", "tools[2].a", fields(a=wrong).number, "a", least=0, most=2
            )

    def test_unread(self) -> None:
        """Fields that nobody asked for are named, in the client's order; those that are knowingly ignored are not."""
        read = fields(d=1, a=1, b=1, c=1)
        read.value("a")
        read.has("b")
        read.ignore("c", "absent")

        self.assertEqual(read.unread(), ("tools[2].d",))

    def test_refusal_is_no_reading_twice(self) -> None:
        """A field that was refused has been asked for."""
        read = fields(a=1, b=2)

        self.assertRaises(ProxyError, read.string, "a")

        self.assertEqual(read.unread(), ("tools[2].b",))

    @given(values, st.sampled_from(READERS))
    @settings(max_examples=200, deadline=None)
    def test_nothing_else_raised(self, value: object, reader: Callable[[Fields, str], object]) -> None:
        """Whatever a client sends is read or refused by the field's name."""
        try:
            reader(fields(a=value), "a")
        except ProxyError as error:
            self.assertTrue((error.field or "").startswith("tools[2].a"))
