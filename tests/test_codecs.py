"""Tests of the values that cross the seams: what they show, and what they keep to themselves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import HTTPRequest
from ccproxy.keys import Key

SECRET = "user_test_key"


class KeyTests(SynchronousTestCase):
    """A caller's key."""

    def test_revealed(self) -> None:
        """The key itself is there for who asks for it."""
        self.assertEqual(Key(SECRET).reveal(), SECRET)

    def test_hidden(self) -> None:
        """A key shows itself neither in its text, nor in that of what it is in."""
        request = HTTPRequest("POST", "http://127.0.0.1/", (("Authorization", f"Bearer {SECRET}"),), SECRET.encode())

        for shown in (Key(SECRET), [Key(SECRET)], request):
            self.assertNotIn(SECRET, f"{shown!r} {shown}")

    def test_derived(self) -> None:
        """What is derived depends on the key and on the label alone, and has the size that was asked for."""
        derived = Key(SECRET).derive(b"session", size=32)

        self.assertEqual(derived, Key(SECRET).derive(b"session", size=32))
        self.assertEqual(
            len({derived, Key(SECRET).derive(b"other", size=32), Key("user_test").derive(b"session", size=32)}), 3
        )
        self.assertEqual([len(derived), len(Key(SECRET).derive(b"session"))], [32, 16])

    def test_long(self) -> None:
        """A key may be longer than what BLAKE2 takes as a key, and differ only beyond that."""
        digests = {Key("user_" + "x" * size).digest for size in (93, 94)}

        self.assertEqual(len(digests), 2)

    def test_digest(self) -> None:
        """A digest is 16 hex digits, the same for the same key."""
        self.assertRegex(Key(SECRET).digest, r"\A[0-9a-f]{16}\Z")
        self.assertEqual(Key(SECRET).digest, Key(SECRET).digest)
        self.assertNotEqual(Key(SECRET).digest, Key("user_test_other").digest)
