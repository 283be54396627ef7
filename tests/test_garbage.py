"""This module is the tests of the collector's calm."""

from __future__ import annotations

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.garbage import Calm


class Ring:
    """What only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


class CalmTests(SynchronousTestCase):
    """The collector while the daemon runs, and after."""

    def test_start(self) -> None:
        """What is there at the start is not looked through again, and what comes later more seldom."""
        calm, before = Calm(), gc.get_threshold()

        calm.startService()
        self.addCleanup(calm.stopService)

        self.assertGreater(gc.get_freeze_count(), 1000)
        self.assertTrue(gc.isenabled())
        self.assertGreater(gc.get_threshold(), before)

    def test_stop(self) -> None:
        """Afterwards everything is as it was."""
        calm, before = Calm(), gc.get_threshold()
        calm.startService()

        calm.stopService()

        self.assertEqual((gc.get_freeze_count(), gc.get_threshold()), (0, before))

    def test_cycles(self) -> None:
        """Garbage in cycles is still found, when as many objects were made since."""
        calm = Calm()
        calm.startService()
        self.addCleanup(calm.stopService)
        first = Ring()
        seen = weakref.ref(first)
        del first

        rings = [Ring() for _ in range(gc.get_threshold()[0] + 1)]

        self.assertIsNone(seen())
        del rings
