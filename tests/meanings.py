"""This module is what an answer means, read back from its bytes: in every dialect, from a stream and from a document.

An answer that failed means its error; what a stream had said before stands.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from tests.dialects.strict import frames, read_chat, read_completions, read_messages
from tests.dialects.strict_responses import check_response, read_responses


@frozen
class Meaning:
    """What a client understands.

    Attributes:
        text: All visible text.
        reasoning: All reasoning.
        calls: Name and arguments of each complete call.
        ending: The dialect's word for how it ended, or the type of the error.
        message: The words of the error.
        usage: The dialect's usage object, without what is null.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    ending: str = ""
    message: str = ""
    usage: dict[str, Any] | None = None


def chat_stream(answer: bytes) -> Meaning:
    """Read a Chat Completions stream."""
    if answer.endswith(b"data: [DONE]\n\n"):
        read = read_chat(answer)
        calls = tuple((call["name"], json.loads(call["arguments"])) for call in read.calls)
        return Meaning(read.text, read.reasoning, calls, read.finish_reason or "", usage=read.usage)
    *before, last = (json.loads(frame.data or "") for frame in frames(answer))
    deltas = [chunk["choices"][0]["delta"] for chunk in before]
    return Meaning(
        text="".join(delta.get("content", "") for delta in deltas),
        reasoning="".join(delta.get("reasoning_content", "") for delta in deltas),
        ending=last["error"]["type"],
        message=last["error"]["message"],
    )


def chat_document(answer: bytes) -> Meaning:
    """Read a Chat Completions document."""
    document = json.loads(answer)
    if "error" in document:
        return Meaning(ending=document["error"]["type"], message=document["error"]["message"])
    (choice,) = document["choices"]
    message = choice["message"]
    functions = [call["function"] for call in message.get("tool_calls", ())]
    return Meaning(
        message["content"] or "",
        message.get("reasoning_content", ""),
        tuple((function["name"], json.loads(function["arguments"])) for function in functions),
        choice["finish_reason"],
        usage=document.get("usage"),
    )


def completions_stream(answer: bytes) -> Meaning:
    """Read a legacy Completions stream."""
    if answer.endswith(b"data: [DONE]\n\n"):
        read = read_completions(answer)
        return Meaning(read.text, ending=read.finish_reason or "", usage=read.usage)
    *before, last = (json.loads(frame.data or "") for frame in frames(answer))
    text = "".join(chunk["choices"][0]["text"] for chunk in before)
    return Meaning(text, ending=last["error"]["type"], message=last["error"]["message"])


def completions_document(answer: bytes) -> Meaning:
    """Read a legacy Completions document."""
    document = json.loads(answer)
    if "error" in document:
        return Meaning(ending=document["error"]["type"], message=document["error"]["message"])
    (choice,) = document["choices"]
    return Meaning(choice["text"], ending=choice["finish_reason"], usage=document.get("usage"))


def messages_stream(answer: bytes) -> Meaning:
    """Read a Messages stream."""
    read = read_messages(answer)
    if read.error:
        return _message(read.blocks, read.error["type"], message=read.error["message"])
    return _message(read.blocks, read.stop_reason or "", usage=read.usage)


def messages_document(answer: bytes) -> Meaning:
    """Read a Messages document."""
    document = json.loads(answer)
    if document["type"] == "error":
        return Meaning(ending=document["error"]["type"], message=document["error"]["message"])
    return _message(document["content"], document["stop_reason"], usage=document["usage"])


def responses_stream(answer: bytes) -> Meaning:
    """Read a Responses stream."""
    read = read_responses(answer)
    if read.end == "failed":
        error = read.response["error"]
        items = [*read.items, *([read.added] if read.added else [])]
        text = "".join("".join(read.deltas[place]) for place, item in enumerate(items) if item["type"] == "message")
        return Meaning(text, ending=error["code"], message=error["message"])
    return _response(read.response)


def responses_document(answer: bytes) -> Meaning:
    """Read a Responses document."""
    document = json.loads(answer)
    if document.keys() == {"error"}:
        return Meaning(ending=document["error"]["code"], message=document["error"]["message"])
    check_response(document)
    return _response(document)


def _response(response: dict[str, Any]) -> Meaning:
    output = response["output"]
    parts = [part for item in output for part in item.get("content", ())]
    calls = tuple((item["name"], json.loads(item["arguments"])) for item in output if item["type"] == "function_call")
    details = response["incomplete_details"]
    return Meaning(
        "".join(part["text"] for part in parts if part["type"] == "output_text"),
        "".join(part["text"] for part in parts if part["type"] == "reasoning_text"),
        calls,
        details["reason"] if details else response["status"],
        usage=response["usage"],
    )


def _message(
    blocks: list[dict[str, Any]], ending: str, *, message: str = "", usage: dict[str, Any] | None = None
) -> Meaning:
    calls = [block for block in blocks if block["type"] == "tool_use" and not message]
    return Meaning(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        tuple((call["name"], call["input"]) for call in calls),
        ending,
        message,
        usage and {name: count for name, count in usage.items() if count is not None},
    )
