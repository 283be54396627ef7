"""This module is the stage that bills a turn for an earlier attempt too, whose answer the client never saw."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from ccproxy.events import Event, Failed, Finished, Usage


class AddUsage:
    """Adds the usage of an earlier attempt to that of the turn.

    A count that either of the two does not know is unknown: what is known of it would look like the whole.
    """

    def __init__(self, usage: Usage) -> None:
        self._earlier = usage

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, the last one with the usage of both attempts."""
        if isinstance(event, (Finished, Failed)):
            return (evolve(event, usage=_sum(self._earlier, event.usage)),)
        return (event,)


def _sum(earlier: Usage, later: Usage) -> Usage:
    return Usage(
        input=_both(earlier.input, later.input),
        output=_both(earlier.output, later.output),
        cache_read=_both(earlier.cache_read, later.cache_read),
        cache_write=_both(earlier.cache_write, later.cache_write),
        reasoning=_both(earlier.reasoning, later.reasoning),
    )


def _both(earlier: int | None, later: int | None) -> int | None:
    return None if earlier is None or later is None else earlier + later
