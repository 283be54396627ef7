"""This module is requests that are nearly right: cases of the corpus, joined to rich ones, and then bent, bitten and mislabelled.

A request follows from a seed and a number alone, so that any one of them can be made again: ``request(seed, number)``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeAlias

from attrs import frozen

from ccproxy.dialects import DIALECTS
from tests.daemons import KEY
from tests.fuzz import oddities
from tests.fuzz.oddities import JSON

Holder: TypeAlias = "dict[str, JSON] | list[JSON]"
Place: TypeAlias = "tuple[Holder, str | int]"

_FIRST = ("model", "stream", "messages", "prompt", "input")

CORPUS = Path(__file__).parent.parent / "corpus"


@frozen
class Asked:
    """One request; ``chunks`` is how many bytes of a body go into each chunk, 0 where its length is told."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    chunks: int = 0


def request(seed: int, number: int) -> Asked:
    """A request; the same one for the same seed and number."""
    random = Random(f"{seed} {number}")  # noqa: S311 - chance that can be repeated
    door = random.choice(DIALECTS)
    speaker = door if random.random() < 0.9 else random.choice(DIALECTS)
    paths = [*door.paths, *(door.counter.paths if door.counter else ())]
    path = random.choice(paths) + random.choice(("",) * 70 + oddities.PATHS)
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    body = bitten(written(bent(valid(speaker.name, random), random), random), random)
    if random.random() < 0.25:
        for name in random.sample(sorted(oddities.HEADERS), random.choice((1, 1, 2, 4))):
            headers[name] = random.choice(oddities.HEADERS[name])
    if random.random() < 0.1:
        headers["content-encoding"], write = random.choice(oddities.WRITERS)
        body = write(body)
        if random.random() < 0.5:
            body = bitten(body, random)
    elif random.random() < 0.05:
        headers["content-encoding"] = random.choice(oddities.CODINGS)
    method = "POST" if random.random() < 0.98 else random.choice(oddities.METHODS)
    if method == "OPTIONS":
        headers["access-control-request-headers"] = random.choice(oddities.ASKED_HEADERS)
    return Asked(method, path, headers, body, random.choice((0,) * 8 + (7, 1000)))


def valid(dialect: str, random: Random) -> dict[str, JSON]:
    """A body that is right, or nearly so: a case of the corpus, and what it takes of others."""
    bodies = _corpus()[dialect.removesuffix("_compact")]
    body = deepcopy(random.choice(bodies))
    for other in random.choices(bodies, k=random.choice((0, 1, 2, 4, 8))):
        for name, value in deepcopy(other).items():
            if name in ("messages", "input", "tools") and isinstance(value, list) and isinstance(body.get(name), list):
                body[name] += value
            else:
                body[name] = value
    body["model"] = random.choice(oddities.MODELS)
    if random.random() < 0.7:
        body["stream"] = random.random() < 0.6
    return body


def bent(body: dict[str, JSON], random: Random) -> dict[str, JSON]:
    """A body in which a few places, anywhere, are not as they should be."""
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 4))):
        places = list(_places(body))
        if random.random() < 0.8:  # what is looked at first would hide the rest
            places = [(holder, key) for holder, key in places if holder is not body or key not in _FIRST] or places
        if places:
            _bend(*random.choice(places), places, random)
    return body


def _bend(holder: Holder, key: str | int, places: Sequence[Place], random: Random) -> None:
    value = _at(holder, key)
    match random.randrange(10):
        case 0 if isinstance(holder, list):
            random.shuffle(holder)
        case 0 if isinstance(holder, dict):
            holder[random.choice((*names(), *oddities.NAMES))] = holder.pop(str(key))
        case 1:
            del holder[key]  # type: ignore[arg-type] # the key is the holder's
        case 2:
            _put(holder, key, random.choice(([value], {"type": value}, {str(key): value}, [value] * 9)))
        case 3:
            _put(holder, key, deepcopy(_at(*random.choice(places))))
        case 4:
            filling = random.choice(oddities.FILLINGS) * random.choice((1, 65, 257, 1001, 16_384))
            _put(holder, key, value + filling if isinstance(value, str) and random.random() < 0.5 else filling)
        case _:
            _put(holder, key, deepcopy(random.choice(oddities.VALUES)))


def written(body: JSON, random: Random) -> bytes:
    """The bytes of a body, in one of several ways to write JSON."""
    ascii_only = random.random() < 0.7
    indent = random.choice((None, None, None, 1))
    data = oddities.spelled(json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass"))
    if random.random() < 0.05 and (keys := list(re.finditer(rb'"\w+": ', data))):
        key = random.choice(keys)
        data = (
            data[: key.start()] + key[0] + random.choice((b"null", b"[]", b'"a"', b"7")) + b", " + data[key.start() :]
        )
    return data


def bitten(data: bytes, random: Random) -> bytes:
    """Bytes of which, now and then, some are lost, changed, doubled or new."""
    if random.random() < 0.75:
        return data
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        to = min(len(data), at + random.choice((1, 1, 4, 64)))
        match random.randrange(9):
            case 0:
                data = data[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + random.randbytes(random.choice((1, 4, 100))) + data[at:]
            case 3:
                data = data[:at] + data[to:]
            case 4:
                data = data[:to] + data[at:to] * random.choice((1, 30)) + data[to:]
            case 5:
                data = random.choice(oddities.STARTS) + data
            case 6:
                data += random.choice((*oddities.FRAGMENTS, data))
            case 7:
                data = data.decode("utf-8", "replace").encode(random.choice(oddities.ENCODINGS))
            case _:
                data = data[:at] + random.choice(oddities.FRAGMENTS) + data[at:]
    return data


@cache
def _corpus() -> Mapping[str, Sequence[dict[str, JSON]]]:
    """The bodies of the corpus that are answered, by dialect."""
    bodies: dict[str, list[dict[str, JSON]]] = {}
    for path in sorted(CORPUS.glob("*/*/request.json")):
        if json.loads((path.parent / "case.json").read_bytes())["status"] == 200:
            bodies.setdefault(path.parent.parent.name, []).append(json.loads(path.read_bytes()))
    return bodies


@cache
def names() -> Sequence[str]:
    """Every name of a field in the corpus."""
    found = (place for bodies in _corpus().values() for body in bodies for place in _places(body))
    return sorted({key for _, key in found if isinstance(key, str)})


@cache
def words() -> Sequence[str]:
    """Every short string in the corpus: types, roles, rules, and what is said."""
    found = (_at(*place) for bodies in _corpus().values() for body in bodies for place in _places(body))
    return sorted({value for value in found if isinstance(value, str) and len(value) < 40})


def _at(holder: Holder, key: str | int) -> JSON:
    return holder[key]  # type: ignore[index] # the key is the holder's


def _put(holder: Holder, key: str | int, value: JSON) -> None:
    holder[key] = value  # type: ignore[index] # the key is the holder's


def _places(value: JSON) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)
