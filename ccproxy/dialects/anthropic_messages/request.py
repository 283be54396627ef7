"""This module is the reading of a Messages request, apart from its conversation.

Field names and shapes: https://docs.anthropic.com/en/api/messages. ``max_tokens`` may be absent here, although the reference requires it.
"""

from __future__ import annotations

from attrs import evolve

from ccproxy import tools, values
from ccproxy.dialects.anthropic_messages.content import conversation
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Effort, Note, NoteCode, OutputFormat, Prompt, View
from ccproxy.structured import output_format

_OWN_BLOCKS = ("tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document")
_THINKING = {"enabled", "adaptive", "between_tools"}
_NO_EFFORT = {"none", "minimal", "off"}
_BUDGETS = ((10000, Effort.HIGH), (5000, Effort.MEDIUM), (0, Effort.LOW))  # from so many tokens on


def recognises(body: Fields) -> bool:
    """Whether there is a block that only this API has; system text beside the conversation alone does not tell."""
    blocks = (block for message in body.glimpse("messages") for block in message.glimpse("content"))
    return any(block.peek("type") in _OWN_BLOCKS for block in blocks)


def parse(body: Fields) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    _refuse_unanswerable(body)
    notes: list[Note] = []
    thinking, output = body.object("thinking"), body.object("output_config")
    older_form, form = body.object("output_format"), output and output.object("format")
    prompt = Prompt(
        model=values.model_of(body),
        messages=conversation(body, notes),
        stream=body.boolean("stream") or False,
        tools=tools.offered(body, notes),
        tool_choice=tools.choice(body, notes),
        parallel_tool_calls=tools.parallel(body),
        max_tokens=body.integer("max_tokens", least=1),
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        stop=values.stop_of(body.strings("stop_sequences"), "stop_sequences"),
        effort=_effort(thinking, output, notes),
        output=_output(form or older_form),
        view=view(body),
    )
    body.ignore("metadata", "cache_control")
    if unread := tuple(place for part in (body, thinking, output, form, older_form) if part for place in part.unread()):
        notes.append(Note(NoteCode.IGNORED, unread))
    return evolve(prompt, notes=tuple(notes)) if notes else prompt


def view(body: Fields) -> View:
    """What the client asks to see; reasoning only if it turned thinking on."""
    thinking = body.object("thinking")
    if thinking is None or thinking.required_string("type") not in _THINKING:
        return View(reasoning=False)
    return View(reasoning_omitted=thinking.string("display") == "omitted")


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    if body.has("thread"):
        # The SDKs send only the newest messages of a thread; these details make them send the whole conversation instead.
        details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
        message = "thread: Conversations are not kept on the server; send all messages."
        raise ProxyError(Kind.INVALID_REQUEST, message, field="thread", details=details)
    if body.value("container"):
        raise invalid("The upstream has no containers.", "container")
    if body.value("mcp_servers"):
        raise invalid("The upstream does not call MCP servers; offer their tools in tools.", "mcp_servers")


def _output(form: Fields | None) -> OutputFormat | None:
    if form is None:
        return None
    if form.required_string("type") != "json_schema":
        raise invalid("has to be json_schema.", form.at("type"))
    schema = form.mapping("schema")
    if schema is None:
        raise invalid("is required.", form.at("schema"))
    return output_format(schema, form.at("schema"))


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
