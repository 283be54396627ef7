"""Tests of the store in memory."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from ccproxy.store.memory import ENTRY_SIZE, ITEM_SIZE, SHARE_SIZE, MemoryStore
from tests.store.contract import StoreContract
from tests.unmeasured import Unmeasured

LIMIT = 10_000_000
HOUR = 3600.0

_T = TypeVar("_T")


class MemoryTestCase(TestCase):
    """A clock, and stores that leave no timer behind."""

    def setUp(self) -> None:
        """Make the clock."""
        self.clock = Clock()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def memory(self, limit: int = LIMIT, seconds: float = HOUR) -> MemoryStore:
        """A store that is closed after the test."""
        store = MemoryStore(limit=limit, seconds=seconds, clock=self.clock)
        self.addCleanup(store.close)
        return store

    def now(self, coroutine: Coroutine[Deferred[Any], Any, _T]) -> _T:
        """What comes of something that does not wait."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def names(self, store: MemoryStore, names: str) -> str:
        """Which of these names of one letter have a value."""
        return "".join(self.now(store.get(list(names))))


class MemoryContractTests(MemoryTestCase, StoreContract):
    """It does what every store does."""

    def make(self, seconds: float) -> MemoryStore:
        """A store."""
        return self.memory(seconds=seconds)

    async def pass_time(self, seconds: float) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)


class SizeTests(MemoryTestCase):
    """It takes no more than it may."""

    def one(self, size: int) -> int:
        """Bytes that a value of this size takes under a name of one letter."""
        return ITEM_SIZE + sys.getsizeof("a") + sys.getsizeof(bytes(size))

    def test_least_recently_used(self) -> None:
        """When there is no more room, what was not asked for the longest goes first."""
        store = self.memory(limit=SHARE_SIZE + 3 * self.one(100))
        self.now(store.put({"a": bytes(100), "b": bytes(100), "c": bytes(100)}))
        self.assertEqual(store.size, SHARE_SIZE + 3 * self.one(100))
        self.now(store.get(["a"]))

        self.now(store.put({"d": bytes(100)}))

        self.assertEqual(self.names(store, "abcd"), "acd")
        self.assertEqual(store.size, SHARE_SIZE + 3 * self.one(100))

    def test_shares(self) -> None:
        """Whoever takes most makes room, whoever needs it; what was put last stays, however large."""
        store = self.memory(limit=2 * SHARE_SIZE + 5 * self.one(100))
        self.now(store.put({"a": bytes(100)}, "anne"))
        self.now(store.put({name: bytes(100) for name in "bcde"}, "ben"))

        self.now(store.put({"f": bytes(100)}, "ben"))
        self.assertEqual(self.names(store, "abcdef"), "acdef")

        self.now(store.put({"g": bytes(100)}, "anne"))
        self.assertEqual(self.names(store, "acdefg"), "adefg")

        large = 4 * self.one(100) - self.one(0) - SHARE_SIZE
        self.now(store.put({"h": bytes(large)}, "carl"))
        self.assertEqual(self.names(store, "adefgh"), "fh")

    def test_share_of_a_log(self) -> None:
        """A log counts to the share of who began it."""
        store = self.memory(limit=2 * SHARE_SIZE + 3 * self.one(100))
        self.now(store.append("l", [bytes(1000)], "anne"))

        self.now(store.put({"a": bytes(100), "b": bytes(100)}, "ben"))

        self.assertEqual((len(self.now(store.read("l", 0))), self.names(store, "ab")), (0, "ab"))
        self.now(store.delete(["a", "b"]))
        self.assertEqual(store.size, 0)

    def test_logs(self) -> None:
        """Logs take room as values do, and using one keeps it."""
        entry = ENTRY_SIZE + sys.getsizeof(bytes(100))
        store = self.memory(limit=SHARE_SIZE + 2 * self.one(100) + 3 * entry)
        self.now(store.append("l", [bytes(100)]))
        self.now(store.put({"a": bytes(100)}))
        self.now(store.read("l", 0))
        before = store.size

        self.now(store.append("l", [bytes(100)]))
        self.assertEqual(store.size - before, entry)
        self.now(store.put({"b": bytes(100)}))

        self.assertEqual(self.names(store, "ab"), "b")
        self.assertEqual(len(self.now(store.read("l", 0))), 2)

    def test_too_large(self) -> None:
        """What is larger than the limit is not kept, nor what it replaces, and nothing else has to go for it."""
        store = self.memory(limit=SHARE_SIZE + self.one(1000))
        self.now(store.put({"a": b"1", "b": b"2"}))

        self.now(store.put({"a": bytes(1001)}))

        self.assertEqual(self.names(store, "ab"), "b")
        self.assertEqual(store.size, SHARE_SIZE + self.one(1))
        self.now(store.put({"a": bytes(1000)}))
        self.assertEqual(self.names(store, "ab"), "a")

    def test_too_long(self) -> None:
        """A log that grows over the limit is gone as a whole."""
        store = self.memory(limit=SHARE_SIZE + self.one(1000))
        self.now(store.append("l", [bytes(400)]))

        self.now(store.append("l", [bytes(600)]))

        self.assertEqual(list(self.now(store.read("l", 0))), [])
        self.assertEqual(store.size, 0)

    def test_replaced(self) -> None:
        """What is replaced and deleted takes no room any more."""
        store = self.memory()
        for _ in range(3):
            self.now(store.put({"a": bytes(100)}))
        self.now(store.append("l", [b"entry"]))
        self.now(store.delete(["l", "l", "absent"]))

        self.assertEqual(store.size, SHARE_SIZE + self.one(100))

    def test_no_limit(self) -> None:
        """A limit of 0 is none."""
        store = self.memory(limit=0)

        self.now(store.put({"a": bytes(100_000)}))

        self.assertEqual(self.names(store, "a"), "a")

    def test_no_time(self) -> None:
        """A life of 0 seconds keeps nothing."""
        store = self.memory(seconds=0.0)

        self.now(store.put({"a": b"1"}))
        self.now(store.append("l", [b"entry"]))

        self.assertEqual((self.names(store, "a"), len(self.now(store.read("l", 0))), store.size), ("", 0, 0))

    def test_hidden(self) -> None:
        """No value shows itself."""
        store = self.memory()
        self.now(store.put({"a": b"canary"}))
        self.now(store.append("l", [b"canary"]))

        self.assertNotIn("canary", repr(vars(store)))


class MeasuredTests(Unmeasured, MemoryTestCase):
    """What it says that it takes, against what Python takes."""

    def test_honest(self) -> None:
        """It takes no more than it says, for many small values, and for logs of few and of many entries."""
        for what, count in (("values", 3000), ("owners", 3000), ("short logs", 3000), ("a long log", 1)):
            store = self.memory()
            tracemalloc.start()
            for number in range(count):
                name = f"{number:064d}"
                if what in ("values", "owners"):
                    owner = f"{number:016d}" if what == "owners" else ""
                    self.now(store.put({name: number.to_bytes(20, "big")}, owner))
                else:
                    entries = [one.to_bytes(20, "big") for one in range(9000 // count)]
                    self.now(store.append(name, entries))
            del name
            entries = []
            taken, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()

            self.assertLess(taken, store.size, what)
            self.assertLess(store.size, 1.6 * taken, what)


class TimeTests(MemoryTestCase):
    """What has expired is freed."""

    def test_unasked(self) -> None:
        """What has expired takes no room any more, though nobody asks for it; there is one timer, and none for nothing."""
        store = self.memory(seconds=60.0)
        for _ in range(30):
            self.now(store.put({str(self.clock.seconds()): b"value"}))
            self.now(store.append(f"log {self.clock.seconds()}", [b"entry"]))
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1.0)
        full = store.size

        self.clock.advance(45.0)
        self.assertLess(store.size, 0.6 * full)
        self.clock.pump([1.0] * 20)

        self.assertEqual((store.size, self.clock.getDelayedCalls()), (0, []))

    def test_few_sweeps(self) -> None:
        """However many things expire one after the other, they are looked at sixty times in their life at most."""
        store = self.memory(seconds=60.0)
        for _ in range(1000):
            self.now(store.put({str(self.clock.seconds()): b"value"}))
            self.clock.advance(0.05)
        sweeps: set[float] = set()
        for _ in range(1230):
            self.clock.advance(0.05)
            sweeps.update(call.getTime() for call in self.clock.getDelayedCalls())

        self.assertLess(len(sweeps), 63)
        self.assertEqual(store.size, 0)

    def test_exact(self) -> None:
        """What has expired is not found, even where it was not freed yet."""
        store = self.memory(seconds=60.0)
        self.now(store.put({"a": b"1"}))
        self.clock.advance(0.1)
        self.now(store.put({"b": b"2"}))
        self.clock.advance(59.9)

        self.clock.advance(0.1)

        self.assertGreater(store.size, 0)
        self.assertEqual(self.names(store, "ab"), "")

    def test_used(self) -> None:
        """What is asked for now and then is never forgotten, and is freed when it is not asked for any more."""
        store = self.memory(seconds=60.0)
        self.now(store.put({"a": b"1", "b": b"2"}))
        for _ in range(10):
            self.clock.advance(50.0)
            self.assertEqual(self.names(store, "a"), "a")

        self.clock.pump([1.0] * 62)

        self.assertEqual((store.size, self.clock.getDelayedCalls()), (0, []))


class ChangeTests(MemoryTestCase):
    """Waiting for a change."""

    def test_at_once(self) -> None:
        """Everybody who waits for a name hears of its change at once, and nobody else."""
        store = self.memory()
        waiting = [Deferred.fromCoroutine(store.changed(name, 30.0)) for name in ("log", "log", "value", "other")]

        self.now(store.append("log", [b"entry"]))
        self.assertEqual([each.called for each in waiting], [True, True, False, False])
        self.now(store.put({"value": b"1"}))

        self.assertEqual([each.called for each in waiting], [True, True, True, False])

    def test_all_put(self) -> None:
        """Who hears of a change finds all that was put with it."""
        store = self.memory()

        async def wait() -> bytes:
            await store.changed("a", 30.0)
            return (await store.get(["b"]))["b"]

        waiting = Deferred.fromCoroutine(wait())
        self.now(store.put({"a": b"1", "b": b"2"}))

        self.assertEqual(self.successResultOf(waiting), b"2")

    def test_cancelled(self) -> None:
        """Who ceases to wait leaves nothing behind, and the others go on."""
        store = self.memory()
        one, other = [Deferred.fromCoroutine(store.changed("log", 30.0)) for _ in range(2)]

        one.cancel()
        self.failureResultOf(one, CancelledError)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.now(store.append("log", [b"entry"]))

        self.assertTrue(other.called)

    def test_closed(self) -> None:
        """A store that is closed holds nothing, and lets nobody wait."""
        store = self.memory()
        self.now(store.put({"a": b"1"}))
        waiting = Deferred.fromCoroutine(store.changed("log", 30.0))

        store.close()

        self.successResultOf(waiting)
        self.assertEqual((store.size, self.clock.getDelayedCalls()), (0, []))
