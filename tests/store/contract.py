"""This module is what holds for every store, as tests that each store's own test case inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ccproxy.store.base import Store

# Tests of no store in particular are not to be found and run.
if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object

BYTES = bytes(range(256)) + b"\r\n$-1\r\n12\xff"
"""Everything that a store may mistake for something else."""


class StoreContract(_Base):
    """What every store must do.

    The heir gives `make`, and `pass_time`, and takes care that what is made is closed.
    """

    seconds = 3600.0

    def make(self, seconds: float) -> Store:
        """An empty store in which things live for so long."""
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        raise NotImplementedError

    async def test_put(self) -> None:
        """What was put is there, byte for byte, in place of what was there before; what was not is absent."""
        store = self.make(self.seconds)

        await store.put({"a": b"old", "empty": b""})
        await store.put({"a": BYTES, "number": b"12", "größe": b"x" * 70_000})

        names = ["a", "number", "absent", "größe", "empty"]
        self.assertEqual(
            dict(await store.get(names)), {"a": BYTES, "number": b"12", "größe": b"x" * 70_000, "empty": b""}
        )

    async def test_used(self) -> None:
        """What is asked for lives as long again."""
        store = self.make(0.6)
        await store.put({"used": b"1", "unused": b"2"})
        for _ in range(2):
            await self.pass_time(0.4)
            self.assertEqual(list(await store.get(["used"])), ["used"])

        self.assertEqual(dict(await store.get(["used", "unused"])), {"used": b"1"})

    async def test_nothing(self) -> None:
        """Nothing asked is nothing answered."""
        store = self.make(self.seconds)

        await store.put({})
        await store.append("log", [])

        self.assertEqual(dict(await store.get([])), {})
        self.assertEqual(await store.delete([]), 0)
        self.assertEqual(list(await store.read("log", 0)), [])

    async def test_delete(self) -> None:
        """What is deleted is gone, values and logs alike, and it is said how many were there."""
        store = self.make(self.seconds)
        await store.put({"a": b"1", "b": b"2", "c": b"3"})
        await store.append("log", [b"entry"])

        self.assertEqual(await store.delete(["a", "absent", "log", "c"]), 3)

        self.assertEqual(dict(await store.get(["a", "b", "c"])), {"b": b"2"})
        self.assertEqual(list(await store.read("log", 0)), [])
        self.assertEqual(await store.delete(["a"]), 0)

    async def test_log(self) -> None:
        """A log is read from any index on, in the order in which it was written."""
        store = self.make(self.seconds)

        await store.append("log", [b"a", BYTES])
        await store.append("log", [b"", b"7"])

        self.assertEqual(list(await store.read("log", 0)), [b"a", BYTES, b"", b"7"])
        self.assertEqual(list(await store.read("log", 2)), [b"", b"7"])
        self.assertEqual(list(await store.read("log", 4)), [])
        self.assertEqual(list(await store.read("absent", 0)), [])

    async def test_long_log(self) -> None:
        """A log of many entries is read whole."""
        store = self.make(self.seconds)
        entries = [b"%d" % number * 50 for number in range(1000)]

        await store.append("log", entries)

        self.assertEqual(list(await store.read("log", 0)), entries)

    async def test_expiry(self) -> None:
        """A value is gone after its time; putting it again begins its life anew."""
        store = self.make(0.5)
        await store.put({"once": b"1", "twice": b"2"})

        await self.pass_time(0.3)
        await store.put({"twice": b"3"})
        await self.pass_time(0.3)

        self.assertEqual(dict(await store.get(["once", "twice"])), {"twice": b"3"})

    async def test_log_expiry(self) -> None:
        """A log lives as long as something is added to it in time, and then goes as a whole."""
        store = self.make(0.5)
        await store.append("log", [b"1"])
        await self.pass_time(0.3)
        await store.append("log", [b"2"])
        await self.pass_time(0.3)
        self.assertEqual(list(await store.read("log", 0)), [b"1", b"2"])

        await self.pass_time(0.3)

        self.assertEqual(list(await store.read("log", 0)), [])

    async def test_changed_in_time(self) -> None:
        """Waiting for a change ends when its time is over, though nothing has changed."""
        store = self.make(self.seconds)
        waiting: Deferred[Any] = Deferred.fromCoroutine(store.changed("log", 0.2))
        self.assertFalse(waiting.called)

        await self.pass_time(0.25)

        self.assertTrue(waiting.called)
        self.assertIsNone(await waiting)

    async def test_changed(self) -> None:
        """Whoever reads after waiting sees what was added and put meanwhile."""
        store = self.make(self.seconds)
        waiting = [Deferred.fromCoroutine(store.changed(name, 0.3)) for name in ("log", "value")]

        await store.append("log", [b"entry"])
        await store.put({"value": b"1"})
        await self.pass_time(0.35)

        self.assertTrue(all(each.called for each in waiting))
        self.assertEqual(list(await store.read("log", 0)), [b"entry"])
        self.assertEqual(dict(await store.get(["value"])), {"value": b"1"})
