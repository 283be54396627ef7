"""Tests of a configuration that is read anew while the daemon runs."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import cast

from attrs import evolve
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from ccproxy import logs
from ccproxy.config import Config
from ccproxy.loading import Loaded, load
from ccproxy.reloading import Reloader


class ReloaderTests(SynchronousTestCase):
    """A configuration file that changes."""

    def setUp(self) -> None:
        """A file, a log, and what was put to work."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / "config.json"
        self.log_file = self.directory / "daemon.log"
        self.write(logFile=str(self.log_file))
        self.applied: list[Config] = []
        self.said: list[str] = []
        loaded = self.read()
        self.console = StringIO()
        self.observer = logs.observer(log_format="text", level="info", path=loaded.config.log_file, stream=self.console)
        self.addCleanup(self.observer.close)
        self.reloader = Reloader(self.read, loaded, self.observer, self.applied.append)

        def keep(event: LogEvent) -> None:
            if event["log_namespace"] == "ccproxy.reloading.Reloader":
                self.said.append(formatEvent(event))

        observer = cast("ILogObserver", keep)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def write(self, **values: object) -> None:
        """Change the file."""
        self.file.write_text(json.dumps(values))

    def read(self) -> Loaded:
        """What the file says."""
        return load(path=str(self.file), environ={}, options={})

    def log_event(self) -> None:
        """Something that is logged."""
        self.observer({"log_format": "an event", "log_level": None, "log_time": 0.0, "log_namespace": "test"})

    def test_changes(self) -> None:
        """What can be changed is changed, and the log says what."""
        self.write(logFile=str(self.log_file), streamIdleTimeout=7, maxExchanges=3, modelAliases={"a": "b"})

        self.reloader.reload()

        expected = Config(
            log_file=str(self.log_file), stream_idle_timeout=7, max_exchanges=3, model_aliases=(("a", "b"),)
        )
        self.assertEqual(self.applied, [expected])
        self.assertIn("modelAliases, streamIdleTimeout, maxExchanges", self.said[-1])

    def test_nothing_changed(self) -> None:
        """A configuration that stays the same is put to work all the same, and the log says so."""
        self.reloader.reload()

        self.assertEqual(len(self.applied), 1)
        self.assertTrue(self.said[-1].endswith(": nothing changed"), self.said)

    def test_restart(self) -> None:
        """What takes a restart stays as it was, and is named each time; the rest changes."""
        self.write(logFile=str(self.log_file), port=4000, apiBase="https://other.test", strict=True)

        self.reloader.reload()
        self.reloader.reload()

        self.assertEqual(self.applied[-1], Config(log_file=str(self.log_file), strict=True))
        self.assertEqual(sum("port has changed, which takes a restart" in line for line in self.said), 2)
        self.assertEqual(sum("apiBase has changed" in line for line in self.said), 2)

    def test_bad_file(self) -> None:
        """A file that cannot be used changes nothing, not even by half, and the log says why."""
        for text in ('{"strict": true, "port": "no"}', '{"strict": true', '{"strict": true, "prot": 1}', ""):
            self.file.write_text(text)
            self.reloader.reload()
            self.assertIn("the configuration stays as it was: ", self.said[-1])
            self.assertEqual(self.applied, [])
        self.file.unlink()
        self.reloader.reload()
        self.assertIn("cannot be read", self.said[-1])
        self.assertEqual(self.applied, [])

    def test_log_rotation(self) -> None:
        """A log file that was moved away is opened anew, also when the configuration cannot be used."""
        for text in (self.file.read_text(), "{"):
            self.file.write_text(text)
            self.log_file.rename(self.directory / "old.log")
            self.reloader.reload()
            self.log_event()
            self.assertIn("an event", self.log_file.read_text())

    def test_log_settings(self) -> None:
        """Level, form and place of the log change."""
        other = self.directory / "other.log"
        self.write(logFile=str(other), logFormat="json", logLevel="warn")

        self.reloader.reload()
        self.log_event()
        self.observer({"log_format": "told", "log_level": "warn", "log_time": 0.0, "log_namespace": "test"})

        (line,) = other.read_text().splitlines()
        self.assertEqual(json.loads(line)["message"], "told")

    def test_bad_log_file(self) -> None:
        """A log file that cannot be opened changes nothing at all, and the old one goes on."""
        self.write(logFile=str(self.directory / "nowhere" / "at.log"), strict=True)

        self.reloader.reload()
        self.log_event()

        self.assertEqual(self.applied, [])
        self.assertIn("the log file cannot be opened, and everything stays as it was", self.said[-1])
        self.assertIn("an event", self.log_file.read_text())

    def test_after_a_bad_one(self) -> None:
        """A file that was mended is taken."""
        good = self.file.read_text()
        self.file.write_text("{")
        self.reloader.reload()
        self.file.write_text(good)

        self.reloader.reload()

        self.assertEqual(self.applied, [evolve(Config(), log_file=str(self.log_file))])
