"""Tests of the daemon as a service: what its signals do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ccproxy import logs
from ccproxy.daemon import ProxyDaemon


class Reactor(Clock):
    """A reactor that runs, and counts how often it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = 0

    def callWhenRunning(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: N802 - as of a reactor
        """It runs."""
        function(*arguments)

    def callFromThread(self, function: Callable[..., Any]) -> None:  # noqa: N802 - as of a reactor
        """At the next turn."""
        self.callLater(0, function)

    def stop(self) -> None:
        """A second time is an error."""
        self.stopped += 1
        if self.stopped > 1:
            raise ReactorNotRunning


class SignalTests(SynchronousTestCase):
    """Signals."""

    def setUp(self) -> None:
        """A daemon that has started, with the handlers of this process put back afterwards."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = Reactor()
        self.calls: list[str] = []
        observer = logs.observer(log_format="text", level="critical", path="", stream=None)
        daemon = ProxyDaemon(observer, lambda: self.calls.append("greet"), self.reactor)
        daemon.reload = lambda: self.calls.append("reload")
        daemon.hurry = lambda: self.calls.append("hurry")
        daemon.startService()
        self.reactor.advance(0)
        self.daemon = daemon

    def test_hangup(self) -> None:
        """SIGHUP reads the configuration anew."""
        signal.raise_signal(signal.SIGHUP)
        self.reactor.advance(0)

        self.assertEqual((self.calls, self.reactor.stopped), (["greet", "reload"], 0))

    def test_second(self) -> None:
        """The first signal stops it and the second ends it at once, also when they come together."""
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        self.reactor.advance(0)

        self.assertEqual((self.calls, self.reactor.stopped), (["greet", "hurry"], 1))

    def test_told_too(self) -> None:
        """To be told what a signal says as well does not count as a second time, whichever comes first."""
        self.daemon.end(1)
        signal.raise_signal(signal.SIGTERM)
        self.reactor.advance(0)
        self.daemon.end(1)
        self.assertEqual((self.calls, self.reactor.stopped), (["greet"], 1))

        signal.raise_signal(signal.SIGTERM)
        self.reactor.advance(0)
        self.daemon.end(2)
        self.assertEqual((self.calls, self.reactor.stopped), (["greet", "hurry"], 1))

    def test_at_once(self) -> None:
        """Told to stop at once it stops, and hurries."""
        self.daemon.end(2)

        self.assertEqual((self.calls, self.reactor.stopped), (["greet", "hurry"], 1))

    def test_stopped_already(self) -> None:
        """Told to stop when the reactor stops already, as a signal before its handlers does, it stops."""
        self.reactor.stop()

        self.daemon.end(1)

        self.assertEqual(self.calls, ["greet"])
