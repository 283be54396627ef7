"""This module is the wording of calls and results: how a call's arguments and a tool's answer go up.

The upstream takes arguments as JSON objects only, and of a result its text only: an image inside a result is dropped without a word.
"""

from __future__ import annotations

from ccproxy.framing import MalformedJSONError, dumps, loads
from ccproxy.prompt import Image, Text, ToolCall, ToolResult

_IMAGE_MARKER = "[The image is in the user message after the tool results.]"
_INTERRUPTED = "The tool call was interrupted before it answered."


def arguments(text: str) -> str:
    """The arguments of a call as the text of a JSON object: ``{}`` for none, ``{"value": text}`` for what is no object."""
    if not text.strip():
        return "{}"
    try:
        is_object = isinstance(loads(text), dict)
    except MalformedJSONError:
        is_object = False
    return text if is_object else dumps({"value": text}).decode()


def interrupted(call: ToolCall) -> ToolResult:
    """The result of a call that has none."""
    return ToolResult(call.call_id, (Text(_INTERRUPTED),), is_error=True)


def textual(result: ToolResult, call: ToolCall) -> ToolResult:
    """The result as one text under the id with which its call goes up; a marker stands for each image."""
    if len(result.content) == 1 and isinstance(text := result.content[0], Text):
        return ToolResult(call.call_id, (text,), result.is_error)
    lines = [part.text if isinstance(part, Text) else _IMAGE_MARKER for part in result.content]
    return ToolResult(call.call_id, (Text("\n".join(lines)),), result.is_error)


def images(result: ToolResult, call: ToolCall) -> tuple[Text | Image, ...]:
    """The images of a result as parts of a user message, introduced by the call that they answer; none when it has none."""
    pictures = tuple(part for part in result.content if isinstance(part, Image))
    if not pictures:
        return ()
    return (Text(f"[From the result of the tool {call.name}, call {call.call_id}:]"), *pictures)


def stray(result: ToolResult, *, superfluous: bool) -> tuple[Text | Image, ...]:
    """A result that answers no call as parts of a user message.

    Args:
        result: What the tool answered.
        superfluous: The call is there, but it was answered, and the model has seen that answer.
    """
    what = "error" if result.is_error else "result"
    if superfluous:
        introduction = f"[Another {what} of a tool call that was already answered:]"
    else:
        introduction = f"[The {what} of a tool call that is no longer in the conversation:]"
    said = (part for part in result.content if isinstance(part, Image) or not part.is_blank)
    return (Text(introduction), *said)
