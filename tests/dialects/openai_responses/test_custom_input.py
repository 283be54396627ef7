"""Tests of the text of custom tools, as it is read out of JSON."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.custom_input import InputReader, custom_input

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('\n\t"\\/\u2028\U0001f600é'))
VALUES = st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=2), max_leaves=4)
CUTS = st.lists(st.integers(0, 200), max_size=8)


def pieces(arguments: str, cuts: list[int]) -> list[str]:
    """What a reader gives for arguments that come in pieces."""
    places = sorted({0, len(arguments), *(cut for cut in cuts if cut < len(arguments))})
    reader = InputReader()
    given = [reader.feed(arguments[start:end]) for start, end in pairwise(places)]
    return [*given, reader.end(arguments)]


class InputTests(SynchronousTestCase):
    """The text of a call."""

    @given(TEXTS, CUTS, st.booleans(), st.sampled_from([None, 2]))
    def test_as_json_reads_it(self, text: str, cuts: list[int], ascii_only: bool, indent: int | None) -> None:
        """However the arguments are written and cut, the pieces are the text, and nothing is left for the end."""
        arguments = json.dumps({"input": text}, ensure_ascii=ascii_only, indent=indent)

        read = pieces(arguments, cuts)

        self.assertEqual("".join(read), json.loads(arguments)["input"])
        self.assertEqual(read[-1], "")

    @given(st.dictionaries(st.sampled_from(["input", "patch", "x"]) | TEXTS, VALUES, max_size=3), CUTS)
    def test_any_arguments(self, values: dict[str, object], cuts: list[int]) -> None:
        """Whatever the arguments are, the pieces are what the whole call shows, and input is what is shown of them if it is a text."""
        arguments = json.dumps(values)

        text = custom_input(arguments)

        self.assertEqual("".join(pieces(arguments, cuts)), text)
        if isinstance(values.get("input"), str):
            self.assertEqual(text, values["input"])

    def test_every_cut(self) -> None:
        """Escapes and pairs of surrogates may be cut anywhere."""
        arguments = r'{"input": "a\"\\\n\u00e9\ud83d\ude00/\/z\uD83D\uDC33", "more": "x"}'

        for cut in range(len(arguments)):
            for second in range(cut, len(arguments)):
                self.assertEqual("".join(pieces(arguments, [cut, second])), 'a"\\\né😀//z🐳', (cut, second))

    @given(st.text(st.sampled_from('"\\u0dn\n\x00{:input é'), max_size=30), CUTS)
    def test_broken(self, rest: str, cuts: list[int]) -> None:
        """What is no JSON does not break the reader: it gives the beginning of the text, and no more."""
        arguments = '{"input": "' + rest
        places = sorted({0, len(arguments), *(cut for cut in cuts if cut < len(arguments))})
        reader = InputReader()

        read = "".join(reader.feed(arguments[start:end]) for start, end in pairwise(places))

        self.assertLessEqual(len(read), len(rest))
        if rest.startswith(("\n", '"', "\\d")):
            self.assertEqual((read, reader.feed("x")), ("", ""))

    def test_grows(self) -> None:
        """A text is given as it comes, all of it but an escape that is not whole."""
        self.assertEqual(pieces(r'{"input":"ab\nc"}', [12, 13])[:3], ["ab", "", "\nc"])

    def test_half_a_character(self) -> None:
        """A surrogate without its other half is U+FFFD, at the end and before other text."""
        for arguments in (r'{"input":"a\ud83d"}', r'{"input":"a\ud83db"}'):
            for cut in range(len(arguments)):
                self.assertEqual("".join(pieces(arguments, [cut])).rstrip("b"), "a\ufffd")

    def test_other_arguments(self) -> None:
        """Of arguments of another form the one text is shown, or else all of them; of two texts of one name the first stands."""
        for arguments, text in (
            ('{"patch":"p"}', "p"),
            ('{"n":1,"patch":"p"}', "p"),
            ('{"n":1,"input":"i","patch":"p"}', "i"),
            ('{"a":"p","b":"q"}', '{"a":"p","b":"q"}'),
            ('{"input":["ls"]}', '{"input":["ls"]}'),
            ("{}", "{}"),
            ('{"input":"a","input":"b"}', "a"),
        ):
            self.assertEqual("".join(pieces(arguments, [1, 5])), text)

    def test_late_beginning(self) -> None:
        """A text that begins too late to be looked for is given at the end."""
        arguments = '{"input":' + " " * 80 + '"late"}'

        self.assertEqual(pieces(arguments, [10, 70, 91])[-1], "late")
