"""Tests of how a Responses request is read, apart from its conversation and its tools."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.dialects.openai_responses import recall
from ccproxy.dialects.openai_responses.asked import CallForm, CallKind
from ccproxy.dialects.openai_responses.request import parse, recognises, view
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, body
from ccproxy.framing import dumps
from ccproxy.prompt import Choice, Effort, Message, Note, NoteCode, OutputFormat, Prompt, Role, Text, ToolChoice
from tests.dialects.openai_responses.asking import HELLO, RequestCase, asked, kept
from tests.unmeasured import Unmeasured

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CODEX: dict[str, Any] = {
    "model": "sim/text",
    "instructions": "You are an agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List the files."}]},
    ],
    "tools": [
        {"type": "function", "name": "exec_command", "description": "Runs.", "strict": False, "parameters": SCHEMA},
        {"type": "namespace", "name": "agents", "description": "Agents.", "tools": [{"type": "function", "name": "a"}]},
        {
            "type": "custom",
            "name": "apply_patch",
            "format": {"type": "grammar", "syntax": "lark", "definition": "s: A"},
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10",
    "text": {"verbosity": "low", "format": {"type": "json_schema", "strict": True, "schema": SCHEMA, "name": "out"}},
    "client_metadata": {"turn": "1"},
}
COPILOT: dict[str, Any] = {
    "model": "sim/text",
    "input": [
        {"role": "system", "content": [{"type": "input_text", "text": "Help."}]},
        HELLO,
        {"type": "message", "role": "assistant", "id": "msg_123", "status": "completed", "content": []},
    ],
    "tools": [{"type": "function", "name": "read", "strict": False, "parameters": SCHEMA}],
    "tool_choice": "auto",
    "max_output_tokens": 4096,
    "top_logprobs": 0,
    "store": False,
    "stream": True,
    "truncation": "disabled",
    "text": {"verbosity": "medium"},
    "reasoning": {"effort": "low", "summary": "detailed"},
    "include": ["reasoning.encrypted_content"],
}
N8N: dict[str, Any] = {
    "model": "sim/text",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
    "parallel_tool_calls": True,
    "store": True,
    "background": False,
    "metadata": {"flow": "1"},
    "safety_identifier": "u1",
    "service_tier": "auto",
    "text": {"format": {"type": "json_schema", "name": "out", "schema": SCHEMA}},
}
NAMES = (
    *("type", "role", "content", "text", "id", "call_id", "name", "namespace", "arguments", "output", "summary"),
    *("encrypted_content", "action", "command", "input", "image_url", "file_data", "file_id", "tools", "format"),
    *("mode", "effort", "schema", "definition", "allowed_tools", "function", "custom"),
)
WORDS = (
    *("message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "local_shell_call"),
    *("local_shell_call_output", "item_reference", "compaction", "compaction_trigger", "additional_tools", "function"),
    *("custom", "namespace", "local_shell", "web_search", "input_text", "input_image", "input_file", "refusal"),
    *("user", "assistant", "developer", "grammar", "json_schema", "allowed_tools", "required", "auto", "minimal"),
    *("data:image/png;base64,iVBO", "aGVsbG8=", "\ud83d", "", "a" * 300, "reasoning.encrypted_content"),
)
RECORD = dumps({"type": "message", **HELLO, "input": [HELLO], "response": {"output": [HELLO]}})
FIELDS = (
    *("model", "input", "instructions", "tools", "tool_choice", "reasoning", "text", "include", "store", "stream"),
    *("background", "previous_response_id", "conversation", "prompt", "max_output_tokens", "temperature", "top_p"),
    *("top_logprobs", "metadata", "user", "service_tier", "truncation", "parallel_tool_calls", "new_field"),
)
values = st.recursive(
    st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
items = st.dictionaries(st.sampled_from(NAMES), values, max_size=6).flatmap(
    lambda item: st.sampled_from(WORDS).map(lambda kind: {"type": kind, **item})
)
bodies = st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.lists(items | values, max_size=4) | values},
    optional={"tools": st.lists(items | values, max_size=4), "tool_choice": items | values},
).flatmap(lambda whole: st.dictionaries(st.sampled_from(FIELDS), values, max_size=3).map(lambda odd: {**whole, **odd}))


def bent(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A body with one of its fields replaced by anything."""
    return st.tuples(st.sampled_from(sorted(whole)), values).map(lambda change: {**whole, change[0]: change[1]})


class RecognisingTests(RequestCase):
    """The first look at a body."""

    def test_own_marks(self) -> None:
        """A text or items as input are found only here, and so is an earlier answer to go on from."""
        for own in ({"input": "a"}, {"input": [HELLO]}, {"previous_response_id": "resp_1"}, CODEX, COPILOT, N8N):
            self.assertTrue(recognises(Fields(own, "")), own)

    def test_no_marks(self) -> None:
        """A conversation of another API is none, nor are texts to be embedded, nor what is malformed."""
        others: tuple[dict[str, object], ...] = (
            {},
            {"messages": [HELLO]},
            {"messages": [HELLO], "input": "a"},
            {"messages": [], "previous_response_id": "resp_1"},
            {"prompt": "a"},
            {"input": ["a", "b"]},
            {"input": [[1, 2]]},
            {"input": []},
            {"input": 1},
        )

        for other in others:
            self.assertFalse(recognises(Fields(other, "")), other)

    def test_nothing_counts_as_read(self) -> None:
        """A first look leaves every field to be reported."""
        fields = Fields({"input": "a", "previous_response_id": "b"}, "")

        recognises(fields)

        self.assertEqual(fields.unread(), ("input", "previous_response_id"))


class EnvelopeTests(RequestCase):
    """The fields around the conversation."""

    def test_minimal_request(self) -> None:
        """A model and a text are enough; the answer is then kept."""
        prompt = asked()

        self.assertEqual(
            prompt, Prompt("vendor/model-1", (Message(Role.USER, (Text("hello"),)),), view=prompt.view, place="input")
        )
        self.assertEqual((prompt.view.reasoning, prompt.view.styled), (True, False))
        self.assertEqual((kept(prompt).stored, kept(prompt).background, kept(prompt).compaction), (True, False, False))

    def test_plain_settings(self) -> None:
        """Stream, length, sampling and parallel calls reach the prompt."""
        prompt = asked(stream=True, max_output_tokens=64000.0, temperature=2, top_p=0.9, parallel_tool_calls=False)

        self.assertEqual((prompt.stream, prompt.max_tokens, prompt.temperature), (True, 64000, 2))
        self.assertEqual((prompt.top_p, prompt.parallel_tool_calls), (0.9, False))

    def test_refused_settings(self) -> None:
        """A setting of a wrong type or out of its range is refused by name."""
        for name, value in (
            ("model", None),
            ("model", 7),
            ("stream", "yes"),
            ("store", "no"),
            ("background", 1),
            ("max_output_tokens", 0),
            ("temperature", 2.5),
            ("top_p", -1),
            ("top_logprobs", "many"),
            ("include", "reasoning"),
            ("reasoning", "high"),
            ("text", "plain"),
            ("instructions", 5),
            ("previous_response_id", 5),
            ("input", 5),
        ):
            with self.subTest(name=name, value=value):
                self.refused(name, **{name: value})

    def test_nothing_asked(self) -> None:
        """Without an input there is nothing to answer."""
        self.refused("input", input=None)
        self.refused("input", input=[])

    def test_effort(self) -> None:
        """The effort is the prompt's; none and minimal leave it open, and an unknown one is left out with a note."""
        self.assertIs(asked(reasoning={"effort": "xhigh"}).effort, Effort.XHIGH)
        for none in (None, {}, {"effort": None}, {"effort": "none"}, {"effort": "minimal"}):
            self.assertEqual((asked(reasoning=none).effort, asked(reasoning=none).notes), (None, ()))
        self.assertEqual(
            asked(reasoning={"effort": "so so"}).notes, (Note(NoteCode.EFFORT_DROPPED, ("reasoning.effort",)),)
        )

    def test_output(self) -> None:
        """Text is the default; any JSON object, or one of a schema, can be asked for."""
        self.assertIsNone(asked(text={"format": {"type": "text"}}).output)
        self.assertEqual(asked(text={"format": {"type": "json_object"}}).output, OutputFormat())
        described = {"type": "json_schema", "name": "out", "schema": SCHEMA}
        self.assertEqual(asked(text={"format": described}).output, OutputFormat(SCHEMA))

    def test_refused_output(self) -> None:
        """An unknown form, a schema that is not there and one that cannot be checked are refused by their places."""
        for form, place in (
            ({"type": "xml"}, "text.format.type"),
            ({}, "text.format.type"),
            ({"type": "json_schema", "name": "out"}, "text.format.schema"),
            ({"type": "json_schema", "schema": {"$ref": "https://example.org"}}, "text.format.schema"),
        ):
            self.refused(place, text={"format": form})

    def test_elsewhere(self) -> None:
        """What would be on a server that keeps it is refused by name."""
        for name in ("conversation", "prompt"):
            self.refused(name, **{name: {"id": "x_1"}})
            self.refused(name, **{name: "x_1"})

    def test_previous_unknown(self) -> None:
        """An earlier response that nobody found is refused with the code from which clients recover."""
        error = self.refused("previous_response_id", previous_response_id="resp_abc")

        self.assertEqual(error.message, "Previous response with id 'resp_abc' not found.")
        self.assertEqual(error.details, {"code": "previous_response_not_found"})

    def test_background(self) -> None:
        """An answer is made in the background only where it is kept for later."""
        self.assertTrue(kept(asked(background=True)).background)
        self.refused("background", background=True, store=False)

    def test_without_effect(self) -> None:
        """Fields that concern only the vendor's servers are no news."""
        prompt = asked(
            **dict.fromkeys(("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"), "a"),
            **{name: {"a": "b"} for name in ("metadata", "client_metadata", "stream_options", "prompt_cache_options")},
            service_tier="flex",
            truncation="auto",
            include=["reasoning.encrypted_content", "web_search_call.results"],
            text={"verbosity": "low"},
            reasoning={"summary": "auto", "generate_summary": None, "context": "auto", "mode": "standard"},
            max_tool_calls=3,
            top_logprobs=0,
            type="response.create",
            generate=True,
        )

        self.assertEqual(prompt.notes, ())

    def test_unknown(self) -> None:
        """Unknown fields are noted, and so are probabilities, which nobody here can tell."""
        prompt = asked(
            new=1, text={"new": 1}, reasoning={"new": 1}, top_logprobs=2, include=["message.output_text.logprobs"]
        )

        expected = ("top_logprobs", "include", "new", "reasoning.new", "text.new")
        self.assertEqual(prompt.notes, (Note(NoteCode.IGNORED, expected),))


class ClientTests(RequestCase):
    """Requests as clients send them."""

    def test_codex(self) -> None:
        """Codex's request is understood but for the search, which the vendor's servers would do."""
        prompt = parse(body(dumps(CODEX)))

        roles = [message.role for message in prompt.messages]
        self.assertEqual(roles, [Role.SYSTEM, Role.SYSTEM, Role.USER])
        self.assertEqual([tool.name for tool in prompt.tools], ["exec_command", "agents__a", "apply_patch"])
        self.assertEqual(prompt.notes, (Note(NoteCode.SERVER_TOOL_DROPPED, ("tools[3]",)),))
        self.assertEqual((prompt.stream, prompt.effort, prompt.output), (True, Effort.MEDIUM, OutputFormat(SCHEMA)))
        self.assertEqual(prompt.tool_choice, ToolChoice(Choice.AUTO))
        asked = kept(prompt)
        self.assertEqual((asked.summary, asked.sealed, asked.stored, asked.items), (True, True, False, ()))
        expected = {
            "agents__a": CallForm("a", namespace="agents"),
            "apply_patch": CallForm("apply_patch", CallKind.CUSTOM),
        }
        self.assertEqual(asked.forms, expected)

    def test_others(self) -> None:
        """Those of Copilot and n8n are understood whole."""
        for request in (COPILOT, N8N):
            self.assertEqual(parse(body(dumps(request))).notes, ())

        self.assertEqual(parse(body(dumps(COPILOT))).max_tokens, 4096)


class ViewTests(RequestCase):
    """What is kept for the answer."""

    def test_reasoning(self) -> None:
        """Reasoning is a summary where one was asked for, by its old name too, and sealed where that was."""
        for reasoning, summary in ((None, False), ({"summary": None}, False), ({"generate_summary": "concise"}, True)):
            self.assertIs(kept(asked(reasoning=reasoning)).summary, summary)
        self.assertFalse(kept(asked(include=["message.input_image.image_url"])).sealed)

    def test_alone(self) -> None:
        """What is kept is the same where only that is read."""
        whole = body(dumps({**CODEX, "store": True}))

        self.assertEqual(view(whole), parse(body(dumps({**CODEX, "store": True}))).view)

    def test_trigger(self) -> None:
        """An item that asks for a compaction makes the answer one, and is not kept: it has had its effect."""
        asked_for = kept(asked(input=[HELLO, {"type": "compaction_trigger"}]))

        self.assertTrue(asked_for.compaction)
        self.assertEqual([item["type"] for item in asked_for.items], ["message"])

    def test_foreign(self) -> None:
        """Another dialect's body is repeated as far as the fields are the same, and nothing of it is kept for later."""
        chat = {
            "model": "m",
            "messages": [HELLO],
            "temperature": 0.5,
            "store": "x",
            "reasoning": "high",
            "include": 7,
            "tools": [{"type": "function", "function": {"name": "a"}}, 7],
        }

        seen = view(Fields(chat, ""))

        asked = seen.kept
        assert isinstance(asked, type(kept(parse(body(dumps(N8N))))))
        self.assertEqual((asked.stored, asked.items, asked.forms), (False, (), {}))
        self.assertEqual((asked.echo["temperature"], asked.echo["store"]), (0.5, False))

    def test_items(self) -> None:
        """The input is kept as items that all have a type and an id, as different as their places."""
        call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "a", "arguments": "{}"}
        result = {"type": "function_call_output", "call_id": "c", "output": "b"}
        answer = {"role": "assistant", "content": "yes"}

        self.assertEqual(
            kept(asked(input=[HELLO, call, result, answer])).items,
            (
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hello"}],
                    "id": "msg_in_0",
                },
                call,
                {**result, "id": "fco_in_2"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "yes", "annotations": []}],
                    "id": "msg_in_3",
                },
            ),
        )
        self.assertEqual(kept(asked()).items, kept(asked(input=[HELLO])).items)
        self.assertEqual(kept(asked(store=False)).items, ())


class AnyBodyTests(Unmeasured, RequestCase):
    """Bodies that are nearly right."""

    @settings(max_examples=400, deadline=None)
    @given(bodies | bent(CODEX) | bent(COPILOT) | bent(N8N))
    def test_any(self, value: dict[str, Any]) -> None:
        """A body gives a prompt or an error that says what is wrong with it, and all that is kept of it can be written."""
        try:
            fields = recall.completed(Fields(value, ""), dict.fromkeys(recall.wanted(Fields(value, "")), RECORD))
            prompt = parse(fields)
        except ProxyError as error:
            self.assertIs(error.kind, Kind.INVALID_REQUEST)
            self.assertTrue(error.field)
        else:
            self.assertIsInstance(prompt, Prompt)
            dumps([kept(prompt).echo, kept(prompt).items])

    @settings(max_examples=150, deadline=None)
    @given(st.dictionaries(st.sampled_from(FIELDS), values), st.lists(values, max_size=2))
    def test_any_foreign(self, value: dict[str, Any], messages: list[object]) -> None:
        """What is kept of another dialect's body can be told whatever is in it."""
        seen = view(Fields({**value, "messages": messages}, ""))

        dumps(getattr(seen.kept, "echo", None))
