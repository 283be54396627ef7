"""This module is the fields of HTTP heads in the forms in which others have them."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.web.http_headers import Headers

from ccproxy.codecs import HTTPRequest


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
