"""This module is a conversation that is summed up: what the model is asked for, and the item that stands for all that was said.

Shapes: https://platform.openai.com/docs/api-reference/responses/compact. The client cannot read the item; it gives it back in place of what
came before, and the sum goes up again. ``POST /v1/responses/compact`` answers with the user's own messages before it, newest last, as far
as they are not long: they are what a summary loses first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve
from typing_extensions import assert_never

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.frames import Frames
from ccproxy.dialects.openai_responses.output import asked_of, item_id
from ccproxy.dialects.openai_responses.refusal import refusal
from ccproxy.dialects.openai_responses.resource import Response, usage
from ccproxy.envelopes import LIMIT, Content, Envelopes
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
from ccproxy.framing import dumps, quote
from ccproxy.prompt import Message, Prompt, Role, Text

_REQUEST = """\
Stop working on the task here. Sum up this conversation for somebody who goes on with it and sees nothing but your summary. Write down:
- what the user wants, with every condition and preference that was named, in the user's own words where the wording matters;
- what was done and decided so far, and why; which files, commands, names and values were involved, exactly as they are written;
- what was found out, tools' results included, as far as it is still needed; what failed, and how;
- what is unfinished, and what the next step was going to be.
Leave out what no longer matters. Answer with the summary alone, without any introduction, and call no tools."""
_OPENING = "The conversation so far, summed up:\n\n"
_LONGEST_SUMMARY = LIMIT // 4 - len(_OPENING)  # characters, of which each may take four bytes
_ROOM = 256 * 1024  # bytes of the user's messages that are given back


def asked_for(prompt: Prompt) -> Prompt:
    """The request for the sum of a prompt's conversation, instead of for its next turn."""
    kept = prompt.view.kept if isinstance(prompt.view.kept, Asked) else Asked()
    return evolve(
        prompt,
        messages=(*prompt.messages, Message(Role.USER, (Text(_REQUEST),))),
        tools=(),
        tool_choice=None,
        parallel_tool_calls=None,
        max_tokens=None,
        stop=(),
        output=None,
        view=evolve(prompt.view, reasoning=False, whole=True, kept=evolve(kept, compaction=True)),
    )


class _Summary:
    """Collects the text of a turn; what else it says is not part of the sum."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._texts: list[str] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._texts.append(event.text)
        elif isinstance(event, TextDeltas):
            self._texts.extend(event.texts)

    def item(self) -> dict[str, object]:
        text = _OPENING + "".join(self._texts)[:_LONGEST_SUMMARY]
        sealed = Envelopes(self._turn.sealing_key).sealed(text, Content.SUMMARY)
        return {"type": "compaction", "id": item_id("cmp", self._turn, 0), "encrypted_content": sealed}


class CompactionStream:
    """Writes a turn as events around one compaction item."""

    content_type = "text/event-stream"

    def __init__(self, turn: Turn) -> None:
        self._frames = Frames(turn)
        self._summary = _Summary(turn)

    def records(self, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep of the turn, by names."""
        return self._frames.response.records(always=always)

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the item, the others begin the response."""
        match event:
            case Finished():
                item = self._summary.item()
                said = self._frames.begin() + self._frames.added(0, item) + self._frames.done(0, item)
                return said + self._frames.finish(event)
            case Failed():
                return self._frames.fail(event)
            case TextStarted() | TextEnded():
                return b""
            case TextDelta() | TextDeltas() | ReasoningDelta() | ToolStarted() | ToolArguments() | ToolEnded():
                self._summary.hear(event)
                return self._frames.begin()
            case _:
                assert_never(event)

    def ping(self) -> bytes:
        """A sign of life; it begins the response."""
        return self._frames.ping()


class CompactionDocument:
    """Writes a turn as one object with one compaction item.

    Args:
        turn: The turn.
        bare: Whether the object is ``response.compaction``; else it is a whole response.
    """

    content_type = "application/json"

    def __init__(self, turn: Turn, *, bare: bool) -> None:
        self._turn = turn
        self._bare = bare
        self._response = Response(turn)
        self._summary = _Summary(turn)

    def records(self, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep of the turn, by names."""
        return self._response.records(always=always)

    def encode(self, event: Event) -> bytes:
        """Collect one event; the last one gives the document."""
        if isinstance(event, Failed):
            self._response.failed(event)
            return refusal(event.error)
        self._summary.hear(event)
        return self._document(event) if isinstance(event, Finished) else b""

    def ping(self) -> bytes:
        """Nothing: a document has no room for it."""
        return b""

    def _document(self, finished: Finished) -> bytes:
        item = self._summary.item()
        if not self._bare:
            self._response.add(item)
            return self._response.ended(finished)
        return quote(
            {
                "id": self._response.id,
                "object": "response.compaction",
                "created_at": self._turn.created,
                "output": [*_newest(self._turn), item],
                "usage": usage(finished.usage),
            }
        )


def _newest(turn: Turn) -> list[dict[str, object]]:
    """The newest messages of the user, as many as there is room for, in the order in which they were said."""
    chosen: list[dict[str, object]] = []
    room = _ROOM
    for content in _contents_backwards(asked_of(turn)):
        room -= len(dumps(content))
        if room < 0:
            break
        index = len(chosen) + 1
        head = {"type": "message", "id": item_id("msg", turn, index), "status": "completed", "role": "user"}
        chosen.append({**head, "content": content})
    return chosen[::-1]


def _contents_backwards(asked: Asked) -> Iterator[object]:
    for item in reversed(asked.items):
        if item.get("role") == "user" and item.get("type", "message") == "message":
            content = item.get("content")
            yield [{"type": "input_text", "text": content}] if isinstance(content, str) else content
