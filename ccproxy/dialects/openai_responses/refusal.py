"""This module is how the Responses API says that something failed, as a status body and inside a stream.

Codes that clients act on: https://platform.openai.com/docs/guides/error-codes, and what Codex looks for. It shortens the conversation at
``context_length_exceeded``, stops at ``insufficient_quota`` and ``server_is_overloaded``, waits at ``rate_limit_exceeded`` for as long as
the message says, and tells its user of a limit by the type ``usage_limit_reached``; a stream that fails in another way it tries again.
"""

from __future__ import annotations

import re

from ccproxy import openai
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import quote

_WORDS: dict[Kind, tuple[str, str | None]] = {
    Kind.USAGE_EXHAUSTED: ("usage_limit_reached", "usage_limit_reached"),
    Kind.OVERLOADED: ("server_error", "server_is_overloaded"),
}
_WAIT = re.compile(r"try again in\s*\d+(?:\.\d+)?\s*(?:s|ms|seconds?)", re.IGNORECASE)

# Inside a stream there is no status that says not to try again; these are the codes after which Codex does not, and the one for all else.
_FINAL = ("context_length_exceeded", "insufficient_quota", "server_is_overloaded")
_HOPELESS = "invalid_prompt"


def refusal(error: ProxyError) -> bytes:
    """The JSON of an error, ``{"error": {...}}``, beside an HTTP status."""
    kind, code = _words(error)
    shown: dict[str, object] = {"message": _message(error), "type": kind, "param": error.field, "code": code}
    if error.retry_after is not None:
        shown["retry_after"] = error.retry_after
    return quote({"error": shown})


def in_band(error: ProxyError) -> dict[str, object]:
    """The ``error`` of a response that failed; its code is never null, for clients that demand one."""
    kind, code = _words(error)
    if error.kind is Kind.USAGE_EXHAUSTED:
        code = "insufficient_quota"
    elif not error.retryable and code not in _FINAL and "code" not in (error.details or {}):
        code = _HOPELESS
    return {"code": code, "message": _message(error), "type": kind}


def _words(error: ProxyError) -> tuple[str, object]:
    kind, code = _WORDS.get(error.kind) or openai.words(error.kind)
    return kind, (error.details or {}).get("code", code)


def _message(error: ProxyError) -> str:
    if error.field and "code" in (error.details or {}):
        return error.message.removeprefix(f"{error.field}: ")  # clients may know the sentence that belongs to a code
    if error.kind is Kind.RATE_LIMITED and error.retry_after is not None and not _WAIT.search(error.message):
        said = error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
        return f"{said} Please try again in {error.retry_after:g}s."
    return error.message
