"""This module is what the simulated service answers; the model id chooses.

A scenario yields steps: bytes to write, pauses, or a hard cut. It knows nothing of sockets and clocks. ``sim/<name>``
is one of the cases below, ``sim/script`` makes the calls that the user writes down, ``sim/call-<tool>`` calls that tool of
those on offer, ``transcript/<name>`` replays a file, a catalogue model behaves sensibly.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import cycle, repeat
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen

from ccproxy.simulator import records, refusals
from ccproxy.simulator.arguments import arguments_for, schema_in
from ccproxy.simulator.asked import Asked, Tool
from ccproxy.simulator.conversation import (
    Call,
    act,
    answered,
    calls,
    chosen_tool,
    description,
    offered,
    remark,
    reply,
    words,
)
from ccproxy.simulator.models import KNOWN
from ccproxy.simulator.records import Narrator
from ccproxy.simulator.refusals import Refusal
from ccproxy.simulator.script import obey


@frozen
class Pause:
    """Nothing happens for so many seconds; infinity is a service that has gone to sleep."""

    seconds: float


@frozen
class Cut:
    """The connection is reset."""


Step: TypeAlias = bytes | Pause | Cut
Scenario: TypeAlias = Callable[[Narrator], Iterable[Step]]

FOR_EVER: Final = Pause(math.inf)
_DELTA: Final = Pause(0.2)
_LEAVE_THE_BUFFER: Final = Pause(0.05)  # a reset drops what the kernel has not sent yet

_LONG: Final = 1000
_FLOOD_MEGABYTES: Final = 50
_FLOOD_PIECE: Final = "All work and no play makes a dull stream. " * 390  # 16380 characters
_THOUGHTS: Final = "Let me think about it. A short answer will do."
_BEGINNING: Final = "This is the beginning of an answer that"

# Nobody offered it: models were seen to call such tools when they were given none.
_WEATHER: Final = Tool(
    "get_weather",
    {"type": "object", "properties": {"city": {"type": "string", "examples": ["Oslo"]}}, "required": ["city"]},
)


def choose(model: str, transcripts: Path | None) -> Scenario | Refusal:
    """The scenario that a model id stands for, or the refusal of an id that stands for none."""
    if model in KNOWN:
        return reply
    if model in SCENARIOS:
        return SCENARIOS[model]
    if found := re.fullmatch(r"sim/http-([\w-]+)", model):
        return refusals.BY_NAME.get(found[1], refusals.unknown_model(model))
    if found := re.fullmatch(r"sim/flood-([1-9]\d{0,3})", model, re.ASCII):
        return _flood(int(found[1]))
    if found := re.fullmatch(r"sim/call-([\w-]{1,128})", model, re.ASCII):
        return _calling_by_name(found[1])
    # No separators and no leading dot: the name stays inside the directory.
    if transcripts and (found := re.fullmatch(r"transcript/(\w[\w.-]*)", model, re.ASCII)):
        file = transcripts / f"{found[1]}.ndjson"
        if file.is_file():
            return lambda narrator: file.read_bytes().splitlines(keepends=True)
    return refusals.unknown_model(model)


def failing(message: str) -> Scenario:
    """A stream that complains about the conversation and says nothing else."""

    def scenario(narrator: Narrator) -> Iterator[Step]:
        yield records.line({"type": "start"})
        yield records.error(message, 400, retryable=False, kind="invalid_request_error")

    return scenario


def _saying(
    pieces: Callable[[Asked], Iterable[str]], *, thoughts: str = "", reason: str = "stop", raw: str = "stop"
) -> Scenario:
    """A complete turn of text, after reasoning when there are ``thoughts``."""

    def scenario(narrator: Narrator) -> Iterator[Step]:
        yield from narrator.opening()
        if thoughts:
            yield from narrator.reasoning(words(thoughts))
        yield from narrator.text(pieces(narrator.asked))
        yield from narrator.closing(reason, raw)

    return scenario


def _remark(asked: Asked) -> Iterator[str]:
    return words(remark(asked))


def _beginning(asked: Asked) -> Iterator[str]:
    return words(_BEGINNING)


def _document(asked: Asked) -> Iterator[str]:
    """The document that the instructions describe, wrapped as models like to wrap it."""
    return words(
        f"Here it is:\n```json\n{json.dumps(arguments_for(schema_in(asked.system_text)))}\n```\nAnything else?"
    )


def _document_at_last(asked: Asked) -> Iterator[str]:
    """The document, but not at once: a model that has to be told what is wrong."""
    told = any(message.role == "assistant" for message in asked.messages)
    return _document(asked) if told else words('{"draft": "Is this not enough?"}')


def _lines(asked: Asked) -> Iterator[str]:
    return (f"line {number} of {_LONG}\n" for number in range(1, _LONG + 1))


def _flood(megabytes: int) -> Scenario:
    pieces = megabytes * 1_000_000 // len(_FLOOD_PIECE) + 1
    return _saying(lambda asked: repeat(_FLOOD_PIECE, pieces))


def _calling(count: int, preamble: str) -> Scenario:
    """So many tool calls at once; a turn that holds their results gets text."""

    def scenario(narrator: Narrator) -> Iterator[Step]:
        asked = narrator.asked
        yield from narrator.opening()
        if answered(asked):
            yield from narrator.text(_remark(asked))
            yield from narrator.closing()
            return
        yield from narrator.text(words(preamble))
        tools = cycle(asked.tools if count > 1 and asked.tools else (chosen_tool(asked) or _WEATHER,))
        yield from calls(narrator, [Call(f"call_{narrator.turn}_{n}", next(tools)) for n in range(count)])

    return scenario


def _calling_by_name(name: str) -> Scenario:
    """A call of one tool among many; an agent also asks for titles and the like, without it, and gets text."""

    def scenario(narrator: Narrator) -> Iterator[Step]:
        yield from narrator.opening()
        yield from act(narrator, offered(narrator.asked, name))

    return scenario


def _error_first(narrator: Narrator) -> Iterator[Step]:
    yield records.line({"type": "start"})
    yield records.error("Insufficient Balance", 402, retryable=False, code="insufficient_credits")


def _error_mid(narrator: Narrator) -> Iterator[Step]:
    yield from _no_finish(narrator)
    yield records.error("Upstream stream ended before terminal chunk", 503, retryable=True)


def _zero(narrator: Narrator) -> Iterator[Step]:
    yield from narrator.opening()
    usage = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    yield records.line({"type": "finish-step", "finishReason": "stop", "rawFinishReason": "stop", "usage": usage})
    yield records.line({"type": "finish", "finishReason": "stop", "rawFinishReason": "stop", "totalUsage": usage})


def _slow(narrator: Narrator) -> Iterator[Step]:
    yield from narrator.opening()
    for record in narrator.text(_remark(narrator.asked)):
        yield record
        yield _DELTA
    yield from narrator.closing()


def _stall(narrator: Narrator) -> Iterator[Step]:
    yield from narrator.opening()
    yield from narrator.text([_BEGINNING], complete=False)
    yield FOR_EVER


def _silent(narrator: Narrator) -> Iterator[Step]:
    yield FOR_EVER


def _no_finish(narrator: Narrator) -> Iterator[Step]:
    yield from narrator.opening()
    yield from narrator.text(words(_BEGINNING), complete=False)


def _cut(narrator: Narrator) -> Iterator[Step]:
    yield from _no_finish(narrator)
    yield _LEAVE_THE_BUFFER
    yield Cut()


def _unknown_events(narrator: Narrator) -> Iterator[Step]:
    yield b": a comment\r\n\r\n"
    yield from (b"data: " + record for record in narrator.opening())
    yield b"event: part\nid: 3\nretry: 500\n"
    yield records.line({"type": "message-metadata", "messageMetadata": {"seen": True}})
    yield records.line({"type": "an-event-of-next-year", "payload": [1, {"two": None}]})
    yield records.line({"no_type_at_all": True})
    hidden = {"toolCallId": "srv_1", "toolName": "web_search", "providerExecuted": True}
    yield records.line({"type": "tool-call", **hidden, "input": {"query": "tea"}})
    yield records.line({"type": "tool-result", **hidden, "output": {"hits": 0}})
    yield from narrator.text(_remark(narrator.asked))
    yield from narrator.closing()
    yield b"data: [DONE]\n\n"


def _start_only(narrator: Narrator) -> Iterator[Step]:
    yield records.line({"type": "start"})


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "sim/text": _saying(_remark),
    "sim/reasoning": _saying(_remark, thoughts=_THOUGHTS),
    "sim/tool": _calling(1, "Let me look that up."),
    "sim/parallel-tools": _calling(2, "Let me look up both."),
    "sim/script": obey,
    "sim/json": _saying(_document),
    "sim/json-at-last": _saying(_document_at_last),
    "sim/long": _saying(_lines),
    "sim/length": _saying(_beginning, reason="length", raw="max_tokens"),
    "sim/content-filter": _saying(_beginning, reason="content-filter", raw="refusal"),
    "sim/pause-turn": _saying(_beginning, reason="pause_turn", raw="pause_turn"),
    "sim/error-first": _error_first,
    "sim/error-mid": _error_mid,
    "sim/zero": _zero,
    "sim/slow": _slow,
    "sim/stall": _stall,
    "sim/silent": _silent,
    "sim/no-finish": _no_finish,
    "sim/cut": _cut,
    "sim/unknown-events": _unknown_events,
    "sim/start-only": _start_only,
    "sim/flood": _flood(_FLOOD_MEGABYTES),
    "sim/echo": _saying(lambda asked: [description(asked)]),
}
"""The special cases that need no number in their name."""

NAMES: Final = (*SCENARIOS, *(f"sim/http-{name}" for name in refusals.BY_NAME))
"""Every special id, for the model list."""
