"""This module is what is measured, and how."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence

from attrs import frozen

from benchmarks.client import Client, Seen, request
from benchmarks.target import Target

_RAMP = 100  # connections that are opened together


@frozen
class Case:
    """One measurement.

    Attributes:
        title: What the report calls it.
        api: ``chat`` or ``messages``.
        word: Which answer of the upstream is asked for.
        clients: How many ask at once.
        figures: Which figures are worth showing, the first before all.
        once: It takes so long that it is measured in one round only.
    """

    title: str
    api: str
    word: str
    clients: int
    figures: Sequence[str]
    once: bool = False


CPU_EVENTS, CPU_REQUEST = "CPU ms per 1000 events", "CPU ms per request"
ADDED, ADDED_LATE, FIRST = "added ms p50", "added ms p99", "first token ms p50"
PER_STREAM, IDLE, FAILURES = "KiB per held stream", "idle MiB", "failures"
GROWTH = "MiB grown in 55 s after 5 s"

CASES = (
    Case("burst, chat", "chat", "burst", 32, (CPU_EVENTS,)),
    Case("burst, messages", "messages", "burst", 32, (CPU_EVENTS,)),
    Case("one event per chunk", "chat", "chunky", 32, (CPU_EVENTS,)),
    Case("short answers", "chat", "short", 32, (CPU_REQUEST,)),
    Case("1 MB requests", "chat", "long", 8, (CPU_REQUEST,)),
    Case("paced streams", "chat", "paced", 32, (CPU_EVENTS, ADDED, ADDED_LATE)),
    Case("one short answer after the other", "chat", "short", 1, (FIRST,)),
    Case("held streams", "chat", "hold", 1000, (PER_STREAM, IDLE)),
    Case("five thousand held streams", "chat", "hold", 5000, (PER_STREAM,), once=True),
    Case("bursts for a minute", "chat", "burst", 32, (GROWTH,), once=True),
)
_GROWING = (5, 55)  # seconds before the memory is looked at, and from then to the end


async def measure(case: Case, target: Target, seconds: float) -> Mapping[str, float]:
    """The figures of one case, after a moment of the same load to get warm."""
    if case.word == "hold":
        return await _held(case, target)
    if GROWTH in case.figures:
        return await _growth(case, target)
    await _load(case, target, min(seconds, 0.7))
    cpu = target.cpu
    seen = await _load(case, target, seconds)
    spent = target.cpu - cpu
    return {
        CPU_EVENTS: spent * 1e6 / max(1, seen.deltas),
        CPU_REQUEST: spent * 1e3 / max(1, seen.answers),
        FIRST: _percentile(seen.first, 50) * 1e3,
        ADDED: _percentile(seen.added, 50) * 1e3,
        ADDED_LATE: _percentile(seen.added, 99) * 1e3,
        FAILURES: float(seen.failures),
    }


async def _load(case: Case, target: Target, seconds: float) -> Seen:
    seen = Seen()
    clients = await _connect(case, target, seen, case.clients)
    await asyncio.sleep(seconds)
    for client in clients:
        client.stopping = True
    _, late = await asyncio.wait([client.done for client in clients], timeout=10)
    seen.failures += len(late)
    for client in clients:
        client.close()
    return seen


async def _held(case: Case, target: Target) -> Mapping[str, float]:
    await _load(Case("", case.api, "short", 32, ()), target, 0.7)
    idle = target.memory
    seen = Seen()
    clients: list[Client] = []
    for _ in range(case.clients // _RAMP):
        more = await _connect(case, target, seen, _RAMP)
        _, late = await asyncio.wait([client.begun for client in more], timeout=30)
        seen.failures += len(late)
        clients += more
    held = target.memory
    for client in clients:
        client.close()
    return {PER_STREAM: (held - idle) / 1024 / case.clients, IDLE: idle / 2**20, FAILURES: float(seen.failures)}


async def _growth(case: Case, target: Target) -> Mapping[str, float]:
    before, after = _GROWING
    failures = (await _load(case, target, before)).failures
    early = target.memory
    failures += (await _load(case, target, after)).failures
    return {GROWTH: (target.memory - early) / 2**20, FAILURES: float(failures)}


async def _connect(case: Case, target: Target, seen: Seen, count: int) -> list[Client]:
    loop, asking = asyncio.get_running_loop(), request(case.api, case.word)
    connecting = (
        loop.create_connection(lambda: Client(asking, case.word, seen), "127.0.0.1", target.port) for _ in range(count)
    )
    return [protocol for _, protocol in await asyncio.gather(*connecting)]


def _percentile(samples: Sequence[float], percent: int) -> float:
    return statistics.quantiles(samples, n=100)[percent - 1] if len(samples) > 1 else 0.0
