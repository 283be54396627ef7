"""This module is the reading of how the upstream says that a turn ended.

Reasons seen, in every spelling: upstream wire notes, section 5.4. What ``finishReason`` folds into ``stop`` or ``other`` is told by
``rawFinishReason``, the provider's own word. ``error`` is a failure, although no error record precedes it.
"""

from __future__ import annotations

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished, FinishReason, Usage

_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max-tokens": FinishReason.LENGTH,
    "max-output-tokens": FinishReason.LENGTH,
    "tool-calls": FinishReason.TOOL_CALLS,
    "tool-call": FinishReason.TOOL_CALLS,
    "tool-use": FinishReason.TOOL_CALLS,
    "tooluse": FinishReason.TOOL_CALLS,
    "function-call": FinishReason.TOOL_CALLS,
    "content-filter": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    "pause-turn": FinishReason.PAUSE,
}
_TELLING_RAW = {"refusal", "pause-turn"}


def read(reason: str | None, raw: str | None, spent: Usage) -> Finished | Failed:
    """Say how a turn ended; an unknown reason is an ordinary end, whose kind then follows from what was said."""
    said, telling = _plain(reason), _plain(raw)
    if said == "error":
        cause = f" ({raw[:100]})" if raw else ""
        return Failed(ProxyError(Kind.UPSTREAM, f"The upstream ended its answer with an error{cause}."), spent)
    return Finished(_REASONS.get(telling if telling in _TELLING_RAW else said, FinishReason.STOP), spent)


def _plain(reason: str | None) -> str:
    return (reason or "").lower().replace("_", "-")
