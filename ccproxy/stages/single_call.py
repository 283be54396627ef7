"""This module is the stage that keeps a turn to one tool call, for clients that asked for no parallel calls.

The upstream is asked for the same (``params.parallel_tool_calls``), but nothing shows that it obeys.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.events import Event, ToolArguments, ToolEnded, ToolStarted


class SingleCall:
    """Lets the first call through and drops the others, which the model will make again once it has the first result."""

    def __init__(self) -> None:
        self._allowed: str | None = None

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, unless it belongs to a second call."""
        if isinstance(event, (ToolStarted, ToolArguments, ToolEnded)):
            if self._allowed is None:
                self._allowed = event.call_id
            if event.call_id != self._allowed:
                return ()
        return (event,)
