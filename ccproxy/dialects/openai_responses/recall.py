"""This module is the completion of a request that refers to earlier answers.

``previous_response_id`` stands for the input and the output of a response, an ``item_reference`` for one item. They are kept as JSON: a
response as ``{"response": {...}, "input": [...]}``, the input being all of it, and an item as it was shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeGuard

from ccproxy.dialects.openai_responses.inputs import Completed, kind_of, listed, objects_in
from ccproxy.dialects.openai_responses.items import missing
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.framing import MalformedJSONError, loads

_MOST = 10_000  # references in one request
_MOST_BYTES = 32 * 1024 * 1024  # of the items that they stand for
_NAME = re.compile(r"[!-~]{1,200}")
_SHOWN = 100  # characters of an id in an error
_UNFINISHED = ("queued", "in_progress")
_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")


def wanted(body: Fields) -> Sequence[str]:
    """The ids that a request refers to, each once; none that no answer can have. Nothing of the body counts as read.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, when there are more than 10,000.
    """
    references = [item.peek("id") for item in body.glimpse("input") if _is_reference(item)]
    if len(references) > _MOST:
        raise invalid(f"refers to more than {_MOST:,} items.", "input")
    return tuple(
        dict.fromkeys(name for name in chain((body.peek("previous_response_id"),), references) if _is_name(name))
    )


def completed(body: Fields, found: Mapping[str, bytes]) -> Fields:
    """The request with all that it refers to, ``previous_response_id`` included, which then is no more than a name.

    Args:
        body: The request.
        found: What is kept under the ids that `wanted` names, as far as it is there.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, when something is not there, or a result has no call.
    """
    previous = body.peek("previous_response_id")
    if not previous and not any(map(_is_reference, body.glimpse("input"))):
        return body
    _check_size(body, found)
    recalled = _recalled(previous, found) if isinstance(previous, str) and previous else []
    own = [_resolved(item, f"input[{index}]", found) for index, item in enumerate(listed(body))]
    if previous:
        _check_results(objects_in([*recalled, *own]))
    return Completed(body.decoded(input=[*recalled, *own]), recalled=len(recalled))


def not_found(previous: str) -> ProxyError:
    """The error for a response that is not kept, or not any more; clients know it, and send the whole conversation instead."""
    return ProxyError(
        Kind.INVALID_REQUEST,
        f"Previous response with id '{previous[:_SHOWN]}' not found.",
        field="previous_response_id",
        details={"code": "previous_response_not_found"},
    )


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_reference(item: Fields) -> bool:
    return kind_of(item) == "item_reference"


def _record(found: Mapping[str, bytes], name: object) -> dict[str, Any]:
    """What is kept under a name; nothing when that is not there, or not what we keep."""
    if not isinstance(name, str) or name not in found:
        return {}
    try:
        record = loads(found[name])
    except MalformedJSONError:
        return {}
    return record if isinstance(record, dict) else {}


def _recalled(previous: str, found: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """All items of a conversation up to the end of a response."""
    record = _record(found, previous)
    response = record.get("response")
    if not isinstance(response, dict):
        raise not_found(previous)
    if response.get("status") in _UNFINISHED:
        message = f"Previous response with id '{previous[:_SHOWN]}' is not complete yet."
        raise ProxyError(Kind.INVALID_REQUEST, message, field="previous_response_id")
    return [*objects_in(record.get("input")), *objects_in(response.get("output"))]


def _resolved(item: object, place: str, found: Mapping[str, bytes]) -> object:
    """An item of the client's own input, or what it refers to."""
    if not isinstance(item, dict) or not _is_reference(Fields(item, place)):
        return item
    name = item.get("id")
    if not isinstance(name, str):
        raise invalid("has to be a string.", f"{place}.id")
    record = _record(found, name)
    if not isinstance(record.get("type"), str):
        raise missing(name, place)
    return record


def _check_size(body: Fields, found: Mapping[str, bytes]) -> None:
    """Refuse references whose items would be many times the request: each time that one is named it stands there whole."""
    references = (item.peek("id") for item in body.glimpse("input") if _is_reference(item))
    if sum(len(found.get(name, b"")) for name in references if isinstance(name, str)) > _MOST_BYTES:
        raise ProxyError(Kind.TOO_LARGE, "input: The items that it refers to are too large together.", field="input")


def _check_results(items: Sequence[dict[str, Any]]) -> None:
    """Refuse a result whose call is nowhere: without it the model would not know what it is told."""
    calls = set(_ids(items, _CALLS))
    for call_id in _ids(items, _RESULTS):
        if call_id not in calls:
            message = f"No tool call found for function call output with call_id {call_id[:_SHOWN]}."
            raise ProxyError(Kind.INVALID_REQUEST, message, field="input")


def _ids(items: Sequence[dict[str, Any]], kinds: Sequence[str]) -> Iterator[str]:
    given = (item.get("call_id") or item.get("id") for item in items if item.get("type") in kinds)
    return (name for name in given if isinstance(name, str))
