"""This module is the reading of a Messages request, apart from its conversation.

Field names and shapes: https://docs.anthropic.com/en/api/messages. ``max_tokens`` may be absent here, although the reference requires it.
"""

from __future__ import annotations

from attrs import evolve

from ccproxy import fields
from ccproxy.dialects.anthropic_messages.content import conversation
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Choice, Effort, Note, NoteCode, Prompt, Tool, ToolChoice, View

_CHOICES = {"auto": Choice.AUTO, "any": Choice.REQUIRED, "tool": Choice.NAMED, "none": Choice.NONE}
_THINKING = {"enabled", "adaptive", "between_tools"}
_NO_EFFORT = {"none", "minimal", "off"}
_BUDGETS = ((10000, Effort.HIGH), (5000, Effort.MEDIUM), (0, Effort.LOW))  # from so many tokens on


def parse(data: bytes) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    body = fields.body(data)
    _refuse_unanswerable(body)
    notes: list[Note] = []
    thinking, output, choice = (body.object(name) for name in ("thinking", "output_config", "tool_choice"))
    prompt = Prompt(
        model=fields.model_of(body),
        messages=conversation(body, notes),
        stream=body.boolean("stream") or False,
        tools=_tools(body, notes),
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=_parallel_tool_calls(choice),
        max_tokens=body.integer("max_tokens", least=1),
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        stop=fields.stop_of(body.strings("stop_sequences"), "stop_sequences"),
        effort=_effort(thinking, output, notes),
        view=_view(thinking),
    )
    body.ignore("metadata", "cache_control")
    if unread := tuple(place for part in (body, thinking, output) if part for place in part.unread()):
        notes.append(Note(NoteCode.IGNORED, unread))
    return evolve(prompt, notes=tuple(notes))


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    if body.has("thread"):
        # The SDKs send only the newest messages of a thread; these details make them send the whole conversation instead.
        details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
        message = "thread: Conversations are not kept on the server; send all messages."
        raise ProxyError(Kind.INVALID_REQUEST, message, field="thread", details=details)
    if body.raw("container"):
        raise invalid("The upstream has no containers.", "container")
    if body.raw("mcp_servers"):
        raise invalid("The upstream does not call MCP servers; offer their tools in tools.", "mcp_servers")


def _tools(body: Fields, notes: list[Note]) -> tuple[Tool, ...]:
    """The client's own tools; those that Anthropic's servers would run are left out."""
    tools = []
    for tool in body.objects("tools"):
        if tool.string("type") not in (None, "custom"):
            notes.append(Note(NoteCode.SERVER_TOOL_DROPPED, (tool.place,)))
            continue
        schema = tool.mapping("input_schema") or {"type": "object", "properties": {}}
        tools.append(Tool(tool.required_string("name"), tool.string("description"), schema))
    return tuple(tools)


def _tool_choice(choice: Fields | None) -> ToolChoice | None:
    if choice is None:
        return None
    kind = _CHOICES.get(choice.required_string("type"))
    if kind is None:
        raise invalid(f"has to be one of {', '.join(_CHOICES)}.", choice.at("type"))
    return ToolChoice(kind, choice.required_string("name") if kind is Choice.NAMED else "")


def _view(thinking: Fields | None) -> View:
    if thinking is None or thinking.required_string("type") not in _THINKING:
        return View(reasoning=False)
    return View(reasoning_omitted=thinking.string("display") == "omitted")


def _parallel_tool_calls(choice: Fields | None) -> bool | None:
    disabled = choice.boolean("disable_parallel_tool_use") if choice else None
    return None if disabled is None else not disabled


def _effort(thinking: Fields | None, output: Fields | None, notes: list[Note]) -> Effort | None:
    """The effort that ``output_config`` names, else the one that ``thinking`` stands for."""
    mode, implied = _thinking(thinking, notes)
    named = output.string("effort") if output else None
    if mode == "disabled" or named in _NO_EFFORT:
        return None
    if named is None:
        return implied
    try:
        return Effort(named)
    except ValueError:
        notes.append(Note(NoteCode.EFFORT_DROPPED, ("output_config.effort",)))
        return implied


def _thinking(thinking: Fields | None, notes: list[Note]) -> tuple[str, Effort | None]:
    """How the request turned thinking on or off, and the effort that this stands for."""
    if thinking is None:
        return "", None
    mode, budget = thinking.required_string("type"), thinking.integer("budget_tokens", least=0)
    if mode == "disabled":
        return mode, None
    if mode not in _THINKING:
        notes.append(Note(NoteCode.EFFORT_DROPPED, ("thinking.type",)))
        return mode, None
    if mode != "enabled" or budget is None:
        return mode, Effort.HIGH
    return mode, next(effort for least, effort in _BUDGETS if budget >= least)
