r"""This module is bytes on the wire: lines, server-sent events, and the one JSON codec.

Upstream lines end at ``\n`` and nowhere else: U+2028, U+2029 and U+0085 may stand raw inside JSON strings, and multi-byte characters
cross reads. The codec is msgspec; what it refuses although it is JSON (lone surrogates, numbers out of range) goes through the
standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, Generic, NoReturn, TypeVar

import msgspec


class Record(msgspec.Struct, gc=False):
    """The base of a record type: a flat class whose fields all have defaults, so that no record fails for what it lacks."""


RecordT = TypeVar("RecordT", bound=Record)

_PEEK = 256  # bytes of an unfinished line that are enough to tell its type
_LINE_BREAKS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))
UNREADABLE = (
    msgspec.MsgspecError,
    ValueError,
    RecursionError,
)  # all that the two codecs raise for what is not JSON (trap P22)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class MalformedJSONError(ValueError):
    """The text is not JSON, or not such as anybody could read."""


class LineSplitter:
    """Cuts a byte stream into whole lines, however it was cut before.

    Memory is bounded: an unfinished line is held up to ``limit`` bytes (0: without a limit), and one that is not
    wanted is not held at all.

    Args:
        limit: The longest line, in bytes without its line feed.
        unwanted: Tells from the first bytes of a line whether it can be dropped unread.

    Attributes:
        overflowed: A line was longer than the limit. It and all that follows it is lost.
        skipped: How many lines were dropped unread.
    """

    def __init__(self, limit: int, unwanted: Callable[[bytes], bool] = lambda head: False) -> None:
        self.overflowed = False
        self.skipped = 0
        self._limit = limit or sys.maxsize
        self._unwanted = unwanted
        self._held: list[bytes] = []
        self._held_size = 0
        self._skipping = False

    def feed(self, data: bytes) -> bytes:
        r"""Take the next bytes and give every line that is now complete, each with its ``\n``."""
        if self.overflowed:
            return b""
        end = data.rfind(b"\n") + 1
        if not end:
            self._hold(data)
            return b""
        whole, rest = data[:end], data[end:]
        if self._skipping:
            whole = whole[whole.index(b"\n") + 1 :]
            self._skipping = False
        elif self._held:
            self._held.append(whole)
            whole = self._release()
        if len(whole) > self._limit:
            whole = self._before_overflow(whole)
        if rest:
            self._hold(rest)
        return whole

    def end(self) -> bytes:
        """Give the last line, if the stream ended without a line feed."""
        last = self._release()
        return self._before_overflow(last + b"\n")[:-1] if len(last) > self._limit else last

    def _hold(self, rest: bytes) -> None:
        if self._skipping or self.overflowed:
            return
        self._held.append(rest)
        self._held_size += len(rest)
        if self._held_size < _PEEK:
            return
        if len(self._held[0]) < _PEEK:
            self._held = [b"".join(self._held)]
        if self._unwanted(self._held[0][:_PEEK]):
            self._release()
            self._skipping = True
            self.skipped += 1
        elif self._held_size > self._limit:
            self._release()
            self.overflowed = True

    def _release(self) -> bytes:
        held = b"".join(self._held)
        self._held.clear()
        self._held_size = 0
        return held

    def _before_overflow(self, whole: bytes) -> bytes:
        """Find a line that is too long although it arrived at once, as it would have been found in pieces."""
        kept = []
        for line in whole[:-1].split(b"\n"):
            if len(line) > self._limit and not self._unwanted(line[:_PEEK]):
                self.overflowed = True
                break
            kept.append(line + b"\n")
        return b"".join(kept)


class RecordReader(Generic[RecordT]):
    """Reads lines of JSON objects as records of one type, a whole delivery at a time."""

    def __init__(self, record_type: type[RecordT]) -> None:
        self._type = record_type
        self._decoder = msgspec.json.Decoder(record_type)
        self.decode = self._decoder.decode

    def block(self, block: bytes) -> list[RecordT] | None:
        """Read whole lines, one object each; None when they have to be looked at line by line."""
        try:
            records = self._decoder.decode_lines(block)
        except UNREADABLE:
            return None
        # msgspec does not mind an object that spans two lines, or two objects on one; where a line ends and the next one begins,
        # one object has to end and another one to begin.
        lines = block.count(b"\n")
        return records if len(records) == lines == block.count(b"}\n{") + 1 else None

    def line(self, line: bytes) -> RecordT | None:
        """Read one line; None when it is JSON, but no object.

        Raises:
            MalformedJSONError: It is not JSON, or a field is of a wrong type.
        """
        try:
            return self._decoder.decode(line)
        except UNREADABLE:
            value = loads(line)
        return self.value(value) if isinstance(value, dict) else None

    def value(self, value: dict[str, Any]) -> RecordT:
        """Read an object that is decoded already.

        Raises:
            MalformedJSONError: A field is of a wrong type.
        """
        try:
            return msgspec.convert(value, self._type)
        except UNREADABLE:
            raise MalformedJSONError("a field is of a wrong type") from None


def loads(data: bytes | str | msgspec.Raw) -> Any:  # noqa: ANN401 - JSON has no type before it is looked at
    """Read any JSON text, also with lone surrogates and huge numbers; NaN and infinities are not JSON.

    Raises:
        MalformedJSONError: It is none, or is nested too deeply.
    """
    try:
        return _decode(data)
    except UNREADABLE:
        pass
    try:
        return json.loads(data if isinstance(data, str) else bytes(data), parse_constant=_refuse_constant)
    except UNREADABLE as error:
        raise MalformedJSONError(_position(error)) from None


def dumps(value: object) -> bytes:
    """Write compact JSON in UTF-8, and a ``Raw`` as it is.

    A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD; beside one all is written anew.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(json.loads(_whole(json.dumps(value, ensure_ascii=False, default=loads))))


def quote(value: object) -> bytes:
    r"""Write JSON that no reader of lines breaks: some split events at U+0085, U+2028 and U+2029, not at ``\n`` alone."""
    return _unbroken(dumps(value))


def _unbroken(quoted: bytes) -> bytes:
    if _breaks(quoted):
        for raw, escaped in _LINE_BREAKS:
            quoted = quoted.replace(raw, escaped)
    return quoted


def _breaks(quoted: bytes) -> bool:
    """Whether a reader of lines may break it; the first look, which mostly is enough, takes a 20th of the others."""
    return not quoted.isascii() and (b"\xe2\x80\xa8" in quoted or b"\xe2\x80\xa9" in quoted or b"\xc2\x85" in quoted)


def quotes(texts: Iterable[str]) -> list[bytes]:
    """Many texts as `quote` writes each."""
    try:
        pieces = list(map(_encode, texts))
    except UnicodeEncodeError:
        return list(map(quote, texts))
    return list(map(_unbroken, pieces)) if _breaks(b"".join(pieces)) else pieces


def quote_all(texts: Iterable[str], separator: bytes) -> bytes:
    """Many texts as `quote` writes each, joined by ``separator``, which no reader of lines breaks either."""
    return separator.join(quotes(texts))


def sse(data: bytes, event: bytes = b"") -> bytes:
    """Frame one server-sent event; ``data`` is a single line, as compact JSON is."""
    if event:
        return b"event: %b\ndata: %b\n\n" % (event, data)
    return b"data: %b\n\n" % data


def sse_data(frames: bytes) -> list[bytes]:
    """The data of whole frames that `sse` made, without their names and without comments."""
    return [line[6:] for line in frames.split(b"\n") if line.startswith(b"data: ")]


def sse_comment(text: bytes = b"") -> bytes:
    """Frame a comment, which every client ignores."""
    return b": %b\n\n" % text


class SurrogateJoiner:
    """Mends characters that were cut in half between two strings.

    A JavaScript server that cuts inside an emoji emits two lone surrogates, one at the end of a delta and one at the start of the next.
    """

    def __init__(self) -> None:
        self._half = ""

    @property
    def is_halfway(self) -> bool:
        """Whether half a character waits for its other half."""
        return bool(self._half)

    def join(self, text: str) -> str:
        """Take the next piece and give what is whole; what never becomes whole is U+FFFD."""
        if not self._half and text.isascii():
            return text
        text = self._half + text
        self._half = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _whole(text)

    def end(self) -> str:
        """Give what is left of a character that was never completed."""
        rest = _whole(self._half)
        self._half = ""
        return rest


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _position(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        problem = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        return f"{problem} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "not valid JSON"
