r"""This module is the stage that leaves of an answer only its JSON document, for clients that asked for structured output.

Models wrap a document into prose and fences. What comes before it is held, what comes after it is dropped, and the document itself
is passed on as it comes. It begins at the first ``{`` or ``[`` that is not betrayed by what follows: an object needs a key and its
colon, an array a value, so that ``{name}``, ``"{"``, ``[x](y)`` and ``[note]`` are prose; but what goes on for 64 characters as JSON
could is JSON. What is shorter, flat and without a string, such as ``[1]``, ``{}`` or ``[ ]``, is a mark that prose may hold as well:
the first mark is the document only if nothing better comes until the end. An answer that is a JSON string, number or literal as
a whole is known at its end too.

What can go wrong: JSON in the prose before the document (``like {"a": 1}``, ``between "[" and "]"``) is taken for it, and so is JSON
in the prose after a document that looks like a mark. Brackets are counted and not matched: what is no JSON inside ends anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ccproxy.events import Event, Failed, Finished, FinishReason, TextDelta, TextEnded, TextStarted, ToolStarted
from ccproxy.framing import MalformedJSONError, loads

_LONGEST_MARK = 64
_CUT = (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)
_SPACE = r"[ \t\r\n]*"
_SCALAR = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)"
_SCALAR_BEGUN = r"(?:-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?)?|tr?u?e?|fa?l?s?e?|nu?l?l?)"
_STRING_BEGUN = r'"(?:[^"\\\x00-\x1f]|\\.)*'
_STRING = rf'{_STRING_BEGUN}"'
_CANDIDATE = re.compile(
    rf"""
    # The arrays that begin, each with its scalars so far. Where nothing fits after them, they are prose, and all that begin in them.
    (?= (?P<arrays> (?: {_SPACE}\[ (?:{_SPACE}{_SCALAR}{_SPACE},)* )* ) ) (?P=arrays)
    (?: (?P<document> {_SPACE} (?: \{{{_SPACE}{_STRING}{_SPACE}: | {_STRING}{_SPACE}[,\]] ) )
      | (?P<closed> {_SPACE}\{{{_SPACE}\}} | {_SPACE}{_SCALAR}{_SPACE}\] | (?<=\[){_SPACE}\] )
      | (?P<pending> {_SPACE}
            (?: (?:\{{{_SPACE})? (?:{_STRING_BEGUN}\\? | {_STRING}{_SPACE})? | {_SCALAR}{_SPACE} | {_SCALAR_BEGUN} ) \Z
        )
    )?
    """,
    re.VERBOSE,
)
_OPENING = re.compile(r"[{\[]")
_OUTSIDE = re.compile(r'"(?:[^"\\]*")?|[{}\[\]]')  # a simple string is gone over in one step
_INSIDE = re.compile(r'\\.?|"', re.DOTALL)
_ESCAPED = re.compile(r".", re.DOTALL)  # after a backslash that ended its delta


class JSONOnly:
    """Passes on the first JSON document of the answer's text.

    An answer without one is handed over as it was: at its end, when the turn calls a tool, or as soon as it is longer than the limit.
    From then on all text passes.

    Args:
        limit: How many characters may come before a document and are held, and how many of the document are kept.

    Attributes:
        complete: The document's brackets are closed, and all of it is in `document`. It may still be no JSON.
    """

    def __init__(self, limit: int) -> None:
        self.complete = False
        self._limit = limit
        self._take = self._seek
        self._block_open = False
        self._held: list[str] = []
        self._seen = 0
        self._candidate = ""
        self._mark = ""
        self._kept: list[str] = []
        self._room = limit
        self._depth = 0
        self._pattern = _OUTSIDE

    @property
    def document(self) -> str:
        """The document so far, as it was passed on; of one that is longer than the limit only the beginning."""
        return "".join(self._kept)

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back, or for text what of it belongs to the document."""
        match event:
            case TextDelta(text):
                said = self._take(text)
                if said == text:
                    return (event,)
                return (TextDelta(said),) if said else ()
            case TextStarted():
                self._block_open = True
            case TextEnded():
                self._block_open = False
            case ToolStarted() | Failed():
                return (*self._in_block(self._give_up()), event)
            case Finished(reason):
                last = self._give_up() if reason in _CUT else self._end()
                return (*self._in_block(last), event)
        return (event,)

    # What is said of a piece of text, before, in and after the document, or without one

    def _seek(self, text: str) -> str:
        self._held.append(text)
        window = self._candidate + text
        room = self._limit - self._seen + len(self._candidate)
        self._seen += len(text)
        self._candidate = ""
        at = 0
        while (opening := _OPENING.search(window, at, room)) and (
            candidate := _CANDIDATE.match(window, opening.start(), opening.start() + _LONGEST_MARK)
        ):
            at = max(candidate.end(), opening.end())
            begun = candidate[0]
            if candidate.lastgroup == "closed" and _is_mark(begun):
                self._mark = self._mark or begun
            elif candidate.lastgroup == "pending" and len(begun) < _LONGEST_MARK:
                self._candidate = begun
                return ""
            elif candidate.lastgroup != "arrays":
                self._held.clear()
                self._take = self._follow
                return self._follow(window[opening.start() :])
        return self._give_up() if self._seen > self._limit else ""

    def _follow(self, text: str) -> str:
        at = 0
        while (found := self._pattern.search(text, at)) is not None:
            at = found.end()
            mark = found[0]
            if self._pattern is _ESCAPED:
                self._pattern = _INSIDE
            elif mark == "\\":
                self._pattern = _ESCAPED
            elif mark == '"':
                self._pattern = _INSIDE if self._pattern is _OUTSIDE else _OUTSIDE
            elif mark in "{[":
                self._depth += 1
            elif mark in "}]":
                self._depth -= 1
                if not self._depth:
                    self._take = self._drop
                    self.complete = self._keep(text[:at])
                    return text[:at]
        self._keep(text)
        return text

    def _drop(self, text: str) -> str:
        return ""

    def _pass(self, text: str) -> str:
        return text

    # The end

    def _give_up(self) -> str:
        """From now on all text passes, that which was held first."""
        held = "".join(self._held)
        self._held.clear()
        self._take = self._pass
        return held

    def _end(self) -> str:
        if self._take != self._seek:
            return ""
        held = self._give_up()
        document = _whole(held) or self._mark
        self.complete = bool(document) and self._keep(document)
        return document or held

    def _keep(self, text: str) -> bool:
        """Keep a piece of the document; tell whether all of it has been kept."""
        if self._room > 0:
            self._kept.append(text[: self._room])
        self._room -= len(text)
        return self._room >= 0

    def _in_block(self, text: str) -> Iterable[Event]:
        if not text:
            return ()
        said = TextDelta(text)
        return (said,) if self._block_open else (TextStarted(), said, TextEnded())


def _is_mark(closed: str) -> bool:
    return closed.count("[") + closed.count("{") == 1


def _whole(text: str) -> str:
    """The JSON text that is the whole answer, in a fence or not; nothing if it is none."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare[3:-3].partition("\n")[2].strip()
    try:
        loads(bare)
    except MalformedJSONError:
        return ""
    return bare
