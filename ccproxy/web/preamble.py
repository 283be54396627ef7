"""This module is the head of a response, and what every one carries: any web page may read it, and it says little about the server."""

from __future__ import annotations

from functools import lru_cache

from twisted.web.http import datetimeToString
from twisted.web.http_headers import Headers


def response_head(first: bytes, headers: Headers, now: float) -> bytes:
    """A whole head, with the empty line at its end.

    Args:
        first: Its first line, without the line break.
        headers: The fields of this response.
        now: The time, Unix seconds.
    """
    lines = [b"%b\r\n%b" % (first, _preamble(int(now)))]
    lines += [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
    lines.append(b"\r\n")
    return b"".join(lines)


@lru_cache(2)
def _preamble(now: int) -> bytes:
    return (
        b"Server: ccproxy\r\n"
        b"Date: %b\r\n"
        b"Access-Control-Allow-Origin: *\r\n"
        b"Access-Control-Expose-Headers: *\r\n" % datetimeToString(now)
    )
