"""This module is many clients that ask the same thing again and again, and count what they get."""

from __future__ import annotations

import asyncio
import json
import re
import time

from attrs import define, field

from benchmarks.upstream import DELTAS

_STAMP = re.compile(rb"~([0-9a-f]{16})")
_END = b"0\r\n\r\n"
_PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
_TEXT = "def f(x):\n    return {'a': x, 'b': [1, 2, 3]}  # café\n" * 90


@define
class Seen:
    """What clients got.

    Attributes:
        answers: Whole answers.
        deltas: Pieces of text.
        failures: Answers that were no success, or not whole.
        first: Seconds from a request to its first piece.
        added: Seconds from the upstream's writing of a paced piece to its reading by the client.
    """

    answers: int = 0
    deltas: int = 0
    failures: int = 0
    first: list[float] = field(factory=list)
    added: list[float] = field(factory=list)


def request(api: str, word: str) -> bytes:
    """A request for an answer, in the dialect of an API."""
    messages = [{"role": "user", "content": "Write a short story about a proxy."}]
    if word == "long":
        messages = [
            {"role": ("user", "assistant")[number % 2], "content": f"{number} {_TEXT}"} for number in range(201)
        ]
    body = json.dumps({"model": f"bench-{word}", "stream": True, "max_tokens": 4096, "messages": messages}).encode()
    head = (
        f"POST {_PATHS[api]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer user_bench_key\r\nanthropic-version: 2023-06-01\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client(asyncio.Protocol):
    """One connection, one request after the other until it is told to stop."""

    def __init__(self, asking: bytes, word: str, seen: Seen) -> None:
        self.stopping = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking = asking
        self._word = word
        self._seen = seen
        self._deltas = 0
        self._tail = b""
        self._failed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy took the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy closed it."""
        if not self.done.done():
            self._seen.failures += 1
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """A part of an answer came."""
        if not self._tail and not data.startswith(b"HTTP/1.1 200"):
            self._failed = True
        now = time.monotonic_ns()
        deltas = data.count(b"~")
        if deltas and not self._deltas:
            self._seen.first.append((now - self._asked_at) / 1e9)
            if not self.begun.done():
                self.begun.set_result(None)
        self._deltas += deltas
        if self._word == "paced":
            self._seen.added += [(now - int(stamp, 16)) / 1e9 for stamp in _STAMP.findall(data)]
        self._tail = (self._tail + data)[-len(_END) :]
        if self._tail == _END:
            self._finish()

    def close(self) -> None:
        """Ask no more, and leave."""
        if not self.done.done():
            self.done.set_result(None)
        self._transport.abort()

    def _ask(self) -> None:
        self._deltas, self._tail, self._failed = 0, b"", False
        self._asked_at = time.monotonic_ns()
        self._transport.write(self._asking)

    def _finish(self) -> None:
        if self._failed or self._deltas != DELTAS[self._word]:
            self._seen.failures += 1
        else:
            self._seen.answers += 1
            self._seen.deltas += self._deltas
        if self.stopping:
            self.close()
        else:
            self._ask()
