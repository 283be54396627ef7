"""This module is the order of an answer's parts: any turn, in blocks that never overlap.

Upstream, text, reasoning and tool calls may overlap. In the Messages API a block has to stop before the next one starts, every delta
belongs to the block that is open, and indices count the starts (https://docs.anthropic.com/en/docs/build-with-claude/streaming); the output
items of the Responses API keep the same order. What becomes of an event is decided by the block that is open, and `_TABLE` is the whole
decision. Streams and documents are both written from the steps that come out of here, and so they cannot disagree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import TypeAlias

from attrs import frozen
from typing_extensions import assert_never

from ccproxy.events import (
    Finished,
    ReasoningDelta,
    TextDelta,
    TextDeltas,
    TextEnded,
    ToolArguments,
    ToolEnded,
    ToolStarted,
)

Content: TypeAlias = TextDelta | TextEnded | ReasoningDelta | ToolStarted | ToolArguments | ToolEnded | Finished
"""The events that blocks are made of, and the one that ends them all."""


class Block(Enum):
    """What a block holds."""

    THINKING = auto()
    TEXT = auto()
    TOOL = auto()


@frozen
class BlockStarted:
    """A block starts; ``call_id`` and ``name`` are those of a tool call."""

    index: int
    block: Block
    call_id: str = ""
    name: str = ""


@frozen
class BlockDelta:
    """The next piece of the open block: its text, or of a call the JSON text of its input."""

    text: str


@frozen
class BlockStopped:
    """The open block is complete."""

    index: int


Step: TypeAlias = BlockStarted | BlockDelta | BlockStopped


class _Said(Enum):
    """What an event means to the block that is open."""

    REASONING = auto()
    TEXT = auto()
    TEXT_ENDED = auto()
    CALL = auto()
    ARGUMENTS = auto()
    CALL_ENDED = auto()
    OTHER_CALL = auto()
    FINISHED = auto()


class _Do(Enum):
    """What becomes of an event."""

    START = auto()
    DELTA = auto()
    STOP = auto()
    STOP_FIRST = auto()
    HOLD = auto()
    SKIP = auto()


# What has no row cannot happen: a call that is complete is not continued, and a turn that finishes inside a call has failed.
_TABLE = {
    (None, _Said.REASONING): _Do.START,
    (None, _Said.TEXT): _Do.START,
    (None, _Said.TEXT_ENDED): _Do.SKIP,
    (None, _Said.CALL): _Do.START,
    (None, _Said.FINISHED): _Do.SKIP,
    (Block.THINKING, _Said.REASONING): _Do.DELTA,
    (Block.THINKING, _Said.TEXT): _Do.STOP_FIRST,
    (Block.THINKING, _Said.TEXT_ENDED): _Do.SKIP,
    (Block.THINKING, _Said.CALL): _Do.STOP_FIRST,
    (Block.THINKING, _Said.FINISHED): _Do.STOP_FIRST,
    (Block.TEXT, _Said.REASONING): _Do.HOLD,
    (Block.TEXT, _Said.TEXT): _Do.DELTA,
    (Block.TEXT, _Said.TEXT_ENDED): _Do.STOP,
    (Block.TEXT, _Said.CALL): _Do.STOP_FIRST,
    (Block.TEXT, _Said.FINISHED): _Do.STOP_FIRST,
    (Block.TOOL, _Said.REASONING): _Do.HOLD,
    (Block.TOOL, _Said.TEXT): _Do.HOLD,
    (Block.TOOL, _Said.TEXT_ENDED): _Do.HOLD,
    (Block.TOOL, _Said.CALL): _Do.HOLD,
    (Block.TOOL, _Said.ARGUMENTS): _Do.DELTA,
    (Block.TOOL, _Said.CALL_ENDED): _Do.STOP,
    (Block.TOOL, _Said.OTHER_CALL): _Do.HOLD,
}


class Blocks:
    """Puts the events of one turn into blocks.

    Args:
        thinking: Whether reasoning is shown; else it makes no block.

    Attributes:
        open: The kind of the block that is open, or None.
    """

    def __init__(self, *, thinking: bool) -> None:
        self.open: Block | None = None
        self._thinking = thinking
        self._count = 0
        self._call_id = ""
        self._held: list[Content] = []

    def feed(self, event: Content) -> Iterator[Step]:
        """Take the next event and give the steps that it leads to, those of held events included."""
        pending = deque((event,))
        while pending:
            event = pending.popleft()
            said, text = self._meaning(event)
            if said is None:
                continue
            match _TABLE[self.open, said]:
                case _Do.START:
                    yield self._start(event)
                    if text:
                        yield BlockDelta(text)
                case _Do.DELTA:
                    yield BlockDelta(text)
                case _Do.STOP:
                    yield self._stop()
                    pending.extendleft(reversed(self._release()))
                case _Do.STOP_FIRST:
                    yield self._stop()
                    pending.appendleft(event)
                    pending.extendleft(reversed(self._release()))
                case _Do.HOLD:
                    self._held.append(event)
                case _Do.SKIP:
                    pass

    def _meaning(self, event: Content) -> tuple[_Said | None, str]:
        """What the event means now, with its piece of a block; None if it says nothing, as no block may be empty."""
        match event:
            case TextDelta(text):
                return _Said.TEXT if text else None, text
            case ReasoningDelta(text):
                return _Said.REASONING if text and self._thinking else None, text
            case TextEnded():
                return _Said.TEXT_ENDED, ""
            case ToolStarted():
                return _Said.CALL, ""
            case ToolArguments(call_id, fragment):
                return _Said.ARGUMENTS if call_id == self._call_id else _Said.OTHER_CALL, fragment
            case ToolEnded(call_id):
                return _Said.CALL_ENDED if call_id == self._call_id else _Said.OTHER_CALL, ""
            case Finished():
                return _Said.FINISHED, ""

    def _start(self, event: Content) -> BlockStarted:
        index = self._count
        self._count += 1
        if isinstance(event, ToolStarted):
            self.open, self._call_id = Block.TOOL, event.call_id
            return BlockStarted(index, Block.TOOL, event.call_id, event.name)
        self.open = Block.TEXT if isinstance(event, TextDelta) else Block.THINKING
        return BlockStarted(index, self.open)

    def _stop(self) -> BlockStopped:
        self.open = None
        return BlockStopped(self._count - 1)

    def _release(self) -> list[Content]:
        held, self._held = self._held, []
        return held


class WholeBlocks:
    """Puts the events of one turn into blocks, each of which comes out when it is whole; the same arguments as `Blocks`."""

    def __init__(self, *, thinking: bool) -> None:
        self._blocks = Blocks(thinking=thinking)
        self._started = BlockStarted(0, Block.TEXT)
        self._pieces: list[str] = []

    def feed(self, event: Content | TextDeltas) -> Iterator[tuple[BlockStarted, str]]:
        """Take the next event and give the blocks that it completes, each with its whole text."""
        if isinstance(event, TextDeltas):
            for text in event.texts:
                yield from self.feed(TextDelta(text))
            return
        for step in self._blocks.feed(event):
            match step:
                case BlockStarted():
                    self._started, self._pieces = step, []
                case BlockDelta(text):
                    self._pieces.append(text)
                case BlockStopped():
                    yield self._started, "".join(self._pieces)
                case _:
                    assert_never(step)
