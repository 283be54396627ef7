"""This module is the pair that gets odd tool names through: short aliases on the way up, the client's own names on the way back.

Providers behind the upstream take tool names of at most 64 letters, digits, ``_`` and ``-``; MCP servers make longer and stranger ones.
An alias depends on its name alone, so that it is the same in every turn.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from attrs import evolve

from ccproxy.events import Event, ToolStarted
from ccproxy.prompt import Message, Note, NoteCode, Part, Prompt, ToolCall

_TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ODD = re.compile(r"[^a-zA-Z0-9_-]+")
_HEAD = 50  # characters of the name that stay readable
_DIGEST_SIZE = 6


class RestoreNames:
    """Calls tools by the client's names again.

    Args:
        names: The client's names by alias.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and give it back with the client's name of the tool."""
        if isinstance(event, ToolStarted) and event.name in self._names:
            event = evolve(event, name=self._names[event.name])
        return (event,)


def aliased(prompt: Prompt) -> tuple[Prompt, Mapping[str, str]]:
    """Give the tools of a prompt names that every provider takes: in its offer, its choice and its history.

    Returns:
        The prompt, with a note when a name changed, and the client's names by alias for `RestoreNames`.
    """
    odd = {name: _alias(name) for name in _names(prompt) if name and not _TAKEN.fullmatch(name)}
    if not odd:
        return prompt, {}
    choice = prompt.tool_choice
    renamed = evolve(
        prompt,
        messages=tuple(_renamed(message, odd) for message in prompt.messages),
        tools=tuple(evolve(tool, name=odd.get(tool.name, tool.name)) for tool in prompt.tools),
        tool_choice=choice and evolve(choice, name=odd.get(choice.name, choice.name)),
        notes=(*prompt.notes, Note(NoteCode.TOOL_RENAMED, tuple(odd))),
    )
    return renamed, {alias: name for name, alias in odd.items()}


def _names(prompt: Prompt) -> Iterable[str]:
    for tool in prompt.tools:
        yield tool.name
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                yield part.name


def _renamed(message: Message, odd: Mapping[str, str]) -> Message:
    def renamed(part: Part) -> Part:
        return evolve(part, name=odd[part.name]) if isinstance(part, ToolCall) and part.name in odd else part

    return evolve(message, parts=tuple(map(renamed, message.parts)))


def _alias(name: str) -> str:
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=_DIGEST_SIZE).hexdigest()
    return f"{_ODD.sub('_', name)[:_HEAD]}_{digest}"
