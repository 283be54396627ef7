"""This module is how many tokens a prompt has, before anybody bills it: a local count, corrected by what was observed.

No tokenizer of the upstream's many models is at hand, and none is needed: a count by kinds of characters is within a few tens of percent,
and the ratio between what was counted and what the upstream then reported, kept per model, takes out most of the rest. Nothing of a
prompt is kept but that ratio.
"""

from __future__ import annotations

from collections import OrderedDict

from ccproxy.framing import dumps
from ccproxy.prompt import Image, Message, Part, Prompt, Reasoning, Text, Tool, ToolCall, ToolResult

# Characters per token, by the kind of character; the kinds are told apart by the bytes of UTF-8, which costs milliseconds per megabyte.
_KINDS: tuple[tuple[bytes, float], ...] = (
    (bytes([*range(0x41, 0x5B), *range(0x61, 0x7B)]), 4.2),  # letters of running text
    (bytes(range(0xC2, 0xE0)), 2.5),  # first bytes of two: accents, Greek, Cyrillic, Hebrew, Arabic
    (bytes(range(0xE0, 0xF0)), 1.3),  # first bytes of three: Chinese, Japanese, Korean, and other scripts
    (bytes(range(0xF0, 0xF8)), 0.5),  # first bytes of four: emoji
    (bytes(range(0x30, 0x3A)), 2.6),  # digits
    (bytes([*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)]), 1.7),  # punctuation
    (b"\n\t", 3.0),
    (b" ", 40.0),  # which mostly belong to the word that follows
)
_MESSAGE_TOKENS = 4
_TOOL_TOKENS = 12
_IMAGE_TOKENS = 1300
_WEIGHT = 0.25  # of the newest observation
_LEAST_RATIO, _MOST_RATIO = 0.25, 4.0
_MOST_MODELS = 512


def estimate(prompt: Prompt) -> int:
    """Count a prompt's tokens: system text, messages, images and tools; at least 1."""
    counted = sum(_message(message) for message in prompt.messages) + sum(_tool(tool) for tool in prompt.tools)
    return max(1, round(counted))


class Corrections:
    """What the upstream reported, against what was estimated, by model."""

    def __init__(self) -> None:
        self._ratios: OrderedDict[str, float] = OrderedDict()

    def corrected(self, model: str, estimated: int) -> int:
        """An estimate as experience with the model has it."""
        return max(1, round(estimated * self._ratios.get(model.lower(), 1.0)))

    def observe(self, model: str, estimated: int, reported: int | None) -> None:
        """Learn from one turn; an unknown count teaches nothing."""
        if not reported or estimated < 1:
            return
        ratio = min(_MOST_RATIO, max(_LEAST_RATIO, reported / estimated))
        known = self._ratios.pop(model.lower(), None)
        self._ratios[model.lower()] = ratio if known is None else known + _WEIGHT * (ratio - known)
        if len(self._ratios) > _MOST_MODELS:
            self._ratios.popitem(last=False)


def _message(message: Message) -> float:
    return _MESSAGE_TOKENS + sum(_part(part) for part in message.parts)


def _part(part: Part) -> float:
    match part:
        case Text(text) | Reasoning(text):
            return _text(text)
        case Image():
            return _IMAGE_TOKENS
        case ToolCall(_, name, arguments):
            return _TOOL_TOKENS + _text(name) + _text(arguments)
        case ToolResult(_, content):
            return _TOOL_TOKENS + sum(_part(inner) for inner in content)


def _tool(tool: Tool) -> float:
    return _TOOL_TOKENS + _text(tool.name) + _text(tool.description or "") + _text(dumps(tool.schema).decode())


def _text(text: str) -> float:
    data = text.encode("utf-8", "replace")
    return sum((len(data) - len(data.translate(None, kind))) / per_token for kind, per_token in _KINDS)
