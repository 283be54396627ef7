"""This module is one turn, from upstream bytes to client bytes: decoder, stages, encoder, and the grammar that they keep.

The grammar: a turn is open until it has an outcome; then it drops whatever follows. It ends well only if every call that it began is
complete, and if it said something, unless a limit or a stop sequence came first. Whether it called a tool follows from what was said and
not from what the upstream claims: a completed call means `FinishReason.TOOL_CALLS`, none means that it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from ccproxy.codecs import Decoder, Encoder, Stage
from ccproxy.errors import Kind, ProxyError
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
    singly,
)


class Translator:
    """Bytes in, bytes out, for one attempt at one turn.

    Attributes:
        outcome: How the turn ended; None while it is open.
        decisive: The turn said something: text, reasoning, a call, or its end.
        text_open: What the upstream said last was text: it should go on talking.
    """

    def __init__(self, decoder: Decoder, stages: Sequence[Stage], encoder: Encoder) -> None:
        self.outcome: Finished | Failed | None = None
        self.decisive = False
        self.text_open = False
        self._decoder = decoder
        self._stages = stages
        self._encoder = encoder
        self._grammar = _Grammar()

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes and give the client bytes that they make, of all their events together.

        A failure is not among these bytes: before the first byte it is an exception and after it a frame, and which of the two is
        the caller's to know. `outcome` holds it, and `fail` frames it.
        """
        if self.outcome is not None:
            return b""
        return self._encode(self._decoder.feed(data))

    def end(self) -> bytes:
        """Take the end of the upstream's answer; it settles the turn."""
        if self.outcome is not None:
            return b""
        return self._encode(self._decoder.end())

    def fail(self, error: ProxyError) -> bytes:
        """Say in the dialect's own form that the turn failed, after what a stage may still hold, and settle it."""
        held: list[Event] = []
        spent = Usage()
        if isinstance(self.outcome, Failed):
            spent = self.outcome.usage
        else:
            held = [event for event in self._staged(Failed(error)) if not isinstance(event, Failed)]
        self.outcome = Failed(error, spent)
        return b"".join(self._encoder.encode(event) for event in (*held, self.outcome))

    def ping(self) -> bytes:
        """Something harmless that keeps the client waiting."""
        return self._encoder.ping()

    def _encode(self, events: Iterable[Event]) -> bytes:
        if self._stages:  # they rewrite single events; without them nobody minds what comes together
            return self._encode_staged(singly(events))
        frames: list[bytes] = []
        for event in events:
            if type(event) in _TEXTS:  # nearly all events take this short way
                self.text_open = self.decisive = True
                self._grammar.spoke = True
                frames.append(self._encoder.encode(event))
                continue
            self._hear(event)
            self._say(event, frames)
            if self.outcome is not None:
                break
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _encode_staged(self, events: Iterable[Event]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            self._hear(event)
            for said in self._staged(event):
                self._say(said, frames)
                if self.outcome is not None:
                    return b"".join(frames)
        return b"".join(frames)

    def _say(self, event: Event, frames: list[bytes]) -> None:
        checked = self._grammar.check(event)
        self._note(checked)
        if not isinstance(checked, Failed):
            frames.append(self._encoder.encode(checked))

    def _staged(self, event: Event) -> Iterable[Event]:
        events: Iterable[Event] = (event,)
        for stage in self._stages:
            events = [said for item in events for said in stage.feed(item)]
        return events

    def _hear(self, event: Event) -> None:
        """Note whether the upstream is talking; a stage may make text of its thinking, and it may still think for long."""
        self.text_open = isinstance(event, (*_TEXTS, TextStarted))

    def _note(self, event: Event) -> None:
        match event:
            case TextStarted() | TextEnded():
                pass
            case Finished() | Failed():
                self.decisive = True
                self.outcome = event
            case _:
                self.decisive = True


_TEXTS = (TextDelta, TextDeltas)
_MAY_BE_EMPTY = (FinishReason.LENGTH, FinishReason.STOP_SEQUENCE)


class _Grammar:
    """What was said so far, and what may therefore follow; ``spoke`` is whether there was anything."""

    def __init__(self) -> None:
        self.spoke = False
        self._called = False
        self._open_calls: set[str] = set()

    def check(self, event: Event) -> Event:
        match event:
            case TextDelta() | TextDeltas() | ReasoningDelta() | ToolArguments():
                self.spoke = True
            case ToolStarted(call_id):
                self.spoke = True
                self._open_calls.add(call_id)
            case ToolEnded(call_id):
                self._called = True
                self._open_calls.discard(call_id)
            case Finished():
                return self._finish(event)
        return event

    def _finish(self, finished: Finished) -> Finished | Failed:
        reason = finished.reason
        if self._open_calls:
            return Failed(_cut_call(reason), finished.usage)
        if not self.spoke and reason not in _MAY_BE_EMPTY:
            return Failed(ProxyError(Kind.UPSTREAM, "The upstream finished without any output."), finished.usage)
        if reason in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            reason = FinishReason.TOOL_CALLS if self._called else FinishReason.STOP
        return finished if reason is finished.reason else evolve(finished, reason=reason)


def _cut_call(reason: FinishReason) -> ProxyError:
    if reason is FinishReason.LENGTH:
        message = (
            "The answer reached its token limit inside a tool call, which is therefore incomplete. Raise max_tokens."
        )
        return ProxyError(Kind.UPSTREAM, message, retryable=False)
    return ProxyError(Kind.UPSTREAM, "The upstream finished inside a tool call, which is therefore incomplete.")
