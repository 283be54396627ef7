"""This module is the writing of a Responses answer as a stream of events.

Shapes: https://platform.openai.com/docs/api-reference/responses-streaming. Every item has its ``added`` and its ``done`` and, between them,
its parts and its text in pieces, each with the number of its event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen
from typing_extensions import assert_never

from ccproxy.blocks import Block, BlockDelta, Blocks, BlockStarted, BlockStopped, Content, Step
from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import CallKind
from ccproxy.dialects.openai_responses.custom_input import InputReader
from ccproxy.dialects.openai_responses.frames import Frames
from ccproxy.dialects.openai_responses.output import Item, Items, asked_of, text_part
from ccproxy.dialects.openai_responses.resource import INCOMPLETE
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
from ccproxy.framing import quote, quotes


@frozen
class _Form:
    """How the text of an item is said: in ``text.delta`` and ``text.done``, within ``part.added`` and ``part.done`` if it is a part.

    Attributes:
        text: What the events of the text begin with.
        whole: The field that ``text.done`` has the whole text in.
        part: What the events of the part begin with; empty when the text is none.
        place: The field that counts parts.
        kind: The type of a part that has nothing but its text; empty for the part of a message.
    """

    text: bytes
    whole: bytes
    part: bytes = b""
    place: bytes = b""
    kind: str = ""


_TEXT = _Form(b"response.output_text", b"text", b"response.content_part", b"content_index")
_REASONING = _Form(
    b"response.reasoning_text", b"text", b"response.content_part", b"content_index", kind="reasoning_text"
)
_SUMMARY = _Form(
    b"response.reasoning_summary_text",
    b"text",
    b"response.reasoning_summary_part",
    b"summary_index",
    kind="summary_text",
)
_CALLS = {
    CallKind.FUNCTION: _Form(b"response.function_call_arguments", b"arguments"),
    CallKind.CUSTOM: _Form(b"response.custom_tool_call_input", b"input"),
}


class _Open:
    """The item that is open: what was said of it, and what its events have in common.

    Attributes:
        said: The pieces of its block.
        place: Where its text stands, as the inside of a JSON object.
        delta: A whole frame with a piece of its text, up to the number.
        reader: Reads the text out of the arguments of a custom tool; None for any other item.
    """

    def __init__(self, item: Item, form: _Form | None) -> None:
        self.item = item
        self.form = form
        self.said: list[str] = []
        self.place = self.delta = b""
        self.reader = InputReader() if item.form.kind is CallKind.CUSTOM else None
        if form is not None:
            self.place = b'"item_id":%b,"output_index":%d' % (quote(item.id), item.index)
            if form.place:
                self.place += b',"%b":0' % form.place
            logprobs = b',"logprobs":[]' if form is _TEXT else b""
            head = b'event: %b.delta\ndata: {"type":"%b.delta",%b%b,"sequence_number":'
            self.delta = head % (form.text, form.text, self.place, logprobs)

    def part(self, text: str) -> bytes:
        """The part that the text is, as JSON."""
        kind = self.form.kind if self.form else ""
        return quote({"type": kind, "text": text} if kind else text_part(text))

    def keep(self, text: str) -> bytes:
        """Take a piece of which nothing is shown yet."""
        self.said.append(text)
        return b""


class ResponseStream:
    """Writes a turn as server-sent events."""

    content_type = "text/event-stream"

    def __init__(self, turn: Turn) -> None:
        self._frames = Frames(turn)
        self._items = Items(turn)
        self._blocks = Blocks(thinking=turn.view.reasoning)
        self._thinking = _SUMMARY if asked_of(turn).summary else _REASONING
        self._open = _Open(Item(-1, "", Block.TEXT), None)  # nothing is open before the first block
        self._stopped: tuple[Item, str] | None = None

    def records(self, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep of the turn, by names."""
        return self._frames.response.records(always=always)

    def encode(self, event: Event) -> bytes:
        """Say one event in frames."""
        # Nearly all events of a turn take this short way: one more piece of the text or the thinking that is open.
        block = self._blocks.open
        if (block is Block.TEXT and type(event) is TextDelta) or (
            block is Block.THINKING and type(event) is ReasoningDelta
        ):
            return self._piece(event.text)
        match event:
            case TextDeltas(texts):
                return self._pieces(texts)
            case TextStarted():
                return b""
            case TextEnded():
                return self._said(event)
            case TextDelta() | ReasoningDelta() | ToolStarted() | ToolArguments() | ToolEnded():
                return self._frames.begin() + self._said(event)
            case Finished():
                last = self._frames.begin() + self._said(event) + self._close(cut=event.reason in INCOMPLETE)
                return last + self._frames.finish(event)
            case Failed():
                # The open item stays open and held events unsaid: a client must not take the answer for a whole one.
                return self._close() + self._frames.fail(event)
            case _:
                assert_never(event)

    def ping(self) -> bytes:
        """A sign of life; it begins the response."""
        return self._frames.ping()

    def _pieces(self, texts: Sequence[str]) -> bytes:
        before = b""
        if self._blocks.open is not Block.TEXT:  # the first may open the block in which the others follow
            before, texts = self.encode(TextDelta(texts[0])), texts[1:]
        if self._blocks.open is not Block.TEXT or not texts:
            return before + b"".join([self.encode(TextDelta(text)) for text in texts])
        self._open.said.extend(texts)
        pieces = self._frames.pieces(self._open.delta, quotes(texts))
        return before + pieces if before else pieces

    def _piece(self, text: str) -> bytes:
        opened, frames = self._open, self._frames
        opened.said.append(text)
        number = frames.number
        frames.number = number + 1
        return b'%b%d,"delta":%b}\n\n' % (opened.delta, number, quote(text))

    def _said(self, event: Content) -> bytes:
        return b"".join([self._step(step) for step in self._blocks.feed(event)])

    def _step(self, step: Step) -> bytes:
        match step:
            case BlockStarted():
                return self._close() + self._start(step)
            case BlockDelta(text):
                return self._delta(text)
            case BlockStopped():
                return self._stop()
            case _:
                assert_never(step)

    def _start(self, started: BlockStarted) -> bytes:
        item = self._items.start(started)
        opened = self._open = _Open(item, self._form(item))
        added = self._frames.added(item.index, self._items.begun(item))
        form = opened.form
        if form is None or not form.part:
            return added
        return added + self._frames.event(form.part + b".added", opened.place + b',"part":' + opened.part(""))

    def _delta(self, text: str) -> bytes:
        """The next piece of any item: nothing where there is nothing to show of it yet."""
        opened = self._open
        if opened.reader is None:
            return self._piece(text) if text and opened.form else opened.keep(text)
        opened.keep(text)
        return self._shown(opened.reader.feed(text))

    def _shown(self, text: str) -> bytes:
        if not text:
            return b""
        number = self._frames.number
        self._frames.number = number + 1
        return b'%b%d,"delta":%b}\n\n' % (self._open.delta, number, quote(text))

    def _stop(self) -> bytes:
        opened = self._open
        text = "".join(opened.said)
        last = self._shown(opened.reader.end(text)) if opened.reader else b""
        if opened.form is not None:
            last += self._text_done(opened, opened.form, text)
        self._stopped = opened.item, text
        # Only its end shows whether a turn broke off in the message that was said last, and that is where the item is done.
        return last if opened.item.block is Block.TEXT else last + self._close()

    def _text_done(self, opened: _Open, form: _Form, text: str) -> bytes:
        shown = self._items.whole(opened.item, text)["input"] if opened.reader else text
        fields = b'%b,"%b":%b' % (opened.place, form.whole, quote(shown))
        if form is _TEXT:
            fields += b',"logprobs":[]'
        elif form.whole == b"arguments":
            fields += b',"name":' + quote(opened.item.form.name)
        done = self._frames.event(form.text + b".done", fields)
        if form.part:
            done += self._frames.event(form.part + b".done", opened.place + b',"part":' + opened.part(text))
        return done

    def _close(self, *, cut: bool = False) -> bytes:
        """The end of the item whose block has stopped, if it is still to be said."""
        if self._stopped is None:
            return b""
        (item, text), self._stopped = self._stopped, None
        return self._frames.done(item.index, self._items.whole(item, text, cut=cut))

    def _form(self, item: Item) -> _Form | None:
        match item.block:
            case Block.THINKING:
                return self._thinking
            case Block.TEXT:
                return _TEXT
            case Block.TOOL:
                return _CALLS.get(item.form.kind)
