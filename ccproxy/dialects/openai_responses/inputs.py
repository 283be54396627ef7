"""This module is the input of a request as a list of items, whichever way it was given, and what is kept of it for later requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from ccproxy.fields import Fields, invalid

_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "local_shell_call": "lsh",
    "local_shell_call_output": "lsho",
    "compaction": "cmp",
}
TRIGGER = "compaction_trigger"


class Completed(Fields):
    """A body that holds all that it refers to: ``previous_response_id`` and references have been answered.

    Args:
        value: The fields; ``input`` is the whole input.
        recalled: How many of the first items of ``input`` the client did not send, but refers to with ``previous_response_id``.
    """

    def __init__(self, value: dict[str, Any], *, recalled: int) -> None:
        super().__init__(value, "")
        self.recalled = recalled


def listed(body: Fields) -> list[Any]:
    """The input as an array, of whatever; a string is a user's message. Nothing of it counts as read.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, when it is neither.
    """
    given = body.peek("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if given is not None and not isinstance(given, list):
        raise invalid("has to be a string or an array.", body.at("input"))
    return given or []


def items(body: Fields) -> Iterator[Fields]:
    """The items of the input, each with its place as the client counts.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the place of what is no item.
    """
    recalled = body.recalled if isinstance(body, Completed) else 0
    for index, item in enumerate(listed(body)):
        place = "previous_response_id" if index < recalled else f"{body.at('input')}[{index - recalled}]"
        if not isinstance(item, dict):
            raise invalid("has to be an object.", place)
        yield Fields(item, place)


def kind_of(item: Mapping[str, Any]) -> object:
    """The type of an item; a message need not say it, nor need a reference."""
    if (kind := item.get("type")) is not None:
        return kind
    if item.get("role") is not None:
        return "message"
    return "item_reference" if set(item) <= {"id", "type"} and item.get("id") is not None else None


def kept(body: Fields) -> Sequence[Mapping[str, object]]:
    """The input as it is kept: each item with a type and an id of its own, made from its position if need be; a trigger is spent."""
    everything = (item for item in listed(body) if isinstance(item, dict))
    seen: set[object] = set()
    return tuple(_kept(item, index, seen) for index, item in enumerate(everything) if kind_of(item) != TRIGGER)


def _kept(item: dict[str, Any], index: int, seen: set[object]) -> Mapping[str, object]:
    kind = kind_of(item)
    whole = item if kind != "message" else {**item, "type": kind, "content": _content(item)}
    name = item.get("id")
    if not isinstance(name, str) or not name or name in seen:
        prefix = f"{_PREFIXES.get(str(kind), 'item')}_in_"
        name = next(made for number in count(index) if (made := f"{prefix}{number}") not in seen)
    seen.add(name)
    return {**whole, "id": name}


def _content(message: Mapping[str, Any]) -> object:
    if not isinstance(text := message.get("content"), str):
        return text
    if message.get("role") == "assistant":
        return [{"type": "output_text", "text": text, "annotations": []}]
    return [{"type": "input_text", "text": text}]
