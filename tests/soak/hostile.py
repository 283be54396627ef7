"""This module is requests that no client should send, and what may come of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random

from attrs import frozen

from tests.soak.asking import SENTENCE, Dialect

_MEGABYTE = 1_000_000


@frozen
class Hostile:
    """A malformed request.

    Attributes:
        name: What is wrong with it.
        dialect: The dialect of its path; None where the path is not known or not reached.
        pieces: Its bytes; they are sent with a pause between them.
        statuses: The statuses that may come back.
        unread: Whether the daemon may close before it has read all, so that its answer may be lost on the way.
    """

    name: str
    dialect: Dialect | None
    pieces: Sequence[bytes]
    statuses: Sequence[int] = (400,)
    unread: bool = False


def hostile(random: Random, key: str) -> Hostile:
    """A malformed request of some kind.

    Args:
        random: Where chance comes from.
        key: The caller's key.
    """
    dialect = random.choice(tuple(Dialect))
    return random.choice(_KINDS)(dialect, key, random)


def _request(dialect: Dialect, key: str, body: bytes, *lines: str, length: int | None = None) -> bytes:
    credential = f"x-api-key: {key}" if dialect is Dialect.MESSAGES else f"Authorization: Bearer {key}"
    framing = () if length == -1 else (f"Content-Length: {len(body) if length is None else length}",)
    first = f"POST {dialect.value} HTTP/1.1"
    return "\r\n".join((first, "Host: soak.test", credential, *framing, *lines, "\r\n")).encode() + body


def _body(content: object = SENTENCE, **more: object) -> bytes:
    body = {"model": "sim/text", "max_tokens": 100, "messages": [{"role": "user", "content": content}], **more}
    return json.dumps(body).encode()


def _broken_json(dialect: Dialect, key: str, random: Random) -> Hostile:
    whole = _body()
    return Hostile("broken JSON", dialect, [_request(dialect, key, whole[: random.randrange(1, len(whole))])])


def _deep_nesting(dialect: Dialect, key: str, random: Random) -> Hostile:
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    body = opening * 50_000 + b"1" + closing * 50_000
    return Hostile("deep nesting", dialect, [_request(dialect, key, body)])


def _nested_field(dialect: Dialect, key: str, random: Random) -> Hostile:
    body = _body().replace(json.dumps(SENTENCE).encode(), b"[" * 3000 + b"]" * 3000)
    return Hostile("a deeply nested field", dialect, [_request(dialect, key, body)])


def _junk(dialect: Dialect, key: str, random: Random) -> Hostile:
    return Hostile("a megabyte of junk", dialect, [_request(dialect, key, random.randbytes(_MEGABYTE))])


def _false_gzip(dialect: Dialect, key: str, random: Random) -> Hostile:
    return Hostile("no gzip", dialect, [_request(dialect, key, _body(), "Content-Encoding: gzip")])


def _wrong_types(dialect: Dialect, key: str, random: Random) -> Hostile:
    wrong: Mapping[str, object] = {"messages": 7, "model": ["sim/text"], "stream": "perhaps", "tools": {"a": SENTENCE}}
    name = random.choice(tuple(wrong))
    return Hostile(f"a wrong type of {name}", dialect, [_request(dialect, key, _body(**{name: wrong[name]}))])


def _foreign_key(dialect: Dialect, key: str, random: Random) -> Hostile:
    foreign = key.replace("user_", "sk-")
    return Hostile("a key of another service", dialect, [_request(dialect, foreign, _body())], (401,))


def _unknown_path(dialect: Dialect, key: str, random: Random) -> Hostile:
    request = f"GET /v1/nothing?key={key} HTTP/1.1\r\nHost: soak.test\r\n\r\n"
    return Hostile("an unknown path", Dialect.CHAT, [request.encode()], (404,))


def _wrong_method(dialect: Dialect, key: str, random: Random) -> Hostile:
    request = f"PUT {dialect.value}?key={key} HTTP/1.1\r\nHost: soak.test\r\nContent-Length: 0\r\n\r\n"
    return Hostile("a wrong method", dialect, [request.encode()], (405,))


def _large_header(dialect: Dialect, key: str, random: Random) -> Hostile:
    return Hostile(
        "a header too large", None, [_request(dialect, key, b"", f"x-large: {key * 3000}")], (400, 431), True
    )


def _many_headers(dialect: Dialect, key: str, random: Random) -> Hostile:
    lines = [f"x-{number}: {key}" for number in range(2000)]
    return Hostile("too many headers", None, [_request(dialect, key, b"", *lines)], (400, 431), True)


def _two_framings(dialect: Dialect, key: str, random: Random) -> Hostile:
    request = _request(dialect, key, b"0\r\n\r\n", "Transfer-Encoding: chunked")
    return Hostile("a length and chunks", None, [request])


def _two_lengths(dialect: Dialect, key: str, random: Random) -> Hostile:
    return Hostile("two lengths", None, [_request(dialect, key, b"{}", "Content-Length: 3")])


def _odd_length(dialect: Dialect, key: str, random: Random) -> Hostile:
    odd = random.choice(("+2", "-2", "0x2", "2 2", "2,3", "", "many"))
    request = _request(dialect, key, b"{}", f"Content-Length: {odd}", length=-1)
    return Hostile(f"the length {odd!r}", None, [request])


def _odd_coding(dialect: Dialect, key: str, random: Random) -> Hostile:
    odd = random.choice(("chunked, chunked", "xchunked", "chunked, identity"))
    request = _request(dialect, key, b"0\r\n\r\n", f"Transfer-Encoding: {odd}", length=-1)
    return Hostile(f"the coding {odd!r}", None, [request], (400, 501))


def _bad_chunks(dialect: Dialect, key: str, random: Random) -> Hostile:
    bad = random.choice((b"zz\r\nhello\r\n", b"-1\r\nhello\r\n", b"5\r\nhello, world\r\n", b"+5\r\nhello\r\n0\r\n\r\n"))
    request = _request(dialect, key, b"5\r\n" + _body()[:5] + b"\r\n" + bad, "Transfer-Encoding: chunked", length=-1)
    return Hostile("malformed chunks", None, [request])


def _no_http(dialect: Dialect, key: str, random: Random) -> Hostile:
    nonsense = random.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET\r\n\r\n",
            b"POST  HTTP/1.1\r\n\r\n",
            b"EHLO soak.test\r\n\r\n",
            f"POST {dialect.value} HTTP/1.1\r\nHost: soak.test\r\nno colon {key}\r\n\r\n".encode(),
            f"POST {dialect.value} HTTP/1.1\r\nHost: soak.test\r\n folded: {key}\r\n\r\n".encode(),
            f"POST {dialect.value} HTTP/1.1\r\nHost : soak.test\r\n\r\n".encode(),
        )
    )
    return Hostile(f"no HTTP ({nonsense[:30]!r})", None, [nonsense], (400, 404, 405, 505))


def _no_host(dialect: Dialect, key: str, random: Random) -> Hostile:
    body = _body()
    head = f"POST {dialect.value} HTTP/1.1\r\nx-api-key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return Hostile("no host", dialect, [head.encode() + body])


def _dribbled(dialect: Dialect, key: str, random: Random) -> Hostile:
    request = _request(dialect, key, b"{}")
    pieces = [request[start : start + 8] for start in range(0, len(request), 8)]
    return Hostile("a dribbled header and no messages", dialect, pieces)


_KINDS: Sequence[Callable[[Dialect, str, Random], Hostile]] = (
    _broken_json,
    _deep_nesting,
    _nested_field,
    _junk,
    _false_gzip,
    _wrong_types,
    _foreign_key,
    _unknown_path,
    _wrong_method,
    _large_header,
    _many_headers,
    _two_framings,
    _two_lengths,
    _odd_length,
    _odd_coding,
    _bad_chunks,
    _no_http,
    _no_host,
    _dribbled,
)
