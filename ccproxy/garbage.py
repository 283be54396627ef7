"""This module is how often the interpreter looks for garbage that references cannot find.

It looks through all that is alive, and stops everybody while it does: with a thousand streams a fifth of a second, and every few seconds,
by CPython's defaults, which were made for programs that hold little. What the daemon consists of lives as long as it does, and is not
looked through again; the rest is looked at more seldom, as nearly all that a request leaves behind goes without it.
"""

from __future__ import annotations

import gc

from twisted.application.service import Service
from typing_extensions import override

# New objects, and how many looks at the young to one at the older, as `gc.set_threshold` has it.
_THRESHOLDS = (20_000, 20, 20)


class Calm(Service):
    """A service while which the collector disturbs little."""

    @override
    def startService(self) -> None:
        """Take what is there now for what will stay."""
        super().startService()
        self._before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)

    @override
    def stopService(self) -> None:
        """Have it as it was."""
        super().stopService()
        gc.set_threshold(*self._before)
        gc.unfreeze()
