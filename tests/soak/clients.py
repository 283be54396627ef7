"""This module is the load: clients that ask, in both dialects, and a fifth of the time leave before they are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from random import Random

from attrs import define, field

from tests.soak.asking import SCENARIOS, STALL, TEXT, Ask, Dialect, Scenario
from tests.soak.front import Book
from tests.soak.hostile import hostile
from tests.soak.judging import Circumstances, Promise, Verdict, judge, judge_hostile
from tests.soak.ledger import Ledger
from tests.soak.wire import Answer, Connection, Leaving

_LEAVING_SHARE = 0.2
_HOSTILE_SHARE = 0.1
_PIPELINED_SHARE = 0.05
_NEW_CONNECTION_SHARE = 0.4
_LONGEST_THOUGHT = 0.1  # seconds between an answer and the next question
_PATIENCE_SECONDS = 10.0


@define
class Windows:
    """Stretches of time, by the monotonic clock, of which the last may have no end yet."""

    _windows: list[tuple[float, float]] = field(factory=list)

    def open(self) -> None:
        """A stretch begins now."""
        self._windows.append((time.monotonic(), float("inf")))

    def close(self, slack: float = 1.0) -> None:
        """The last stretch ends after so many seconds."""
        self._windows[-1] = (self._windows[-1][0], time.monotonic() + slack)

    def meet(self, began: float, ended: float) -> bool:
        """Whether something that lasted from one time to another was in one of them, if only in part."""
        return any(began <= end and ended >= start for start, end in self._windows)


@define(eq=False)
class Crowd:
    """The clients.

    Attributes:
        port: Where the daemon listens.
        ledger: Where they write down what they see.
        book: What reached the upstream.
        stops: The times when a daemon was going down.
        seed: What chance depends on.
        key: The beginning of every key.
        left: When clients left, by the number of their ask.
        waiting: How many answers are being waited for.
    """

    port: int
    ledger: Ledger
    book: Book
    stops: Windows
    seed: int
    key: str
    left: dict[int, float] = field(factory=dict)
    waiting: int = 0
    _numbers: Callable[[], int] = field(factory=lambda: count(1).__next__)

    async def run(self, clients: int, stop: asyncio.Event) -> None:
        """Ask until it is time to stop, and wait for the last answers."""
        await asyncio.gather(*(_Client(self, number).run(stop) for number in range(clients)))

    async def cross(self, scenario: Scenario, dialect: Dialect) -> Verdict:
        """Ask for a stream that no fault will meet, while the daemon is about to go down."""
        number = self._numbers()
        self.book.spared.add(number)
        return await _Client(self, number).put(Ask(number, scenario, dialect, True, f"{self.key}_cross", keep=False))

    def ask(self, random: Random, number: int, key: str, *scenarios: Scenario) -> Ask:
        """An ask of some kind, for one of the scenarios if there are any."""
        chosen = scenarios or random.choices(SCENARIOS, [scenario.weight for scenario in SCENARIOS])
        dialect = random.choice(tuple(Dialect))
        form = random.choices(("plain", "chunked", "gzip"), (8, 1, 1))[0]
        stream = random.random() < 0.65 or chosen[0].pace != 0
        return Ask(number, chosen[0], dialect, stream, key, random.random() > _NEW_CONNECTION_SHARE, form)

    def number(self) -> int:
        """The number of the next ask."""
        return self._numbers()


@define(eq=False)
class _Client:
    """One client, which keeps its connection where it may."""

    _crowd: Crowd
    _name: int
    _connection: Connection | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ask one thing after the other."""
        key = f"{self._crowd.key}_{self._name}"
        while not stop.is_set():
            number = self._crowd.number()
            random = Random(f"{self._crowd.seed} {number}")  # noqa: S311 - to be repeated, not to be secret
            self._crowd.ledger.counts["requests"] += 1
            self._crowd.waiting += 1
            try:
                await self._act(random, number, key)
            finally:
                self._crowd.waiting -= 1
            await asyncio.sleep(random.uniform(0, _LONGEST_THOUGHT))
        if self._connection is not None:
            self._connection.leave(Leaving.CLOSE)

    async def _act(self, random: Random, number: int, key: str) -> None:
        kind = random.random()
        if kind < _HOSTILE_SHARE:
            await self._offend(random, key)
        elif kind < _HOSTILE_SHARE + _PIPELINED_SHARE:
            pair = (number, self._crowd.number())
            await self._pipeline([self._crowd.ask(random, each, key, TEXT) for each in pair])
        elif kind < _HOSTILE_SHARE + _PIPELINED_SHARE + _LEAVING_SHARE:
            await self._leave(random, self._crowd.ask(random, number, key, *([STALL] if kind > 0.33 else [])))
        else:
            ask = self._crowd.ask(random, number, key)
            await (self.put(ask) if ask.scenario.pace is not None else self._leave(random, ask))

    async def put(self, ask: Ask) -> Verdict:
        """Ask, wait for the answer, and judge it; once more when a kept connection had been closed meanwhile."""
        began = time.monotonic()
        connection = await self._connected(ask)
        if connection is None:
            return Verdict("refused")
        reused = connection.served > 0
        await connection.send(ask.request())
        verdict = self._judged(ask, await connection.receive(ask.scenario.pace or 0), began, reused=reused)
        return await self.put(ask) if verdict.again else verdict

    async def _pipeline(self, asks: list[Ask]) -> None:
        """Send several requests at once, and wait for their answers in order."""
        asks = [*(Ask(a.number, a.scenario, a.dialect, a.stream, a.key) for a in asks[:-1]), asks[-1]]
        began = time.monotonic()
        connection = await self._connected(asks[0])
        if connection is None:
            return
        self._crowd.ledger.counts["pipelined"] += len(asks)
        reused = connection.served > 0
        await connection.send(b"".join(ask.request() for ask in asks))
        for ask in asks:
            if not connection.usable:
                break  # the answer before said that no other follows
            verdict = self._judged(ask, await connection.receive(), began, reused=reused)
            reused = True
            if verdict.again:
                break

    async def _leave(self, random: Random, ask: Ask) -> None:
        """Ask, and go away at some moment."""
        connection = await self._connected(ask, roomy=ask.scenario.pace is not None)
        if connection is None:
            return
        how = random.choice(tuple(Leaving))
        self._crowd.ledger.counts[f"left: {how.value}"] += 1
        request = ask.request()
        moment = random.random()
        if ask.scenario.pace is None:
            await connection.send(request)
            await asyncio.sleep(random.uniform(0.5, 3))
        elif moment < 0.2:
            await connection.send(request[: random.randrange(1, len(request))])
        else:
            await connection.send(request)
            if moment > 0.6:
                await connection.some(random.randrange(1, 2000))
            await asyncio.sleep(random.uniform(0, 1) ** 2)
        self._crowd.left[ask.number] = time.monotonic()
        connection.leave(how)
        if how is Leaving.HALF:
            await self._end(connection, ask)

    async def _end(self, connection: Connection, ask: Ask) -> None:
        """Wait for the other half to close."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while await connection.some(65536) and time.monotonic() < deadline:
            pass
        if time.monotonic() < deadline:
            self._crowd.ledger.keep(Promise.PROMPT)
        else:
            self._crowd.ledger.breach(Promise.PROMPT, f"{ask}: a half closed connection stayed open")
        connection.leave(Leaving.CLOSE)

    async def _offend(self, random: Random, key: str) -> None:
        """Send something malformed, on a connection of its own."""
        sent = hostile(random, key)
        connection = await self._opened()
        if connection is None:
            return
        self._crowd.ledger.counts["malformed"] += 1
        began = time.monotonic()
        await connection.send(*sent.pieces, pause=0.03)
        answer = await connection.receive()
        connection.leave(Leaving.CLOSE)
        stopping = self._crowd.stops.meet(began, time.monotonic())
        if not answer.status and stopping and len(sent.pieces) > 1:
            return  # the daemon that went down need not wait for a header
        self._crowd.ledger.enter(sent.name, judge_hostile(sent, answer, stopping=stopping))

    def _judged(self, ask: Ask, answer: Answer, began: float, *, reused: bool) -> Verdict:
        stopping = self._crowd.stops.meet(began, time.monotonic())
        about = Circumstances(self._crowd.book.of(ask.number), stopping, reused)
        verdict = judge(ask, answer, about)
        self._crowd.ledger.enter(f"{ask.id} {ask.dialect.name} {ask.scenario.model} stream={ask.stream}", verdict)
        return verdict

    async def _connected(self, ask: Ask, *, roomy: bool = True) -> Connection | None:
        """The kept connection, or a new one; None when nobody takes it."""
        kept, self._connection = self._connection, None
        if kept is not None and not (kept.usable and ask.keep and roomy):
            kept.leave(Leaving.CLOSE)
            kept = None
        connection = kept or await self._opened(roomy=roomy)
        if connection is not None and ask.keep:
            self._connection = connection
        return connection

    async def _opened(self, *, roomy: bool = True) -> Connection | None:
        try:
            return await Connection.open(self._crowd.port, roomy=roomy)
        except OSError as problem:
            self._crowd.ledger.breach(Promise.ACCEPTED, f"refused: {problem}")
            return None
