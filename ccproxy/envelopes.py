"""This module is text that a client keeps for us and cannot read: reasoning, and what a conversation was summed up to.

An envelope is a prefix of our own with its version, and base64url of the sealed text (`ccproxy.aead`). Only a holder of the caller's key
can make or open one, nobody has to remember it, and one of reasoning is none of a summary. A text of more than `LIMIT` gets none.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import Enum
from hashlib import blake2b

from ccproxy.aead import Sealer

LIMIT = 2 * 1024 * 1024
"""Bytes of the longest text that is sealed."""

_PREFIX = "ccproxy2."
_LABEL = b"ccproxy envelopes"


class Content(Enum):
    """What an envelope holds; the value is authenticated with it."""

    REASONING = b"reasoning"
    SUMMARY = b"summary"


class Envelopes:
    """Makes and opens the envelopes of one caller.

    Args:
        secret: `ccproxy.seal.Seal.secret` of the caller's key, from which the key to the envelopes is derived.
    """

    def __init__(self, secret: bytes) -> None:
        self._sealer = Sealer(blake2b(_LABEL, key=secret, digest_size=32).digest(), limit=LIMIT)

    def sealed(self, text: str, content: Content) -> str | None:
        """The envelope of a text; None when it is too long for one."""
        data = text.encode("utf-8", "replace")
        if len(data) > LIMIT:
            return None
        return _PREFIX + urlsafe_b64encode(self._sealer.seal(data, content.value)).decode().rstrip("=")

    def opened(self, envelope: str, content: Content) -> str | None:
        """The text; None when the envelope is not this caller's, is damaged, or holds something else."""
        if not is_envelope(envelope):
            return None
        try:
            sealed = urlsafe_b64decode(envelope[len(_PREFIX) :].encode("ascii") + b"==")
            data = self._sealer.open(sealed, content.value)
            return None if data is None else data.decode()
        except ValueError:
            return None


def is_envelope(text: str) -> bool:
    """Whether a text has the form of an envelope, whoever made it."""
    return text.startswith(_PREFIX)
