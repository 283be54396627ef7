"""This module is the reading of the upstream's token counts.

Newest shape: nested details beside flat duplicates, where the nested ones are right; early shape: flat alone; snake_case was seen too
(upstream wire notes, section 5.5). ``inputTokens`` includes cached tokens. A count that is null, absent or no count is unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ccproxy.events import Usage


def parse(value: object) -> Usage:
    """Read a ``usage`` or ``totalUsage`` object; anything else is a usage of which nothing is known."""
    flat = _object(value)
    given, produced = _object(flat.get("inputTokenDetails")), _object(flat.get("outputTokenDetails"))
    cache_read = _count(given.get("cacheReadTokens"), flat.get("cachedInputTokens"))
    cache_write = _count(given.get("cacheWriteTokens"))
    return Usage(
        input=_count(
            flat.get("inputTokens"),
            _sum(_count(given.get("noCacheTokens")), cache_read, cache_write),
            flat.get("input_tokens"),
            flat.get("prompt_tokens"),
        ),
        output=_count(flat.get("outputTokens"), flat.get("output_tokens"), flat.get("completion_tokens")),
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=_count(produced.get("reasoningTokens"), flat.get("reasoningTokens")),
    )


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of the usages of several steps; a count is known if any step told it."""
    usages = tuple(usages)
    return Usage(
        input=_sum(*(usage.input for usage in usages)),
        output=_sum(*(usage.output for usage in usages)),
        cache_read=_sum(*(usage.cache_read for usage in usages)),
        cache_write=_sum(*(usage.cache_write for usage in usages)),
        reasoning=_sum(*(usage.reasoning for usage in usages)),
    )


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _count(*candidates: object) -> int | None:
    """The first candidate that is a count."""
    for value in candidates:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53:
            return int(value)
    return None


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
