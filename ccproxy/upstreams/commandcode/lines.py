"""This module is one line of ``POST /alpha/generate``: its fields, and what can be told of it before it is read.

The fields of every record type that we need, in every spelling that was seen: upstream wire notes, section 5.3.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from ccproxy.framing import MalformedJSONError, Record, loads

NEW_STEP = "start-step"
"""The type of the record that begins a step, and echoes the whole request."""

_TYPE = re.compile(rb'[ \t]*(?:data:)?[ \t]*\{[ \t]*"type"[ \t]*:[ \t]*"([^"\\]+)"')
_NOT_DATA = (b":", b"event:", b"id:", b"retry:")


class StreamRecord(Record, rename="camel"):
    """A record of any type; an absent field is None."""

    type: str = ""
    id: str | int | None = None
    text: str | None = None
    delta: str | None = None
    text_delta: str | None = None
    tool_call_id: str | int | None = None
    tool_name: str | None = None
    name: str | None = None
    input: Any = None
    args: Any = None
    arguments: Any = None
    provider_executed: bool | None = None
    finish_reason: str | None = None
    raw_finish_reason: str | None = None
    usage: Any = None
    total_usage: Any = None
    error: Any = None
    reason: Any = None
    data: Any = None


def delta_of(record: StreamRecord) -> str:
    """The piece of text or arguments in a record, in whatever spelling."""
    return record.text or record.delta or record.text_delta or ""


def kind_of(line: bytes) -> str | None:
    """The type that a line begins with; empty for what is no record, None where it cannot be told from the beginning."""
    if line.startswith(_NOT_DATA):
        return ""
    match = _TYPE.match(line)
    return match[1].decode("latin-1") if match else None


def is_of(line: bytes, types: Container[str]) -> bool:
    """Whether a line that cannot be read as a `StreamRecord` is, or may have been, a record of one of these types."""
    try:
        record = loads(line)
    except MalformedJSONError:
        return True
    kind = record.get("type") if isinstance(record, dict) else None
    return isinstance(kind, str) and kind in types
