"""This module is the input of a request as a list of items, whichever way it was given, and what is kept of it for later requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from typing_extensions import override

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
        self._recalled = recalled

    @override
    def at_index(self, name: str, index: int) -> str:
        if name != "input":
            return super().at_index(name, index)
        return "previous_response_id" if index < self._recalled else super().at_index(name, index - self._recalled)


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
    """The items of the input, each with its place as the client counts. Nothing of the input counts as read.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the place of what is no item.
    """
    for index, item in enumerate(_elements(body)):
        if item is None:
            raise invalid("has to be an object.", body.at_index("input", index))
        yield item


def _elements(body: Fields) -> Sequence[Fields | None]:
    if (elements := body.elements("input")) is not None:
        return elements
    return [Fields(item, body.at_index("input", index)) for index, item in enumerate(listed(body))]


def objects_in(value: object) -> list[dict[str, Any]]:
    """The objects of an array, if it is one: for a first look at what was read, which refuses nothing."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def kind_of(item: Fields) -> object:
    """The type of an item; a message need not say it, nor need a reference."""
    if (kind := item.peek("type")) is not None:
        return kind
    if item.shows("role"):
        return "message"
    return "item_reference" if item.names <= {"id", "type"} and item.shows("id") else None


def kept(body: Fields) -> Sequence[Mapping[str, object]]:
    """The input as it is kept: each item with a type and an id of its own, made from its position if need be; a trigger is spent."""
    seen: set[object] = set()
    everything = ((item.decoded(), kind_of(item)) for item in _elements(body) if item is not None)
    return tuple(_kept(item, kind, index, seen) for index, (item, kind) in enumerate(everything) if kind != TRIGGER)


def _kept(item: dict[str, Any], kind: object, index: int, seen: set[object]) -> Mapping[str, object]:
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
