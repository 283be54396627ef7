"""This module is what a client connection is doing, and how long it may."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall


class Phase(Enum):
    """What a client connection is doing."""

    IDLE = "idle"
    WAITING = "waiting"
    HEADER = "header"
    BODY = "body"
    SERVING = "serving"
    CLOSING = "closing"


class Timers(Protocol):
    """What makes timers."""

    def callLater(self, seconds: float, late: Callable[[], None], /) -> IDelayedCall:
        """Call ``late`` after so many seconds."""


class Limit:
    """The limit on the time of a phase, in place of the one on the phase before.

    Within a read most phases end as they began; a limit that is set there gets a timer at the end of the read, if it still holds.

    Args:
        timers: What makes timers; asked when there is one to make.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._timer: IDelayedCall | None = None
        self._seconds = 0.0
        self._late: Callable[[], None] | None = None
        self._reading = False

    def set(self, seconds: float = 0, late: Callable[[], None] | None = None) -> None:
        """From now on ``late`` is called after so many seconds; 0 for never."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._seconds, self._late = seconds, late
        if not self._reading:
            self._arm()

    def __enter__(self) -> None:
        """A read begins: make no timers for now."""
        self._reading = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over: make the one that still is needed."""
        self._reading = False
        self._arm()

    def _arm(self) -> None:
        if self._late is not None and self._seconds and self._timer is None:
            self._timer = self._timers.callLater(self._seconds, self._late)
