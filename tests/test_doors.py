"""Tests of bodies that come to another dialect's path."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ccproxy import fields
from ccproxy.dialects import DIALECTS
from ccproxy.dialects.openai_responses.output import kept_of
from ccproxy.doors import read
from ccproxy.errors import ProxyError
from ccproxy.framing import dumps
from ccproxy.prompt import (
    Choice,
    Effort,
    Message,
    Note,
    NoteCode,
    Prompt,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    View,
)

CHAT, MESSAGES, COMPLETIONS, RESPONSES, _ = DIALECTS
FOREIGN = Note(NoteCode.FOREIGN_FORM)
QUESTION = {"role": "user", "content": "What is the weather?"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CLAUDE = {
    "model": "vendor/claude-9",
    "stream": True,
    "max_tokens": 4096,
    "messages": [
        {"role": "system", "content": "Be brief."},
        QUESTION,
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I will look."},
                {"type": "tool_use", "id": "A", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "A", "content": "sunny"}]},
    ],
    "tools": [{"name": "weather", "description": "Says the weather.", "input_schema": SCHEMA}],
    "tool_choice": {"type": "auto"},
}
"""What Cursor posts to Chat Completions for a model whose name it takes for Claude's."""

CHATTING = {
    "model": "vendor/model-1",
    "messages": [
        QUESTION,
        {"role": "assistant", "tool_calls": [{"id": "A", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "A", "content": "sunny"},
    ],
}


def asked(door: Any, body: dict[str, Any], **changes: Any) -> Prompt:
    """What a body becomes at a door."""
    return read(fields.body(dumps({**body, **changes})), door, DIALECTS)


class ChatDoorTests(SynchronousTestCase):
    """What comes to Chat Completions."""

    def test_claude_form(self) -> None:
        """A conversation of Messages with its tools is read whole, and noted."""
        weather = (ToolCall("A", "weather", '{"city":"Oslo"}'),)

        prompt = asked(CHAT, CLAUDE)

        said = (
            Message(Role.SYSTEM, (Text("Be brief."),)),
            Message(Role.USER, (Text("What is the weather?"),)),
            Message(Role.ASSISTANT, (Text("I will look."), *weather)),
            Message(Role.TOOL, (ToolResult("A", (Text("sunny"),)),)),
        )
        self.assertEqual(prompt.messages, said)
        self.assertEqual(prompt.tools, (Tool("weather", "Says the weather.", SCHEMA),))
        self.assertEqual((prompt.stream, prompt.max_tokens, prompt.tool_choice), (True, 4096, ToolChoice(Choice.AUTO)))
        self.assertEqual(prompt.notes, (FOREIGN,))

    def test_view_is_of_the_door(self) -> None:
        """Who reads does not decide what is seen: reasoning and usage are shown as the path's clients expect them."""
        usage = {"include_usage": True}

        prompt = asked(CHAT, CLAUDE, stream_options=usage)

        self.assertEqual(prompt.view, asked(CHAT, CHATTING, stream_options=usage).view)
        self.assertEqual((prompt.view.reasoning, prompt.view.usage_apart), (True, True))

    def test_what_the_door_understood_is_not_ignored(self) -> None:
        """Fields that the door understands are known, even where the reader does not know them; others are not."""
        prompt = asked(CHAT, CLAUDE, stream_options={}, seed=1)

        self.assertEqual(prompt.notes, (FOREIGN, Note(NoteCode.IGNORED, ("seed",))))

    def test_system_beside_the_conversation(self) -> None:
        """System text beside a conversation leads it, and takes nothing from what the path's own dialect knows."""
        body = {
            "model": "m",
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [QUESTION],
            "reasoning_effort": "high",
        }

        prompt = asked(CHAT, body)

        self.assertEqual(prompt.messages[0], Message(Role.SYSTEM, (Text("Be brief."),)))
        self.assertEqual((prompt.effort, prompt.notes), (Effort.HIGH, ()))

    def test_tools_of_chat_in_claude_form(self) -> None:
        """A conversation of Messages may come with the tools and the rule of Chat Completions."""
        function = {"name": "weather", "description": "Says the weather.", "parameters": SCHEMA}

        prompt = asked(CHAT, CLAUDE, tools=[{"type": "function", "function": function}], tool_choice="required")

        self.assertEqual((prompt.tools, prompt.tool_choice), (asked(CHAT, CLAUDE).tools, ToolChoice(Choice.REQUIRED)))

    def test_tools_of_claude_in_chat_form(self) -> None:
        """A conversation of Chat Completions may come with the tools and the rule of Messages; it is no foreign form."""
        for body in (CHATTING, {"model": "m", "messages": [QUESTION]}):
            prompt = asked(CHAT, body, tools=CLAUDE["tools"], tool_choice={"type": "tool", "name": "weather"})

            self.assertEqual(prompt.tools, (Tool("weather", "Says the weather.", SCHEMA),))
            self.assertEqual((prompt.tool_choice, prompt.notes), (ToolChoice(Choice.NAMED, "weather"), ()))

    def test_own_form(self) -> None:
        """A body of its own form, and one that shows no form, is read by the door itself."""
        for body in (CHATTING, {"model": "m", "messages": [QUESTION], "max_completion_tokens": 9}):
            self.assertEqual(asked(CHAT, body).notes, ())

    def test_prompt(self) -> None:
        """A legacy prompt is understood, and answered as a conversation is."""
        prompt = asked(CHAT, {"model": "m", "prompt": "hello"})

        self.assertEqual(prompt.messages, (Message(Role.USER, (Text("hello"),)),))
        self.assertEqual((prompt.view.reasoning, prompt.notes), (True, (FOREIGN,)))

    def test_errors_name_fields_of_the_body(self) -> None:
        """What is wrong in a foreign form is named as it stands there."""
        broken = {"role": "user", "content": [{"type": "tool_result", "content": "sunny"}]}

        error: ProxyError = self.assertRaises(ProxyError, asked, CHAT, CLAUDE, messages=[broken])

        self.assertEqual(error.field, "messages[0].content[0].tool_use_id")

    def test_alone(self) -> None:
        """A door that knows of no other dialect reads everything itself."""
        error: ProxyError = self.assertRaises(ProxyError, read, fields.body(dumps(CLAUDE)), CHAT, ())

        self.assertEqual(error.field, "messages[2].content[1].type")


class MessagesDoorTests(SynchronousTestCase):
    """What comes to Messages."""

    def test_chat_form(self) -> None:
        """A conversation of Chat Completions is read as there, and seen as here."""
        prompt = asked(MESSAGES, CHATTING)

        own = asked(CHAT, CHATTING)
        self.assertEqual(prompt, evolve(own, view=View(reasoning=False), notes=(FOREIGN,)))

    def test_thinking_in_chat_form(self) -> None:
        """Who turned thinking on sees it, and turning it on is no unknown field."""
        prompt = asked(MESSAGES, CHATTING, thinking={"type": "adaptive"})

        self.assertEqual((prompt.view, prompt.notes), (View(), (FOREIGN,)))

    def test_own_form(self) -> None:
        """A body of its own form, and one that shows no form, is read by the door itself."""
        for body in (CLAUDE, {"model": "m", "messages": [QUESTION], "stop_sequences": ["END"]}):
            self.assertEqual(asked(MESSAGES, body).notes, ())


class CompletionsDoorTests(SynchronousTestCase):
    """What comes to the legacy API."""

    def test_own_form(self) -> None:
        """A prompt is read by the door itself."""
        self.assertEqual(asked(COMPLETIONS, {"model": "m", "prompt": "hello"}).notes, ())

    def test_chat_form(self) -> None:
        """A conversation that shows its form is understood; its reasoning has no place in the answer."""
        prompt = asked(COMPLETIONS, CHATTING)

        self.assertEqual((prompt.view, prompt.notes), (View(reasoning=False), (FOREIGN,)))


class ResponsesDoorTests(SynchronousTestCase):
    """Bodies of Responses at other doors, and of others at its own."""

    def test_responses_at_chat(self) -> None:
        """A body of Responses that comes to Chat Completions is read as what it is, with a note."""
        prompt = asked(CHAT, {"model": "m", "instructions": "Be brief.", "input": "hello"})

        self.assertEqual([message.role for message in prompt.messages], [Role.SYSTEM, Role.USER])
        self.assertEqual(prompt.notes, (Note(NoteCode.FOREIGN_FORM),))

    def test_chat_at_responses(self) -> None:
        """A body of Chat Completions that comes to Responses is read as what it is, and its answer is not kept."""
        prompt = asked(RESPONSES, CHATTING)

        self.assertIn(Note(NoteCode.FOREIGN_FORM), prompt.notes)
        self.assertEqual(asked(CHAT, CHATTING).messages, prompt.messages)
        self.assertFalse(kept_of(prompt.view).stored)
