"""This module is the refusal of a request that never became whole: no route has seen it, and its HTTP may be anything."""

from __future__ import annotations

from http import HTTPStatus

from ccproxy.errors import Kind, ProxyError


def whole_refusal(error: ProxyError, body: bytes) -> bytes:
    """A whole response, head and body, after which the connection closes.

    Args:
        error: Why.
        body: The same in JSON.
    """
    head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nConnection: close\r\n"
    head += f"Access-Control-Allow-Origin: *\r\nX-Should-Retry: {str(error.retryable).lower()}\r\n"
    head += f"Retry-After: {error.retry_after}\r\n" if error.retry_after is not None else ""
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


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
