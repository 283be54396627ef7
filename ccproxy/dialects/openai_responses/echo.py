"""This module is what a response object repeats of its request.

Clients read the fields whatever was asked (https://platform.openai.com/docs/api-reference/responses/object), so each has a default. What
is malformed is not repeated: that is refused elsewhere, or the body is another dialect's, whose fields mean other things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccproxy.dialects.openai_responses.inputs import objects_in
from ccproxy.fields import Fields

_TEXT = {"type": "text"}
_WORDS = {"auto": "auto", "none": "none", "any": "required", "required": "required"}


def echo(body: Fields) -> Mapping[str, object]:
    """The fields of the response object that repeat the request, in the order of the reference; nothing of the body counts as read."""
    user = body.peek("user")
    return {
        "instructions": _either(body.peek("instructions"), None, str, list),
        "tools": [_tool(tool) for tool in objects_in(body.peek("tools"))],
        "tool_choice": _choice(body.peek("tool_choice")),
        "truncation": _either(body.peek("truncation"), "disabled", str),
        "parallel_tool_calls": _either(body.peek("parallel_tool_calls"), True, bool),
        "text": _text(_either(body.peek("text"), {}, dict)),
        "top_p": _number(body.peek("top_p"), 1),
        "presence_penalty": _number(body.peek("presence_penalty"), 0),
        "frequency_penalty": _number(body.peek("frequency_penalty"), 0),
        "top_logprobs": _whole(body.peek("top_logprobs"), 0),
        "temperature": _number(body.peek("temperature"), 1),
        "reasoning": _reasoning(_either(body.peek("reasoning"), {}, dict)),
        "max_output_tokens": _number(body.peek("max_output_tokens"), None),
        "max_tool_calls": _whole(body.peek("max_tool_calls"), None),
        "store": _either(body.peek("store"), True, bool),
        "background": _either(body.peek("background"), False, bool),
        "service_tier": _tier(body.peek("service_tier")),
        "metadata": _either(body.peek("metadata"), {}, dict),
        "safety_identifier": _either(body.peek("safety_identifier"), None, str),
        "prompt_cache_key": _either(body.peek("prompt_cache_key"), None, str),
        "previous_response_id": _either(body.peek("previous_response_id"), None, str) or None,
        **({"user": user} if isinstance(user, str) else {}),
    }


def _either(value: Any, default: object, *types: type) -> Any:  # noqa: ANN401 - whatever the client sent
    return value if isinstance(value, types) else default


def _number(value: object, default: int | None) -> object:
    """A number; one that is whole is written as such, for clients that want integers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(value: object, default: int | None) -> object:
    """A whole number."""
    number = _number(value, default)
    return number if isinstance(number, int) else default


def _tier(value: object) -> object:
    """The tier that serves: the one that was asked for, or the default where that was left to the server."""
    return value if isinstance(value, str) and value != "auto" else "default"


def _text(text: Mapping[str, object]) -> Mapping[str, object]:
    form = text.get("format")
    return {**text, "format": form if isinstance(form, dict) else _TEXT}


def _reasoning(reasoning: Mapping[str, object]) -> Mapping[str, object]:
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    return {"effort": _either(reasoning.get("effort"), None, str), "summary": _either(summary, None, str)}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, object]:
    """A tool as it came; a function with all that clients expect of one, also where it came in the form of another dialect."""
    if tool.get("type") not in ("function", None):
        return tool
    inner = tool.get("function")
    function = {**tool, **inner} if isinstance(inner, dict) else dict(tool)
    function.pop("function", None)
    schema = function.pop("input_schema", None)
    missing = {"description": None, "parameters": schema, "strict": None}
    return {"type": "function", **missing, **{name: value for name, value in function.items() if value is not None}}


def _choice(rule: object) -> object:
    """The rule in the form of the reference, whichever it came in."""
    if not isinstance(rule, dict):
        return _WORDS.get(rule, "auto") if isinstance(rule, str) else "auto"
    if isinstance(inner := rule.get("function"), dict):
        return {"type": "function", "name": inner.get("name")}
    kind = rule.get("type")
    if isinstance(kind, str) and kind in _WORDS:
        return _WORDS[kind]
    if kind == "allowed_tools":
        allowed = rule["allowed_tools"] if isinstance(rule.get("allowed_tools"), dict) else rule
        return {"type": kind, "mode": allowed.get("mode") or "auto", "tools": objects_in(allowed.get("tools"))}
    return rule
