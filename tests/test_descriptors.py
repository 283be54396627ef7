"""Tests of the file descriptors of the process: how many there may be, and what is said when none is left."""

from __future__ import annotations

import resource
from typing import cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, LogPublisher, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ccproxy.config import Config
from ccproxy.descriptors import Exhaustion, fitting

INFINITE = resource.RLIM_INFINITY


class FittingTests(SynchronousTestCase):
    """As many client connections as there can be descriptors for, two each."""

    def fitted(self, soft: int, hard: int, wanted: int) -> tuple[int, int]:
        """The connections of a process with such limits, and its soft limit after that."""
        set_to: list[int] = [soft]
        self.patch(resource, "getrlimit", lambda which: (soft, hard))
        self.patch(resource, "setrlimit", lambda which, limits: set_to.append(limits[0]))
        return fitting(Config(max_connections=wanted)).max_connections, set_to[-1]

    def test_raised(self) -> None:
        """The limit is raised to what the connections take."""
        self.assertEqual(self.fitted(1024, 1_048_576, 10_000), (10_000, 20_064))
        self.assertEqual(self.fitted(1024, INFINITE, 10_000), (10_000, 20_064))

    def test_as_far_as_may_be(self) -> None:
        """Where the system allows fewer, there are fewer connections."""
        self.assertEqual(self.fitted(256, 1064, 10_000), (500, 1064))
        self.assertEqual(self.fitted(10, 10, 10_000), (1, 10))

    def test_not_lowered(self) -> None:
        """A limit that is high enough stays."""
        self.assertEqual(self.fitted(65_536, 65_536, 100), (100, 65_536))
        self.assertEqual(self.fitted(INFINITE, INFINITE, 100), (100, INFINITE))

    def test_any_number(self) -> None:
        """With no number of connections named there are as many as the system allows."""
        self.assertEqual(self.fitted(1024, 1064, 0), (500, 1064))

    def test_this_process(self) -> None:
        """It can be done."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

        most = fitting(Config(max_connections=50)).max_connections

        self.assertEqual(most, 50)
        self.assertGreaterEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 164)


class ExhaustionTests(SynchronousTestCase):
    """What is said when no descriptor is left."""

    def setUp(self) -> None:
        """An observer whose output is kept, together with what it says itself."""
        self.clock = Clock()
        self.events: list[LogEvent] = []
        self.observer = Exhaustion(cast("ILogObserver", self.events.append), self.clock.seconds)
        self.said: list[str] = []

        def keep(event: LogEvent) -> None:
            if event["log_namespace"] == "ccproxy.descriptors.Exhaustion":
                self.said.append(formatEvent(event))

        observer = cast("ILogObserver", keep)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def twisted_says(self, words: str, namespace: str = "twisted.internet.tcp.Port", **fields: object) -> None:
        """A line of Twisted's."""
        Logger(namespace, observer=LogPublisher(self.observer)).info(words, **fields)

    def test_is_an_observer(self) -> None:
        """Twisted can log to it."""
        self.assertTrue(verifyObject(ILogObserver, self.observer))

    def test_once(self) -> None:
        """However many connections are closed for it, one line says so, and another after a minute."""
        for _ in range(100):
            self.twisted_says("EMFILE encountered; releasing reserved file descriptor.")
            self.twisted_says("EMFILE recovery: Closed socket from {address}")
            self.twisted_says("EMFILE recovery: Closed socket from {address}", "twisted.internet.unix.Port")
            self.twisted_says("Could not accept new connection ({acceptError})", acceptError="EMFILE")
            self.twisted_says("Could not re-reserve", "twisted.internet.tcp._FileDescriptorReservation")
        once = list(self.said)
        self.clock.advance(60)
        self.twisted_says("EMFILE encountered; releasing reserved file descriptor.")

        self.assertEqual((len(once), len(self.said), self.events), (1, 2, []))
        self.assertIn("no file descriptors left", once[0])

    def test_anything_else(self) -> None:
        """Everything else is passed on."""
        self.twisted_says("Port starting")
        self.twisted_says("EMFILE is a word", "somebody.else")
        self.twisted_says("Could not accept new connection ({acceptError})", acceptError="ENOMEM")

        self.assertEqual((len(self.events), self.said), (3, []))
