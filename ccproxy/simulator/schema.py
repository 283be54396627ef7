"""This module is a small language for the shape that a JSON value must have.

The real service checks its requests with Zod, and its refusals carry Zod's words and paths
(``Invalid input: expected true at "params.stream"``). So do ours. Keys that no shape names are let through.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

Check: TypeAlias = Callable[[object, str], None]
"""Looks at a value and its path; raises ``ShapeError`` or returns."""

ABSENT: Final = object()
"""The value of a key that is not there (JavaScript's ``undefined``)."""

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
    (type(None), "null"),
)


class ShapeError(Exception):
    """A value has the wrong shape: what is wrong with it, and where it stands."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        self.text = text
        self.path = path


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "undefined")


def _require(kind: str, value: object, path: str) -> None:
    if _kind(value) != kind:
        raise ShapeError(f"Invalid input: expected {kind}, received {_kind(value)}", path)


def string(value: object, path: str) -> None:
    """A string, empty or not."""
    _require("string", value, path)


def boolean(value: object, path: str) -> None:
    """True or false."""
    _require("boolean", value, path)


def mapping(value: object, path: str) -> None:
    """An object with any keys."""
    _require("object", value, path)


def name(value: object, path: str) -> None:
    """A string with at least one character."""
    _require("string", value, path)
    if not value:
        raise ShapeError("Too small: expected string to have >=1 characters", path)


def number(low: float = -math.inf, high: float = math.inf, *, whole: bool = False) -> Check:
    """A number in a closed range, without a fraction when it must be ``whole``."""

    def check(value: object, path: str) -> None:
        _require("number", value, path)
        amount = cast("float", value)
        if whole and not isinstance(value, int):
            raise ShapeError("Invalid input: expected int, received number", path)
        if amount > high:
            raise ShapeError(f"Too big: expected number to be <={high}", path)
        if not amount >= low:
            raise ShapeError(f"Too small: expected number to be >={low}", path)

    return check


def matching(pattern: str, complaint: str) -> Check:
    """A string that a regular expression matches from end to end."""
    compiled = re.compile(pattern)

    def check(value: object, path: str) -> None:
        _require("string", value, path)
        if not compiled.fullmatch(cast("str", value)):
            raise ShapeError(complaint, path)

    return check


def true(value: object, path: str) -> None:
    """Nothing but true."""
    if value is not True:
        raise ShapeError("Invalid input: expected true", path)


def one_of(*options: str) -> Check:
    """One of a few strings."""

    def check(value: object, path: str) -> None:
        if value not in options:
            listed = "|".join(f'"{option}"' for option in options)
            raise ShapeError(f"Invalid option: expected one of {listed}", path)

    return check


def nullable(inner: Check) -> Check:
    """Null, or what ``inner`` takes; the key must be there."""

    def check(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def array(item: Check, *, least: int = 0) -> Check:
    """A list of at least ``least`` items, each of which ``item`` takes."""

    def check(value: object, path: str) -> None:
        _require("array", value, path)
        items = cast("list[object]", value)
        if len(items) < least:
            raise ShapeError(f"Too small: expected array to have >={least} items", path)
        for index, element in enumerate(items):
            item(element, f"{path}[{index}]")

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with every ``required`` key, and with ``optional`` ones that are right when they are there."""

    def check(value: object, path: str) -> None:
        _require("object", value, path)
        members = cast("dict[str, object]", value)
        prefix = f"{path}." if path else ""
        for key, inner in required.items():
            inner(members.get(key, ABSENT), prefix + key)
        for key, inner in (optional or {}).items():
            if key in members:
                inner(members[key], prefix + key)

    return check


def variants(tag: str, shapes: Mapping[str, Check]) -> Check:
    """An object whose ``tag`` says which of several shapes it has."""

    def check(value: object, path: str) -> None:
        _require("object", value, path)
        kind = cast("dict[str, object]", value).get(tag)
        if not isinstance(kind, str) or kind not in shapes:
            raise ShapeError("Invalid input", f"{path}.{tag}")
        shapes[kind](value, path)

    return check
