"""This module is the gate of ``POST /alpha/generate``: what the service takes, and how it refuses the rest.

It is as strict as the real service is known to be, so that a request which passes here is one that the real one takes.
It shares no code with the client whose requests it judges. How tool calls and results pair up is not its business: the
real service finds that out only inside the stream (``pairing``).
"""

import base64
import re
from collections.abc import Mapping
from typing import Final, cast

from ccproxy.simulator import refusals
from ccproxy.simulator.refusals import Refusal
from ccproxy.simulator.schema import (
    Check,
    ShapeError,
    array,
    boolean,
    fields,
    mapping,
    matching,
    name,
    nullable,
    number,
    one_of,
    string,
    true,
    variants,
)

_UUID: Final = r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_DATE: Final = r"\d{4}-\d{2}-\d{2}(T\S+)?"
_DATA_URL: Final = re.compile(r"data:image/[\w.+-]+;base64,")

_ASSISTANT_ORDER: Final = ("reasoning", "text", "tool-call")


def _data_url(value: object, path: str) -> None:
    string(value, path)
    url = cast("str", value)
    start = _DATA_URL.match(url)
    if start is None:
        raise ShapeError("Invalid input: expected a base64 data URL of an image", path)
    try:
        base64.b64decode(url[start.end() :], validate=True)
    except ValueError:
        raise ShapeError("Invalid base64-encoded string", path) from None


_TEXT: Final = fields({"text": string})
_IMAGE: Final = fields({"image": _data_url}, {"mimeType": string, "mediaType": string})
_TOOL_CALL: Final = fields({"toolCallId": name, "toolName": name, "input": mapping})
_OUTPUT: Final = fields({"type": one_of("text", "error-text"), "value": string})
_TOOL_RESULT: Final = fields({"toolCallId": name, "toolName": name, "output": _OUTPUT})

_PARTS: Final[Mapping[str, Check]] = {
    "user": variants("type", {"text": _TEXT, "image": _IMAGE}),
    "assistant": variants("type", {"reasoning": _TEXT, "text": _TEXT, "tool-call": _TOOL_CALL}),
    "tool": variants("type", {"tool-result": _TOOL_RESULT}),
}


def _message(value: object, path: str) -> None:
    fields({"role": one_of(*_PARTS)})(value, path)
    message = cast("dict[str, object]", value)
    role = cast("str", message["role"])
    if message.get("content") == []:
        # The real service blames the role of a message that has no parts.
        raise ShapeError("Invalid input", f"{path}.role")
    fields({"content": array(_PARTS[role])})(value, path)
    if role == "assistant":
        _in_order(cast("list[dict[str, str]]", message["content"]), f"{path}.content")


def _in_order(parts: list[dict[str, str]], path: str) -> None:
    highest = 0
    for index, part in enumerate(parts):
        rank = _ASSISTANT_ORDER.index(part["type"])
        if rank < highest:
            raise ShapeError(f"Invalid input: expected {' before '.join(_ASSISTANT_ORDER)}", f"{path}[{index}].type")
        highest = rank


def _system(value: object, path: str) -> None:
    if isinstance(value, list):
        array(variants("type", {"text": _TEXT}))(value, path)
    else:
        string(value, path)


_CONFIG: Final = fields(
    {
        "workingDir": string,
        "date": matching(_DATE, "Invalid ISO date"),
        "environment": string,
        "structure": array(string),
        "isGitRepo": boolean,
        "currentBranch": string,
        "mainBranch": string,
        "gitStatus": string,
        "recentCommits": array(string),
    },
    {"additionalDirectories": array(string)},
)

_TOOL: Final = fields(
    {"name": name, "input_schema": fields({}, {"type": one_of("object")})},
    {"description": string, "type": one_of("function")},
)

_TOOL_CHOICE: Final = variants("type", {"auto": mapping, "any": mapping, "tool": fields({"name": name})})

_PARAMS: Final = fields(
    {"model": name, "messages": array(_message, least=1), "stream": true},
    {
        "system": _system,
        "tools": array(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "max_tokens": number(1, 200000, whole=True),
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "reasoning_effort": one_of("low", "medium", "high", "xhigh", "max"),
        "parallel_tool_calls": boolean,
    },
)

_MODES: Final = (
    "agent",
    "learning",
    "custom-agent",
    "custom-agent-create",
    "title-gen",
    "tool-desc",
    "compact",
    "vision",
)

_BODY: Final = fields(
    {"config": _CONFIG, "skills": nullable(string), "params": _PARAMS},
    {
        "memory": nullable(string),
        "taste": nullable(string),
        "permissionMode": one_of("standard", "auto-accept", "plan"),
        "threadId": matching(_UUID, "Invalid UUID"),
        "mode": one_of(*_MODES),
        "promptCache": one_of("off"),
    },
)


def refusal_of_headers(headers: Mapping[str, str]) -> Refusal | None:
    """Say no to a caller without a key or without the client's version; ``headers`` has lower-case names."""
    if not re.fullmatch(r"Bearer user_\S+", headers.get("authorization", "")):
        return refusals.UNAUTHORIZED
    version = headers.get("x-command-code-version")
    if version is None:
        return refusals.NOT_THE_CLIENT
    if not re.match(r"\d+\.\d+\.\d+", version):
        return refusals.TOO_OLD
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return refusals.NOT_JSON
    return None


def refusal_of_body(headers: Mapping[str, str], body: object) -> Refusal | None:
    """Say no to a parsed body of the wrong shape, naming the first field that is wrong."""
    try:
        _BODY(body, "")
        thread = cast("dict[str, object]", body).get("threadId")
        if thread is not None and headers.get("x-session-id", thread) != thread:
            raise ShapeError("Invalid input: expected the value of x-session-id", "threadId")
    except ShapeError as problem:
        return refusals.invalid(problem.text, problem.path)
    return None
