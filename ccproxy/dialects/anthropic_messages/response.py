"""This module is the writing of a Messages answer, as a stream of events or as one document.

Shapes: https://docs.anthropic.com/en/docs/build-with-claude/streaming. Clients dispatch on the ``event:`` line, so that every frame has
one. A stream begins with ``message_start``, whatever comes first, and ends with ``message_stop``, unless it ends with ``error``.
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import assert_never

from ccproxy.blocks import (
    Block,
    BlockDelta,
    Blocks,
    BlockStarted,
    BlockStopped,
    Content,
    Step,
    WholeBlocks,
)
from ccproxy.codecs import Turn
from ccproxy.dialects.anthropic_messages.refusal import in_band, refusal
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
    Usage,
)
from ccproxy.framing import dumps, loads, quote, quote_all, sse
from ccproxy.seal import Signer

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.PAUSE: "pause_turn",
}
_REQUIRED = ("input_tokens", "output_tokens")
_UNCOUNTED = 0  # the schema has integers here, on which strict clients insist: after a stop sequence nobody has counted
_DELTAS = {
    Block.THINKING: b'"type":"thinking_delta","thinking":',
    Block.TEXT: b'"type":"text_delta","text":',
    Block.TOOL: b'"type":"input_json_delta","partial_json":',
}


class MessageStream:
    """Writes a turn as server-sent events."""

    content_type = "text/event-stream"

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._blocks = Blocks(thinking=turn.view.reasoning)
        self._head = _message_start(turn)
        self._delta = b""
        self._signer: Signer | None = None

    def encode(self, event: Event) -> bytes:
        """Say one event in frames."""
        # Nearly all events of a turn take this short way: one more piece of the text or the thinking that is open.
        block = self._blocks.open
        if block is Block.TEXT and type(event) is TextDelta:
            return b"%b%b}}\n\n" % (self._delta, quote(event.text))
        if block is Block.THINKING and type(event) is ReasoningDelta:
            return self._piece(event.text)
        match event:
            case TextDeltas(texts):
                return self._pieces(texts)
            case TextStarted():
                return b""
            case TextEnded():
                return self._said(event)
            case TextDelta() | ReasoningDelta() | ToolStarted() | ToolArguments() | ToolEnded():
                return self._begin() + self._said(event)
            case Finished():
                return self._begin() + self._said(event) + _message_end(event)
            case Failed(error):
                # Open blocks stay open and held events unsaid: a client must not take the answer for a whole one.
                return sse(in_band(error), b"error")
            case _:
                assert_never(event)

    def ping(self) -> bytes:
        """A ``ping`` event; the message has to have started before it."""
        return self._begin() + sse(b'{"type": "ping"}', b"ping")

    def _pieces(self, texts: Sequence[str]) -> bytes:
        before = b""
        if self._blocks.open is not Block.TEXT:  # the first may open the block in which the others follow
            before, texts = self.encode(TextDelta(texts[0])), texts[1:]
        if self._blocks.open is not Block.TEXT or not texts:
            return before + b"".join([self.encode(TextDelta(text)) for text in texts])
        return b"%b%b%b}}\n\n" % (before, self._delta, quote_all(texts, b"}}\n\n" + self._delta))

    def _begin(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _said(self, event: Content) -> bytes:
        return b"".join([self._frame(step) for step in self._blocks.feed(event)])

    def _frame(self, step: Step) -> bytes:
        match step:
            case BlockStarted(index, block):
                self._signer = _signer(self._turn) if block is Block.THINKING else None
                self._delta = (
                    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{%b'
                    % (index, _DELTAS[block])
                )
                data = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (index, _empty_block(step))
                return sse(data, b"content_block_start")
            case BlockDelta(text):
                return self._piece(text)
            case BlockStopped(index):
                return self._signature(index) + sse(
                    b'{"type":"content_block_stop","index":%d}' % index, b"content_block_stop"
                )
            case _:
                assert_never(step)

    def _piece(self, text: str) -> bytes:
        if self._signer is not None:
            self._signer.update(text)
            if self._turn.view.reasoning_omitted:
                return b""
        return b"%b%b}}\n\n" % (self._delta, quote(text))

    def _signature(self, index: int) -> bytes:
        """The signature of a thinking block, which comes last in it; nothing for any other block."""
        if self._signer is None:
            return b""
        delta = b'{"type":"signature_delta","signature":%b}' % quote(self._signer.signature())
        self._signer = None
        return sse(b'{"type":"content_block_delta","index":%d,"delta":%b}' % (index, delta), b"content_block_delta")


class MessageDocument:
    """Writes a turn as one message."""

    content_type = "application/json"

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._blocks = WholeBlocks(thinking=turn.view.reasoning)
        self._content: list[dict[str, object]] = []

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the document."""
        match event:
            case TextStarted():
                pass
            case (
                TextDeltas()
                | TextDelta()
                | TextEnded()
                | ReasoningDelta()
                | ToolStarted()
                | ToolArguments()
                | ToolEnded()
            ):
                self._collect(event)
            case Finished():
                self._collect(event)
                return self._document(event)
            case Failed(error):
                return refusal(error)
            case _:
                assert_never(event)
        return b""

    def ping(self) -> bytes:
        """Nothing: a document has no room for it."""
        return b""

    def _collect(self, event: Content | TextDeltas) -> None:
        self._content += [self._whole_block(started, text) for started, text in self._blocks.feed(event)]

    def _whole_block(self, started: BlockStarted, text: str) -> dict[str, object]:
        """A block as a document shows it; ``text`` is all of its deltas."""
        match started.block:
            case Block.THINKING:
                signer = _signer(self._turn)
                signer.update(text)
                shown = "" if self._turn.view.reasoning_omitted else text
                return {"type": "thinking", "thinking": shown, "signature": signer.signature()}
            case Block.TEXT:
                return {"type": "text", "text": text}
            case Block.TOOL:
                call_id, name = started.call_id, started.name
                return {"type": "tool_use", "id": call_id, "name": name, "input": loads(text)}

    def _document(self, finished: Finished) -> bytes:
        document = {
            "id": f"msg_{self._turn.id}",
            "type": "message",
            "role": "assistant",
            "model": self._turn.model,
            "content": self._content,
            "stop_reason": _STOP_REASONS[finished.reason],
            "stop_sequence": finished.stop_sequence,
            "usage": {name: _required(name, count) for name, count in _usage(finished.usage).items()},
        }
        return dumps(document)


def _signer(turn: Turn) -> Signer:
    return Signer(turn.sealing_key, carry=turn.view.reasoning_omitted)


def _message_start(turn: Turn) -> bytes:
    message = (
        b'{"id":%b,"type":"message","role":"assistant","model":%b,"content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":%d,"output_tokens":0}}'
    ) % (quote(f"msg_{turn.id}"), quote(turn.model), turn.estimated_input or 0)
    return sse(b'{"type":"message_start","message":%b}' % message, b"message_start")


def _required(name: str, count: int | None) -> int | None:
    return _UNCOUNTED if count is None and name in _REQUIRED else count


def _message_end(finished: Finished) -> bytes:
    counts = _usage(finished.usage)
    counts["output_tokens"] = _required("output_tokens", counts["output_tokens"])
    usage = {name: count for name, count in counts.items() if count is not None}
    delta = {"stop_reason": _STOP_REASONS[finished.reason], "stop_sequence": finished.stop_sequence}
    data = dumps({"type": "message_delta", "delta": delta, "usage": usage})
    return sse(data, b"message_delta") + sse(b'{"type":"message_stop"}', b"message_stop")


def _empty_block(started: BlockStarted) -> bytes:
    """The block as ``content_block_start`` shows it, before its first delta."""
    match started.block:
        case Block.THINKING:
            return b'{"type":"thinking","thinking":"","signature":""}'
        case Block.TEXT:
            return b'{"type":"text","text":""}'
        case Block.TOOL:
            call = quote(started.call_id), quote(started.name)
            return b'{"type":"tool_use","id":%b,"name":%b,"input":{}}' % call


def _usage(usage: Usage) -> dict[str, int | None]:
    """The dialect's usage object, None for what is unknown; ``input_tokens`` excludes what went through the cache."""
    uncached = usage.input
    if uncached is not None:
        uncached = max(0, uncached - (usage.cache_read or 0) - (usage.cache_write or 0))
    return {
        "input_tokens": uncached,
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
    }
