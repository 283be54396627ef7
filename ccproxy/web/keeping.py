"""This module is the keeping of answers for their callers, and the finding of what a request refers to.

A streamed answer is whole for its client before a store of many processes has it. So what is on its way there is found here, and what is
not found in such a store is looked for once more a moment later: another process may be keeping it just now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ccproxy.errors import ProxyError
from ccproxy.keys import Key
from ccproxy.store.base import Store
from ccproxy.store.vault import Vault

_MOMENT = 0.25  # seconds


class Keeping:
    """What is kept of answers.

    Args:
        store: Where.
    """

    _log = Logger()

    def __init__(self, store: Store) -> None:
        self._store = store
        self._underway: dict[str, dict[str, bytes]] = {}  # records by name, by the digest of their caller's key
        self._settling: list[Deferred[None]] = []

    def vault(self, key: Key) -> Vault:
        """The part of the store that is one caller's."""
        return Vault(self._store, key)

    async def find(self, key: Key, names: Sequence[str]) -> Mapping[str, bytes]:
        """What is kept by these names, for this caller.

        Raises:
            ProxyError: The store cannot be reached.
        """
        found = dict(await self._look(key, names))
        missing = [name for name in names if name not in found]
        if missing and self._store.shared:
            await self.vault(key).changed(missing[0], _MOMENT)
            found |= await self._look(key, missing)
        return found

    def keep(self, key: Key, records: Mapping[str, bytes]) -> None:
        """Keep records, soon. If that fails the log has it: an answer that is whole is not made a failure by it."""
        self._underway.setdefault(key.digest, {}).update(records)
        Deferred.fromCoroutine(self._put(key, records))

    def settled(self) -> Deferred[None]:
        """Fires when nothing is on its way to the store."""
        settled: Deferred[None] = Deferred()
        if self._underway:
            self._settling.append(settled)
        else:
            settled.callback(None)
        return settled

    async def forget(self, key: Key, names: Iterable[str]) -> None:
        """Keep something no longer.

        Raises:
            ProxyError: The store cannot be reached.
        """
        await self.vault(key).delete(tuple(names))

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    async def _look(self, key: Key, names: Sequence[str]) -> Mapping[str, bytes]:
        underway = self._underway.get(key.digest, {})
        here = {name: underway[name] for name in names if name in underway}
        rest = [name for name in names if name not in here]
        return {**here, **(await self.vault(key).get(rest) if rest else {})}

    async def _put(self, key: Key, records: Mapping[str, bytes]) -> None:
        try:
            await self.vault(key).put(records)
        except ProxyError as error:
            self._log.error("An answer could not be kept: {reason}", reason=error.message)
        except Exception:
            self._log.failure("A bug in the keeping of an answer")
        self._arrived(key.digest, records)

    def _arrived(self, caller: str, records: Mapping[str, bytes]) -> None:
        underway = self._underway[caller]
        for name, record in records.items():
            if underway.get(name) is record:
                del underway[name]
        if not underway:
            del self._underway[caller]
        if not self._underway:
            settling, self._settling = self._settling, []
            for settled in settling:
                settled.callback(None)
