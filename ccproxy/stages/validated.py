"""This module is the stage that fails a turn whose answer is not the JSON document that was asked for.

It stands after the stage that leaves of an answer only its document. Only an answer that is complete is checked: one that was cut, by
its length, a filter or a stop sequence, and one that calls a tool are handed over as they are. What the upstream calls the reason of
its end is not what decides that: it claims tool calls where there are none.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, ReasoningDelta, TextDelta, ToolStarted, Usage
from ccproxy.prompt import OutputFormat
from ccproxy.structured import complaint

_COMPLETE = (FinishReason.STOP, FinishReason.TOOL_CALLS)


class Validated:
    """Makes a failure of a finish whose document does not fit.

    The document is kept in memory until then, and so is every event of a turn that is held: bound the turn before this stage.

    Args:
        output: What was asked for.
        hold: Give nothing away before the end, and nothing but the failure of a turn that fails here, so that its caller can ask again.

    Attributes:
        document: The document that did not fit; empty when none was said.
        complaint: Why it did not fit, None unless the turn failed here.
        usage: What the turn has cost that failed here.
    """

    def __init__(self, output: OutputFormat, *, hold: bool) -> None:
        self.document = ""
        self.complaint: str | None = None
        self.usage = Usage()
        self._output = output
        self._hold = hold
        self._held: list[Event] = []
        self._texts: list[str] = []
        self._spoke = False
        self._called = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give what may be seen of the turn."""
        match event:
            case TextDelta(text):
                self._spoke = True
                self._texts.append(text)
            case ReasoningDelta():
                self._spoke = True
            case ToolStarted():
                self._called = True
            case Finished(reason, usage) if reason in _COMPLETE and self._spoke and not self._called:
                return self._checked(event, usage)
        if self._hold and not isinstance(event, (Finished, Failed)):
            self._held.append(event)
            return ()
        return self._released(event)

    def _checked(self, finished: Finished, usage: Usage) -> Iterable[Event]:
        document = "".join(self._texts)
        self.complaint = complaint(self._output, document)
        if self.complaint is None:
            return self._released(finished)
        self.document = document
        self.usage = usage
        self._held.clear()
        return (Failed(ProxyError(Kind.UPSTREAM, self.complaint, retryable=False), usage),)

    def _released(self, last: Event) -> Iterable[Event]:
        held, self._held = self._held, []
        return (*held, last)
