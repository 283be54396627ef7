"""Conversations as clients send them: spelled out, and any at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeAlias, TypeVar

from hypothesis import strategies as st

from ccproxy.prompt import Image, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult

_T_co = TypeVar("_T_co", covariant=True)
_Maker: TypeAlias = "Callable[[st.DrawFn, count[int]], _T_co]"

_IDS = ("a", "b", "c", "a_2", "call", "")
_NAMES = ("look", "shoot", "")
_BLANK = ("", " ", "\n\t")


PICTURE = Image("image/png", "aaaa")


def system(*texts: str) -> Message:
    """A system message."""
    return Message(Role.SYSTEM, tuple(map(Text, texts)))


def user(*parts: Part | str) -> Message:
    """A user message."""
    return Message(Role.USER, _parts(parts))


def assistant(*parts: Part | str) -> Message:
    """An assistant message."""
    return Message(Role.ASSISTANT, _parts(parts))


def tool(*parts: Part | str) -> Message:
    """A tool message."""
    return Message(Role.TOOL, _parts(parts))


def call(call_id: str, name: str = "look", arguments: str = "{}") -> ToolCall:
    """A call."""
    return ToolCall(call_id, name, arguments)


def result(call_id: str, *content: Text | Image | str, is_error: bool = False) -> ToolResult:
    """A result."""
    parts = tuple(Text(part) if isinstance(part, str) else part for part in content)
    return ToolResult(call_id, parts, is_error)


def _parts(parts: tuple[Part | str, ...]) -> tuple[Part, ...]:
    return tuple(Text(part) if isinstance(part, str) else part for part in parts)


@st.composite
def conversations(draw: st.DrawFn) -> Sequence[Message]:
    """Any messages: a mixture of chat turns, Messages turns and nonsense. Every text that is not blank occurs once."""
    numbers = count()
    messages: list[Message] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from((_chat_turn, _messages_turn, _nonsense)))
        messages += kind(draw, numbers)
    return messages


def _chat_turn(draw: st.DrawFn, numbers: count[int]) -> list[Message]:
    """An assistant message with calls, and results in tool messages: perhaps not all, in any order, perhaps twice."""
    spoken, ids = _assistant(draw, numbers)
    answers = draw(st.lists(st.sampled_from(ids), max_size=4)) if ids else []
    tools = [Message(Role.TOOL, (_result(draw, numbers, call_id),)) for call_id in answers]
    return [spoken, *tools, Message(Role.USER, (_text(draw, numbers),))]


def _messages_turn(draw: st.DrawFn, numbers: count[int]) -> list[Message]:
    """An assistant message with calls, and a user message that holds both results and words."""
    spoken, ids = _assistant(draw, numbers)
    answers = draw(st.permutations(ids))
    said: list[Part] = [_text(draw, numbers), *(_result(draw, numbers, call_id) for call_id in answers)]
    return [spoken, Message(Role.USER, tuple(draw(st.permutations(said))))]


def _nonsense(draw: st.DrawFn, numbers: count[int]) -> list[Message]:
    """A message of any role with any parts."""
    makers: tuple[_Maker[Part], ...] = (_text, _image, _reasoning, _call, _stray_result)
    parts: list[Part] = [draw(st.sampled_from(makers))(draw, numbers) for _ in range(draw(st.integers(0, 4)))]
    return [Message(draw(st.sampled_from(Role)), tuple(parts))]


def _assistant(draw: st.DrawFn, numbers: count[int]) -> tuple[Message, list[str]]:
    calls = [_call(draw, numbers) for _ in range(draw(st.integers(0, 3)))]
    return Message(Role.ASSISTANT, (_text(draw, numbers), *calls)), [call.call_id for call in calls]


def _words(draw: st.DrawFn, numbers: count[int]) -> str:
    return f"«{next(numbers)}»" if draw(st.booleans()) else draw(st.sampled_from(_BLANK))


def _text(draw: st.DrawFn, numbers: count[int]) -> Text:
    return Text(_words(draw, numbers))


def _reasoning(draw: st.DrawFn, numbers: count[int]) -> Reasoning:
    return Reasoning(_words(draw, numbers))


def _image(draw: st.DrawFn, numbers: count[int]) -> Image:
    return Image("image/png", f"{next(numbers):04}")


def _call(draw: st.DrawFn, numbers: count[int]) -> ToolCall:
    shapes = ("", "{}", f'{{"x": "«{next(numbers)}»"}}', f"«{next(numbers)}»", f'["«{next(numbers)}»"]', '{"cut')
    return ToolCall(draw(st.sampled_from(_IDS)), draw(st.sampled_from(_NAMES)), draw(st.sampled_from(shapes)))


def _result(draw: st.DrawFn, numbers: count[int], call_id: str) -> ToolResult:
    makers: tuple[_Maker[Text | Image], ...] = (_text, _image)
    content = [draw(st.sampled_from(makers))(draw, numbers) for _ in range(draw(st.integers(0, 2)))]
    return ToolResult(call_id, tuple(content), draw(st.booleans()))


def _stray_result(draw: st.DrawFn, numbers: count[int]) -> ToolResult:
    return _result(draw, numbers, draw(st.sampled_from(_IDS)))


def parts_of(messages: Sequence[Message]) -> list[Part]:
    """Every part of every message, in order."""
    return [part for message in messages for part in message.parts]
