"""This module is the operator of the soak: it starts a successor while the daemon goes down under load, and has the log opened anew."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from tests.soak.asking import SLOW, STALL, TEXT, Dialect
from tests.soak.clients import Crowd, Windows
from tests.soak.judging import Promise, Verdict
from tests.soak.ledger import Ledger
from tests.soak.processes import GRACE_SECONDS, Program, daemon
from tests.soak.watch import Sample, health, sample

_END_SECONDS = GRACE_SECONDS + 5.0
_START_SECONDS = 10.0
_BURST = 8  # new connections of each dialect in the moment of a restart
_CROSSING = ((SLOW, "whole"), (SLOW, "whole"), (STALL, "error event"))


@define(eq=False)
class Operator:
    """Starts and stops the daemons, one after the other, on one socket.

    Attributes:
        running: The daemon that serves now.
        samples: What each daemon held, by its number.
        boots: When there was no daemon to take a connection.
        fresh_descriptors: How many descriptors a daemon has that has served nobody yet.
    """

    listener: socket.socket
    directory: Path
    api_base: str
    life: int
    ledger: Ledger
    stops: Windows
    boots: Windows = field(factory=Windows)
    samples: dict[int, list[Sample]] = field(factory=dict)
    running: Program | None = None
    fresh_descriptors: int = 0
    _programs: list[Program] = field(factory=list)
    _longest_start: float = 0.0
    _longest_end: float = 0.0
    _statuses: list[int | None] = field(factory=list)

    @property
    def port(self) -> int:
        """Where the daemons listen."""
        port: int = self.listener.getsockname()[1]
        return port

    def start(self) -> Program:
        """Start the next daemon."""
        number = len(self._programs) + 1
        self.running = daemon(self.listener, self.directory, number, self.api_base, self.life)
        self._programs.append(self.running)
        return self.running

    def end(self) -> None:
        """End whatever still runs."""
        for program in self._programs:
            program.end()

    def measure(self) -> None:
        """Note what a daemon holds that has served nobody yet."""
        measured = sample(self.running) if self.running else None
        self.fresh_descriptors = measured.descriptors if measured else 0

    def sample(self) -> None:
        """Measure the daemons that run, and notice one that ended by itself."""
        for number, program in enumerate(self._programs, 1):
            measured = sample(program)
            if measured is not None:
                self.samples.setdefault(number, []).append(measured)
        if self.running is not None and self.running.status is not None:
            said = self.running.console.read_bytes()[-500:]
            self.ledger.breach(Promise.ALIVE, f"it ended with status {self.running.status}: {said!r}")
            self.start()
        elif self.running is not None:
            self.ledger.keep(Promise.ALIVE)

    async def restart(self, crowd: Crowd) -> None:
        """Stop the daemon under streams that run, while its successor starts on the same socket."""
        old = self.running
        assert old is not None, "there is no daemon to restart"
        asks = [
            asyncio.ensure_future(crowd.cross(scenario, dialect)) for scenario, _ in _CROSSING for dialect in Dialect
        ]
        await asyncio.sleep(0.7)
        burst = [asyncio.ensure_future(crowd.cross(TEXT, dialect)) for dialect in (*Dialect,) * _BURST]
        await asyncio.sleep(0.002)  # they connect now
        self.ledger.counts["restarts"] += 1
        self.ledger.counts["answers under way at a restart"] += crowd.waiting
        self.stops.open()
        self.boots.open()
        self.running = None
        began = time.monotonic()
        old.signal(signal.SIGTERM)
        self.start()
        await self._await_successor(began)
        if old.status is None:
            old.signal(signal.SIGHUP)
        self._check_end(await old.ended(_END_SECONDS), time.monotonic() - began)
        self.stops.close()
        await asyncio.gather(*burst)
        self._check_crossing(await asyncio.gather(*asks))

    async def stop(self) -> None:
        """Stop the last daemon."""
        old, self.running = self.running, None
        assert old is not None, "there is no daemon to stop"
        began = time.monotonic()
        old.signal(signal.SIGTERM)
        self._check_end(await old.ended(_END_SECONDS), time.monotonic() - began)

    async def rotate(self) -> None:
        """Move the log away, and have it opened anew."""
        program = self.running
        if program is None or program.log is None or not program.log.exists():
            return
        moved = program.log.with_suffix(f".{self.ledger.counts['SIGHUPs']}.log")
        program.log.rename(moved)
        program.signal(signal.SIGHUP)
        self.ledger.counts["SIGHUPs"] += 1
        if await _until(lambda: program.log is not None and program.log.exists(), 3) and program.status is None:
            self.ledger.keep(Promise.ROTATED)
        else:
            self.ledger.breach(Promise.ROTATED, f"there is no new log; exit status {program.status}")

    async def _await_successor(self, began: float) -> None:
        try:
            await asyncio.to_thread(health, self.port)
        except OSError as problem:
            self.ledger.breach(Promise.SUCCEEDED, str(problem))
        waited = time.monotonic() - began
        self.boots.close(0.5)
        self._longest_start = max(waited, self._longest_start)
        self.ledger.check(Promise.SUCCEEDED, waited < _START_SECONDS, f"after {self._longest_start:.1f} s at most")

    def _check_end(self, status: int | None, seconds: float) -> None:
        self._longest_end = max(seconds, self._longest_end)
        self._statuses.append(status)
        told = " ".join(map(str, self._statuses))
        figure = f"status {told}; within {self._longest_end:.1f} s at most, with a grace of {GRACE_SECONDS} s"
        self.ledger.check(Promise.STOPPED, status == 0, figure)

    def _check_crossing(self, verdicts: list[Verdict]) -> None:
        expected = [outcome for _, outcome in _CROSSING for _ in Dialect]
        for verdict, outcome in zip(verdicts, expected, strict=True):
            if verdict.outcome == outcome and not verdict.broken:
                self.ledger.keep(Promise.CROSSING)
            else:
                self.ledger.breach(Promise.CROSSING, f"{verdict.outcome} in place of {outcome}: {verdict.broken}")


async def _until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether it came about in time."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return done()
