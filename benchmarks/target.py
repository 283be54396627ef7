"""This module is a proxy under measurement: a process of its own, on a core of its own where there are two."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

_PATIENCE_SECONDS = 30.0
CORES = sorted(os.sched_getaffinity(0))
"""Where processes may run: proxies on the first of them, everything else on the others."""
_TWISTD = f"{shlex.quote(sys.executable)} -c 'from twisted.scripts.twistd import run; run()'"
OURS = f"{_TWISTD} -n --pidfile= %sccproxy --host 127.0.0.1 --port {{port}}"
"""What starts ccproxy; ``%s`` is for more options of twistd."""


class Target:
    """A proxy.

    Args:
        name: What the report calls it.
        command: What starts it; ``{port}`` is where it has to listen and ``{upstream}`` where the upstream is, which is also in
            ``CC_API_BASE``, and the port in ``PORT``.
    """

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.port = free_port()
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, upstream: str) -> None:
        """Start it, and wait until it listens."""
        command = self._command.replace("{port}", str(self.port)).replace("{upstream}", upstream)
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CCPROXY_")},
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "CC_API_BASE": upstream,
            "CCPROXY_CLI_VERSION": "1.62.1",
            "CCPROXY_USE_PROVIDER_MODELS": "false",
        }
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *shlex.split(command), env=environ, stdout=quiet, stderr=quiet
        )
        os.sched_setaffinity(self._process.pid, {CORES[0]})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _is_listening(self.port):
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} does not start: {command}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()

    @property
    def cpu(self) -> float:
        """The processor time that it has used, seconds."""
        return time.clock_gettime(
            (~self.pid << 3) | 2
        )  # https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html

    @property
    def memory(self) -> int:
        """Its resident memory, bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.pid


def free_port() -> int:
    """A port of the loopback interface where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
