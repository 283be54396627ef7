"""Tests of large requests, which are read beside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.web.body import Body
from ccproxy.web.offload import at_once, beside
from tests.web.house import CHAT, KEY, SPEECHES, HouseTestCase

HEAVY = 64 * 1024


class Threads:
    """A reactor and a pool of threads in one, in which work is done when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: N802 - as of a reactor
        """Call it in the reactor's thread."""
        function(*arguments)

    def callInThreadWithCallback(  # noqa: N802 - as of a pool
        self, done: Callable[[bool, Any], None], function: Callable[..., Any], *arguments: Any
    ) -> None:
        """Call it in a thread, and tell what came of it."""

        def work() -> None:
            try:
                result = function(*arguments)
            except Exception:
                done(False, Failure())
            else:
                done(True, result)

        self.waiting.append(work)

    def run(self) -> None:
        """Do the work that waits."""
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


def refuse() -> None:
    """Work that comes to nothing."""
    raise ProxyError(Kind.INVALID_REQUEST, "No.")


class OffloadTests(SynchronousTestCase):
    """Where work is done."""

    def setUp(self) -> None:
        """Threads that wait."""
        self.threads = Threads()
        self.offload = beside(cast("IReactorThreads", self.threads), cast("ThreadPool", self.threads))

    def test_light(self) -> None:
        """Light work is done at once."""
        self.assertEqual(self.successResultOf(self.offload(lambda: 1, HEAVY - 1)), 1)
        self.failureResultOf(self.offload(refuse, 0), ProxyError)
        self.assertEqual(self.threads.waiting, [])

    def test_heavy(self) -> None:
        """Heavy work is done in a thread, and its result comes back, or what it raised."""
        good, bad = self.offload(lambda: 1, HEAVY), self.offload(refuse, HEAVY)
        self.assertNoResult(good)

        self.threads.run()

        self.assertEqual(self.successResultOf(good), 1)
        self.failureResultOf(bad, ProxyError)

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
            threads = Threads()
            daemon = self.daemon()
            daemon.house.offload = beside(cast("IReactorThreads", threads), cast("ThreadPool", threads))
            good = daemon.connect().post(speech, padding="x" * HEAVY)
            bad = daemon.connect().post(speech, messages="x" * HEAVY)
            self.assertEqual((good.received, bad.received), (b"", b""))
            threads.run()
            daemon.settle()
            self.assertEqual((good.answer.status, bad.answer.status, daemon.tries), (200, 400, 1))

    def test_left(self) -> None:
        """When the client leaves meanwhile, what was read is dropped, and the upstream is not asked."""
        threads = Threads()
        daemon = self.daemon()
        daemon.house.offload = beside(cast("IReactorThreads", threads), cast("ThreadPool", threads))
        client = daemon.connect().post(CHAT, padding="x" * HEAVY)

        client.leave()
        threads.run()
        daemon.settle()

        self.assertEqual((daemon.tries, daemon.app.live, len(daemon.lines)), (0, set(), 1))
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

    def test_too_much_structure(self) -> None:
        """A body that would take a multiple of its size in memory is a 413 that says so, whatever it is made of."""
        for speech in SPEECHES:
            for filling in (b"{}," * 600_000, b"[" * 1_100_000, b"1," * 1_100_000):
                body = b'{"model":"m","messages":[' + filling
                answer = self.daemon().connect().ask("POST", speech.path, body, {"x-api-key": KEY}).answer
                self.assertEqual(answer.status, 413)
                self.assertIn("brackets, braces and commas", answer.error["message"])
