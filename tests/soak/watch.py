"""This module is the measures of the soak: how soon /health answers, what the daemons hold, and what they write into their logs."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

from tests.soak.asking import SENTENCE
from tests.soak.processes import Program

_PROBE_SECONDS = 0.2
_LONGEST = 20.0  # seconds for an answer of /health
_WARM_UP_SECONDS = 5.0
_STEADY_SECONDS = 60.0
_REQUEST = b"GET /health HTTP/1.1\r\nHost: soak.test\r\nConnection: close\r\n\r\n"
_ANSWER = re.compile(rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n(?:OK|2\r\nOK\r\n0\r\n\r\n)", re.DOTALL)
_BUG = re.compile(rb"Traceback|A bug|Unhandled|(?: critical | error )")
_WORDS = (SENTENCE.encode(), b"Hello from the simulator", b"All work and no play", b"beginning of an answer")


@frozen
class Sample:
    """What a daemon held at one moment; memory in bytes."""

    time: float
    memory: int
    descriptors: int


@frozen
class Growth:
    """What a daemon held in its first steady minute at most, and at its end, in the least of its last samples."""

    before: Sample
    after: Sample

    @property
    def memory(self) -> int:
        """Bytes."""
        return self.after.memory - self.before.memory

    @property
    def descriptors(self) -> int:
        """Descriptors."""
        return self.after.descriptors - self.before.descriptors


def growth(samples: Sequence[Sample]) -> Growth | None:
    """How much a daemon grew; None when it did not live long enough to be steady."""
    if not samples:
        return None
    began, ended = samples[0].time + _WARM_UP_SECONDS, samples[-1].time
    half = began + (ended - began) / 2
    first = [sample for sample in samples if began <= sample.time <= min(began + _STEADY_SECONDS, half)]
    last = [sample for sample in samples if sample.time > max(half, ended - 10)]
    if not first or not last:
        return None
    before = Sample(began, max(one.memory for one in first), max(one.descriptors for one in first))
    after = Sample(ended, min(one.memory for one in last), min(one.descriptors for one in last))
    return Growth(before, after)


def sample(program: Program) -> Sample | None:
    """What a program holds now; None when it has ended."""
    try:
        return Sample(time.monotonic(), program.memory, program.descriptors)
    except OSError:
        return None


@define(eq=False)
class Probe:
    """Asks for /health, again and again, from a thread of its own, so that the load does not keep it waiting.

    Attributes:
        answers: When each question was asked, and the seconds that its answer took.
        failures: What went wrong instead.
    """

    port: int
    answers: list[tuple[float, float]] = field(factory=list)
    failures: list[str] = field(factory=list)
    _stopped: threading.Event = field(factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_PROBE_SECONDS):
            began = time.monotonic()
            try:
                answer = health(self.port)
            except OSError as problem:
                self.failures.append(f"/health: {problem}")
            else:
                if not _ANSWER.fullmatch(answer):
                    self.failures.append(f"/health: {answer!r}")
                self.answers.append((began, time.monotonic() - began))


def health(port: int) -> bytes:
    """The answer of /health, from its status to its last byte.

    Raises:
        OSError: There is none.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_LONGEST) as client:
        client.sendall(_REQUEST)
        while data := client.recv(4096):
            answer += data
    return answer


def offences(lines: Iterable[bytes], key: bytes) -> Iterator[tuple[bool, str]]:
    """Lines that no log should hold: whether one tells a secret or else of a bug, and the line."""
    for line in lines:
        if key in line or any(words in line for words in _WORDS):
            yield True, line[:300].decode("utf-8", "replace").strip()
        if _BUG.search(line):
            yield False, line[:300].decode("utf-8", "replace").strip()


def lines(directory: Path) -> Iterator[bytes]:
    """All lines of all logs in a directory."""
    for path in sorted(directory.glob("daemon-*")):
        with path.open("rb") as log:
            yield from log
