"""This module is when to try the upstream again.

Only where nothing can have been generated or billed, which `ProxyError.replayable` says, and only while the client has seen nothing of an
answer, which the relay sees to: afterwards it reports a failure as data, and not as an exception. Everything else is the client's to
try again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ccproxy.errors import ProxyError

_T = TypeVar("_T")

PAUSES = ((0.1, 0.3), (0.3, 0.9))
"""Least and most seconds before the second and the third try."""


async def persist(
    attempt: Callable[[], Coroutine[Deferred[Any], Any, _T]], *, clock: IReactorTime, random: Callable[[], float]
) -> _T:
    """Try up to three times.

    Args:
        attempt: One try.
        clock: Where the time comes from.
        random: A number from 0 to 1, for the jitter.

    Raises:
        ProxyError: What the last try raised, or the first that must not be repeated.
    """
    for least, most in PAUSES:
        try:
            return await attempt()
        except ProxyError as error:
            if not error.replayable:
                raise
        await deferLater(clock, least + (most - least) * random())
    return await attempt()
