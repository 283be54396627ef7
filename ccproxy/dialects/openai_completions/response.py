"""This module is the writing of a legacy Completions answer, as a stream of chunks or as one document.

Shapes: https://platform.openai.com/docs/api-reference/completions/object. Every chunk has a piece of text, the last one an empty
piece and the ``finish_reason``; ``[DONE]`` is last, bare. Usage rides on the last chunk, or on a chunk of its own without choices when the
client asked for ``stream_options.include_usage``. There is no place for reasoning, which is not said, nor for
calls; no tools are ever offered.
"""

from __future__ import annotations

from typing_extensions import assert_never

from ccproxy.codecs import Turn
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
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

_FINISH_REASONS = {**FINISH_REASONS, FinishReason.TOOL_CALLS: "stop"}  # there is no word for calls
_AFTER_TEXT = b',"index":0,"logprobs":null,"finish_reason":null}]}\n\n'


class CompletionStream:
    """Writes a turn as ``text_completion`` events."""

    content_type = "text/event-stream"

    def __init__(self, turn: Turn) -> None:
        self._head = quote(_head(turn))[:-1]
        self._before_text = b"data: " + self._head + b',"choices":[{"text":'
        self._usage_apart = turn.view.usage_apart

    def encode(self, event: Event) -> bytes:
        """Say one event as chunks."""
        match event:
            case TextDelta(text):
                return b"%b%b%b" % (self._before_text, quote(text), _AFTER_TEXT)
            case TextDeltas(texts):
                return b"%b%b%b" % (self._before_text, quote_all(texts, _AFTER_TEXT + self._before_text), _AFTER_TEXT)
            case Finished():
                return self._finish(event)
            case Failed(error):
                return sse(refusal(error))
            case TextStarted() | TextEnded() | ReasoningDelta() | ToolStarted() | ToolArguments() | ToolEnded():
                return b""
            case _:
                assert_never(event)

    def ping(self) -> bytes:
        """A comment line."""
        return sse_comment(b"keep-alive")

    def _finish(self, finished: Finished) -> bytes:
        reason = dumps(_FINISH_REASONS[finished.reason])
        riding, apart = usage_in_stream(finished.usage, self._head, apart=self._usage_apart)
        last = b'%b"","index":0,"logprobs":null,"finish_reason":%b}]%b}\n\n' % (self._before_text, reason, riding)
        return last + apart + sse(b"[DONE]")


class CompletionDocument:
    """Writes a turn as one ``text_completion``."""

    content_type = "application/json"

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._text: list[str] = []

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the document."""
        match event:
            case TextDelta(text):
                self._text.append(text)
            case TextDeltas(texts):
                self._text.extend(texts)
            case Finished():
                return self._document(event)
            case Failed(error):
                return refusal(error)
            case TextStarted() | TextEnded() | ReasoningDelta() | ToolStarted() | ToolArguments() | ToolEnded():
                pass
            case _:
                assert_never(event)
        return b""

    def ping(self) -> bytes:
        """Nothing: a document has no room for it."""
        return b""

    def _document(self, finished: Finished) -> bytes:
        choice = {
            "text": "".join(self._text),
            "index": 0,
            "logprobs": None,
            "finish_reason": _FINISH_REASONS[finished.reason],
        }
        document = {**_head(self._turn), "choices": [choice]}
        if spent := usage(finished.usage):
            document["usage"] = spent
        return dumps(document)


def _head(turn: Turn) -> dict[str, object]:
    return {"id": f"cmpl-{turn.id}", "object": "text_completion", "created": turn.created, "model": turn.model}
