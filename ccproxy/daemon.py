"""This module is the daemon as a service: it brings its own log observer and its own signal handlers."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.logger import ILogObserver, Logger
from typing_extensions import override

from ccproxy.startup import Daemon


class ProxyDaemon(Daemon):
    """The daemon.

    Args:
        observer: What writes the log.
        greeting: Called when all has started, to say what it is.
        reactor: Where signals are handled.

    Attributes:
        reload: Reads the configuration anew, at SIGHUP.
        hurry: Ends at once what still runs, at the second SIGTERM.
    """

    _log = Logger()

    def __init__(self, observer: ILogObserver, greeting: Callable[[], None], reactor: Any) -> None:  # noqa: ANN401 - many interfaces
        super().__init__()
        self.reload: Callable[[], None] = lambda: None
        self.hurry: Callable[[], None] = lambda: None
        self._observer = observer
        self._greeting = greeting
        self._reactor = reactor
        self._signals = 0
        self._urgency = 0

    @override
    def setServiceParent(self, parent: Any) -> None:
        """Join an application; twistd chooses the log observer before it knows the options of a plugin (trap P24)."""
        super().setServiceParent(parent)
        if hasattr(parent, "setComponent"):
            parent.setComponent(ILogObserver, self._observer)

    @override
    def startService(self) -> None:
        """Start all that the daemon consists of."""
        super().startService()
        self._greeting()
        self._catch(lambda: self.reload(), signal.SIGHUP)
        # trap P25: the reactor's own handlers, set when it starts, do nothing new the second time, and twistd would end by the signal
        self._reactor.callWhenRunning(
            self._reactor.callLater, 0, self._catch, self._terminate, signal.SIGTERM, signal.SIGINT
        )

    def _catch(self, react: Callable[[], None], *numbers: signal.Signals) -> None:
        for number in numbers:
            signal.signal(number, lambda number, frame: self._reactor.callFromThread(react))

    def _terminate(self) -> None:
        self._signals += 1
        self.end(self._signals)

    def end(self, urgency: int) -> None:
        """Stop (1), or stop at once (2); to be told again what is known already, or was said by a signal, changes nothing."""
        if urgency <= self._urgency:
            return
        if not self._urgency:
            self._log.info("stopping")
            with suppress(ReactorNotRunning):  # a signal that came before our handlers has stopped it
                self._reactor.stop()
        if urgency > 1:
            self._log.info("stopping at once")
            self.hurry()
        self._urgency = urgency
