"""This module is how the Messages API says that something failed, as a status body and inside a stream.

Types that clients act on: https://docs.anthropic.com/en/api/errors. ``retry_after`` (seconds) is an addition.
"""

from __future__ import annotations

import re

from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import quote

_TYPES = {
    Kind.INVALID_REQUEST: "invalid_request_error",
    Kind.CONTEXT_LENGTH: "invalid_request_error",
    Kind.AUTHENTICATION: "authentication_error",
    Kind.CREDIT: "billing_error",
    Kind.PERMISSION: "permission_error",
    Kind.NOT_FOUND: "not_found_error",
    Kind.MODEL_NOT_FOUND: "not_found_error",
    Kind.METHOD_NOT_ALLOWED: "invalid_request_error",
    Kind.UPGRADE_REQUIRED: "invalid_request_error",
    Kind.CLIENT_TIMEOUT: "timeout_error",
    Kind.TOO_LARGE: "request_too_large",
    Kind.HEADER_TOO_LARGE: "invalid_request_error",
    Kind.RATE_LIMITED: "rate_limit_error",
    Kind.USAGE_EXHAUSTED: "rate_limit_error",
    Kind.INTERNAL: "api_error",
    Kind.UPSTREAM: "api_error",
    Kind.UNREACHABLE: "api_error",
    Kind.OVERLOADED: "overloaded_error",
    Kind.TIMEOUT: "timeout_error",
}
_SENTENCE = "prompt is too long"
_COUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d{4,}")
_PASSING = {Kind.UPSTREAM, Kind.UNREACHABLE, Kind.OVERLOADED, Kind.TIMEOUT}


def refusal(error: ProxyError) -> bytes:
    """The JSON of an error, ``{"type": "error", "error": {...}}``, beside an HTTP status."""
    return _body(_TYPES[error.kind], error)


def in_band(error: ProxyError) -> bytes:
    """The JSON of an error inside a stream, where no status says whether to try again."""
    # Claude Code repeats a turn that broke off for this one type; after any other it gives up.
    passing = error.retryable and error.kind in _PASSING
    return _body("overloaded_error" if passing else _TYPES[error.kind], error)


def _body(kind: str, error: ProxyError) -> bytes:
    # quote: the message may be the upstream's words, and a line break among them must not break a frame.
    message = _too_long(error.message) if error.kind is Kind.CONTEXT_LENGTH else error.message
    shown = [b'"type":' + quote(kind), b'"message":' + quote(message)]
    if error.details:
        shown.append(b'"details":' + quote(error.details))
    if error.retry_after is not None:
        shown.append(b'"retry_after":' + quote(error.retry_after))
    return b'{"type":"error","error":{%b}}' % b",".join(shown)


def _too_long(words: str) -> str:
    """The sentence from which clients know that they have to shorten the conversation, before the upstream's own words."""
    if words.startswith(_SENTENCE):
        return words
    counts = [int(count.replace(",", "")) for count in _COUNT.findall(words)]
    numbers = f": {max(counts)} tokens > {min(counts)} maximum" if len(set(counts)) > 1 else ""
    return f"{_SENTENCE}{numbers}. {words}"
