"""This module is how the simulated model behaves when nobody asked it for a special case.

Offered tools, it calls one; given the results, it quotes them; else it talks. An agent that drives it therefore always
comes to an end.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from attrs import field, frozen

from ccproxy.simulator.arguments import arguments_for
from ccproxy.simulator.asked import Asked, Image, Reasoning, Text, Tool, ToolCall, ToolResult
from ccproxy.simulator.records import Narrator

_QUOTE_LENGTH = 200
_FRAGMENT_LENGTH = 7


@frozen
class Call:
    """A call that the model is about to make; without arguments of its own, those that are required are filled in."""

    id: str
    tool: Tool
    arguments: dict[str, object] = field()

    @arguments.default
    def _fill_in(self) -> dict[str, object]:
        return arguments_for(self.tool.input_schema)

    def fragments(self) -> Iterator[str]:
        """The arguments as JSON text, cut into small pieces."""
        text = json.dumps(self.arguments, ensure_ascii=False)
        return (text[start : start + _FRAGMENT_LENGTH] for start in range(0, len(text), _FRAGMENT_LENGTH))


def words(text: str) -> Iterator[str]:
    """Cut a text into deltas of a word each, as models do."""
    return (found[0] for found in re.finditer(r"\s*\S+|\s+", text))


def reply(narrator: Narrator) -> Iterator[bytes]:
    """The records of a sensible answer, from the first to the last."""
    asked = narrator.asked
    yield from narrator.opening()
    if "pro" in re.split(r"\W", asked.model):
        yield from narrator.reasoning(words("The user wants an answer. I shall give a short one."))
    yield from act(narrator, chosen_tool(asked))


def act(narrator: Narrator, tool: Tool | None) -> Iterator[bytes]:
    """Call the tool; without one, or when this turn already holds results, talk."""
    asked = narrator.asked
    if tool is None or answered(asked):
        yield from narrator.text(words(remark(asked)))
        yield from narrator.closing()
    else:
        yield from calls(narrator, [Call(f"call_{narrator.turn}", tool)])


def offered(asked: Asked, name: str) -> Tool | None:
    """The tool of that name, if it is on offer."""
    return next((tool for tool in asked.tools if tool.name == name), None)


def chosen_tool(asked: Asked) -> Tool | None:
    """The tool that the request forces, else the first one on offer, if any."""
    forced = asked.tool_choice.name if asked.tool_choice else ""
    return offered(asked, forced) or next(iter(asked.tools), None)


def answered(asked: Asked) -> bool:
    """Whether this turn already holds the results of a call."""
    return any(isinstance(part, ToolResult) for part in asked.last_turn)


def calls(narrator: Narrator, made: Sequence[Call]) -> Iterator[bytes]:
    """Tool calls side by side, their fragments taking turns, and the end of the turn."""
    for call in made:
        yield from narrator.call_started(call.id, call.tool.name)
    for fragments in zip_longest(*(call.fragments() for call in made)):
        for call, fragment in zip(made, fragments, strict=True):
            if fragment is not None:
                yield narrator.call_argument(call.id, fragment)
    for call in made:
        yield from narrator.call_ended(call.id, call.tool.name, call.arguments)
    yield from narrator.closing("tool-calls", "tool_calls")


def remark(asked: Asked) -> str:
    """What there is to say: a quotation of the results, else of the user."""
    results = [part for part in asked.last_turn if isinstance(part, ToolResult)]
    if results:
        return "\n".join(f"The tool {result.tool_name} says: {_quote(result.output.value)}" for result in results)
    said = " ".join(part.text for part in asked.last_turn if isinstance(part, Text))
    return f"Hello from the simulator! You said: {_quote(said)}"


def description(asked: Asked) -> str:
    """A plain account of the request, by which a test sees what arrived."""
    parts = [part for message in asked.messages for part in message.content]
    roles = " ".join(message.role for message in asked.messages)
    images = ", ".join(part.describe() for part in parts if isinstance(part, Image))
    calls_made = ", ".join(part.tool_name for part in parts if isinstance(part, ToolCall))
    tools = ", ".join(tool.name for tool in asked.tools)
    return "\n".join(
        (
            f"messages: {len(asked.messages)} ({roles})",
            f"images: {images or 'none'}",
            f"thoughts: {sum(isinstance(part, Reasoning) for part in parts)}",
            f"calls: {calls_made or 'none'}",
            f"tools: {tools or 'none'}",
            f"system: {len(asked.system_text)} characters",
        )
    )


def _quote(text: str) -> str:
    return text if len(text) <= _QUOTE_LENGTH else f"{text[:_QUOTE_LENGTH]}…"
