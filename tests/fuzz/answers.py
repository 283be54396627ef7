"""This module is what every answer to a client has to be, whatever was asked: a status, and a body in the dialect of the path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from ccproxy.codecs import Dialect
from ccproxy.dialects import DIALECTS
from ccproxy.errors import Kind
from tests.dialects import strict
from tests.dialects.strict_responses import read_responses
from tests.dialects.test_refusal import CHAT_TYPES, MESSAGES_TYPES_BY_STATUS

# What a request can bring about of failures of the upstream: a document that does not fit its schema, and a sum that was cut.
MISFITS = (
    *(
        "The answer is not valid JSON",
        "The answer is valid JSON, but no JSON object",
        "The answer holds no JSON document",
    ),
    "The answer does not fit the JSON Schema",
    "The answer was cut before its end",
    "The upstream finished without a text",
)
_STREAMS: Mapping[str, Callable[[bytes], object]] = {
    "openai_chat": strict.read_chat,
    "openai_completions": strict.read_completions,
    "anthropic_messages": strict.read_messages,
    "openai_responses": read_responses,
}
_DOCUMENTS = {
    "openai_chat": ("object", "chat.completion"),
    "openai_completions": ("object", "text_completion"),
    "anthropic_messages": ("type", "message"),
    "openai_responses": ("object", "response"),
    "openai_responses_compact": ("object", "response.compaction"),
}
_CHAT_WORDS = {(kind.status, *CHAT_TYPES[kind]) for kind in Kind}
_RESPONSES_WORDS = {
    *_CHAT_WORDS,
    (400, "invalid_request_error", "invalid_value"),
    (400, "invalid_request_error", "previous_response_not_found"),
    (429, "usage_limit_reached", "usage_limit_reached"),
    (503, "server_error", "server_is_overloaded"),
}


@frozen
class Answer:
    """A complete response; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check(method: str, path: str, answer: Answer) -> None:
    """Hold an answer against what its method and its path promise.

    Raises:
        AssertionError: It is something else, for instance the proxy's or the upstream's failure.
    """
    dialect, counts = _served_at(path)
    if method == "OPTIONS":
        assert (answer.status, answer.body) == (204, b""), answer
        return
    if answer.status != 200:
        error = _refusal(dialect, answer)
        misfit = answer.status == 502 and error["message"].startswith(MISFITS)
        assert 400 <= answer.status < 500 or misfit, f"status {answer.status}: {error}"
    elif answer.headers.get("content-type", "").startswith("text/event-stream"):
        _stream(dialect, answer.body)
    elif counts:
        assert json.loads(answer.body).keys() == {"input_tokens"}, answer.body
        assert json.loads(answer.body)["input_tokens"] >= 1, answer.body
    else:
        name, kind = _DOCUMENTS[dialect.name]
        assert json.loads(answer.body)[name] == kind, answer.body


def _served_at(path: str) -> tuple[Dialect, bool]:
    """The dialect of a path, or of what it begins with, and whether it counts tokens."""
    for dialect in DIALECTS:
        if dialect.counter and path.startswith(tuple(dialect.counter.paths)):
            return dialect, True
    # Backwards, for the path of one dialect may begin with that of an earlier one.
    return next(dialect for dialect in reversed(DIALECTS) if path.startswith(tuple(dialect.paths))), False


def _refusal(dialect: Dialect, answer: Answer) -> dict[str, Any]:
    body = json.loads(answer.body)
    error: dict[str, Any] = body["error"]
    assert answer.headers["content-type"] == "application/json", answer.headers
    assert isinstance(error["message"], str) and error["message"], body
    assert ("retry-after" in answer.headers) == ("retry_after" in error), (answer.headers, body)
    if dialect.name == "anthropic_messages":
        assert body.keys() == {"type", "error"} and body["type"] == "error", body
        assert error["type"] == MESSAGES_TYPES_BY_STATUS[answer.status], (answer.status, body)
    else:
        assert body.keys() == {"error"}, body
        assert isinstance(error["param"], (str, type(None))), body
        words = _RESPONSES_WORDS if dialect.name.startswith("openai_responses") else _CHAT_WORDS
        assert (answer.status, error["type"], error["code"]) in words, (answer.status, body)
    return error


def _stream(dialect: Dialect, stream: bytes) -> None:
    """A stream ends well, or with its error and nothing after it."""
    spoken = [frame for frame in strict.frames(stream) if frame.comment is None]
    if dialect.name in ("anthropic_messages", "openai_responses") or spoken[-1].data == "[DONE]":
        _STREAMS[dialect.name](stream)
        return
    datas = [json.loads(frame.data or "") for frame in spoken]
    assert [number for number, data in enumerate(datas, 1) if "error" in data] == [len(datas)], stream[-500:]
