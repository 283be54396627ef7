"""This module is whether an idle connection to the upstream is still good, and how much of an answer's head is taken."""

from __future__ import annotations

import re
import select
import socket

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseNeverReceived

HEAD_LIMIT = 65536
"""Bytes of a status line and headers, and of any 1xx before them; at most one read more is taken."""

KEPT_CONNECTIONS = 1024
"""How many idle ones are kept: a cache size, not a limit; twisted.web's default of 2 makes most short requests dial anew."""

KEPT_SECONDS = 55
"""How long: less than the keep-alive of common servers (60), so that they do not close first."""

_TIMEOUT = re.compile(rb"\btimeout\s*=\s*(\d{1,9})", re.IGNORECASE)
# A connection that was closed before shows it soon; after this time the request is taken to have been worked on, and billed.
_STALE_SECONDS = 1.0
_MARGIN_SECONDS = 1.0  # a request that is under way when the upstream closes is too late


class HeadTooLargeError(Exception):
    """The head of an answer is larger than is taken."""


def may_be_repeated(failure: Failure, elapsed: float) -> bool:
    """Whether a request on a reused connection failed because that was closed before.

    Args:
        failure: What became of the request.
        elapsed: Seconds since it was sent.
    """
    error = failure.value
    if not isinstance(error, (ResponseNeverReceived, RequestTransmissionFailed)):
        return False
    return elapsed <= _STALE_SECONDS and not any(reason.check(CancelledError) for reason in error.reasons)


def keep_alive_seconds(said: bytes) -> float | None:
    """How long the upstream keeps an idle connection, if a field ``Keep-Alive`` says it."""
    found = _TIMEOUT.search(said)
    return float(found[1]) if found else None


class Idleness:
    """What is known of how long a connection stays good.

    Args:
        clock: Where the time comes from.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._heard_at = clock.seconds()
        self._seconds: float | None = None

    def heard(self) -> None:
        """The upstream said something."""
        self._heard_at = self._clock.seconds()

    def keep(self, seconds: float | None) -> None:
        """The upstream said how long it keeps the connection."""
        self._seconds = seconds

    def is_over(self, transport: object) -> bool:
        """Whether the upstream has closed the connection, or is about to; or we have, on an answer that ended in the same read."""
        if getattr(transport, "disconnecting", False):
            return True
        if self._seconds is not None:
            idle = self._clock.seconds() - self._heard_at
            if idle > max(self._seconds - _MARGIN_SECONDS, self._seconds / 2):
                return True
        return _is_readable(transport)


def _is_readable(transport: object) -> bool:
    """Whether something has come that the reactor has not seen: of an idle connection that can only be its end."""
    tcp = getattr(transport, "transport", transport)  # under TLS
    handle = tcp.getHandle() if hasattr(tcp, "getHandle") else None
    if not isinstance(handle, socket.socket) or handle.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))
