"""This module is JSON that is carried verbatim: the text parts of a long conversation, which go up in the very JSON in which they came.

Most of a long request is text that nobody here has to look at. To decode it and to encode it again can cost more than all else that is
done with such a request, so msgspec only finds where it ends, as a ``Raw``. It checks escapes and surrogates all the same, but not UTF-8,
which is checked here. System text, a prompt that is a string alone, and whatever else somebody looks at are decoded.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from ccproxy.framing import UNREADABLE, loads

Verbatim: TypeAlias = msgspec.Raw

_Item: TypeAlias = bool | int | float | str | dict[str, msgspec.Raw] | list[Any] | None
_object = msgspec.json.Decoder(dict[str, bool | int | float | str | dict[str, Any] | list[_Item] | None]).decode
_UTF8 = codecs.getincrementaldecoder("utf-8")
_array = msgspec.json.Decoder(list[_Item]).decode
_SHORT = 4096  # bytes below which it is faster to decode all
_LONG = 1024  # bytes for each field, on average
_PIECE = 65_536  # bytes
_SAMPLE = 16_384  # bytes of the middle, where the conversation is
_QUOTE, _BRACKET, _NULL = b'"[n'
# A first look at a text: blanks, each of which takes a hundred bytes of the matcher's memory, and then what cannot be a blank, in ASCII, in
# UTF-8 or escaped. Unicode has no blank beyond U+3000.
_VISIBLE = re.compile(rb'"(?: |\\[nrt]){0,64}(?:[!#-\[\]-~\xc3-\xe0\xe4-\xf4]|\xe3[\x81-\xbf]|\\["\\/]|\\u[4-9a-fA-F])')


@frozen
class OpenArray:
    """An array whose elements are decoded, but not the fields of objects among them, each of which is `Verbatim`."""

    elements: list[Any]


def outline(data: bytes) -> dict[str, Any] | None:
    """Decode a JSON object, but for the arrays directly in it, each of which is an `OpenArray`.

    None when it has to be decoded by `ccproxy.framing.loads`, which also tells why if it is no JSON, or no object.
    """
    try:
        found = _object(data)
        _check_utf8(data)
    except UNREADABLE:
        return None
    return {name: OpenArray(value) if type(value) is list else value for name, value in found.items()}


def _check_utf8(data: bytes) -> None:
    """Raise `UnicodeDecodeError` for what is not UTF-8; in pieces, as one emoji makes four bytes of each character beside it."""
    if data.isascii():
        return
    check, view = _UTF8(), memoryview(data)
    for start in range(0, len(data), _PIECE):
        check.decode(view[start : start + _PIECE])
    check.decode(b"", final=True)


def long_outline(data: bytes) -> dict[str, Any] | None:
    """The outline of a body of at least 4 KB, and 1 KB for each field on average; None for any other.

    Each field that is asked for has to be decoded by itself, which costs more than to decode many short ones at once.
    """
    start = len(data) // 2
    middle = data[start : start + _SAMPLE]
    if len(data) < _SHORT or middle.count(b'":') - middle.count(b'\\":') > len(middle) / _LONG:
        return None
    found = outline(data)
    if found is None:
        return None
    objects = (
        item for value in found.values() if type(value) is OpenArray for item in value.elements if type(item) is dict
    )
    return found if sum(1 + len(item) for item in objects) < len(data) / _LONG else None


def elements(array: Verbatim) -> list[Any]:
    """Decode an array, which `is_array` tells, as the elements of an `OpenArray`.

    Raises:
        MalformedJSONError: As with `decoded`.
    """
    try:
        return _array(array)
    except UNREADABLE:
        value: list[Any] = loads(array)
        return value


def decoded(value: Verbatim | OpenArray) -> Any:  # noqa: ANN401 - JSON has no type before it is looked at
    """Decode all of it.

    Raises:
        MalformedJSONError: It is nested too deeply for the stack that is left, or a whole number has more digits than Python reads (4300).
    """
    return [_element(element) for element in value.elements] if isinstance(value, OpenArray) else loads(value)


def is_text(value: Verbatim) -> bool:
    """Whether it is a string."""
    return memoryview(value)[0] == _QUOTE


def is_null(value: Verbatim) -> bool:
    """Whether it is null."""
    return memoryview(value)[0] == _NULL


def is_array(value: Verbatim) -> bool:
    """Whether it is an array."""
    return memoryview(value)[0] == _BRACKET


def text(string: str | Verbatim) -> str:
    """Decode a string, unless it is."""
    if isinstance(string, str):
        return string
    read: str = loads(string)
    return read


def is_blank(string: str | Verbatim) -> bool:
    """Whether a string has nothing but white space in it."""
    if not isinstance(string, str) and _VISIBLE.match(string):
        return False
    read = text(string)
    return not read or read.isspace()


def _element(element: Any) -> Any:  # noqa: ANN401 - JSON has no type before it is looked at
    if type(element) is not dict:
        return element
    return {name: loads(value) if type(value) is Verbatim else value for name, value in element.items()}
