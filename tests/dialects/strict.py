"""This module is readers of streams, one for each dialect, that forgive nothing: what they accept, every client can read.

They are written from the vendors' references, not from the encoders. Each raises `AssertionError` at the first thing that is wrong.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field, frozen

_STARTS: dict[str, dict[str, object]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


@frozen
class Frame:
    """One server-sent event, or a comment."""

    event: str | None = None
    data: str | None = None
    comment: str | None = None


def frames(stream: bytes) -> list[Frame]:
    """Split a stream into frames of at most one ``event:`` and one ``data:`` line."""
    text = stream.decode()
    assert text.splitlines() == text.split("\n")[:-1], "a reader of lines sees a break inside a frame"
    assert not text or text.endswith("\n\n"), "the last frame is not closed"
    return [_frame(block.split("\n")) for block in text.split("\n\n")[:-1]]


def _frame(lines: list[str]) -> Frame:
    if lines[0].startswith(":"):
        assert len(lines) == 1, lines
        return Frame(comment=lines[0][1:].strip())
    names = [line.partition(": ")[0] for line in lines]
    values = [line.partition(": ")[2] for line in lines]
    assert names in (["data"], ["event", "data"]), lines
    return Frame(event=values[0] if len(values) == 2 else None, data=values[-1])


@define
class ChatReading:
    """What a Chat Completions stream says."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(factory=list)
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    usage_apart: bool = False
    comments: int = 0


def read_chat(stream: bytes) -> ChatReading:
    """Read a whole stream of chunks, from its role to ``[DONE]``."""
    chunks, comments = _chunks(stream, "chat.completion.chunk")
    reading = ChatReading(comments=comments)
    for number, chunk in enumerate(chunks):
        assert not reading.usage_apart, "a chunk after the usage"
        if chunk["choices"]:
            _read_choice(reading, chunk, first=number == 0)
        else:
            assert reading.finish_reason, "a chunk without choices before the finish"
            reading.usage, reading.usage_apart = chunk["usage"], True
    assert reading.finish_reason, "no finish reason"
    return reading


def _chunks(stream: bytes, kind: str) -> tuple[list[dict[str, Any]], int]:
    """The chunks of a whole stream of OpenAI's, and the number of comments among them."""
    all_frames = frames(stream)
    spoken = [frame for frame in all_frames if frame.comment is None]
    assert all(frame.event is None for frame in spoken), "frames of OpenAI's have no event line"
    assert [frame.data for frame in spoken].index("[DONE]") == len(spoken) - 1, "[DONE] is not the last frame"
    chunks = [json.loads(frame.data or "") for frame in spoken[:-1]]
    heads = {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks}
    assert len(heads) == 1, heads
    assert next(iter(heads))[1] == kind, heads
    return chunks, len(all_frames) - len(spoken)


def _read_choice(reading: ChatReading, chunk: dict[str, Any], *, first: bool) -> None:
    (choice,) = chunk["choices"]
    assert choice.keys() == {"index", "delta", "finish_reason"}, choice
    assert choice["index"] == 0, choice
    assert reading.finish_reason is None, "a choice after the finish"
    delta = dict(choice["delta"])
    assert delta.pop("role", None) == ("assistant" if first else None), "the role belongs to the first delta"
    assert len(delta) <= 1, delta
    reading.text += delta.pop("content", "")
    reading.reasoning += delta.pop("reasoning_content", "")
    for call in delta.pop("tool_calls", []):
        _read_call(reading.calls, call)
    assert not delta, delta
    if choice["finish_reason"] is None:
        assert "usage" not in chunk, "usage before the finish"
        return
    assert not choice["delta"], "the finish has a delta of its own"
    reading.finish_reason, reading.usage = choice["finish_reason"], chunk.get("usage")


def _read_call(calls: list[dict[str, Any]], call: dict[str, Any]) -> None:
    if call["index"] == len(calls):
        assert call.keys() == {"index", "id", "type", "function"}, call
        assert call["type"] == "function" and call["id"] and call["function"]["name"], call
        calls.append({"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]})
    else:
        assert 0 <= call["index"] < len(calls), "an index out of order"
        assert call.keys() == {"index", "function"} and call["function"].keys() == {"arguments"}, call
        calls[call["index"]]["arguments"] += call["function"]["arguments"]


@define
class CompletionsReading:
    """What a legacy Completions stream says."""

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    usage_apart: bool = False
    comments: int = 0


def read_completions(stream: bytes) -> CompletionsReading:
    """Read a whole stream of chunks, to ``[DONE]``."""
    chunks, comments = _chunks(stream, "text_completion")
    reading = CompletionsReading(comments=comments)
    for chunk in chunks:
        assert not reading.usage_apart, "a chunk after the usage"
        if not chunk["choices"]:
            assert reading.finish_reason, "a chunk without choices before the finish"
            reading.usage, reading.usage_apart = chunk["usage"], True
            continue
        (choice,) = chunk["choices"]
        assert choice.keys() == {"text", "index", "logprobs", "finish_reason"}, choice
        assert (choice["index"], choice["logprobs"]) == (0, None), choice
        assert reading.finish_reason is None, "a choice after the finish"
        reading.text += choice["text"]
        if choice["finish_reason"] is None:
            assert "usage" not in chunk, "usage before the finish"
        else:
            assert not choice["text"], "the finish has a text of its own"
            reading.finish_reason, reading.usage = choice["finish_reason"], chunk.get("usage")
    assert reading.finish_reason, "no finish reason"
    return reading


@define
class MessagesReading:
    """What a Messages stream says; a block of a call has the JSON text of its input in ``partial_json``."""

    message: dict[str, Any] | None = None
    blocks: list[dict[str, Any]] = field(factory=list)
    open: bool = False
    stop_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    pings: int = 0
    done: bool = False


def read_messages(stream: bytes) -> MessagesReading:
    """Read a whole stream of events, from ``message_start`` to ``message_stop`` or an ``error``."""
    reading = MessagesReading()
    for frame in frames(stream):
        assert frame.event and frame.data, "every frame has an event line and a data line"
        data = json.loads(frame.data)
        assert data["type"] == frame.event, "event line and type differ"
        assert not reading.done, "a frame after the end"
        assert reading.message is not None or frame.event in ("message_start", "error"), "before message_start"
        _EVENTS[frame.event](reading, data)
    assert reading.done, "the stream has no end"
    return reading


def _message_start(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert reading.message is None, "a second message_start"
    message = reading.message = data["message"]
    assert message["type"] == "message" and message["role"] == "assistant" and message["content"] == [], message
    assert message["stop_reason"] is None and message["stop_sequence"] is None, message
    assert {"input_tokens", "output_tokens"} <= message["usage"].keys(), message


def _block_start(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert not reading.open, "blocks overlap"
    assert reading.stop_reason is None, "a block after the finish"
    assert data["index"] == len(reading.blocks), "indices have a gap"
    block = data["content_block"]
    if block["type"] == "tool_use":
        assert block.keys() == {"type", "id", "name", "input"} and block["input"] == {}, block
        reading.blocks.append({**block, "partial_json": ""})
    else:
        assert block == _STARTS[block["type"]], block
        reading.blocks.append(block)
    reading.open = True


def _block_delta(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert reading.open and data["index"] == len(reading.blocks) - 1, "a delta outside its block"
    block = reading.blocks[-1]
    if data["delta"]["type"] == "signature_delta":
        assert block["type"] == "thinking" and not block["signature"], "a signature in the wrong place"
        block["signature"] = data["delta"]["signature"]
        return
    assert not block.get("signature"), "a delta after the signature"
    kind, name = _DELTAS[block["type"]]
    assert data["delta"].keys() == {"type", name} and data["delta"]["type"] == kind, data
    block[name] += data["delta"][name]


def _block_stop(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert reading.open and data["index"] == len(reading.blocks) - 1, "a stop outside its block"
    reading.open = False
    block = reading.blocks[-1]
    if block["type"] == "tool_use":
        block["input"] = json.loads(block["partial_json"])
        assert isinstance(block["input"], dict), block
    elif block["type"] == "thinking":
        assert block["signature"], "a thinking block without a signature"
    else:
        assert block[block["type"]], "an empty block"


def _message_delta(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert not reading.open and reading.stop_reason is None, "message_delta in the wrong place"
    assert data["delta"].keys() == {"stop_reason", "stop_sequence"} and data["delta"]["stop_reason"], data
    assert "output_tokens" in data["usage"], data
    reading.stop_reason, reading.usage = data["delta"]["stop_reason"], data["usage"]


def _message_stop(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert reading.stop_reason is not None, "message_stop before message_delta"
    reading.done = True


def _ping(reading: MessagesReading, data: dict[str, Any]) -> None:
    reading.pings += 1


def _error(reading: MessagesReading, data: dict[str, Any]) -> None:
    assert data["error"]["type"] and data["error"]["message"], data
    assert reading.stop_reason is None, "an error after the finish"
    reading.error, reading.done = data["error"], True


_EVENTS = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
    "message_delta": _message_delta,
    "message_stop": _message_stop,
    "ping": _ping,
    "error": _error,
}
