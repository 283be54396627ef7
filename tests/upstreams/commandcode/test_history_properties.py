"""Tests of the repair of conversations, for any conversation at all."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import ProxyError
from ccproxy.prompt import Image, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from ccproxy.upstreams.commandcode.history import History, repair
from tests.upstreams.commandcode.conversations import conversations, parts_of

HELLO = Message(Role.USER, (Text("hello"),))
MOVED = "[From the result of the tool "

any_conversation = given(conversations())
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def complaint(messages: Sequence[Message]) -> str | None:
    """What the upstream has against a conversation, if anything."""
    complaints = (*map(_misshapen, messages), _unpaired(messages))
    return next((complaint for complaint in complaints if complaint), None)


def _misshapen(message: Message) -> str | None:
    """What is wrong with a message by itself."""
    kinds = [type(part) for part in message.parts]
    if not kinds:
        return "an empty message"
    if any(isinstance(part, (Text, Reasoning)) and not part.text.strip() for part in message.parts):
        return "a blank part"
    match message.role:
        case Role.ASSISTANT if kinds == sorted(kinds, key=[Reasoning, Text, ToolCall].index):
            calls = [part for part in message.parts if isinstance(part, ToolCall)]
            whole = all(part.name and isinstance(json.loads(part.arguments), dict) for part in calls)
            return None if whole else "a call without a name or an object"
        case Role.USER if set(kinds) <= {Text, Image}:
            return None
        case Role.TOOL if set(kinds) == {ToolResult}:
            return None
        case role:
            return f"parts of {role} that are none of its own, or out of order"


def _unpaired(messages: Sequence[Message]) -> str | None:
    """What is wrong with the calls and their results."""
    waiting: list[str] = []
    seen: list[str] = []
    for message in messages:
        answered = [part.call_id for part in message.parts if isinstance(part, ToolResult)]
        if answered != waiting:
            return "results that are not those of the calls right before them"
        waiting = [part.call_id for part in message.parts if isinstance(part, ToolCall)]
        seen += waiting
    if waiting:
        return "a call without a result at the end"
    return None if all(seen) and len(set(seen)) == len(seen) else "an id that does not name one call"


def texts(messages: Sequence[Message]) -> set[str]:
    """Every numbered text that is somewhere in the messages."""
    said = []
    for part in parts_of(messages):
        match part:
            case Text(text) | Reasoning(text) | ToolCall(_, _, text):
                said.append(text)
            case ToolResult(_, content):
                said += [piece.text for piece in content if isinstance(piece, Text)]
            case Image(_, data):
                said.append(f"«{data}»")
    return {f"{piece.partition('»')[0]}»" for text in said for piece in text.split("«")[1:]}


def pictures(messages: Sequence[Message]) -> set[str]:
    """Every image that is somewhere in the messages."""
    contents = [part.content if isinstance(part, ToolResult) else (part,) for part in parts_of(messages)]
    return {piece.data for content in contents for piece in content if isinstance(piece, Image)}


def without_replaced(messages: Sequence[Message]) -> list[Message]:
    """The messages without each result that a later one for the same id may replace before the assistant speaks again."""
    kept: list[Message] = []
    following: set[str] = set()
    for message in reversed(messages):
        parts = []
        for part in reversed(message.parts):
            if isinstance(part, ToolResult):
                if part.call_id in following:
                    continue
                following.add(part.call_id)
            parts.append(part)
        if message.role is Role.ASSISTANT and any(map(speaks, message.parts)):
            following.clear()
        kept.append(Message(message.role, tuple(reversed(parts))))
    return kept[::-1]


def speaks(part: Part) -> bool:
    """Whether an assistant that says this has said anything."""
    return isinstance(part, ToolCall) or (isinstance(part, (Text, Reasoning)) and bool(part.text.strip()))


def outcome(messages: Sequence[Message]) -> History:
    """The repaired conversation; one that says nothing is as good as a greeting."""
    try:
        return repair(messages)
    except ProxyError:
        return repair((HELLO,))


def unmoved(messages: Sequence[Message]) -> list[Message]:
    """The messages without results and without the images that come from them."""

    def moved(message: Message) -> bool:
        first = message.parts[0]
        return isinstance(first, Text) and first.text.startswith(MOVED)

    return [message for message in messages if message.role is not Role.TOOL and not moved(message)]


class AnyConversationTests(SynchronousTestCase):
    """What holds whatever the client sends."""

    @any_conversation
    @patient
    def test_taken(self, messages: Sequence[Message]) -> None:
        """The upstream takes it."""
        history = outcome(messages)

        self.assertIsNone(complaint(history.messages))
        self.assertTrue(history.system)

    @any_conversation
    @patient
    def test_nothing_lost(self, messages: Sequence[Message]) -> None:
        """Every text and every image of the client goes up."""
        history = outcome(messages)

        kept = without_replaced(messages)
        went_up = texts((Message(Role.SYSTEM, (Text(history.system),)), *history.messages))
        self.assertEqual(texts(kept) - went_up, set())
        self.assertEqual(pictures(kept) - pictures(history.messages), set())

    @any_conversation
    @patient
    def test_repaired_once(self, messages: Sequence[Message]) -> None:
        """What was repaired needs no repair."""
        history = outcome(messages)

        again = repair(history.messages)

        self.assertEqual(again, History(" ", history.messages))


class GrowthTests(SynchronousTestCase):
    """What holds when a conversation goes on."""

    @given(conversations(), conversations())
    @patient
    def test_prefix(self, before: Sequence[Message], after: Sequence[Message]) -> None:
        """What went up goes up again unchanged, if no result for an earlier call was added."""
        earlier = {part.call_id for part in parts_of(before) if isinstance(part, ToolCall)}
        added = [
            Message(
                message.role, tuple(part for part in message.parts if getattr(part, "call_id", None) not in earlier)
            )
            for message in after
        ]

        short, long = repair((HELLO, *before)), repair((HELLO, *before, *added))

        self.assertEqual(long.messages[: len(short.messages)], short.messages)
        self.assertEqual(long.system, short.system)

    @given(conversations(), conversations())
    @patient
    def test_late_results(self, before: Sequence[Message], after: Sequence[Message]) -> None:
        """A result that was added changes nothing but the answer to its call."""
        short, long = repair((HELLO, *before)), repair((HELLO, *before, *after))

        said = unmoved(short.messages)
        self.assertEqual(unmoved(long.messages)[: len(said)], said)
