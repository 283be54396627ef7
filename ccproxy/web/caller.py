"""This module is what a request's headers say of who sent it: conversation, request, trace, wishes. Nothing of it is believed unchecked."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_HARMLESS_ID = re.compile(r"(?!user_|sk-)[0-9A-Za-z][0-9A-Za-z._-]{0,63}", re.ASCII)
_SESSION_HEADERS = ("x-session-id", "x-claude-code-session-id", "session-id", "session_id")
"""The last two are Codex's, of which older versions say the last."""


def session(headers: Mapping[str, str]) -> str | None:
    """The client's own conversation id, if it is a UUID; some clients send ids of another form, which the upstream refuses."""
    for name in _SESSION_HEADERS:
        if _UUID.fullmatch(headers.get(name, "")):
            return headers[name].lower()
    return None


def is_harmless(identifier: str) -> bool:
    """Whether an id that somebody sent may be logged and passed on: at most 64 letters, digits and ``._-``, and not like a key."""
    return _HARMLESS_ID.fullmatch(identifier) is not None


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id that the client or a proxy before us gave to the request, if it is harmless."""
    said = headers.get("x-request-id", "")
    return said if is_harmless(said) else None


def trace_id(headers: Mapping[str, str]) -> str | None:
    """The trace that the client has begun (https://www.w3.org/TR/trace-context/), if it sent a valid one."""
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return match[1] if match else None


def wants_no_retention(headers: Mapping[str, str]) -> bool:
    """Whether the client asked for routing without data retention."""
    return headers.get("x-cmd-zdr") == "1"
