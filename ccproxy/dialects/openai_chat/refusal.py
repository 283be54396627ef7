"""This module is how the Chat Completions API says that something failed, as a status body and inside a stream.

Types and codes that clients act on: https://platform.openai.com/docs/guides/error-codes. ``retry_after`` (seconds) is an addition.
"""

from __future__ import annotations

from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import quote

_WORDS: dict[Kind, tuple[str, str | None]] = {
    Kind.INVALID_REQUEST: ("invalid_request_error", None),
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.AUTHENTICATION: ("authentication_error", "invalid_api_key"),
    Kind.CREDIT: ("insufficient_quota", "insufficient_quota"),
    Kind.PERMISSION: ("permission_error", "permission_denied"),
    Kind.NOT_FOUND: ("invalid_request_error", "not_found"),
    Kind.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    Kind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed"),
    Kind.CLIENT_TIMEOUT: ("invalid_request_error", "request_timeout"),
    Kind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.USAGE_EXHAUSTED: ("rate_limit_error", "usage_limit_reached"),
    Kind.INTERNAL: ("server_error", "internal_error"),
    Kind.UPSTREAM: ("server_error", "upstream_error"),
    Kind.UNREACHABLE: ("server_error", "upstream_unreachable"),
    Kind.OVERLOADED: ("server_error", "overloaded"),
    Kind.TIMEOUT: ("server_error", "timeout"),
}


def refusal(error: ProxyError) -> bytes:
    """The JSON of an error, ``{"error": {...}}``."""
    kind, code = _WORDS[error.kind]
    shown: dict[str, object] = {"message": error.message, "type": kind, "param": error.field, "code": code}
    if error.retry_after is not None:
        shown["retry_after"] = error.retry_after
    return quote({"error": shown})
