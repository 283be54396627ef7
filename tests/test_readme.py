"""Tests of what the README says of the settings, against the settings."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.config import Setting, settings

ROOT = Path(__file__).parent.parent


def rows(name: str) -> dict[str, list[str]]:
    """The cells after the first of every table row that begins with a name in backticks."""
    lines = [line.split(" | ") for line in (ROOT / name).read_text().splitlines() if line.startswith("| `")]
    return {cells[0].removeprefix("| `").rstrip("`"): cells[1:] for cells in lines}


def shown(setting: Setting) -> str:
    """How a table shows a default."""
    default = setting.default
    if isinstance(default, bool):
        return str(default).lower()
    text = f"{default:g}" if isinstance(default, float) else "" if default in ("", ()) else str(default)
    return f"{text} ms" if setting.unit == "ms" else text


class SettingsTableTests(SynchronousTestCase):
    """The table of settings, in both languages."""

    def test_every_setting(self) -> None:
        """Every setting has a row with its default and its environment variables."""
        for name in ("README.md", "README_zh.md"):
            table = rows(name)
            for setting in settings():
                variables = " ".join(f"`{variable}`" for variable in setting.environment)
                self.assertEqual(table[setting.key][:2], [shown(setting), variables], (name, setting.key))

    def test_words(self) -> None:
        """The English page describes a setting as ``--help`` does."""
        table = rows("README.md")

        for setting in settings():
            self.assertEqual(table[setting.key][2], f"{setting.help} |")

    def test_restart(self) -> None:
        """Both pages name the settings whose change takes a restart, and no others."""
        expected = [setting.key for setting in settings() if setting.restart]

        for name in ("README.md", "README_zh.md"):
            _, _, paragraph = (ROOT / name).read_text().partition("- SIGHUP")
            named = re.findall("`([^`]+)`", paragraph.partition("\n- ")[0])
            self.assertEqual(named, ["logFile", *expected], name)
