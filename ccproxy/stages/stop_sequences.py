"""This module is the stage that ends a turn at the client's stop sequences, which the upstream does not know.

Sequences are looked for in visible text only, and a match does not cross a text block or another event. Of all matches in a block the one
that starts first wins, and of those that start together the one whose sequence the client named first; it does not matter how the text was
cut. What may be the beginning of a sequence is held back, and not one character more.

The sequences make an automaton (A. Aho and M. Corasick, "Efficient string matching", 1975), so that the work is linear in the text whatever
the sequences are. It has a node for each of their characters: how long they may be is for the request's reader to say.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import Factory, define

from ccproxy.events import Event, Failed, Finished, FinishReason, TextDelta, Usage

_Match: TypeAlias = tuple[int, int]
"""Where a match starts, counted from the first character that is held, and the place of its sequence; the lower one wins."""


class StopSequences:
    """Ends the turn where the first stop sequence starts, and drops what follows.

    The usage of a turn that is cut is unknown, unless the match was certain only when the turn finished.

    Args:
        sequences: The sequences in the client's order; empty ones are ignored.
    """

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = [sequence for sequence in sequences if sequence]
        self._root = self._node = _automaton(self._sequences)
        self._first = re.compile("|".join(map(re.escape, self._root.children)) or "(?!)")
        self._found: _Match | None = None
        self._over = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give what certainly comes before any stop sequence."""
        if self._over:
            return ()
        if isinstance(event, TextDelta):
            return self._text(event)
        if self._node is self._root:
            return (event,)
        return self._interrupted(event)

    def _text(self, delta: TextDelta) -> Iterable[Event]:
        before, text = self._node, delta.text
        if before is self._root and self._first.search(text) is None:
            return (delta,)
        match = self._scan(text)
        if match is not None:
            return self._cut(match, before, text, Usage())
        certain = before.depth + len(text) - self._node.depth
        if self._found is not None:
            start, rank = self._found
            self._found = (start - certain, rank)
        return _said(before, text, certain)

    def _scan(self, text: str) -> _Match | None:
        """Move over the text, and give the match that nothing that follows can beat, once there is one."""
        node, held, at = self._node, self._node.depth, 0
        while at < len(text):
            if node is self._root:
                first = self._first.search(text, at)
                if first is None:
                    break
                at = first.start()
            node = node.step(text[at])
            at += 1
            if node.match is not None:
                length, rank = node.match
                match = (held + at - length, rank)
                self._found = min(match, self._found or match)
            if self._found is not None and self._found < (held + at - node.depth, node.soonest):
                return self._found
        self._node = node
        return None

    def _interrupted(self, event: Event) -> Iterable[Event]:
        """Decide on what is held, as no sequence goes on beyond this event."""
        node, self._node = self._node, self._root
        if self._found is None:
            return (*_said(node, "", node.depth), event)
        if isinstance(event, Failed):  # the failure has to be seen, and only the sequence is left out
            return (*_said(node, "", self._found[0]), event)
        return self._cut(self._found, node, "", event.usage if isinstance(event, Finished) else Usage())

    def _cut(self, match: _Match, before: _Node, text: str, usage: Usage) -> Iterable[Event]:
        start, rank = match
        self._over = True
        finished = Finished(FinishReason.STOP_SEQUENCE, usage, stop_sequence=self._sequences[rank])
        return (*_said(before, text, start), finished)


@define(eq=False)
class _Node:
    """A prefix of some sequence; the automaton is in it while this is the longest prefix that the text ends with.

    Attributes:
        sequence: A sequence with this prefix.
        depth: How many characters of it the prefix is.
        rank: The place of the first sequence that is the whole prefix, if one is.
        soonest: The lowest place of a longer sequence with this prefix.
        children: The prefixes that are longer by one character.
        fallback: The longest other prefix that ends this one; only the root has none.
        match: The longest sequence that ends this prefix, as its length and place.
    """

    sequence: str = ""
    depth: int = 0
    rank: int | None = None
    soonest: int = sys.maxsize
    children: dict[str, _Node] = Factory(dict)
    fallback: _Node | None = None
    match: tuple[int, int] | None = None

    def step(self, character: str) -> _Node:
        """The node for the text that goes on with ``character``."""
        node = self
        while character not in node.children and node.fallback is not None:
            node = node.fallback
        return node.children.get(character, node)


def _automaton(sequences: Sequence[str]) -> _Node:
    root = _Node()
    for rank, sequence in enumerate(sequences):
        node = root
        for depth, character in enumerate(sequence, 1):
            node.soonest = min(node.soonest, rank)
            node = node.children.setdefault(character, _Node(sequence, depth))
        if node.rank is None:
            node.rank = rank
    _link(root)
    return root


def _link(root: _Node) -> None:
    """Complete the nodes, the short prefixes before the long ones that build on them."""
    queue = deque([root])
    while queue:
        node = queue.popleft()
        for character, child in node.children.items():
            fallback = root if node.fallback is None else node.fallback.step(character)
            child.fallback = fallback
            child.match = fallback.match if child.rank is None else (child.depth, child.rank)
            queue.append(child)


def _said(before: _Node, text: str, size: int) -> Iterable[Event]:
    """Say the first ``size`` characters of what was held in the node ``before`` and then of the text."""
    said = before.sequence[: min(size, before.depth)] + text[: max(0, size - before.depth)]
    return (TextDelta(said),) if said else ()
