"""This module is the store in the memory of one process, bounded in bytes and in time."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

ITEM_SIZE = 432
"""Bytes that a value or a log takes besides its name and content: itself, and its places in two ordered tables (CPython 3.11)."""

SHARE_SIZE = 720
"""Bytes that an owner takes besides what is owned: the share itself, its ordered table, and its place among the shares."""

ENTRY_SIZE = 24
"""Bytes that an entry takes in a log besides its content: its place in the list, and what the allocator rounds up."""

_SWEEPS = 60  # in the life of an item


@define
class _Item:
    """A value or a log; ``size`` counts all that it takes, in bytes."""

    owner: str
    deadline: float
    size: int
    value: bytes = field(default=b"", repr=False)
    entries: list[bytes] = field(factory=list, repr=False)


@define
class _Share:
    """What one owner has in the store: names, the least recently used first, and the bytes that they take together."""

    size: int
    names: OrderedDict[str, None] = field(factory=OrderedDict, init=False)


class MemoryStore:
    """A store that nobody else sees.

    Args:
        limit: Bytes that it takes at most, what Python needs for the tables included; 0 for as many as come. When there is no more room,
            whoever takes most of it loses what was least recently used, so that nobody pushes out what others need; what was put last
            stays. What is larger than the limit by itself is not kept.
        seconds: How long something lives; 0: nothing is kept.
        clock: Where the time comes from.

    Attributes:
        size: Bytes that it takes.
    """

    shared = False

    def __init__(self, *, limit: int, seconds: float, clock: IReactorTime) -> None:
        self._limit = limit or math.inf
        self._seconds = seconds
        self._clock = clock
        self._items: dict[str, _Item] = {}
        self._shares: dict[str, _Share] = {}
        self._written: OrderedDict[str, None] = OrderedDict()  # the first to expire first
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self._sweep: IDelayedCall | None = None
        self.size = 0

    async def get(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """The values that are there; their life begins anew."""
        found = {name: item for name in names if (item := self._find(name)) is not None}
        for name, item in found.items():
            item.deadline = self._clock.seconds() + self._seconds
            self._written.move_to_end(name)
        return {name: item.value for name, item in found.items()}

    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Keep values, in place of older ones."""
        for name, value in values.items():
            self._drop(name)
            self._keep(name, _Item(owner, 0.0, ITEM_SIZE + sys.getsizeof(name) + sys.getsizeof(value), value))
        for name in values:
            self._wake(name)

    async def delete(self, names: Sequence[str]) -> int:
        """Drop values and logs; gives how many were there."""
        return sum(self._find(name) is not None and self._drop(name) for name in names)

    async def append(self, name: str, entries: Sequence[bytes], owner: str = "") -> None:
        """Add to the end of a log."""
        if not entries:
            return
        item = self._find(name) or _Item(owner, 0.0, ITEM_SIZE + sys.getsizeof(name) + sys.getsizeof([]))
        self._drop(name)
        item.entries += entries
        item.size += sum(ENTRY_SIZE + sys.getsizeof(entry) for entry in entries)
        self._keep(name, item)
        self._wake(name)

    async def read(self, name: str, start: int, most: int = 0) -> Sequence[bytes]:
        """The entries of a log from an index on."""
        item = self._find(name)
        return item.entries[start : start + most if most else None] if item is not None else ()

    async def changed(self, name: str, seconds: float) -> None:
        """Return as soon as the log has grown or the value was put, or after so many seconds."""
        waiting: Deferred[None] = Deferred()
        self._waiting.setdefault(name, []).append(waiting)
        timer = self._clock.callLater(seconds, waiting.callback, None)
        try:
            await waiting
        finally:
            if timer.active():
                timer.cancel()
            self._forget(name, waiting)

    def close(self) -> None:
        """Drop everything, and let nobody wait."""
        for name in list(self._items):
            self._drop(name)
        for name in list(self._waiting):
            self._wake(name)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _find(self, name: str) -> _Item | None:
        item = self._items.get(name)
        if item is None:
            return None
        if item.deadline <= self._clock.seconds():
            self._drop(name)
            return None
        self._shares[item.owner].names.move_to_end(name)
        return item

    def _keep(self, name: str, item: _Item) -> None:
        if SHARE_SIZE + item.size > self._limit or self._seconds <= 0:
            return
        item.deadline = self._clock.seconds() + self._seconds
        self._items[name] = item
        self._written[name] = None
        share = self._shares.get(item.owner)
        if share is None:
            share = self._shares[item.owner] = _Share(SHARE_SIZE)
            self.size += SHARE_SIZE
        share.names[name] = None
        share.size += item.size
        self.size += item.size
        while self.size > self._limit:
            self._drop(self._next_to_go(name))
        if self._sweep is None:
            self._sweep = self._clock.callLater(self._seconds, self._expire)

    def _next_to_go(self, newest: str) -> str:
        """What was least recently used of whoever takes most; of who has the newest alone, nothing."""
        alone = self._shares[self._items[newest].owner]
        shares = [share for share in self._shares.values() if share is not alone or len(share.names) > 1]
        return next(iter(max(shares, key=lambda share: share.size).names))

    def _drop(self, name: str) -> bool:
        item = self._items.pop(name, None)
        if item is None:
            return False
        del self._written[name]
        share = self._shares[item.owner]
        del share.names[name]
        share.size -= item.size
        self.size -= item.size
        if not share.names:
            del self._shares[item.owner]
            self.size -= SHARE_SIZE
        return True

    def _expire(self) -> None:
        """Free what has expired; now and then, as long as there is something."""
        self._sweep = None
        now = self._clock.seconds()
        while self._written:
            name = next(iter(self._written))
            left = self._items[name].deadline - now
            if left > 0:
                self._sweep = self._clock.callLater(max(left, self._seconds / _SWEEPS), self._expire)
                return
            self._drop(name)

    def _wake(self, name: str) -> None:
        for waiting in self._waiting.pop(name, ()):
            waiting.callback(None)

    def _forget(self, name: str, waiting: Deferred[None]) -> None:
        others = self._waiting.get(name, [])
        if waiting in others:
            others.remove(waiting)
            if not others:
                del self._waiting[name]
