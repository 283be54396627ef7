"""This module is what every process of ours begins with: its configuration, its log, the root of its services, and a line that says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.logger import Logger

from ccproxy import __version__, logs
from ccproxy.daemon import ProxyDaemon
from ccproxy.descriptors import Exhaustion
from ccproxy.loading import ConfigError, Loaded
from ccproxy.startup import StartupError

_log = Logger()


class Start(NamedTuple):
    """A configuration, where it is read anew, the log, and the root of the services."""

    read: Callable[[], Loaded]
    loaded: Loaded
    observer: logs.Observer
    daemon: ProxyDaemon


def begin(read: Callable[[], Loaded], greeting: Callable[[Loaded], None], reactor: Any) -> Start:  # noqa: ANN401 - many interfaces
    """Read the configuration, and open the log.

    Raises:
        StartupError: One of them is wrong.
    """
    try:
        loaded = read()
        config = loaded.config
        observer = logs.observer(
            log_format=config.log_format, level=config.log_level, path=config.log_file, stream=sys.__stderr__
        )
    except ConfigError as problem:
        raise StartupError(f"ccproxy: {problem}") from None
    except OSError as problem:
        raise StartupError(f"ccproxy: the log file cannot be opened: {problem}") from None
    daemon = ProxyDaemon(Exhaustion(observer, reactor.seconds), lambda: greeting(loaded), reactor)
    return Start(read, loaded, observer, daemon)


def greet(loaded: Loaded) -> None:
    """Say what has started, and what was odd about its configuration."""
    for warning in loaded.warnings:
        _log.warn("{warning}", warning=warning)
    _log.info(
        "ccproxy {version} serves {upstream}, configured by {source}",
        version=__version__,
        upstream="the embedded simulator" if loaded.config.simulator else loaded.config.api_base,
        source=loaded.source or "defaults, environment and options",
    )
