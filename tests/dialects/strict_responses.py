"""This module is a reader of Responses streams that forgives nothing: what it accepts, every client can read.

Beside the reference it holds what clients demand: openai-python's accumulator (the first event, one response id, no index twice, an item
that is done as it was added), Codex (whole items in ``output_item.done``), the AI SDK and Open Responses (fields and their types).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

from tests.dialects.strict import frames

ENDS = ("completed", "incomplete", "failed")
NULLABLE = (
    *("completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "reasoning", "usage"),
    *("max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key"),
)
FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("id", "object", "status", "model", "truncation", "service_tier"), str),
    **dict.fromkeys(("created_at", "completed_at", "top_logprobs", "max_output_tokens", "max_tool_calls"), int),
    **dict.fromkeys(("top_p", "temperature", "presence_penalty", "frequency_penalty"), (int, float)),
    **dict.fromkeys(("parallel_tool_calls", "store", "background"), bool),
    **dict.fromkeys(("output", "tools"), list),
    **dict.fromkeys(("text", "metadata", "usage", "error", "reasoning", "incomplete_details"), dict),
    "tool_choice": (str, dict),
    "instructions": (str, list),
    **dict.fromkeys(("previous_response_id", "safety_identifier", "prompt_cache_key"), str),
}
"""The fields of a response object, all of which are there."""

CALLS = {
    "function_call": {"type", "id", "call_id", "status", "name", "arguments"},
    "custom_tool_call": {"type", "id", "call_id", "status", "name", "input"},
    "local_shell_call": {"type", "id", "call_id", "status", "action"},
}
PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
    "local_shell_call": "lsh_",
    "compaction": "cmp_",
}
PARTS = {"output_text": "output_text", "reasoning_text": "reasoning_text", "summary_text": "reasoning_summary_text"}


@define
class Part:
    """A part of an item: its type, the events of its text, its index field, and what was said of it."""

    kind: str
    place: str
    text: str = ""
    said: bool = False


@define
class ResponsesReading:
    """What a stream of events says.

    Attributes:
        response: The last response object.
        items: The items that are done.
        deltas: The pieces of each item, by its index.
        end: The last part of the type of the event that ended it.
        comments: How many comments there are.
    """

    response: dict[str, Any] = field(factory=dict)
    items: list[dict[str, Any]] = field(factory=list)
    deltas: dict[int, list[str]] = field(factory=dict)
    end: str = ""
    comments: int = 0
    events: list[str] = field(factory=list)
    added: dict[str, Any] | None = None
    part: Part | None = None
    told: str | None = None


def read_responses(stream: bytes) -> ResponsesReading:
    """Read a whole stream, from ``response.created`` to the one event that ends it."""
    reading = ResponsesReading()
    for frame in frames(stream):
        if frame.comment is not None:
            reading.comments += 1
            assert reading.events, "a comment before the response began"
            continue
        assert frame.event and frame.data, "every frame has an event line and a data line"
        data = json.loads(frame.data)
        assert data.pop("type") == frame.event, "event line and type differ"
        assert data.pop("sequence_number") == len(reading.events), "numbers have a gap"
        assert not reading.end, "an event after the end"
        reading.events.append(frame.event)
        expected = {1: "response.created", 2: "response.in_progress"}.get(len(reading.events))
        assert expected in (None, frame.event), f"{frame.event} in the place of {expected}"
        _read(reading, frame.event.removeprefix("response."), data)
    assert reading.end, "the stream has no end"
    return reading


def _read(reading: ResponsesReading, kind: str, data: dict[str, Any]) -> None:
    if kind in ("created", "in_progress", *ENDS):
        assert data.keys() == {"response"}, data.keys()
        _lifecycle(reading, kind, data["response"])
        return
    if kind == "output_item.added":
        _added(reading, data)
        return
    assert reading.added is not None and data.pop("output_index") == len(reading.items), f"{kind} outside its item"
    if kind == "output_item.done":
        _done(reading, data)
        return
    assert data.pop("item_id") == reading.added["id"], f"{kind} of another item"
    subject, _, verb = kind.rpartition(".")
    _ITEM_EVENTS[verb](reading, subject, data)


def _lifecycle(reading: ResponsesReading, kind: str, response: dict[str, Any]) -> None:
    check_response(response)
    assert reading.response.get("id") in (None, response["id"]), "the id changed"
    reading.response = response
    assert response["status"] == ("in_progress" if kind == "created" else kind), response["status"]
    if kind in ("created", "in_progress"):
        assert response["usage"] is None, "usage before the end"
        assert response["output"] == reading.items, "output is not what is done"
        return
    reading.end = kind
    assert response["usage"] is not None, "an end without usage"
    assert response["output"] == reading.items, "the final output is not what was done"
    assert reading.added is None or kind == "failed", "an item is not done"


def check_response(response: dict[str, Any]) -> None:
    """Hold a response object against the schema."""
    assert response.keys() >= FIELDS.keys(), FIELDS.keys() - response.keys()
    for name, kind in FIELDS.items():
        value = response[name]
        assert isinstance(value, kind) or (value is None and name in NULLABLE), (name, value)
    assert response["object"] == "response" and response["id"].startswith("resp_"), response["id"]
    status = response["status"]
    assert (response["completed_at"] is not None) == (status == "completed"), response["completed_at"]
    assert (response["incomplete_details"] is not None) == (status == "incomplete"), response["incomplete_details"]
    assert (response["error"] is not None) == (status == "failed"), response["error"]
    if status == "failed":
        assert all(isinstance(response["error"][name], str) for name in ("code", "message", "type"))
    if response["usage"] is not None:
        _check_usage(response["usage"])
    for item in response["output"]:
        check_item(item)


def _check_usage(usage: dict[str, Any]) -> None:
    counts = [
        *(usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")),
        *(usage["input_tokens_details"][name] for name in ("cached_tokens", "cache_write_tokens")),
        usage["output_tokens_details"]["reasoning_tokens"],
    ]
    assert all(type(count) is int and count >= 0 for count in counts), usage
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"], usage


def check_item(item: dict[str, Any]) -> None:
    """Hold an item that is whole against the schema."""
    kind = item["type"]
    assert item["id"].startswith(PREFIXES[kind]), item
    assert None not in (item.get("content", ""), item.get("encrypted_content", "")), item
    if kind == "message":
        assert item.keys() == {"type", "id", "status", "role", "content"}, item
        assert item["role"] == "assistant" and item["status"] in ("completed", "incomplete"), item
        (part,) = item["content"]
        assert part == {"type": "output_text", "text": part["text"], "annotations": [], "logprobs": []}, part
        assert part["text"], "an empty message"
    elif kind == "reasoning":
        assert item.keys() - {"content", "encrypted_content"} == {"type", "id", "summary"}, item
        parts = [*item["summary"], *item.get("content", [])]
        assert len(parts) == 1 and parts[0].keys() == {"type", "text"}, item
        assert parts[0]["type"] == ("summary_text" if item["summary"] else "reasoning_text"), item
    elif kind == "compaction":
        assert item.keys() == {"type", "id", "encrypted_content"}, item
    else:
        assert item.keys() - {"namespace"} == CALLS[kind], item
        assert item["status"] == "completed", item


def _added(reading: ResponsesReading, data: dict[str, Any]) -> None:
    assert data.keys() == {"output_index", "item"}, data
    assert reading.added is None, "items overlap"
    assert data["output_index"] == len(reading.items), "indices have a gap"
    item = data["item"]
    assert item["id"] not in [other["id"] for other in reading.items], "an id for the second time"
    reading.added, reading.told, reading.part = item, None, None
    reading.deltas[len(reading.items)] = []
    begun: dict[str, dict[str, Any]] = {
        "message": {"content": [], "status": "in_progress"},
        "reasoning": {"summary": []},
    }
    begun |= {kind: {"status": "in_progress"} for kind in CALLS}
    for name, value in begun.get(item["type"], {}).items():
        assert item[name] == value, item
    assert item["type"] != "reasoning" or item.keys() == {"type", "id", "summary"}, item
    assert not item.get("arguments") and not item.get("input"), item


def _done(reading: ResponsesReading, data: dict[str, Any]) -> None:
    assert data.keys() == {"item"}, data
    item, added = data["item"], reading.added or {}
    assert all(item[name] == added[name] for name in ("type", "id", "call_id", "name") if name in added), item
    assert reading.part is None, "a part is not done"
    check_item(item)
    text = {
        "message": lambda: item["content"][0]["text"],
        "reasoning": lambda: [*item["summary"], *item.get("content", [])][0]["text"],
        "function_call": lambda: item["arguments"],
        "custom_tool_call": lambda: item["input"],
    }.get(item["type"], lambda: None)()
    assert reading.told == text, "the item is not what was told of it"
    reading.items.append(item)
    reading.added = None


def _part_added(reading: ResponsesReading, subject: str, data: dict[str, Any]) -> None:
    assert reading.part is None and reading.told is None, "a second part"
    part = data.pop("part")
    place = "summary_index" if subject == "reasoning_summary_part" else "content_index"
    assert data == {place: 0}, data
    wanted = {"message": ["output_text"], "reasoning": ["reasoning_text", "summary_text"]}[
        (reading.added or {})["type"]
    ]
    assert part["type"] in wanted and part["text"] == "", part
    assert (part["type"] == "summary_text") == (place == "summary_index"), part
    reading.part = Part(part["type"], place)


def _part_done(reading: ResponsesReading, data: dict[str, Any]) -> None:
    part = reading.part
    assert part is not None and part.said, "a part that was not said is done"
    shown = data.pop("part")
    extra: dict[str, Any] = {"annotations": [], "logprobs": []} if part.kind == "output_text" else {}
    assert shown == {"type": part.kind, "text": part.text, **extra}, shown
    assert data == {part.place: 0}, data
    reading.part, reading.told = None, part.text


def _delta(reading: ResponsesReading, subject: str, data: dict[str, Any]) -> None:
    _check_place(reading, subject, data)
    assert data.keys() == {"delta"} and isinstance(data["delta"], str), data
    assert reading.told is None, "a piece after the whole"
    reading.deltas[len(reading.items)].append(data["delta"])


def _text_done(reading: ResponsesReading, subject: str, data: dict[str, Any]) -> None:
    if subject in ("content_part", "reasoning_summary_part"):
        _part_done(reading, data)
        return
    _check_place(reading, subject, data)
    assert reading.told is None, "told twice"
    text = "".join(reading.deltas[len(reading.items)])
    if subject == "function_call_arguments":
        assert data.pop("name") == (reading.added or {})["name"], data
        assert isinstance(json.loads(data["arguments"]), dict), data
    (whole,) = data.values()
    assert whole == text, "the whole is not its pieces"
    if reading.part is not None:
        assert not reading.part.said, "told twice"
        reading.part.text, reading.part.said = text, True
    else:
        reading.told = text


def _check_place(reading: ResponsesReading, subject: str, data: dict[str, Any]) -> None:
    """That a piece of text belongs where it stands; takes its place out of the data."""
    part = reading.part
    if part is not None:
        assert subject == PARTS[part.kind] and data.pop(part.place) == 0, (subject, data)
        assert part.kind != "output_text" or data.pop("logprobs") == [], data
        return
    kind = (reading.added or {})["type"]
    assert (kind, subject) in (
        ("function_call", "function_call_arguments"),
        ("custom_tool_call", "custom_tool_call_input"),
    ), (kind, subject)


_ITEM_EVENTS: dict[str, Callable[[ResponsesReading, str, dict[str, Any]], None]] = {
    "added": _part_added,
    "delta": _delta,
    "done": _text_done,
}
