"""This module is the short way for text: nine of ten lines are a piece of it in the usual spelling, and many come together.

It finds the lines between the first and the last such piece of a delivery and reads them with a decoder that knows nothing else. Where
anything but text is among them it finds nothing, and they are read record by record, which says the same at several times the cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.framing import UNREADABLE, Record, RecordReader

_BEGINNING = b'{"type":"text-delta",'
_NEXT = b"\n" + _BEGINNING


class TextRecord(Record, tag_field="type", tag="text-delta"):
    """A piece of text in the usual spelling."""

    text: str


_READER = RecordReader(TextRecord)


class Texts:
    """Reads the text of a delivery."""

    def find(self, block: bytes) -> tuple[int, int, Sequence[str]]:
        """Where the text within whole lines begins and ends, and its pieces; none where it is not text alone."""
        if block.startswith(_BEGINNING) and block.find(b"\n") == len(block) - 1:
            return self._line(block)
        start = 0
        if not block.startswith(_BEGINNING):
            start = block.find(_NEXT) + 1
            if not start:
                return 0, 0, ()
        last = block.rfind(_NEXT) + 1 or start
        end = block.index(b"\n", last) + 1
        records = _READER.block(block[start:end])
        if not records:
            return 0, 0, ()
        texts = [record.text for record in records]
        return (start, end, texts) if all(texts) else (0, 0, ())

    def read(self, line: bytes) -> str:
        """The text of a line whose other fields are not what they should be; empty where it is none."""
        try:
            return _READER.decode(line).text
        except UNREADABLE:
            return ""

    def _line(self, line: bytes) -> tuple[int, int, Sequence[str]]:
        """The same for a single line, as a model that takes its time sends it."""
        text = self.read(line)
        return (0, len(line), (text,)) if text else (0, 0, ())
