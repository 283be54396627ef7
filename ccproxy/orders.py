"""This module is what a parent process tells its workers, and how they hear it.

A worker's standard input is a pipe that its parent holds. On it comes one JSON object per line: first a `Letter`, which is all that a
worker has to know, then `Order`s. Its end means that the parent is gone.

They are words on a pipe and not signals because a terminal, and a supervisor too, sends its signals to every process of a daemon: a
worker that had one from there and the same from its parent would take it for the second, which ends without a grace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal

import msgspec
from attrs import frozen
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.fdesc import readFromFD, setNonBlocking
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from ccproxy.config import Config
from ccproxy.inheritance import Lent
from ccproxy.loading import Loaded
from ccproxy.startup import StartupError

MARK = "_CCPROXY_WORKER"
"""The environment variable that tells a process that it is a worker; not with the prefix of the settings, as it is none."""

What = Literal["reload", "stop", "hurry"]
_STDIN = 0


@frozen
class Letter:
    """All that a worker has to know: which one it is of how many, its sockets, the configuration, and the file that this came from."""

    worker: int
    workers: int
    lent: tuple[Lent, ...]
    config: Config
    source: str | None

    def name(self, pid: int) -> str:
        """How the log calls this worker."""
        return name(self.worker, self.workers, pid)


@frozen
class Order:
    """What a worker is to do; to reload is to put a configuration to work."""

    what: What
    config: Config | None = None


def name(worker: int, workers: int, pid: int | None) -> str:
    """How the log calls a worker, whether its process runs or not."""
    process = "" if pid is None else f" (pid {pid})"
    return f"worker {worker} of {workers}{process}"


def line(message: Letter | Order) -> bytes:
    """A message as it goes through the pipe."""
    return msgspec.json.encode(message) + b"\n"


def letter(environ: MutableMapping[str, str], descriptor: int = _STDIN) -> Letter | None:
    """What the parent of this process has to say to it; None for a process that is no worker.

    Args:
        environ: The environment, which does not say afterwards that this is a worker.
        descriptor: Where the letter comes.

    Raises:
        StartupError: The parent is gone.
    """
    if environ.pop(MARK, None) is None:
        return None
    with open(
        descriptor, "rb", buffering=0, closefd=False
    ) as pipe:  # without a buffer, which would swallow the orders behind it
        text = pipe.readline()
    try:
        return msgspec.json.decode(text, type=Letter)
    except msgspec.MsgspecError as problem:
        raise StartupError(f"ccproxy: a worker has no parent that tells it what to do: {problem}") from None


class Ear(FileDescriptor):
    """Where a worker hears its orders.

    Args:
        letter: What it was told first.
        reactor: Where it is listened.
        descriptor: Where the orders come.

    Attributes:
        deeds: What is done for each order; another one is passed over.
    """

    _log = Logger()

    def __init__(self, letter: Letter, reactor: Any, descriptor: int = _STDIN) -> None:  # noqa: ANN401 - many interfaces
        super().__init__(reactor)
        self.deeds: Mapping[str, Callable[[], None]] = {}
        self._config = letter.config
        self._source = letter.source
        self._descriptor = descriptor
        self._held = b""

    def loaded(self) -> Loaded:
        """The configuration that the parent read last; it has given the warnings itself."""
        return Loaded(self._config, self._source, ())

    def listen(self) -> None:
        """Hear what comes from now on."""
        setNonBlocking(self._descriptor)
        self.startReading()

    @override
    def fileno(self) -> int:
        """The pipe."""
        return self._descriptor

    def doRead(self) -> object:
        """The pipe has something to read, or has ended."""
        return readFromFD(self._descriptor, self._read)

    def _read(self, data: bytes) -> None:
        *lines, self._held = (self._held + data).split(b"\n")
        for each in lines:
            try:
                self._obey(msgspec.json.decode(each, type=Order))
            except Exception:  # which would close the ear for all that is still to be said
                self._log.failure("A bug in the doing of an order")

    def _obey(self, order: Order) -> None:
        self._config = order.config or self._config
        self.deeds[order.what]()

    @override
    def connectionLost(self, reason: Failure) -> None:
        """The pipe has ended, or the reactor has."""
        super().connectionLost(reason)
        if reason.check(ConnectionDone):
            self._log.warn("the parent of this worker is gone")
            self.deeds["stop"]()
