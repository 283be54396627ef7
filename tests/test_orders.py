"""Tests of what a parent tells its workers: the letter, the orders, and the end of the pipe."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ccproxy.config import Config
from ccproxy.inheritance import Lent
from ccproxy.orders import MARK, Ear, Letter, Order, letter, line
from ccproxy.startup import StartupError

CONFIG = Config(listen=("tcp:80", "unix:x"), model_aliases=(("a", "b"), ("c*", "d")), silence_timeout=0.5, strict=True)
LETTER = Letter(2, 3, (Lent("tcp:80", (int(socket.AF_INET), 10)), Lent("unix:x", (1,))), CONFIG, "config.json")


class LetterTests(SynchronousTestCase):
    """What a worker is told first."""

    def received(self, data: bytes) -> Letter | None:
        """What a process takes from a pipe that then ends."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.write(writing, data)
        os.close(writing)
        self.environ = {MARK: "1", "PATH": "/bin"}
        return letter(self.environ, reading)

    def test_whole(self) -> None:
        """It arrives as it was sent, with the whole configuration, and what follows it stays in the pipe."""
        self.assertEqual(self.received(line(LETTER) + line(Order("stop"))), LETTER)

    def test_environment(self) -> None:
        """Once it is read nothing says any more that this is a worker."""
        self.received(line(LETTER))

        self.assertEqual(self.environ, {"PATH": "/bin"})

    def test_no_worker(self) -> None:
        """A process that nobody has told to be a worker reads nothing."""
        self.assertIsNone(letter({"PATH": "/bin"}, -1))

    def test_no_parent(self) -> None:
        """A worker whose parent is gone, or which has none, does not start."""
        for data in (b"", line(LETTER)[:-20], b"hello\n", b"{}\n"):
            problem = self.assertRaises(StartupError, self.received, data)
            self.assertIn("has no parent", str(problem.code))

    def test_name(self) -> None:
        """The log calls it by its place and its process."""
        self.assertEqual(LETTER.name(7), "worker 2 of 3 (pid 7)")


class EarTests(TestCase):
    """What a worker hears after that."""

    def setUp(self) -> None:
        """A worker that listens."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        reading, self.writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.heard: list[str] = []
        self.ear = Ear(LETTER, self.reactor, reading)
        self.ear.deeds = {
            "reload": lambda: self.heard.append(f"reload {self.ear.loaded().config.key_concurrency}"),
            "stop": lambda: self.heard.append("stop"),
            "hurry": lambda: self.heard.append("hurry"),
        }
        self.ear.listen()
        self.addCleanup(self.ear.stopReading)

    async def until(self, heard: list[str]) -> None:
        """Let the reactor run until this was heard."""
        waiting: Deferred[None] = Deferred.fromCoroutine(self._until(heard))
        await waiting.addTimeout(10, self.reactor)
        self.assertEqual(self.heard, heard)

    async def _until(self, heard: list[str]) -> None:
        while len(self.heard) < len(heard):
            await deferLater(self.reactor, 0.001)

    def test_before(self) -> None:
        """Before any order the configuration is that of the letter, and its warnings were given by the parent."""
        loaded = self.ear.loaded()

        self.assertEqual((loaded.config, loaded.source, loaded.warnings), (CONFIG, "config.json", ()))
        os.close(self.writing)

    async def test_orders(self) -> None:
        """Orders are obeyed one by one, however the pipe cuts them; one to reload brings the configuration."""
        data = line(Order("reload", Config(key_concurrency=5))) + line(Order("stop")) + line(Order("hurry"))
        os.write(self.writing, data[:100])
        os.write(self.writing, data[100:])

        await self.until(["reload 5", "stop", "hurry"])
        os.close(self.writing)

    async def test_bug(self) -> None:
        """An order that cannot be obeyed is logged, and the next one is heard."""

        def bug() -> None:
            raise KeyError

        self.ear.deeds = {**self.ear.deeds, "reload": bug}
        os.write(self.writing, line(Order("reload")) + b"{\n" + line(Order("hurry")))
        os.close(self.writing)

        await self.until(["hurry", "stop"])
        self.assertEqual([len(self.flushLoggedErrors(kind)) for kind in (KeyError, msgspec.MsgspecError)], [1, 1])

    async def test_end(self) -> None:
        """When the pipe ends the parent is gone, and the worker stops."""
        os.close(self.writing)

        await self.until(["stop"])
