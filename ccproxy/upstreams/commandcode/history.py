"""This module is the repair of a conversation: any history becomes one that the upstream takes.

The upstream knows three roles and one rule that clients break in every way: each tool call of an assistant message is answered once,
right after it. So the conversation is read as a row of turns. A turn is one assistant message, the results of its calls, and what
was said to the assistant before it spoke again; what was said waits until the results are closed. A result that arrives late still
goes to its call.

Nothing depends on what comes later, except that a call is answered: when a conversation grows, the bytes that went up before go up
again, which is what the upstream's prompt cache keys on. No text of the client is lost but what is blank, Claude Code's billing
header, and a result that a second one replaced before the model saw either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from attrs import define, field, frozen

from ccproxy.errors import Kind, ProxyError
from ccproxy.prompt import Image, Message, Note, NoteCode, Part, Reasoning, Role, Text, ToolCall, ToolResult
from ccproxy.upstreams.commandcode import results

_NO_SYSTEM = " "
_NO_ID = "call"
_NO_NAME = "unknown"
_BILLING_HEADER = "x-anthropic-billing-header:"


@frozen
class History:
    """A conversation that the upstream takes.

    Attributes:
        system: The system text, never empty: without any, the upstream injects several thousand tokens of its own.
        messages: User, assistant and tool messages. The ids of all calls differ, the arguments of each are the text of a JSON
            object, and the content of each result is one `Text`.
        notes: What was repaired, one note for each kind of repair; the subjects are ids of calls.
    """

    system: str = field(repr=False)
    messages: tuple[Message, ...]
    notes: tuple[Note, ...] = ()


def repair(messages: Sequence[Message], place: str = "messages") -> History:
    """Make a conversation one that the upstream takes.

    A conversation of system text alone, which has nothing to answer, is sent as a user's message.

    Args:
        messages: The conversation.
        place: What the client calls it.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`, when no message says anything.
    """
    notes = _Notes()
    leading = tuple(takewhile(lambda message: message.role is Role.SYSTEM, messages))
    system = _system_text(leading, notes)
    reader = _Reader(notes)
    for message in leading:
        reader.hear([part for part in message.parts if not isinstance(part, Text)])
    for message in messages[len(leading) :]:
        reader.read(message)
    repaired = tuple(message for turn in reader.turns for message in turn.messages(notes))
    if not repaired and system:
        repaired, system = (_tagged(system, notes),), ""
    if not repaired:
        raise ProxyError(Kind.INVALID_REQUEST, f"{place}: no message says anything.", field=place)
    return History(system or _NO_SYSTEM, repaired, notes.all())


@define
class _Notes:
    """The notes of one repair, gathered by code."""

    _subjects: dict[NoteCode, dict[str, None]] = field(factory=dict)

    def add(self, code: NoteCode, *subjects: str) -> None:
        self._subjects.setdefault(code, {}).update(dict.fromkeys(subjects))

    def all(self) -> tuple[Note, ...]:
        return tuple(Note(code, tuple(subjects)) for code, subjects in self._subjects.items())


@define(eq=False)
class _Pending:
    """A call and its result.

    Attributes:
        call: The call as it goes up.
        client_id: Its id as the client knows it.
        result: None as long as there is none.
        answered: The turn in whose course the result came.
    """

    call: ToolCall
    client_id: str
    result: ToolResult | None = None
    answered: _Turn | None = None


@define(eq=False)
class _Turn:
    """One assistant message and what followed it; the first turn of a conversation has no assistant message."""

    said: tuple[Part, ...] = ()
    calls: tuple[_Pending, ...] = ()
    heard: list[Message] = field(factory=list)

    def messages(self, notes: _Notes) -> Iterator[Message]:
        """The turn in the order that the upstream wants."""
        if self.said:
            yield Message(Role.ASSISTANT, self.said)
        if self.calls:
            yield Message(Role.TOOL, tuple(_result(pending, notes) for pending in self.calls))
        if pictures := tuple(part for pending in self.calls for part in _pictures(pending, notes)):
            yield Message(Role.USER, pictures)
        yield from self.heard


class _Reader:
    """Reads a conversation message by message into turns."""

    def __init__(self, notes: _Notes) -> None:
        self.turns = [_Turn()]
        self._notes = notes
        self._used_ids: set[str] = set()
        self._copies: dict[str, int] = {}
        # By the client's id, of the newest assistant message that has the id.
        self._waiting: dict[str, deque[_Pending]] = {}
        self._answered: dict[str, _Pending] = {}

    def read(self, message: Message) -> None:
        """Take the next message, which is not one of the leading system messages."""
        match message.role:
            case Role.ASSISTANT:
                kept = self._speak(message.parts)
                kept |= self.hear(part for part in message.parts if isinstance(part, (Image, ToolResult)))
            case Role.SYSTEM:
                kept = self._instruct(message.parts)
                kept |= self.hear(part for part in message.parts if not isinstance(part, Text))
            case Role.USER | Role.TOOL:
                kept = self.hear(message.parts)
        if not kept:
            self._notes.add(NoteCode.EMPTY_DROPPED)

    def hear(self, parts: Iterable[Part]) -> bool:
        """Take what a user or a tool says, and tell whether it is anything."""
        said: list[Part] = []
        answers = False
        for part in parts:
            if isinstance(part, ToolResult):
                answers = True
                said += self._take(part)
            else:
                said += _as_user(part)
        if said:
            self.turns[-1].heard.append(Message(Role.USER, tuple(said)))
        return answers or bool(said)

    def _speak(self, parts: Sequence[Part]) -> bool:
        """Take what the assistant says, in the upstream's order, and begin a turn with it if it is anything."""
        reasoning = [part for part in parts if isinstance(part, Reasoning) and part.text.strip()]
        calls = tuple(self._pending(part) for part in parts if isinstance(part, ToolCall))
        said: tuple[Part, ...] = (*reasoning, *_texts(parts), *(pending.call for pending in calls))
        if not said:
            return False
        self.turns.append(_Turn(said, calls))
        for pending in calls:
            self._waiting.pop(pending.client_id, None)
            self._answered.pop(pending.client_id, None)
        for pending in calls:
            self._waiting.setdefault(pending.client_id, deque()).append(pending)
        return True

    def _instruct(self, parts: Sequence[Part]) -> bool:
        """Take system text in the middle of the conversation, where the upstream has no place for it."""
        texts = _texts(parts)
        if texts:
            self.turns[-1].heard.append(_tagged(_joined(texts), self._notes))
        return bool(texts)

    def _take(self, result: ToolResult) -> Sequence[Part]:
        """Give a result to its call, or back as what the user says when no call can have it."""
        turn = self.turns[-1]
        pending = self._answered.get(result.call_id)
        if waiting := self._waiting.get(result.call_id):
            pending = waiting.popleft()
        elif pending is None:
            self._notes.add(NoteCode.RESULT_ORPHANED, result.call_id)
            return results.stray(result, superfluous=False)
        else:
            self._notes.add(NoteCode.RESULT_DUPLICATE, result.call_id)
            if pending.answered is not turn:
                return results.stray(result, superfluous=True)
        pending.result, pending.answered = result, turn
        self._answered[result.call_id] = pending
        return ()

    def _pending(self, call: ToolCall) -> _Pending:
        arguments = results.arguments(call.arguments)
        if arguments != call.arguments:
            self._notes.add(NoteCode.ARGUMENTS_REPAIRED, call.call_id)
        return _Pending(ToolCall(self._unique(call.call_id), call.name or _NO_NAME, arguments), call.call_id)

    def _unique(self, client_id: str) -> str:
        """An id that no earlier call has, and that depends on nothing but the earlier calls."""
        unique = client_id or _NO_ID
        if unique in self._used_ids and client_id:
            self._notes.add(NoteCode.CALL_DUPLICATE, client_id)
        while unique in self._used_ids:
            self._copies[client_id] = self._copies.get(client_id, 1) + 1
            unique = f"{client_id or _NO_ID}_{self._copies[client_id]}"
        self._used_ids.add(unique)
        return unique


def _result(pending: _Pending, notes: _Notes) -> ToolResult:
    if pending.result is None:
        notes.add(NoteCode.RESULT_MISSING, pending.client_id)
        return results.interrupted(pending.call)
    return results.textual(pending.result, pending.call)


def _pictures(pending: _Pending, notes: _Notes) -> Sequence[Part]:
    pictures = results.images(pending.result, pending.call) if pending.result else ()
    if pictures:
        notes.add(NoteCode.IMAGE_MOVED, pending.client_id)
    return pictures


def _system_text(leading: Iterable[Message], notes: _Notes) -> str:
    blocks = [block for message in leading for block in _texts(message.parts)]
    for index, block in enumerate(blocks):
        if block.text.startswith(_BILLING_HEADER):
            # Its line only: a client that joins its blocks sends the real system text in the same block.
            blocks[index] = Text(block.text.partition("\n")[2])
            notes.add(NoteCode.BILLING_HEADER_DROPPED)
            break
    return _joined(_texts(blocks))


def _tagged(text: str, notes: _Notes) -> Message:
    notes.add(NoteCode.SYSTEM_TAGGED)
    return Message(Role.USER, (Text(f"<system>\n{text}\n</system>"),))


def _texts(parts: Iterable[Part]) -> tuple[Text, ...]:
    return tuple(part for part in parts if isinstance(part, Text) and not part.is_blank)


def _joined(texts: Iterable[Text]) -> str:
    return "\n".join(part.text for part in texts)


def _as_user(part: Part) -> Sequence[Part]:
    """A part as a user can say it; reasoning and calls, which no user should have, become text."""
    match part:
        case Text():
            return () if part.is_blank else (part,)
        case Image():
            return (part,)
        case Reasoning(text):
            return _texts((Text(text),))
        case ToolCall(_, name, arguments):
            return _texts((Text(f"{name} {arguments}"),))
        case ToolResult():
            return ()  # which is taken elsewhere
