"""Tests of stop sequences."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
    Usage,
)
from ccproxy.stages.stop_sequences import StopSequences
from tests.stages.feeding import cut, fed, text
from tests.unmeasured import Unmeasured

FAILURE = Failed(ProxyError(Kind.UPSTREAM, "The upstream failed."))

alphabets = st.sampled_from(["ab", "abc", "aé😀"])
sequences = alphabets.flatmap(lambda letters: st.lists(st.text(letters, max_size=5), max_size=4))
answers = alphabets.flatmap(lambda letters: cut(st.text(letters, max_size=24)))


def stopped(sequence: str) -> Finished:
    """The end of a turn that the sequence ended."""
    return Finished(FinishReason.STOP_SEQUENCE, Usage(), stop_sequence=sequence)


def best(answer: str, stops: Sequence[str]) -> tuple[int, int] | None:
    """By definition: where the first match starts, and the place of its sequence."""
    return min(((answer.find(stop), rank) for rank, stop in enumerate(stops) if stop and stop in answer), default=None)


def begun(seen: str, stops: Sequence[str]) -> list[tuple[int, int]]:
    """By definition: the starts of all sequences that the text ends inside of, with their places."""
    return [
        (len(seen) - size, rank)
        for rank, stop in enumerate(stops)
        for size in range(1, len(stop))
        if seen.endswith(stop[:size])
    ]


class AnyTextTests(Unmeasured):
    """What is true of every text, every list of sequences and every cut."""

    @settings(deadline=None, max_examples=300)
    @given(answers, sequences)
    @example(["cab", "c"], ["abcd", "b"])
    @example(["a", "b"], ["abc", "ab"])
    def test_first_match_ends_the_turn(self, pieces: Sequence[str], stops: Sequence[str]) -> None:
        """The text ends where a search of the whole text finds the first sequence, and the turn names that sequence."""
        whole = "".join(pieces)
        match = best(whole, stops)

        events = fed(StopSequences(stops), *map(TextDelta, pieces), Finished(FinishReason.STOP))

        if match is None:
            self.assertEqual((text(events), events[-1]), (whole, Finished(FinishReason.STOP)))
        else:
            self.assertEqual((text(events), events[-1]), (whole[: match[0]], stopped(stops[match[1]])))
        self.assertEqual(sum(isinstance(event, Finished) for event in events), 1)

    @settings(deadline=None, max_examples=300)
    @given(answers, sequences)
    def test_no_more_is_held_than_needed(self, pieces: Sequence[str], stops: Sequence[str]) -> None:
        """After every piece exactly that is held which may be in a sequence, and a match ends the turn once no better one can come."""
        stage = StopSequences(stops)
        seen = said = ""

        for piece in pieces:
            events = fed(stage, TextDelta(piece))
            seen += piece
            said += text(events)

            match, unfinished = best(seen, stops), begun(seen, stops)
            certain = match is not None and not any(start < match for start in unfinished)
            self.assertEqual(any(isinstance(event, Finished) for event in events), certain)
            if certain:
                break
            self.assertEqual(said, seen[: min(unfinished, default=(len(seen), 0))[0]])


class EndingTests(SynchronousTestCase):
    """How a turn is ended, and what else is not."""

    def test_dropped(self) -> None:
        """Nothing follows a stop sequence, neither of its text nor of its turn."""
        stage = StopSequences(["END"])

        events = fed(stage, TextStarted(), TextDelta("one END two"), TextEnded(), ToolStarted("a", "f"), FAILURE)

        self.assertEqual(events, [TextStarted(), TextDelta("one "), stopped("END")])

    def test_nothing_before(self) -> None:
        """A turn that begins with a stop sequence has no text."""
        self.assertEqual(fed(StopSequences(["END"]), TextDelta("END")), [stopped("END")])

    def test_across_deltas(self) -> None:
        """A sequence is found in whatever pieces it comes, multi-byte characters included."""
        events = fed(StopSequences(["é😀\n\n"]), *map(TextDelta, ("café", "😀", "\n", "\nmore")))

        self.assertEqual(events, [TextDelta("caf"), stopped("é😀\n\n")])

    def test_same_start(self) -> None:
        """Of two sequences that start together the one that the client named first counts, even if it is the longer one."""
        deltas = (TextDelta("ab"), TextDelta("cd"))

        self.assertEqual(fed(StopSequences(["abc", "ab"]), *deltas), [stopped("abc")])
        self.assertEqual(fed(StopSequences(["ab", "abc"]), *deltas), [stopped("ab")])

    def test_named_twice(self) -> None:
        """A sequence that is named twice has the place of the first time."""
        self.assertEqual(fed(StopSequences(["ab", "abc", "ab"]), TextDelta("ab")), [stopped("ab")])

    def test_same_end(self) -> None:
        """Of two sequences that end together the one that starts first counts."""
        self.assertEqual(fed(StopSequences(["c", "abc"]), TextDelta("xabc")), [TextDelta("x"), stopped("abc")])

    def test_undecided_at_the_end(self) -> None:
        """A match that waits for a better one counts when the block ends, and the usage of a turn that finished is known."""
        usage = Usage(output=2)

        ended = fed(StopSequences(["abcd", "bc"]), TextDelta("abc"), TextEnded())
        finished = fed(StopSequences(["abcd", "bc"]), TextDelta("abc"), Finished(FinishReason.LENGTH, usage))

        self.assertEqual(ended, [TextDelta("a"), stopped("bc")])
        self.assertEqual(finished, [TextDelta("a"), Finished(FinishReason.STOP_SEQUENCE, usage, stop_sequence="bc")])

    def test_undecided_at_a_failure(self) -> None:
        """A failure is not hidden by a match that waited for a better one, whose text is still left out."""
        events = fed(StopSequences(["abcd", "bc"]), TextDelta("abc"), FAILURE)

        self.assertEqual(events, [TextDelta("a"), FAILURE])

    def test_released(self) -> None:
        """Whatever else comes, what was held comes before it, and a match does not go on after it."""
        others: list[Event] = [
            TextStarted(),
            TextEnded(),
            ReasoningDelta("END"),
            ToolStarted("a", "f"),
            ToolArguments("a", "END"),
            ToolEnded("a", '"END"'),
            Finished(FinishReason.STOP),
            FAILURE,
        ]
        for other in others:
            events = fed(StopSequences(["END"]), TextDelta("x EN"), other, TextDelta("D"))

            self.assertEqual(events, [TextDelta("x "), TextDelta("EN"), other, TextDelta("D")])

    def test_elsewhere(self) -> None:
        """Reasoning and the arguments of calls do not end a turn."""
        events: list[Event] = [
            ReasoningDelta("END"),
            ToolStarted("a", "END"),
            ToolArguments("a", "END"),
            ToolEnded("a", "END"),
        ]

        self.assertEqual(fed(StopSequences(["END"]), *events), events)

    def test_no_sequences(self) -> None:
        """Without sequences, or with an empty one, a turn is left alone."""
        events: list[Event] = [
            TextStarted(),
            TextDelta("text"),
            TextDelta(""),
            TextEnded(),
            Finished(FinishReason.STOP),
        ]

        self.assertEqual(fed(StopSequences([]), *events), events)
        self.assertEqual(fed(StopSequences([""]), *events), events)


class WorkTests(Unmeasured):
    """What it costs."""

    def test_untouched(self) -> None:
        """A piece of text in which no sequence can begin is passed on as it is."""
        delta = TextDelta("plain text")

        (said,) = StopSequences(["\n\nHuman:", "###"]).feed(delta)

        self.assertIs(said, delta)

    def test_hostile(self) -> None:
        """A long sequence that nearly matches everywhere costs no more than a few steps for each character."""
        stage = StopSequences(["a" * 20_000 + "b", "a" * 10_000 + "c"])
        started = time.process_time()

        events = fed(stage, *(TextDelta("a") for _ in range(60_000)), TextDelta("a" * 60_000), TextEnded())

        self.assertEqual(text(events), "a" * 120_000)
        self.assertLess(time.process_time() - started, 10)  # what compares every prefix with every piece needs minutes
