"""Tests of the page on several processes and machines, and of the files it shows, against the settings."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.config import settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "scaling.md"
KUBERNETES = {"preStop", "terminationGracePeriodSeconds"}


def named(text: str) -> set[str]:
    """The words of a text that look like settings."""
    return set(re.findall(r"\b[a-z]+(?:[A-Z][a-z]+)+\b", text))


class SettingsTests(SynchronousTestCase):
    """The settings that are named."""

    def test_exist(self) -> None:
        """Every setting that the page or a file in deploy names is one."""
        known = {setting.key for setting in settings()}
        files = [PAGE, *(ROOT / "deploy").iterdir()]
        found = {file.name: named(file.read_text()) for file in files}

        self.assertGreater(len(found[PAGE.name]), 15)
        for name, words in found.items():
            self.assertEqual(words - known - KUBERNETES, set(), name)

    def test_links(self) -> None:
        """Every file that the page links to is there."""
        for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text()):
            self.assertTrue((PAGE.parent / link).exists(), link)
