"""Tests of transcripts that arrive in pieces: the network cuts anywhere, and nobody may notice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccproxy.events import Event, Failed
from tests.cuts import cut, every
from tests.replay import SHOWN, TRANSCRIPTS, answer, golden, transcript
from tests.unmeasured import Unmeasured
from tests.upstreams.commandcode.streams import comparable, decoded

LARGE = 100_000
"""Bytes from which a transcript is cut at some places only."""
NEAR = 3
"""Bytes around the end of each line, where cuts matter most."""


def places(stream: bytes) -> Iterable[int]:
    """Where to cut a stream in two: everywhere, or if it is large around the ends of lines and here and there."""
    if len(stream) < LARGE:
        return range(1, len(stream))
    ends = [place for place, byte in enumerate(stream) if byte == ord("\n")]
    around = {end + near for end in ends[::20] for near in range(-NEAR, NEAR + 1)}
    return sorted(place for place in around | set(range(1, len(stream), 4999)) if 0 < place < len(stream))


def divisions(stream: bytes) -> Iterable[Sequence[bytes]]:
    """A few ways to cut a stream into many pieces."""
    sizes = (1, 2, 7, 1000) if len(stream) < LARGE else (97, 1460, 65536)
    return (every(stream, size) for size in sizes)


class CutTests(Unmeasured):
    """Every transcript."""

    def test_in_two(self) -> None:
        """Cut in two at any byte, a transcript says what it says in one piece."""
        for name in TRANSCRIPTS:
            stream = transcript(name)
            whole = comparable(decoded(stream))

            differing = [place for place in places(stream) if comparable(decoded(*cut(stream, [place]))) != whole]

            self.assertEqual(differing, [], name)

    def test_in_many(self) -> None:
        """Cut into pieces of any size, down to single bytes, a transcript gives the same bytes in every dialect and both modes."""
        for name in TRANSCRIPTS:
            for pieces in divisions(transcript(name)):
                for dialect in SHOWN:
                    for stream in (True, False):
                        kept = golden(dialect, name, stream=stream).read_bytes()

                        self.assertEqual(answer(dialect, pieces, stream=stream), kept, f"{name} {len(pieces)}")

    def test_ended_early(self) -> None:
        """An answer that breaks off before it was finished is a failure, after the beginning of what would have been said."""
        for name in TRANSCRIPTS:
            stream = transcript(name)
            whole = said(decoded(stream))
            finish = stream.find(b'{"type":"finish')
            finished = stream.find(b"\n", finish) if finish >= 0 else len(stream)

            for place in [place for place in places(stream) if place < finished][::5]:
                *events, last = decoded(stream[:place])

                self.assertIsInstance(last, Failed, f"{name} {place}")
                self.assertTrue(whole.startswith(said(events).removesuffix("\ufffd")), f"{name} {place}")


def said(events: Iterable[Event]) -> str:
    """Everything that is text in some events, in order."""
    return "".join(str(getattr(event, "text", getattr(event, "fragment", ""))) for event in events)
