"""This module is valid requests to the simulator, to be bent by the tests."""

import json
from collections.abc import Iterable
from typing import Any

from ccproxy.simulator.asked import Asked, asked
from ccproxy.simulator.records import Narrator
from ccproxy.simulator.scenarios import Scenario, Step

THREAD = "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
PIXEL = "data:image/png;base64,iVBORw0KGgo="

HEADERS = {
    "authorization": "Bearer user_test_key",
    "content-type": "application/json",
    "x-command-code-version": "1.62.1",
    "x-session-id": THREAD,
}


def user(text: str = "ping") -> dict[str, Any]:
    """A user message with one text part."""
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def assistant(*parts: dict[str, Any]) -> dict[str, Any]:
    """An assistant message of these parts."""
    return {"role": "assistant", "content": list(parts)}


def call(identifier: str, name: str = "get_time", **arguments: object) -> dict[str, Any]:
    """A tool call of an earlier turn."""
    return {"type": "tool-call", "toolCallId": identifier, "toolName": name, "input": arguments}


def result(identifier: str, value: str = "noon", name: str = "get_time") -> dict[str, Any]:
    """A tool message that answers one call."""
    output = {"type": "text", "value": value}
    return {
        "role": "tool",
        "content": [{"type": "tool-result", "toolCallId": identifier, "toolName": name, "output": output}],
    }


def tool(name: str = "get_time", **properties: dict[str, Any]) -> dict[str, Any]:
    """A tool on offer, all of whose properties are required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": "A tool.", "input_schema": schema}


def body(**params: object) -> dict[str, Any]:
    """A request body that the service takes, with some ``params`` replaced."""
    return {
        "config": {
            "workingDir": "/workspace",
            "date": "2026-10-01",
            "environment": "linux",
            "structure": [],
            "isGitRepo": False,
            "currentBranch": "",
            "mainBranch": "",
            "gitStatus": "",
            "recentCommits": [],
        },
        "memory": None,
        "taste": None,
        "skills": None,
        "permissionMode": "standard",
        "threadId": THREAD,
        "params": {
            "model": "sim/text",
            "messages": [user()],
            "tools": [],
            "system": "Be brief.",
            "max_tokens": 64000,
            "stream": True,
            **params,
        },
    }


def question(**params: object) -> Asked:
    """The request that such a body makes."""
    return asked(body(**params))


def steps(scenario: Scenario, **params: object) -> Iterable[Step]:
    """What a scenario does with such a request."""
    return scenario(Narrator(question(**params), "0123456789abcdef", 1_790_000_000.0))


def parsed(lines: Iterable[Step]) -> list[dict[str, Any]]:
    """The JSON records among some steps."""
    return [json.loads(step) for step in lines if isinstance(step, bytes)]
