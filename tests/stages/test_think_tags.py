"""Tests of reasoning that is written into the text."""

from __future__ import annotations

import re
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
)
from ccproxy.stages.think_tags import SplitThinkTags, TagReasoning
from tests.stages.feeding import block, cut, fed, joined
from tests.unmeasured import Unmeasured

FAILURE = Failed(ProxyError(Kind.UPSTREAM, "The upstream failed."))
FINISHED = Finished(FinishReason.STOP)
CALL: list[Event] = [ToolStarted("a", "f"), ToolArguments("a", "{}"), ToolEnded("a", "{}")]

tokens = st.sampled_from(
    ["<think>", "</think>", "<thinking>", "</thinking>", "<", "<th", "inking>", "`", "``", "```", "\n", "a", "é😀"]
)
tagged = cut(st.lists(tokens, max_size=14).map("".join))
plain = st.text("ab é\n.😀", min_size=1, max_size=6)


def defined(whole: str) -> tuple[list[Event], str]:
    """By definition: what a text says, and the tags that could begin at its end (with a space between)."""
    said: list[Event] = []
    closing, code, at = "", 0, 0
    while at < len(whole):
        tag = re.match("<think>|<thinking>", whole[at:])
        run = re.match("`+", whole[at:])
        size = 1
        if closing and whole.startswith(closing, at):
            at += len(closing)
            at += len(whole[at : at + 2]) - len(whole[at : at + 2].lstrip("\n"))
            closing = ""
            continue
        if closing:
            said.append(ReasoningDelta(whole[at]))
        elif tag and not code:
            closing, size = f"</{tag[0][1:]}", len(tag[0])
        else:
            size = len(run[0]) if run else 1
            said.append(TextDelta(whole[at : at + size]))
            ends_span = code < 3 and (whole[at] == "\n" or (run and size == code))
            ends_fence = code >= 3 and run and size >= code
            if run and not code:
                code = size
            elif ends_span or ends_fence:
                code = 0
        at += size
    return joined(said), closing or ("" if code else "<think> <thinking>")


def unfinished(seen: str, tags: str) -> int:
    """By definition: how much of the end of a text may be the beginning of one of the tags."""
    sizes = (size for tag in tags.split() for size in range(1, len(tag)) if seen.endswith(tag[:size]))
    return max(sizes, default=0)


def shortened(said: list[Event], size: int) -> list[Event]:
    """What is left when so many characters are still held."""
    last = said[-1] if said else None
    if not size or not isinstance(last, (TextDelta, ReasoningDelta)):
        return said
    rest = last.text[:-size]
    return [*said[:-1], type(last)(rest)] if rest else said[:-1]


def paired(events: Sequence[Event]) -> bool:
    """Whether text comes inside blocks only, reasoning outside, and every block that starts ends before the next one."""
    marks = {TextStarted: "(", TextEnded: ")", TextDelta: "t", ReasoningDelta: "r"}
    signs = "".join(marks.get(type(event), "") for event in events)
    return re.fullmatch(r"(?:\(t*\)|r)*", signs) is not None


class SplitAnyTextTests(Unmeasured):
    """What is true of every text and every cut."""

    @settings(deadline=None, max_examples=400)
    @given(tagged)
    @example(["<think>a</think>", "\n", "\n", "\nb"])
    @example(["<think></think>", "\na"])
    def test_any_cut(self, pieces: Sequence[str]) -> None:
        """Text and reasoning are told apart in the same way however the text is cut, and blocks are well formed."""
        events = fed(SplitThinkTags(), *block(*pieces))

        self.assertEqual(joined(events), defined("".join(pieces))[0])
        self.assertTrue(paired(events), events)

    @settings(deadline=None, max_examples=400)
    @given(tagged)
    def test_no_more_is_held_than_needed(self, pieces: Sequence[str]) -> None:
        """After every piece exactly that is held which may be the beginning of a tag."""
        stage = SplitThinkTags()
        said = fed(stage, TextStarted())
        seen = ""

        for piece in pieces:
            said += fed(stage, TextDelta(piece))
            seen += piece

            whole, tags = defined(seen)
            self.assertEqual(joined(said), shortened(whole, unfinished(seen, tags)))


class SplitTests(SynchronousTestCase):
    """What is reasoning, and what is not."""

    def split(self, *pieces: str) -> list[Event]:
        """What a block in these pieces says."""
        return joined(fed(SplitThinkTags(), *block(*pieces)))

    def test_both_tags(self) -> None:
        """Both spellings are tags, and each is closed by its own."""
        self.assertEqual(self.split("<think>a</think>b"), [ReasoningDelta("a"), TextDelta("b")])
        self.assertEqual(self.split("<thinking>a</think>b</thinking>c"), [ReasoningDelta("a</think>b"), TextDelta("c")])

    def test_blocks(self) -> None:
        """A text block ends before reasoning, and another one starts after it."""
        events = fed(SplitThinkTags(), *block("x<think>a</think>", "y"))

        self.assertEqual(events, [*block("x"), ReasoningDelta("a"), *block("y")])

    def test_reasoning_last(self) -> None:
        """Without a closing tag all that comes after the opening tag is reasoning, also what looks like the beginning of one."""
        events = fed(SplitThinkTags(), *block("x<think>a</thi"), FINISHED)

        self.assertEqual(events, [*block("x"), ReasoningDelta("a"), ReasoningDelta("</thi"), FINISHED])

    def test_next_block(self) -> None:
        """Neither reasoning nor code lasts longer than its block."""
        events = fed(SplitThinkTags(), *block("<think>a"), *block("b```"), *block("<think>c</think>"), *block("\nd"))

        self.assertEqual(
            joined(events), [ReasoningDelta("a"), TextDelta("b```"), ReasoningDelta("c"), TextDelta("\nd")]
        )

    def test_newlines(self) -> None:
        """One or two newlines after a closing tag belong to the tag."""
        for newlines, left in (("", ""), ("\n", ""), ("\n\n", ""), ("\n\n\n", "\n"), (" \n", " \n")):
            self.assertEqual(
                self.split(f"<think>a</think>{newlines}b\n"), [ReasoningDelta("a"), TextDelta(f"{left}b\n")]
            )

    def test_code(self) -> None:
        """Tags in fences and in inline code are text."""
        for code in (
            "```html\n<think>a</think>\n```",
            "````\n```\n<think>a</think>\n````",
            "`<think>` and ``a ` <think>``",
            "```a\n\n`<think>",
        ):
            self.assertEqual(self.split(code), [TextDelta(code)])

    def test_after_code(self) -> None:
        """A tag after code counts, and a lone backtick makes no code of the lines that follow."""
        for code in ("```\n<think>\n```\n", "`<think>`", "it`s\n", "``\n"):
            self.assertEqual(self.split(f"{code}<think>a</think>"), [TextDelta(code), ReasoningDelta("a")])

    def test_closing_alone(self) -> None:
        """A closing tag that closes nothing is text."""
        self.assertEqual(self.split("a</think>\nb"), [TextDelta("a</think>\nb")])

    def test_other_events(self) -> None:
        """Whatever else comes, what was held comes before it, and no tag goes on after it."""
        others: list[Event] = [ReasoningDelta("<think>"), *CALL, FINISHED, FAILURE]
        for other in others:
            events = fed(SplitThinkTags(), TextStarted(), TextDelta("a<thi"), other, TextDelta("nk>"))

            self.assertEqual(events, [TextStarted(), TextDelta("a"), TextDelta("<thi"), other, TextDelta("nk>")])

    def test_run_before_another_event(self) -> None:
        """Backticks before another event are a whole run: here of a span, which ends with its line, and not of a fence."""
        events = fed(SplitThinkTags(), TextDelta("``"), *CALL, TextDelta("`\n<think>a"), TextEnded())

        self.assertEqual(joined(events), [TextDelta("``"), *CALL, TextDelta("`\n"), ReasoningDelta("a")])

    def test_newline_after_another_event(self) -> None:
        """A newline that does not come directly after a closing tag is text."""
        events = fed(SplitThinkTags(), TextDelta("<think>a</think>"), *CALL, TextDelta("\nb"), TextEnded())

        self.assertEqual(joined(events), [ReasoningDelta("a"), *CALL, TextDelta("\nb")])

    def test_unannounced(self) -> None:
        """Text that was never announced is left so, unless reasoning has to interrupt it."""
        deltas = (TextDelta("a"), TextDelta("b"), FINISHED)
        tagged_deltas = (TextDelta("a"), TextDelta("<think>b</think>c"), FINISHED)

        self.assertEqual(fed(SplitThinkTags(), *deltas), list(deltas))
        self.assertEqual(
            fed(SplitThinkTags(), *tagged_deltas),
            [TextDelta("a"), TextEnded(), ReasoningDelta("b"), TextStarted(), TextDelta("c"), FINISHED],
        )

    def test_untouched(self) -> None:
        """A piece of text in which nothing is special is passed on as it is."""
        stage = SplitThinkTags()
        delta = TextDelta("plain text")
        fed(stage, TextStarted())

        (said,) = stage.feed(delta)

        self.assertIs(said, delta)


class TagTests(SynchronousTestCase):
    """The other way."""

    def test_tagged(self) -> None:
        """Reasoning is a text block of its own, in tags and with an empty line after it."""
        events = fed(TagReasoning(keep=False), ReasoningDelta("a"), ReasoningDelta("b"), *block("c"), FINISHED)

        self.assertEqual(events, [*block("<think>a", "b", "</think>\n\n"), *block("c"), FINISHED])

    def test_kept(self) -> None:
        """Reasoning can be said in both ways."""
        events = fed(TagReasoning(keep=True), ReasoningDelta("a"), ReasoningDelta("b"), FINISHED)

        self.assertEqual(
            events,
            [
                TextStarted(),
                TextDelta("<think>a"),
                ReasoningDelta("a"),
                TextDelta("b"),
                ReasoningDelta("b"),
                TextDelta("</think>\n\n"),
                TextEnded(),
                FINISHED,
            ],
        )

    def test_inside_a_block(self) -> None:
        """Reasoning that comes while a block is open is written into it."""
        events = fed(TagReasoning(keep=False), TextStarted(), ReasoningDelta("a"), TextDelta("b"), TextEnded())

        self.assertEqual(events, block("<think>a", "</think>\n\n", "b"))

    def test_closed(self) -> None:
        """Whatever comes after reasoning, the tag is closed before it."""
        others: list[Event] = [*CALL, FINISHED, FAILURE]
        for other in others:
            events = fed(TagReasoning(keep=False), ReasoningDelta("a"), other)

            self.assertEqual(events, [*block("<think>a", "</think>\n\n"), other])

    def test_again(self) -> None:
        """Reasoning that starts again after a call has tags of its own."""
        events = fed(TagReasoning(keep=False), ReasoningDelta("a"), *CALL, ReasoningDelta("b"), FINISHED)

        self.assertEqual(
            events, [*block("<think>a", "</think>\n\n"), *CALL, *block("<think>b", "</think>\n\n"), FINISHED]
        )

    def test_no_reasoning(self) -> None:
        """A turn without reasoning is left alone."""
        events = [*block("a", "b"), *CALL, *block("c"), FINISHED]

        self.assertEqual(fed(TagReasoning(keep=False), *events), events)


class RoundTripTests(SynchronousTestCase):
    """There and back."""

    @settings(deadline=None)
    @given(
        st.lists(
            st.one_of(
                plain.map(lambda piece: [ReasoningDelta(piece)]),
                st.lists(plain, max_size=3).map(lambda pieces: block(*pieces)),
                st.just(CALL),
            ),
            max_size=6,
        )
    )
    def test_round_trip(self, parts: list[list[Event]]) -> None:
        """Reasoning that was written into the text is found there again, as long as the answer itself has no tags and no code."""
        turn = [*(event for part in parts for event in part), FINISHED]

        written = fed(TagReasoning(keep=False), *turn)
        events = fed(SplitThinkTags(), *written)

        self.assertEqual(joined(events), joined(turn))
        self.assertTrue(paired(written), written)
        self.assertTrue(paired(events), events)
