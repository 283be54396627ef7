"""This module is turns to encode: a Hypothesis strategy for every order of events that a decoder may produce, and what such a turn says."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen
from hypothesis import strategies as st

from ccproxy.codecs import Encoder, Turn
from ccproxy.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
    Usage,
)
from ccproxy.framing import dumps
from ccproxy.prompt import View

TURN = Turn(id="7f3a", created=1_700_000_000, model="vendor/model-1")
HIDDEN = evolve(TURN, view=View(reasoning=False))

_pieces = st.text(st.characters(codec="utf-8") | st.sampled_from('\n\r\x85\u2028\u2029"\\é'), max_size=6)
_names = st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=1, max_size=12)
_inputs = st.dictionaries(_pieces, st.integers(-9, 9) | st.booleans() | st.none() | _pieces, max_size=3)


@frozen
class Said:
    """What a turn says, however it is cut and ordered; ``calls`` are (id, name, arguments) in the order in which they start."""

    text: str
    reasoning: str
    calls: tuple[tuple[str, str, str], ...]


def said(events: Sequence[Event]) -> Said:
    """Join what the events say."""
    arguments = {event.call_id: event.arguments for event in events if isinstance(event, ToolEnded)}
    return Said(
        text="".join(event.text for event in events if isinstance(event, TextDelta)),
        reasoning="".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        calls=tuple(
            (event.call_id, event.name, arguments[event.call_id]) for event in events if isinstance(event, ToolStarted)
        ),
    )


def encoded(encoder: Encoder, events: Sequence[Event]) -> bytes:
    """Everything that the encoder says of the events."""
    return b"".join(encoder.encode(event) for event in events)


@st.composite
def turns(draw: st.DrawFn) -> list[Event]:
    """A turn that finished: text blocks, reasoning and calls, each in order and all of them interleaved, then its finish."""
    texts = draw(st.lists(_text_block(), max_size=3))
    thoughts = draw(st.lists(st.lists(st.builds(ReasoningDelta, _pieces), max_size=3), max_size=2))
    calls = [draw(_call(f"call_{number}")) for number in range(draw(st.integers(0, 3)))]
    threads: list[list[Event]] = [*texts, *(list[Event](thought) for thought in thoughts), *calls]
    order = draw(st.permutations([number for number, thread in enumerate(threads) for _ in thread]))
    sources = [iter(thread) for thread in threads]
    reason = FinishReason.TOOL_CALLS if calls else draw(st.sampled_from(FinishReason))
    return [*(next(sources[number]) for number in order), Finished(reason, draw(_usages()))]


@st.composite
def _text_block(draw: st.DrawFn) -> list[Event]:
    return [TextStarted(), *map(TextDelta, draw(st.lists(_pieces, max_size=4))), TextEnded()]


@st.composite
def _call(draw: st.DrawFn, call_id: str) -> list[Event]:
    arguments = dumps(draw(_inputs)).decode()
    cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    fragments = [arguments[start:end] for start, end in zip([0, *cuts], [*cuts, len(arguments)], strict=True)]
    return [
        ToolStarted(call_id, draw(_names)),
        *(ToolArguments(call_id, fragment) for fragment in fragments),
        ToolEnded(call_id, arguments),
    ]


@st.composite
def _usages(draw: st.DrawFn) -> Usage:
    count = st.none() | st.integers(0, 1000)
    read, write, uncached = draw(count), draw(count), draw(count)
    total = None if uncached is None else uncached + (read or 0) + (write or 0)
    return Usage(input=total, output=draw(count), cache_read=read, cache_write=write)
