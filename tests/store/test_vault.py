"""Tests of one caller's part of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, gatherResults
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key
from ccproxy.store.memory import MemoryStore
from ccproxy.store.vault import Vault
from tests.store.contract import StoreContract
from tests.store.test_memory import HOUR, LIMIT, MemoryTestCase

MINE, OTHER = Key("user_test_key"), Key("user_other_key")


class OpenStore(MemoryStore):
    """A store whose inside the tests see, and that can fail."""

    def __init__(self, case: MemoryTestCase) -> None:
        super().__init__(limit=LIMIT, seconds=HOUR, clock=case.clock)
        case.addCleanup(self.close)
        self.values: dict[str, bytes] = {}
        self.logs: dict[str, list[bytes]] = {}
        self.failing = False

    @override
    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Keep them where they are seen, too."""
        self.values.update(values)
        await super().put(values, owner)

    @override
    async def append(self, name: str, entries: Sequence[bytes], owner: str = "") -> None:
        """Keep them where they are seen, too, unless it fails."""
        if self.failing:
            raise ProxyError(Kind.OVERLOADED, "no")
        self.logs.setdefault(name, []).extend(entries)
        await super().append(name, entries, owner)


class VaultContractTests(MemoryTestCase, StoreContract):
    """It does what every store does."""

    def make(self, seconds: float) -> Vault:  # type: ignore[override] # it knows by itself whose share it is
        """A vault."""
        return Vault(self.memory(seconds=seconds), MINE)

    async def pass_time(self, seconds: float) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)


class VaultTests(MemoryTestCase):
    """Nobody but the caller can find, read, or put anything in the place of what is there."""

    async def test_others(self) -> None:
        """What the holder of one key keeps, the holder of another does not find, read, or delete."""
        store = self.memory()
        mine, other = Vault(store, MINE), Vault(store, OTHER)
        await mine.put({"a": b"1"})
        await mine.append("log", [b"1"])
        await other.put({"b": b"2"})

        self.assertEqual(dict(await other.get(["a", "b"])), {"b": b"2"})
        self.assertEqual(list(await other.read("log", 0)), [])
        self.assertEqual(await other.delete(["a", "log"]), 0)
        self.assertEqual(dict(await Vault(store, MINE).get(["a", "b"])), {"a": b"1"})

    async def test_hidden(self) -> None:
        """The store sees neither names nor contents."""
        store = OpenStore(self)
        vault = Vault(store, MINE)
        await vault.put({"canary": b"canary"})
        await vault.append("canary log", [b"canary"])

        self.assertNotIn("canary", repr((store.values, store.logs)))
        self.assertNotIn("user_test_key", repr(vars(vault)))

    async def test_exchanged(self) -> None:
        """A value in the place of another, and one that was changed, are absent."""
        store = OpenStore(self)
        vault = Vault(store, MINE)
        await vault.put({"a": b"1", "b": b"2"})
        (a, sealed_a), (b, sealed_b) = store.values.items()

        await store.put({a: sealed_b, b: sealed_b[:-1]})
        self.assertEqual(dict(await vault.get(["a", "b"])), {})
        await store.put({a: sealed_a})

        self.assertEqual(dict(await vault.get(["a", "b"])), {"a": b"1"})

    async def test_order(self) -> None:
        """A log is read up to the first entry that is not in its place."""
        store = OpenStore(self)
        vault = Vault(store, MINE)
        await vault.append("log", [b"0", b"1", b"2"])
        ((name, (zero, one, two)),) = store.logs.items()
        await store.delete([name])

        await store.append(name, [zero, two, one])

        self.assertEqual(list(await vault.read("log", 0)), [b"0"])
        self.assertEqual(list(await vault.read("log", 1)), [])

    async def test_lost(self) -> None:
        """A log whose beginning was lost is none, instead of one that begins in the middle."""
        store = OpenStore(self)
        vault = Vault(store, MINE)
        await vault.append("log", [b"0"])
        await store.delete(list(store.logs))

        await vault.append("log", [b"1"])

        self.assertEqual(list(await vault.read("log", 0)), [])

    async def test_continued(self) -> None:
        """Another vault of the same caller goes on where the first one stopped, and one that deletes begins anew."""
        store = self.memory()
        vault = Vault(store, MINE)
        await vault.append("log", [b"0", b"1"])
        other = Vault(store, MINE)
        await gatherResults([Deferred.fromCoroutine(other.append("log", [entry])) for entry in (b"2", b"3")])
        self.assertEqual(list(await vault.read("log", 1)), [b"1", b"2", b"3"])

        await other.delete(["log"])
        await other.append("log", [b"new"])

        self.assertEqual(list(await other.read("log", 0)), [b"new"])

    async def test_failed(self) -> None:
        """An entry that the store did not take leaves no gap."""
        store = OpenStore(self)
        vault = Vault(store, MINE)
        await vault.append("log", [b"0"])
        store.failing = True
        with self.assertRaises(ProxyError):
            await vault.append("log", [b"lost"])
        store.failing = False

        await vault.append("log", [b"1"])

        self.assertEqual(list(await vault.read("log", 0)), [b"0", b"1"])

    async def test_change(self) -> None:
        """Who waits for a change hears of it."""
        store = self.memory()
        waiting = Deferred.fromCoroutine(Vault(store, MINE).changed("log", 30.0))

        await Vault(store, OTHER).append("log", [b"1"])
        self.assertFalse(waiting.called)
        await Vault(store, MINE).append("log", [b"1"])

        self.assertTrue(waiting.called)

    async def test_close(self) -> None:
        """The store stays open when one caller's part of it is closed."""
        store = self.memory()
        vault = Vault(store, MINE)
        await vault.put({"a": b"1"})

        vault.close()

        self.assertEqual(dict(await vault.get(["a"])), {"a": b"1"})
