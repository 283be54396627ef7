"""This module is the reading of a client's JSON object, with errors that name the field.

All dialects read bodies of the same nature: known fields of a certain type, and unknown fields that are ignored but counted. A `Fields`
knows its own place in the body (``messages[2].content``), gives each field in the type that was asked for, and remembers which fields
nobody asked for. A field that is ``null`` counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any, TypeVar

from ccproxy import verbatim
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import MalformedJSONError, loads
from ccproxy.prompt import Text
from ccproxy.verbatim import OpenArray, Verbatim

_T = TypeVar("_T", str, bool, list[Any], dict[str, Any])
_TYPE_NAMES = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}
_UNMARKED = bytes(set(range(256)) - set(b"[{,"))
_STRING = re.compile(rb'"[^"]*(?:"|\Z)')  # without escapes; of one without an end all that follows is a part
_MOST_VALUES = 250_000  # each may take thirty times its length in memory, and all are made without a pause


def invalid(message: str, field: str) -> ProxyError:
    """The error for a field that is wrong."""
    return ProxyError(Kind.INVALID_REQUEST, f"{field}: {message}" if field else message, field=field or None)


def body(data: bytes) -> Fields:
    """Read a request body, which has to be a JSON object.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`; `Kind.TOO_LARGE` when it would take a multiple of its size in memory.
    """
    if len(data) > _MOST_VALUES and _has_too_many_values(data):
        message = f"The request body has more than {_MOST_VALUES:,} values: no conversation does."
        raise ProxyError(Kind.TOO_LARGE, message)
    if (outline := verbatim.long_outline(data)) is not None:
        return Fields(outline, "")
    try:
        value = loads(data)
    except MalformedJSONError as error:
        raise invalid(f"The request body is not valid JSON: {error}.", "") from None
    if not isinstance(value, dict):
        raise invalid("The request body has to be a JSON object.", "")
    return Fields(value, "")


def _has_too_many_values(data: bytes) -> bool:
    """Whether there are more values than any request needs; what stands in a text is none."""
    if _marks(data) <= _MOST_VALUES:
        return False
    most = 2 * _MOST_VALUES + 2  # a value may have a name; more strings than that are too many values anyway
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    rest, texts = _STRING.subn(b"", unescaped, most)
    return texts == most or _marks(rest) > _MOST_VALUES


def _marks(data: bytes) -> int:
    """How many marks there are before values. `bytes.count` takes up to eight times as long."""
    return len(data.translate(None, _UNMARKED))


class Fields:
    """One JSON object of a request body. Every method that looks at a field raises `ProxyError` with its place.

    Args:
        value: The object; what in it is verbatim (`ccproxy.verbatim`) is decoded when it is asked for.
        place: Where in the body it stands.
    """

    def __init__(self, value: dict[str, Any], place: str) -> None:
        self.place = place
        self._value = value
        self._read: set[str] = set()
        self._objects: dict[str, Fields] = {}
        self._arrays: dict[str, list[Fields | None]] = {}

    @property
    def names(self) -> Set[str]:
        """The names of all fields, also of those that are null."""
        return self._value.keys()

    def at(self, name: str) -> str:
        """The place of one field, as an error names it."""
        return f"{self.place}.{name}" if self.place else name

    def at_index(self, name: str, index: int) -> str:
        """The place of one element of an array."""
        return f"{self.at(name)}[{index}]"

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        self._read.add(name)
        return self.shows(name)

    def shows(self, name: str) -> bool:
        """Whether the field is there and not null; it does not count as asked for."""
        value = self._value.get(name)
        return value is not None and not (type(value) is Verbatim and verbatim.is_null(value))

    def value(self, name: str) -> Any:  # noqa: ANN401 - whatever the client sent
        """The field, decoded, of whatever type; or None."""
        self._read.add(name)
        return self.peek(name)

    def peek(self, name: str) -> Any:  # noqa: ANN401 - whatever the client sent
        """The field, decoded, of whatever type, or None; it does not count as asked for."""
        value = self._value.get(name)
        if type(value) is Verbatim or type(value) is OpenArray:
            try:
                value = self._value[name] = verbatim.decoded(value)
            except MalformedJSONError as error:
                raise self._unreadable(name, error) from None
        return value

    def decoded(self, **changes: object) -> dict[str, Any]:
        """All fields, decoded, but for some; none of them counts as asked for."""
        return {name: None if name in changes else self.peek(name) for name in self._value} | changes

    def changed(self, *names: str, **changes: object) -> Fields:
        """Another object at the same place, without some fields and with others; nothing is decoded for it, and nothing of it asked for."""
        return Fields({name: value for name, value in self._value.items() if name not in names} | changes, self.place)

    def string(self, name: str) -> str | None:
        """A string, or None."""
        return self._typed(name, str)

    def boolean(self, name: str) -> bool | None:
        """A boolean, or None."""
        return self._typed(name, bool)

    def integer(self, name: str, *, least: int) -> int | None:
        """A whole number of at least ``least``, or None; 64000.0 is one too, as some clients write it so."""
        value = self._number(name)
        if value is None:
            return None
        if value != value // 1:
            raise invalid("has to be a whole number.", self.at(name))
        if value < least:
            raise invalid(f"has to be at least {least}.", self.at(name))
        return int(value)

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """A number from ``least`` to ``most``, or None."""
        value = self._number(name)
        if value is not None and not least <= value <= most:
            raise invalid(f"has to be a number from {least:g} to {most:g}.", self.at(name))
        return value

    def array(self, name: str) -> list[Any] | None:
        """An array, or None."""
        return self._typed(name, list)

    def object(self, name: str) -> Fields | None:
        """An object to be read in turn, or None; always the same one, so that it remembers what was asked of it."""
        value = self._typed(name, dict)
        return None if value is None else self._objects.setdefault(name, Fields(value, self.at(name)))

    def mapping(self, name: str) -> dict[str, Any] | None:
        """An object that is passed on untouched, or None."""
        return self._typed(name, dict)

    def elements(self, name: str) -> Sequence[Fields | None] | None:
        """The elements of an array, always the same ones, with None for what is no object; None for what is no array.

        The array does not count as asked for.
        """
        value = self._value.get(name)
        if type(value) is str or (type(value) is Verbatim and not verbatim.is_array(value)):
            return None
        if (known := self._arrays.get(name)) is not None:
            return known
        if type(value) is list:
            values = value
        elif type(value) is OpenArray:
            values = value.elements
        elif type(value) is Verbatim:
            try:
                values = verbatim.elements(value)
            except MalformedJSONError as error:
                raise self._unreadable(name, error) from None
        else:
            return None
        elements = [
            Fields(value, self.at_index(name, index)) if type(value) is dict else None
            for index, value in enumerate(values)
        ]
        self._arrays[name] = elements
        return elements

    def objects(self, name: str) -> Iterator[Fields]:
        """The elements of an array of objects; none when the array is absent."""
        elements = self.elements(name)
        self._read.add(name)
        if elements is None:
            self.array(name)
            return
        for index, element in enumerate(elements):
            if element is None:
                raise invalid("has to be an object.", self.at_index(name, index))
            yield element

    def glimpse(self, name: str) -> Iterable[Fields]:
        """The objects of an array, if it is one: for a first look, which leaves out what is no object, and does not count as asking."""
        elements = self.elements(name)
        return filter(None, elements) if elements else ()

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings; empty when it is absent."""
        values = self.array(name) or []
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise invalid("has to be a string.", self.at_index(name, index))
        return tuple(values)

    def one_or_more(self, name: str) -> tuple[str, ...]:
        """An array of strings, or a string alone; empty when it is absent."""
        return (single,) if isinstance(single := self.value(name), str) else self.strings(name)

    def required_string(self, name: str) -> str:
        """A string that has to be there and not be empty."""
        value = self.string(name)
        if not value:
            raise invalid("is required.", self.at(name))
        return value

    def text(self, name: str) -> Text | None:
        """A string as a `Text`, undecoded where it is verbatim; None for any other type, which the caller reads in another way."""
        self._read.add(name)
        value = self._value.get(name)
        if type(value) is Verbatim and verbatim.is_text(value):
            return Text(value.copy())  # which does not keep the whole body alive
        return Text(value) if type(value) is str else None

    def required_text(self, name: str) -> Text:
        """A string that has to be there and may be empty, and that nobody has to read."""
        text = self.text(name)
        if text is None:
            self.string(name)  # which refuses any other type by its name
            raise invalid("is required.", self.at(name))
        return text

    def ignore(self, *names: str) -> None:
        """Count fields as known although they change nothing here."""
        self._read.update(names)

    def unread(self) -> tuple[str, ...]:
        """The places of the fields that nobody asked for."""
        return tuple(self.at(name) for name in self._value if name not in self._read)

    def _unreadable(self, name: str, error: MalformedJSONError) -> ProxyError:
        """The error for what could be left undecoded and cannot be decoded: see `ccproxy.verbatim.decoded`."""
        return invalid(f"cannot be read: {error}.", self.at(name))

    def _typed(self, name: str, wanted: type[_T]) -> _T | None:
        self._read.add(name)
        value: _T | None = self.peek(name)
        if value is not None and type(value) is not wanted:  # JSON makes no others
            raise invalid(f"has to be {_TYPE_NAMES[wanted]}.", self.at(name))
        return value

    def _number(self, name: str) -> float | None:
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) == float("inf"):
            raise invalid("has to be a number.", self.at(name))
        return value
