"""This module is the reading of a Messages conversation: ``system``, ``messages``, and the blocks that they are made of.

Shapes: https://docs.anthropic.com/en/api/messages. ``system`` is also a role inside ``messages``, anywhere, with a string or with blocks
(beta ``mid-conversation-system``; Claude Code uses it). Tool results, which come inside user messages, become messages of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ccproxy import values
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import (
    Image,
    Message,
    Note,
    NoteCode,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_SERVER_CALLS = {"server_tool_use", "mcp_tool_use"}
_SERVER_RESULT = "_tool_result"  # web_search_tool_result, code_execution_tool_result, ...
_SPEAKERS = {"tool_use": Role.ASSISTANT, "tool_result": Role.USER}


def conversation(body: Fields, notes: list[Note]) -> tuple[Message, ...]:
    """Read the conversation of a request; ``notes`` receives what is left out.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    system = tuple(_texts(body, "system"))
    said = [spoken for message in body.objects("messages") for spoken in _message(message, notes)]
    if not said:
        raise invalid("has to hold at least one message.", "messages")
    return (Message(Role.SYSTEM, system), *said) if system else tuple(said)


def _message(message: Fields, notes: list[Note]) -> Iterator[Message]:
    role = _ROLES.get(message.required_string("role"))
    if role is None:
        raise invalid(f"has to be one of {', '.join(_ROLES)}.", message.at("role"))
    content = _texts(message, "content") if role is Role.SYSTEM else _parts(message, role, notes)
    parts: tuple[Part, ...] = tuple(content)
    if not parts:
        yield Message(role, ())
    for is_result, run in groupby(parts, lambda part: isinstance(part, ToolResult)):
        yield Message(Role.TOOL if is_result else role, tuple(run))


def _texts(holder: Fields, name: str) -> Iterator[Text]:
    """A string or an array of text blocks."""
    if (text := holder.text(name)) is not None:
        yield text
        return
    for block in holder.objects(name):
        if block.required_string("type") != "text":
            raise invalid("Only text blocks can stand here.", block.at("type"))
        yield block.required_text("text")


def _parts(message: Fields, role: Role, notes: list[Note]) -> Iterator[Part]:
    if (text := message.text("content")) is not None:
        yield text
        return
    for block in message.objects("content"):
        kind = block.required_string("type")
        if kind in _SERVER_CALLS or kind.endswith(_SERVER_RESULT):
            notes.append(Note(NoteCode.SERVER_TOOL_DROPPED, (block.place,)))
        elif kind == "redacted_thinking":
            notes.append(Note(NoteCode.REASONING_DROPPED, (block.place,)))
        elif _SPEAKERS.get(kind, role) is not role:
            raise invalid(f"A message of the {role.value} cannot hold a {kind} block.", block.at("type"))
        else:
            yield from _part(block, kind)


def _part(block: Fields, kind: str) -> Iterator[Part]:
    match kind:
        case "thinking":
            yield Reasoning(block.string("thinking") or "", block.string("signature") or "")
        case "tool_use":
            name, arguments = block.required_string("name"), values.arguments_of(block.value("input"))
            yield ToolCall(block.string("id") or "", name, arguments)
        case "tool_result":
            content = tuple(_result(block))
            yield ToolResult(block.required_string("tool_use_id"), content, block.boolean("is_error") or False)
        case _:
            yield _visible(block, kind)


def _result(block: Fields) -> Iterator[Text | Image]:
    if (text := block.text("content")) is not None:
        yield text
        return
    for inner in block.objects("content"):
        yield _visible(inner, inner.required_string("type"))


def _visible(block: Fields, kind: str) -> Text | Image:
    match kind:
        case "text":
            return block.required_text("text")
        case "image":
            return _image(block)
        case "document":
            return _document(block)
        case "search_result":
            return _titled(
                block.string("title"), block.string("source"), *(text.text for text in _texts(block, "content"))
            )
        case "tool_reference":  # what a client's tool search found; the tool itself is among the tools
            return block.required_text("tool_name")
        case _:
            message = (
                f"Blocks of type {kind[:40]!r} cannot be sent to the upstream; text, image and text documents can."
            )
            raise invalid(message, block.at("type"))


def _image(block: Fields) -> Image:
    source, kind = _source(block)
    if kind == "base64":
        return Image(source.required_string("media_type").lower(), source.required_string("data"))
    if kind == "url":
        return values.image_from_data_url(source.required_string("url"), source.at("url"))
    raise invalid("An image has to be inline: only a base64 source can be sent to the upstream.", source.at("type"))


def _document(block: Fields) -> Text:
    """A text document as text, under its title; for any other kind of document the upstream has no place."""
    source, kind = _source(block)
    if kind == "text":
        content = source.required_text("data").text
    elif kind == "content":
        content = "\n".join(text.text for text in _texts(source, "content"))
    else:
        message = f"A document with a {kind[:40]!r} source cannot be sent to the upstream; one with text can."
        raise invalid(message, source.at("type"))
    return _titled(block.string("title"), block.string("context"), content)


def _titled(*pieces: str | None) -> Text:
    return Text("\n\n".join(piece for piece in pieces if piece))


def _source(block: Fields) -> tuple[Fields, str]:
    source = block.object("source")
    if source is None:
        raise invalid("is required.", block.at("source"))
    return source, source.required_string("type")
