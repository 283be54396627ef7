"""This module is the tests of how a Messages request is read, apart from its conversation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.anthropic_messages.request import recognises, view
from ccproxy.fields import Fields
from ccproxy.prompt import (
    Choice,
    Effort,
    Message,
    Note,
    NoteCode,
    OutputFormat,
    Prompt,
    Role,
    Text,
    Tool,
    ToolChoice,
    View,
)
from tests.dialects.anthropic_messages.asking import HELLO, RequestCase, asked


class RecognisingTests(SynchronousTestCase):
    """The first look at a body."""

    def test_own_marks(self) -> None:
        """Blocks that other conversations do not have are found only here; system text beside the conversation alone does not tell."""
        for kind in ("tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document"):
            message = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": kind}]}
            self.assertTrue(recognises(Fields({"messages": [message]}, "")), kind)
        self.assertFalse(recognises(Fields({"messages": [HELLO], "system": "Be brief."}, "")))

    def test_no_marks(self) -> None:
        """What any conversation may have, and what is malformed, is no mark."""
        text = {"role": "user", "content": [{"type": "text", "text": "a"}, "b", {"type": ["tool_use"]}]}

        for messages in (None, "a", [], ["a", None], [HELLO], [text], [{"role": "tool", "content": "noon"}]):
            self.assertFalse(recognises(Fields({"messages": messages, "system": None}, "")), messages)

    def test_nothing_counts_as_read(self) -> None:
        """A first look leaves every field to be reported."""
        body = Fields({"messages": [HELLO], "system": "Be brief."}, "")

        recognises(body)

        self.assertEqual(body.unread(), ("messages", "system"))

    def test_view(self) -> None:
        """What the client asks to see can be read by itself."""
        self.assertEqual(view(Fields({"input": "a", "thinking": {"type": "adaptive"}}, "")), View())
        self.assertEqual(view(Fields({"input": "a"}, "")), View(reasoning=False))


class EnvelopeTests(RequestCase):
    """The fields around the conversation."""

    def test_minimal_request(self) -> None:
        """A model and a message are enough; thinking is not shown, as nobody turned it on."""
        self.assertEqual(
            asked(),
            Prompt(
                model="vendor/model-1",
                messages=(Message(Role.USER, (Text("hello"),)),),
                view=View(reasoning=False),
            ),
        )

    def test_plain_settings(self) -> None:
        """Stream, limit and sampling reach the prompt."""
        prompt = asked(stream=True, max_tokens=1000, temperature=0.5, top_p=0.9)

        self.assertTrue(prompt.stream)
        self.assertEqual((prompt.max_tokens, prompt.temperature, prompt.top_p), (1000, 0.5, 0.9))

    def test_model_is_required(self) -> None:
        """A request without a model, or with an overlong one, names the field."""
        self.refused("model", model=None)
        self.refused("model", model="m" * 257)

    def test_messages_are_required(self) -> None:
        """A request without messages names the field."""
        self.refused("messages", messages=None)
        self.refused("messages", messages=[])
        self.refused("messages", messages="hello")

    def test_values_out_of_range(self) -> None:
        """Numbers outside their range are refused by name."""
        self.refused("max_tokens", max_tokens=0)
        self.refused("temperature", temperature=2.5)
        self.refused("top_p", top_p=1.5)

    def test_known_fields_of_a_wrong_type(self) -> None:
        """Every known field of a wrong type is refused by name."""
        wrong = {"stream": "yes", "max_tokens": "9", "temperature": "warm", "top_p": True, "system": 5, "tools": {}}

        for field, value in {**wrong, "tool_choice": 5, "thinking": "on", "output_config": []}.items():
            self.refused(field, **{field: value})

    def test_nulls_count_as_absent(self) -> None:
        """A field that is null is not there."""
        names = ("system", "stream", "max_tokens", "tools", "tool_choice", "thinking", "output_config", "thread")

        self.assertEqual(asked(**dict.fromkeys(names)), asked())

    def test_fields_without_meaning_are_noted(self) -> None:
        """What we do nothing with is named in one note, be it known to the reference or not."""
        prompt = asked(top_k=5, service_tier="auto", context_management={"edits": []}, betas=["x"])

        subjects = ("top_k", "service_tier", "context_management", "betas")
        self.assertEqual(prompt.notes, (Note(NoteCode.IGNORED, subjects),))

    def test_stop_sequences(self) -> None:
        """Stop sequences are kept in order; empty ones, which would end any answer at once, are not."""
        self.assertEqual(asked(stop_sequences=["END", "", "\n\n"]).stop, ("END", "\n\n"))

    def test_ignored_parts_of_known_objects_are_noted(self) -> None:
        """What is ignored inside thinking and output_config is named with its place."""
        prompt = asked(
            thinking={"type": "adaptive", "depth": 3},
            output_config={"effort": "low", "budget": 9, "format": {"type": "json_schema", "schema": {}, "name": "a"}},
        )

        subjects = ("thinking.depth", "output_config.budget", "output_config.format.name")
        self.assertEqual(prompt.notes, (Note(NoteCode.IGNORED, subjects),))

    def test_display_of_thinking(self) -> None:
        """Thinking can be left out of the answer and still be asked for."""
        self.assertEqual(asked(thinking={"type": "adaptive", "display": "omitted"}).view, View(reasoning_omitted=True))
        self.assertEqual(asked(thinking={"type": "adaptive", "display": "summarized"}).view, View())

    def test_metadata_and_cache_control_are_no_news(self) -> None:
        """Every Claude Code request has metadata and cache_control; they are not worth a note."""
        text = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}

        prompt = asked(metadata={"user_id": "u"}, cache_control={"type": "ephemeral"}, system=[text])

        self.assertEqual(prompt.notes, ())

    def test_thread_is_refused_so_that_the_sdk_sends_everything(self) -> None:
        """A server-held thread is refused with the details by which the SDKs fall back to the whole conversation."""
        error = self.refused("thread", thread={"type": "create"})

        self.assertEqual(error.details, {"error_code": "thread_unsupported_request", "unsupported": ["thread"]})

    def test_what_would_change_the_answer_is_refused(self) -> None:
        """A container or MCP servers cannot be ignored without changing the answer."""
        self.refused("container", container="container_1")
        self.refused("mcp_servers", mcp_servers=[{"type": "url", "url": "https://mcp.example", "name": "m"}])

    def test_empty_list_of_mcp_servers_asks_for_nothing(self) -> None:
        """An empty list of MCP servers is no reason to refuse."""
        self.assertEqual(asked(mcp_servers=[]), asked())


class OutputTests(RequestCase):
    """The form of the answer."""

    def test_schema(self) -> None:
        """A schema reaches the prompt as it came, from where it is today and from where it was."""
        form, older = ({"type": "json_schema", "schema": {"title": title}} for title in ("today", "older"))

        for fields, title in (
            ({"output_config": {"format": form}}, "today"),
            ({"output_format": older}, "older"),
            ({"output_config": {"effort": None}, "output_format": older}, "older"),
        ):
            prompt = asked(**fields)
            self.assertEqual((prompt.output, prompt.notes), (OutputFormat({"title": title}), ()), fields)

    def test_two_schemas(self) -> None:
        """Of two schemas the one wins that is where it is today; the other one is ignored, with a note."""
        form, older = ({"type": "json_schema", "schema": {"title": title}} for title in ("today", "older"))

        prompt = asked(output_config={"format": form}, output_format=older)

        self.assertEqual(prompt.output, OutputFormat({"title": "today"}))
        self.assertEqual(prompt.notes, (Note(NoteCode.IGNORED, ("output_format.type", "output_format.schema")),))

    def test_no_form(self) -> None:
        """An answer has no form unless one was asked for."""
        prompt = asked(output_config={"format": None}, output_format=None)

        self.assertEqual((prompt.output, prompt.notes), (None, ()))

    def test_malformed_forms_are_refused(self) -> None:
        """A form that is unknown, incomplete or no use is refused with its place."""
        for form, place in (
            ("json", ""),
            ({"schema": {}}, ".type"),
            ({"type": "json_object"}, ".type"),
            ({"type": "json_schema"}, ".schema"),
            ({"type": "json_schema", "schema": []}, ".schema"),
            ({"type": "json_schema", "schema": {"type": "text"}}, ".schema"),
            ({"type": "json_schema", "schema": {"$ref": "https://schemas.test/a.json"}}, ".schema"),
        ):
            self.refused(f"output_config.format{place}", output_config={"format": form})
            self.refused(f"output_format{place}", output_format=form)


class ThinkingTests(RequestCase):
    """How hard the model should think, and who sees it."""

    def test_budget_becomes_effort(self) -> None:
        """A budget of tokens stands for the effort that it suggests."""
        budgets = {0: "low", 1999: "low", 2000: "low", 4999: "low", 5000: "medium", 9999: "medium", 10000: "high"}

        efforts = {budget: asked(thinking={"type": "enabled", "budget_tokens": budget}).effort for budget in budgets}

        self.assertEqual(efforts, {budget: Effort(name) for budget, name in budgets.items()})

    def test_thinking_without_a_budget_is_high(self) -> None:
        """The modes that have no budget, or do not name one, stand for high effort."""
        efforts = {mode: asked(thinking={"type": mode}).effort for mode in ("adaptive", "between_tools", "enabled")}

        self.assertEqual(set(efforts.values()), {Effort.HIGH})

    def test_named_effort_wins(self) -> None:
        """output_config.effort overrules what the mode or the budget stands for, and works without thinking."""
        output = {"effort": "xhigh"}

        self.assertIs(
            asked(thinking={"type": "enabled", "budget_tokens": 2000}, output_config=output).effort, Effort.XHIGH
        )
        self.assertIs(asked(thinking={"type": "adaptive"}, output_config=output).effort, Effort.XHIGH)
        self.assertIs(asked(output_config=output).effort, Effort.XHIGH)

    def test_disabled_thinking_has_no_effort(self) -> None:
        """Thinking that is turned off beats a named effort."""
        prompt = asked(thinking={"type": "disabled"}, output_config={"effort": "high"})

        self.assertIs(prompt.effort, None)

    def test_efforts_that_mean_none(self) -> None:
        """none, minimal and off leave the effort open, without a note."""
        for name in ("none", "minimal", "off"):
            prompt = asked(thinking={"type": "adaptive"}, output_config={"effort": name})
            self.assertEqual((prompt.effort, prompt.notes), (None, ()))

    def test_unknown_effort_is_dropped(self) -> None:
        """An effort that nobody knows is dropped with a note, and thinking decides."""
        prompt = asked(thinking={"type": "adaptive"}, output_config={"effort": "heroic"})

        self.assertIs(prompt.effort, Effort.HIGH)
        self.assertEqual(prompt.notes, (Note(NoteCode.EFFORT_DROPPED, ("output_config.effort",)),))

    def test_unknown_mode_is_dropped(self) -> None:
        """A mode that nobody knows yet is dropped with a note, and thinking is not shown."""
        prompt = asked(thinking={"type": "between_years"})

        self.assertEqual((prompt.effort, prompt.view.reasoning), (None, False))
        self.assertEqual(prompt.notes, (Note(NoteCode.EFFORT_DROPPED, ("thinking.type",)),))

    def test_reasoning_is_shown_to_those_who_turned_it_on(self) -> None:
        """Only enabled, adaptive and between_tools show reasoning; an effort alone does not."""
        for mode in ("enabled", "adaptive", "between_tools"):
            self.assertTrue(asked(thinking={"type": mode}).view.reasoning, mode)
        self.assertFalse(asked(thinking={"type": "disabled"}).view.reasoning)
        self.assertFalse(asked(output_config={"effort": "high"}).view.reasoning)

    def test_malformed_thinking_is_refused(self) -> None:
        """A mode that is missing and a budget that is no number are refused by name."""
        self.refused("thinking.type", thinking={"budget_tokens": 2000})
        self.refused("thinking.budget_tokens", thinking={"type": "enabled", "budget_tokens": "much"})
        self.refused("output_config.effort", output_config={"effort": 3})


class ToolTests(RequestCase):
    """The client's tools and its rule for calling them."""

    def test_tools_with_and_without_type(self) -> None:
        """A tool of type custom is the same as one without a type, and its schema is passed through."""
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "$defs": {}}
        tool = {"name": "weather", "description": "Says the weather.", "input_schema": schema}

        prompt = asked(tools=[tool, {**tool, "type": "custom"}])

        self.assertEqual(prompt.tools, (Tool("weather", "Says the weather.", schema),) * 2)

    def test_tool_without_schema_takes_an_empty_object(self) -> None:
        """A tool that needs no arguments may leave out its schema."""
        prompt = asked(tools=[{"name": "now"}])

        self.assertEqual(prompt.tools, (Tool("now", None, {"type": "object", "properties": {}}),))

    def test_server_tools_are_left_out(self) -> None:
        """A tool that Anthropic's servers would run is left out with a note."""
        prompt = asked(tools=[{"type": "web_search_20250305", "name": "web_search"}, {"name": "now"}])

        self.assertEqual([tool.name for tool in prompt.tools], ["now"])
        self.assertEqual(prompt.notes, (Note(NoteCode.SERVER_TOOL_DROPPED, ("tools[0]",)),))

    def test_tool_needs_a_name(self) -> None:
        """A tool without a name is refused with its place."""
        self.refused("tools[1].name", tools=[{"name": "now"}, {"input_schema": {}}])

    def test_tool_choices(self) -> None:
        """Every choice of the reference has its meaning."""
        self.assertEqual(asked(tool_choice={"type": "auto"}).tool_choice, ToolChoice(Choice.AUTO))
        self.assertEqual(asked(tool_choice={"type": "any"}).tool_choice, ToolChoice(Choice.REQUIRED))
        self.assertEqual(asked(tool_choice={"type": "none"}).tool_choice, ToolChoice(Choice.NONE))
        self.assertEqual(
            asked(tool_choice={"type": "tool", "name": "now"}).tool_choice, ToolChoice(Choice.NAMED, "now")
        )

    def test_malformed_tool_choice_is_refused(self) -> None:
        """An unknown choice, and a tool that is not named, are refused by name."""
        self.refused("tool_choice.type", tool_choice={"type": "some"})
        self.refused("tool_choice.name", tool_choice={"type": "tool"})

    def test_parallel_calls(self) -> None:
        """disable_parallel_tool_use is turned round; left out, it leaves the question open."""
        self.assertIs(asked(tool_choice={"type": "any", "disable_parallel_tool_use": True}).parallel_tool_calls, False)
        self.assertIs(asked(tool_choice={"type": "any", "disable_parallel_tool_use": False}).parallel_tool_calls, True)
        self.assertIs(asked(tool_choice={"type": "any"}).parallel_tool_calls, None)
