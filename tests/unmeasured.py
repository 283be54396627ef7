"""This module is tests that coverage does not look at: they take half as long without it, and what they run is measured in others."""

from __future__ import annotations

import sys
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override


class Unmeasured(SynchronousTestCase):
    """A test during which nothing is measured: one of many parts together, or of the same lines thousands of times."""

    @override
    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Measure again when it is over."""
        tracing = sys.gettrace()
        sys.settrace(None)
        try:
            ran: TestResult | None = super().run(result)
        finally:
            sys.settrace(tracing)
        return ran
