"""Tests of the parent of several processes: when it starts one, what it tells them, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, cast

import msgspec
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.config import Config
from ccproxy.inheritance import Lender
from ccproxy.loading import Loaded
from ccproxy.orders import MARK, Letter, Order
from ccproxy.workers import Workers, command


class FakeProcess:
    """A process that does as the test says."""

    def __init__(self, pid: int, protocol: ProcessProtocol, call: tuple[Any, ...], descriptors: dict[int, Any]) -> None:
        self.pid = pid
        self.protocol = protocol
        self.call = call
        self.descriptors = descriptors
        self.written = b""
        self.signals: list[str] = []
        self.running = True
        protocol.makeConnection(self)

    @property
    def letter(self) -> Letter:
        """What it was told first."""
        return msgspec.json.decode(self.written.splitlines()[0], type=Letter)

    @property
    def orders(self) -> list[Order]:
        """What it was told then."""
        return [msgspec.json.decode(each, type=Order) for each in self.written.splitlines()[1:]]

    def writeToChild(self, descriptor: int, data: bytes) -> None:  # noqa: N802 - as of a transport
        """The parent says something."""
        assert descriptor == 0
        if not self.running:
            raise KeyError(descriptor)
        self.written += data

    def signalProcess(self, name: str) -> None:  # noqa: N802 - as of a transport
        """The parent sends a signal."""
        if not self.running:
            raise ProcessExitedAlready
        self.signals.append(name)

    def end(self, status: int = 0, number: int | None = None) -> None:
        """End, of itself or by a signal."""
        self.running = False
        reason = ProcessTerminated(status or None, number) if status or number else ProcessDone(0)
        self.protocol.processExited(Failure(reason))


class FakeReactor(Clock):
    """A reactor whose processes are fake; it runs when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.failing = False
        self.starting: list[Callable[[], None]] = []

    def callWhenRunning(self, function: Callable[[], None]) -> None:  # noqa: N802 - as of a reactor
        """Remember it."""
        self.starting.append(function)

    def spawnProcess(self, protocol: ProcessProtocol, *call: Any, childFDs: dict[int, Any]) -> None:  # noqa: N802, N803 - as of a reactor
        """Make one."""
        if self.failing:
            raise OSError(12, "Cannot allocate memory")
        self.processes.append(FakeProcess(100 + len(self.processes), protocol, call, childFDs))

    def run(self) -> None:
        """It runs."""
        for function in self.starting:
            function()


class Port:
    """A port of an endpoint."""

    addressFamily = 2  # noqa: N815 - as of a port

    def fileno(self) -> int:
        """Its descriptor."""
        return 17

    def stopReading(self) -> None:  # noqa: N802 - as of a port
        """Accept nothing."""


class WorkersTestCase(SynchronousTestCase):
    """A parent of two workers with one port."""

    def setUp(self) -> None:
        """Start it, and keep what it logs."""
        self.said: list[str] = []

        def keep(event: LogEvent) -> None:
            if event["log_namespace"].startswith("ccproxy.workers"):
                self.said.append(formatEvent(event))

        observer = cast("ILogObserver", keep)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.reactor = FakeReactor()
        self.config = Config(workers=2, shutdown_grace=25, key_concurrency=3)
        lender = Lender(self.reactor, "systemd:domain=INET:name=http")
        lender.ports.append(Port())
        self.workers = Workers(Loaded(self.config, "config.json", ()), [lender], self.reactor)
        self.workers.startService()
        self.reactor.run()

    @property
    def processes(self) -> list[FakeProcess]:
        """All that were ever started."""
        return self.reactor.processes


class StartTests(WorkersTestCase):
    """What a worker is started with."""

    def test_number(self) -> None:
        """There are as many as were asked for, and the log names each."""
        self.assertEqual(self.said, ["worker 1 of 2 (pid 100) starts", "worker 2 of 2 (pid 101) starts"])

    def test_letter(self) -> None:
        """Each is told its place, its sockets, and the configuration as it was read, whose limits it divides itself."""
        for number, process in enumerate(self.processes, 1):
            letter = process.letter
            self.assertEqual((letter.worker, letter.workers), (number, 2))
            self.assertEqual((letter.config, letter.source), (self.config, "config.json"))
            self.assertEqual([(lent.endpoint, lent.families) for lent in letter.lent], [("tcp:0", (2,))])

    def test_process(self) -> None:
        """It has the parent's environment, directory and console; its orders come from a pipe, and the sockets are behind that."""
        executable, arguments, environ, directory = self.processes[0].call

        self.assertEqual((executable, arguments), (sys.executable, command(self.reactor)))
        self.assertEqual(environ, {**os.environ, MARK: "1"})
        self.assertEqual(directory, os.getcwd())
        self.assertEqual(self.processes[0].descriptors, {0: "w", 1: 1, 2: 2, 3: 17})

    def test_command(self) -> None:
        """It runs on the reactor of its parent, where that has a name, and finds the modules that its parent finds."""
        from twisted.internet.selectreactor import SelectReactor

        arguments = command(SelectReactor.__new__(SelectReactor))

        self.assertEqual(arguments[3:], ["-n", "--pidfile=", "--reactor=select", "ccproxy"])
        self.assertIn(repr(sys.path), arguments[2])
        self.assertEqual(command(self.reactor)[3:], ["-n", "--pidfile=", "ccproxy"])


class DeathTests(WorkersTestCase):
    """A worker that ends although nobody asked for it."""

    def test_replaced(self) -> None:
        """Another one takes its place half a second later, and the log says how it ended; the others go on."""
        self.processes[1].end(number=signal.SIGKILL)
        self.assertEqual(self.said[2:], ["worker 2 of 2 (pid 101) was ended by SIGKILL; another starts in 0.5 s"])
        self.reactor.advance(0.4)
        self.assertEqual(len(self.processes), 2)

        self.reactor.advance(0.1)

        self.assertEqual((len(self.processes), self.processes[2].letter.worker), (3, 2))

    def test_status(self) -> None:
        """One that an operator told to stop is replaced too."""
        self.processes[0].end()
        self.processes[1].end(status=1)

        self.assertEqual(
            self.said[2:],
            [
                "worker 1 of 2 (pid 100) has ended with status 0; another starts in 0.5 s",
                "worker 2 of 2 (pid 101) has ended with status 1; another starts in 0.5 s",
            ],
        )

    def waits(self, times: int) -> list[float]:
        """How long its place stays empty, each time that the second worker ends."""
        waits = []
        for _ in range(times):
            self.processes[-1].end(status=1)
            (call,) = self.reactor.getDelayedCalls()
            waits.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
        return waits

    def test_backoff(self) -> None:
        """One that ends again and again is started ever later, every half minute at last."""
        self.assertEqual(self.waits(9), [0.5, 1, 2, 4, 8, 16, 30, 30, 30])

    def test_reset(self) -> None:
        """One that lived for a minute was no failure."""
        self.waits(5)
        self.reactor.advance(59)
        self.assertEqual(self.waits(1), [16])
        self.reactor.advance(60)

        self.assertEqual(self.waits(2), [0.5, 1])

    def test_cannot_start(self) -> None:
        """Where no process can be started it is tried again."""
        self.reactor.failing = True
        self.processes[0].end(status=1)
        self.reactor.advance(0.5)
        self.assertEqual(
            self.said[-1], "worker 1 of 2 cannot be started: Cannot allocate memory; another starts in 1 s"
        )

        self.reactor.failing = False
        self.reactor.advance(1)

        self.assertEqual(self.processes[-1].letter.worker, 1)


class OrderTests(WorkersTestCase):
    """What the parent passes on."""

    def test_reload(self) -> None:
        """A configuration goes to each worker, and to those to come."""
        config = Config(workers=2, key_concurrency=9)

        self.workers.take(config)
        self.workers.reload()
        self.processes[0].end(status=1)
        self.reactor.advance(0.5)

        self.assertEqual([process.orders for process in self.processes], [[Order("reload", config)]] * 2 + [[]])
        self.assertEqual(self.processes[2].letter.config, config)

    def test_nobody_there(self) -> None:
        """A place without a worker is passed over."""
        self.processes[0].end(status=1)

        self.workers.reload()

        self.assertEqual(self.processes[0].orders, [])


class StopTests(WorkersTestCase):
    """The end."""

    def test_waits_for_the_last(self) -> None:
        """It tells all of them to stop, and has stopped when the last one has ended; none is replaced."""
        stopped = self.workers.stopService()
        self.assertEqual([process.orders for process in self.processes], [[Order("stop")]] * 2)
        self.processes[1].end()
        self.assertNoResult(stopped)

        self.processes[0].end(number=signal.SIGTERM)

        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(
            self.said[2:],
            ["worker 2 of 2 (pid 101) has ended with status 0", "worker 1 of 2 (pid 100) was ended by SIGTERM"],
        )

    def test_empty_place(self) -> None:
        """A place that waits for its next worker gets none any more."""
        for process in self.processes:
            process.end(status=1)

        self.successResultOf(self.workers.stopService())

        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_hurry(self) -> None:
        """Told to hurry, it passes that on to those that still run."""
        self.workers.stopService()
        self.processes[1].end()

        self.workers.hurry()

        self.assertEqual(self.processes[0].orders, [Order("stop"), Order("hurry")])
        self.assertEqual(self.processes[1].orders, [Order("stop")])

    def test_killed(self) -> None:
        """One that has not ended ten seconds after its grace is killed."""
        stopped = self.workers.stopService()
        self.processes[0].end()
        self.reactor.advance(34.9)
        self.assertEqual(self.processes[1].signals, [])

        self.reactor.advance(0.1)
        self.assertEqual(self.processes[1].signals, ["KILL"])
        self.assertNoResult(stopped)
        self.processes[1].end(number=signal.SIGKILL)

        self.successResultOf(stopped)

    def test_killed_too_late(self) -> None:
        """One that has ended, of which the parent does not know yet, is told nothing and needs no killing."""
        for process in self.processes:
            process.running = False
        stopped = self.workers.stopService()
        self.reactor.advance(35)

        for process in self.processes:
            process.end()

        self.successResultOf(stopped)

    def test_given_up(self) -> None:
        """Who does not want to wait for the end has them killed, and no error is left behind."""
        stopped = self.workers.stopService()

        stopped.cancel()
        self.failureResultOf(stopped)

        self.assertEqual([process.signals for process in self.processes], [["KILL"]] * 2)
        for process in self.processes:
            process.end(number=signal.SIGKILL)
        del stopped, process, self.workers, self.reactor
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_before_the_start(self) -> None:
        """Stopped before the reactor runs, it starts none."""
        reactor = FakeReactor()
        workers = Workers(Loaded(self.config, None, ()), [], reactor)
        workers.startService()

        self.successResultOf(workers.stopService())
        reactor.run()

        self.assertEqual(reactor.processes, [])
