"""This module is what a store must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Store(Protocol):
    """Named bytes that live for a while; names and values are opaque here, and nothing is ever written to disk.

    A name is that of a value or that of a log, not of both. What lives too long, or is too much, is as if it had never been. Every method
    but `close` raises `ProxyError` of kind OVERLOADED when the store cannot be reached.

    Attributes:
        shared: Whether other processes see the same.
    """

    shared: bool

    async def get(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """The values that are there; their life begins anew."""

    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Keep values, in place of older ones; each lives for the store's number of seconds from now on.

        Args:
            values: The values by name.
            owner: To whose share of the room they count, where the store divides it.
        """

    async def delete(self, names: Sequence[str]) -> int:
        """Drop values and logs; gives how many were there."""

    async def append(self, name: str, entries: Sequence[bytes], owner: str = "") -> None:
        """Add to the end of a log, whose life begins anew; ``owner`` as with `put`."""

    async def read(self, name: str, start: int, most: int = 0) -> Sequence[bytes]:
        """The entries of a log from an index on, of many at most the first ``most``; none when there are none."""

    async def changed(self, name: str, seconds: float) -> None:
        """Return when the log has grown or the value was put, or after so many seconds; a shared store may return early."""

    def close(self) -> None:
        """Let go of everything."""
