"""Tests of how the tools that a client offers, and its rule for calling them, are read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy import tools
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields
from ccproxy.prompt import Choice, Note, NoteCode, Tool, ToolChoice

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Tool("weather", "Says the weather.", SCHEMA)
BARE = {"name": "weather", "description": "Says the weather."}
PARALLEL: dict[str, object] = {"parallel_tool_calls": True}
NOT_PARALLEL: dict[str, object] = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


class Case(SynchronousTestCase):
    """What the tests of tools share."""

    def setUp(self) -> None:
        """Begin without notes."""
        self.notes: list[Note] = []

    def offered(self, *offers: object) -> tuple[Tool, ...]:
        """What an array of tools becomes."""
        return tools.offered(Fields({"tools": list(offers)}, ""), self.notes)

    def choice(self, rule: object) -> ToolChoice | None:
        """What a rule becomes."""
        return tools.choice(Fields({"tool_choice": rule}, ""), self.notes)

    def assertRefused(self, field: str, offers: list[object] | None = None, rule: object = None) -> None:  # noqa: N802
        """Tools, or a rule, are refused for a field."""
        error: ProxyError = (
            self.assertRaises(ProxyError, self.choice, rule)
            if offers is None
            else self.assertRaises(ProxyError, self.offered, *offers)
        )
        self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, field))


class OfferedTests(Case):
    """Tools."""

    def test_every_spelling(self) -> None:
        """A tool is the same in each API's spelling, with its type or without, and all of them in one array."""
        function = {**BARE, "parameters": SCHEMA}
        spellings = (
            {"type": "function", "function": function},
            {"function": function},
            {"type": "function", **function},
            function,
            {**BARE, "input_schema": SCHEMA},
            {"type": "custom", **BARE, "input_schema": SCHEMA},
        )

        self.assertEqual(self.offered(*spellings), (WEATHER,) * len(spellings))
        self.assertEqual(self.notes, [])

    def test_without_schema(self) -> None:
        """A tool without a schema, or with an empty one, takes an empty object."""
        empty = {"type": "object", "properties": {}}

        for offer in ({"name": "now"}, {"function": {"name": "now"}}, {"name": "now", "parameters": {}}):
            self.assertEqual(self.offered(offer), (Tool("now", None, empty),))

    def test_none(self) -> None:
        """No tools are no tools."""
        self.assertEqual((self.offered(), tools.offered(Fields({"tools": None}, ""), self.notes)), ((), ()))

    def test_left_out(self) -> None:
        """Tools of the vendor's servers, and those that take no JSON, are left out with a note each."""
        grammar = {"type": "custom", "custom": {"name": "patch"}}

        found = self.offered(
            {"type": "web_search"}, {"type": "bash_20250124", "name": "bash"}, grammar, {"name": "now"}
        )

        self.assertEqual([tool.name for tool in found], ["now"])
        expected = [Note(NoteCode.SERVER_TOOL_DROPPED, (f"tools[{number}]",)) for number in range(3)]
        self.assertEqual(self.notes, expected)

    def test_malformed(self) -> None:
        """What is missing or of a wrong type is refused with its place."""
        self.assertRefused("tools[0]", ["now"])
        self.assertRefused("tools[0].name", [{"input_schema": SCHEMA}])
        self.assertRefused("tools[1].function", [{"name": "now"}, {"type": "function"}])
        self.assertRefused("tools[0].function.name", [{"function": {"parameters": SCHEMA}}])
        self.assertRefused("tools[0].input_schema", [{"name": "now", "input_schema": "object"}])
        self.assertRefused("tools[0].type", [{"name": "now", "type": 5}])


class ChoiceTests(Case):
    """Rules for calling tools."""

    def test_words(self) -> None:
        """Every word has its meaning, alone and as the type of an object."""
        words = {"auto": Choice.AUTO, "none": Choice.NONE, "any": Choice.REQUIRED, "required": Choice.REQUIRED}

        for word, meaning in words.items():
            self.assertEqual(self.choice(word), ToolChoice(meaning))
            self.assertEqual(self.choice({"type": word}), ToolChoice(meaning))
        self.assertEqual((self.choice(None), self.notes), (None, []))

    def test_names(self) -> None:
        """A tool is named in each API's spelling."""
        now = ToolChoice(Choice.NAMED, "now")

        for rule in (
            {"type": "function", "function": {"name": "now"}},
            {"function": {"name": "now"}},
            {"type": "function", "name": "now"},
            {"type": "tool", "name": "now"},
        ):
            self.assertEqual(self.choice(rule), now)

    def test_left_out(self) -> None:
        """A rule that the upstream cannot be told is left out with a note."""
        for kind in ("allowed_tools", "custom"):
            self.assertIsNone(self.choice({"type": kind}))
        self.assertEqual(self.notes, [Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",))] * 2)

    def test_malformed(self) -> None:
        """A word that nobody knows, a name that is missing and a wrong type are refused with their place."""
        wrong: tuple[object, ...] = ("some", 5, [], True)
        for rule in wrong:
            self.assertRefused("tool_choice", rule=rule)
        self.assertRefused("tool_choice.type", rule={"type": "some"})
        self.assertRefused("tool_choice.type", rule={})
        self.assertRefused("tool_choice.name", rule={"type": "tool"})
        self.assertRefused("tool_choice.function.name", rule={"type": "function", "function": {}})


class ParallelTests(Case):
    """Several calls at once."""

    def test_every_spelling(self) -> None:
        """It is said beside the rule, or inside it the other way round; the first of the two counts."""
        bodies: list[tuple[dict[str, object], bool | None]] = [
            ({}, None),
            ({"tool_choice": "auto"}, None),
            ({"tool_choice": {"type": "auto"}}, None),
            (PARALLEL, True),
            ({"parallel_tool_calls": False, "tool_choice": "auto"}, False),
            (NOT_PARALLEL, False),
            ({"tool_choice": {"type": "any", "disable_parallel_tool_use": False}}, True),
            ({**NOT_PARALLEL, **PARALLEL}, True),
        ]

        self.assertEqual([tools.parallel(Fields(body, "")) for body, _ in bodies], [said for _, said in bodies])

    def test_malformed(self) -> None:
        """What is neither true nor false is refused with its place."""
        for body in ({"parallel_tool_calls": 1}, {"tool_choice": {"disable_parallel_tool_use": "no"}}):
            error: ProxyError = self.assertRaises(ProxyError, tools.parallel, Fields(body, ""))
            self.assertIs(error.kind, Kind.INVALID_REQUEST)
