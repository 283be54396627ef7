"""This module is the events of a stream around its items: numbers, beginning, signs of life, end.

Shapes: https://platform.openai.com/docs/api-reference/responses-streaming. Numbers count all events from 0; ``response.created`` and
``response.in_progress`` come first, and one event with the whole response last. No ``error`` event says the same again: openai-python
raises at it, which would hide the response that failed, and Codex does not read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.resource import INCOMPLETE, Response
from ccproxy.events import Failed, Finished
from ccproxy.framing import quote, sse_comment

_DIGITS = [b'%d,"delta":' % number for number in range(1000)]
_LAST_DIGITS = [b'%03d,"delta":' % number for number in range(1000)]
_AFTER_PIECE = b"}\n\n"
_COMMENTS = 9  # after so many comments in a row a ping is an event


class Frames:
    """Writes the events of one turn.

    Attributes:
        number: That of the next event.
        response: The response object.
    """

    def __init__(self, turn: Turn) -> None:
        self.number = 0
        self.response = Response(turn)
        self._pinged_at = 0
        self._comments = 0

    def begin(self) -> bytes:
        """The two events that come before any other; nothing when they are out."""
        if self.number:
            return b""
        shown = b'"response":' + self.response.begun()
        return self.event(b"response.created", shown) + self.event(b"response.in_progress", shown)

    def event(self, kind: bytes, fields: bytes) -> bytes:
        """One event; ``fields`` is the inside of a JSON object."""
        number = self.number
        self.number = number + 1
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (kind, kind, number, fields)

    def pieces(self, head: bytes, pieces: Sequence[bytes]) -> bytes:
        """Many pieces of a text at once; ``head`` is a whole frame up to the number.

        Numbers are not written one by one: their last digits are at hand, and the others are alike in a thousand.
        """
        number, count = self.number, len(pieces)
        thousands, place = divmod(number, 1000)
        if place + count > 1000:
            here = 1000 - place
            return self.pieces(head, pieces[:here]) + self.pieces(head, pieces[here:])
        self.number = number + count
        digits, before = (_LAST_DIGITS, head + b"%d" % thousands) if thousands else (_DIGITS, head)
        frames = [_AFTER_PIECE + before] * (3 * count + 1)
        frames[0], frames[-1] = before, _AFTER_PIECE
        frames[1::3] = digits[place : place + count]
        frames[2::3] = pieces
        return b"".join(frames)

    def added(self, index: int, item: Mapping[str, object]) -> bytes:
        """An item begins."""
        return self.event(b"response.output_item.added", b'"output_index":%d,"item":%b' % (index, quote(item)))

    def done(self, index: int, item: Mapping[str, object]) -> bytes:
        """An item is whole."""
        shown = self.response.add(item)
        return self.event(b"response.output_item.done", b'"output_index":%d,"item":%b' % (index, shown))

    def finish(self, finished: Finished) -> bytes:
        """The turn ended."""
        kind = b"response.incomplete" if finished.reason in INCOMPLETE else b"response.completed"
        return self.event(kind, b'"response":' + self.response.ended(finished))

    def fail(self, failed: Failed) -> bytes:
        """The turn failed, perhaps before anything else was said of it."""
        return self.begin() + self.event(b"response.failed", b'"response":' + self.response.failed(failed))

    def ping(self) -> bytes:
        """A sign of life: first the beginning, then comments, and among those from time to time that the response is in progress.

        Codex gives up after five minutes without an event, and comments are none to it. This event any client takes any number of times.
        """
        if not self.number:
            return self.begin()
        if self._pinged_at != self.number:
            self._pinged_at, self._comments = self.number, 0
        if self._comments < _COMMENTS:
            self._comments += 1
            return sse_comment(b"keep-alive")
        return self.event(b"response.in_progress", b'"response":' + self.response.begun())
