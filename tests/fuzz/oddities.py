"""This module is what is odd in a request: values, names, headers and bytes that a client could send, and mostly should not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tests.daemons import KEY

JSON: TypeAlias = Any

# Those of the simulator's models that answer at once; most answer well.
MODELS = (
    *("sim/text",) * 6,
    *("sim/reasoning", "sim/tool", "sim/parallel-tools", "sim/json", "sim/json-at-last", "sim/echo", "sim/length"),
    *("sim/unknown-events", "sim/content-filter", "sim/error-first", "sim/http-400", "sim/http-402", "sim/http-403"),
    *("sim/http-404", "sim/http-429", "sim/nothing", "deepseek/deepseek-v4-pro", "claude-sonnet-5", "gpt-5.5"),
)

LITERALS: Mapping[str, bytes] = {
    "<<nan>>": b"NaN",
    "<<infinity>>": b"-Infinity",
    "<<float>>": b"1e999",
    "<<small>>": b"-1e-999",
    "<<integer>>": b"1" + b"0" * 400,
    "<<digits>>": b"9" * 5000,
    "<<twice>>": b'{"type":"text","type":"image","text":"a","text":null}',
    "<<lists>>": b"[" * 200 + b"]" * 200,
    "<<objects>>": b'{"a":' * 200 + b"1" + b"}" * 200,
    "<<schemas>>": b'{"type":"object","properties":{"a":' * 60 + b"{}" + b"}}" * 60,
    "<<all-lists>>": b"[" * 20_000 + b"]" * 20_000,
    "<<open-lists>>": b"[" * 20_000,
    "<<bytes>>": b'"\xff\xfe"',
    "<<half>>": b'"\xed\xa0\xbd"',
    "<<control>>": b'"\n\x01"',
}
"""JSON that no value stands for, and what is no JSON, by the string that holds its place."""

VALUES: Sequence[JSON] = (
    *(None, True, False, 0, 1, -1, -0.0, 0.5, 1e308, 2**53, 2**63, 2**64, -(2**63) - 1),
    *("", " ", "\0", "a\0b", "\ud83d", "\udc33\ud83d", "\u2028\u2029\x85\r\n", "\ufeff", "e\u0301\u202e", "1", "null"),
    *("data:image/png;base64,", "data:image/png;base64,iVBORw0K!", "data:;base64,AA==", "https://example.org/a.png"),
    *(KEY, "[DONE]", "ccproxy1.", "<think>", "sim/text", "auto", "text", "image", "tool_use", "json_schema", "{}"),
    *([], {}, [[]], [None], [{}], {"": None}, {"\0": {}}, {"\ud83d": "\ud83d"}, {"$ref": "#"}, ["a", 1, None, {}]),
    *LITERALS,
)
NAMES = ("", "\0", "\ud83d", "__proto__", "$ref", "type", "content", "n", "\u2028", "a" * 300)
FILLINGS = ("a", "\xe9", "\U0001f40b", "\0", "\ud83d", "\n", " ")

FRAGMENTS = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\u", b"\\ud83d", b"\n"),
    *(b"\0", b"\xff", b"{}", b"1e999", b"\r\n\r\n"),
)
STARTS = (b"\xef\xbb\xbf", b"\0", b" \r\n\t", b"data: ", b"\xff\xfe")
ENCODINGS = ("utf-16", "utf-16-be", "utf-32", "utf-7")

METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")
PATHS = ("?beta=true", "?a=%00&b=%ff", "/", "/%ff", "x")
CODINGS = ("gzip", "deflate", "zstd", "br", "identity", "gzip, gzip", "gzip, deflate, zstd", "x-gzip", "\xff", ",,")
WRITERS: Sequence[tuple[str, Callable[[bytes], bytes]]] = (
    ("gzip", lambda body: gzip.compress(body, 1, mtime=0)),
    ("deflate", lambda body: zlib.compress(body, 1)),
    ("identity", bytes),
)
ASKED_HEADERS = ("", "x-a, X-B ,", "\xff", "," * 300, "a\tb, " + "c" * 200)
HEADERS: Mapping[str, Sequence[str]] = {
    "content-type": (
        *(
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "multipart/form-data; boundary=a",
        ),
        *("application/x-www-form-urlencoded", "application/json;" * 200, "\xe4\xf6"),
    ),
    "accept": ("", "text/event-stream", "application/xml;q=0.1", "*/*" * 500),
    "accept-encoding": ("gzip", "br;q=1, *;q=0"),
    "authorization": ("", "Bearer", "Bearer ", f"bearer  {KEY}", "Basic dTpw", "Bearer user_\xff", KEY),
    "x-api-key": ("", KEY, "sk-ant-nothing", "\x80"),
    "x-session-id": ("", "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10", "0" * 36, "\xb2" * 36, "a\tb"),
    "traceparent": ("", f"00-{0:032}-{0:016}-01", f"00-{1:032}-{1:016}-01", "\xe9"),
    "x-request-id": ("", "a" * 64, "a" * 65, KEY, "a b", "\xe9"),
    "x-cmd-zdr": ("1", "true", ""),
    "anthropic-version": ("2023-06-01", "", "1"),
    "anthropic-beta": ("a,b,c", "\xff"),
    "expect": ("100-continue", "200-ok"),
    "connection": ("close", "keep-alive", "x-api-key"),
    "cookie": ("a=b; c", ""),
    "range": ("bytes=0-1",),
    "if-none-match": ("*",),
}


def spelled(data: bytes) -> bytes:
    """JSON with its literals in their places."""
    for name, literal in LITERALS.items():
        data = data.replace(b'"%b"' % name.encode(), literal)
    return data
