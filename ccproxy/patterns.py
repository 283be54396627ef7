r"""This module is how long a regular expression can take: an upper bound of the steps of Python's matcher.

The patterns of a schema come from a client, and the texts that they are held against from a model. The matcher tries one way after
another, and ``(a+)+$`` has 2**n of them in a text of n characters; while it runs, nobody else is served. So the ways are counted
beforehand. What follows each other multiplies its ways, alternatives add theirs, and a repetition has the ways of what it repeats to
the power of its repeats, once for each number of repeats. Many a pattern is better than its bound, and none is worse.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache, reduce
from math import inf

from attrs import frozen

_LONGEST = 1000
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\??|(?P<repeat>[*+?]|\{(?P<least>\d*)(?P<range>,?)(?P<most>\d*)(?<=[\d,])\})|.",
    re.DOTALL,
)
_UNCOUNTED = re.compile(r"\(\?[^:=!<P]")  # flags, comments, conditions: with them the text means something else


@frozen
class _Cost:
    """The ways in which a part of a pattern can match, and the steps of one of them."""

    ways: float = 1.0
    steps: float = 1.0

    def then(self, other: _Cost) -> _Cost:
        return _Cost(self.ways * other.ways, self.steps + other.steps)

    def either(self, other: _Cost) -> _Cost:
        return _Cost(self.ways + other.ways, self.steps + other.steps)

    def repeated(self, least: int, most: int) -> _Cost:
        counts = most - least + 1
        return _Cost(counts * self.ways**most, self.steps * max(most, 1) / counts)  # what all counts share is paid once


def work(pattern: str, length: int) -> float:
    """The most steps that it takes to look for a pattern in a text of so many characters.

    It is infinite for a pattern of over 1000 characters, and for one that Python cannot read: JSON Schema has another language's
    expressions.
    """
    return _work(pattern, length) if len(pattern) <= _LONGEST else inf


@lru_cache(maxsize=1024)
def _work(pattern: str, length: int) -> float:
    if not _readable(pattern) or _UNCOUNTED.search(pattern):
        return inf
    try:
        branches = _branches(pattern, length)
    except OverflowError:
        return inf
    cost = _sum(branches)
    starts = 1 if pattern.startswith("^") and len(branches) == 1 else length + 1
    return cost.ways * cost.steps * starts


def _readable(pattern: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that Python may read "[[" otherwise one day
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _branches(pattern: str, length: int) -> list[list[_Cost]]:
    """The alternatives of a pattern, each with what follows each other in it."""
    groups: list[list[list[_Cost]]] = [[[]]]
    for token in _TOKEN.finditer(pattern):
        branches = groups[-1]
        if token["repeat"]:
            branches[-1][-1] = branches[-1][-1].repeated(*_repeats(token, length))
        elif token[0] in ("(", "(?"):
            groups.append([[]])
        elif token[0] == ")":
            groups.pop()
            groups[-1][-1].append(_sum(branches))
        elif token[0] == "|":
            branches.append([])
        else:
            branches[-1].append(_Cost())
    return groups[0]


def _repeats(token: re.Match[str], length: int) -> tuple[int, int]:
    if token["least"] is None:
        return {"*": (0, length), "+": (1, max(length, 1)), "?": (0, 1)}[token[0]]
    least = int(token["least"] or 0)
    if not token["range"]:
        return least, least
    return least, int(token["most"]) if token["most"] else max(length, least)


def _sum(branches: list[list[_Cost]]) -> _Cost:
    return reduce(_Cost.either, (reduce(_Cost.then, branch, _Cost()) for branch in branches))
