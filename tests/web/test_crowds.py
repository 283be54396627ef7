"""This module is the tests of many requests that come at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.web.turnstile import Turnstile
from tests.web.house import CHAT, KEY, Client, HouseTestCase, MemoryDaemon

A_TURN = 8  # requests


def request(model: str = "sim/text", **fields: object) -> bytes:
    """A whole request for a turn."""
    body = json.dumps(CHAT.body(model, **fields)).encode()
    head = f"POST {CHAT.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Turns(Clock):
    """A reactor that makes one turn when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Callable[[], object]] = []

    @override
    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        """Call something in the next turn."""
        self._calls.append(callable)
        return super().callLater(delay, lambda: None)

    def turn(self) -> bool:
        """Make one turn; gives whether there was anything to do."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()
        return bool(calls)


class TurnstileTests(SynchronousTestCase):
    """Who may begin when."""

    def test_turns(self) -> None:
        """A few begin in each turn, in the order in which they came, and as many in the next."""
        clock, begun = Turns(), list[int]()
        turnstile = Turnstile(clock)
        for number in range(20):
            if turnstile.lets_in():
                begun.append(number)
            else:
                turnstile.wait(partial(begun.append, number), lambda: None)
        counts = [len(begun)]

        while clock.turn():
            counts.append(len(begun))

        self.assertEqual((counts, begun), ([8, 16, 20], list(range(20))))

    def test_later_ones_wait_behind(self) -> None:
        """Who comes while others wait does not overtake them."""
        clock = Turns()
        turnstile = Turnstile(clock)
        while turnstile.lets_in():
            pass
        for _ in range(A_TURN):
            turnstile.wait(lambda: None, lambda: None)

        clock.turn()

        self.assertFalse(turnstile.lets_in())

    def test_one_after_the_other(self) -> None:
        """Requests that do not crowd need no turn of the reactor of their own."""
        clock = Turns()
        turnstile = Turnstile(clock)

        turns = 0
        for _ in range(10 * A_TURN):
            self.assertTrue(turnstile.lets_in())
            turns += clock.turn()

        self.assertEqual(turns, 10)

    def test_bug(self) -> None:
        """One that cannot begin is given up, and those behind it begin all the same."""
        clock, done = Turns(), list[str]()
        turnstile = Turnstile(clock)
        while turnstile.lets_in():
            pass

        def bug() -> None:
            raise KeyError

        turnstile.wait(bug, lambda: done.append("given up"))
        turnstile.wait(lambda: done.append("begun"), lambda: None)

        clock.turn()

        self.assertEqual((done, len(self.flushLoggedErrors(KeyError))), (["given up", "begun"], 1))


class CrowdTests(HouseTestCase):
    """More clients in one turn of the reactor than may begin in it."""

    def crowd(self, daemon: MemoryDaemon) -> list[Client]:
        """Clients whose requests fill one turn."""
        clients = [daemon.connect() for _ in range(A_TURN)]
        for client in clients:
            client.send_at_once(request())
        return clients

    def test_all_are_served(self) -> None:
        """Each gets its answer, some of them in a later turn."""
        daemon = self.daemon()
        clients = [*self.crowd(daemon), *(daemon.connect() for _ in range(12))]
        for client in clients[A_TURN:]:
            client.send_at_once(request())
        begun = daemon.tries

        daemon.advance(0)
        daemon.advance(0)

        self.assertEqual(begun, A_TURN)
        self.assertEqual({client.answer.status for client in clients}, {200})

    def test_pieces(self) -> None:
        """A request that waits, and comes in pieces meanwhile, is read as it was sent."""
        daemon = self.daemon()
        self.crowd(daemon)
        client, sent = daemon.connect(), request()

        for start in range(0, len(sent), 50):
            client.send_at_once(sent[start : start + 50])
        daemon.advance(0)

        self.assertEqual((client.answer.status, client.answer.complete), (200, True))

    def test_much(self) -> None:
        """A client that waits with a large request is not read further, until it may begin."""
        daemon = self.daemon()
        self.crowd(daemon)
        client, sent = daemon.connect(), request(messages=[{"role": "user", "content": "word " * 10_000}])

        client.send_at_once(sent[:20_000])
        waiting = client.wire.producerState
        daemon.advance(0)
        client.send(sent[20_000:])

        self.assertEqual((waiting, client.wire.producerState, client.answer.status), ("paused", "producing", 200))

    def test_leaving(self) -> None:
        """Nothing is asked of the upstream for a client that left while it waited."""
        daemon = self.daemon()
        self.crowd(daemon)
        client = daemon.connect()
        client.send_at_once(request())

        client.leave()
        daemon.advance(0)

        self.assertEqual(daemon.tries, A_TURN)

    def test_draining(self) -> None:
        """A request that waits when the daemon begins to drain is refused as one that comes later, and may be sent again."""
        daemon = self.daemon()
        self.crowd(daemon)
        client = daemon.connect()
        client.send_at_once(request())

        daemon.house.admission.close()
        daemon.site.drain()
        daemon.advance(0)

        self.assertEqual(
            (client.answer.status, client.answer.headers["x-should-retry"], client.answer.headers["connection"]),
            (503, "true", "close"),
        )
        self.assertFalse(client.connected)

    def test_not_idle(self) -> None:
        """A connection whose request waits is not closed for its idleness."""
        daemon = self.daemon(client_idle_timeout=75)
        client = daemon.connect()
        daemon.advance(74.999)
        self.crowd(daemon)
        self.crowd(daemon)  # who comes behind two of them waits for the second turn
        client.send_at_once(request())

        daemon.advance(0.002)
        daemon.advance(1)

        self.assertEqual((client.answer.status, client.connected), (200, True))

    def test_reads_nothing(self) -> None:
        """A client that does not read its answer is not read either, when its turn comes."""
        daemon = self.daemon()
        client = daemon.connect()
        client.send(request("sim/slow", stream=True))
        client.stop_reading()
        daemon.wait(30)
        self.crowd(daemon)
        client.send_at_once(request() + b"x" * 20_000)

        daemon.advance(0)

        self.assertEqual(client.wire.producerState, "paused")
