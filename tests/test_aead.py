"""Tests of the sealing of bytes."""

from __future__ import annotations

import tracemalloc
from typing import NamedTuple

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.aead import LIMIT, Sealer
from ccproxy.keys import Key

SECRET = Key("user_test_key").derive(b"test", size=32)
SEALER = Sealer(SECRET)
OTHERS = (
    Sealer(Key("user_other_key").derive(b"test", size=32)),
    Sealer(Key("user_test_key").derive(b"another purpose", size=32)),
)
TEXTS = st.binary(max_size=200) | st.binary(max_size=20).map(lambda part: part * 20)
property_test = hypothesis_settings(database=None, deadline=None)


class Change(NamedTuple):
    """One byte of a sealed text is another one: which, counted as part of its length, and by how much."""

    place: float
    difference: int


CHANGES = st.builds(Change, st.floats(0, 1, exclude_max=True), st.integers(1, 255))


class SealingTests(SynchronousTestCase):
    """What is opened, and what is not."""

    @property_test
    @given(TEXTS, TEXTS)
    def test_opened(self, text: bytes, context: bytes) -> None:
        """What was sealed is opened by whoever has the key, and it is the same sealed text each time."""
        sealed = SEALER.seal(text, context)

        self.assertEqual(Sealer(SECRET).open(sealed, context), text)
        self.assertEqual(Sealer(SECRET).seal(text, context), sealed)

    @property_test
    @given(TEXTS, TEXTS, CHANGES)
    def test_changed(self, text: bytes, context: bytes, change: Change) -> None:
        """A text in which a byte was changed is refused."""
        sealed = bytearray(SEALER.seal(text, context))
        place = int(change.place * len(sealed))
        sealed[place] = (sealed[place] + change.difference) % 256

        self.assertIsNone(SEALER.open(bytes(sealed), context))

    def test_every_byte(self) -> None:
        """There is no byte that may be changed, and none that may be missing or too many."""
        sealed = SEALER.seal(b"a text", b"context")
        flipped = [
            place
            for place in range(len(sealed))
            for bit in range(8)
            if SEALER.open(sealed[:place] + bytes([sealed[place] ^ 1 << bit]) + sealed[place + 1 :], b"context")
        ]

        self.assertEqual(flipped, [])
        self.assertEqual([cut for cut in range(len(sealed)) if SEALER.open(sealed[:cut], b"context")], [])
        self.assertIsNone(SEALER.open(sealed + b"\x00", b"context"))

    @property_test
    @given(TEXTS, TEXTS)
    def test_foreign(self, text: bytes, foreign: bytes) -> None:
        """Another key, another purpose and what is no sealed text open nothing."""
        sealed = SEALER.seal(text)

        self.assertEqual([other.open(sealed) for other in OTHERS], [None, None])
        self.assertIsNone(SEALER.open(foreign))
        self.assertIsNone(SEALER.open(sealed[:1] + foreign))

    @property_test
    @given(TEXTS, TEXTS, TEXTS)
    def test_context(self, text: bytes, context: bytes, other: bytes) -> None:
        """A text is opened in its own context only."""
        self.assertEqual(SEALER.open(SEALER.seal(text, context), other), text if context == other else None)

    def test_nonces(self) -> None:
        """Neither two texts nor two contexts share a nonce, wherever the border between them is."""
        pairs = [(b"ab", b"c"), (b"a", b"bc"), (b"", b"abc"), (b"abc", b""), (b"x", b""), (b"", b"x")]

        self.assertEqual(len({SEALER.seal(text, context)[:13] for text, context in pairs}), len(pairs))

    def test_hidden(self) -> None:
        """Neither text nor context shows, and the sealer does not show its secret."""
        sealed = SEALER.seal(b"canary", b"cockatoo")

        self.assertNotIn(b"canary", sealed)
        self.assertNotIn(b"cockatoo", sealed)
        self.assertNotIn(SECRET, b"".join(value for value in vars(SEALER).values() if isinstance(value, bytes)))


class SizeTests(SynchronousTestCase):
    """How large things are."""

    def test_compressed(self) -> None:
        """A text is compressed where that makes it smaller, and otherwise grows by a few bytes."""
        self.assertLess(len(SEALER.seal(b"ab" * 1000)), 100)
        self.assertEqual(len(SEALER.seal(SECRET)), len(SECRET) + 30)

    def test_limit(self) -> None:
        """A text of just the limit is opened, a longer one is not, compressed or not."""
        small = Sealer(SECRET, limit=32)

        self.assertEqual(small.open(small.seal(b"a" * 32)), b"a" * 32)
        self.assertEqual(small.open(small.seal(SECRET)), SECRET)
        self.assertIsNone(small.open(small.seal(b"a" * 33)))
        self.assertIsNone(small.open(small.seal(SECRET + b"a")))

    def test_bomb(self) -> None:
        """A small sealed text that would become a huge one is refused without becoming it."""
        sealed = Sealer(SECRET, limit=2**30).seal(bytes(64 * LIMIT // 8))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)

        self.assertIsNone(SEALER.open(sealed))

        self.assertLess(tracemalloc.get_traced_memory()[1], 4 * LIMIT)
