"""This module is the sessions under which keys talk to the upstream: one UUID per key, changed about twice a day.

Nothing is shared and nothing is stored: the id, and how long it lives (12 hours and up to one more), follow from the key and the time, so
that several processes and machines give the same key the same session. The table only saves the derivation and shows what is live; it
is keyed by a digest of the key, never by the key.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict

from attrs import frozen

from ccproxy.keys import Key

_LIFE_SECONDS = 12 * 3600
_JITTER_SECONDS = 3600
_MOST_SESSIONS = 10_000


@frozen
class Session:
    """A session's id, and the Unix time at which it is replaced."""

    id: str
    expires_at: float


class Sessions:
    """The live sessions by key digest."""

    def __init__(self) -> None:
        self._live: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def of(self, key: Key, now: float) -> str:
        """The id of the key's session at ``now`` (Unix time): a UUID, version 4 in form."""
        digest = key.digest
        session = self._live.get(digest)
        if session is None or session.expires_at <= now:
            session = self._live[digest] = derive(key, now)
            if len(self._live) > _MOST_SESSIONS:
                self._live.popitem(last=False)
        return session.id

    def rotate(self, now: float) -> None:
        """Forget the sessions whose time is over."""
        for digest in [digest for digest, session in self._live.items() if session.expires_at <= now]:
            del self._live[digest]


def derive(key: Key, now: float) -> Session:
    """The session that a key has at ``now`` (Unix time), on every machine.

    A key's periods are all of one length, 12 hours plus a jitter of its own, and begin at a time of their own, so that not all keys
    change at once.
    """
    shape = key.derive(b"ccproxy session period", size=8)
    period = _LIFE_SECONDS + int.from_bytes(shape[:4], "big") % (_JITTER_SECONDS + 1)
    phase = int.from_bytes(shape[4:], "big") % period
    epoch = int((now - phase) // period)
    secret = key.derive(b"ccproxy session %d" % epoch, size=16)
    return Session(str(uuid.UUID(bytes=secret, version=4)), (epoch + 1) * period + phase)
