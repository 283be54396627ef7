"""This module is the assembly of tool calls from what the upstream streams of them.

A call is announced (``tool-input-start``), streams its arguments (``tool-input-delta``), and is completed by a final record
(``tool-call``) that is authoritative. Fragments go to the client as they come; the call is complete only when they parse as a JSON object
and agree with the final record. Calls interleave, the same one may be completed twice, and any of the three steps may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from attrs import define, field

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, ToolArguments, ToolEnded, ToolStarted
from ccproxy.framing import MalformedJSONError, SurrogateJoiner, dumps, loads


@define
class _Call:
    name: str | None
    fragments: list[str] = field(factory=list)
    size: int = 0
    joiner: SurrogateJoiner = field(factory=SurrogateJoiner)
    announced: bool = False


class Calls:
    """The tool calls of one turn.

    Args:
        limit: The most characters of arguments that one call may stream.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[str, _Call] = {}
        self._settled: dict[str, tuple[str, str] | None] = {}  # name and arguments; None for what is the upstream's own

    def start(self, call_id: str, name: str | None) -> Iterator[Event]:
        """A call is announced; without a name it is not shown until it has one."""
        if call_id in self._settled:
            return
        call = self._open.setdefault(call_id, _Call(name))
        call.name = call.name or name
        yield from self._announce(call_id, call)

    def fragment(self, call_id: str, text: str) -> Iterator[Event]:
        """A piece of a call's arguments."""
        if call_id in self._settled:
            return
        call = self._open.setdefault(call_id, _Call(None))
        yield from self._add(call_id, call, call.joiner.join(text))
        if self._limit and call.size > self._limit:
            yield Failed(
                ProxyError(Kind.UPSTREAM, "The arguments of a tool call are larger than the limit.", retryable=False)
            )

    def finish(self, call_id: str, name: str | None, final: object) -> Iterator[Event]:
        """The authoritative end of a call; ``final`` is its input as the record has it."""
        if call_id in self._settled:
            if self._is_repeated(call_id, name, final):
                return
            call_id = self._renamed(call_id)
        call = self._open.setdefault(call_id, _Call(name))
        call.name = name or call.name
        if not call.name:
            yield Failed(ProxyError(Kind.UPSTREAM, "The upstream sent a tool call without a name."))
            return
        yield from self._add(call_id, call, call.joiner.end())
        streamed = "".join(call.fragments)
        try:
            rest = _reconcile(streamed, final)
        except ProxyError as error:
            yield Failed(error)
            return
        except RecursionError:  # so deeply nested that it could be read, but neither compared nor written
            yield Failed(_broken())
            return
        yield from self._announce(call_id, call)
        if rest:
            yield ToolArguments(call_id, rest)
        yield ToolEnded(call_id, streamed + rest)
        self._settled[call_id] = (call.name, streamed + rest)
        del self._open[call_id]

    def disown(self, call_id: str) -> None:
        """The call is the upstream's own business; nothing of it is for the client."""
        self._open.pop(call_id, None)
        self._settled[call_id] = None

    def reveal(self) -> Iterator[Event]:
        """Show calls that were begun and never named, so that a turn cannot end as if they had not been there."""
        for call_id, call in self._open.items():
            call.name = call.name or "unknown"
            yield from self._announce(call_id, call)

    def _is_repeated(self, call_id: str, name: str | None, final: object) -> bool:
        """Whether a final record says once more what an earlier one has said; a call of the upstream's own is all repetition."""
        settled = self._settled[call_id]
        if settled is None:
            return True
        try:
            wanted = _arguments(final)
            return name in (None, "", settled[0]) and (wanted is None or wanted == loads(settled[1]))
        except (ProxyError, RecursionError):
            return False

    def _renamed(self, call_id: str) -> str:
        """An id for another call under an id that was used: no call is lost because a model repeats itself."""
        copies = (f"{call_id}_{number}" for number in count(2))
        return next(copy for copy in copies if copy not in self._settled and copy not in self._open)

    def _add(self, call_id: str, call: _Call, text: str) -> Iterator[Event]:
        if text:
            call.fragments.append(text)
            call.size += len(text)
            if call.announced:
                yield ToolArguments(call_id, text)

    def _announce(self, call_id: str, call: _Call) -> Iterator[Event]:
        if call.announced or not call.name:
            return
        call.announced = True
        yield ToolStarted(call_id, call.name)
        if call.fragments:
            yield ToolArguments(call_id, "".join(call.fragments))


def _reconcile(streamed: str, final: object) -> str:
    """What is still to be sent after ``streamed`` so that the arguments are those of the final record.

    Raises:
        ProxyError: They cannot become a JSON object, or disagree with the final record.
    """
    wanted = _arguments(final)
    if not streamed.strip():
        return "{}" if wanted is None else dumps(wanted).decode()
    try:
        parsed = loads(streamed)
    except MalformedJSONError:
        raise _broken() from None
    if not isinstance(parsed, dict):
        raise _broken()
    # The second comparison is for halves of characters, which the stream could only say as U+FFFD.
    if wanted is not None and parsed != wanted and parsed != loads(dumps(wanted)):
        raise ProxyError(
            Kind.UPSTREAM, "The upstream sent a tool call whose streamed arguments differ from its final ones."
        )
    return ""


def _arguments(final: object) -> dict[str, object] | None:
    """The arguments as an object: some models give a JSON string, or a bare value; None when the record has none."""
    if isinstance(final, str):
        text = final.strip()
        try:
            final = loads(text) if text else None
        except MalformedJSONError:
            if text.startswith(("{", "[")):  # cut JSON is not a text that somebody meant
                raise _broken() from None
    if final is None:
        return None
    return final if isinstance(final, dict) else {"value": final}


def _broken() -> ProxyError:
    return ProxyError(Kind.UPSTREAM, "The upstream sent a tool call whose arguments are not a JSON object.")
