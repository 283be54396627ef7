"""This module is the fetching of what a request refers to, before it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from ccproxy.codecs import Dialect, Memory
from ccproxy.fields import Fields
from ccproxy.keys import Key
from ccproxy.web.house import House
from ccproxy.web.sink import Asked


@frozen
class Recalled:
    """What was asked, with what it refers to in its place.

    Attributes:
        weight: How many bytes there are to read.
        fields: Reads them.
    """

    weight: int
    fields: Callable[[], Fields]


async def recalled(house: House, dialect: Dialect, asked: Asked, key: Key) -> Asked:
    """What a request asked, and what it refers to.

    Raises:
        ProxyError: The body is none of the dialect, or the store cannot be reached. The ``fields`` of what is returned raise it when
            something is not there.
    """
    memory = dialect.memory
    if memory is None or isinstance(asked, Recalled):
        return asked
    body, wanted = await house.offload(lambda: _read(memory, asked.fields()), asked.weight)
    found = await house.keeping.find(key, wanted) if wanted else {}
    return Recalled(asked.weight + sum(map(len, found.values())), lambda: memory.completed(body, found))


def _read(memory: Memory, body: Fields) -> tuple[Fields, Sequence[str]]:
    return body, memory.wanted(body)
