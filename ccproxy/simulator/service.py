"""This module is the command line of the simulator: ``twistd -n ccproxy-simulator``."""

from io import BytesIO
from pathlib import Path
from typing import ClassVar

from twisted.internet.endpoints import quoteStringArgument
from twisted.python import usage
from twisted.web.http import Request
from twisted.web.server import Site
from typing_extensions import override

from ccproxy.simulator.app import Simulator
from ccproxy.startup import Daemon, StartupError, listening


class Options(usage.Options):
    """Where to listen, and what to replay."""

    synopsis = "[options]"
    longdesc = "A Command Code upstream of our own. The model id of a request chooses the answer: sim/text, sim/tool, …"
    optParameters: ClassVar[list[list[str | None]]] = [
        ["port", "p", "3001", "TCP port to listen on."],
        ["host", None, "127.0.0.1", "Address to listen on."],
        ["transcripts", "t", None, "Directory of .ndjson files, each replayed for the model transcript/<name>."],
    ]


class SimulatorSite(Site):
    """A site that keeps every request body in memory, and no log: prompts do not belong on disk."""

    noisy = False

    @override
    def log(self, request: Request) -> None:
        """Say nothing."""

    def getContentFile(self, length: int | None) -> BytesIO:
        """Where a request's body goes; twisted.web calls this before the body arrives."""
        return BytesIO()


def makeService(options: Options) -> Daemon:
    """Build the service that the options describe.

    Raises:
        StartupError: An option makes no sense; the line says which one.
    """
    from twisted.internet import reactor

    port, host, directory = options["port"], options["host"], options["transcripts"]
    if not (port.isdecimal() and int(port) < 65536):
        raise StartupError(f"ccproxy-simulator: --port must be a number from 0 to 65535, not {port!r}")
    transcripts = Path(directory) if directory else None
    if transcripts and not transcripts.is_dir():
        raise StartupError(f"ccproxy-simulator: --transcripts: no directory at {directory!r}")
    simulator = Simulator(reactor, transcripts=transcripts, remember=0)
    service = Daemon()
    endpoint = f"tcp:{port}:interface={quoteStringArgument(host)}:backlog=1024"
    listening(endpoint, SimulatorSite(simulator.resource()), reactor).setServiceParent(service)
    return service
