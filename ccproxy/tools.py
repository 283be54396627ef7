"""This module is the reading of the tools that a client offers and of its rule for calling them, in each spelling that clients mix.

A tool is ``{"function": {"name", "description", "parameters"}}`` in Chat Completions, ``{"name", "description", "input_schema"}`` in
Messages, and ``{"name", "description", "parameters"}`` in Responses; a rule is a word, an object with a function, or ``{"type", "name"}``.
Cursor sends the tools and the rules of Messages to Chat Completions, with a conversation of either.
"""

from __future__ import annotations

from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Choice, Note, NoteCode, Tool, ToolChoice

_CLIENT_TYPES = (None, "function", "custom")
_CHOICES = {"auto": Choice.AUTO, "none": Choice.NONE, "any": Choice.REQUIRED, "required": Choice.REQUIRED}
_NAMING = ("function", "tool")
_UNSAYABLE = ("allowed_tools", "custom")


def offered(body: Fields, notes: list[Note]) -> tuple[Tool, ...]:
    """The client's own tools; those that the vendor's servers would run, or that take no JSON, are left out with a note.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    tools = []
    for tool in body.objects("tools"):
        function = tool.object("function")
        kind = tool.string("type")
        if function is None and (kind not in _CLIENT_TYPES or tool.has("custom")):
            notes.append(Note(NoteCode.SERVER_TOOL_DROPPED, (tool.place,)))
            continue
        if function is None and kind == "function" and not tool.has("name"):
            raise invalid("is required.", tool.at("function"))
        tools.append(described(function or tool))
    return tuple(tools)


def choice(body: Fields, notes: list[Note]) -> ToolChoice | None:
    """The client's rule for calling tools; one that the upstream cannot be told is left out with a note.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    if isinstance(word := body.value("tool_choice"), str):
        if word not in _CHOICES:
            raise invalid(f"has to be one of {', '.join(_CHOICES)}, or an object that names a tool.", "tool_choice")
        return ToolChoice(_CHOICES[word])
    rule = body.object("tool_choice")
    if rule is None:
        return None
    function = rule.object("function")
    kind = "function" if function else rule.required_string("type")
    if kind in _NAMING:
        return ToolChoice(Choice.NAMED, (function or rule).required_string("name"))
    if kind in _UNSAYABLE:
        notes.append(Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)))
        return None
    if kind not in _CHOICES:
        raise invalid(f"has to be one of {', '.join((*_CHOICES, *_NAMING))}.", rule.at("type"))
    return ToolChoice(_CHOICES[kind])


def parallel(body: Fields) -> bool | None:
    """Whether several calls at once are welcome, where the client says so: beside its rule, or inside it."""
    allowed = body.boolean("parallel_tool_calls")
    if allowed is not None or not isinstance(body.value("tool_choice"), dict):
        return allowed
    rule = body.object("tool_choice")
    disabled = rule.boolean("disable_parallel_tool_use") if rule else None
    return None if disabled is None else not disabled


def described(tool: Fields) -> Tool:
    """One tool that takes JSON.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    schema = tool.mapping("parameters") or tool.mapping("input_schema") or {"type": "object", "properties": {}}
    return Tool(tool.required_string("name"), tool.string("description"), schema)
