"""This module is the parent of several processes that serve the same sockets.

It opens the sockets and never accepts from them. Each worker is a daemon like any other, started with the reactor, the import path, the
environment and the directory of its parent; what else it has to know it is told (`ccproxy.orders`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.application.reactors import getReactorTypes
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from ccproxy.config import Config
from ccproxy.inheritance import FIRST, Lender
from ccproxy.loading import Loaded
from ccproxy.orders import MARK, Letter, Order, line, name

MARGIN = 10.0
"""Seconds, beyond its grace, that a worker may take to end."""

_SHORTEST, _LONGEST = 0.5, 30.0  # seconds before the next one is started in a place
_LONG_LIFE = 60.0  # seconds after which a worker was no failure

# A terminal's signals are for the parent, too, which says what they mean; before a worker has handlers they would end it.
_START = """
import signal, sys
for number in (signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
sys.path[:] = {path!r}
from twisted.scripts.twistd import run
run()
"""


class Workers(Service):
    """The workers.

    Args:
        loaded: The configuration.
        lenders: What opens the sockets; by the time this service starts, it has.
        reactor: What starts processes, and the clock.
    """

    def __init__(self, loaded: Loaded, lenders: Sequence[Lender], reactor: Any) -> None:  # noqa: ANN401 - many interfaces
        self._config = loaded.config
        self._source = loaded.source
        self._lenders = lenders
        self._reactor = reactor
        self._command = command(reactor)
        self._directory = os.getcwd()
        count = self._config.workers
        self._places = [Place(number, count, self._spawn, self._letter, reactor) for number in range(1, count + 1)]

    @override
    def startService(self) -> None:
        """Start them, once the reactor can tell when one ends."""
        super().startService()
        for place in self._places:
            self._reactor.callWhenRunning(place.fill)

    @override
    def stopService(self) -> Deferred[list[None]]:
        """Have them end; fires when the last one has."""
        super().stopService()
        patience = self._config.shutdown_grace + MARGIN
        return gatherResults([place.close(patience) for place in self._places], consumeErrors=True)

    def take(self, config: Config) -> None:
        """Have those to come, and the others when they reload, work with this configuration."""
        self._config = config

    def reload(self) -> None:
        """Put the configuration to work in each of them, and have them open their log files anew."""
        self._tell(Order("reload", self._config))

    def hurry(self) -> None:
        """Have what still runs end at once."""
        self._tell(Order("hurry"))

    def _tell(self, order: Order) -> None:
        for place in self._places:
            place.tell(order)

    def _letter(self, number: int) -> Letter:
        lent = tuple(lender.lent for lender in self._lenders)
        return Letter(number, self._config.workers, lent, self._config, self._source)

    def _spawn(self, protocol: ProcessProtocol) -> None:
        sockets = [port.fileno() for lender in self._lenders for port in lender.ports]
        descriptors = {0: "w", 1: 1, 2: 2, **dict(enumerate(sockets, FIRST))}
        environ = {**os.environ, MARK: "1"}
        self._reactor.spawnProcess(
            protocol, self._command[0], self._command, environ, self._directory, childFDs=descriptors
        )


class Place(ProcessProtocol):
    """The place of one worker, which another one takes when it ends.

    Args:
        number: Which one, from 1.
        workers: Of how many.
        spawn: Starts a process that speaks this protocol.
        letter: What it is told first.
        clock: Where the time comes from.
    """

    _log = Logger()
    transport: IProcessTransport

    def __init__(
        self,
        number: int,
        workers: int,
        spawn: Callable[[ProcessProtocol], None],
        letter: Callable[[int], Letter],
        clock: IReactorTime,
    ) -> None:
        self._number = number
        self._workers = workers
        self._spawn = spawn
        self._letter = letter
        self._clock = clock
        self._pid: int | None = None
        self._began = 0.0
        self._delay = _SHORTEST
        self._timer: IDelayedCall | None = None
        self._gone: Deferred[None] | None = None

    def fill(self) -> None:
        """Start a worker, unless it is too late for one."""
        if self._gone is not None:
            return
        self._timer = None
        self._began = self._clock.seconds()
        try:
            self._spawn(self)
        except Exception as problem:  # the place must not stay empty, whatever it was
            self._vacate(f"cannot be started: {getattr(problem, 'strerror', problem)}")

    @override
    def connectionMade(self) -> None:
        """It has started."""
        self._pid = self.transport.pid
        self._log.info("{worker} starts", worker=self._name())
        self._write(line(self._letter(self._number)))

    @override
    def processExited(self, reason: Failure) -> None:
        """It has ended."""
        self._vacate(_fate(reason))

    def tell(self, order: Order) -> None:
        """Tell the worker what to do, if there is one."""
        if self._pid is not None:
            self._write(line(order))

    def close(self, patience: float) -> Deferred[None]:
        """Have the worker end, and no other take its place; fires when it has.

        Args:
            patience: Seconds after which it is killed.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pid is None:
            self._gone = succeed(None)
            return self._gone
        self.tell(Order("stop"))
        self._gone = Deferred(lambda gone: self._kill())
        self._timer = self._clock.callLater(patience, self._kill)
        return self._gone

    def _vacate(self, fate: str) -> None:
        worker, self._pid = self._name(), None
        if self._gone is not None:
            self._log.info("{worker} {fate}", worker=worker, fate=fate)
            self._finish(self._gone)
            return
        if self._clock.seconds() - self._began >= _LONG_LIFE:
            self._delay = _SHORTEST
        self._log.warn("{worker} {fate}; another starts in {delay:g} s", worker=worker, fate=fate, delay=self._delay)
        self._timer = self._clock.callLater(self._delay, self.fill)
        self._delay = min(2 * self._delay, _LONGEST)

    def _finish(self, gone: Deferred[None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if not gone.called:
            gone.callback(None)

    def _kill(self) -> None:
        self._log.warn("{worker} does not end, and is killed", worker=self._name())
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def _write(self, data: bytes) -> None:
        with suppress(KeyError):  # its pipe is closed: it has ended, which will be told in a moment
            self.transport.writeToChild(0, data)

    def _name(self) -> str:
        return name(self._number, self._workers, self._pid)


def command(reactor: object) -> list[str]:
    """What starts a worker: a twistd that finds the modules that this process finds, on the same reactor."""
    module = type(reactor).__module__
    names = [kind.shortName for kind in getReactorTypes() if getattr(kind, "moduleName", None) == module]
    code = _START.format(path=sys.path)
    return [sys.executable, "-c", code, "-n", "--pidfile=", *(f"--reactor={name}" for name in names[:1]), "ccproxy"]


def _fate(reason: Failure) -> str:
    """How a process ended; the reason is a `ProcessDone` or a `ProcessTerminated`."""
    end: Any = reason.value
    return (
        f"has ended with status {end.exitCode}"
        if end.signal is None
        else f"was ended by {signal.Signals(end.signal).name}"
    )
