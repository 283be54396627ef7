"""Tests of the stage that leaves only the JSON document of an answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence

from hypothesis import assume, example, given, settings
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
from ccproxy.stages.json_only import JSONOnly
from tests.stages.feeding import block, cut, fed, text
from tests.unmeasured import Unmeasured

LIMIT = 10_000
FAILURE = Failed(ProxyError(Kind.UPSTREAM, "The upstream failed."))
FINISHED = Finished(FinishReason.STOP)
CALL: list[Event] = [ToolStarted("a", "f"), ToolArguments("a", "{}"), ToolEnded("a", "{}")]
PROSE = (
    "",
    "Here it is:\n",
    "The {name} of [the] first, as in [link](there) or [-x] and {{value}} {",
    "f(x) { return x[i]; }\n",
    'Beginning with "[" or with "{", {"name"} or ["name" or',
)
MARKS = ("As [1] says: ", "- [ ] done, {} and [2, 3]\n")

strings = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\{}[]`\n'), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings
containers = st.recursive(
    st.lists(scalars, max_size=3) | st.dictionaries(strings, scalars, max_size=3),
    lambda inner: st.lists(inner | scalars, max_size=3) | st.dictionaries(strings, inner | scalars, max_size=3),
    max_leaves=12,
)
fragments = st.lists(
    st.sampled_from(
        ['{"a":', '["b",', "[[1]", "[1", "[", "]", "{", "}", '"', "\\", ",", "-2.5e+3", "true", " ", "\n", "x"]
    ),
    max_size=12,
).map("".join)
indents = st.none() | st.integers(0, 4) | st.just("\t")


@st.composite
def dumped(draw: st.DrawFn, values: st.SearchStrategy[object]) -> str:
    """A value as JSON text, in some style."""
    return json.dumps(draw(values), indent=draw(indents), ensure_ascii=draw(st.booleans()))


@st.composite
def pieces(draw: st.DrawFn, whole: str) -> Sequence[str]:
    """The text in pieces."""
    return draw(cut(st.just(whole)))


def looks_like_mark(document: str) -> bool:
    """By definition: a document that prose may hold without meaning it."""
    return len(document) <= 64 and re.fullmatch(r'[{\[][^"{}\[\]]*[}\]]', document) is not None


def fenced(document: str, before: str, after: str, fence: str) -> str:
    """An answer as models give it."""
    inside = f"```{fence}\n{document}\n```" if fence else document
    return f"{before}{inside}{after}"


class AnyDocumentTests(Unmeasured):
    """What is true of every document and every cut."""

    @settings(deadline=None, max_examples=400)
    @given(
        dumped(containers),
        st.sampled_from((*PROSE, *MARKS)),
        st.sampled_from((*PROSE, *MARKS)),
        st.sampled_from(("", "json", "JSON title=x", " ")),
        st.data(),
    )
    def test_exactly_the_document(
        self, document: str, before: str, after: str, fence: str, data: st.DataObject
    ) -> None:
        """Whatever is around a document, and however the answer is cut, the document is what is passed on."""
        assume(before not in MARKS or not looks_like_mark(document))
        answer = data.draw(pieces(fenced(document, before, after, fence)))
        stage = JSONOnly(LIMIT)

        events = fed(stage, *block(*answer), FINISHED)

        self.assertEqual(text(events), document)
        self.assertEqual((stage.document, stage.complete), (document, True))

    @settings(deadline=None, max_examples=200)
    @given(dumped(containers), st.sampled_from(PROSE), st.data())
    def test_passed_on_at_once(self, document: str, before: str, data: st.DataObject) -> None:
        """A document that can be nothing else is passed on as it comes: what is 64 characters behind is never held."""
        assume(not looks_like_mark(document))
        stage = JSONOnly(LIMIT)
        seen = said = ""

        for piece in data.draw(pieces(before + document)):
            said += text(stage.feed(TextDelta(piece)))
            seen += piece

            begun = seen[len(before) :]
            self.assertTrue(begun.startswith(said), (begun, said))
            if len(begun) >= 64 or said:
                self.assertEqual(said, begun)

    @settings(deadline=None, max_examples=200)
    @given(dumped(scalars), st.sampled_from(("{}", " \n{}\n", "```json\n{}\n```\n")), st.data())
    @example('"see {} and [1]"', "{}", None)
    def test_scalars(self, document: str, around: str, data: st.DataObject | None) -> None:
        """An answer that is one scalar, in a fence or not, is that scalar."""
        whole = around.replace("{}", document)
        answer = [whole] if data is None else data.draw(pieces(whole))
        stage = JSONOnly(LIMIT)

        events = fed(stage, *block(*answer), FINISHED)

        self.assertEqual(text(events), document)
        self.assertEqual((stage.document, stage.complete), (document, True))

    @settings(deadline=None, max_examples=400)
    @given(cut(fragments), st.integers(0, 30))
    def test_any_cut(self, answer: Sequence[str], limit: int) -> None:
        """Whatever an answer is, and wherever the limit, its cut changes nothing, and something is said of what is not empty."""
        whole = "".join(answer)
        at_once, in_pieces = JSONOnly(limit), JSONOnly(limit)

        events = fed(in_pieces, *block(*answer), FINISHED)

        self.assertEqual(text(events), text(fed(at_once, *block(whole), FINISHED)))
        self.assertEqual((in_pieces.document, in_pieces.complete), (at_once.document, at_once.complete))
        self.assertIn(text(events), whole)
        self.assertEqual(bool(text(events)), bool(whole))


class ProseTests(SynchronousTestCase):
    """What is taken for a document, and what is not."""

    def said(self, answer: str) -> str:
        """What is said of an answer."""
        return text(fed(JSONOnly(LIMIT), *block(answer), FINISHED))

    def test_no_document(self) -> None:
        """An answer without a document is handed over as it was."""
        for answer in (
            "I cannot.",
            " {name} [x](y)\n",
            "see [007], [1.] and [nulls]",
            '{"',
            "[1, 2",
            "a [1,] b",
            "[true",
            "  ",
            '"["\n"]"',
        ):
            self.assertEqual(self.said(answer), answer)

    def test_mark_before_a_document(self) -> None:
        """A mark such as a footnote is no document if a better one comes."""
        for mark in ("[1]", "[ ]", "[1, 2]", "{}", "[true]", "[-1.5e3 , null]"):
            self.assertEqual(self.said(f'As {mark} says: {{"a": 1}}.'), '{"a": 1}')

    def test_mark_alone(self) -> None:
        """The first mark is the document if nothing better comes."""
        self.assertEqual(self.said("The answer is [1, 2] and not [3]."), "[1, 2]")
        self.assertEqual(self.said("{}"), "{}")

    def test_nested(self) -> None:
        """Arrays that hold brackets or strings are no marks."""
        for document in ("[[1]]", "[[]]", "[{}]", '["a"]', '[1, ["a"]]', "[1, [2, [3]]]", '[[{"a": []}]]'):
            self.assertEqual(self.said(f"{document} or {{}}"), document)

    def test_long_array(self) -> None:
        """An array that is longer than a mark is passed on before its end."""
        numbers = ", ".join(map(str, range(100)))

        self.assertEqual(text(JSONOnly(LIMIT).feed(TextDelta(f"So: [{numbers}"))), f"[{numbers}")

    def test_stray_before(self) -> None:
        """A bracket that cannot begin JSON does not hide what comes in it."""
        self.assertEqual(self.said('[see {"a": [1]}]'), '{"a": [1]}')

    def test_escapes(self) -> None:
        """Quotes and brackets in strings count for nothing, wherever an escape is cut."""
        document = r'{"a": "\\\"}{", "b\\": "[\u005d"}'
        answer = f"{document} {{"

        for parts in ([answer], list(answer)):
            self.assertEqual(text(fed(JSONOnly(LIMIT), *block(*parts), FINISHED)), document)

    def test_never_whole(self) -> None:
        """A document that was cut is passed on as far as it came, and is not complete."""
        stage = JSONOnly(LIMIT)

        events = fed(stage, *block('Here: {"a": [1, "}'), Finished(FinishReason.LENGTH))

        self.assertEqual(text(events), '{"a": [1, "}')
        self.assertEqual((stage.document, stage.complete), ('{"a": [1, "}', False))

    def test_cut_before_the_document(self) -> None:
        """Of an answer that was cut before its document nothing is taken for one."""
        for answer in ("As [1] says", "12"):
            stage = JSONOnly(LIMIT)

            events = fed(stage, *block(answer), Finished(FinishReason.LENGTH))

            self.assertEqual((text(events), stage.document, stage.complete), (answer, "", False))


class EventTests(SynchronousTestCase):
    """What becomes of everything that is no text."""

    def test_others_pass(self) -> None:
        """Reasoning passes at once, and is not searched."""
        events = fed(JSONOnly(LIMIT), TextDelta("So "), ReasoningDelta('{"a": 1}'), *block('{"b": 2} x'), FINISHED)

        self.assertEqual(events, [ReasoningDelta('{"a": 1}'), *block('{"b": 2}'), FINISHED])

    def test_call(self) -> None:
        """Once the turn calls a tool all text passes, that which was held first."""
        events = fed(JSONOnly(LIMIT), *block("I call [1] "), *CALL, *block('Then {"a": 1}.'), FINISHED)

        self.assertEqual(
            events,
            [TextStarted(), TextEnded(), *block("I call [1] "), *CALL, *block('Then {"a": 1}.'), FINISHED],
        )

    def test_call_after_the_document(self) -> None:
        """A call after the document lets the text pass that comes after it, and the document stands."""
        stage = JSONOnly(LIMIT)

        events = fed(stage, *block('{"a": 1} x'), *CALL, *block("y {"), FINISHED)

        self.assertEqual(events, [*block('{"a": 1}'), *CALL, *block("y {"), FINISHED])
        self.assertEqual((stage.document, stage.complete), ('{"a": 1}', True))

    def test_failure(self) -> None:
        """What is held is said before a failure, in the block if it is still open."""
        events = fed(JSONOnly(LIMIT), TextStarted(), TextDelta("So [1] "), FAILURE)

        self.assertEqual(events, [TextStarted(), TextDelta("So [1] "), FAILURE])

    def test_two_blocks(self) -> None:
        """A document may go on in the next block."""
        events = fed(JSONOnly(LIMIT), *block('x {"a": '), *block("1} y"), FINISHED)

        self.assertEqual(events, [*block('{"a": '), *block("1}"), FINISHED])


class BoundTests(Unmeasured):
    """What is held, and what it costs."""

    def test_prose_beyond_the_limit(self) -> None:
        """More prose than the limit is handed over, and all that follows passes."""
        events = fed(JSONOnly(10), *block("01234", "56789", "x", '{"a": 1}', "y"), FINISHED)

        self.assertEqual(events, [*block("0123456789x", '{"a": 1}', "y"), FINISHED])

    def test_document_beyond_the_limit(self) -> None:
        """A document that is larger than the limit is passed on whole, and not kept whole."""
        stage = JSONOnly(10)

        events = fed(stage, *block('{"a": "', "0123456789", '"}', "x"), FINISHED)

        self.assertEqual(text(events), '{"a": "0123456789"}')
        self.assertEqual((stage.document, stage.complete), ('{"a": "012', False))

    def test_document_at_the_limit(self) -> None:
        """A document that fills the limit is kept whole."""
        stage = JSONOnly(8)

        fed(stage, *block('{"a"', ": 1}"), FINISHED)

        self.assertEqual((stage.document, stage.complete), ('{"a": 1}', True))

    def test_untouched(self) -> None:
        """A piece of a document is passed on as it is."""
        stage = JSONOnly(LIMIT)
        delta = TextDelta('"plain text')
        fed(stage, TextDelta('{"a": '))

        (said,) = stage.feed(delta)

        self.assertIs(said, delta)

    def test_hostile(self) -> None:
        """Brackets without end, in large pieces or small ones, cost a few steps each."""
        started = time.process_time()

        for unit in ("[x", "[1,", "{", "[[1,[", '["\\', "[1] ", "{ "):
            for answer in ([unit * 20_000], list(unit * 20_000)):
                fed(JSONOnly(1_000_000), *block(*answer), FINISHED)

        self.assertLess(time.process_time() - started, 20)  # what looks at everything held for every piece needs hours
