"""This module is a caller's API key: what names a caller, and what only the caller can open."""

from __future__ import annotations

import hashlib
from functools import cached_property

from attrs import field, frozen


@frozen
class Key:
    """A caller's API key. It lives as long as its request, and shows itself to nobody but the upstream."""

    _secret: str = field(repr=False)

    def reveal(self) -> str:
        """The key itself, for the upstream's ``Authorization`` header only."""
        return self._secret

    def derive(self, label: bytes, *, size: int = 16) -> bytes:
        """Bytes that only a holder of the key can compute: BLAKE2b of ``label``, keyed with the key.

        Args:
            label: What the bytes are for.
            size: How many bytes, at most 64.
        """
        return hashlib.blake2b(label, key=self._hashed, digest_size=size).digest()

    @cached_property
    def digest(self) -> str:
        """A name for the key in tables and logs, from which the key cannot be found."""
        return self.derive(b"ccproxy key digest", size=8).hex()

    @cached_property
    def _hashed(self) -> bytes:
        return hashlib.blake2b(self._secret.encode(), digest_size=64).digest()
