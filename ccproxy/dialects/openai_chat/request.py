"""This module is the reading of a Chat Completions request.

Field names and shapes: https://platform.openai.com/docs/api-reference/chat/create. Read more widely than the reference says, as clients do:
``reasoning_content``, ``reasoning`` and ``reasoning_details`` in assistant messages, ``image_url`` as a bare string, call arguments as an
object, ``reasoning.effort`` beside ``reasoning_effort``, tools and rules for calling them as other APIs spell them (`ccproxy.tools`).
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from ccproxy import openai, tools, values
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import (
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
    ToolCall,
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
_PLAIN = {"role", "content"}


def recognises(body: Fields) -> bool:
    """Whether a message has something that only this API has: calls beside its content, a result's role, or an image's part."""
    return any(map(_is_own, body.glimpse("messages")))


def parse(body: Fields) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    _refuse_unanswerable(body)
    notes: list[Note] = []
    limit, older_limit = body.integer("max_completion_tokens", least=1), body.integer("max_tokens", least=1)
    prompt = Prompt(
        model=values.model_of(body),
        messages=_messages(body),
        stream=body.boolean("stream") or False,
        tools=tools.offered(body, notes),
        tool_choice=tools.choice(body, notes),
        parallel_tool_calls=tools.parallel(body),
        max_tokens=older_limit if limit is None else limit,
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        stop=values.stop_of(body.one_or_more("stop"), "stop"),
        effort=_effort(body, notes),
        output=openai.output(body.object("response_format"), "json_schema"),
        view=view(body),
    )
    if unread := body.unread():
        notes.append(Note(NoteCode.IGNORED, unread))
    return evolve(prompt, notes=tuple(notes)) if notes else prompt


def view(body: Fields) -> View:
    """What the client asks to see."""
    options = body.object("stream_options")
    return View(styled=True, usage_apart=options is not None and options.boolean("include_usage") is True)


def _is_own(message: Fields) -> bool:
    if message.peek("tool_calls") or message.peek("role") == "tool":
        return True
    return any(part.peek("type") == "image_url" for part in message.glimpse("content"))


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    if (body.integer("n", least=1) or 1) > 1:
        raise invalid("The upstream gives one choice per request; only 1 is possible.", "n")
    wanted = {"logprobs": body.boolean("logprobs"), "top_logprobs": body.integer("top_logprobs", least=0)}
    if field := next((name for name, value in wanted.items() if value), None):
        raise invalid("The upstream gives no log probabilities.", field)
    if field := next(
        (name for name in ("functions", "function_call") if body.value(name) not in (None, [], "none", "auto")), None
    ):
        raise invalid("This older form of tools is not served; send tools and tool_choice.", field)
    if body.has("audio") or "audio" in (body.array("modalities") or ()):
        raise invalid("The upstream gives no audio.", "audio" if body.has("audio") else "modalities")


def _messages(body: Fields) -> tuple[Message, ...]:
    # `elements` decodes nothing; where it finds no array, `array` refuses any other type.
    if not body.elements("messages") and not body.array("messages"):
        raise invalid("has to hold at least one message.", "messages")
    system = (Message(Role.SYSTEM, _content(body, "system")),) if body.has("system") else ()
    return (*system, *(_plain(message) or _message(message) for message in body.objects("messages")))


def _plain(message: Fields) -> Message | None:
    """What `_message` makes of a role and a text alone, which most messages are, without a look for what they lack."""
    if message.names != _PLAIN:
        return None
    name, text = message.peek("role"), message.text("content")
    if not isinstance(name, str) or text is None or name == "tool":
        return None
    role = _ROLES.get(name)
    return role and Message(role, (text,))


def _message(message: Fields) -> Message:
    name = message.required_string("role")
    role = _ROLES.get(name)
    if role is None:
        raise invalid(f"has to be one of {', '.join(_ROLES)}.", message.at("role"))
    content = _spoken(message)
    if role is Role.TOOL:
        return Message(role, (ToolResult(message.required_string("tool_call_id"), content),))
    if role is Role.ASSISTANT:
        return Message(role, (*_reasoning(message), *content, *_tool_calls(message)))
    return Message(role, content)


def _content(holder: Fields, name: str) -> tuple[Text | Image, ...]:
    if (text := holder.text(name)) is not None:
        return (text,)
    return tuple(_part(part) for part in holder.objects(name))


def _spoken(message: Fields) -> tuple[Text | Image, ...]:
    content = _content(message, "content")
    refusal = message.string("refusal")
    return (*content, Text(refusal)) if refusal else content


def _part(part: Fields) -> Text | Image:
    kind = part.required_string("type")
    if kind in ("text", "refusal"):
        return part.required_text(kind)
    if kind == "image_url":
        return _image(part)
    raise invalid(
        f"Parts of type {kind[:40]!r} cannot be sent to the upstream; text and image_url can.", part.at("type")
    )


def _image(part: Fields) -> Image:
    if isinstance(bare := part.value("image_url"), str):
        return values.image_from_data_url(bare, part.at("image_url"))
    image = part.object("image_url")
    if image is None:
        raise invalid("is required.", part.at("image_url"))
    return values.image_from_data_url(image.required_string("url"), image.at("url"))


def _reasoning(message: Fields) -> Iterator[Reasoning]:
    """One reasoning part from whichever of the three spellings the client gave back."""
    text = message.string("reasoning_content") or message.string("reasoning")
    if not text and isinstance(message.value("reasoning_details"), list):
        details = (detail for detail in message.value("reasoning_details") if isinstance(detail, dict))
        text = "".join(value for detail in details if isinstance(value := detail.get("text"), str))
    if text:
        yield Reasoning(text)


def _tool_calls(message: Fields) -> Iterator[Part]:
    for call in message.objects("tool_calls"):
        function = call.object("function")
        if function is None:
            raise invalid("is required.", call.at("function"))
        yield ToolCall(
            call.string("id") or "", function.required_string("name"), values.arguments_of(function.value("arguments"))
        )


def _effort(body: Fields, notes: list[Note]) -> Effort | None:
    value = body.string("reasoning_effort")
    if value is None and isinstance(body.value("reasoning"), dict):
        reasoning = body.object("reasoning")
        value = reasoning.string("effort") if reasoning else None
    return openai.effort(value, "reasoning_effort", notes)
