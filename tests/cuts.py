"""This module is the cutting of a stream into pieces, at any places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

_Text = TypeVar("_Text", bytes, str)


def cut(stream: _Text, places: Iterable[int]) -> list[_Text]:
    """A stream in pieces, cut before each of the places."""
    return [stream[start:end] for start, end in pairwise((0, *sorted(places), len(stream)))]


def every(stream: _Text, size: int) -> list[_Text]:
    """A stream in pieces of one size."""
    return cut(stream, range(size, len(stream), size))


def pieces(stream: _Text, most: int = 6) -> st.SearchStrategy[Sequence[_Text]]:
    """Any way to cut a stream, mostly into a few pieces, but also into single ones; pieces may be empty."""
    places = st.lists(st.integers(0, len(stream)), max_size=most)
    return places.map(lambda places: cut(stream, places)) | st.integers(1, 3).map(lambda size: every(stream, size))
