"""This module is the reading of what the upstream says when it fails, in whatever shape it says it.

Seen: ``{"success": false, "error": {"code", "status", "message", "docs"}}``, the OpenAI and Anthropic error objects, errors of the AI SDK
with ``statusCode``, ``isRetryable`` and a ``responseBody`` that is JSON text, bare strings, a status before the text
(``<429> ...``), JSON inside the text, and HTML pages of a gateway. A message may embed what was sent, so that it is cleaned before anybody
reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from attrs import field, frozen

from ccproxy.framing import MalformedJSONError, loads

_T = TypeVar("_T")

_LONGEST_MESSAGE = 1000
_LONGEST_WORDS = 20_000
_DEEPEST = 4
_MARKED_STATUS = re.compile(r"\s*<(\d{3})>\s*")
_PAGE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_KEYS = ((re.compile(r"user_[a-zA-Z0-9_-]+"), "user_***"), (re.compile(r"\bsk-[a-zA-Z0-9_-]{8,}"), "sk-***"))
_CODES = ("code", "type", "name")
_STATUSES = ("statusCode", "status", "code")
_RESETS = ("resetAt", "reset_at", "resetsAt")
_INNER = ("responseBody", "data", "cause")


@frozen
class Complaint:
    """What was said.

    Attributes:
        message: The words, as they came; empty when there are none.
        words: Messages and codes at every depth, to find a cause in.
        status: The HTTP status that is named in it.
        retryable: What it says of itself.
        reset_at: When a usage window ends, in whatever form.
    """

    message: str = field(default="", repr=False)
    words: str = field(default="", repr=False)
    status: int | None = None
    retryable: bool | None = None
    reset_at: object = None


def read(value: object, depth: int = 0) -> Complaint:
    """Read an error object, a text, or nothing that anybody knows."""
    if isinstance(value, str):
        return _read_text(value, depth)
    if isinstance(value, dict) and depth < _DEEPEST:
        return _read_object(value, depth)
    return Complaint()


def clean(message: str) -> str:
    """A message as a user may see it: on one line, without keys, not endless; a page of a gateway is no message."""
    if _PAGE.search(message):
        return ""
    for pattern, replacement in _KEYS:
        message = pattern.sub(replacement, message)
    message = _UNSEEN.sub(" ", message).strip()
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


def _read_text(text: str, depth: int) -> Complaint:
    marked = _MARKED_STATUS.match(text)
    rest = text[marked.end() :] if marked else text
    status = int(marked[1]) if marked else None
    start = rest.find("{")
    inner = read(_object(rest[start:]), depth + 1) if start >= 0 else Complaint()
    message = f"{rest[:start].strip()} {inner.message}".strip() if inner.message else rest.strip()
    return Complaint(
        message,
        f"{rest[:_LONGEST_WORDS]} {inner.words}",
        status if status is not None else inner.status,
        inner.retryable,
        inner.reset_at,
    )


def _read_object(value: Mapping[str, object], depth: int) -> Complaint:
    error = value.get("error")
    own = read(_string(value.get("message")), depth + 1)
    nested = [read(error, depth + 1), *(read(value.get(name), depth + 1) for name in _INNER)]
    # A text beside a message is a label: {"error": "Forbidden", "message": "The reason."}
    said = [own, *nested] if isinstance(error, str) else [nested[0], own, *nested[1:]]
    statuses = [_status(value.get(name)) for name in _STATUSES]
    retryable = value.get("isRetryable")
    codes = [_string(value.get(name)) for name in _CODES]
    return Complaint(
        _first([complaint.message or None for complaint in said]) or "",
        " ".join([*codes, *(complaint.words for complaint in said)])[:_LONGEST_WORDS],
        _first([*statuses, *(complaint.status for complaint in said)]),
        _first([retryable if isinstance(retryable, bool) else None, *(complaint.retryable for complaint in said)]),
        _first([*(value.get(name) for name in _RESETS), *(complaint.reset_at for complaint in said)]),
    )


def _object(text: str) -> object:
    try:
        return loads(text[: text.rfind("}") + 1])
    except MalformedJSONError:
        return None


def _status(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{3}", value):
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)
