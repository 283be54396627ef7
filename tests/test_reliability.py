"""Tests of the page of promises: each names a test that exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase, TestCase

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


class PromiseTests(SynchronousTestCase):
    """The rows of the page."""

    def test_named_tests(self) -> None:
        """Every promise names a test, and every test that is named is one."""
        rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "| promise |" not in line]

        self.assertGreater(len(rows), 50)
        for row in rows:
            names = re.findall(r"`(tests\.[\w.]+\.test_\w+)`", row.rpartition(" | ")[2])
            self.assertTrue(names, row)
            for name in names:
                module, case, method = name.rsplit(".", 2)
                found = getattr(importlib.import_module(module), case)
                self.assertTrue(issubclass(found, (SynchronousTestCase, TestCase)), name)
                self.assertTrue(callable(getattr(found, method, None)), name)
