"""This module is how many tokens a prompt has, before anybody bills it: a local count, corrected by what was observed.

No tokenizer of the upstream's many models is at hand, and none is needed: a count by kinds of characters is within a few tens of percent,
and the ratio between what was counted and what the upstream then reported, kept per model, takes out most of the rest. Nothing of a
prompt is kept but that ratio.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from attrs import define, field

from ccproxy.framing import dumps
from ccproxy.prompt import Image, Part, Prompt, Reasoning, Text, Tool, ToolCall, ToolResult

# Characters per token, by the kind of character; the kinds are told apart by the bytes of UTF-8, which costs milliseconds per megabyte.
# The most frequent come first: each is taken out before the next ones are looked for.
_ASCII: tuple[tuple[bytes, float], ...] = (
    (bytes([*range(0x41, 0x5B), *range(0x61, 0x7B)]), 4.2),  # letters of running text
    (b" ", 40.0),  # which mostly belong to the word that follows
    (bytes([*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)]), 1.7),  # punctuation
    (bytes(range(0x30, 0x3A)), 2.6),  # digits
    (b"\n\t", 3.0),
)
_FIRST_BYTES: tuple[tuple[bytes, float], ...] = (
    (bytes(range(0xE0, 0xF0)), 1.3),  # of three: Chinese, Japanese, Korean, and other scripts
    (bytes(range(0xC2, 0xE0)), 2.5),  # of two: accents, Greek, Cyrillic, Hebrew, Arabic
    (bytes(range(0xF0, 0xF8)), 0.5),  # of four: emoji
)
_FURTHER_BYTES = bytes(range(0x80, 0xC0))  # which count for nothing
_MOSTLY_ASCII = (*_ASCII, *_FIRST_BYTES)
_MOSTLY_OTHER = ((_FURTHER_BYTES, math.inf), *_FIRST_BYTES, *_ASCII)
_SAMPLE = 4096  # bytes
_MESSAGE_TOKENS = 4
_TOOL_TOKENS = 12
_IMAGE_TOKENS = 1300
_WEIGHT = 0.25  # of the newest observation
_LEAST_RATIO, _MOST_RATIO = 0.25, 4.0
_MOST_MODELS = 512


def estimate(prompt: Prompt) -> int:
    """Count a prompt's tokens: system text, messages, images and tools; at least 1."""
    said = _Said()
    for message in prompt.messages:
        said.tokens += _MESSAGE_TOKENS
        for part in message.parts:
            said.part(part)
    for tool in prompt.tools:
        said.tool(tool)
    return max(1, round(said.tokens + _counted(b"".join(said.texts))))


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


@define
class _Said:
    """What a prompt says: its texts, and the tokens of all else. Many texts are counted fastest in one."""

    tokens: int = 0
    texts: list[bytes] = field(factory=list, repr=False)

    def part(self, part: Part) -> None:
        match part:
            case Text(text) | Reasoning(text):
                self._text(text)
            case Image():
                self.tokens += _IMAGE_TOKENS
            case ToolCall(_, name, arguments):
                self.tokens += _TOOL_TOKENS
                self._text(name)
                self._text(arguments)
            case ToolResult(_, content):
                self.tokens += _TOOL_TOKENS
                for inner in content:
                    self.part(inner)

    def tool(self, tool: Tool) -> None:
        self.tokens += _TOOL_TOKENS
        self._text(tool.name)
        self._text(tool.description or "")
        self.texts.append(dumps(tool.schema))

    def _text(self, text: str) -> None:
        self.texts.append(text.encode("utf-8", "replace"))


def _counted(text: bytes) -> float:
    start = len(text) // 2
    sample = text[start : start + _SAMPLE]
    is_other = len(sample.translate(None, _FURTHER_BYTES)) < len(sample) * 2 / 3
    tokens = 0.0
    for kind, per_token in _MOSTLY_OTHER if is_other else _MOSTLY_ASCII:
        rest = text.translate(None, kind)
        tokens += (len(text) - len(rest)) / per_token
        text = rest
    return tokens
