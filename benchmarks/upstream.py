"""This module is an upstream that costs next to nothing: answers that were written beforehand, chosen by a word in the request."""

from __future__ import annotations

import asyncio
import json
import re
import time
from functools import lru_cache

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WORD = re.compile(rb"bench-(\w+)")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = 8192
PACE_SECONDS = 0.02
"""Between two deltas of a paced answer."""

DELTAS = {"burst": 1000, "chunky": 1000, "short": 20, "long": 20, "paced": 100, "hold": 1}
"""How many deltas each answer has."""


def _line(**record: object) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


_BEGIN = _line(type="start") + _line(type="start-step", request={}) + _line(type="text-start", id="0")
_USAGE = {"inputTokens": 10, "outputTokens": 10, "totalTokens": 20}
_END = (
    _line(type="text-end", id="0")
    + _line(type="finish-step", finishReason="stop", usage=_USAGE)
    + _line(type="finish", finishReason="stop", totalUsage=_USAGE)
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(text: str) -> bytes:
    return _line(type="text-delta", id="0", text=text)


@lru_cache
def _answer(word: str) -> bytes:
    """The whole of an answer that does not take its time; every delta holds one ``~``."""
    deltas = [_delta(f"~word {number} ") for number in range(DELTAS[word])]
    if word == "chunky":
        return _HEAD + b"".join(map(_chunk, (_BEGIN, *deltas, _END))) + b"0\r\n\r\n"
    body = b"".join((_BEGIN, *deltas, _END))
    return _HEAD + b"".join(_chunk(body[at : at + _PIECE]) for at in range(0, len(body), _PIECE)) + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection of it."""

    def __init__(self) -> None:
        self._heard = b""
        self._missing = 0
        self._playing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A proxy connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy is gone."""
        if self._playing is not None:
            self._playing.cancel()

    def data_received(self, data: bytes) -> None:
        """A part of a request came."""
        self._heard += data
        head, whole, body = self._heard.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not whole or len(body) < (int(length[1]) if length else 0):
            return
        request, self._heard = self._heard, b""
        if not request.startswith(b"POST"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            return
        found = _WORD.search(request)
        word = found[1].decode() if found else "short"
        if word in ("paced", "hold"):
            self._playing = asyncio.get_running_loop().create_task(self._take_time(word))
        else:
            self._transport.write(_answer(word))

    async def _take_time(self, word: str) -> None:
        self._transport.write(_HEAD + _chunk(_BEGIN))
        for _ in range(DELTAS[word]):
            self._transport.write(_chunk(_delta(f"~{time.monotonic_ns():016x} ")))
            await asyncio.sleep(PACE_SECONDS if word == "paced" else 3600)
        self._transport.write(_chunk(_END) + b"0\r\n\r\n")
