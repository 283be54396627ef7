"""Tests of how a daemon fails to start."""

from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.startup import Daemon, StartupError, listening


class Busy(Service):
    """A service whose port is taken."""

    def privilegedStartService(self) -> None:
        """Fail as a listening service does."""
        raise CannotListenError("127.0.0.1", 3001, OSError("Address already in use"))


class StartupTests(SynchronousTestCase):
    """What a user is told when it does not work."""

    def test_busy_port(self) -> None:
        """A busy port ends the program with one line, in a way that lets twistd tidy up."""
        service = Daemon()
        Busy().setServiceParent(service)

        problem = self.assertRaises(StartupError, service.privilegedStartService)

        self.assertIn("ccproxy: Couldn't listen on 127.0.0.1:3001", str(problem.code))
        self.assertIsInstance(problem, Exception)
        self.assertIsInstance(problem, SystemExit)

    def test_unknown_endpoint(self) -> None:
        """An endpoint that does not exist is named."""
        problem = self.assertRaises(StartupError, listening, "carrier-pigeon:3000", Factory(), MemoryReactorClock())

        self.assertIn("cannot listen on 'carrier-pigeon:3000'", str(problem.code))
