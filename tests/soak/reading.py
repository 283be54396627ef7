"""This module is what an answer says, whether it is a stream or a document, a success or a failure.

The readers of `tests.dialects.strict` forgive nothing; here is what they do not read: documents, refusals, and OpenAI's streams that fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tests.dialects.strict import Frame, frames, read_chat, read_messages
from tests.soak.asking import Dialect, Said

_REASONS = {"stop": "stop", "end_turn": "stop", "tool_calls": "tools", "tool_use": "tools"}
_WRONG = (AssertionError, ValueError, KeyError, IndexError, TypeError, AttributeError)


class UnreadableError(Exception):
    """The answer has not the shape of its dialect."""


@frozen
class Failed:
    """A failure that says so.

    Attributes:
        status: The HTTP status; 200 when the failure came inside a stream.
        message: The words.
        retryable: Whether the client is told that it may try again.
        text: What the answer said before.
    """

    status: int
    message: str
    retryable: bool
    text: str = ""


def read(dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes) -> Said | Failed:
    """Read an answer that is whole.

    Args:
        dialect: The dialect of the request.
        status: The HTTP status.
        headers: The headers, with lower-case names.
        body: The body.

    Raises:
        UnreadableError: It is neither a success nor a failure of the dialect.
    """
    kind = headers.get("content-type", "").partition(";")[0]
    try:
        if status != 200:
            return refusal(dialect, status, headers, body)
        if kind == "text/event-stream":
            return _chat(body) if dialect is Dialect.CHAT else _messages(body)
        assert kind == "application/json", f"content type {kind!r}"
        document = json.loads(body)
        return _chat_document(document) if dialect is Dialect.CHAT else _messages_document(document)
    except _WRONG as problem:
        reason = f"{type(problem).__name__}: {problem}"[:300]
        raise UnreadableError(f"{status} {kind}: {reason}; it begins {body[:80]!r} and ends {body[-160:]!r}") from None


def refusal(dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes) -> Failed:
    """Read a failure that has a status."""
    assert headers.get("content-type", "").startswith("application/json"), f"content type {headers.get('content-type')}"
    assert headers.get("x-should-retry") in ("true", "false"), "no x-should-retry"
    message, waits = _error(dialect, json.loads(body))
    retryable = headers["x-should-retry"] == "true"
    assert not retryable or ("retry-after" in headers and waits), "a retryable failure without a time"
    return Failed(status, message, retryable)


def _error(dialect: Dialect, document: dict[str, Any]) -> tuple[str, bool]:
    """The message of an error object, and whether it names a time to wait."""
    error = document["error"]
    assert isinstance(error["message"], str) and error["message"] and isinstance(error["type"], str), error
    if dialect is Dialect.CHAT:
        assert document.keys() == {"error"} and {"param", "code"} <= error.keys(), document
    else:
        assert document.keys() == {"type", "error"} and document["type"] == "error", document
    return error["message"], "retry_after" in error


def _chat(stream: bytes) -> Said | Failed:
    spoken = [frame for frame in frames(stream) if frame.comment is None]
    assert spoken, "an empty stream"
    if spoken[-1].data != "[DONE]":
        return _failed_chat(spoken)
    reading = read_chat(stream)
    assert reading.usage, "no usage"
    calls = tuple((call["name"], _compact(call["arguments"])) for call in reading.calls)
    return Said(reading.text, reading.reasoning, calls, _REASONS[str(reading.finish_reason)])


def _failed_chat(spoken: list[Frame]) -> Failed:
    documents = [json.loads(frame.data or "") for frame in spoken]
    message, waits = _error(Dialect.CHAT, documents.pop())
    text = ""
    for chunk in documents:
        (choice,) = chunk["choices"]
        assert choice["finish_reason"] is None, "a finish before the error"
        text += choice["delta"].get("content", "")
    return Failed(200, message, waits, text)


def _messages(stream: bytes) -> Said | Failed:
    reading = read_messages(stream)
    text = "".join(block["text"] for block in reading.blocks if block["type"] == "text")
    if reading.error is not None:
        return Failed(200, reading.error["message"], "retry_after" in reading.error, text)
    return Said(text, *_blocks(reading.blocks), _REASONS[str(reading.stop_reason)])


def _chat_document(document: dict[str, Any]) -> Said:
    assert document["object"] == "chat.completion", document["object"]
    assert document["usage"]["completion_tokens"] > 0, "no usage"
    (choice,) = document["choices"]
    message = choice["message"]
    made = message.get("tool_calls", [])
    calls = tuple((call["function"]["name"], _compact(call["function"]["arguments"])) for call in made)
    return Said(
        message["content"] or "", message.get("reasoning_content", ""), calls, _REASONS[choice["finish_reason"]]
    )


def _messages_document(document: dict[str, Any]) -> Said:
    assert document["type"] == "message" and document["role"] == "assistant", document
    assert document["usage"]["output_tokens"] > 0, "no usage"
    blocks = document["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    return Said(text, *_blocks(blocks), _REASONS[document["stop_reason"]])


def _blocks(blocks: list[dict[str, Any]]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The reasoning and the calls of a message's blocks."""
    reasoning = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    calls = tuple((block["name"], json.dumps(block["input"])) for block in blocks if block["type"] == "tool_use")
    return reasoning, calls


def _compact(arguments: str) -> str:
    """JSON text, written in the one way that can be compared."""
    return json.dumps(json.loads(arguments))
