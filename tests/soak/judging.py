"""This module is the judgement of answers: which promises one keeps, and which it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import field, frozen

from tests.soak.asking import Ask, Dialect, Said
from tests.soak.front import Attempt
from tests.soak.hostile import Hostile
from tests.soak.reading import Failed, UnreadableError, read
from tests.soak.wire import Answer

_UNBILLED = (503, 529)  # refusals of the upstream after which it may be asked again


class Promise(Enum):
    """What the daemon promises, in the order of the table."""

    ACCEPTED = "every connection is accepted and every request answered"
    RIGHT = "every whole answer is right, and the asker's own"
    HONEST = "no failure looks like a success"
    SHAPED = "every failure has the shape of its dialect"
    CAUSED = "nothing fails without a cause"
    UNCUT = "no answer is cut short without a word"
    PROMPT = "no answer hangs"
    ONCE = "nothing is asked for again after it may have begun"
    FENCED = "no malformed request reaches the upstream"
    DROPPED = "a client that leaves stops the upstream"
    CROSSING = "streams that run at SIGTERM end whole, or with a retryable error"
    STOPPED = "SIGTERM ends the daemon with status 0, within its grace"
    ALIVE = "the daemon ends only when it is told to"
    ROTATED = "SIGHUP opens the log anew, and disturbs nothing"
    HEALTHY = "/health answers in time (p99 under 250 ms)"
    SUCCEEDED = "a successor takes over within 10 s"
    SILENT = "no traceback and no bug in the log"
    SECRET = "no key and no word of a conversation in the log"
    LEAN = "memory does not grow"
    TIDY = "descriptors do not grow, and are given back"


@frozen
class Circumstances:
    """What is known of an exchange besides its answer.

    Attributes:
        attempts: The requests to the upstream that were made for it.
        stopping: Whether a daemon was going down meanwhile.
        reused: Whether its connection had served before.
    """

    attempts: Sequence[Attempt] = ()
    stopping: bool = False
    reused: bool = False


@frozen
class Verdict:
    """How an exchange went.

    Attributes:
        outcome: In a word or two, for the count of outcomes.
        kept: The promises that it was a test of, and that held.
        broken: The promises that it broke, and how.
        again: Whether the client may simply ask again: its kept connection had been closed.
    """

    outcome: str
    kept: frozenset[Promise] = frozenset()
    broken: Sequence[tuple[Promise, str]] = field(factory=tuple)
    again: bool = False


def judge(ask: Ask, answer: Answer, about: Circumstances) -> Verdict:
    """Judge an answer that its client waited for."""
    if not answer.status and not answer.hung and about.reused and about.stopping and not about.attempts:
        return Verdict("closed while idle", again=True)
    broken = list(_complaints(ask, answer, about))
    kept = {Promise.ACCEPTED, Promise.PROMPT, Promise.UNCUT, Promise.ONCE, Promise.CAUSED}
    outcome = "no answer"
    if not answer.trouble:
        said = _read(ask.dialect, answer)
        if isinstance(said, Said):
            outcome = "whole"
            kept |= {Promise.RIGHT, Promise.HONEST}
        elif isinstance(said, Failed):
            outcome = f"status {said.status}" if said.status != 200 else "error event"
            kept |= {Promise.SHAPED, Promise.HONEST}
    return Verdict(outcome, frozenset(kept - {promise for promise, _ in broken}), broken)


def _complaints(ask: Ask, answer: Answer, about: Circumstances) -> Iterator[tuple[Promise, str]]:
    repeated = asked_twice(about.attempts)
    if repeated:
        yield Promise.ONCE, repeated
    if answer.hung:
        yield Promise.PROMPT, f"status {answer.status}, {len(answer.body)} bytes, {answer.trouble}"
    elif not answer.status:
        kind, when = "kept" if about.reused else "new", "while a daemon went down" if about.stopping else "at any time"
        yield Promise.ACCEPTED, f"no answer on a {kind} connection, {when}: {answer.trouble}; {_told(about.attempts)}"
    elif answer.trouble:
        yield Promise.UNCUT, f"{answer.trouble}: status {answer.status}, {answer.body[-120:]!r}"
    else:
        if answer.headers.get("x-request-id") != ask.id:
            yield Promise.RIGHT, f"x-request-id {answer.headers.get('x-request-id')!r}"
        yield from _judged(ask, _read(ask.dialect, answer), about)


def _read(dialect: Dialect, answer: Answer) -> Said | Failed | str:
    """What an answer says, or why it cannot be read."""
    try:
        return read(dialect, answer.status, answer.headers, answer.body)
    except UnreadableError as problem:
        return str(problem)


def _judged(ask: Ask, said: Said | Failed | str, about: Circumstances) -> Iterator[tuple[Promise, str]]:
    """What is wrong with an answer that is whole, as HTTP."""
    spoilt = bool(about.attempts) and about.attempts[-1].fault.harmful
    match said:
        case Said():
            if ask.answer is None or spoilt:
                yield Promise.HONEST, f"a success in spite of {_told(about.attempts)}: {str(said)[:200]}"
            elif said != ask.answer:
                yield Promise.RIGHT, difference(said, ask.answer)
        case Failed():
            yield from _failure(ask, said, about, spoilt=spoilt)
        case str():
            yield Promise.SHAPED if said[:3] != "200" else Promise.RIGHT, said


def _failure(ask: Ask, failed: Failed, about: Circumstances, *, spoilt: bool) -> Iterator[tuple[Promise, str]]:
    if not ask.beginning.startswith(failed.text):
        yield Promise.RIGHT, f"before its error the stream says {failed.text[:200]!r}"
    if about.stopping and failed.retryable and failed.status in (200, 503):
        return
    expected = {*ask.scenario.statuses, *([502] if any(attempt.fault.harmful for attempt in about.attempts) else [])}
    if not expected or (not ask.scenario.statuses and not spoilt):
        yield Promise.CAUSED, f"{failed}, after {_told(about.attempts)}"
    elif failed.status not in expected and not (failed.status == 200 and ask.stream):
        yield Promise.CAUSED, f"{failed}, where {sorted(expected)} was to come, after {_told(about.attempts)}"


def judge_hostile(sent: Hostile, answer: Answer, *, stopping: bool = False) -> Verdict:
    """Judge the answer to a malformed request: a refusal, in the shape of its path's dialect, or of any where no path was read."""
    promises = {Promise.ACCEPTED, Promise.PROMPT, Promise.UNCUT, Promise.SHAPED}
    if answer.hung:
        return Verdict("malformed: no end", broken=[(Promise.PROMPT, answer.trouble)])
    if not answer.status and sent.unread:
        return Verdict("malformed: closed", frozenset({Promise.PROMPT}))
    if not answer.status:
        how = f"no answer{' while a daemon went down' if stopping else ''}: {answer.trouble}"
        return Verdict("malformed: no answer", broken=[(Promise.ACCEPTED, how)])
    if answer.trouble:
        return Verdict("malformed: cut short", broken=[(Promise.UNCUT, answer.trouble)])
    dialects = (sent.dialect,) if sent.dialect else tuple(Dialect)
    failures: list[str] = []
    for dialect in dialects:
        said = _read(dialect, answer)
        excused = isinstance(said, Failed) and stopping and said.status == 503 and said.retryable
        if excused or (isinstance(said, Failed) and said.status in sent.statuses):
            return Verdict(f"malformed: {answer.status}", frozenset(promises))
        failures.append(str(said)[:300])
    return Verdict(f"malformed: {answer.status}", broken=[(Promise.SHAPED, failures[0])])


def difference(said: Said, meant: Said) -> str:
    """Where two answers begin to differ, in words."""
    one, other = str(said), str(meant)
    at = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return f"it says ...{one[max(0, at - 20) : at + 80]!r} and not ...{other[max(0, at - 20) : at + 80]!r}"


def _told(attempts: Sequence[Attempt]) -> str:
    return ", ".join(map(str, attempts)) or "no attempt"


def asked_twice(attempts: Sequence[Attempt]) -> str:
    """Why one of these attempts should not have been followed by another; empty if all is well."""
    for attempt in attempts[:-1]:
        stale = attempt.reused and attempt.fault.silent and not attempt.sent
        refused = attempt.status in _UNBILLED and not attempt.spoke
        if not stale and not refused:
            return f"asked again after {attempt}"
    return ""


def lingering(left_at: float, attempts: Sequence[Attempt], now: float) -> float | None:
    """How many seconds the upstream went on for a client that had left; None when it had ended before."""
    longest = None
    for attempt in attempts:
        ended = now if attempt.ended is None else attempt.ended
        if ended > left_at:
            seconds = ended - max(left_at, attempt.began)
            longest = seconds if longest is None else max(longest, seconds)
    return longest
