"""This module is what the tests of Responses answers share: events, turns to say them in, and the reading of what becomes of them."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked, CallForm, CallKind
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.events import Event, Finished, FinishReason, ReasoningDelta, ToolArguments, ToolEnded, ToolStarted
from ccproxy.prompt import View
from tests.dialects.strict_responses import ResponsesReading, check_response, read_responses
from tests.dialects.turns import TURN, encoded

SECRET = bytes(range(32))
STOP = Finished(FinishReason.STOP)
CUT = Finished(FinishReason.LENGTH)
CALLED = Finished(FinishReason.TOOL_CALLS)
THOUGHT = ReasoningDelta("hm")
FORMS = {
    "patch": CallForm("apply_patch", CallKind.CUSTOM),
    "shell": CallForm("local_shell", CallKind.LOCAL_SHELL),
    "files__read": CallForm("read", namespace="files"),
}


def asking(asked: Asked, *, reasoning: bool = True) -> Turn:
    """A turn whose request asked for this."""
    return evolve(TURN, view=View(reasoning=reasoning, kept=asked), sealing_key=SECRET)


SEALED = asking(Asked(sealed=True))
SUMMARY = asking(Asked(summary=True))
FORMED = asking(Asked(forms=FORMS))


def call(name: str, arguments: str, *, cuts: tuple[int, ...] = (3,), call_id: str = "call_1") -> list[Event]:
    """A whole call, its arguments cut at some places."""
    pieces = [arguments[start:end] for start, end in zip((0, *cuts), (*cuts, len(arguments)), strict=True)]
    return [
        ToolStarted(call_id, name),
        *(ToolArguments(call_id, piece) for piece in pieces),
        ToolEnded(call_id, arguments),
    ]


def streamed(*events: Event, turn: Turn = TURN) -> ResponsesReading:
    """The strict reading of the stream of some events."""
    return read_responses(encoded(ResponseStream(turn), events))


def document(*events: Event, turn: Turn = TURN) -> dict[str, Any]:
    """The document of some events, held against the schema."""
    read: dict[str, Any] = json.loads(encoded(ResponseDocument(turn), events))
    check_response(read)
    return read
