"""Tests of the page of traps: the code names them by number."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HOUSE = Path(__file__).parent.parent


class TrapTests(SynchronousTestCase):
    """The rows of the page."""

    def test_numbers(self) -> None:
        """Every trap that code or a test names is explained, once, and the files that an answer names are there."""
        page = (HOUSE / "docs" / "traps.md").read_text()
        explained = re.findall(r"^\| (P\d+) \|", page, re.MULTILINE)
        sources = [path for room in ("ccproxy", "tests") for path in (HOUSE / room).rglob("*.py")]
        named = {number for path in sources for number in re.findall(r"trap (P\d+)", path.read_text())}

        self.assertEqual(len(explained), len(set(explained)))
        self.assertGreater(len(named), 15)
        self.assertEqual(named - set(explained), set())
        for path in re.findall(r"`([\w/]+\.py)`", page):
            self.assertTrue((HOUSE / "ccproxy" / path).is_file(), path)
