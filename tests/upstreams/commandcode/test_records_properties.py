"""Tests of the decoder, for any stream at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ccproxy.events import Event, Failed, Finished, ReasoningDelta, TextDelta, ToolArguments, ToolEnded, ToolStarted
from ccproxy.upstreams.commandcode.records import Records
from ccproxy.upstreams.commandcode.texts import Texts
from tests.cuts import pieces
from tests.replay import TRANSCRIPTS, transcript
from tests.unmeasured import Unmeasured
from tests.upstreams.commandcode.streams import TEXT, comparable, decoded

TYPES = (
    *(
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
    ),
    *("tool-input-start", "tool-input-delta", "tool-input-end", "tool-input-available", "tool-call", "tool-call-delta"),
    *("tool-result", "finish-step", "finish", "error", "abort", "provider-metadata", "event-from-tomorrow", ""),
)
NAMES = (
    *("id", "toolCallId", "toolName", "name", "text", "delta", "textDelta", "input", "args", "arguments", "data"),
    *("providerExecuted", "finishReason", "rawFinishReason", "usage", "totalUsage", "error", "reason", "unheard-of"),
)
ODD_LINES = (
    *(b"", b" \t\r", b": comment", b"event: x", b"id: 1", b"data: [DONE]", b"[DONE]", b"null", b"[1]", b"{", b"{}{}"),
    *(
        b'{"type":"text-delta",',
        b'"text":"a"}',
        b'{"type":"text-delta","text":"\xff"}',
        b'{"text":"b","type":"text-delta"}',
    ),
)
SMALL = tuple(name for name in TRANSCRIPTS if len(transcript(name)) < 10_000)
patient = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.sampled_from(("a", "", "{", "}", "{}", '{"a":', "1}", "\ud83d", "\udc33", "look", "stop", "length", "error"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | texts,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from((*NAMES, "inputTokens")), inner, max_size=3)
    ),
    max_leaves=4,
)
fields = dict.fromkeys(NAMES, values) | {
    "id": st.sampled_from(("a", "b", 1)),
    "toolCallId": st.sampled_from(("a", "b")),
    "text": texts,
    "delta": texts,
    "toolName": st.just("look"),
    "providerExecuted": st.booleans(),
}


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A line that is, or nearly is, a record of some type; its type comes first, as it does upstream."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    record = {"type": draw(st.sampled_from(TYPES)), **{name: draw(fields[name] | values) for name in names}}
    padding = {"padding": "x" * draw(st.sampled_from((0, 0, 0, 100, 300)))}
    line = json.dumps({**record, **padding}, separators=(",", ":"), ensure_ascii=True).encode()
    return draw(st.sampled_from((b"%b", b"%b", b"%b", b"data: %b", b"%b\r"))) % line


lines = st.lists(records() | st.sampled_from(ODD_LINES), max_size=8)
streams = st.tuples(lines, st.booleans()).map(lambda drawn: b"\n".join(drawn[0]) + b"\n" * drawn[1])


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A transcript in which some bytes were replaced, lost, doubled or moved."""
    stream = transcript(draw(st.sampled_from(SMALL)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(stream)))
        end = draw(st.integers(start, min(start + 40, len(stream))))
        part = stream[start:end]
        changed = draw(st.binary(max_size=4) | st.sampled_from((b"", part * 2, part[::-1], b"\n", b"}", b'"')))
        stream = stream[:start] + changed + stream[end:]
    return stream


def grammatical(events: Sequence[Event]) -> bool:
    """Whether events are a turn: it ends once and last, and each call is announced, in pieces that make up its arguments."""
    open_calls: dict[str, str] = {}
    for event in events[:-1]:
        match event:
            case ToolStarted(call_id) if call_id not in open_calls:
                open_calls[call_id] = ""
            case ToolArguments(call_id, fragment) if call_id in open_calls:
                open_calls[call_id] += fragment
            case ToolEnded(call_id, arguments) if open_calls.get(call_id) == arguments:
                if not isinstance(json.loads(arguments), dict):
                    return False
            case ToolStarted() | ToolArguments() | ToolEnded() | Finished() | Failed():
                return False
    return isinstance(events[-1], (Finished, Failed))


class Plain(Records):
    """A decoder without its short way for text."""

    def __init__(self, line_limit: int) -> None:
        super().__init__(line_limit)
        self._texts = NoTexts()


class NoTexts(Texts):
    """Finds no text."""

    def find(self, block: bytes) -> tuple[int, int, Sequence[str]]:
        """Nothing, whatever there is."""
        return 0, 0, ()


class AnyStreamTests(Unmeasured):
    """What holds whatever the upstream sends."""

    @given(st.binary(max_size=200) | streams | mutants())
    @patient
    def test_a_turn(self, stream: bytes) -> None:
        """Nothing is raised, and what is said is a turn, whose texts can be sent."""
        events = decoded(stream)

        self.assertTrue(grammatical(events), events)
        said = "".join(event.text for event in events if isinstance(event, (TextDelta, ReasoningDelta)))
        self.assertFalse(any("\ud800" <= letter <= "\udfff" for letter in said))

    @given(streams | mutants(), st.integers(0, 60) | st.integers(250, 400), st.data())
    @example(TEXT[:-1] + TEXT + b"\n", 0, None)
    @example(b'{"type":"text-delta",\n"text":"a"}{"type":"start"}\n', 0, None)
    @patient
    def test_cuts(self, stream: bytes, limit: int, data: st.DataObject | None) -> None:
        """The events are the same however the stream is cut, also with a small limit for lines, and so is the count of skipped ones."""
        cut = data.draw(pieces(stream)) if data else stream.splitlines(keepends=True)
        whole, parts = Records(limit), Records(limit)

        at_once, last = whole.feed(stream), whole.end()
        in_parts = [*chain.from_iterable(map(parts.feed, cut)), *parts.end()]

        self.assertEqual(comparable(in_parts), comparable([*at_once, *last]))
        if last:  # nobody counts what follows the end of a turn
            self.assertEqual(parts.skipped, whole.skipped)

    @given(streams | mutants(), st.integers(0, 60) | st.integers(250, 400), st.data())
    @patient
    def test_short_way(self, stream: bytes, limit: int, data: st.DataObject) -> None:
        """Text that is read the short way is the text that is read the plain one, and nothing else changes."""
        short, plain = Records(limit), Plain(limit)
        cut = data.draw(pieces(stream))

        quickly = [*chain.from_iterable(map(short.feed, cut)), *short.end()]
        plainly = [*chain.from_iterable(map(plain.feed, cut)), *plain.end()]

        self.assertEqual(comparable(quickly), comparable(plainly))
        self.assertEqual(short.skipped, plain.skipped)

    @given(lines)
    @patient
    def test_together(self, lines: list[bytes]) -> None:
        """Lines that are read together say what they say one by one."""
        stream = b"".join(line + b"\n" for line in lines)
        block, by_line = Records(0), Plain(0)

        together = [*block.feed(stream), *block.end()]
        # A blank line makes the decoder look at each of the lines that come with it.
        one_by_one = [*by_line.feed(b"\n" + stream), *by_line.end()]

        self.assertEqual(comparable(together), comparable(one_by_one))
        self.assertEqual(block.skipped + 1, by_line.skipped)
