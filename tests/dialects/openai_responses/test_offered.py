"""Tests of how the tools of a Responses request, and its rule for calling them, are read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.dialects.openai_responses.asked import CallForm, CallKind
from ccproxy.dialects.openai_responses.offered import Names, offered
from ccproxy.fields import Fields
from ccproxy.prompt import Choice, Note, NoteCode, Prompt, Tool, ToolChoice
from tests.dialects.openai_responses.asking import HELLO, RequestCase, asked, kept

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NOTHING = {"type": "object", "properties": {}}
NOW = {"type": "function", "name": "now", "description": None, "parameters": None, "strict": None}
WEATHER = {"type": "function", "name": "weather", "description": "Says it.", "parameters": SCHEMA, "strict": True}
PATCH = {"type": "custom", "name": "patch", "description": "Edits files.", "format": {"type": "text"}}
SHELL = {"type": "local_shell"}
SEARCH = {"type": "web_search", "external_web_access": False}
DROPPED = Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",))

names = st.sampled_from(["a", "b", "a__b", "b__a", "a__b__a", "local_shell", "", "_"]).filter(bool)
plain = st.builds(lambda name, kind: {"type": kind, "name": name}, names, st.sampled_from(["function", "custom"]))
offers = st.lists(
    plain
    | st.just(SHELL)
    | st.builds(lambda name, tools: {"type": "namespace", "name": name, "tools": tools}, names, st.lists(plain)),
    max_size=8,
)


def namespace(name: str, *tools: object) -> dict[str, object]:
    """A namespace with its tools."""
    return {"type": "namespace", "name": name, "description": "Many things.", "tools": list(tools)}


def tool_names(prompt: Prompt) -> list[str]:
    """The names of the tools that go up."""
    return [tool.name for tool in prompt.tools]


class ToolTests(RequestCase):
    """The tools that are offered."""

    def test_functions(self) -> None:
        """A function goes up as it is; its type may be missing, and it may be spelled as in Chat Completions."""
        chat = {"type": "function", "function": {"name": "now"}}
        weather, now = Tool("weather", "Says it.", SCHEMA), Tool("now", None, NOTHING)

        for function in (NOW, {"name": "now"}, chat):
            prompt = asked(tools=[WEATHER, function])
            self.assertEqual((prompt.tools, kept(prompt).forms, prompt.notes), ((weather, now), {}, ()))
        for none in (None, ()):
            self.assertEqual(asked(tools=none).tools, ())

    def test_custom(self) -> None:
        """A custom tool goes up as a function that takes its text as the one field, and comes back as a custom tool."""
        prompt = asked(tools=[PATCH])

        (tool,) = prompt.tools
        self.assertEqual(tool.schema["required"], ["input"])
        self.assertEqual(kept(prompt).forms, {"patch": CallForm("patch", CallKind.CUSTOM)})
        assert tool.description is not None
        self.assertTrue(tool.description.startswith("Edits files.\n\n"))
        self.assertIn("`input`", tool.description)

    def test_grammar(self) -> None:
        """The grammar of a custom tool is told in words."""
        grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"+'}

        for form in (grammar, {"type": "grammar", "grammar": grammar}):
            (tool,) = asked(tools=[{**PATCH, "format": form}]).tools
            assert tool.description is not None
            self.assertTrue(tool.description.endswith('lark:\nstart: "a"+'))
        self.refused("tools[0].format.definition", tools=[{**PATCH, "format": {"type": "grammar"}}])

    def test_shell(self) -> None:
        """The local shell goes up as a function that takes a command."""
        prompt = asked(tools=[SHELL])

        (tool,) = prompt.tools
        self.assertEqual((tool.name, tool.schema["required"]), ("local_shell", ["command"]))
        self.assertEqual(kept(prompt).forms, {"local_shell": CallForm("local_shell", CallKind.LOCAL_SHELL)})

    def test_namespace(self) -> None:
        """A tool in a namespace goes up under both names."""
        prompt = asked(tools=[namespace("files", WEATHER, PATCH)])

        self.assertEqual(tool_names(prompt), ["files__weather", "files__patch"])
        forms = {
            "files__weather": CallForm("weather", namespace="files"),
            "files__patch": CallForm("patch", CallKind.CUSTOM, "files"),
        }
        self.assertEqual(kept(prompt).forms, forms)

    def test_same_names(self) -> None:
        """Tools whose names would be the same go up under different ones; a plain function keeps its own, wherever it stands."""
        prompt = asked(tools=[namespace("a", {"name": "b__c"}), namespace("a__b", {"name": "c"}), {"name": "a__b__c"}])

        first, second, third = tool_names(prompt)
        self.assertEqual(third, "a__b__c")
        self.assertEqual(len({first, second, third}), 3)
        self.assertTrue(first.startswith("a__b__c_"))
        forms = {first: CallForm("b__c", namespace="a"), second: CallForm("c", namespace="a__b")}
        self.assertEqual(kept(prompt).forms, forms)

    def test_stable(self) -> None:
        """The other name of a tool depends on nothing else that is offered."""
        names = [
            tool_names(asked(tools=[*others, namespace("a", {"name": "b"}), {"name": "a__b"}]))[len(others)]
            for others in ([], [NOW], [NOW, PATCH])
        ]

        self.assertEqual(len(set(names)), 1)

    def test_twice(self) -> None:
        """Of a tool that is offered twice, the later offer counts."""
        self.assertEqual(
            asked(tools=[{"name": "now"}, NOW, {**NOW, "description": "b"}]).tools, (Tool("now", "b", NOTHING),)
        )

    def test_among_input(self) -> None:
        """Tools that come with the input are offered too."""
        more = {"type": "additional_tools", "role": "developer", "tools": [namespace("ns", NOW), SEARCH]}

        prompt = asked(tools=[WEATHER], input=[HELLO, more])

        self.assertEqual(tool_names(prompt), ["weather", "ns__now"])
        self.assertEqual(prompt.notes, (Note(NoteCode.SERVER_TOOL_DROPPED, ("input[1].tools[1]",)),))

    def test_servers(self) -> None:
        """A tool that the vendor's servers would run is left out with a note, in a namespace too."""
        kinds = (
            "web_search_preview",
            "file_search",
            "code_interpreter",
            "image_generation",
            "mcp",
            "shell",
            "tool_search",
        )
        prompt = asked(tools=[*({"type": kind} for kind in kinds), namespace("ns", SEARCH, SHELL)])

        self.assertEqual(prompt.tools, ())
        places = [*(f"tools[{index}]" for index in range(len(kinds))), "tools[7].tools[0]", "tools[7].tools[1]"]
        self.assertEqual(prompt.notes, tuple(Note(NoteCode.SERVER_TOOL_DROPPED, (place,)) for place in places))

    def test_refused(self) -> None:
        """What is no tool is refused by its place."""
        for tool, place in (
            ("a", ""),
            ({"type": "function"}, ".name"),
            ({"type": "function", "name": 7}, ".name"),
            ({"type": "custom"}, ".name"),
            ({"type": "namespace", "tools": []}, ".name"),
            ({"type": "namespace", "name": "a", "tools": [{}]}, ".tools[0].name"),
            ({"type": 7}, ".type"),
            ({**WEATHER, "parameters": []}, ".parameters"),
        ):
            self.refused(f"tools[0]{place}", tools=[tool])


class NameTests(RequestCase):
    """The names that go up."""

    @settings(deadline=None)
    @given(offers)
    def test_reversible(self, tools: list[dict[str, object]]) -> None:
        """Every tool has a name of its own, which leads back to it."""
        found, forms = offered(Fields({"tools": tools}, ""), [])

        up = [tool.name for tool in found]
        self.assertEqual(len(set(up)), len(up))
        called = [forms.get(name, CallForm(name)) for name in up]
        self.assertEqual(set(called), set(_forms(tools)))
        self.assertEqual([Names(forms).of(form) for form in called], up)


def _forms(tools: list[dict[str, object]], namespace: str | None = None) -> list[CallForm]:
    forms: list[CallForm] = []
    for tool in tools:
        name, inner = str(tool.get("name")), tool.get("tools")
        if isinstance(inner, list):
            forms += _forms(inner, name)
        elif tool is SHELL:
            forms.append(CallForm("local_shell", CallKind.LOCAL_SHELL))
        else:
            kind = CallKind.CUSTOM if tool["type"] == "custom" else CallKind.FUNCTION
            forms.append(CallForm(name, kind, namespace))
    return forms


class ChoiceTests(RequestCase):
    """The rule for calling tools."""

    def rule(self, rule: object, *tools: object) -> ToolChoice | None:
        """What a rule becomes when these tools are offered."""
        prompt = asked(tool_choice=rule, tools=list(tools))
        self.assertEqual(prompt.notes, ())
        return prompt.tool_choice

    def test_words(self) -> None:
        """Words say how free the model is, in an object too."""
        for word, expected in (
            ("auto", Choice.AUTO),
            ("none", Choice.NONE),
            ("required", Choice.REQUIRED),
            ("any", Choice.REQUIRED),
        ):
            self.assertEqual(self.rule(word), ToolChoice(expected))
            self.assertEqual(self.rule({"type": word}), ToolChoice(expected))
        self.assertIsNone(self.rule(None))
        self.refused("tool_choice", tool_choice="sometimes")

    def test_named(self) -> None:
        """A named tool is found by its name, its form and its namespace; it may be told in the form of Chat Completions."""
        tools: tuple[object, ...] = (NOW, PATCH, SHELL, namespace("ns", WEATHER, {**PATCH, "name": "now"}))
        tools += (namespace("a", {"name": "often"}), namespace("b", {"name": "often"}))

        for rule, expected in (
            ({"type": "function", "name": "now"}, "now"),
            ({"type": "function", "function": {"name": "now"}}, "now"),
            ({"function": {"name": "now"}}, "now"),
            ({"type": "tool", "name": "now"}, "now"),
            ({"type": "custom", "name": "patch"}, "patch"),
            ({"type": "custom", "custom": {"name": "patch"}}, "patch"),
            ({"type": "function", "name": "weather", "namespace": "ns"}, "ns__weather"),
            ({"type": "function", "name": "weather"}, "ns__weather"),
            ({"type": "custom", "name": "now", "namespace": "ns"}, "ns__now"),
            ({"type": "local_shell"}, "local_shell"),
            ({"type": "function", "name": "unknown"}, "unknown"),
            ({"type": "function", "name": "patch", "namespace": "x"}, "x__patch"),
            ({"type": "function", "name": "often"}, "often"),
        ):
            self.assertEqual(self.rule(rule, *tools), ToolChoice(Choice.NAMED, expected), rule)

    def test_servers(self) -> None:
        """A rule for what the vendor's servers would run is left out with a note."""
        for kind in ("web_search", "mcp", "apply_patch", "shell", "local_shell"):
            prompt = asked(tool_choice={"type": kind}, tools=[NOW])
            self.assertEqual((prompt.tool_choice, prompt.notes, tool_names(prompt)), (None, (DROPPED,), ["now"]))

    def test_allowed(self) -> None:
        """A rule that allows some tools offers only those, but knows how the others were called."""
        tools = [NOW, WEATHER, PATCH, namespace("ns", NOW, WEATHER)]
        some = [{"type": "function", "name": "weather"}, {"type": "custom", "name": "patch"}, {"type": "web_search"}]

        for mode, expected in (("auto", Choice.AUTO), ("required", Choice.REQUIRED), (None, Choice.AUTO)):
            rule = {"mode": mode, "tools": some}
            for spelled in ({"type": "allowed_tools", **rule}, {"type": "allowed_tools", "allowed_tools": rule}):
                prompt = asked(tools=tools, tool_choice=spelled)
                self.assertEqual((tool_names(prompt), prompt.tool_choice), (["weather", "patch"], ToolChoice(expected)))
                self.assertIn("ns__now", kept(prompt).forms)

    def test_allowed_namespace(self) -> None:
        """A whole namespace can be allowed, or one tool of it."""
        tools = [NOW, namespace("ns", NOW, WEATHER)]
        whole = {"type": "namespace", "name": "ns"}
        one = {"type": "function", "name": "now", "namespace": "ns"}

        for allowed, expected in ((whole, ["ns__now", "ns__weather"]), (one, ["ns__now"])):
            prompt = asked(tools=tools, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [allowed]})
            self.assertEqual(tool_names(prompt), expected)

    def test_none_allowed(self) -> None:
        """Where no tool is left that may be called, none is offered, and the rule is left out with a note."""
        for mode in ("auto", "required"):
            rule = {"type": "allowed_tools", "mode": mode, "tools": [SEARCH, {"type": "function", "name": "gone"}]}
            prompt = asked(tools=[NOW], tool_choice=rule)
            self.assertEqual((prompt.tools, prompt.tool_choice, prompt.notes), ((), None, (DROPPED,)))

    def test_refused(self) -> None:
        """A malformed rule is refused by its place."""
        for rule, place in (
            ({}, ".type"),
            ({"type": 7}, ".type"),
            ({"type": "function"}, ".name"),
            ({"type": "custom", "name": 7}, ".name"),
            ({"type": "allowed_tools", "mode": "none"}, ".mode"),
            ({"type": "allowed_tools", "tools": ["a"]}, ".tools[0]"),
            ({"type": "allowed_tools", "tools": [{"type": "function"}]}, ".tools[0].name"),
        ):
            self.refused(f"tool_choice{place}", tool_choice=rule, tools=[NOW])

    def test_parallel(self) -> None:
        """Whether several calls at once are welcome is told beside the rule."""
        self.assertIs(asked(parallel_tool_calls=False, tool_choice="auto").parallel_tool_calls, False)
