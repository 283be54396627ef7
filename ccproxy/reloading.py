"""This module is the reading of the configuration anew while the daemon runs: all of it or nothing, and what needs a restart says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import evolve
from twisted.logger import Logger

from ccproxy.config import Config, settings
from ccproxy.loading import ConfigError, Loaded
from ccproxy.logs import Observer


class Reloader:
    """Reads the configuration anew.

    Args:
        read: Reads all its sources.
        loaded: What they said at the start.
        observer: The log, whose file is opened anew each time, as it may have been moved away.
        apply: Puts a configuration to work; cannot fail.
        quiet: Somebody else says what was read.
    """

    _log = Logger()

    def __init__(
        self,
        read: Callable[[], Loaded],
        loaded: Loaded,
        observer: Observer,
        apply: Callable[[Config], None],
        *,
        quiet: bool = False,
    ) -> None:
        self._read = read
        self._config = loaded.config
        self._observer = observer
        self._apply = apply
        self._quiet = quiet

    def reload(self) -> None:
        """Read the sources; the old values stay where they cannot be used."""
        try:
            loaded = self._read()
        except ConfigError as problem:
            self._log.warn("the configuration stays as it was: {problem}", problem=str(problem))
            self._opened(self._observer.reopen)
            return
        config = loaded.config
        configure = partial(
            self._observer.configure, log_format=config.log_format, level=config.log_level, path=config.log_file
        )
        if self._opened(configure):
            self._take(loaded)

    def _opened(self, change: Callable[[], None]) -> bool:
        try:
            change()
        except OSError as problem:
            self._log.warn(
                "the log file cannot be opened, and everything stays as it was: {problem}", problem=problem.strerror
            )
            return False
        return True

    def _take(self, loaded: Loaded) -> None:
        for warning in loaded.warnings:
            self._log.warn("{warning}", warning=warning)
        changed = [
            setting
            for setting in settings()
            if getattr(loaded.config, setting.attribute) != getattr(self._config, setting.attribute)
        ]
        for setting in changed:
            if setting.restart:
                self._log.warn("{key} has changed, which takes a restart; the old value stays", key=setting.key)
        kept = {setting.attribute: getattr(self._config, setting.attribute) for setting in changed if setting.restart}
        self._config = evolve(loaded.config, **kept)
        self._apply(self._config)
        say = self._log.debug if self._quiet else self._log.info
        say(
            "the configuration was read anew from {source}: {changes}",
            source=loaded.source or "environment and options",
            changes=", ".join(setting.key for setting in changed if not setting.restart) or "nothing changed",
        )
