"""This module is the way from a URL to a store."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

from ccproxy.startup import StartupError
from ccproxy.store.base import Store
from ccproxy.store.memory import MemoryStore
from ccproxy.store.redis import Address, RedisStore


def open_store(url: str, *, limit: int, seconds: float, reactor: Any) -> Store:  # noqa: ANN401 - many interfaces
    """The store that a URL names; nothing is connected before it is asked.

    Args:
        url: As the setting `Config.store_url` allows it.
        limit: Bytes that may be kept in memory.
        seconds: How long something lives; 0: nothing is kept.
        reactor: What connects, and the clock.

    Raises:
        StartupError: What speaks to such a store is not installed.
    """
    require(url)
    if in_memory(url) or seconds <= 0:
        return MemoryStore(limit=limit, seconds=seconds, clock=reactor)
    return RedisStore(address(url), seconds=seconds, clock=reactor)


def require(url: str) -> None:
    """Nothing, if the store can be opened on this machine.

    Raises:
        StartupError: What speaks to it is not installed.
    """
    if not in_memory(url) and find_spec("txredisapi") is None:
        raise StartupError("ccproxy: storeUrl needs txredisapi: pip install 'twisted-ccproxy[redis]'")


def in_memory(url: str) -> bool:
    """Whether the store is the process's own memory."""
    return url in ("", "memory:")


def address(url: str) -> Address:
    """The address in a URL of a Redis; user name and password are percent-encoded there."""
    parts = urlsplit(url)
    return Address(
        host=parts.hostname or "",
        port=parts.port or 6379,
        database=int(parts.path.strip("/") or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "rediss",
    )
