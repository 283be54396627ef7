"""This module is the tests of a value that is fetched now and then and served at once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.upkeep.cached import Cached


class SourceError(Exception):
    """The value could not be had."""


class Source:
    """Where the value comes from.

    Attributes:
        fetches: Every fetch that was begun; a test fires them.
        ready: The value of a fetch that needs no waiting; None to wait.
    """

    def __init__(self) -> None:
        self.fetches: list[Deferred[str]] = []
        self.ready: str | None = None

    async def fetch(self) -> str:
        """Begin a fetch."""
        fetch: Deferred[str] = Deferred()
        self.fetches.append(fetch)
        if self.ready is not None:
            fetch.callback(self.ready)
        return await fetch


class CachedTestCase(SynchronousTestCase):
    """A value that is stale after 300 seconds, and its source."""

    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.source = Source()
        self.cached = Cached(self.source.fetch, "built in", 300, self.clock)

    def get(self) -> Deferred[str]:
        """Ask for the value."""
        return Deferred.fromCoroutine(self.cached.get())

    def refresh(self) -> Deferred[None]:
        """Ask for a fetch."""
        return Deferred.fromCoroutine(self.cached.refresh())

    def fill(self) -> None:
        """The value was fetched just now."""
        self.refresh()
        self.source.fetches.pop().callback("fetched")


class EmptyTests(CachedTestCase):
    """Nothing was fetched yet."""

    def test_peek_is_the_fallback(self) -> None:
        """Whoever cannot wait gets the fallback, and causes no fetch."""
        self.assertEqual(self.cached.peek(), "built in")
        self.assertEqual(self.source.fetches, [])

    def test_first_one_waits_for_the_fetch(self) -> None:
        """The first to ask starts the fetch, and gets what it fetches."""
        got = self.get()
        self.assertNoResult(got)

        self.source.fetches[0].callback("fetched")

        self.assertEqual(self.successResultOf(got), "fetched")

    def test_all_wait_for_one_fetch(self) -> None:
        """However many ask, there is one fetch, and all of them get what it fetches."""
        got = [self.get() for _ in range(3)]

        self.source.fetches[0].callback("fetched")

        self.assertEqual([self.successResultOf(each) for each in got], ["fetched"] * 3)
        self.assertEqual(len(self.source.fetches), 1)

    def test_one_who_asks_waits_for_the_fetch_that_the_timer_started(self) -> None:
        """It does not matter who started the first fetch."""
        self.refresh()

        got = self.get()

        self.assertNoResult(got)
        self.source.fetches[0].callback("fetched")
        self.assertEqual(self.successResultOf(got), "fetched")

    def test_failed_fetch_gives_the_fallback_to_all(self) -> None:
        """A value that cannot be had is no failure of those who ask."""
        got = [self.get(), self.get()]

        self.source.fetches[0].errback(SourceError())

        self.assertEqual([self.successResultOf(each) for each in got], ["built in"] * 2)

    def test_after_a_failure_nobody_waits(self) -> None:
        """Once the first fetch has failed, the fallback is served at once, also while the next fetch is under way."""
        self.get()
        self.source.fetches[0].errback(SourceError())
        self.clock.advance(5)

        got = [self.successResultOf(self.get()) for _ in range(2)]

        self.assertEqual((got, len(self.source.fetches)), (["built in"] * 2, 2))

    def test_after_a_failure_there_is_a_pause(self) -> None:
        """An upstream that is down is not asked again by everyone who asks us, but after 5 seconds."""
        self.get()
        self.source.fetches[0].errback(SourceError())
        self.clock.advance(4.9)
        self.get()
        before = len(self.source.fetches)

        self.clock.advance(0.1)
        self.get()

        self.assertEqual((before, len(self.source.fetches)), (1, 2))

    def test_fetch_that_needs_no_waiting(self) -> None:
        """A fetch may finish on the spot, and the next one may start."""
        self.source.ready = "fetched"

        got = self.successResultOf(self.get())
        self.successResultOf(self.refresh())

        self.assertEqual((got, self.cached.peek(), len(self.source.fetches)), ("fetched", "fetched", 2))

    def test_impatient_one_leaves_alone(self) -> None:
        """One who does not wait any longer ends neither the fetch nor the wait of others (trap P17)."""
        impatient, patient = self.get(), self.get()

        impatient.cancel()

        self.failureResultOf(impatient, CancelledError)
        self.assertNoResult(patient)
        self.source.fetches[0].callback("fetched")
        self.assertEqual(self.successResultOf(patient), "fetched")

    def test_fetch_goes_on_without_anybody(self) -> None:
        """A fetch for which nobody waits any more is not wasted."""
        self.get().addErrback(lambda failure: failure.trap(CancelledError)).cancel()

        self.source.fetches[0].callback("fetched")

        self.assertEqual(self.cached.peek(), "fetched")

    def test_one_who_got_the_value_may_send_the_others_away(self) -> None:
        """The end of a fetch reaches those who wait one by one, and whoever is cancelled meanwhile is merely cancelled."""
        first, second = self.get(), self.get()
        first.addCallback(lambda _: second.cancel())

        self.source.fetches[0].callback("fetched")

        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)


class FreshTests(CachedTestCase):
    """The value was fetched not long ago."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.fill()

    def test_value_is_served_at_once(self) -> None:
        """Nobody waits, and nothing is fetched."""
        self.clock.advance(300)

        self.assertEqual(self.successResultOf(self.get()), "fetched")
        self.assertEqual((self.cached.peek(), self.source.fetches), ("fetched", []))

    def test_refresh_fetches_all_the_same(self) -> None:
        """The timer need not care how old the value is."""
        refreshed = self.refresh()

        self.source.fetches[0].callback("newer")

        self.successResultOf(refreshed)
        self.assertEqual(self.cached.peek(), "newer")

    def test_no_age_is_too_old_without_a_limit(self) -> None:
        """With 0 a value is never stale."""
        cached = Cached(self.source.fetch, "built in", 0, self.clock)
        self.source.ready = "fetched"
        self.successResultOf(Deferred.fromCoroutine(cached.get()))

        self.clock.advance(1_000_000)
        self.successResultOf(Deferred.fromCoroutine(cached.get()))

        self.assertEqual(len(self.source.fetches), 1)


class StaleTests(CachedTestCase):
    """The value is older than it should be."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.fill()
        self.clock.advance(301)

    def test_old_value_is_served_while_the_new_one_is_fetched(self) -> None:
        """Nobody waits for a value that is there; whoever asks after the fetch gets the new one."""
        old = self.successResultOf(self.get())

        self.source.fetches[0].callback("newer")

        self.assertEqual((old, self.successResultOf(self.get())), ("fetched", "newer"))

    def test_there_is_one_fetch(self) -> None:
        """However many ask, however long the fetch takes, there is one."""
        for _ in range(10):
            self.clock.advance(10)
            self.get()

        self.assertEqual(len(self.source.fetches), 1)

    def test_failed_fetch_keeps_the_old_value(self) -> None:
        """An old value is better than none, and a fetch is tried again after the pause."""
        self.get()
        self.source.fetches[0].errback(SourceError())
        soon = self.successResultOf(self.get())
        self.clock.advance(5)

        later = self.successResultOf(self.get())

        self.assertEqual((soon, later, len(self.source.fetches)), ("fetched", "fetched", 2))

    def test_fetched_value_is_fresh_again(self) -> None:
        """The age counts from the newest fetch."""
        self.get()
        self.source.fetches[0].callback("newer")

        self.clock.advance(300)
        self.get()

        self.assertEqual(len(self.source.fetches), 1)


class RefreshTests(CachedTestCase):
    """A fetch on demand."""

    def test_failure_is_told(self) -> None:
        """Who asks for a fetch hears what it raised; the next one may succeed."""
        failed = self.refresh()
        self.source.fetches[0].errback(SourceError())

        again = self.refresh()
        self.source.fetches[1].callback("fetched")

        self.failureResultOf(failed, SourceError)
        self.successResultOf(again)

    def test_failure_on_the_spot_is_told(self) -> None:
        """A fetch may fail without waiting."""

        async def fail() -> str:
            raise SourceError

        cached = Cached(fail, "built in", 300, self.clock)

        refreshed = Deferred.fromCoroutine(cached.refresh())

        self.failureResultOf(refreshed, SourceError)

    def test_fetch_is_shared(self) -> None:
        """A second one joins the fetch that is under way, and hears the same."""
        refreshed = [self.refresh(), self.refresh()]

        self.source.fetches[0].errback(SourceError())

        for each in refreshed:
            self.failureResultOf(each, SourceError)
        self.assertEqual(len(self.source.fetches), 1)

    def test_cancellation_ends_the_fetch(self) -> None:
        """When the timer stops, so does its work; those who wait for the value get what there is."""
        refreshed, got = self.refresh(), self.get()

        refreshed.cancel()

        self.failureResultOf(refreshed, CancelledError)
        self.assertTrue(self.source.fetches[0].called)
        self.assertEqual(self.successResultOf(got), "built in")

    def test_fetch_can_start_after_a_cancellation(self) -> None:
        """A cancelled fetch leaves nothing behind that would block the next one."""
        self.refresh().addErrback(lambda failure: failure.trap(CancelledError)).cancel()

        again = self.refresh()
        self.source.fetches[1].callback("fetched")

        self.successResultOf(again)
        self.assertEqual(self.cached.peek(), "fetched")
