"""This module is the reading of input items as a conversation.

An answer is a row of items: reasoning, messages, calls. Given back, the items of one answer are one message of the assistant, and the
results that follow each other one message of the tools. Ids tell nothing: some clients give all messages the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from ccproxy import values
from ccproxy.dialects.openai_responses.asked import CallForm, CallKind
from ccproxy.dialects.openai_responses.content import content, output
from ccproxy.dialects.openai_responses.inputs import TRIGGER, items, kind_of, objects_in
from ccproxy.dialects.openai_responses.offered import Names
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.framing import dumps
from ccproxy.prompt import Message, Note, NoteCode, Part, Reasoning, Role, Text, ToolCall, ToolResult

_Said: TypeAlias = "tuple[Role, tuple[Part, ...]]"

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_JOINED = (Role.ASSISTANT, Role.TOOL)
_SUMMED_UP = ("compaction", "compaction_summary", "context_compaction")
_SILENT = ("additional_tools", TRIGGER)
_ACTION = ("command", "timeout_ms", "working_directory", "env")
_SHOWN = 100  # characters of an id in an error


def missing(name: str, place: str) -> ProxyError:
    """The error for a reference to an item that nobody has."""
    return ProxyError(Kind.INVALID_REQUEST, f"{place}: Item with id '{name[:_SHOWN]}' not found.", field="input")


def conversation(body: Fields, names: Names, notes: list[Note]) -> tuple[Message, ...]:
    """Read the conversation of a request.

    Args:
        body: The request.
        names: The names under which tools go up.
        notes: What receives a note of each item that is left out.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    given = list(items(body))
    if not given:
        raise invalid("has to hold a text or at least one item.", body.at("input"))
    body.ignore("input")
    said = (spoken for item in given for spoken in _said(item, names, notes))
    return (*_instructions(body), *_joined(said))


def _joined(said: Iterable[_Said]) -> Iterator[Message]:
    """What is said as messages: the items of one answer are one, and so are results that follow each other."""
    for role, run in groupby(said, lambda spoken: spoken[0]):
        if role in _JOINED:
            yield Message(role, tuple(part for _, parts in run for part in parts))
        else:
            yield from (Message(role, parts) for _, parts in run)


def _instructions(body: Fields) -> Iterator[Message]:
    """What stands before the conversation: a text, or messages, of which the text counts."""
    if isinstance(given := body.value("instructions"), list):
        said = (part for message in body.objects("instructions") for part in content(message, "content"))
        texts = tuple(part for part in said if isinstance(part, Text))
    else:
        texts = (Text(given),) if body.string("instructions") else ()
    if texts:
        yield Message(Role.SYSTEM, texts)


def _said(item: Fields, names: Names, notes: list[Note]) -> Iterator[_Said]:
    kind = kind_of(item)
    match kind:
        case "message":
            yield _message(item)
        case "reasoning":
            if (reasoning := _reasoning(item)) is not None:
                yield Role.ASSISTANT, (reasoning,)
        case "function_call" | "custom_tool_call" | "local_shell_call":
            yield Role.ASSISTANT, (_call(item, CallKind(kind), names),)
        case "function_call_output" | "custom_tool_call_output":
            yield Role.TOOL, (ToolResult(item.required_string("call_id"), output(item)),)
        case "local_shell_call_output":
            call_id = item.string("call_id") or item.required_string("id")
            yield Role.TOOL, (ToolResult(call_id, output(item)),)
        case "item_reference":
            raise missing(item.required_string("id"), item.place)
        case _ if kind in _SUMMED_UP and item.string("encrypted_content"):
            yield Role.USER, (Text("", sealed=item.string("encrypted_content")),)
        case _ if kind not in _SILENT:
            item.required_string("type")
            notes.append(Note(NoteCode.ITEM_DROPPED, (item.place,)))


def _message(message: Fields) -> _Said:
    role = _ROLES.get(message.required_string("role"))
    if role is None:
        raise invalid(f"has to be one of {', '.join(_ROLES)}.", message.at("role"))
    return role, tuple(content(message, "content"))


def _reasoning(item: Fields) -> Reasoning | None:
    """Reasoning as it was sealed, else its text, else its summary; None when there is nothing of that."""
    if sealed := item.string("encrypted_content"):
        return Reasoning("", signature=sealed)
    text = _texts(item, "content", "") or _texts(item, "summary", "\n\n")
    return Reasoning(text) if text else None


def _texts(item: Fields, name: str, separator: str) -> str:
    texts = (part.get("text") for part in objects_in(item.value(name)))
    return separator.join(text for text in texts if isinstance(text, str))


def _call(item: Fields, kind: CallKind, names: Names) -> ToolCall:
    call_id = item.string("call_id") or item.string("id") or ""
    if kind is CallKind.LOCAL_SHELL:
        action = item.mapping("action") or {}
        told = {name: action[name] for name in _ACTION if action.get(name) is not None}
        return ToolCall(call_id, names.of(CallForm(kind.value.removesuffix("_call"), kind)), dumps(told).decode())
    name = names.of(CallForm(item.required_string("name"), kind, item.string("namespace")))
    if kind is CallKind.CUSTOM:
        arguments = dumps({"input": values.arguments_of(item.value("input"))}).decode()
    else:
        arguments = values.arguments_of(item.value("arguments"))
    return ToolCall(call_id, name, arguments)
