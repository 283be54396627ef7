"""This module is an upstream that does what a script says, right or wrong, byte by byte."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IPullProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@frozen
class Wait:
    """Nothing happens for so many seconds."""

    seconds: float


@frozen
class Flood:
    """So many bytes of one letter, no faster than they are taken."""

    size: int


@frozen
class Close:
    """The connection ends in an orderly way."""


@frozen
class Reset:
    """The connection is torn down."""


Step: TypeAlias = bytes | Wait | Flood | Close | Reset
Script: TypeAlias = Sequence[Step]
SILENCE = Wait(3600)


def line(**record: object) -> bytes:
    """One record of an answer."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


BEGINNING = line(type="start") + line(type="text-start", id="0") + line(type="text-delta", id="0", text="A beginning")
END = (
    line(type="text-end", id="0")
    + line(type="finish-step", finishReason="stop", usage={"inputTokens": 3, "outputTokens": 2})
    + line(type="finish", finishReason="stop", totalUsage={"inputTokens": 3, "outputTokens": 2})
)
WHOLE = BEGINNING + END


def head(*fields: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """The head of a response with these fields."""
    return "".join(f"{text}\r\n" for text in (f"HTTP/{version} {status}", *fields, "")).encode()


CHUNKED = head("transfer-encoding: chunked")


def chunks(*pieces: bytes, last: bool = False) -> bytes:
    """Pieces of a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + (b"0\r\n\r\n" if last else b"")


def sized(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """A whole response whose length is told."""
    return head(*fields, f"content-length: {len(body)}", status=status) + body


class ScriptedUpstream(Factory):
    """Plays a script to each request.

    Args:
        clock: Where the time comes from.
        scripts: One for each request, in the order in which they come; the last one goes on for all that follow.
        greeting: What is done to each connection when it is made, before any request.

    Attributes:
        requests: What was asked, whole requests with their heads.
        connections: How many connections there were.
        open: The connections that are open.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, *scripts: Script, greeting: Script = ()) -> None:
        self.clock = clock
        self.greeting = greeting
        self.requests: list[bytes] = []
        self.connections = 0
        self.open: set[Player] = set()
        self._scripts = scripts

    @override
    def buildProtocol(self, addr: IAddress | None) -> Player:
        """One more connection."""
        return Player(self)

    def next_script(self, request: bytes) -> Script:
        """What to do with a request."""
        self.requests.append(request)
        return self._scripts[min(len(self.requests), len(self._scripts)) - 1]


class Player(Protocol):
    """One connection of a scripted upstream."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._heard = b""
        self._playing: Deferred[None] | None = None

    @override
    def connectionMade(self) -> None:
        """A client connected."""
        self._upstream.connections += 1
        self._upstream.open.add(self)
        if self._upstream.greeting:
            self._play(self._upstream.greeting)

    @override
    def dataReceived(self, data: bytes) -> None:
        """A part of a request came."""
        self._heard += data
        request, self._heard = _request(self._heard)
        if request:
            self._play(self._upstream.next_script(request))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client is gone."""
        self._upstream.open.discard(self)
        if self._playing is not None:
            self._playing.cancel()

    def _play(self, script: Script) -> None:
        self._playing = Deferred.fromCoroutine(self._perform(script))

    async def _perform(self, script: Script) -> None:
        transport: Any = self.transport
        try:
            for step in script:
                match step:
                    case Wait(seconds):
                        await deferLater(self._upstream.clock, seconds)
                    case Flood(size):
                        await flooded(transport, size)
                    case Close():
                        transport.loseConnection()
                    case Reset():
                        await deferLater(self._upstream.clock, 0.02)  # a reset drops what the client has not read
                        reset(transport)
                    case data:
                        transport.write(data)
        except CancelledError:
            pass


def _request(heard: bytes) -> tuple[bytes, bytes]:
    """A whole request, if there is one, and the rest."""
    top, whole, body = heard.partition(b"\r\n\r\n")
    length = _LENGTH.search(top)
    size = int(length[1]) if length else 0
    if not whole or len(body) < size:
        return b"", heard
    return top + whole + body[:size], body[size:]


def reset(transport: Any) -> None:
    """Tear a TCP connection down, so that the other end sees a reset."""
    transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abortConnection()


@implementer(IPullProducer)
class _Letters:
    def __init__(self, transport: Any, size: int, done: Callable[[], None]) -> None:
        self._transport = transport
        self._left = size
        self._done = done

    def resumeProducing(self) -> None:
        if self._left <= 0:
            self._transport.unregisterProducer()
            self._done()
            return
        self._transport.write(b"x" * min(65536, self._left))
        self._left -= 65536

    def stopProducing(self) -> None:
        self._left = 0


def flooded(transport: Any, size: int) -> Deferred[None]:
    """Write so many bytes as fast as they are taken; fires when they are written."""
    done: Deferred[None] = Deferred(lambda _: None)
    transport.registerProducer(_Letters(transport, size, lambda: done.callback(None)), False)
    return done


def dribbled(data: bytes, seconds: float) -> Iterable[Step]:
    """Byte by byte, so many seconds apart."""
    for byte in data:
        yield bytes([byte])
        yield Wait(seconds)
