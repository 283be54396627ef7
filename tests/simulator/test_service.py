"""Tests of the simulator's command line."""

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.service import Options, makeService


class ServiceTests(SynchronousTestCase):
    """What the options lead to."""

    def options(self, *arguments: str) -> Options:
        """Options as the command line gives them."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def test_defaults(self) -> None:
        """The simulator listens on port 3001 of the loopback interface."""
        options = self.options()

        self.assertEqual((options["host"], options["port"]), ("127.0.0.1", "3001"))

    def test_one_port(self) -> None:
        """The service is one listening port."""
        service = makeService(self.options("--transcripts", "."))

        self.assertEqual(len(list(service)), 1)

    def test_port_word(self) -> None:
        """A port that is no number ends the program with a line that says so."""
        problem = self.assertRaises(SystemExit, makeService, self.options("--port", "http"))

        self.assertEqual(problem.code, "ccproxy-simulator: --port must be a number from 0 to 65535, not 'http'")

    def test_port_range(self) -> None:
        """A port that is too large ends the program."""
        self.assertRaises(SystemExit, makeService, self.options("--port", "65536"))

    def test_transcripts(self) -> None:
        """A directory that does not exist ends the program with a line that names it."""
        problem = self.assertRaises(SystemExit, makeService, self.options("--transcripts", "/nowhere/at/all"))

        self.assertEqual(problem.code, "ccproxy-simulator: --transcripts: no directory at '/nowhere/at/all'")
