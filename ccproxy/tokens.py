"""This module is random names: ids of requests, answers and traces."""

from __future__ import annotations

import os

_STOCK = 4096  # bytes that one call to the system brings


class Tokens:
    """Makes random hex text, from a stock of the system's random bytes, each of which is used once: `secrets` asks the system each time.

    A process that forks would share the rest of its stock with its child; workers are started anew, and have their own.
    """

    def __init__(self) -> None:
        self._stock = b""
        self._used = 0

    def __call__(self, size: int) -> str:
        """Hex text of ``size`` random bytes."""
        if self._used + size > len(self._stock):
            self._stock, self._used = os.urandom(max(size, _STOCK)), 0
        self._used += size
        return self._stock[self._used - size : self._used].hex()
