"""This module is what the tests of Messages answers share: events to say, and the reading of what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ccproxy.codecs import Turn
from ccproxy.dialects.anthropic_messages.response import MessageDocument, MessageStream
from ccproxy.events import Event, Finished, FinishReason, ReasoningDelta, ToolArguments, ToolEnded, ToolStarted
from ccproxy.framing import dumps
from tests.dialects.strict import MessagesReading, read_messages
from tests.dialects.turns import TURN, encoded

STOP = Finished(FinishReason.STOP)
CALLED = Finished(FinishReason.TOOL_CALLS)
THOUGHT = ReasoningDelta("hm")


def call(call_id: str) -> list[Event]:
    """A whole call with its arguments in two fragments."""
    arguments = dumps({"id": call_id}).decode()
    return [
        ToolStarted(call_id, "look"),
        ToolArguments(call_id, arguments[:3]),
        ToolArguments(call_id, arguments[3:]),
        ToolEnded(call_id, arguments),
    ]


def streamed(*events: Event, turn: Turn = TURN) -> MessagesReading:
    """The strict reading of the stream of some events."""
    return read_messages(encoded(MessageStream(turn), events))


def document(*events: Event, turn: Turn = TURN) -> dict[str, Any]:
    """The document of some events."""
    read: dict[str, Any] = json.loads(encoded(MessageDocument(turn), events))
    return read


def outline(reading: MessagesReading) -> list[tuple[str, str]]:
    """The type of each block, and its text or the id of its call."""
    return [(block["type"], block["id"] if "id" in block else block[block["type"]]) for block in reading.blocks]


def whole(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Streamed blocks in the form that they have in a document."""
    return [{name: value for name, value in block.items() if name != "partial_json"} for block in blocks]
