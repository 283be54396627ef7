"""This module is the stage that lets no part of an answer pass for the answer, where its client could not tell.

The sum of a conversation takes the place of all that was said: if it was cut, or is empty, everything would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, TextDelta

_COMPLETE = (FinishReason.STOP, FinishReason.TOOL_CALLS)


class Whole:
    """Makes a failure of a turn that was cut, and of one that says nothing."""

    def __init__(self) -> None:
        self._spoke = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event; of the last one there may become a failure."""
        if isinstance(event, TextDelta):
            self._spoke = self._spoke or bool(event.text.strip())
        if not isinstance(event, Finished):
            return (event,)
        if event.reason not in _COMPLETE:
            message = "The answer was cut before its end, and would be worth nothing so."
            return (Failed(ProxyError(Kind.UPSTREAM, message, retryable=False), event.usage),)
        if not self._spoke:
            return (Failed(ProxyError(Kind.UPSTREAM, "The upstream finished without a text."), event.usage),)
        return (event,)
