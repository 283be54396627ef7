"""This module is the reckoning after a soak: what only the whole of it can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.soak.clients import Crowd
from tests.soak.faults import KINDS, Fault
from tests.soak.judging import Promise, lingering
from tests.soak.ledger import Ledger, percentile
from tests.soak.restarts import Operator
from tests.soak.watch import Growth, Probe, growth, lines, offences

_MOST_LINGERING = 2.0  # seconds
_SLOWEST = 0.25  # seconds
_MOST_GROWTH = 24 * 1024 * 1024  # bytes
_MOST_NEW_DESCRIPTORS = 48
_MEBIBYTE = 1024 * 1024


def reckon(ledger: Ledger, crowd: Crowd, operator: Operator, probe: Probe, canary: str) -> None:
    """Enter into the ledger what the clients could not see."""
    _count(ledger, crowd)
    _dropped(ledger, crowd)
    _fenced(ledger, crowd)
    _healthy(ledger, operator, probe)
    _grown(ledger, operator)
    _logged(ledger, operator, canary.encode())


def _count(ledger: Ledger, crowd: Crowd) -> None:
    book = crowd.book
    ledger.counts["requests to the upstream"] = sum(map(len, book.attempts.values()))
    ledger.counts["asked again"] = sum(len(attempts) - 1 for attempts in book.attempts.values())
    for fault in KINDS:
        ledger.counts[f"fault: {fault.value}"] = book.faults[fault]
    unmarked = sum(book.faults.values()) - book.faults[Fault.NONE]
    ledger.counts["faults"] = unmarked


def _dropped(ledger: Ledger, crowd: Crowd) -> None:
    longest, seen = 0.0, 0
    for number, left_at in crowd.left.items():
        attempts = crowd.book.of(number)
        seconds = lingering(left_at, attempts, time.monotonic())
        if seconds is None:
            continue
        seen += 1
        longest = max(longest, seconds)
        if seconds > _MOST_LINGERING:
            ledger.breach(Promise.DROPPED, f"ask {number}: after {seconds:.2f} s; {attempts[-1]}")
        else:
            ledger.keep(Promise.DROPPED)
    ledger.figures[Promise.DROPPED] = f"{seen} times, within {longest * 1000:.0f} ms at most"


def _fenced(ledger: Ledger, crowd: Crowd) -> None:
    strangers = crowd.book.strangers
    figure = f"{strangers} of {ledger.counts['malformed']}"
    ledger.check(Promise.FENCED, not strangers, figure)


def _healthy(ledger: Ledger, operator: Operator, probe: Probe) -> None:
    for failure in probe.failures:
        ledger.breach(Promise.ACCEPTED, failure)
    times = [took for began, took in probe.answers if not operator.boots.meet(began, began + took)]
    if not times:
        return
    half, most, longest = (percentile(times, share) * 1000 for share in (0.5, 0.99, 1))
    figure = f"p50 {half:.0f} ms, p99 {most:.0f} ms, at most {longest:.0f} ms, of {len(times)}"
    ledger.check(Promise.HEALTHY, most <= _SLOWEST * 1000, figure)


def _grown(ledger: Ledger, operator: Operator) -> None:
    """The growth of each daemon; the one that grew most is judged, and the last one, which lived longest, is told as well."""
    grown = [found for samples in operator.samples.values() if (found := growth(samples))]
    if not grown:
        return
    worst = max(grown, key=lambda one: one.memory)
    figure = f"{_told(worst)}; the last daemon {_told(grown[-1])}"
    ledger.check(Promise.LEAN, worst.memory <= _MOST_GROWTH, figure)
    more = max(one.descriptors for one in grown)
    figure = f"{more:+d} under load; {ledger.figures.get(Promise.TIDY, 'not seen at the end')}"
    ledger.check(Promise.TIDY, more <= _MOST_NEW_DESCRIPTORS, figure)


def _told(one: Growth) -> str:
    seconds = one.after.time - one.before.time
    return f"{one.memory / _MEBIBYTE:+.1f} MiB from {one.before.memory / _MEBIBYTE:.1f} in {seconds:.0f} s"


def _logged(ledger: Ledger, operator: Operator, canary: bytes) -> None:
    read = 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for line in lines(operator.directory):
            read += 1
            yield line

    for is_secret, line in offences(counted(), canary):
        ledger.breach(Promise.SECRET if is_secret else Promise.SILENT, line)
    for promise in (Promise.SILENT, Promise.SECRET):
        ledger.figures[promise] = f"{ledger.broken[promise]} in {read} lines"
        if read:
            ledger.keep(promise)
