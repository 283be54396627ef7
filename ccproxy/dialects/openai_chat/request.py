"""This module is the reading of a Chat Completions request.

Field names and shapes: https://platform.openai.com/docs/api-reference/chat/create. Read more widely than the reference says, as clients do:
``reasoning_content``, ``reasoning`` and ``reasoning_details`` in assistant messages, ``image_url`` as a bare string, call arguments as an
object, ``reasoning.effort`` beside ``reasoning_effort``.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ccproxy import fields
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import (
    Choice,
    Effort,
    Image,
    Message,
    Note,
    NoteCode,
    Part,
    Prompt,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    View,
)

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
}
_CHOICES = {"none": Choice.NONE, "auto": Choice.AUTO, "required": Choice.REQUIRED, "any": Choice.REQUIRED}
_NO_EFFORT = {"none", "minimal", "off"}


def parse(data: bytes) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    body = fields.body(data)
    _refuse_unanswerable(body)
    notes: list[Note] = []
    limit, older_limit = body.integer("max_completion_tokens", least=1), body.integer("max_tokens", least=1)
    prompt = Prompt(
        model=fields.model_of(body),
        messages=_messages(body),
        stream=body.boolean("stream") or False,
        tools=_tools(body, notes),
        tool_choice=_tool_choice(body, notes),
        parallel_tool_calls=body.boolean("parallel_tool_calls"),
        max_tokens=older_limit if limit is None else limit,
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        stop=_stop(body),
        effort=_effort(body, notes),
        view=_view(body),
    )
    if unread := body.unread():
        notes.append(Note(NoteCode.IGNORED, unread))
    return evolve(prompt, notes=tuple(notes))


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    if (body.integer("n", least=1) or 1) > 1:
        raise invalid("The upstream gives one choice per request; only 1 is possible.", "n")
    if body.boolean("logprobs") or (body.integer("top_logprobs", least=0) or 0) > 0:
        raise invalid("The upstream gives no log probabilities.", "logprobs")
    if body.has("audio") or "audio" in (body.array("modalities") or ()):
        raise invalid("The upstream gives no audio.", "audio" if body.has("audio") else "modalities")


def _messages(body: Fields) -> tuple[Message, ...]:
    if not body.array("messages"):
        raise invalid("has to hold at least one message.", "messages")
    return tuple(_message(message) for message in body.objects("messages"))


def _message(message: Fields) -> Message:
    name = message.required_string("role")
    role = _ROLES.get(name)
    if role is None:
        raise invalid(f"has to be one of {', '.join(_ROLES)}.", message.at("role"))
    content = tuple(_content(message))
    if role is Role.TOOL:
        return Message(role, (ToolResult(message.required_string("tool_call_id"), content),))
    if role is Role.ASSISTANT:
        return Message(role, (*_reasoning(message), *content, *_tool_calls(message)))
    return Message(role, content)


def _content(message: Fields) -> Iterator[Text | Image]:
    if isinstance(content := message.raw("content"), str):
        yield Text(content)
    elif content is not None:
        for part in message.objects("content"):
            yield _part(part)
    if refusal := message.string("refusal"):
        yield Text(refusal)


def _part(part: Fields) -> Text | Image:
    kind = part.required_string("type")
    if kind in ("text", "refusal"):
        return Text(part.required_text(kind))
    if kind == "image_url":
        return _image(part)
    raise invalid(
        f"Parts of type {kind[:40]!r} cannot be sent to the upstream; text and image_url can.", part.at("type")
    )


def _image(part: Fields) -> Image:
    if isinstance(bare := part.raw("image_url"), str):
        return fields.image_from_data_url(bare, part.at("image_url"))
    image = part.object("image_url")
    if image is None:
        raise invalid("is required.", part.at("image_url"))
    return fields.image_from_data_url(image.required_string("url"), image.at("url"))


def _reasoning(message: Fields) -> Iterator[Reasoning]:
    """One reasoning part from whichever of the three spellings the client gave back."""
    text = message.string("reasoning_content") or message.string("reasoning")
    if not text and isinstance(message.raw("reasoning_details"), list):
        details = (detail for detail in message.raw("reasoning_details") if isinstance(detail, dict))
        text = "".join(value for detail in details if isinstance(value := detail.get("text"), str))
    if text:
        yield Reasoning(text)


def _tool_calls(message: Fields) -> Iterator[Part]:
    for call in message.objects("tool_calls"):
        function = call.object("function")
        if function is None:
            raise invalid("is required.", call.at("function"))
        yield ToolCall(
            call.string("id") or "", function.required_string("name"), fields.arguments_of(function.raw("arguments"))
        )


def _tools(body: Fields, notes: list[Note]) -> tuple[Tool, ...]:
    tools = []
    for tool in body.objects("tools"):
        function = tool.object("function")
        if function is None and tool.string("type") not in (None, "function"):
            notes.append(Note(NoteCode.SERVER_TOOL_DROPPED, (tool.place,)))
            continue
        if function is None:
            raise invalid("is required.", tool.at("function"))
        schema = function.mapping("parameters") or {"type": "object", "properties": {}}
        tools.append(Tool(function.required_string("name"), function.string("description"), schema))
    return tuple(tools)


def _tool_choice(body: Fields, notes: list[Note]) -> ToolChoice | None:
    value = body.raw("tool_choice")
    if value is None:
        return None
    if isinstance(value, str):
        if value not in _CHOICES:
            raise invalid("has to be none, auto, required, or an object that names a function.", "tool_choice")
        return ToolChoice(_CHOICES[value])
    choice = body.object("tool_choice")
    assert choice is not None  # noqa: S101 - it is neither null nor, by the check of object(), anything else
    function = choice.object("function")
    if function is None:
        notes.append(Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)))
        return None
    return ToolChoice(Choice.NAMED, function.required_string("name"))


def _stop(body: Fields) -> tuple[str, ...]:
    single = body.raw("stop")
    return fields.stop_of((single,) if isinstance(single, str) else body.strings("stop"), "stop")


def _effort(body: Fields, notes: list[Note]) -> Effort | None:
    value = body.string("reasoning_effort")
    if value is None and isinstance(body.raw("reasoning"), dict):
        reasoning = body.object("reasoning")
        value = reasoning.string("effort") if reasoning else None
    if value is None or value in _NO_EFFORT:
        return None
    try:
        return Effort(value)
    except ValueError:
        notes.append(Note(NoteCode.EFFORT_DROPPED, ("reasoning_effort",)))
        return None


def _view(body: Fields) -> View:
    options = body.object("stream_options")
    return View(styled=True, usage_apart=options is not None and options.boolean("include_usage") is True)
