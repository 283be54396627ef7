"""Tests of the way from a URL to a store."""

from __future__ import annotations

import sys
from typing import Any

import txredisapi  # noqa: F401 - so that it is there, whatever ran before
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.shapes import STORE_URL
from ccproxy.startup import StartupError
from ccproxy.store.base import Store
from ccproxy.store.memory import MemoryStore
from ccproxy.store.opening import address, open_store, require
from ccproxy.store.redis import Address, RedisStore


class OpeningTests(SynchronousTestCase):
    """Which store a URL names."""

    def open(self, url: str, seconds: float = 60.0) -> Store:
        """The store of a URL that the setting allows."""
        self.reactor = MemoryReactorClock()
        return open_store(str(STORE_URL.check(url)), limit=1000, seconds=seconds, reactor=self.reactor)

    def test_memory(self) -> None:
        """No URL is the memory of the process, which nobody shares."""
        for url in ("", "memory:"):
            store = self.open(url)
            self.assertIsInstance(store, MemoryStore)
            self.assertFalse(store.shared)

    def test_redis(self) -> None:
        """A Redis is shared, and is not connected before it is asked."""
        store = self.open("redis://127.0.0.1")

        self.assertIsInstance(store, RedisStore)
        self.assertTrue(store.shared)
        self.assertEqual(self.reactor.tcpClients, [])

    def test_nothing_kept(self) -> None:
        """Where nothing is to be kept, no Redis is needed."""
        self.assertIsInstance(self.open("redis://127.0.0.1", seconds=0.0), MemoryStore)

    def test_addresses(self) -> None:
        """All parts of a URL count, user name and password percent-decoded."""
        for url, expected in (
            ("redis://host", Address("host")),
            ("redis://host/", Address("host")),
            ("REDIS://[::1]:7000/3", Address("::1", 7000, 3)),
            ("redis://:p%40ss%2Fword@host", Address("host", password="p@ss/word")),
            ("rediss://user:pass@host:1/2", Address("host", 1, 2, "user", "pass", tls=True)),
        ):
            self.assertEqual(address(str(STORE_URL.check(url))), expected)

    def test_not_installed(self) -> None:
        """Without the package the start ends with a line that names the extra, and not the URL."""
        modules: dict[str, Any] = sys.modules
        self.addCleanup(modules.__setitem__, "txredisapi", modules["txredisapi"])
        modules["txredisapi"] = None  # what Python keeps for a module that cannot be had

        problem = self.assertRaises(StartupError, self.open, "redis://:canary@host")
        require("memory:")

        self.assertIn("twisted-ccproxy[redis]", str(problem.code))
        self.assertNotIn("canary", str(problem.code))


class ShapeTests(SynchronousTestCase):
    """What is no URL of a store."""

    def test_refused(self) -> None:
        """Other schemes, ports that do not exist, and parts that would have no effect are refused."""
        for url in (
            "http://host",
            "redis:host",
            "redis://",
            "redis://host:0",
            "redis://host:65536",
            "redis://host/name",
            "redis://host/0?timeout=1",
            "redis://host/0#part",
            "redis://a@b@host",
            "redis://host name",
            "memory",
            "memory://x",
            7,
            None,
        ):
            with self.assertRaises(ValueError, msg=str(url)):
                STORE_URL.check(url)
