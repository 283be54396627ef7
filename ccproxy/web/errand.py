"""This module is something that is under way, for which anybody may wait."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class Errand:
    """Something that is under way, for which anybody may wait."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def over(self) -> Deferred[None]:
        """Fires when it is over; a new one for each who waits."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def finish(self) -> None:
        """It is over."""
        waiting_for, self._waiting = self._waiting, []
        for waiting in waiting_for:
            if not waiting.called:
                waiting.callback(None)
