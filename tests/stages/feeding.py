"""This module is what the tests of stages share: texts in pieces, and what a stage makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from ccproxy.codecs import Stage
from ccproxy.events import Event, ReasoningDelta, TextDelta, TextEnded, TextStarted


def fed(stage: Stage, *events: Event) -> list[Event]:
    """Everything that the stage makes of the events."""
    return [said for event in events for said in stage.feed(event)]


def block(*pieces: str) -> list[Event]:
    """A text block in these pieces."""
    return [TextStarted(), *map(TextDelta, pieces), TextEnded()]


def text(events: Iterable[Event]) -> str:
    """The visible text that the events say."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def joined(events: Iterable[Event]) -> list[Event]:
    """The events, with neighbouring deltas of a kind made one, and without empty deltas and the borders of text blocks."""
    merged: list[Event] = []
    for event in events:
        if event == TextDelta("") or isinstance(event, (TextStarted, TextEnded)):
            continue
        last = merged[-1] if merged else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            merged[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, ReasoningDelta) and isinstance(last, ReasoningDelta):
            merged[-1] = ReasoningDelta(last.text + event.text)
        else:
            merged.append(event)
    return merged


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> Sequence[str]:
    """A text in pieces: each character alone, or cut anywhere; some pieces may be empty."""
    whole = draw(texts)
    if draw(st.booleans()):
        return list(whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
