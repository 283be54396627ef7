"""This module is programs under test in processes of their own, on loopback, whose life is bounded whatever happens."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEY = "user_test_key"

_LIFE_SECONDS = 120
_TWISTD = f"import signal; signal.alarm({_LIFE_SECONDS}); from twisted.scripts.twistd import run; run()"
_ACTIVATE = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="http", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
_PATIENCE_SECONDS = 20.0


class DaemonProcess:
    """A twistd that listens on a free port of the loopback interface.

    Args:
        directory: An empty directory to work in, where its log goes too.
        plugin: What twistd runs.
        arguments: Further arguments.
        environ: Its environment, apart from what Python itself needs.
        inherited: A socket that listens already and that it takes over, as systemd hands it on.
        reactor: The reactor that twistd is told to use.

    Attributes:
        port: Where it listens.
        pid: Its process.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        plugin: str = "ccproxy",
        environ: Mapping[str, str] | None = None,
        inherited: socket.socket | None = None,
        reactor: str = "default",
    ) -> None:
        directory.mkdir(exist_ok=True)
        self._log = directory / "daemon.log"
        if inherited is None:
            self.port = free_port()
            command, listening = [], ["--host", "127.0.0.1", "--port", str(self.port)]
        else:
            self.port = inherited.getsockname()[1]
            command, listening = _activated(inherited), ["--listen", "systemd:domain=INET:name=http"]
        twistd = [*command, sys.executable, "-c", _TWISTD, "-n", "--pidfile=", f"--reactor={reactor}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*twistd, plugin, *listening, *arguments],
                cwd=directory,
                env={**environment(), "CCPROXY_CLI_VERSION": "1.62.1", **(environ or {})},
                stdout=log,
                stderr=log,
                pass_fds=() if inherited is None else (inherited.fileno(),),
            )
        self.pid = self._process.pid
        self._await()

    @property
    def descriptors(self) -> int:
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    @property
    def memory(self) -> int:
        """Its resident memory, bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def connect(self) -> HTTPConnection:
        """A connection to it."""
        return HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; gives its exit status."""
        return self._process.wait(_PATIENCE_SECONDS)

    def end(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_PATIENCE_SECONDS)

    def _await(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise AssertionError(f"the daemon did not start: {self.log}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        """Whether it serves; a port alone is open before the handlers of signals are in place."""
        if not is_listening(self.port):
            return False
        connection = self.connect()
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
        return True


def _activated(inherited: socket.socket) -> list[str]:
    """What starts a program with a socket as its descriptor 3, as systemd does; the process id has to be the program's own."""
    return [sys.executable, "-I", "-S", "-c", _ACTIVATE, str(inherited.fileno())]


def environment() -> dict[str, str]:
    """What a Python process needs of the environment, and nothing that could configure a daemon."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def free_port() -> int:
    """A port of the loopback interface where nothing listens, below those that the system gives to others in the meantime."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def is_listening(port: int) -> bool:
    """Whether something listens on a port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
