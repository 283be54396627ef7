"""This module is the tests of how a Chat Completions request is read."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_chat import request
from ccproxy.dialects.openai_chat.request import parse, recognises, view
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, body
from ccproxy.framing import dumps
from ccproxy.prompt import (
    Choice,
    Effort,
    Image,
    Message,
    Note,
    NoteCode,
    OutputFormat,
    Prompt,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    View,
)

HELLO = {"role": "user", "content": "hello"}
NOW = {"type": "function", "function": {"name": "now"}}


def asked(**changes: Any) -> Prompt:
    """The prompt of a minimal request with some fields changed."""
    return parse(body(dumps({"model": "vendor/model-1", "messages": [HELLO], **changes})))


def message(**fields: Any) -> Message:
    """What one message with these fields becomes."""
    (only,) = asked(messages=[fields]).messages
    return only


class RequestCase(SynchronousTestCase):
    """What the tests of requests share."""

    def refused(self, field: str | None, **changes: Any) -> ProxyError:
        """Check that a request is refused for this field, and give the error."""
        error: ProxyError = self.assertRaises(ProxyError, asked, **changes)
        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        self.assertEqual(error.field, field)
        return error

    def refused_message(self, place: str, **fields: Any) -> ProxyError:
        """Check that a message is refused for what is at this place in it."""
        return self.refused(f"messages[1].{place}", messages=[HELLO, fields])


class RecognisingTests(SynchronousTestCase):
    """The first look at a body."""

    def test_own_marks(self) -> None:
        """A call beside its content, the role of a result and the part of an image are found only here."""
        image = {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0K"}
        call = {"id": "A", "function": {"name": "now"}}

        for own in (
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "A", "content": "noon"},
            {"role": "user", "content": [image]},
        ):
            self.assertTrue(recognises(Fields({"messages": [HELLO, own]}, "")), own)

    def test_no_marks(self) -> None:
        """What any conversation may have, and what is malformed, is no mark."""
        text = {"role": "user", "content": [{"type": "text", "text": "a"}, "b", {"type": ["image_url"]}]}

        for messages in (None, "a", [], ["a", None], [HELLO], [text], [{"role": "assistant", "tool_calls": []}]):
            self.assertFalse(recognises(Fields({"messages": messages}, "")), messages)

    def test_nothing_counts_as_read(self) -> None:
        """A first look leaves every field to be reported."""
        body = Fields({"messages": [HELLO]}, "")

        recognises(body)

        self.assertEqual(body.unread(), ("messages",))

    def test_view(self) -> None:
        """What the client asks to see can be read by itself; reasoning is shown as the operator likes it."""
        read = view(Fields({"input": "a", "stream_options": {"include_usage": True}}, ""))

        self.assertEqual((read.usage_apart, read.reasoning, read.styled), (True, True, True))


class EnvelopeTests(RequestCase):
    """The fields around the conversation."""

    def test_minimal_request(self) -> None:
        """A model and a message are enough."""
        expected = Prompt("vendor/model-1", (Message(Role.USER, (Text("hello"),)),), view=View(styled=True))

        self.assertEqual(asked(), expected)

    def test_plain_settings(self) -> None:
        """Stream, sampling and parallel calls reach the prompt."""
        prompt = asked(stream=True, temperature=0.5, top_p=0.9, parallel_tool_calls=False)

        self.assertTrue(prompt.stream)
        self.assertEqual((prompt.temperature, prompt.top_p, prompt.parallel_tool_calls), (0.5, 0.9, False))

    def test_stop_sequences(self) -> None:
        """One stop sequence or several are kept in order, without empty ones."""
        self.assertEqual(asked(stop="END").stop, ("END",))
        self.assertEqual(asked(stop=["END", "", "\n\n"]).stop, ("END", "\n\n"))
        self.assertEqual(asked(stop="").stop, ())

    def test_older_tools(self) -> None:
        """The older form of tools is refused, since an answer without tools would be another one; empty, it is nothing."""
        self.refused("functions", functions=[{"name": "look"}])
        self.refused("function_call", function_call={"name": "look"})
        self.assertEqual(asked(functions=[], function_call="auto").tools, ())

    def test_stop_sequences_out_of_bounds(self) -> None:
        """So many or so long sequences that looking for them would be felt are refused."""
        self.refused("stop", stop=["a"] * 65)
        self.refused("stop", stop="a" * 1001)
        self.refused("stop[1]", stop=["a", 1])

    def test_both_names_of_the_limit(self) -> None:
        """max_completion_tokens is the newer name of max_tokens, and wins."""
        self.assertEqual(asked(max_tokens=10).max_tokens, 10)
        self.assertEqual(asked(max_completion_tokens=20).max_tokens, 20)
        self.assertEqual(asked(max_tokens=10, max_completion_tokens=20).max_tokens, 20)

    def test_required_fields(self) -> None:
        """A request without a model or without messages names the field."""
        self.refused("model", model=None)
        self.refused("model", model="m" * 257)
        self.refused("messages", messages=None)
        self.refused("messages", messages=[])

    def test_known_fields_of_a_wrong_type(self) -> None:
        """Every known field of a wrong type, or out of its range, is refused by name."""
        wrong = {"stream": "yes", "max_tokens": 0, "temperature": 2.5, "top_p": True, "tools": {}, "n": "two"}
        more = {
            "tool_choice": 5,
            "reasoning_effort": 3,
            "stream_options": [],
            "parallel_tool_calls": 1,
            "messages": "a",
        }

        for field, value in {**wrong, **more}.items():
            self.refused(field, **{field: value})

    def test_nulls_count_as_absent(self) -> None:
        """A field that is null is not there."""
        names = ("n", "logprobs", "audio", "stream", "max_tokens", "tools", "tool_choice", "stream_options", "top_p")

        self.assertEqual(asked(**dict.fromkeys(names)), asked())

    def test_unknown_fields_are_noted(self) -> None:
        """What nobody reads is named in one note."""
        prompt = asked(seed=1, user="u")

        self.assertEqual(prompt.notes, (Note(NoteCode.IGNORED, ("seed", "user")),))

    def test_what_would_change_the_answer_is_refused(self) -> None:
        """Several choices, log probabilities and audio cannot be ignored without changing the answer."""
        self.refused("n", n=2)
        self.refused("logprobs", logprobs=True)
        self.refused("top_logprobs", top_logprobs=3)
        self.refused("audio", audio={"voice": "alloy"})
        self.refused("modalities", modalities=["text", "audio"])

    def test_what_asks_for_nothing_special_is_fine(self) -> None:
        """One choice, no log probabilities and text output are what every answer is."""
        self.assertEqual(asked(n=1, logprobs=False, top_logprobs=0, modalities=["text"]), asked())

    def test_usage_apart(self) -> None:
        """stream_options.include_usage asks for usage in a chunk of its own."""
        self.assertTrue(asked(stream_options={"include_usage": True}).view.usage_apart)
        self.assertFalse(asked(stream_options={}).view.usage_apart)

    def test_efforts(self) -> None:
        """Both spellings of the effort are read."""
        self.assertIs(asked(reasoning_effort="xhigh").effort, Effort.XHIGH)
        self.assertIs(asked(reasoning={"effort": "low"}).effort, Effort.LOW)

    def test_efforts_that_mean_none(self) -> None:
        """none, minimal and off leave the effort open, without a note."""
        for name in ("none", "minimal", "off"):
            prompt = asked(reasoning_effort=name)
            self.assertEqual((prompt.effort, prompt.notes), (None, ()))

    def test_unknown_effort_is_dropped(self) -> None:
        """An effort that nobody knows is dropped with a note."""
        prompt = asked(reasoning_effort="heroic")

        self.assertIs(prompt.effort, None)
        self.assertEqual([note.code for note in prompt.notes], [NoteCode.EFFORT_DROPPED])


class OutputTests(RequestCase):
    """The form of the answer."""

    def test_no_form(self) -> None:
        """Text is what an answer is anyway."""
        for form in ({"type": "text"}, None):
            prompt = asked(response_format=form)
            self.assertEqual((prompt.output, prompt.notes), (None, ()))

    def test_any_object(self) -> None:
        """An object without a schema can be asked for."""
        prompt = asked(response_format={"type": "json_object"})

        self.assertEqual((prompt.output, prompt.notes), (OutputFormat(), ()))

    def test_schema(self) -> None:
        """A schema reaches the prompt as it came; its name and its strictness are no news."""
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
        described = {"name": "output", "description": "ours", "strict": True, "schema": schema}

        prompt = asked(response_format={"type": "json_schema", "json_schema": described})

        self.assertEqual((prompt.output, prompt.notes), (OutputFormat(schema), ()))

    def test_malformed_forms_are_refused(self) -> None:
        """A form that is unknown or incomplete is refused with its place."""
        self.refused("response_format", response_format="json")
        self.refused("response_format.type", response_format={})
        self.refused("response_format.type", response_format={"type": "xml"})
        self.refused("response_format.json_schema", response_format={"type": "json_schema"})
        for described in ({"name": "output"}, {"schema": "a"}):
            form = {"type": "json_schema", "json_schema": described}
            self.refused("response_format.json_schema.schema", response_format=form)

    def test_schemas_without_use_are_refused(self) -> None:
        """A schema that is none, or that would have to be fetched, is refused with its place."""
        for schema in ({"type": "text"}, {"$ref": "https://schemas.test/a.json"}):
            form = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}
            self.refused("response_format.json_schema.schema", response_format=form)


class ToolTests(RequestCase):
    """The client's tools and its rule for calling them."""

    def test_function_tools(self) -> None:
        """A function becomes a tool, its schema passed through; without one it takes an empty object."""
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "$defs": {}}
        weather = {"name": "weather", "description": "Says the weather.", "parameters": schema}

        prompt = asked(tools=[{"type": "function", "function": weather}, NOW])

        empty = {"type": "object", "properties": {}}
        self.assertEqual(prompt.tools, (Tool("weather", "Says the weather.", schema), Tool("now", None, empty)))

    def test_server_tools_are_left_out(self) -> None:
        """A tool that the vendor's servers would run is left out with a note."""
        prompt = asked(tools=[{"type": "web_search"}, NOW])

        self.assertEqual([tool.name for tool in prompt.tools], ["now"])
        self.assertEqual(prompt.notes, (Note(NoteCode.SERVER_TOOL_DROPPED, ("tools[0]",)),))

    def test_malformed_tools_are_refused(self) -> None:
        """A tool without a function, and a function without a name, are refused with their place."""
        self.refused("tools[0].function", tools=[{"type": "function"}])
        self.refused("tools[1].function.name", tools=[NOW, {"type": "function", "function": {}}])

    def test_tool_choices(self) -> None:
        """Every choice has its meaning."""
        self.assertEqual(asked(tool_choice="auto").tool_choice, ToolChoice(Choice.AUTO))
        self.assertEqual(asked(tool_choice="none").tool_choice, ToolChoice(Choice.NONE))
        self.assertEqual(asked(tool_choice="required").tool_choice, ToolChoice(Choice.REQUIRED))
        self.assertEqual(asked(tool_choice="any").tool_choice, ToolChoice(Choice.REQUIRED))
        self.assertEqual(asked(tool_choice=NOW).tool_choice, ToolChoice(Choice.NAMED, "now"))

    def test_choice_of_no_function_is_dropped(self) -> None:
        """A choice that names no function is dropped with a note."""
        prompt = asked(tool_choice={"type": "allowed_tools"})

        self.assertIs(prompt.tool_choice, None)
        self.assertEqual(prompt.notes, (Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)),))

    def test_malformed_tool_choice_is_refused(self) -> None:
        """An unknown word, and a function without a name, are refused by name."""
        self.refused("tool_choice", tool_choice="some")
        self.refused("tool_choice.function.name", tool_choice={"type": "function", "function": {}})


class ConversationTests(RequestCase):
    """Messages, their roles and parts."""

    def test_roles(self) -> None:
        """The role developer is another word for system, and every message stays in its place."""
        names = ("system", "developer", "user", "assistant", "system")

        prompt = asked(messages=[{"role": name, "content": "a"} for name in names])

        expected = [Role.SYSTEM, Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.SYSTEM]
        self.assertEqual([message.role for message in prompt.messages], expected)

    def test_unknown_role_is_refused(self) -> None:
        """A role that nobody knows, or none, is refused with its place."""
        self.refused_message("role", role="narrator", content="a")
        self.refused_message("role", content="a")

    def test_parts(self) -> None:
        """Text and refusals are text, and each part stays a part."""
        content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]

        self.assertEqual(message(role="assistant", content=content).parts, (Text("a"), Text("b")))

    def test_refusal_beside_content(self) -> None:
        """A refusal that an earlier answer gave is text, too."""
        self.assertEqual(message(role="assistant", content=None, refusal="No.").parts, (Text("No."),))

    def test_inline_images(self) -> None:
        """An image may be an object with a URL, or a bare string."""
        url = "data:image/PNG;base64,iVBORw0K"
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "image_url", "image_url": url}]

        self.assertEqual(message(role="user", content=content).parts, (Image("image/png", "iVBORw0K"),) * 2)

    def test_remote_images_are_refused(self) -> None:
        """An image that would have to be fetched is refused with its place."""
        url = "https://example.com/a.png"

        error = self.refused_message(
            "content[0].image_url.url", role="user", content=[{"type": "image_url", "image_url": {"url": url}}]
        )

        self.assertIn("data URL", error.message)

    def test_unknown_parts_are_refused(self) -> None:
        """A part that cannot be sent is refused with its type and its place."""
        error = self.refused_message("content[0].type", role="user", content=[{"type": "input_audio"}])

        self.assertIn("input_audio", error.message)

    def test_malformed_content_is_refused(self) -> None:
        """Content, parts and texts of a wrong type are refused with their place."""
        self.refused_message("content", role="user", content=5)
        self.refused_message("content[0]", role="user", content=["a"])
        self.refused_message("content[0].type", role="user", content=[{"text": "a"}])
        self.refused_message("content[0].text", role="user", content=[{"type": "text"}])
        self.refused_message("content[0].image_url", role="user", content=[{"type": "image_url"}])

    def test_tool_result(self) -> None:
        """The answer to a call names the call."""
        self.assertEqual(
            message(role="tool", tool_call_id="A", content="sunny"),
            Message(Role.TOOL, (ToolResult("A", (Text("sunny"),)),)),
        )
        self.refused_message("tool_call_id", role="tool", content="sunny")

    def test_tool_calls(self) -> None:
        """Calls follow the text of their message, their arguments as the client holds them."""
        kept = {"A": '{"city":', "B": {"city": "Köln"}, "C": None}
        calls = [{"id": name, "function": {"name": "look", "arguments": kept[name]}} for name in kept]

        read = message(role="assistant", content="a", tool_calls=calls)

        arguments = {"A": '{"city":', "B": '{"city":"Köln"}', "C": ""}
        self.assertEqual(read.parts, (Text("a"), *(ToolCall(name, "look", arguments[name]) for name in kept)))

    def test_malformed_tool_calls_are_refused(self) -> None:
        """A call without a function, or without its name, is refused with its place."""
        self.refused_message("tool_calls[0].function", role="assistant", tool_calls=[{"id": "A"}])
        self.refused_message("tool_calls[0].function.name", role="assistant", tool_calls=[{"function": {}}])

    def test_reasoning_in_every_spelling(self) -> None:
        """Reasoning that comes back is read from each of its three spellings, and goes first."""
        details = [{"type": "reasoning.text", "text": "h"}, {"text": "m"}, {"type": "reasoning.encrypted", "data": "x"}]

        for spelling in ({"reasoning_content": "hm"}, {"reasoning": "hm"}, {"reasoning_details": details}):
            read = message(role="assistant", content="a", **spelling)
            self.assertEqual(read.parts, (Reasoning("hm"), Text("a")))

    def test_empty_reasoning_is_none(self) -> None:
        """Reasoning without text is no part."""
        self.assertEqual(message(role="assistant", content="a", reasoning_content="").parts, (Text("a"),))


class FirstErrorTests(SynchronousTestCase):
    """Several things are wrong."""

    def test_system_before_messages(self) -> None:
        """What stands before the conversation is refused before what is in it."""
        for system, messages, field in (
            (5, [{"role": "user", "content": 5}], "system"),
            ("s", [{"role": "user", "content": 5}], "messages[0].content"),
            (5, [], "messages"),
            (5, None, "messages"),
        ):
            body = Fields({"model": "m", "system": system, "messages": messages}, "")
            self.assertEqual(self.assertRaises(ProxyError, request.parse, body).field, field)


class PlainTests(SynchronousTestCase):
    """Messages of a role and a text alone."""

    @given(
        st.dictionaries(
            st.sampled_from(["role", "content", "refusal", "name"]),
            st.sampled_from(["system", "developer", "user", "assistant", "tool", "", "hello", None, 1, True, [], {}]),
        )
    )
    def test_short_way(self, message: dict[str, object]) -> None:
        """What is read on the short way is what would have been read on the long one."""
        fields = Fields(message, "messages[0]")
        plain = request._plain(fields)

        if plain is not None:
            self.assertEqual(plain, request._message(fields))

    def test_taken(self) -> None:
        """The short way is taken for what it is made for, and for nothing that may be refused."""
        said = {"role": "user", "content": "hello"}
        others: list[dict[str, object]] = [
            {"role": "tool"},
            {"role": "nobody"},
            {"role": []},
            {"content": None},
            {"tool_calls": []},
        ]
        for other in others:
            self.assertIsNone(request._plain(Fields({**said, **other}, "")), other)
        self.assertIsNotNone(request._plain(Fields({**said}, "")))
