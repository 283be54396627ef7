"""This module is the stage that bounds a document: an answer that is held in memory until it is whole."""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, ReasoningDelta, TextDelta, ToolArguments


class SizeLimit:
    """Fails a turn that says more than ``limit`` characters."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = limit

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, or the failure that it causes."""
        match event:
            case TextDelta(text) | ReasoningDelta(text) | ToolArguments(_, text):
                self._room -= len(text)
        if self._room < 0:
            return (Failed(_too_large(self._limit)),)
        return (event,)


def _too_large(limit: int) -> ProxyError:
    message = f"The answer is larger than {limit} characters, the most that is held for an answer in one piece. Ask for a stream."
    return ProxyError(Kind.UPSTREAM, message, retryable=False)
