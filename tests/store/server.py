"""This module is a Redis server under test: the distribution's program on a port of the loopback interface, with nothing on disk."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.daemons import free_port, is_listening

_LIFE_SECONDS = 60
_PATIENCE_SECONDS = 10.0
# The alarm outlives the exec, and so the process is the server itself.
_BOUNDED = f"import os, signal, sys; signal.alarm({_LIFE_SECONDS}); os.execv(sys.argv[1], sys.argv[1:])"


def installed() -> str:
    """The program.

    Raises:
        SkipTest: There is none.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise SkipTest("redis-server is not installed")
    return program


class RedisServer:
    """A server whose life is bounded.

    Args:
        directory: Where its log goes.
        arguments: Further options.
        port: Where it listens; a free one by default.
    """

    def __init__(self, directory: Path, *arguments: str, port: int | None = None) -> None:
        directory.mkdir(exist_ok=True)
        self.port = port or free_port()
        self._log = directory / "redis.log"
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOUNDED, installed(), *options, *arguments],
                cwd=directory,
                stdout=log,
                stderr=log,
            )

    @property
    def serves(self) -> bool:
        """Whether it listens.

        Raises:
            AssertionError: It has ended.
        """
        if self._process.poll() is not None:
            raise AssertionError(self._log.read_text())
        return is_listening(self.port)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_PATIENCE_SECONDS)
