"""This module is what an exchange is going to do: a request as it was read, and as it goes up; and what happens to its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache

from attrs import evolve, frozen

from ccproxy.aliases import resolve
from ccproxy.codecs import Dialect, HTTPRequest, Identity, Stage, Turn
from ccproxy.config import Config
from ccproxy.doors import read
from ccproxy.errors import Kind, ProxyError
from ccproxy.estimate import estimate
from ccproxy.events import Usage
from ccproxy.fields import Fields
from ccproxy.keys import Key
from ccproxy.prompt import Note, NoteCode, Prompt
from ccproxy.seal import Seal
from ccproxy.stages.add_usage import AddUsage
from ccproxy.stages.json_only import JSONOnly
from ccproxy.stages.single_call import SingleCall
from ccproxy.stages.size_limit import SizeLimit
from ccproxy.stages.stop_sequences import StopSequences
from ccproxy.stages.think_tags import SplitThinkTags, TagReasoning
from ccproxy.stages.tool_names import RestoreNames, aliased
from ccproxy.stages.validated import Validated
from ccproxy.stages.whole import Whole
from ccproxy.structured import repair
from ccproxy.web import caller
from ccproxy.web.house import House

_LONGEST_PROSE = 1024 * 1024  # characters that are held before a document begins
_DAY_SECONDS = 86400
_SHOWN = 80  # characters of a client's own field name in an error


@frozen
class Plan:
    """What an exchange is going to do.

    Attributes:
        prompt: The request as it goes up: model, tool names and reasoning are the upstream's.
        request: The same in the upstream's language.
        turn: What the encoder needs.
        names: The client's tool names, by the alias that goes up.
        notes: What was ignored, clamped, renamed or repaired.
        identity: Who asks.
        estimated: How many tokens the prompt was taken for, before any correction; None where nothing is to be learned from that.
        spent: What an earlier attempt cost whose answer the client does not see.
    """

    prompt: Prompt
    request: HTTPRequest
    turn: Turn
    names: Mapping[str, str]
    notes: tuple[Note, ...]
    identity: Identity
    estimated: int | None = None
    spent: Usage | None = None


@frozen
class Chain:
    """What happens to the events of one attempt, in order; ``check`` is the stage among them that checks a structured answer."""

    stages: Sequence[Stage]
    check: Validated | None


def identify(house: House, headers: Mapping[str, str], key: Key) -> Identity:
    """Who asks, by lower-cased headers and key."""
    now = house.clock.seconds()
    ids = house.token(24)
    return Identity(
        key=key,
        session=caller.session(headers) or house.sessions.of(key, now),
        version=house.release.version(),
        trace_id=caller.trace_id(headers) or ids[:32],
        span_id=ids[32:],
        date=_date(int(now // _DAY_SECONDS)),
        zero_data_retention=caller.wants_no_retention(headers),
    )


@lru_cache(4)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY_SECONDS, timezone.utc).strftime("%Y-%m-%d")


def plan(house: House, dialect: Dialect, body: Fields, identity: Identity, exchange_id: str) -> Plan:
    """Read a request and say it again in the upstream's language; changes nothing, so that it may run in any thread.

    Args:
        house: What is known of the daemon and the upstream.
        dialect: The language of the request.
        body: Its body.
        identity: Who asks.
        exchange_id: A random id.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`, and where.
    """
    seal = Seal(identity.key)
    asked = read(body, dialect, house.dialects)
    _check_strictness(asked, house.config)
    view = evolve(asked.view, reasoning=False) if _is(house.config, asked, "off") else asked.view
    model = resolve(asked.model, house.config.model_aliases, house.catalog.ids())
    served = asked if model == asked.model and view is asked.view else evolve(asked, model=model, view=view)
    prompt, names = aliased(seal.unsealed(served))
    request = house.upstream.generate(prompt, identity)
    # Only a dialect that tells counts beforehand is worth the work of counting, and only from its turns is learned.
    estimated = estimate(prompt) if dialect.counter else None
    turn = Turn(
        id=exchange_id,
        created=int(house.clock.seconds()),
        model=asked.model,
        view=view,
        sealing_key=seal.secret,
        estimated_input=None if estimated is None else house.corrections.corrected(model, estimated),
    )
    renamed = (Note(NoteCode.MODEL_ALIASED),) if model != asked.model else ()
    return Plan(prompt, request, turn, names, (*prompt.notes, *renamed, *request.notes), identity, estimated)


def replan(house: House, first: Plan, check: Validated) -> Plan | None:
    """The plan for asking once more after a document that does not fit its schema; None when that is not to be done.

    It is a second request, which is billed: once for each answer in one piece, and never when ``structuredRepair`` is off.
    """
    if check.complaint is None or first.prompt.stream or first.spent is not None or not house.config.structured_repair:
        return None
    prompt = repair(first.prompt, check.document, check.complaint)
    request = house.upstream.generate(prompt, first.identity)
    notes = (*first.notes, Note(NoteCode.DOCUMENT_REPAIRED))
    return evolve(first, prompt=prompt, request=request, notes=notes, estimated=None, spent=check.usage)


def chain(plan: Plan, config: Config) -> Chain:
    """Make the stages of one attempt."""
    prompt = plan.prompt
    stages: list[Stage] = []
    if not prompt.stream and config.max_document_bytes:
        stages.append(SizeLimit(config.max_document_bytes))
    if config.split_think_tags:
        stages.append(SplitThinkTags())
    if prompt.parallel_tool_calls is False:
        stages.append(SingleCall())
    if plan.names:
        stages.append(RestoreNames(plan.names))
    if prompt.stop:
        stages.append(StopSequences(prompt.stop))
    check = Validated(prompt.output, hold=not prompt.stream) if prompt.output else None
    if check is not None:
        stages += [JSONOnly(_LONGEST_PROSE), check]
    if plan.spent is not None:
        stages.append(AddUsage(plan.spent))
    if prompt.view.whole:
        stages.append(Whole())
    if _is(config, prompt, "tags", "both"):
        stages.append(TagReasoning(keep=_is(config, prompt, "both")))
    return Chain(stages, check)


def summary(notes: Iterable[Note]) -> str:
    """The notes as one header: each code with how often it applies, and nothing of the client's own text."""
    counts: Counter[str] = Counter()
    for note in notes:
        counts[note.code.value] += len(note.subjects) or 1
    return ", ".join(f"{code}={count}" for code, count in counts.items())


def _check_strictness(prompt: Prompt, config: Config) -> None:
    ignored = [subject for note in prompt.notes if note.code is NoteCode.IGNORED for subject in note.subjects]
    if ignored and config.strict:
        field = ignored[0][:_SHOWN]
        raise ProxyError(Kind.INVALID_REQUEST, f"{field}: unknown or without effect here.", field=field)


def _is(config: Config, prompt: Prompt, *styles: str) -> bool:
    """Whether the operator's style of reasoning applies to this answer and is one of these."""
    return prompt.view.styled and config.reasoning_style in styles
