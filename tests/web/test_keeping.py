"""Tests of what is kept for callers, also while it is on its way to a slow store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key
from ccproxy.store.memory import MemoryStore
from ccproxy.web.keeping import Keeping
from ccproxy.web.offload import at_once

ANNE, BERT = Key("user_test_anne"), Key("user_test_bert")


class SlowStore(MemoryStore):
    """A store of many processes that takes its time to put, and may fail at it."""

    shared = True

    def __init__(self, clock: Clock) -> None:
        super().__init__(limit=0, seconds=3600, clock=clock)
        self.put_now: Deferred[None] = Deferred()

    @override
    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Put, when it is time."""
        await self.put_now
        await super().put(values, owner)


class KeepingTests(SynchronousTestCase):
    """Keeping and finding."""

    def setUp(self) -> None:
        """A slow store, and a keeping of it."""
        self.clock = Clock()
        self.store = SlowStore(self.clock)
        self.keeping = Keeping(self.store, at_once)

    def logged(self) -> Sequence[str]:
        """What is logged from now on."""
        lines: list[str] = []

        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(cast("ILogObserver", observe))
        self.addCleanup(globalLogPublisher.removeObserver, cast("ILogObserver", observe))
        return lines

    def found(self, key: Key, *names: str) -> Deferred[Mapping[str, bytes]]:
        """What is found."""
        return Deferred.fromCoroutine(self.keeping.find(key, names))

    def test_under_way(self) -> None:
        """What is on its way to the store is waited for, by its own caller only."""
        self.keeping.keep(ANNE, lambda: {"a": b"1"})
        own, other = self.found(ANNE, "a"), self.found(BERT, "a")
        self.clock.advance(1)
        self.assertNoResult(own)
        self.assertEqual(self.successResultOf(other), {})

        self.store.put_now.callback(None)

        self.assertEqual(self.successResultOf(own), {"a": b"1"})

    def test_sealed_elsewhere(self) -> None:
        """What is sealed elsewhere is waited for, too, all of it."""
        rooms: list[tuple[int, Deferred[None]]] = []

        def offload(work: Callable[[], Any], weight: int) -> Deferred[Any]:
            rooms.append((weight, Deferred()))
            return rooms[-1][1].addCallback(lambda _: work())

        keeping = Keeping(MemoryStore(limit=0, seconds=60, clock=self.clock), offload)
        keeping.keep(ANNE, lambda: {"a": b"1"}, 70_000)
        keeping.keep(ANNE, lambda: {"b": b"2"})
        looking = Deferred.fromCoroutine(keeping.find(ANNE, ("a", "b")))
        settled = Deferred.fromCoroutine(keeping.settled())
        self.assertEqual([weight for weight, _ in rooms], [70_000, 0])

        rooms[1][1].callback(None)
        self.assertNoResult(looking)
        rooms[0][1].callback(None)

        self.assertEqual(self.successResultOf(looking), {"a": b"1", "b": b"2"})
        self.successResultOf(settled)

    def test_nothing(self) -> None:
        """Nothing to keep is nothing to put."""
        self.keeping.keep(ANNE, dict)

        self.successResultOf(Deferred.fromCoroutine(self.keeping.settled()))

    def test_bug(self) -> None:
        """A bug in the making of records is logged, and what comes next is kept."""

        def broken() -> Mapping[str, bytes]:
            raise LookupError

        self.store.put_now.callback(None)
        self.keeping.keep(ANNE, broken)
        self.keeping.keep(ANNE, lambda: {"a": b"1"})

        self.assertEqual(self.successResultOf(self.found(ANNE, "a")), {"a": b"1"})
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_gone_meanwhile(self) -> None:
        """Who waits and leaves disturbs nobody."""
        self.keeping.keep(ANNE, lambda: {"a": b"1"})
        leaving, staying = self.found(ANNE, "a"), self.found(ANNE, "a")
        leaving.addErrback(lambda _: None)
        leaving.cancel()

        self.store.put_now.callback(None)

        self.assertEqual(self.successResultOf(staying), {"a": b"1"})

    def test_kept(self) -> None:
        """What has arrived is found in the store, and nothing is held here."""
        self.keeping.keep(ANNE, lambda: {"a": b"1"})
        self.store.put_now.callback(None)

        self.assertEqual(self.successResultOf(self.found(ANNE, "a")), {"a": b"1"})
        self.assertEqual(
            self.successResultOf(Deferred.fromCoroutine(Keeping(self.store, at_once).find(ANNE, ("a",)))), {"a": b"1"}
        )
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.keeping.settled())), None)

    def test_just_now(self) -> None:
        """What another process is about to keep is found a moment later."""
        other = Keeping(self.store, at_once)
        looking = self.found(ANNE, "a")
        self.assertNoResult(looking)

        other.keep(ANNE, lambda: {"a": b"1"})
        self.store.put_now.callback(None)

        self.assertEqual(self.successResultOf(looking), {"a": b"1"})

    def test_never(self) -> None:
        """What nobody keeps is not waited for: a quarter of a second, and that in a store of many processes."""
        looking = self.found(ANNE, "a")
        self.clock.advance(0.25)

        self.assertEqual(self.successResultOf(looking), {})
        own = Keeping(MemoryStore(limit=0, seconds=60, clock=self.clock), at_once)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(own.find(ANNE, ("a",)))), {})

    def test_forgotten(self) -> None:
        """What is forgotten is not found any more."""
        self.store.put_now.callback(None)
        self.keeping.keep(ANNE, lambda: {"a": b"1", "b": b"2"})

        self.successResultOf(Deferred.fromCoroutine(self.keeping.forget(ANNE, ("a",))))

        looking = self.found(ANNE, "a", "b")
        self.clock.advance(0.25)
        self.assertEqual(self.successResultOf(looking), {"b": b"2"})

    def test_settled(self) -> None:
        """It is settled when the last record has arrived."""
        self.keeping.keep(ANNE, lambda: {"a": b"1"})
        settled = Deferred.fromCoroutine(self.keeping.settled())
        self.assertNoResult(settled)

        self.store.put_now.callback(None)

        self.successResultOf(settled)

    def test_unreachable(self) -> None:
        """A store that cannot be reached costs the record and leaves a line in the log without a word of it."""
        lines: Sequence[str] = self.logged()
        self.keeping.keep(ANNE, lambda: {"resp_secret": b"secret"})

        self.store.put_now.errback(ProxyError(Kind.OVERLOADED, "The store is away."))

        self.successResultOf(Deferred.fromCoroutine(self.keeping.settled()))
        self.assertEqual(lines, ["An answer could not be kept: The store is away."])

    def test_now(self) -> None:
        """What has to be kept before anything else happens says when it is, or that it cannot be."""
        putting = Deferred.fromCoroutine(self.keeping.put(ANNE, lambda: {"a": b"1"}))
        self.assertNoResult(putting)
        self.store.put_now.errback(ProxyError(Kind.OVERLOADED, "The store is away."))

        self.failureResultOf(putting, ProxyError)
        self.successResultOf(Deferred.fromCoroutine(self.keeping.settled()))
