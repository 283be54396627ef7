"""This module is the wire form of an answer: one JSON record a line, in the order of the real stream.

Two habits of that stream are kept: a reasoning block ends only after the text has started, and ``provider-metadata``
comes after ``finish``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone

from attrs import define, field

from ccproxy.simulator.asked import Asked, tokens


def line(record: Mapping[str, object]) -> bytes:
    """One record as the real service writes it: raw UTF-8, and a lone surrogate as its escape."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def error(message: str, status: int, *, retryable: bool, kind: str = "server_error", code: str | None = None) -> bytes:
    """An error event."""
    details: dict[str, object] = {"type": kind, "message": message, "statusCode": status, "isRetryable": retryable}
    if code is not None:
        details["code"] = code
    return line({"type": "error", "error": details})


@define
class Narrator:
    """Tells one turn, record by record, and counts what it says."""

    asked: Asked
    turn: str
    seconds: float
    _said: int = field(default=0, init=False)
    _thought: int = field(default=0, init=False)
    _blocks: int = field(default=0, init=False)
    _open_reasoning: str | None = field(default=None, init=False)

    def opening(self) -> Iterator[bytes]:
        """``start`` and ``start-step``, whose echo of the request holds no user data here."""
        yield line({"type": "start"})
        echo = {
            "model": self.asked.model,
            "maxOutputTokens": self.asked.max_tokens,
            "tools": [tool.name for tool in self.asked.tools],
            "toolChoice": {"type": "auto"},
            "providerOptions": {"gateway": {"caching": "auto", "sort": "ttft"}},
        }
        yield line({"type": "start-step", "request": {"body": echo}, "warnings": []})

    def reasoning(self, pieces: Iterable[str]) -> Iterator[bytes]:
        """A reasoning block, left open until something else begins."""
        block = self._open_reasoning = self._block("reasoning")
        yield line({"type": "reasoning-start", "id": block})
        for piece in pieces:
            self._thought += len(piece)
            yield line({"type": "reasoning-delta", "id": block, "text": piece})

    def text(self, pieces: Iterable[str], *, complete: bool = True) -> Iterator[bytes]:
        """A text block, one delta for each piece; an incomplete one has no end."""
        block = self._block("txt")
        yield line({"type": "text-start", "id": block})
        yield from self._end_reasoning()
        for piece in pieces:
            self._said += len(piece)
            yield line({"type": "text-delta", "id": block, "text": piece})
        if complete:
            yield line({"type": "text-end", "id": block})

    def call_started(self, call: str, tool: str) -> Iterator[bytes]:
        """The announcement of a tool call."""
        yield from self._end_reasoning()
        yield line({"type": "tool-input-start", "id": call, "toolName": tool})

    def call_argument(self, call: str, piece: str) -> bytes:
        """A fragment of the call's arguments, which are JSON text."""
        self._said += len(piece)
        return line({"type": "tool-input-delta", "id": call, "delta": piece})

    def call_ended(self, call: str, tool: str, arguments: Mapping[str, object]) -> Iterator[bytes]:
        """The whole call, which is what counts."""
        yield line({"type": "tool-input-end", "id": call})
        yield line({"type": "tool-call", "toolCallId": call, "toolName": tool, "input": arguments})

    def closing(self, reason: str = "stop", raw: str = "stop") -> Iterator[bytes]:
        """``finish-step``, ``finish`` and ``provider-metadata``."""
        yield from self._end_reasoning()
        usage = self._usage()
        moment = (
            datetime.fromtimestamp(self.seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        response = {"id": f"gen_{self.turn}", "timestamp": moment, "modelId": self.asked.model, "headers": {}}
        why = {"finishReason": reason, "rawFinishReason": raw}
        raw_usage = {"prompt_tokens": usage["inputTokens"], "completion_tokens": usage["outputTokens"]}
        yield line({"type": "finish-step", **why, "usage": {**usage, "raw": raw_usage}, "response": response})
        yield line({"type": "finish", **why, "totalUsage": usage})
        gateway = {"cost": "0.000042", "marketCost": "0.000042", "generationId": f"gen_{self.turn}"}
        yield line({"type": "provider-metadata", "providerMetadata": {"gateway": gateway}})

    def _block(self, kind: str) -> str:
        self._blocks += 1
        return f"{kind}-{self._blocks - 1}"

    def _end_reasoning(self) -> Iterator[bytes]:
        if self._open_reasoning is not None:
            yield line({"type": "reasoning-end", "id": self._open_reasoning})
            self._open_reasoning = None

    def _usage(self) -> dict[str, object]:
        prompt = self.asked.input_tokens
        thought = tokens(self._thought) if self._thought else 0
        said = tokens(self._said) if self._said else 0
        return {
            "inputTokens": prompt,
            "inputTokenDetails": {"noCacheTokens": prompt, "cacheReadTokens": 0},
            "outputTokens": said + thought,
            "outputTokenDetails": {"textTokens": said, "reasoningTokens": thought},
            "totalTokens": prompt + said + thought,
            "reasoningTokens": thought,
            "cachedInputTokens": 0,
        }
