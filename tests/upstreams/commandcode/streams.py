"""This module is answers of the upstream to decode: single records, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen

from ccproxy.errors import ProxyError
from ccproxy.events import Event, Failed, Finished, Usage, singly
from ccproxy.upstreams.commandcode.records import Records

TEXT = b'{"type":"text-delta","id":"txt-0","text":"a"}\n'
FINISH = b'{"type":"finish","finishReason":"stop","totalUsage":{"inputTokens":3,"outputTokens":4}}\n'
USAGE = {"inputTokens": 3, "outputTokens": 4}
SPENT = Usage(input=3, output=4)


def record(type_: str, **fields: object) -> bytes:
    """One line of the stream."""
    return json.dumps({"type": type_, **fields}, separators=(",", ":")).encode() + b"\n"


STEP = record("finish-step", finishReason="stop", usage=USAGE)


def decoded(*stream: bytes, limit: int = 0) -> list[Event]:
    """All that the decoder says of a stream, its end included."""
    decoder = Records(limit)
    return [*singly(event for data in stream for event in decoder.feed(data)), *decoder.end()]


def before_finish(*stream: bytes) -> list[Event]:
    """What the decoder says of a stream that then ends well, without its end."""
    *events, last = decoded(*stream, FINISH)
    assert isinstance(last, Finished), last
    return events


def failure(*stream: bytes, limit: int = 0) -> Failed:
    """How a stream fails."""
    last = decoded(*stream, limit=limit)[-1]
    assert isinstance(last, Failed), last
    return last


@frozen
class Words:
    """An error in words, to compare."""

    kind: str
    message: str
    retryable: bool
    retry_after: float | None
    replayable: bool


def words(error: ProxyError) -> Words:
    """What an error says."""
    return Words(error.kind.name, error.message, error.retryable, error.retry_after, error.replayable)


def comparable(events: Iterable[Event]) -> Sequence[Any]:
    """Events in a form in which two failures that say the same are equal, and two errors are not."""
    return [
        (words(event.error), event.usage) if isinstance(event, Failed) else evolve(event) for event in singly(events)
    ]
