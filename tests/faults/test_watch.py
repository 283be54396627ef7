"""Tests of the watch itself: it fails when something gets out."""

from __future__ import annotations

from typing import ClassVar

from twisted.logger import Logger
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests.faults.house import CANARY_KEY, CANARY_TEXT, FaultTestCase


class Leaking(FaultTestCase):
    """A test during which something gets out."""

    log: ClassVar[Logger] = Logger("ccproxy.leak")

    def runTest(self) -> None:
        """Do nothing."""

    def leak_sentence(self) -> None:
        """Log what was asked."""
        self.log.debug("asked: {text}", text=CANARY_TEXT)

    def leak_field(self) -> None:
        """Log an event with the sentence in a field of its own."""
        self.log.debug("asked", text=CANARY_TEXT)

    def leak_answer(self) -> None:
        """Answer with the key."""
        self.answered_with.append(CANARY_KEY.encode())

    def leak_traceback(self) -> None:
        """Log a failure."""
        try:
            raise ValueError("expected")
        except ValueError:
            self.log.failure("something")

    def leak_nothing(self) -> None:
        """Log something harmless, and a key, which is masked."""
        self.log.info("asked by {key}", key=CANARY_KEY)


class WatchTests(SynchronousTestCase):
    """The watch."""

    def passes(self, method: str) -> bool:
        """Whether a test passes in which that gets out."""
        result = TestResult()
        Leaking(method).run(result)
        return bool(result.wasSuccessful())

    def test_sentence(self) -> None:
        """A sentence in a line, or in a field, is seen."""
        self.assertFalse(self.passes("leak_sentence"))
        self.assertFalse(self.passes("leak_field"))

    def test_answer(self) -> None:
        """A key in an answer is seen."""
        self.assertFalse(self.passes("leak_answer"))

    def test_traceback(self) -> None:
        """A traceback is seen."""
        self.assertFalse(self.passes("leak_traceback"))

    def test_nothing(self) -> None:
        """What is harmless passes."""
        self.assertTrue(self.passes("leak_nothing"))
