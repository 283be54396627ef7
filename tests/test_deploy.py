"""Tests of the systemd units in deploy: they fit the daemon, they fit each other, and systemd takes them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.python.usage import Options
from twisted.scripts.twistd import ServerOptions  # type: ignore[attr-defined] # what twistd itself parses with
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ccproxy.config import Config
from ccproxy.workers import MARGIN
from tests.daemons import KEY, ROOT, DaemonProcess
from tests.web.house import CHAT

DEPLOY = ROOT / "deploy"
SERVICES = ("ccproxy.service", "ccproxy@.service")
ENDPOINT = "systemd:domain=INET6:name=http"


def values(unit: str) -> dict[str, str]:
    """What a unit sets; no unit of ours sets anything twice."""
    return dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / unit).read_text(), re.MULTILINE))


def parsed(unit: str) -> Options:
    """What the daemon makes of the options in a unit's command."""
    program, *arguments = shlex.split(values(unit)["ExecStart"])
    assert program.endswith("/bin/twistd"), program
    options = ServerOptions()
    options.parseOptions(arguments)
    assert (options.subCommand, options["nodaemon"], options["pidfile"]) == ("ccproxy", True, "")
    return options.subOptions  # type: ignore[no-any-return]


class ServiceTests(SynchronousTestCase):
    """The services, alone and of several processes."""

    def test_command(self) -> None:
        """The daemon understands the commands; several processes take the socket that systemd hands on."""
        alone, one_of_several = [parsed(unit)["listen"] for unit in SERVICES]

        self.assertEqual((alone, one_of_several), ([], [ENDPOINT]))

    def test_limits(self) -> None:
        """The supervisor waits longer than an ending daemon, and allows the descriptors that it wants."""
        for unit in SERVICES:
            self.assertGreater(int(values(unit)["TimeoutStopSec"]), Config().shutdown_grace + MARGIN)
            self.assertGreater(int(values(unit)["LimitNOFILE"]), 2 * Config().max_connections + 64)

    def test_difference(self) -> None:
        """The template differs from the service in what makes it one of several, and in nothing else."""
        alone, one_of_several = map(values, SERVICES)
        differing = {name for name in {*alone, *one_of_several} if alone.get(name) != one_of_several.get(name)}

        self.assertEqual(differing, {"Description", "ExecStart", "Requires", "Sockets"})


class SocketTests(SynchronousTestCase):
    """The socket."""

    def test_name(self) -> None:
        """The socket has the name by which both kinds of service ask for it, and the template asks for this socket."""
        text = (DEPLOY / "ccproxy.socket").read_text()

        self.assertEqual(f"systemd:domain=INET6:name={values('ccproxy.socket')['FileDescriptorName']}", ENDPOINT)
        self.assertIn(f"ccproxy --listen {ENDPOINT} ", text)
        self.assertIn("\n#Service=ccproxy@1.service\n", text)
        self.assertEqual(values("ccproxy@.service")["Sockets"], "ccproxy.socket")

    def verify(self, *units: str, service: str | None = None) -> str:
        """What systemd objects to in some units, the socket's service changed to another."""
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("systemd-analyze is not installed")
        directory = Path(self.mktemp()).resolve()
        directory.mkdir()
        for file in DEPLOY.glob("ccproxy*"):
            text = file.read_text().replace("/opt/ccproxy/bin/twistd", sys.executable)
            text = text if service is None else text.replace(f"#Service={service}", f"Service={service}")
            (directory / file.name).write_text(text)
        if service is not None:
            (directory / "ccproxy.service").unlink()
        process = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *(str(directory / unit) for unit in units)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return "" if process.returncode == 0 else process.stderr

    def test_alone(self) -> None:
        """The service and its socket pass systemd's own verification."""
        self.assertEqual(self.verify("ccproxy.service", "ccproxy.socket"), "")

    def test_several(self) -> None:
        """Several services of the template on the socket pass it, if the service that the socket wakes is one of them."""
        units = ("ccproxy@1.service", "ccproxy@2.service", "ccproxy.socket")

        self.assertEqual(self.verify(*units, service="ccproxy@1.service"), "")


class InstancesTests(SynchronousTestCase):
    """Several processes on one socket, as systemd hands it to each."""

    def test_both_serve(self) -> None:
        """Each takes clients."""
        with socket.create_server(("127.0.0.1", 0), backlog=128) as kept:
            daemons = []
            for _ in range(2):
                daemons.append(DaemonProcess(Path(self.mktemp()), "--simulator", inherited=kept))
                self.addCleanup(daemons[-1].end)

            deadline = time.monotonic() + 20
            while not all("sim/text -> 200 ok" in daemon.log for daemon in daemons):
                self.assertLess(time.monotonic(), deadline, "one of them serves nobody")
                connection = daemons[0].connect()
                body = json.dumps(CHAT.body("sim/text"))
                connection.request("POST", CHAT.path, body, {"authorization": f"Bearer {KEY}"})
                self.assertEqual(connection.getresponse().status, 200)
                connection.close()
