"""This module is the course of a soak: load, restarts and measures for so many minutes, and then everything is ended."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

from attrs import define, field

from tests.soak import processes
from tests.soak.clients import Crowd, Windows
from tests.soak.front import Book, Front
from tests.soak.judging import Promise
from tests.soak.ledger import Ledger
from tests.soak.reckoning import reckon
from tests.soak.restarts import Operator
from tests.soak.watch import Probe, health, sample

_CLIENTS = 32
_BACKLOG = 1024
_RESTARTED_SHARE = 0.6  # of the time; the last daemon lives on, so that growth can be seen
_RESTART_SECONDS = 75.0
_ROTATION_SECONDS = 17.0
_SETTLE_SECONDS = 8.0
_SPARE_DESCRIPTORS = 4


@define(eq=False)
class Soak:
    """One run.

    Args:
        minutes: How long the load lasts.
        seed: What chance depends on.
        directory: Where logs go.
        canary: What every key contains, and no log may.
    """

    minutes: float
    seed: int
    directory: Path
    canary: str
    ledger: Ledger = field(factory=Ledger)

    async def run(self) -> Ledger:
        """Run; whatever was started is ended, and what was seen stands in the ledger."""
        sys.setswitchinterval(0.001)  # the probe of /health is a thread of this process
        asyncio.get_running_loop().set_exception_handler(self._fail)
        life = int(self.minutes * 60) + 120
        simulator, port = processes.simulator(self.directory, life)
        try:
            with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
                await self._serve(listener, Front(Book(self.seed), port), life)
        finally:
            simulator.end()
        return self.ledger

    async def _serve(self, listener: socket.socket, front: Front, life: int) -> None:
        await front.start()
        stops = Windows()
        api_base = f"http://127.0.0.1:{front.port}"
        operator = Operator(listener, self.directory, api_base, life, self.ledger, stops)
        key = f"user_soak_key_{self.canary}"
        crowd = Crowd(operator.port, self.ledger, front.book, stops, self.seed, key)
        probe = Probe(operator.port)
        try:
            operator.start()
            await asyncio.to_thread(health, operator.port)
            operator.measure()
            probe.start()
            await self._load(crowd, operator)
            await self._settle(front, operator)
            probe.stop()
            await operator.stop()
        finally:
            probe.stop()
            operator.end()
            front.stop()
        reckon(self.ledger, crowd, operator, probe, self.canary)

    async def _load(self, crowd: Crowd, operator: Operator) -> None:
        """The load, with all that is done to the daemon meanwhile."""
        stop = asyncio.Event()
        loading = asyncio.ensure_future(crowd.run(_CLIENTS, stop))
        restarting = asyncio.ensure_future(self._restart(crowd, operator))
        watching = asyncio.ensure_future(_watch(operator))
        tasks = {loading, restarting, watching}
        try:
            await asyncio.wait(tasks, timeout=self.minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
            stop.set()
            await asyncio.wait({loading, restarting})
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _restart(self, crowd: Crowd, operator: Operator) -> None:
        """Restart the daemon at even times."""
        began, span = time.monotonic(), self.minutes * 60 * _RESTARTED_SHARE
        restarts = max(2 if self.minutes >= 2 else 1, round(span / _RESTART_SECONDS))
        for number in range(1, restarts + 1):
            await asyncio.sleep(max(0.0, began + number * span / restarts - time.monotonic()))
            await operator.restart(crowd)

    async def _settle(self, front: Front, operator: Operator) -> None:
        """After the load: do the answers that nobody wants stop, and are the descriptors given back?"""
        daemon = operator.running
        assert daemon is not None, "there is no daemon at the end"
        deadline = time.monotonic() + _SETTLE_SECONDS
        held = sample(daemon)
        most = operator.fresh_descriptors + _SPARE_DESCRIPTORS
        while held and (front.book.running or held.descriptors - front.open > most) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            held = sample(daemon)
        if front.book.running:
            self.ledger.breach(
                Promise.DROPPED, f"{front.book.running} requests to the upstream run on without a client"
            )
        if held is not None:
            figure = f"{held.descriptors} open at the end, {front.open} to the upstream, {most} allowed besides"
            self.ledger.check(Promise.TIDY, held.descriptors - front.open <= most, figure)

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Something in the soak itself went wrong."""
        self.ledger.mishaps.append(f"{context.get('message')}: {context.get('exception')!r}")


async def _watch(operator: Operator) -> None:
    """Measure each second, and have the log opened anew now and then."""
    rotated_at = time.monotonic()
    while True:
        await asyncio.sleep(1)
        operator.sample()
        if time.monotonic() - rotated_at > _ROTATION_SECONDS:
            rotated_at = time.monotonic()
            await operator.rotate()
