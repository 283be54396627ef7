"""This module is the writing of a Responses answer as one response object."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import assert_never

from ccproxy.blocks import Content, WholeBlocks
from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.output import Item, Items
from ccproxy.dialects.openai_responses.refusal import refusal
from ccproxy.dialects.openai_responses.resource import INCOMPLETE, Response
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    TextDeltas,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
)


class ResponseDocument:
    """Writes a turn as one response."""

    content_type = "application/json"

    def __init__(self, turn: Turn) -> None:
        self._response = Response(turn)
        self._items = Items(turn)
        self._blocks = WholeBlocks(thinking=turn.view.reasoning)
        self._output: list[tuple[Item, str]] = []

    def records(self, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep of the turn, by names."""
        return self._response.records(always=always)

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the document."""
        match event:
            case TextStarted():
                pass
            case (
                TextDeltas()
                | TextDelta()
                | TextEnded()
                | ReasoningDelta()
                | ToolStarted()
                | ToolArguments()
                | ToolEnded()
            ):
                self._collect(event)
            case Finished():
                self._collect(event)
                return self._document(event)
            case Failed(error):
                self._response.failed(event)
                return refusal(error)
            case _:
                assert_never(event)
        return b""

    def ping(self) -> bytes:
        """Nothing: a document has no room for it."""
        return b""

    def _collect(self, event: Content | TextDeltas) -> None:
        self._output += [(self._items.start(started), text) for started, text in self._blocks.feed(event)]

    def _document(self, finished: Finished) -> bytes:
        last = len(self._output) - 1
        for place, (item, text) in enumerate(self._output):
            cut = place == last and finished.reason in INCOMPLETE
            self._response.add(self._items.whole(item, text, cut=cut))
        return self._response.ended(finished)
