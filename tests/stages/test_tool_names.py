"""Tests of aliases for odd tool names."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import TextDelta, ToolArguments, ToolStarted
from ccproxy.prompt import Choice, Message, Note, NoteCode, Prompt, Role, Text, Tool, ToolCall, ToolChoice
from ccproxy.stages.tool_names import RestoreNames, aliased

LONG = "mcp__a_server_with_a_very_long_name__a_tool_with_a_name_that_is_longer_still"
DOTTED = "files.read"


def offering(*names: str, messages: tuple[Message, ...] = (), choice: str = "") -> Prompt:
    """A prompt that offers tools by these names, and forces one if it is named."""
    tools = tuple(Tool(name, None, {}) for name in names)
    return Prompt("test/model", messages, tools=tools, tool_choice=ToolChoice(Choice.NAMED, choice) if choice else None)


class AliasedTests(SynchronousTestCase):
    """The way up."""

    def test_ordinary(self) -> None:
        """Ordinary names are left alone."""
        prompt = offering("read", "mcp__files__read-2", "x" * 64)

        self.assertEqual(aliased(prompt), (prompt, {}))

    def test_odd(self) -> None:
        """Names that are too long or hold other characters get an alias that providers take, and that resembles them."""
        renamed, names = aliased(offering(LONG, DOTTED, "読む"))

        aliases = [tool.name for tool in renamed.tools]
        self.assertEqual([names[alias] for alias in aliases], [LONG, DOTTED, "読む"])
        self.assertTrue(all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", alias) for alias in aliases), aliases)
        self.assertTrue(aliases[1].startswith("files_read"))

    def test_noted(self) -> None:
        """The client is told which names were changed."""
        renamed, _ = aliased(offering("read", DOTTED))

        self.assertEqual(renamed.notes, (Note(NoteCode.TOOL_RENAMED, (DOTTED,)),))

    def test_everywhere(self) -> None:
        """A tool has one name in the offer, in the choice and in the history."""
        history = (Message(Role.ASSISTANT, (Text("x"), ToolCall("a", DOTTED, "{}"), ToolCall("b", "read", "{}"))),)

        renamed, names = aliased(offering(DOTTED, messages=history, choice=DOTTED))

        (alias,) = names
        assert renamed.tool_choice is not None
        self.assertEqual(renamed.tools[0].name, alias)
        self.assertEqual(renamed.tool_choice, ToolChoice(Choice.NAMED, alias))
        self.assertEqual(
            renamed.messages,
            (Message(Role.ASSISTANT, (Text("x"), ToolCall("a", alias, "{}"), ToolCall("b", "read", "{}"))),),
        )

    def test_stable(self) -> None:
        """An alias does not depend on what else is offered."""
        alone, together = aliased(offering(LONG))[0], aliased(offering(DOTTED, LONG))[0]

        self.assertEqual(alone.tools[0], together.tools[1])

    def test_distinct(self) -> None:
        """Names that look alike get different aliases."""
        _, names = aliased(offering("a.b", "a/b", "a b", LONG, f"{LONG}!"))

        self.assertEqual(len(names), 5)


class RestoreNamesTests(SynchronousTestCase):
    """The way back."""

    def test_restored(self) -> None:
        """A call is announced under the client's name."""
        _, names = aliased(offering(DOTTED))
        (alias,) = names

        events = RestoreNames(names).feed(ToolStarted("a", alias))

        self.assertEqual(list(events), [ToolStarted("a", DOTTED)])

    def test_others(self) -> None:
        """Everything else passes."""
        events = (ToolStarted("a", "read"), ToolArguments("a", "alias"), TextDelta("alias"))
        stage = RestoreNames({"alias": DOTTED})

        passed = [said for event in events for said in stage.feed(event)]

        self.assertEqual(passed, list(events))
