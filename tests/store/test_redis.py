"""Tests of the store in Redis, against a real server of the tests' own."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import txredisapi
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock, deferLater
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key
from ccproxy.store.redis import PREFIX, Address, RedisStore
from ccproxy.store.vault import Vault
from tests.store.contract import BYTES, StoreContract
from tests.store.server import RedisServer, installed
from tests.unmeasured import Unmeasured

HOUR = 3600.0
PASSWORD = "canary pass/word@"
UNREACHABLE = (Kind.OVERLOADED, "The store of responses cannot be reached; try again.")

_STEP_SECONDS = 0.005
_PATIENCE_SECONDS = 10.0
_T = TypeVar("_T")


@implementer(ILogObserver)
class Lines:
    """The log, as text."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        """Keep what our store says."""
        if event.get("log_namespace", "").startswith("ccproxy.store"):
            self.text.append(str(event.get("reason", event["log_format"])))


class RedisTestCase(Unmeasured, TestCase):
    """A server of the test's own, and stores on it."""

    arguments: tuple[str, ...] = ()

    async def setUp(self) -> None:  # type: ignore[override] # trial takes a coroutine as well
        """Start the server."""
        installed()
        from twisted.internet import reactor

        self.clock: IReactorTime = reactor
        self.directory = Path(self.mktemp())
        self.server = RedisServer(self.directory, *self.arguments)
        self.addCleanup(lambda: self.server.end())
        await self.until(lambda: self.server.serves)
        self.address = Address("127.0.0.1", self.server.port)
        self.lines = Lines()
        globalLogPublisher.addObserver(self.lines)
        self.addCleanup(globalLogPublisher.removeObserver, self.lines)

    def redis(self, address: Address | None = None, seconds: float = HOUR, patience: float = 5.0) -> RedisStore:
        """A store that is closed after the test."""
        store = RedisStore(address or self.address, seconds=seconds, clock=self.clock, patience=patience)
        # A connection that is told to close has gone a few turns of the reactor later.
        self.addCleanup(lambda: deferLater(self.clock, 0.02))
        self.addCleanup(store.close)
        return store

    async def until(self, condition: Any) -> None:
        """Let the reactor run until something is so."""
        deadline = self.clock.seconds() + _PATIENCE_SECONDS
        while not condition():
            self.assertLess(self.clock.seconds(), deadline, "it did not come about")
            await deferLater(self.clock, _STEP_SECONDS)

    async def refused(self, asked: Coroutine[Deferred[Any], Any, object]) -> float:
        """The seconds after which the store said that it cannot be reached."""
        began = self.clock.seconds()
        with self.assertRaises(ProxyError) as caught:
            await asked
        self.assertEqual((caught.exception.kind, caught.exception.message), UNREACHABLE)
        self.assertTrue(caught.exception.retryable)
        return self.clock.seconds() - began

    async def raw(self) -> Any:
        """A connection of the test's own, on which replies are bytes."""
        connection = await txredisapi.Connection("127.0.0.1", self.server.port, charset=None, convertNumbers=False)
        self.addCleanup(connection.disconnect)
        return connection


class RedisContractTests(RedisTestCase, StoreContract):
    """It does what every store does."""

    def make(self, seconds: float) -> RedisStore:
        """A store."""
        return self.redis(seconds=seconds)

    async def pass_time(self, seconds: float) -> None:
        """Wait for Redis's own clock."""
        await deferLater(self.clock, seconds)


class SharingTests(RedisTestCase):
    """Several stores on one server."""

    async def test_shared(self) -> None:
        """What one store keeps, another one finds, deletes and adds to."""
        one, other = self.redis(), self.redis()

        await one.put({"a": BYTES, "b": b"2"})
        await one.append("log", [b"1"])
        await other.append("log", [b"2"])

        self.assertEqual(dict(await other.get(["a"])), {"a": BYTES})
        self.assertEqual(await other.delete(["a"]), 1)
        self.assertEqual(dict(await one.get(["a", "b"])), {"b": b"2"})
        self.assertEqual(list(await one.read("log", 0)), [b"1", b"2"])

    async def test_databases(self) -> None:
        """Stores in different databases do not see each other."""
        one, other = self.redis(), self.redis(evolve(self.address, database=3))

        await other.put({"a": b"1"})

        self.assertEqual(dict(await one.get(["a"])), {})
        self.assertEqual(dict(await other.get(["a"])), {"a": b"1"})

    async def test_names(self) -> None:
        """All that is kept has our prefix and a time to live."""
        await self.redis().put({"a": b"1"})
        await self.redis(seconds=1e300).append("log", [b"1"])

        raw = await self.raw()
        names = sorted(await raw.keys("*"))
        self.assertEqual(names, [f"{PREFIX}{name}".encode() for name in ("a", "log")])
        lives = [await raw.ttl(name) for name in names]
        self.assertTrue(HOUR - 5 <= lives[0] <= HOUR, lives)
        self.assertGreater(lives[1], 9 * 365 * 86_400)

    async def test_crowd(self) -> None:
        """Many at once, also before there is a connection, get their own answers, and share one connection."""
        store = self.redis()

        async def one(number: int) -> None:
            name = f"name {number}"
            await store.append(f"log {number % 3}", [b"entry"])
            await store.put({name: b"%d" % number * 1000})
            self.assertEqual(dict(await store.get([name])), {name: b"%d" % number * 1000})

        await gatherResults([Deferred.fromCoroutine(one(number)) for number in range(60)])

        self.assertEqual([len(await store.read(f"log {number}", 0)) for number in range(3)], [20, 20, 20])
        raw = await self.raw()
        clients = await raw.execute_command("CLIENT", "LIST")
        self.assertEqual(len(clients.splitlines()), 2)

    async def test_large(self) -> None:
        """A value of several megabytes comes back whole."""
        store, value = self.redis(), BYTES * 20_000

        await store.put({"a": value})

        self.assertEqual((await store.get(["a"]))["a"], value)


class FailureTests(RedisTestCase):
    """A server that is not there, or does not answer."""

    async def test_killed(self) -> None:
        """When the server is killed whoever waits is told at once; it works again as soon as there is one again."""
        store = self.redis()
        await store.put({"a": b"1"})
        self.server.signal(signal.SIGSTOP)
        waiting = Deferred.fromCoroutine(self.refused(store.get(["a"])))

        self.server.end()
        self.assertLess(await waiting, 2.0)
        self.assertLess(await self.refused(store.put({"a": b"2"})), 2.0)
        self.server = RedisServer(self.directory, port=self.server.port)
        await self.until(lambda: self.server.serves)

        await store.put({"a": b"3"})
        self.assertEqual(dict(await store.get(["a"])), {"a": b"3"})
        self.assertEqual(len(self.lines.text), 2, self.lines.text)
        self.assertEqual(self.lines.text[1], "the store of responses is back")

    async def test_restarted(self) -> None:
        """A server that was started anew while nobody asked is asked as if nothing had been, and once."""
        store = self.redis()
        await store.append("log", [b"1"])
        self.server.end()
        self.server = RedisServer(self.directory, port=self.server.port)
        await self.until(lambda: self.server.serves)

        await store.append("log", [b"2"])

        self.assertEqual(list(await store.read("log", 0)), [b"2"])
        self.assertEqual(self.lines.text, [])

    async def test_hung(self) -> None:
        """A server that does not answer is given up in time, with a new connection when it is back."""
        store = self.redis(patience=0.5)
        await store.put({"a": b"1"})
        self.server.signal(signal.SIGSTOP)
        asked: list[Coroutine[Deferred[Any], Any, object]] = [store.get(["a"]), store.append("log", [b"1"])]

        seconds = await gatherResults([Deferred.fromCoroutine(self.refused(each)) for each in asked])
        again = await self.refused(store.get(["a"]))
        self.server.signal(signal.SIGCONT)

        self.assertLess(max(*seconds, again), 1.0)
        self.assertEqual(dict(await store.get(["a"])), {"a": b"1"})

    async def test_bound(self) -> None:
        """Whatever it is that takes long, there is an answer when the time is over."""
        clock = Clock()
        store = RedisStore(self.address, seconds=HOUR, clock=clock, patience=5.0)
        self.addCleanup(lambda: deferLater(self.clock, 0.02))
        self.addCleanup(store.close)
        self.server.signal(signal.SIGSTOP)
        for coroutine in (store.get(["a"]), store.put({"a": b"1"}), store.append("log", [b"1"]), store.delete(["a"])):
            asked = Deferred.fromCoroutine(self.refused(coroutine))
            await deferLater(self.clock, 0.02)

            clock.advance(4.9)
            self.assertFalse(asked.called)
            clock.advance(0.1)

            self.successResultOf(asked)
        self.assertEqual((clock.getDelayedCalls(), len(self.lines.text)), ([], 1))

    async def test_never_there(self) -> None:
        """Where there is no server it is said at once, and the log says why, once."""
        store = self.redis()
        self.server.end()

        self.assertLess(await self.refused(store.get(["a"])), 2.0)
        await self.refused(store.delete(["a"]))
        await self.refused(store.read("log", 0))

        self.assertEqual(len(self.lines.text), 1)
        self.assertIn("refused", self.lines.text[0])

    async def test_refused(self) -> None:
        """What Redis refuses is a failure of the store, and leaves the connection to the others."""
        store = self.redis()
        await store.put({"a": b"1"})
        raw = await self.raw()
        await raw.execute_command("CONFIG", "SET", "maxmemory", "1")
        waiting = Deferred.fromCoroutine(store.get(["a"]))

        await self.refused(store.put({"b": b"2"}))
        await self.refused(store.read("a", 0))

        self.assertEqual(dict(await waiting), {"a": b"1"})
        self.assertEqual(dict(await store.get(["a", "b"])), {"a": b"1"})

    async def test_part_of_it(self) -> None:
        """When something fails inside a transaction it is a failure, too."""
        store = self.redis()
        await store.put({"a": b"1"})

        await self.refused(store.append("a", [b"not a log"]))

        self.assertEqual(dict(await store.get(["a"])), {"a": b"1"})

    async def test_cancelled(self) -> None:
        """Who ceases to wait is no failure, and the replies to the others stay theirs."""
        store = self.redis()
        first = Deferred.fromCoroutine(store.get(["a"]))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        await store.put({"a": b"1"})
        left, stayed = [Deferred.fromCoroutine(store.get([name])) for name in ("b", "a")]

        left.cancel()

        self.failureResultOf(left, CancelledError)
        self.assertEqual(dict(await stayed), {"a": b"1"})
        self.assertEqual(self.lines.text, [])

    async def test_closed_while_connecting(self) -> None:
        """A store that is closed before its connection is made leaves none."""
        store = self.redis()
        waiting = Deferred.fromCoroutine(store.get(["a"]))

        store.close()

        await self.until(lambda: waiting.called)
        waiting.addErrback(lambda reason: reason.trap(ProxyError))


class PasswordTests(RedisTestCase):
    """A server that asks for a password."""

    arguments = ("--requirepass", PASSWORD)

    async def test_given(self) -> None:
        """With the password it is a store."""
        store = self.redis(evolve(self.address, password=PASSWORD, database=1))

        await store.put({"a": b"1"})

        self.assertEqual(dict(await store.get(["a"])), {"a": b"1"})

    async def test_wrong(self) -> None:
        """With a wrong one, or none, it cannot be reached, and neither log nor error has the password."""
        for password in (f"not the {PASSWORD}", None):
            store = self.redis(evolve(self.address, password=password))

            self.assertLess(await self.refused(store.get(["a"])), 2.0)
            self.assertLess(await self.refused(store.get(["a"])), 2.0)

        self.assertEqual(["WRONGPASS" in line or "NOAUTH" in line for line in self.lines.text], [True, True])
        self.assertNotIn("canary", str(self.lines.text))


class AddressTests(SynchronousTestCase):
    """Where a Redis is."""

    def test_hidden(self) -> None:
        """An address does not show its password."""
        self.assertNotIn("canary", repr(Address("host", password=PASSWORD, username="canary")))


class VaultTests(RedisTestCase):
    """What a caller keeps there, for others to see."""

    async def test_sealed(self) -> None:
        """No name and no content stands in Redis, and the holder of another key finds nothing."""
        store = self.redis()
        mine, other = Vault(store, Key("user_test_key")), Vault(store, Key("user_other_key"))
        await mine.put({"resp_canary": b"canary " * 50, "short_canary": b"canary"})
        await mine.append("log_canary", [b"canary", b"canary " * 50])

        raw = await self.raw()
        names = await raw.keys("*")
        kept = [await raw.get(name) for name in names if await raw.type(name) == "string"]
        logs = [await raw.lrange(name, 0, -1) for name in names if await raw.type(name) == "list"]
        self.assertEqual((len(names), len(kept), len(logs)), (3, 2, 1))
        self.assertNotIn(b"canary", b"".join([*names, *kept, *logs[0]]))
        self.assertEqual(dict(await other.get(["resp_canary"])), {})
        self.assertEqual(list(await other.read("log_canary", 0)), [])
        self.assertEqual(await other.delete(["resp_canary", "log_canary"]), 0)
        self.assertEqual(
            (await Vault(self.redis(), Key("user_test_key")).get(["short_canary"]))["short_canary"], b"canary"
        )
