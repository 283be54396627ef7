"""Tests of the assembly of tool calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind
from ccproxy.events import Event, Failed, ToolArguments, ToolEnded, ToolStarted
from ccproxy.framing import dumps
from ccproxy.upstreams.commandcode.calls import Calls
from tests.cuts import pieces

STARTED = ToolStarted("a", "look")
inputs = st.dictionaries(
    st.text(max_size=4), st.integers() | st.text() | st.lists(st.booleans(), max_size=2), max_size=3
)


def whole(arguments: str) -> list[Event]:
    """A call that comes at once."""
    return [STARTED, ToolArguments("a", arguments), ToolEnded("a", arguments)]


class CallsTestCase(SynchronousTestCase):
    """A test case with the calls of one turn."""

    def setUp(self) -> None:
        """Begin a turn."""
        self.calls = Calls(0)

    def streamed(self, *fragments: str, final: object = None) -> list[Event]:
        """What is said of a call in fragments and its final record."""
        said = list(self.calls.start("a", "look"))
        for fragment in fragments:
            said += self.calls.fragment("a", fragment)
        return [*said, *self.calls.finish("a", "look", final)]

    def refused(self, said: Iterable[Event], message: str) -> None:
        """The last event is a failure with these words in it."""
        *_, failed = said

        assert isinstance(failed, Failed), failed
        self.assertEqual(failed.error.kind, Kind.UPSTREAM)
        self.assertIn(message, failed.error.message)


class StreamedTests(CallsTestCase):
    """Announced, streamed, completed."""

    def test_as_it_comes(self) -> None:
        """Fragments are handed over as they come, and the final record adds nothing to what they say."""
        said = self.streamed('{"po', 'rt":1}', final={"port": 1})

        self.assertEqual(
            said, [STARTED, ToolArguments("a", '{"po'), ToolArguments("a", 'rt":1}'), ToolEnded("a", '{"port":1}')]
        )

    def test_own_spelling(self) -> None:
        """Fragments that mean the same as the final record stay as they are."""
        said = self.streamed(' { "b" : 1.0, "a" : "\\u00e9" } ', final={"a": "é", "b": 1})

        self.assertEqual(said[-1], ToolEnded("a", ' { "b" : 1.0, "a" : "\\u00e9" } '))

    def test_no_final(self) -> None:
        """A final record without an input leaves the call to its fragments."""
        for final in (None, "", "  "):
            self.setUp()

            self.assertEqual(self.streamed('{"a":1}', final=final)[-1], ToolEnded("a", '{"a":1}'))

    def test_text_final(self) -> None:
        """The final record may hold its input as text, spelled in another way."""
        self.assertEqual(self.streamed('{"a":1}', final='{ "a": 1 }')[-1], ToolEnded("a", '{"a":1}'))

    def test_no_fragments(self) -> None:
        """A call without fragments has the arguments of its final record, or none at all."""
        self.assertEqual(self.streamed(final={"a": "é"}), whole('{"a":"é"}'))
        self.setUp()
        self.assertEqual(self.streamed(), whole("{}"))

    def test_blank_fragments(self) -> None:
        """Fragments of nothing but space count as none; the joined arguments are still what was sent."""
        self.assertEqual(
            self.streamed("", " \n", final={"a": 1}),
            [STARTED, ToolArguments("a", " \n"), ToolArguments("a", '{"a":1}'), ToolEnded("a", ' \n{"a":1}')],
        )

    def test_conflict(self) -> None:
        """Fragments that say something else than the final record fail the turn: they are with the client already."""
        for final in ({"a": 2}, '{"a":2}', [1], 7, {}):
            self.setUp()

            self.refused(self.streamed('{"a":1}', final=final), "differ from its final ones")

    def test_broken(self) -> None:
        """Fragments that are no JSON object fail the turn, also when the final record is whole."""
        for fragments in ('{"a":', "[1]", "null", "7", '"a"', '{"a":1}{'):
            self.setUp()

            self.refused(self.streamed(fragments, final={"a": 1}), "not a JSON object")

    def test_announced_once(self) -> None:
        """A call that is announced twice is shown once."""
        self.assertEqual([*self.calls.start("a", "look"), *self.calls.start("a", "look")], [STARTED])

    def test_split_character(self) -> None:
        """A character that is cut in half between two fragments arrives whole; a half without the other is U+FFFD."""
        self.assertEqual(self.streamed('{"a":"\ud83d', '\udc33"}')[-1], ToolEnded("a", '{"a":"🐳"}'))
        self.setUp()
        self.assertEqual(self.streamed('{"a":"\ud83d', '"}')[-1], ToolEnded("a", '{"a":"\ufffd"}'))
        self.setUp()
        self.refused(self.streamed('{"a":1}\ud83d'), "not a JSON object")

    @given(st.data(), inputs)
    @settings(max_examples=60, deadline=None)
    def test_any_cut(self, data: st.DataObject, arguments: dict[str, object]) -> None:
        """However the arguments are cut, the fragments joined are the arguments."""
        text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
        final = data.draw(st.sampled_from((None, arguments, text)))
        self.setUp()

        said = self.streamed(*data.draw(pieces(text)), final=final)

        self.assertEqual("".join(event.fragment for event in said if isinstance(event, ToolArguments)), text)
        self.assertEqual(said[-1], ToolEnded("a", text))


class WholeTests(CallsTestCase):
    """Calls that come as one record."""

    def test_inputs(self) -> None:
        """Whatever the input is, the arguments are an object: a text is read, a bare value is named, nothing is empty."""
        for final, arguments in (
            ({"a": 1}, '{"a":1}'),
            ('{"a":1}', '{"a":1}'),
            (' {"a":1} ', '{"a":1}'),
            (None, "{}"),
            ("", "{}"),
            ("null", "{}"),
            ("Oslo", '{"value":"Oslo"}'),
            ('"Oslo"', '{"value":"Oslo"}'),
            ("[1,2]", '{"value":[1,2]}'),
            ([1, 2], '{"value":[1,2]}'),
            (7, '{"value":7}'),
            (False, '{"value":false}'),
            (0, '{"value":0}'),
        ):
            self.setUp()

            self.assertEqual(list(self.calls.finish("a", "look", final)), whole(arguments), final)

    def test_cut_input(self) -> None:
        """A text that begins as JSON and does not end as such is a cut one, and fails the turn."""
        for final in ('{"a":1', "[1", '{"a":1}}'):
            self.setUp()

            self.refused(self.calls.finish("a", "look", final), "not a JSON object")

    def test_lone_surrogate(self) -> None:
        """What UTF-8 cannot hold is U+FFFD, and an infinity is null, so that the arguments are JSON for everybody."""
        (_, _, ended) = self.calls.finish("a", "look", {"a": "\ud83d", "b": float("inf")})

        self.assertEqual(ended, ToolEnded("a", '{"a":"\ufffd","b":null}'))

    def test_depth(self) -> None:
        """Arguments of any depth are taken or fail the turn, and raise nothing."""
        for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit() + 50):
            value: list[object] = []
            for _ in range(depth):
                value = [value]
            text = '{"value":' + "[" * (depth + 1) + "]" * (depth + 1) + "}"
            for fragments, final in (((), value), ((), text), ((text,), value)):
                self.setUp()

                self.assertIsInstance(self.streamed(*fragments, final=final)[-1], (ToolEnded, Failed))


class IdentityTests(CallsTestCase):
    """Which call is which."""

    def test_interleaved(self) -> None:
        """Calls whose fragments take turns do not mix."""
        said = [
            *self.calls.start("a", "look"),
            *self.calls.fragment("a", '{"x":'),
            *self.calls.start("b", "listen"),
            *self.calls.fragment("b", "{}"),
            *self.calls.fragment("a", "1}"),
            *self.calls.finish("b", "listen", {}),
            *self.calls.finish("a", "look", {"x": 1}),
        ]

        self.assertEqual(
            [event for event in said if isinstance(event, ToolEnded)], [ToolEnded("b", "{}"), ToolEnded("a", '{"x":1}')]
        )

    def test_completed_once(self) -> None:
        """Whatever repeats a call after its end is nothing new."""
        self.streamed(final={"a": 1})

        later = [
            *self.calls.start("a", "look"),
            *self.calls.fragment("a", "{}"),
            *self.calls.finish("a", "look", {"a": 1}),
            *self.calls.finish("a", None, None),
            *self.calls.reveal(),
        ]

        self.assertEqual(later, [])

    def test_id_used_twice(self) -> None:
        """Another call under an id that was used is a call too, under an id of its own."""
        self.streamed(final={"a": 1})

        later = [*self.calls.finish("a", "look", {"a": 2}), *self.calls.finish("a", "shoot", {"a": 1})]

        self.assertEqual(
            [event for event in later if isinstance(event, ToolEnded)],
            [ToolEnded("a_2", '{"a":2}'), ToolEnded("a_3", '{"a":1}')],
        )

    def test_half_a_character(self) -> None:
        """Arguments that hold half of a character agree with what of it could be streamed."""
        streamed = [*self.calls.start("a", "look"), *self.calls.fragment("a", '{"x":"\ud83d"}')]

        ended = list(self.calls.finish("a", "look", {"x": "\ud83d"}))

        self.assertEqual(len(streamed), 2)
        self.assertEqual(ended, [ToolEnded("a", '{"x":"\ufffd"}')])

    def test_late_name(self) -> None:
        """A call is shown when it has a name, with all the fragments until then."""
        before = [*self.calls.start("a", None), *self.calls.fragment("a", '{"x"'), *self.calls.fragment("a", ":1")]

        self.assertEqual(before, [])
        self.assertEqual(list(self.calls.start("a", "look")), [STARTED, ToolArguments("a", '{"x":1')])
        self.assertEqual(list(self.calls.fragment("a", "}")), [ToolArguments("a", "}")])

    def test_either_name(self) -> None:
        """A call gets its name where it is announced or with its final record, and one of the two is enough."""
        for first, last in (("look", None), (None, "look"), ("look", "look")):
            self.setUp()

            self.assertEqual([*self.calls.start("a", first), *self.calls.finish("a", last, {})], whole("{}"))

    def test_no_name(self) -> None:
        """A call that ends without a name fails the turn."""
        for name in (None, ""):
            self.setUp()

            self.refused(self.calls.finish("a", name, {}), "without a name")


class RevealTests(CallsTestCase):
    """Calls that never end."""

    def test_unnamed(self) -> None:
        """A call that was begun and never named is shown at the end of the turn, which can then not end well."""
        self.assertEqual(list(self.calls.fragment("a", "{}")), [])

        self.assertEqual(list(self.calls.reveal()), [ToolStarted("a", "unknown"), ToolArguments("a", "{}")])

    def test_named(self) -> None:
        """A call that was shown is not shown again."""
        list(self.calls.start("a", "look"))

        self.assertEqual(list(self.calls.reveal()), [])


class DisownTests(CallsTestCase):
    """Calls that run upstream."""

    def test_from_the_start(self) -> None:
        """Nothing of a call that is disowned is shown."""
        self.calls.disown("a")

        self.assertEqual(self.streamed("{}", final={}), [])

    def test_unnamed(self) -> None:
        """A call that turns out to be the upstream's own before it was shown is not revealed."""
        list(self.calls.fragment("a", "{}"))
        self.calls.disown("a")

        self.assertEqual(list(self.calls.reveal()), [])


class LimitTests(CallsTestCase):
    """How long arguments may be."""

    def test_limit(self) -> None:
        """Arguments of exactly the limit pass; one character more, over all fragments, fails the turn for good."""
        self.calls = Calls(4)

        self.assertEqual(self.streamed("{  ", "}")[-1], ToolEnded("a", "{  }"))
        failing = [*self.calls.start("b", "look"), *self.calls.fragment("b", '{"a'), *self.calls.fragment("b", '":')]

        self.refused(failing, "larger than the limit")
        assert isinstance(failing[-1], Failed)
        self.assertFalse(failing[-1].error.retryable)

    def test_each(self) -> None:
        """The limit is for each call."""
        self.calls = Calls(4)
        said = [*self.calls.fragment("a", "{   "), *self.calls.fragment("b", "{   ")]

        self.assertEqual(said, [])

    def test_one_record(self) -> None:
        """A call that comes as one record is bounded by the limit for lines alone."""
        self.calls = Calls(4)

        self.assertEqual(self.streamed(final={"a": 123})[-1], ToolEnded("a", dumps({"a": 123}).decode()))
