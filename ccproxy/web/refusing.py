"""This module is refusals: what their heads say, and those of requests that never became whole, which no route has seen."""

from __future__ import annotations

import math
from http import HTTPStatus

from ccproxy.errors import Kind, ProxyError
from ccproxy.web.preamble import response_head


def whole_refusal(error: ProxyError, body: bytes, now: float) -> bytes:
    """A whole response, head and body, after which the connection closes.

    Args:
        error: Why.
        body: The same in JSON.
        now: The time, Unix seconds.
    """
    fields = {"Connection": "close", **advice(error)}
    fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return response_head(f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}", fields, now) + body


def advice(error: ProxyError) -> dict[str, str]:
    """What the head of a refusal says of trying again, in the fields that clients look at."""
    fields = {"X-Should-Retry": "true" if error.retryable else "false"}
    if error.retry_after is not None:
        fields["Retry-After"] = str(math.ceil(error.retry_after))
        fields["Retry-After-Ms"] = str(math.ceil(error.retry_after * 1000))
    return fields


def path_in(line: bytes) -> str:
    """The path in the first line of a request, as far as there is one."""
    words = line.split(b" ", 2)
    return words[1].partition(b"?")[0].decode("latin-1") if len(words) > 1 else ""


def too_large() -> ProxyError:
    """The error for a body that is larger than it may be."""
    return ProxyError(Kind.TOO_LARGE, "The request body is larger than the limit of the proxy (maxBodyBytes).")


def header_too_large(limit: str) -> ProxyError:
    """The error for a header that is larger than the setting ``limit`` allows."""
    return ProxyError(
        Kind.HEADER_TOO_LARGE, f"The header of the request is larger than the limit of the proxy ({limit})."
    )


def too_late(part: str) -> ProxyError:
    """The error for a request of which a part did not come in time."""
    return ProxyError(Kind.CLIENT_TIMEOUT, f"The {part} of the request did not come in time.")


def malformed() -> ProxyError:
    """The error for a head, or a chunked body, that can be read in more than one way, or in none."""
    return ProxyError(Kind.INVALID_REQUEST, "The request is not HTTP/1.1 that can be read without doubt.")
