"""Tests of large requests, which are read beside the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.web.body import Body
from ccproxy.web.offload import ReadingRoom, at_once
from tests.web.house import CHAT, KEY, SPEECHES, HouseTestCase

HEAVY = 64 * 1024


class Reactor:
    """A reactor whose turns are taken when a test says so."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: N802 - as of a reactor
        """Call it at the next turn."""
        self.calls.put(lambda: function(*arguments))

    def turn(self) -> None:
        """Wait for one call from the thread, and make it."""
        self.calls.get(timeout=10)()


def room() -> tuple[Reactor, ReadingRoom]:
    """A room, and the reactor that it hands its results to."""
    reactor = Reactor()
    return reactor, ReadingRoom(cast("IReactorFromThreads", reactor))


def refuse() -> None:
    """Work that comes to nothing."""
    raise ProxyError(Kind.INVALID_REQUEST, "No.")


class OffloadTests(SynchronousTestCase):
    """Where work is done."""

    def setUp(self) -> None:
        """A room."""
        self.reactor, self.offload = room()

    def test_light(self) -> None:
        """Light work is done at once."""
        self.assertEqual(self.successResultOf(self.offload(lambda: 1, HEAVY - 1)), 1)
        self.failureResultOf(self.offload(refuse, 0), ProxyError)

    def test_heavy(self) -> None:
        """Heavy work is done in another thread, and its result comes back, or what it raised."""
        good, bad = self.offload(threading.get_ident, HEAVY), self.offload(refuse, HEAVY)
        self.assertNoResult(good)

        self.reactor.turn()
        self.reactor.turn()

        self.assertNotEqual(self.successResultOf(good), threading.get_ident())
        self.failureResultOf(bad, ProxyError)

    def test_one_after_the_other(self) -> None:
        """Work is done in the order in which it came, one piece at a time."""
        done: list[int] = []
        for number in range(5):
            self.offload(partial(done.append, number), HEAVY)

        for _ in range(5):
            self.reactor.turn()

        self.assertEqual(done, [0, 1, 2, 3, 4])

    def test_left_before_its_turn(self) -> None:
        """Work whose result nobody wants any more is not begun."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        begun: list[str] = []
        running = self.offload(lambda: gate.wait(10), HEAVY)
        waiting = [self.offload(lambda: begun.append("left"), HEAVY) for _ in range(100)]
        last = self.offload(lambda: begun.append("last"), HEAVY)
        results: tuple[Deferred[Any], ...] = (running, *waiting)
        for left in results:
            left.cancel()
            self.failureResultOf(left, CancelledError)

        gate.set()
        self.reactor.turn()
        self.reactor.turn()

        self.successResultOf(last)
        self.assertEqual(begun, ["last"])

    def test_nobody_waits_for_it(self) -> None:
        """The thread keeps no process from its end."""
        self.offload(threading.get_ident, HEAVY)
        self.reactor.turn()

        self.assertTrue(all(thread.daemon for thread in threading.enumerate() if thread.name == "reading"))

    def test_at_once(self) -> None:
        """Without threads everything is done at once."""
        self.assertEqual(self.successResultOf(at_once(lambda: 1, 10**9)), 1)

    def test_weight(self) -> None:
        """A compressed body may be much heavier than it looks."""
        weights = [Body(b"x" * 1000, codings, 0).weight for codings in ("", "gzip")]

        self.assertEqual(weights, [1000, 1_000_000])


class ExchangeTests(HouseTestCase):
    """Exchanges whose request is being read elsewhere."""

    def test_served(self) -> None:
        """A request that was read elsewhere is served, or refused, like any other."""
        for speech in SPEECHES:
            reactor, offload = room()
            daemon = self.daemon()
            daemon.house.offload = offload
            good = daemon.connect().post(speech, padding="x" * HEAVY)
            bad = daemon.connect().post(speech, messages="x" * HEAVY)
            self.assertEqual((good.received, bad.received), (b"", b""))
            reactor.turn()
            reactor.turn()
            daemon.settle()
            self.assertEqual((good.answer.status, bad.answer.status, daemon.tries), (200, 400, 1))

    def test_left(self) -> None:
        """When the client leaves meanwhile, what was read is dropped, and the upstream is not asked."""
        reactor, offload = room()
        daemon = self.daemon()
        daemon.house.offload = offload
        client = daemon.connect().post(CHAT, padding="x" * HEAVY)

        client.leave()
        reactor.turn()
        daemon.settle()

        self.assertEqual((daemon.tries, daemon.house.live, len(daemon.lines)), (0, set(), 1))
        self.assertIn(" -> 499 cancelled ", daemon.lines[0])

    def test_counted(self) -> None:
        """Tokens are counted elsewhere too."""
        weights: list[int] = []

        def offload(work: Callable[[], Any], weight: int) -> Deferred[Any]:
            weights.append(weight)
            return at_once(work, weight)

        daemon = self.daemon()
        daemon.house.offload = offload
        body = {"model": "sim/text", "messages": [{"role": "user", "content": "hello"}]}

        answer = daemon.connect().ask("POST", "/v1/messages/count_tokens", body, {"x-api-key": KEY}).answer

        self.assertEqual((answer.status, len(weights)), (200, 1))

    def test_too_many_values(self) -> None:
        """A body that would take a multiple of its size in memory is a 413 that says so, whatever it is made of."""
        for speech in SPEECHES:
            for filling in (b"{}," * 150_000, b"[" * 260_000, b"1," * 260_000, b'"a",' * 260_000):
                body = b'{"model":"m","messages":[' + filling
                answer = self.daemon().connect().ask("POST", speech.path, body, {"x-api-key": KEY}).answer
                self.assertEqual(answer.status, 413)
                self.assertIn("250,000 values", answer.error["message"])

    def test_values_in_a_text(self) -> None:
        """What stands in a text is no value, however it is quoted."""
        for speech in SPEECHES:
            text = '{"a":[1,2,"\\\\",{"b":"\\""}]},' * 30_000
            answer = self.asked(speech, messages=[{"role": "user", "content": text}])
            self.assertEqual(answer.status, 200)
