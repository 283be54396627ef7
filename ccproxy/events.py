"""This module is the vocabulary of an answer: what a turn says, in the order in which it says it.

A decoder produces these values, stages rewrite them, an encoder consumes them. A well-formed turn is any number of text blocks,
reasoning deltas and tool calls, then exactly one `Finished` or `Failed`. Text blocks and tool calls may overlap, as they do upstream;
an encoder whose protocol forbids that holds back what would overlap. What was said is not in any ``repr``: a traceback may show one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import TypeAlias

from attrs import field, frozen

from ccproxy.errors import ProxyError


class FinishReason(Enum):
    """Why a turn that succeeded came to its end."""

    STOP = "stop"
    STOP_SEQUENCE = "stop-sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool-calls"
    CONTENT_FILTER = "content-filter"
    PAUSE = "pause"


@frozen
class Usage:
    """Tokens of one turn; None is unknown, which is not zero.

    ``cache_read`` and ``cache_write`` are parts of ``input``, ``reasoning`` is a part of ``output``
    (upstream records ``finish.totalUsage`` and ``finish-step.usage``).
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


@frozen
class TextStarted:
    """A block of visible text was announced; from here silence is suspicious."""


@frozen
class TextDelta:
    """The next piece of visible text."""

    text: str = field(repr=False)


@frozen
class TextDeltas:
    """Pieces of visible text that came together: as many `TextDelta`s, said at once, because that costs a fraction."""

    texts: Sequence[str] = field(repr=False)


@frozen
class TextEnded:
    """The block of visible text is complete."""


@frozen
class ReasoningDelta:
    """The next piece of the model's reasoning."""

    text: str = field(repr=False)


@frozen
class ToolStarted:
    """A tool call was announced; its arguments follow."""

    call_id: str
    name: str


@frozen
class ToolArguments:
    """The next fragment of a call's arguments, a JSON text that is cut anywhere."""

    call_id: str
    fragment: str = field(repr=False)


@frozen
class ToolEnded:
    """The call is complete: its fragments joined are ``arguments``, the text of a JSON object."""

    call_id: str
    arguments: str = field(repr=False)


@frozen
class Finished:
    """The turn ended well; ``stop_sequence`` is the client's sequence that ended it, if one did."""

    reason: FinishReason
    usage: Usage = Usage()
    stop_sequence: str | None = None


@frozen
class Failed:
    """The turn ended badly; what was said before stands, but it is not the whole answer."""

    error: ProxyError
    usage: Usage = Usage()


Event: TypeAlias = (
    TextStarted
    | TextDelta
    | TextDeltas
    | TextEnded
    | ReasoningDelta
    | ToolStarted
    | ToolArguments
    | ToolEnded
    | Finished
    | Failed
)


def singly(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, with each `TextDelta` by itself."""
    for event in events:
        if isinstance(event, TextDeltas):
            yield from map(TextDelta, event.texts)
        else:
            yield event
