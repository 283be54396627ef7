"""This module is the writing of a Chat Completions answer, as a stream of chunks or as one document.

Shapes: https://platform.openai.com/docs/api-reference/chat/streaming; ``reasoning_content`` is DeepSeek's addition, which clients read.
A stream has one id and ``created``, the role in its first delta, ``finish_reason`` once, and ``[DONE]`` last, bare. Usage rides on the
final chunk, or on a chunk of its own without choices when the client asked for ``stream_options.include_usage``. What is unknown is absent.
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import assert_never

from ccproxy.codecs import Turn
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    TextDeltas,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
)
from ccproxy.framing import dumps, quote, quote_all, sse, sse_comment
from ccproxy.openai import FINISH_REASONS, refusal, usage, usage_in_stream

_AFTER_DELTA = b'},"finish_reason":null}]}\n\n'


class ChatStream:
    """Writes a turn as ``chat.completion.chunk`` events."""

    content_type = "text/event-stream"

    def __init__(self, turn: Turn) -> None:
        head = quote(
            {
                "id": f"chatcmpl-{turn.id}",
                "object": "chat.completion.chunk",
                "created": turn.created,
                "model": turn.model,
            }
        )
        self._head = head[:-1]
        self._before_delta = b"data: " + self._head + b',"choices":[{"index":0,"delta":{'
        self._role = b'"role":"assistant",'
        self._usage_apart = turn.view.usage_apart
        self._reasoning = turn.view.reasoning
        self._indices: dict[str, int] = {}

    def encode(self, event: Event) -> bytes:
        """Say one event as chunks."""
        match event:
            case TextDelta(text):
                return self._delta(b'"content":' + quote(text))
            case TextDeltas(texts):
                return self._deltas(texts)
            case ReasoningDelta(text):
                return self._delta(b'"reasoning_content":' + quote(text)) if self._reasoning else b""
            case ToolStarted(call_id, name):
                return self._call_started(call_id, name)
            case ToolArguments(call_id, fragment):
                function = b'{"index":%d,"function":{"arguments":%b}}' % (self._indices[call_id], quote(fragment))
                return self._delta(b'"tool_calls":[' + function + b"]")
            case Finished():
                return self._finish(event)
            case Failed(error):
                return sse(refusal(error))
            case TextStarted() | TextEnded() | ToolEnded():
                return b""
            case _:
                assert_never(event)

    def ping(self) -> bytes:
        """A comment line."""
        return sse_comment(b"keep-alive")

    def _delta(self, delta: bytes) -> bytes:
        role, self._role = self._role, b""
        return b"%b%b%b%b" % (self._before_delta, role, delta, _AFTER_DELTA)

    def _deltas(self, texts: Sequence[str]) -> bytes:
        role, self._role = self._role, b""
        between = _AFTER_DELTA + self._before_delta + b'"content":'
        return b'%b%b"content":%b%b' % (self._before_delta, role, quote_all(texts, between), _AFTER_DELTA)

    def _call_started(self, call_id: str, name: str) -> bytes:
        index = self._indices[call_id] = len(self._indices)
        call = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        return self._delta(b'"tool_calls":[' + quote(call) + b"]")

    def _finish(self, finished: Finished) -> bytes:
        first = self._delta(b'"content":""') if self._role else b""
        reason = dumps(FINISH_REASONS[finished.reason])
        riding, apart = usage_in_stream(finished.usage, self._head, apart=self._usage_apart)
        last = b'%b},"finish_reason":%b}]%b}\n\n' % (self._before_delta, reason, riding)
        return first + last + apart + sse(b"[DONE]")


class ChatDocument:
    """Writes a turn as one ``chat.completion``."""

    content_type = "application/json"

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._names: dict[str, str] = {}
        self._arguments: dict[str, str] = {}

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the document."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case TextDeltas(texts):
                self._text.extend(texts)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolStarted(call_id, name):
                self._names[call_id] = name
            case ToolEnded(call_id, arguments):
                self._arguments[call_id] = arguments
            case Finished():
                return self._document(event)
            case Failed(error):
                return refusal(error)
            case TextStarted() | TextEnded() | ToolArguments():
                pass
            case _:
                assert_never(event)
        return b""

    def ping(self) -> bytes:
        """Nothing: a document has no room for it."""
        return b""

    def _document(self, finished: Finished) -> bytes:
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": FINISH_REASONS[finished.reason],
        }
        document: dict[str, object] = {
            "id": f"chatcmpl-{self._turn.id}",
            "object": "chat.completion",
            "created": self._turn.created,
            "model": self._turn.model,
            "choices": [choice],
        }
        if spent := usage(finished.usage):
            document["usage"] = spent
        return dumps(document)

    def _message(self) -> dict[str, object]:
        text = "".join(self._text)
        message: dict[str, object] = {"role": "assistant", "content": text or None, "refusal": None}
        if self._reasoning and self._turn.view.reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._names:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": self._arguments[call_id]}}
                for call_id, name in self._names.items()
            ]
        elif not text:
            message["content"] = ""
        return message
