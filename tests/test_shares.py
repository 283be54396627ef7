"""Tests of how limits are divided among processes."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.config import Config
from ccproxy.shares import excesses, separations, share


class ShareTests(SynchronousTestCase):
    """What one worker may do of what the daemon may."""

    def test_rounded_up(self) -> None:
        """Each worker gets its part of a limit, rounded up, so that none is left without."""
        config = Config(max_connections=100, max_exchanges=10, max_exchanges_per_key=4, key_concurrency=1)

        self.assertEqual(
            share(config, 4),
            Config(max_connections=25, max_exchanges=3, max_exchanges_per_key=1, key_concurrency=1),
        )

    def test_off(self) -> None:
        """A limit that is off is off for each of them."""
        config = Config(max_connections=0, max_exchanges=0, max_exchanges_per_key=0, key_concurrency=0)

        self.assertEqual(share(config, 3), config)

    def test_alone(self) -> None:
        """One process has it all."""
        self.assertEqual(share(Config(key_concurrency=7), 1), Config(key_concurrency=7))

    def test_memory(self) -> None:
        """The memory for responses is each process's own."""
        self.assertEqual(share(Config(store_bytes=1000), 4).store_bytes, 1000)


class ExcessTests(SynchronousTestCase):
    """What is said of limits that are counted in each worker."""

    def test_worth_it(self) -> None:
        """A limit that the rounding raises by more than a tenth is named, and one whose shares are small, with share and sum."""
        config = Config(workers=4, key_concurrency=1, max_exchanges_per_key=17, max_exchanges=16, max_connections=12)

        self.assertEqual(
            [re.findall(r"\w+", warning.partition(" is ")[0])[0] for warning in excesses(config)],
            ["maxConnections", "maxExchangesPerKey", "keyConcurrency"],
        )
        self.assertIn(
            "its share of 1, also while others have room, and together they let through up to 4",
            list(excesses(config))[-1],
        )

    def test_not_worth_it(self) -> None:
        """A little more of thousands is no news, and one process rounds nothing."""
        self.assertEqual(list(excesses(Config(workers=3))), [])
        for workers in (0, 1):
            self.assertEqual(list(excesses(Config(workers=workers, key_concurrency=3))), [])


class SeparationTests(SynchronousTestCase):
    """What is said of what workers keep for themselves."""

    def test_responses(self) -> None:
        """Several workers whose responses are in their memory are worth a warning."""
        for url in ("", "memory:"):
            (warning,) = separations(Config(workers=2, store_url=url))
            self.assertIn("previous_response_id", warning)
            self.assertIn("storeUrl", warning)

    def test_none(self) -> None:
        """One process, a Redis, and responses that are not kept are not."""
        for config in (
            Config(),
            Config(workers=0),
            Config(workers=2, store_url="redis://host"),
            Config(workers=2, store_seconds=0.0),
        ):
            self.assertEqual(list(separations(config)), [])
