"""Tests of the ``params`` of a request."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
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
)
from ccproxy.structured import instruction
from ccproxy.upstreams.commandcode.params import params

HELLO = Message(Role.USER, (Text("hello"),))
READ = Tool("read", "Reads a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


def asked(model: str = "nobody/nothing", messages: tuple[Message, ...] = (HELLO,), **fields: Any) -> dict[str, Any]:
    """The params of a prompt."""
    said, _ = params(Prompt(model, messages, **fields))
    return said


def notes(model: str = "nobody/nothing", **fields: Any) -> tuple[Note, ...]:
    """The notes on a prompt."""
    _, noted = params(Prompt(model, (HELLO,), **fields))
    return noted


class WholeTests(SynchronousTestCase):
    """All params together."""

    def test_least(self) -> None:
        """A bare prompt says what the upstream cannot do without, in the order of its own client."""
        expected = (
            b'{"model":"nobody/nothing","messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}],'
            b'"tools":[],"system":" ","max_tokens":64000,"stream":true}'
        )

        self.assertEqual(dumps(asked()), expected)

    def test_settings(self) -> None:
        """What the client set goes up under the upstream's names."""
        said = asked(temperature=0.5, top_p=0.9, effort=Effort.HIGH, parallel_tool_calls=False)

        self.assertEqual(
            {name: said[name] for name in ("temperature", "top_p", "reasoning_effort", "parallel_tool_calls")},
            {"temperature": 0.5, "top_p": 0.9, "reasoning_effort": "high", "parallel_tool_calls": False},
        )

    def test_stream(self) -> None:
        """The upstream streams, whether the client does or not."""
        self.assertEqual([asked(stream=stream)["stream"] for stream in (False, True)], [True, True])

    def test_history_notes(self) -> None:
        """The repairs of the conversation are noted."""
        _, noted = params(Prompt("nobody/nothing", (HELLO, Message(Role.USER, ()))))

        self.assertEqual(noted, (Note(NoteCode.EMPTY_DROPPED),))


class MessagesTests(SynchronousTestCase):
    """The parts of messages."""

    def test_user(self) -> None:
        """A user speaks and shows pictures."""
        said = asked(messages=(Message(Role.USER, (Text("see"), Image("image/png", "aaaa"))),))

        picture = {"type": "image", "image": "data:image/png;base64,aaaa", "mimeType": "image/png"}
        self.assertEqual(said["messages"], [{"role": "user", "content": [{"type": "text", "text": "see"}, picture]}])

    def test_assistant_and_tool(self) -> None:
        """Calls go up with their arguments as objects, results with the names of their tools."""
        calls = Message(
            Role.ASSISTANT, (Reasoning("hm"), ToolCall("a", "read", '{"path": "x"}'), ToolCall("b", "look", ""))
        )
        answers = Message(Role.TOOL, (ToolResult("a", (Text("one"),)), ToolResult("b", (Text("no"),), is_error=True)))

        said = asked(messages=(calls, answers))

        self.assertEqual(
            said["messages"],
            [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "reasoning", "text": "hm"},
                        {"type": "tool-call", "toolCallId": "a", "toolName": "read", "input": {"path": "x"}},
                        {"type": "tool-call", "toolCallId": "b", "toolName": "look", "input": {}},
                    ],
                },
                {
                    "role": "tool",
                    "content": [
                        {
                            "type": "tool-result",
                            "toolCallId": "a",
                            "toolName": "read",
                            "output": {"type": "text", "value": "one"},
                        },
                        {
                            "type": "tool-result",
                            "toolCallId": "b",
                            "toolName": "look",
                            "output": {"type": "error-text", "value": "no"},
                        },
                    ],
                },
            ],
        )

    def test_other_media(self) -> None:
        """What is no image is refused, as the upstream has no place for it."""
        message = Message(Role.USER, (Image("application/pdf", "aaaa"),))

        error = self.assertRaises(ProxyError, asked, messages=(message,))

        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        self.assertIn("application/pdf", error.message)


class OutputTests(SynchronousTestCase):
    """The form of the answer."""

    def test_after_the_system_text(self) -> None:
        """The model is told after all that the client has told it, as there is no field for it."""
        output = OutputFormat({"type": "object"})

        said = asked(messages=(Message(Role.SYSTEM, (Text("Be kind.\n"),)), HELLO), output=output)

        self.assertEqual(said["system"], f"Be kind.\n\n\n{instruction(output)}")
        self.assertEqual(set(said), set(asked()))

    def test_alone(self) -> None:
        """Without any system text it is all that the model is told."""
        self.assertEqual(asked(output=OutputFormat())["system"], instruction(OutputFormat()))

    def test_same_bytes(self) -> None:
        """The same schema goes up as the same bytes, whatever was said since."""
        output = OutputFormat({"b": 1, "a": {"d": 2, "c": 3}})

        first, later = (asked(messages=(HELLO,) * count, output=output)["system"] for count in (1, 3))

        self.assertEqual(first, later)
        self.assertIn('{"b":1,"a":{"d":2,"c":3}}', first)


class ToolsTests(SynchronousTestCase):
    """The offer and the choice."""

    def test_whole(self) -> None:
        """A tool goes up with its description and its schema."""
        self.assertEqual(
            asked(tools=(READ,))["tools"],
            [{"name": "read", "description": "Reads a file.", "input_schema": READ.schema}],
        )

    def test_bare(self) -> None:
        """A tool without description and schema takes an object."""
        self.assertEqual(
            asked(tools=(Tool("read", None, {}),))["tools"],
            [{"name": "read", "description": "", "input_schema": {"type": "object"}}],
        )

    def test_choices(self) -> None:
        """Each choice has its form; the free one needs none."""
        choices = (
            (ToolChoice(Choice.REQUIRED), {"type": "any"}),
            (ToolChoice(Choice.NAMED, "read"), {"type": "tool", "name": "read"}),
            (ToolChoice(Choice.AUTO), None),
            (None, None),
        )

        for choice, expected in choices:
            said = asked(tools=(READ,), tool_choice=choice)
            self.assertEqual((said.get("tool_choice"), len(said["tools"])), (expected, 1), choice)

    def test_none(self) -> None:
        """A client that wants no calls offers no tools."""
        said = asked(tools=(READ,), tool_choice=ToolChoice(Choice.NONE))

        self.assertEqual(said["tools"], [])
        self.assertNotIn("tool_choice", said)

    def test_choice_of_nothing(self) -> None:
        """A choice that no tool can fulfil is dropped, with a note."""
        dropped = (Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)),)

        for choice, tools in (
            (ToolChoice(Choice.REQUIRED), ()),
            (ToolChoice(Choice.NAMED, "read"), ()),
            (ToolChoice(Choice.NAMED, "write"), (READ,)),
        ):
            self.assertNotIn("tool_choice", asked(tools=tools, tool_choice=choice))
            self.assertEqual(notes(tools=tools, tool_choice=choice), dropped)


class LimitTests(SynchronousTestCase):
    """What the upstream and the models take."""

    def test_default(self) -> None:
        """Without a limit of the client the upstream's own client's default goes up, or what the model can do."""
        self.assertEqual(asked()["max_tokens"], 64_000)
        self.assertEqual(asked("Qwen/Qwen3.8-Max")["max_tokens"], 32_000)
        self.assertEqual(notes("Qwen/Qwen3.8-Max"), ())

    def test_max_tokens(self) -> None:
        """A limit beyond the cap or the model is lowered, with a note."""
        clamped = (Note(NoteCode.MAX_TOKENS_CLAMPED, ("max_tokens",)),)
        cases = (
            ("nobody/nothing", 200_000, 200_000, ()),
            ("nobody/nothing", 200_001, 200_000, clamped),
            ("deepseek/deepseek-v4-pro", 300_000, 200_000, clamped),
            ("moonshotai/kimi-k3", 150_000, 131_000, clamped),
            ("moonshotai/kimi-k3", 1, 1, ()),
        )

        for model, wanted, expected, noted in cases:
            self.assertEqual(asked(model, max_tokens=wanted)["max_tokens"], expected, model)
            self.assertEqual(notes(model, max_tokens=wanted), noted, model)

    def test_effort(self) -> None:
        """An effort that the model does not take becomes the nearest below, else the nearest above."""
        cases = (
            ("nobody/nothing", Effort.MAX, "max"),
            ("claude-opus-5", Effort.XHIGH, "xhigh"),
            ("gpt-5.5", Effort.MAX, "xhigh"),
            ("MiniMaxAI/MiniMax-M3", Effort.XHIGH, "high"),
            ("moonshotai/Kimi-K3", Effort.MEDIUM, "low"),
            ("deepseek/deepseek-v4-pro", Effort.LOW, "high"),
            ("xai/grok-4.7", Effort.MAX, "max"),
        )

        for model, wanted, expected in cases:
            self.assertEqual(asked(model, effort=wanted)["reasoning_effort"], expected, model)

    def test_effort_dropped(self) -> None:
        """A model whose effort cannot be chosen is not asked for one, with a note."""
        self.assertNotIn("reasoning_effort", asked("zai-org/GLM-5", effort=Effort.LOW))
        self.assertEqual(notes("zai-org/GLM-5", effort=Effort.LOW), (Note(NoteCode.EFFORT_DROPPED),))

    def test_clamped_effort_is_noted(self) -> None:
        """An effort that became another is noted."""
        self.assertEqual(notes("gpt-5.5", effort=Effort.MAX), (Note(NoteCode.EFFORT_CLAMPED),))
        self.assertEqual(notes("gpt-5.5", effort=Effort.LOW), ())

    def test_image_for_a_blind_model(self) -> None:
        """An image goes up to a model that sees it or that nothing is known of, and is refused for one that does not see it."""
        picture = Image("image/png", "aaaa")
        seen = (Message(Role.USER, (picture,)),)
        shot = (
            Message(Role.ASSISTANT, (ToolCall("c", "shoot", "{}"),)),
            Message(Role.TOOL, (ToolResult("c", (picture,)),)),
        )

        for model in ("xiaomi/mimo-v2.5", "nobody/nothing"):
            self.assertIn("aaaa", str(asked(model, seen)))
        for messages in (seen, shot):
            error = self.assertRaises(ProxyError, asked, "zai-org/GLM-5.2", messages)
            self.assertIs(error.kind, Kind.INVALID_REQUEST)
            self.assertIn("zai-org/GLM-5.2 does not see images", error.message)

    def test_fixed_sampling(self) -> None:
        """GPT-5 and its successors are not asked for a sampling that they refuse."""
        for model in ("gpt-5.5", "GPT-6-sol", "openai/gpt-10"):
            self.assertNotIn("temperature", asked(model, temperature=0.2, top_p=1))
            self.assertEqual(asked(model, temperature=0.2, top_p=1)["top_p"], 1)
            self.assertEqual(
                notes(model, temperature=0.2, top_p=1), (Note(NoteCode.SAMPLING_DROPPED, ("temperature",)),)
            )

    def test_free_sampling(self) -> None:
        """Other models are."""
        for model in ("gpt-4.1", "gpt-500", "gpt-5/other", "claude-opus-5"):
            self.assertEqual(asked(model, temperature=0.2)["temperature"], 0.2, model)
