"""This module is what a client can ask of an answer that is kept: the answer, its input, its end.

A record is the JSON object ``{"response": the response object, "input": the items that it answered}``. Shapes and words:
https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import invalid
from ccproxy.framing import dumps, loads

_USUAL_PAGE, _LARGEST_PAGE = 20, 100
_SHOWN = 100  # characters of an id that an error repeats
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_OPEN = ("queued", "in_progress")


def shown(record: bytes) -> bytes:
    """The response object, for ``GET /v1/responses/{id}``."""
    return dumps(loads(record)["response"])


def is_open(record: bytes) -> bool:
    """Whether the response is still being made."""
    return loads(record)["response"]["status"] in _OPEN


def resumed(record: bytes, query: Mapping[str, str]) -> int | None:
    """The number of the first event that is wanted again, for ``stream=true``; None when the response object is wanted.

    Args:
        record: The record.
        query: ``stream`` (``true`` or ``false``) and ``starting_after``, the number of the last event that the client has.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`: nobody keeps the events of a response that its client waited for, or a field is wrong.
    """
    if query.get("stream", "false").lower() not in ("true", "1"):
        return None
    if not loads(record)["response"]["background"]:
        raise invalid("Only a response that was created with background: true can be streamed again.", "stream")
    last = query.get("starting_after", "")
    if last and not _NUMBER.fullmatch(last):
        raise invalid("has to be the number of an event.", "starting_after")
    return int(last) + 1 if last else 0


def cancelled(record: bytes) -> bytes:
    """The record of a response that was given up while it was being made; that of any other is the same.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`: it was not made in the background.
    """
    kept = loads(record)
    response = kept["response"]
    if not response["background"]:
        raise invalid("Cannot cancel a synchronous response.", "")
    if response["status"] not in _OPEN:
        return record
    return dumps({**kept, "response": {**response, "status": "cancelled"}})


def parts(record: bytes) -> Sequence[str]:
    """The ids of the response's own items, which are kept beside it and go with it."""
    return [item["id"] for item in loads(record)["response"]["output"] if "id" in item]


def deleted(response_id: str) -> bytes:
    """What ``DELETE /v1/responses/{id}`` answers."""
    return dumps({"id": response_id, "object": "response", "deleted": True})


def missing(response_id: str) -> ProxyError:
    """The error for a response that is not kept, or not for this key."""
    return ProxyError(Kind.NOT_FOUND, f"Response with id '{response_id[:_SHOWN]}' not found.")


def inputs(record: bytes, query: Mapping[str, str]) -> bytes:
    """One page of the items that the response answered, the latest first unless ``order`` is ``asc``.

    Args:
        record: The record.
        query: ``limit`` (1 to 100, else 20), ``order`` (``asc`` or ``desc``) and ``after``, the id of the item before the page.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    items: list[dict[str, Any]] = loads(record)["input"]
    if query.get("order", "desc") not in ("asc", "desc"):
        raise invalid("has to be asc or desc.", "order")
    ordered = items if query.get("order") == "asc" else items[::-1]
    rest = ordered[_after(ordered, query["after"]) :] if query.get("after") else ordered
    page = rest[: _limit(query)]
    ends = (page[0].get("id"), page[-1].get("id")) if page else (None, None)
    listed = {"data": page, "first_id": ends[0], "last_id": ends[1], "has_more": len(rest) > len(page)}
    return dumps({"object": "list", **listed})


def _after(items: Sequence[Mapping[str, Any]], item_id: str) -> int:
    found = next((index for index, item in enumerate(items, 1) if item.get("id") == item_id), None)
    if found is None:
        raise invalid(f"There is no item with id '{item_id[:_SHOWN]}'.", "after")
    return found


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_USUAL_PAGE))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= _LARGEST_PAGE:
        raise invalid(f"has to be a number from 1 to {_LARGEST_PAGE}.", "limit")
    return int(text)
