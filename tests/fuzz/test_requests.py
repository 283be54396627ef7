"""Tests of the whole daemon, a process with its own simulator, against requests that are nearly right."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.daemons import DaemonProcess
from tests.fuzz.answers import Answer, check
from tests.fuzz.mutations import Asked, request
from tests.unmeasured import Unmeasured

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = int(os.environ.get("FUZZ_REQUESTS", "600"))
"""How many requests are made; ``FUZZ_REQUESTS=20000`` is for a long look, and another ``FUZZ_SEED`` for another one."""

_MOST_OF_ONE_DAEMON = 5000  # whose life is bounded
_CONNECTIONS = 4
_MOST_SHOWN = 20
_SHOWN_BYTES = 600
_BUG = re.compile(r"^.*(?:Traceback|A bug|Unhandled)(?:.*\n(?!\d{4}-\d\d-\d\dT))*.*", re.MULTILINE)


@define
class Findings:
    """What came of some requests.

    Attributes:
        statuses: How often there was each status.
        wrong: A text for each answer that should not have been.
        slowest: The longest time that an answer took, seconds, and the number of its request.
    """

    statuses: Counter[int] = field(factory=Counter)
    wrong: list[str] = field(factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, other: Findings) -> None:
        """Take in what came of others."""
        self.statuses += other.statuses
        self.wrong += other.wrong
        self.slowest = max(self.slowest, other.slowest)


class RequestTests(Unmeasured):
    """Requests on connections that stay open."""

    def test_nearly_right(self) -> None:
        """Whatever is asked is answered or refused, completely and in the dialect of its path, and the daemon stays as it was."""
        began, found = time.monotonic(), Findings()

        for first in range(0, COUNT, _MOST_OF_ONE_DAEMON):
            found.add(self.ask(range(first, min(COUNT, first + _MOST_OF_ONE_DAEMON))))

        if "FUZZ_REQUESTS" in os.environ:
            seconds = time.monotonic() - began
            sys.stderr.write(
                f"\n{COUNT} requests in {seconds:.0f} s, statuses {sorted(found.statuses.items())}, slowest {found.slowest}\n"
            )
        wrong = "\n\n".join(found.wrong[:_MOST_SHOWN])
        self.assertEqual(len(found.wrong), 0, f"{len(found.wrong)} wrong answers:\n{wrong}")
        self.assertEqual(found.statuses.total(), COUNT)
        self.assertGreater(found.statuses[200], COUNT / 5, "too few of the requests are taken")

    def ask(self, numbers: Sequence[int]) -> Findings:
        """Make requests of a daemon, and look at it afterwards."""
        daemon = DaemonProcess(Path(self.mktemp()), "--simulator")
        self.addCleanup(daemon.end)
        found = Findings()
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            shares = [numbers[start::_CONNECTIONS] for start in range(_CONNECTIONS)]
            for findings in pool.map(_asking, [daemon] * _CONNECTIONS, shares):
                found.add(findings)
        connection = daemon.connect()
        connection.request("GET", "/health")
        self.assertEqual(connection.getresponse().read(), b"OK")
        found.wrong += [f"in the log: {told[0][-_SHOWN_BYTES:]}" for told in _BUG.finditer(daemon.log)]
        daemon.end()
        return found


class MutationTests(SynchronousTestCase):
    """The requests."""

    def test_repeated(self) -> None:
        """A seed and a number make the same request again, and others make others."""
        bodies = {request(seed, number).body for seed in (1, 2) for number in range(50)}

        self.assertEqual([request(3, number) for number in range(20)], [request(3, number) for number in range(20)])
        self.assertGreater(len(bodies), 90)


class CheckTests(SynchronousTestCase):
    """The checks of answers."""

    def test_wrong_answers(self) -> None:
        """Failures, bodies in another dialect and streams without an end do not pass."""
        refused = b'{"error":{"message":"No.","type":"server_error","param":null,"code":"internal_error"}}'
        chunk = b'data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
        stream = {"content-type": "text/event-stream"}
        document = {"content-type": "application/json"}
        for path, status, headers, body in (
            ("/v1/chat/completions", 500, document, refused),
            ("/v1/chat/completions", 400, document, refused),
            ("/v1/messages", 400, document, refused),
            ("/v1/chat/completions", 200, stream, chunk),
            ("/v1/messages", 200, stream, b"event: ping\ndata: {}\n\n"),
            ("/v1/chat/completions", 200, stream, b'data: {"error":{}}\n\ndata: [DONE]\n\n'),
            ("/v1/messages", 200, document, b'{"object":"chat.completion"}'),
            ("/v1/messages/count_tokens", 200, document, b'{"input_tokens":0}'),
            ("/v1/completions", 302, document, b""),
        ):
            answer = Answer(status, {"server": "ccproxy", **headers}, body)

            self.assertRaises((AssertionError, LookupError, ValueError), check, "POST", path, answer)


def _asking(daemon: DaemonProcess, numbers: Iterable[int]) -> Findings:
    """Make requests one after the other on a connection, and on a new one where it was closed."""
    found, connection = Findings(), daemon.connect()
    for number in numbers:
        asked, began = request(SEED, number), time.monotonic()
        try:
            answer = _answer(connection, asked)
            found.statuses[answer.status] += 1
            check(asked.method, asked.path, answer)
        except (OSError, HTTPException, AssertionError, LookupError, ValueError) as error:
            found.wrong.append(_shown(number, asked, error))
            connection.close()
        found.slowest = max(found.slowest, (round(time.monotonic() - began, 2), number))
    connection.close()
    return found


def _answer(connection: HTTPConnection, asked: Asked) -> Answer:
    body = _chunks(asked.body, asked.chunks) if asked.chunks else asked.body
    connection.request(asked.method, asked.path, body, dict(asked.headers), encode_chunked=bool(asked.chunks))
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def _shown(number: int, asked: Asked, error: Exception) -> str:
    return (
        f"request({SEED}, {number}): {type(error).__name__}: {str(error)[:_SHOWN_BYTES]}\n"
        f"{asked.method} {asked.path} {asked.headers} {asked.body[:_SHOWN_BYTES]!r}"
    )
