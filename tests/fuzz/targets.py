"""This module is the targets of the fuzzers: what holds for any bytes, of the wire's own forms and of an answer of the upstream.

A target takes bytes and raises only if a promise is broken. What it tests is an argument, so that a broken one shows that it can fail.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise, takewhile
from typing import TypeAlias, TypeVar

from ccproxy.codecs import Decoder, Dialect
from ccproxy.dialects import DIALECTS
from ccproxy.events import Event, Failed, Finished, singly
from ccproxy.framing import (
    LineSplitter,
    MalformedJSONError,
    RecordReader,
    SurrogateJoiner,
    dumps,
    loads,
    quote,
    sse,
)
from ccproxy.translator import Translator
from ccproxy.upstreams.commandcode.lines import StreamRecord, kind_of
from ccproxy.upstreams.commandcode.records import Records
from tests.dialects import strict
from tests.dialects.strict_responses import read_responses
from tests.replay import TURN
from tests.upstreams.commandcode.streams import comparable

_Text = TypeVar("_Text", bytes, str)
Target: TypeAlias = Callable[[bytes], None]

_LIMITS = (0, 11, 300)  # bytes of a line: none, within its type, beyond what is peeked at
_PEEK = 256
_UNWANTED = b'{"type":"start-step"'
_READERS: Mapping[str, Callable[[bytes], object]] = {
    "openai_chat": strict.read_chat,
    "openai_completions": strict.read_completions,
    "anthropic_messages": strict.read_messages,
    "openai_responses": read_responses,
    "openai_responses_compact": read_responses,
}


def framing(
    data: bytes,
    splitter: Callable[[int, Callable[[bytes], bool]], LineSplitter] = LineSplitter,
    joiner: Callable[[], SurrogateJoiner] = SurrogateJoiner,
    write: Callable[[object], bytes] = quote,
) -> None:
    """Lines and characters do not depend on the cuts, and what is read as JSON is written in one line that says the same."""
    for limit in _LIMITS:
        expected = _lines(data, limit)
        for pieces in ([data], cut(data)):
            reader = splitter(limit, _is_unwanted)
            given = b"".join([*map(reader.feed, pieces), reader.end()])
            lines = [line for line in _split(given) if not _is_unwanted(line[:_PEEK])]
            assert (lines, reader.overflowed) == expected, f"limit {limit}"
    _check_block(data)
    for text in (data, *_split(data)):
        _check_json(text, write)
    _check_characters(data[: len(data) // 2 * 2], joiner())


def records(
    data: bytes, decoder: Callable[[int], Decoder] = Records, dialects: Sequence[Dialect] = tuple(DIALECTS)
) -> None:
    """Events do not depend on the cuts, and every dialect makes a settled turn of them that its clients can read."""
    pieces = [data] if any(map(_is_ambiguous, data.split(b"\n"))) else cut(data)
    for limit in _LIMITS:
        events = _events(decoder(limit), [data])
        ends = [number for number, event in enumerate(events, 1) if isinstance(event, (Finished, Failed))]
        assert ends == [len(events)], f"limit {limit}: ends {ends} of {len(events)} events"
        assert comparable(_events(decoder(limit), pieces)) == comparable(events), f"limit {limit}"
    for dialect in dialects:
        for stream in (True, False):
            said = _answer(decoder(0), dialect, [data], stream=stream)
            assert _answer(decoder(0), dialect, pieces, stream=stream) == said, f"{dialect.name}, stream: {stream}"


TARGETS: Mapping[str, Target] = {"framing": framing, "records": records}


def cut(text: _Text) -> list[_Text]:
    """A text in pieces of which each begins with what tells its length, so that a change moves none of the cuts before it."""
    places = [0]
    while places[-1] < len(text):
        first = text[places[-1]]
        number = first if isinstance(first, int) else ord(first)
        places.append(places[-1] + 1 + number % 61)
    return [text[start:end] for start, end in pairwise(places)]


# Framing


def _is_unwanted(head: bytes) -> bool:
    return head.startswith(_UNWANTED)


def _split(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n") if data else []


def _lines(data: bytes, limit: int) -> tuple[list[bytes], bool]:
    """The wanted lines before the first that is too long, and whether there is one."""
    wanted = [line for line in _split(data) if not _is_unwanted(line[:_PEEK])]
    kept = list(takewhile(lambda line: not limit or len(line) <= limit, wanted))
    return kept, len(kept) < len(wanted)


def _check_block(data: bytes) -> None:
    """Lines that are read together give what they give one by one."""
    reader = RecordReader(StreamRecord)
    block = data[: data.rfind(b"\n") + 1]
    together = reader.block(block) if block else []
    one_by_one: list[StreamRecord | None] = []
    for line in _split(block):
        try:
            one_by_one.append(reader.line(line))
        except MalformedJSONError:
            assert together is None, line
            return
    assert together is None or list(map(repr, together)) == list(map(repr, one_by_one)), block


def _check_json(text: bytes, write: Callable[[object], bytes]) -> None:
    try:
        value = loads(text)
    except MalformedJSONError:
        return
    try:
        written, quoted = dumps(value), write(value)
    except RecursionError:  # what can just be read cannot always be written; callers know
        return
    assert dumps(loads(written)) == written == dumps(loads(quoted)), text
    (frame,) = strict.frames(sse(quoted, b"any"))
    assert (frame.data or "").encode() == quoted, text


def _check_characters(halves: bytes, joiner: SurrogateJoiner) -> None:
    """Characters of UTF-16, each of its halves apart, become whole wherever that is possible."""
    text = "".join(map(chr, struct.unpack(f"<{len(halves) // 2}H", halves)))
    joined = "".join([*map(joiner.join, cut(text)), joiner.end()])
    assert joined == halves.decode("utf-16-le", "replace"), halves


# Records


def _is_ambiguous(line: bytes) -> bool:
    """Whether a line names its type twice: the decoder goes by the first name or by the last, as the line comes alone or not."""
    kind = kind_of(line)
    if not kind:
        return False
    try:
        record = loads(line.strip(b" \t\r").removeprefix(b"data:"))
    except MalformedJSONError:
        return False
    return isinstance(record, dict) and record.get("type") != kind


def _events(decoder: Decoder, pieces: Sequence[bytes]) -> list[Event]:
    return [*singly(chain.from_iterable(map(decoder.feed, pieces))), *decoder.end()]


def _answer(decoder: Decoder, dialect: Dialect, pieces: Sequence[bytes], *, stream: bool) -> bytes:
    """What a client gets, once it is known that it can read it."""
    translator = Translator(decoder, (), dialect.encoder(TURN, stream=stream))
    said = b"".join([*map(translator.feed, pieces), translator.end()])
    outcome = translator.outcome
    assert outcome is not None, "the turn is not settled"
    failed = isinstance(outcome, Failed)
    if stream:
        if isinstance(outcome, Failed):
            said += translator.fail(outcome.error)
        _check_stream(dialect, said, failed=failed)
        return said
    if isinstance(outcome, Failed):
        assert not said, "a document that failed"
        said = dialect.refusal(outcome.error)
    assert bool(json.loads(said).get("error")) == failed, said
    return said


def _check_stream(dialect: Dialect, said: bytes, *, failed: bool) -> None:
    if not failed:
        _READERS[dialect.name](said)
        return
    if dialect.name.startswith("openai_responses"):
        assert read_responses(said).end == "failed", said
        return
    datas = [json.loads(frame.data or "") for frame in strict.frames(said) if frame.comment is None]
    assert [number for number, data in enumerate(datas, 1) if "error" in data] == [len(datas)], "the error is not last"
