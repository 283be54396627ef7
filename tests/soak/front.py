"""This module is a front before the simulator: it hands on every byte, but for the faults that it makes of some answers.

It sees which ask each request to the upstream belongs to, and keeps a book of them: what was done to the answer, and when the daemon
hung up.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import Counter, defaultdict
from random import Random

from attrs import define, field

from tests.soak.faults import BAD_CHUNKS, INTERIMS, NONSENSE, Cutter, Fault, chosen

_NUMBER = re.compile(rb"ask-(\d{7})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OUTPUT = re.compile(rb'"type":"(text-delta|reasoning-delta|tool-input-start|tool-call)"')
_NO_LINGER = struct.pack("ii", 1, 0)
_DRIBBLED = 200  # bytes
_DRIBBLE_SECONDS = 0.005
_LOST = (OSError, asyncio.IncompleteReadError)


@define(eq=False)
class Attempt:
    """One request to the upstream.

    Attributes:
        fault: What was done to its answer.
        reused: Whether its connection had served before.
        began: When it came, by the monotonic clock.
        ended: When the answer was whole or the connection closed; None while it runs.
        sent: Bytes of the answer that were handed on.
        status: The status of the answer, if it came to that.
        end: How it ended.
        spoke: Whether the answer said anything of a model.
    """

    fault: Fault
    reused: bool
    began: float
    ended: float | None = None
    sent: int = 0
    status: int = 0
    spoke: bool = False
    end: str = "whole"

    def __str__(self) -> str:
        kind = "a kept" if self.reused else "a new"
        return f"an attempt on {kind} connection (fault: {self.fault.value}; status {self.status}, {self.sent} bytes; {self.end})"


@define(eq=False)
class Book:
    """All requests to the upstream, by the number of their ask.

    Attributes:
        attempts: The attempts of each ask.
        spared: Asks that get no fault.
        faults: How often each fault was made.
        strangers: Requests that belong to no ask.
        running: How many requests are being answered now.
    """

    seed: int
    attempts: dict[int, list[Attempt]] = field(factory=lambda: defaultdict(list))
    spared: set[int] = field(factory=set)
    faults: Counter[Fault] = field(factory=Counter)
    strangers: int = 0
    running: int = 0

    def begin(self, request: bytes, *, reused: bool) -> tuple[Attempt, Random]:
        """Write down a request, and choose what happens to its answer."""
        found = _NUMBER.search(request)
        self.strangers += found is None
        number = int(found[1]) if found else -1
        mine = self.attempts[number]
        random = Random(f"{self.seed} {number} {len(mine)}")  # noqa: S311 - to be repeated, not to be secret
        fault = Fault.NONE if number in self.spared or found is None else chosen(random)
        attempt = Attempt(fault, reused, time.monotonic())
        mine.append(attempt)
        self.faults[fault] += 1
        self.running += 1
        return attempt, random

    def end(self, attempt: Attempt) -> None:
        """Write down that nothing more comes of a request."""
        attempt.ended = time.monotonic()
        self.running -= 1

    def of(self, number: int) -> list[Attempt]:
        """The attempts of one ask."""
        return self.attempts.get(number, [])


class _HangUpError(Exception):
    """The connection to the daemon ends here; ``reset`` says how."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Front:
    """The server that the daemon takes for its upstream.

    Args:
        book: Where requests are written down.
        simulator: The port of the real upstream.

    Attributes:
        book: Where requests are written down.
        port: Where it listens, once started.
        open: How many connections the daemon has to it.
    """

    def __init__(self, book: Book, simulator: int) -> None:
        self.book = book
        self.port = 0
        self.open = 0
        self._simulator = simulator
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        requests: asyncio.Queue[bytes] = asyncio.Queue()
        serving = asyncio.ensure_future(self._serve(requests, writer))
        listening = asyncio.ensure_future(_listen(reader, requests))
        try:
            await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.open -= 1
            for task in (serving, listening):
                task.cancel()
            results = await asyncio.gather(serving, listening, return_exceptions=True)
            if any(isinstance(result, _HangUpError) and not result.reset for result in results):
                writer.close()
            else:
                _reset(writer)
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, _HangUpError):
                    raise result

    async def _serve(self, requests: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
        served = 0
        while True:
            request = await requests.get()
            attempt, random = self.book.begin(request, reused=served > 0)
            served += 1
            try:
                await self._answer(request, _Sink(writer, attempt), random)
            except _LOST as problem:
                attempt.end = f"lost: {problem!r}"
                raise _HangUpError(reset=True) from None
            except _HangUpError:
                attempt.end = "hung up"
                raise
            except asyncio.CancelledError:
                attempt.end = "the daemon hung up"
                raise
            finally:
                self.book.end(attempt)

    async def _answer(self, request: bytes, sink: _Sink, random: Random) -> None:
        fault = sink.attempt.fault
        if fault.silent:
            raise _HangUpError(reset=fault is Fault.RESET_UNANSWERED)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._simulator)
        try:
            writer.write(request)
            await _hand_on(reader, sink, random)
        finally:
            writer.transport.abort()
        if fault is Fault.CLOSE_AFTER:
            raise _HangUpError(reset=False)


@define(eq=False)
class _Sink:
    """Where an answer goes: to the daemon, as fast as the daemon reads."""

    _writer: asyncio.StreamWriter
    attempt: Attempt
    dribbled: int = 0

    async def write(self, data: bytes) -> None:
        """Hand bytes on."""
        while self.dribbled and data:
            self.dribbled -= 1
            await self._write(data[:1])
            await asyncio.sleep(_DRIBBLE_SECONDS)
            data = data[1:]
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        self.attempt.sent += len(data)
        self._writer.write(data)
        await self._writer.drain()


async def _listen(reader: asyncio.StreamReader, requests: asyncio.Queue[bytes]) -> None:
    """Take whole requests apart; ends when the daemon hangs up."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            requests.put_nowait(head + await reader.readexactly(int(found[1]) if found else 0))
    except _LOST:
        return


async def _hand_on(reader: asyncio.StreamReader, sink: _Sink, random: Random) -> None:
    """Hand one answer on, whole or spoiled."""
    attempt = sink.attempt
    head = await reader.readuntil(b"\r\n\r\n")
    attempt.status = int(head.split(b" ", 2)[1])
    match attempt.fault:
        case Fault.RESET_IN_HEAD:
            await _spoil(sink, head[: random.randrange(1, len(head))], reset=True)
        case Fault.GARBAGE:
            await _spoil(sink, random.choice(NONSENSE), reset=random.random() < 0.5)
        case Fault.INTERIM:
            await sink.write(random.choice(INTERIMS))
        case Fault.DELAY:
            await asyncio.sleep(0.5)
        case Fault.DRIBBLE:
            sink.dribbled = _DRIBBLED
    found = _LENGTH.search(head)
    if attempt.fault is Fault.BAD_CHUNK and not found:
        line = await reader.readuntil(b"\r\n")
        chunk = line + await reader.readexactly(int(line, 16) + 2)
        await _spoil(sink, head + chunk + random.choice(BAD_CHUNKS), reset=False)
    await sink.write(head)
    cutting = attempt.fault in (Fault.RESET_IN_BODY, Fault.CLOSE_IN_BODY, Fault.BAD_CHUNK)
    cutter = Cutter(random.randrange(1, 60 if found else 2500)) if cutting else None
    await _hand_on_body(reader, sink, int(found[1]) if found else None, cutter)


async def _hand_on_body(reader: asyncio.StreamReader, sink: _Sink, left: int | None, cutter: Cutter | None) -> None:
    """Hand a body on, of so many bytes or in chunks, as far as the cutter lets it."""
    tail = b""
    while left is None or left > 0:
        data = await reader.read(65536)
        if not data:
            raise _HangUpError(reset=False)
        tail = (tail + data)[-5:]
        left = None if left is None else left - len(data)
        passing, cut = cutter.feed(data) if cutter else (data, False)
        sink.attempt.spoke = sink.attempt.spoke or _OUTPUT.search(passing) is not None
        await sink.write(passing)
        if cut or (cutter and (left == 0 or tail == b"0\r\n\r\n")):
            await _spoil(sink, b"", reset=sink.attempt.fault is Fault.RESET_IN_BODY)
        if tail == b"0\r\n\r\n":  # nothing else in a stream of lines ends like this
            return


async def _spoil(sink: _Sink, data: bytes, *, reset: bool) -> None:
    await sink.write(data)
    await asyncio.sleep(0.03)  # a reset drops what the system has not sent yet
    raise _HangUpError(reset=reset)


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and not writer.transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
