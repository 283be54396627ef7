"""This module is the pair for reasoning that is written into the text, between ``<think>`` and ``</think>``.

Some models write so although the upstream has records for reasoning, and some clients can show reasoning in no other way.

Text is read as follows. A tag is ``<think>`` or ``<thinking>``; its own closing tag ends it, or else the end of the text block. A closing
tag that closes nothing is text, and so is everything inside code. Code stands between runs of backticks: a run of three or more opens a
fence, which lasts until the next run that is as long, and a shorter one opens a span, which lasts until a run of its own length or the end
of the line, as a lone backtick is often no code at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ccproxy.events import Event, ReasoningDelta, TextDelta, TextEnded, TextStarted

_TAGS = ("<think>", "<thinking>")
_SPECIAL = re.compile(r"[<`]")
_PROSE = re.compile(r"<think(?:ing)?>|`+")
_SPAN = re.compile(r"`+|\n")
_RUN = re.compile(r"`+")
_FENCE = 3
_NEWLINES = 2  # so many after a closing tag belong to the tag


class TagReasoning:
    """Writes reasoning into the text, between tags and before whatever follows it.

    Args:
        keep: The reasoning is said as such too.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._thinking = False
        self._text_open = False
        self._own_block = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, or the text that it becomes."""
        if isinstance(event, ReasoningDelta):
            return (*self._written(event.text), event) if self._keep else self._written(event.text)
        if isinstance(event, (TextStarted, TextDelta)):
            self._text_open = True
        elif isinstance(event, TextEnded):
            self._text_open = False
        return (*self._closing(), event) if self._thinking else (event,)

    def _written(self, text: str) -> Iterable[Event]:
        if self._thinking:
            return (TextDelta(text),)
        self._thinking = True
        self._own_block = not self._text_open
        opening = TextDelta("<think>" + text)
        return (TextStarted(), opening) if self._own_block else (opening,)

    def _closing(self) -> Iterable[Event]:
        self._thinking = False
        closing = TextDelta("</think>\n\n")
        return (closing, TextEnded()) if self._own_block else (closing,)


class SplitThinkTags:
    """Says what stands between tags as reasoning; a text block ends before it and another one starts after it."""

    def __init__(self) -> None:
        self._scanner = _Scanner()
        self._open = False
        self._interrupted = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, or for text what is in it."""
        if isinstance(event, TextDelta):
            if self._open and self._scanner.is_plain(event.text):
                return (event,)
            return self._placed(self._scanner.feed(event.text))
        said = self._placed(self._scanner.release())
        if isinstance(event, TextStarted):
            self._open, self._interrupted = True, False
        elif isinstance(event, TextEnded):
            self._scanner = _Scanner()
            ended_before, self._open, self._interrupted = self._interrupted, False, False
            return said if ended_before else (*said, event)
        return (*said, event)

    def _placed(self, events: Iterable[Event]) -> list[Event]:
        """Put text inside a block, and reasoning outside."""
        placed: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                if self._interrupted:
                    placed.append(TextStarted())
                self._open, self._interrupted = True, False
            elif self._open:
                placed.append(TextEnded())
                self._open, self._interrupted = False, True
            placed.append(event)
        return placed


class _Scanner:
    """Tells reasoning from text in one text block, however it is cut.

    It holds back what may be the beginning of a tag that would count where it stands, and nothing else.
    """

    def __init__(self) -> None:
        self._held = ""
        self._closing: re.Pattern[str] | None = None  # the tag that ends the reasoning
        self._code = 0  # the length of the run that opened the code
        self._run = 0  # backticks at the end of the text, of a run that may go on
        self._newlines = 0  # how many are still dropped

    def is_plain(self, text: str) -> bool:
        """Whether this is text only, and changes nothing."""
        busy = self._held or self._closing or self._code or self._run or self._newlines
        return not busy and _SPECIAL.search(text) is None

    def feed(self, text: str) -> Iterator[Event]:
        """Take the next piece of the block."""
        text, self._held = self._held + text, ""
        start = self._skip_newlines(text, 0)
        at = self._count(text, start) if self._run else start
        while (found := self._pattern().search(text, at)) is not None:
            at = found.end()
            mark = found[0]
            if mark == "\n":
                self._code = 0
            elif mark[0] == "`":
                at = self._count(text, found.start())
            else:
                yield from self._said(text[start : found.start()])
                start = at = self._cross(mark, text, at)
        end = self._certain(text, at)
        yield from self._said(text[start:end])
        self._held = text[end:]

    def release(self) -> Iterable[Event]:
        """Give what is held, as no tag and no run goes on."""
        held, self._held = self._held, ""
        self._newlines = 0
        if self._run:
            self._end_run()
        return self._said(held)

    def _pattern(self) -> re.Pattern[str]:
        if self._closing is not None:
            return self._closing
        if self._code >= _FENCE:
            return _RUN
        return _SPAN if self._code else _PROSE

    def _said(self, piece: str) -> Iterable[Event]:
        if not piece:
            return ()
        return (TextDelta(piece),) if self._closing is None else (ReasoningDelta(piece),)

    def _cross(self, tag: str, text: str, at: int) -> int:
        """Go over a tag that ends at ``at``, and what belongs to it."""
        if self._closing is None:
            self._closing = re.compile(f"</{tag[1:]}")
            return at
        self._closing = None
        self._newlines = _NEWLINES
        return self._skip_newlines(text, at)

    def _skip_newlines(self, text: str, at: int) -> int:
        while self._newlines and text.startswith("\n", at):
            self._newlines -= 1
            at += 1
        if at < len(text):
            self._newlines = 0
        return at

    def _count(self, text: str, at: int) -> int:
        """Go over the backticks at ``at``, and end their run if something follows them."""
        run = _RUN.match(text, at)
        end = at if run is None else run.end()
        self._run += end - at
        if end < len(text):
            self._end_run()
        return end

    def _end_run(self) -> None:
        run, self._run = self._run, 0
        if not self._code:
            self._code = run
        elif run == self._code or run > self._code >= _FENCE:
            self._code = 0

    def _certain(self, text: str, at: int) -> int:
        """Where what may become a tag begins; the end of the text if there is no such thing."""
        begun = -1 if self._code else text.rfind("<", at)
        tags = _TAGS if self._closing is None else (self._closing.pattern,)
        if begun < 0 or not any(tag.startswith(text[begun:]) for tag in tags):
            return len(text)
        return begun
