"""Tests of random names."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.tokens import Tokens


class TokensTests(SynchronousTestCase):
    """`Tokens`."""

    def test_different(self) -> None:
        """Each is of its size, and no two are the same, also of two stocks."""
        made = [token(size) for token in (Tokens(), Tokens()) for _ in range(2000) for size in (12, 24)]

        self.assertEqual(len(set(made)), len(made))
        self.assertEqual([len(name) for name in made[:2]], [24, 48])

    def test_used_once(self) -> None:
        """Every byte of the stock is used, and none twice; one that is larger than a stock is made all the same."""
        given: list[bytes] = []

        def urandom(size: int) -> bytes:
            given.append(os.getrandom(size))
            return given[-1]

        self.patch(os, "urandom", urandom)
        token = Tokens()

        made = "".join(token(16) for _ in range(512)) + token(10_000)

        self.assertEqual(bytes.fromhex(made), b"".join(given))
