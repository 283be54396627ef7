"""This module is the head of a response, and what every one carries: any web page may read it, and it says little about the server.

`twisted.web.http_headers.Headers` would take each field apart and put it together again (trap P32).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from twisted.web.http import datetimeToString

from ccproxy.net.headers import joined


def response_head(first: str, fields: Mapping[str, str], now: float) -> bytes:
    """A whole head, with the empty line at its end.

    Args:
        first: Its first line, without the line break.
        fields: The fields of this response; a line break in one becomes a space, and bytes that are no UTF-8 are lone surrogates.
        now: The time, Unix seconds.
    """
    lines = [first, *_preamble(int(now)), *(f"{name}: {value}" for name, value in fields.items())]
    try:
        head = joined(lines)
    except ValueError:
        head = joined([" ".join(line.splitlines()) for line in lines])
    return head.encode("utf-8", "surrogateescape")


@lru_cache(2)
def _preamble(now: int) -> tuple[str, ...]:
    return (
        "Server: ccproxy",
        f"Date: {datetimeToString(now).decode()}",
        "Access-Control-Allow-Origin: *",
        "Access-Control-Expose-Headers: *",
    )
