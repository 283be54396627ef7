"""This module is HTTP heads: joined to be sent, and their fields in the forms in which others have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.web.http_headers import Headers

from ccproxy.codecs import HTTPRequest


def joined(lines: Sequence[str]) -> str:
    """A whole head of these lines, the first one and the fields.

    Raises:
        ValueError: One of them holds a line break, behind which another field, or another message, would begin.
    """
    head = "\r\n".join((*lines, "", ""))
    breaks = len(lines) + 1
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise ValueError("a line of a head holds a line break")
    return head


def lowered(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The fields of a head by lower-cased name; one that came twice has its values joined."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def headers_of(request: HTTPRequest) -> Headers:
    """The fields of a request value, as twisted.web has them."""
    headers = Headers()
    for name, value in request.headers:
        headers.addRawHeader(name, value)
    return headers
