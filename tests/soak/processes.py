"""This module is the programs under test: daemons that inherit one listening socket, as under systemd, and the simulator."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from tests.daemons import environment, free_port, is_listening

GRACE_SECONDS = 6
_PATIENCE_SECONDS = 20.0
_TWISTD = "import signal, sys; signal.alarm(int(sys.argv.pop(1))); from twisted.scripts.twistd import run; run()"
_AS_UNDER_SYSTEMD = 'exec 3<&0 </dev/null; LISTEN_PID=$$ exec "$@"'


@define(eq=False)
class Program:
    """A process that is ended by its own pid, and at the latest by an alarm of its own.

    Attributes:
        console: Where its output goes.
        log: Where its log goes.
        began: When it was started, by the monotonic clock.
    """

    _process: subprocess.Popen[bytes]
    console: Path
    log: Path | None = None
    began: float = field(factory=time.monotonic)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    @property
    def memory(self) -> int:
        """Its resident memory, bytes.

        Raises:
            OSError: It has ended.
        """
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ProcessLookupError(self.pid)

    @property
    def descriptors(self) -> int:
        """How many descriptors it has open.

        Raises:
            OSError: It has ended.
        """
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, seconds: float) -> int | None:
        """Its exit status, None if it still runs after so many seconds."""
        deadline = time.monotonic() + seconds
        while self.status is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return self.status

    def end(self) -> None:
        """End it, if it still runs."""
        if self.status is None:
            self._process.kill()
            self._process.wait(_PATIENCE_SECONDS)


def daemon(listener: socket.socket, directory: Path, number: int, api_base: str, life: int) -> Program:
    """Start a daemon that takes its connections from an inherited socket.

    Args:
        listener: The socket.
        directory: Where it works, and where its logs go.
        number: Which of the daemons it is.
        api_base: Its upstream.
        life: The seconds after which it ends, whatever happens.
    """
    log = directory / f"daemon-{number}.log"
    settings = {
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "http",
        "CCPROXY_API_BASE": api_base,
        "CCPROXY_CLI_VERSION": "1.62.1",
        "CCPROXY_USE_PROVIDER_MODELS": "false",
        "CCPROXY_SHUTDOWN_GRACE": str(GRACE_SECONDS),
        "CCPROXY_LOG_FILE": str(log),
    }
    options = ("--listen", "systemd:domain=INET:index=0", "--log-level", "debug")
    command = _command(life, "ccproxy", *options)
    started = _start(("sh", "-c", _AS_UNDER_SYSTEMD, "sh", *command), directory, f"daemon-{number}", settings, listener)
    started.log = log
    return started


def simulator(directory: Path, life: int) -> tuple[Program, int]:
    """Start the simulator, and wait until it listens; gives its port as well.

    Raises:
        AssertionError: It does not start.
    """
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port))
    started = _start(_command(life, "ccproxy-simulator", *options), directory, "simulator", {}, None)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_listening(port):
        if started.status is not None or time.monotonic() > deadline:
            started.end()
            raise AssertionError(f"the simulator did not start: {started.console.read_text()}")
        time.sleep(0.02)
    return started, port


def _command(life: int, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", _TWISTD, str(life), "-n", "--pidfile=", *arguments)


def _start(
    command: tuple[str, ...], directory: Path, name: str, settings: Mapping[str, str], stdin: socket.socket | None
) -> Program:
    console = directory / f"{name}.console"
    with console.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**environment(), **settings},
            stdin=subprocess.DEVNULL if stdin is None else stdin.fileno(),
            stdout=output,
            stderr=output,
        )
    return Program(process, console)
