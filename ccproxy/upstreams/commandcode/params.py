"""This module is the ``params`` of a request: conversation, tools and settings in the upstream's words.

What the upstream or the model would refuse although it can be said otherwise is said otherwise, with a note. Where a model is not in
the built-in list, nothing is held against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import loads
from ccproxy.prompt import (
    Choice,
    Effort,
    Image,
    Message,
    Note,
    NoteCode,
    OutputFormat,
    Part,
    Prompt,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ccproxy.structured import instruction
from ccproxy.upstreams.commandcode.history import repair
from ccproxy.upstreams.commandcode.models import Capabilities, capabilities

_DEFAULT_MAX_TOKENS = 64_000
_MOST_MAX_TOKENS = 200_000
_DEFAULT_SAMPLING = 1
_FIXED_SAMPLING = re.compile(r"gpt-(?:[5-9]|[1-9]\d)(?!\d)", re.IGNORECASE)
_EFFORTS = tuple(Effort)


def params(prompt: Prompt) -> tuple[dict[str, object], tuple[Note, ...]]:
    """Say a prompt as ``params``.

    Returns:
        The JSON object, and notes on what was repaired, clamped and left out.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`, for what cannot be said.
    """
    history = repair(prompt.messages, prompt.place)
    notes = list(history.notes)
    able = capabilities(prompt.model)
    if able and able.images is False:
        _refuse_images(prompt, history.messages)
    tools = _tools(prompt)
    said: dict[str, object] = {
        "model": prompt.model,
        "messages": _messages(history.messages, prompt.place),
        "tools": tools,
        "system": _system(history.system, prompt.output),
        "max_tokens": _max_tokens(prompt.max_tokens, able, notes),
        "stream": True,
    }
    optional = {
        "tool_choice": _tool_choice(prompt, tools, notes),
        "temperature": _sampling("temperature", prompt.temperature, prompt.model, notes),
        "top_p": _sampling("top_p", prompt.top_p, prompt.model, notes),
        "reasoning_effort": _effort(prompt.effort, able, notes),
        "parallel_tool_calls": prompt.parallel_tool_calls,
    }
    said.update((name, value) for name, value in optional.items() if value is not None)
    return said, tuple(notes)


def _refuse_images(prompt: Prompt, messages: Iterable[Message]) -> None:
    """Refuse what the upstream would drop without a word."""
    if any(isinstance(part, Image) for message in messages for part in message.parts):
        message = f"{prompt.place}: The model {prompt.model} does not see images, and there is one in the conversation."
        raise ProxyError(Kind.INVALID_REQUEST, message, field=prompt.place)


def _system(text: str, output: OutputFormat | None) -> str:
    """The system text, and after it the form of the answer, for which the upstream has no field."""
    if output is None:
        return text
    return f"{text}\n\n{instruction(output)}" if text.strip() else instruction(output)


def _max_tokens(wanted: int | None, able: Capabilities | None, notes: list[Note]) -> int:
    most = min(_MOST_MAX_TOKENS, able.max_output) if able and able.max_output else _MOST_MAX_TOKENS
    if wanted is None:
        return min(_DEFAULT_MAX_TOKENS, most)
    if wanted > most:
        notes.append(Note(NoteCode.MAX_TOKENS_CLAMPED, ("max_tokens",)))
    return min(wanted, most)


def _effort(wanted: Effort | None, able: Capabilities | None, notes: list[Note]) -> str | None:
    """The highest effort of the model that is not above the wanted one, else its lowest."""
    if wanted is None or able is None or able.efforts is None:
        return wanted and wanted.value
    if not able.efforts:
        notes.append(Note(NoteCode.EFFORT_DROPPED))
        return None
    if wanted not in able.efforts:
        notes.append(Note(NoteCode.EFFORT_CLAMPED))
    modest = [effort for effort in able.efforts if _EFFORTS.index(effort) <= _EFFORTS.index(wanted)]
    return (modest[-1] if modest else able.efforts[0]).value


def _sampling(name: str, value: float | None, model: str, notes: list[Note]) -> float | None:
    """A sampling value, unless the model refuses every value but the default: GPT-5 and its successors."""
    if value is None or value == _DEFAULT_SAMPLING or not _FIXED_SAMPLING.match(model.rpartition("/")[2]):
        return value
    notes.append(Note(NoteCode.SAMPLING_DROPPED, (name,)))
    return None


def _tools(prompt: Prompt) -> list[dict[str, object]]:
    if prompt.tool_choice and prompt.tool_choice.choice is Choice.NONE:
        return []
    return [_tool(tool) for tool in prompt.tools]


def _tool(tool: Tool) -> dict[str, object]:
    # The schema of a tool without arguments may be empty, but the upstream's providers want its type.
    schema = tool.schema if "type" in tool.schema else {"type": "object", **tool.schema}
    return {"name": tool.name, "description": tool.description or "", "input_schema": schema}


def _tool_choice(prompt: Prompt, tools: list[dict[str, object]], notes: list[Note]) -> dict[str, str] | None:
    """The choice that the upstream knows; one that no tool can fulfil is dropped."""
    choice = prompt.tool_choice
    if choice is None or choice.choice in (Choice.AUTO, Choice.NONE):
        return None
    if choice.choice is Choice.REQUIRED and tools:
        return {"type": "any"}
    if choice.choice is Choice.NAMED and any(tool["name"] == choice.name for tool in tools):
        return {"type": "tool", "name": choice.name}
    notes.append(Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)))
    return None


def _messages(messages: Iterable[Message], place: str) -> list[dict[str, object]]:
    """The messages of a repaired history."""
    said: list[dict[str, object]] = []
    called: dict[str, str] = {}
    for message in messages:
        if message.role is Role.ASSISTANT:
            called.update((part.call_id, part.name) for part in message.parts if isinstance(part, ToolCall))
        content = [_part(part, called, place) for part in message.parts]
        said.append({"role": message.role.value, "content": content})
    return said


def _part(part: Part, called: dict[str, str], place: str) -> dict[str, object]:
    match part:
        case Text():
            return {"type": "text", "text": part.source}
        case Reasoning(text):
            return {"type": "reasoning", "text": text}
        case Image(media_type, data):
            return _image(media_type, data, place)
        case ToolCall(call_id, name, arguments):
            return {"type": "tool-call", "toolCallId": call_id, "toolName": name, "input": loads(arguments)}
        case ToolResult(call_id, content, is_error):
            (value,) = (said.source for said in content if isinstance(said, Text))
            output = {"type": "error-text" if is_error else "text", "value": value}
            return {"type": "tool-result", "toolCallId": call_id, "toolName": called[call_id], "output": output}


def _image(media_type: str, data: str, place: str) -> dict[str, object]:
    if not media_type.startswith("image/"):
        message = f"{place}: The upstream takes text and images, not {media_type}."
        raise ProxyError(Kind.INVALID_REQUEST, message, field=place)
    return {"type": "image", "image": f"data:{media_type};base64,{data}", "mimeType": media_type}
