"""This module is the sealing of bytes, so that only a holder of the caller's API key can read them or make them.

A sealed text is a version (one byte), a nonce (12 bytes), and what ChaCha20-Poly1305 (RFC 8439) makes of a body: one byte that says
whether it is compressed, and the text or its zlib form. The version and the caller's context are authenticated with it. The nonce is a MAC
over context and body, under a key of its own: the same text gives the same bytes, so that encoders stay pure, and two bodies never share a
nonce. What two versions of zlib make of one text are two bodies.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

LIMIT = 8 * 1024 * 1024
"""Bytes of a text that is opened, unless the `Sealer` was told otherwise."""

_VERSION = b"\x01"
_NONCE_SIZE, _TAG_SIZE = 12, 16
_PLAIN, _COMPRESSED = b"\x00", b"\x01"
_LEVEL = 1
_OVERHEAD = len(_VERSION) + _NONCE_SIZE + len(_PLAIN) + _TAG_SIZE


class Sealer:
    """Seals and opens for one caller and one purpose.

    Args:
        secret: 32 bytes, from `Key.derive` with the label of the purpose.
        limit: The largest text that is opened, bytes; a larger one can be sealed, but is lost.
    """

    def __init__(self, secret: bytes, *, limit: int = LIMIT) -> None:
        self._cipher = ChaCha20Poly1305(blake2b(b"encryption", key=secret, digest_size=32).digest())
        self._nonce_key = blake2b(b"nonce", key=secret, digest_size=32).digest()
        self._limit = limit

    def seal(self, plain: bytes, context: bytes = b"") -> bytes:
        """The text, sealed; it is opened in the same context only."""
        compressed = zlib.compress(plain, _LEVEL)
        body = _COMPRESSED + compressed if len(compressed) < len(plain) else _PLAIN + plain
        nonce = self._nonce(body, context)
        return _VERSION + nonce + self._cipher.encrypt(nonce, body, _VERSION + context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes | None:
        """The text; None for anything that this caller has not sealed in this context, or that is too large."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_SIZE], sealed[1 + _NONCE_SIZE :]
        if version != _VERSION or not _OVERHEAD <= len(sealed) <= _OVERHEAD + self._limit:
            return None
        try:
            body = self._cipher.decrypt(nonce, rest, version + context)
        except InvalidTag:
            return None
        return _inflated(body[1:], self._limit) if body[:1] == _COMPRESSED else body[1:]

    def _nonce(self, body: bytes, context: bytes) -> bytes:
        mac = blake2b(len(context).to_bytes(8, "big"), key=self._nonce_key, digest_size=_NONCE_SIZE)
        mac.update(context)
        mac.update(body)
        return mac.digest()


def _inflated(data: bytes, limit: int) -> bytes | None:
    """The text of a zlib form; None when it is larger than the limit."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(data, limit + 1)
    except zlib.error:
        return None
    return text if reader.eof and len(text) <= limit else None
