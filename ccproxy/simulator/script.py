"""This module is the simulated model that calls the tools that its user names, with the arguments that its user writes down.

A line ``call <tool> {"name": "value"}`` of the user's message is a call with that object for its arguments. A line ``call <tool>`` with a
fenced block right below it is a call whose first required argument is the text of the block, as long as that may be, which suits
what is hard to quote: a patch, a program. The calls are made one after the other, each when the one before it has its result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from ccproxy.simulator.asked import Message, Text, Tool, ToolResult
from ccproxy.simulator.conversation import Call, calls, offered, remark, words
from ccproxy.simulator.records import Narrator

_STEP: Final = re.compile(
    r"^call ([\w-]{1,128})(?: +(\{[^\n]*\})| *\n(`{3,})\w*\n(.*?)^\3) *$", re.MULTILINE | re.DOTALL | re.ASCII
)


@frozen
class Step:
    """One call that the user wants: the tool's name, and its arguments or the text of the first of them."""

    tool: str
    arguments: dict[str, object] | str

    def for_tool(self, tool: Tool) -> dict[str, object]:
        """The arguments, by their names."""
        if isinstance(self.arguments, dict):
            return self.arguments
        required = tool.input_schema.get("required")
        first = required[0] if isinstance(required, list) and required else "input"
        return {str(first): self.arguments}


def obey(narrator: Narrator) -> Iterator[bytes]:
    """Make the next call of the script; talk when there is none, or when its tool is not on offer."""
    asked = narrator.asked
    yield from narrator.opening()
    step = _next_step(asked.messages)
    tool = offered(asked, step.tool) if step else None
    if step is None or tool is None:
        yield from narrator.text(words(remark(asked)))
        yield from narrator.closing()
    else:
        yield from calls(narrator, [Call(f"call_{narrator.turn}", tool, step.for_tool(tool))])


def _next_step(messages: Sequence[Message]) -> Step | None:
    """The step of the latest script that has no result yet."""
    steps: list[Step] = []
    for message in messages:
        if message.role == "user" and (found := list(_steps(message))):
            steps = found
        else:
            steps = steps[sum(isinstance(part, ToolResult) for part in message.content) :]
    return next(iter(steps), None)


def _steps(message: Message) -> Iterator[Step]:
    text = "\n".join(part.text for part in message.content if isinstance(part, Text))
    for found in _STEP.finditer(text):
        name, written, _, block = found.groups()
        if block is not None:
            yield Step(name, block.removesuffix("\n"))
            continue
        try:
            arguments = json.loads(written)
        except ValueError:
            continue
        if isinstance(arguments, dict):
            yield Step(name, arguments)
