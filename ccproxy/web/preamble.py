"""This module is the head of a response, and what every one carries: any web page may read it, and it says little about the server.

`twisted.web.http_headers.Headers` would take each field apart and put it together again (trap P32).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from twisted.web.http import datetimeToString


def response_head(first: str, fields: Mapping[str, str], now: float) -> bytes:
    """A whole head, with the empty line at its end.

    Args:
        first: Its first line, without the line break.
        fields: The fields of this response; a line break in one becomes a space, and bytes that are no UTF-8 are lone surrogates.
        now: The time, Unix seconds.
    """
    lines = [f"{name}: {value}" for name, value in fields.items()]
    text = "\r\n".join((first, _preamble(int(now)), *lines, "", ""))
    if text.count("\n") != len(lines) + _PREAMBLE_LINES + 2 or text.count("\r") != text.count("\n"):
        return response_head(_line(first), {_line(name): _line(value) for name, value in fields.items()}, now)
    return text.encode("utf-8", "surrogateescape")


def _line(text: str) -> str:
    return " ".join(text.splitlines())


_PREAMBLE_LINES = 4


@lru_cache(2)
def _preamble(now: int) -> str:
    return "\r\n".join(
        (
            "Server: ccproxy",
            f"Date: {datetimeToString(now).decode()}",
            "Access-Control-Allow-Origin: *",
            "Access-Control-Expose-Headers: *",
        )
    )
