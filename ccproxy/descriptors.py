"""This module is the file descriptors of the process: how many there may be, and what is said when none is left.

A daemon that has none left closes the connection that it cannot serve, which Twisted does with a descriptor that it keeps in reserve, and
takes the next one as soon as there is one again.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

from attrs import evolve
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import implementer

from ccproxy.config import Config

_log = Logger()

_OTHER_DESCRIPTORS = 64  # for the log, the listening sockets, the reactor, and name lookups
_MANY = 1_048_576  # where no number of connections is named
_QUIET_SECONDS = 60.0
_ACCEPTING = ("twisted.internet.tcp.Port", "twisted.internet.unix.Port")
_RESERVING = "twisted.internet.tcp._FileDescriptorReservation"


def fitting(config: Config) -> Config:
    """The settings, with no more client connections than there can be descriptors, for them and for the upstream's.

    The limit of the process is raised to what that takes, as far as the system allows it.
    """
    wanted = 2 * config.max_connections + _OTHER_DESCRIPTORS if config.max_connections else _MANY
    most = max(1, (_raised(wanted) - _OTHER_DESCRIPTORS) // 2)
    if most < config.max_connections:
        _log.info("the system allows descriptors for {most} client connections, fewer than maxConnections", most=most)
    return evolve(config, max_connections=min(config.max_connections or most, most))


def _raised(wanted: int) -> int:
    """Raise the limit of the process to what is wanted, or as far as may be; gives the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    target = max(soft, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return target


@implementer(ILogObserver)
class Exhaustion:
    """Says once in a while that there are no descriptors, in place of the lines that Twisted writes for each connection.

    Args:
        observer: What writes the log.
        seconds: Where the time comes from.
    """

    _log = Logger()

    def __init__(self, observer: ILogObserver, seconds: Callable[[], float]) -> None:
        self._observer = observer
        self._seconds = seconds
        self._said_at: float | None = None

    def __call__(self, event: LogEvent) -> None:
        """Pass an event on, unless it is one of those lines."""
        if not _is_about_descriptors(event):
            self._observer(event)
            return
        now = self._seconds()
        if self._said_at is None or now - self._said_at >= _QUIET_SECONDS:
            self._said_at = now
            self._log.warn("there are no file descriptors left; new client connections are closed until there are")


def _is_about_descriptors(event: LogEvent) -> bool:
    namespace = str(event.get("log_namespace"))
    if namespace == _RESERVING:
        return True
    words = str(event.get("log_format") or "")
    return namespace in _ACCEPTING and ("EMFILE" in words or event.get("acceptError") in ("EMFILE", "ENFILE"))
