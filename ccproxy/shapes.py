"""This module is the shapes that a setting's value can have, and how each is read and checked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from attrs import frozen


@frozen
class Shape:
    """What values a setting takes.

    Attributes:
        expected: How an error message calls such a value.
        read: Makes of a text (environment, command line) the value that the file would hold; may raise `ValueError`.
        check: Makes of that value the one that the program uses; may raise `ValueError`.
        unit: What a number counts (``s``, ``ms`` or ``bytes``), for the documentation; else empty.
        secret: Whether a value may hold a password, so that none is ever shown.
    """

    expected: str
    read: Callable[[str], object]
    check: Callable[[object], object]
    unit: str = ""
    secret: bool = False


def _number(expected: str, number: type[int] | type[float], largest: float, unit: str) -> Shape:
    def check(value: object) -> float:
        # The comparison refuses NaN, infinity and integers that no float can hold, too.
        if isinstance(value, bool) or not isinstance(value, (int, number)) or not 0 <= value <= largest:
            raise ValueError
        return number(value)

    return Shape(expected, number, check, unit)


def _integer(largest: int, unit: str = "") -> Shape:
    return _number(f"an integer from 0 to {largest}", int, largest, unit)


def _text(expected: str, pattern: str) -> Shape:
    def check(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Shape(expected, str, check)


def _url(expected: str, tail: str, dropped: str = "") -> Shape:
    text = _text(expected, r"(?i:https?)://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?" + tail)

    def check(value: object) -> str:
        url = cast(str, text.check(value))
        if urlsplit(url).port == 0:  # urlsplit itself refuses a port over 65535
            raise ValueError
        return url.rstrip(dropped)

    return Shape(expected, str, check)


def _store_url(expected: str) -> Shape:
    text = _text(
        expected,
        r"(?:memory:)?|(?i:rediss?)://(?:[^\s/?#@]*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?(?:/[0-9]{0,5})?",
    )

    def check(value: object) -> str:
        url = cast(str, text.check(value))
        if urlsplit(url).port == 0:
            raise ValueError
        return url

    return Shape(expected, str, check, secret=True)


def _choice(*choices: str, **aliases: str) -> Shape:
    names = {**{choice: choice for choice in choices}, **aliases}

    def check(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise ValueError
        return names[value.lower()]

    return Shape("one of " + ", ".join(choices), str, check)


def _flag() -> Shape:
    texts = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Shape("true or false", lambda text: texts.get(text.strip().lower()), check)


def _pairs(expected: str) -> Shape:
    def check(value: object) -> tuple[tuple[str, str], ...]:
        if value == ():  # the default, which is no JSON
            return ()
        if not isinstance(value, dict) or not all(isinstance(item, str) and item for item in (*value, *value.values())):
            raise ValueError
        return tuple(value.items())

    return Shape(expected, json.loads, check)


def _endpoints(expected: str) -> Shape:
    endpoint = _text(expected, r"\w+:[^\x00-\x1f\x7f-\x9f]*")

    def check(value: object) -> tuple[object, ...]:
        return tuple(map(endpoint.check, value if isinstance(value, (list, tuple)) else [value]))

    return Shape(expected, str.split, check)


PORT = _integer(65535)
COUNT = _integer(sys.maxsize)
WORKERS = _integer(256)
BYTES = _integer(sys.maxsize, "bytes")
MILLISECONDS = _integer(sys.maxsize, "ms")
SECONDS = _number("a number of seconds, 0 or more", float, sys.float_info.max, "s")
FLAG = _flag()
TEXT = _text("a text without control characters", r"[^\x00-\x1f\x7f-\x9f]*")
HEADER = _text("printable ASCII without spaces around it", r"(?:[!-~](?:[ -~]*[!-~])?)?")
HOST = _text("a host name or an address", r"[!-~]+")
URL = _url("an http or https URL with a host, without user name and fragment", r'(?:[/?][!"$-~]*)?')
BASE_URL = _url(
    "an http or https URL with a host, without user name, query and fragment", r'(?:/[!"$->@-~]*)?', dropped="/"
)
LEVEL = _choice("debug", "info", "warn", "error", "critical", warning="warn")
FORMAT = _choice("text", "json")
REASONING_STYLE = _choice("field", "tags", "both", "off")
CLIENT = _choice("httptools", "twisted")
STORE_URL = _store_url("nothing, memory:, or redis://[:password@]host[:port][/database], or the same with rediss")
ALIASES = _pairs("an object from model names or patterns to model names")
ENDPOINTS = _endpoints('endpoints such as "tcp:3000" or "unix:/run/ccproxy.sock"')
