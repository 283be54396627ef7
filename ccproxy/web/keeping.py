"""This module is the keeping of answers for their callers, and the finding of what a request refers to.

A streamed answer is whole for its client before it is in the store: sealing takes its time, and so does a store of many processes. So a
caller's requests wait for its answers that are on their way. What is not found in a store of many processes is looked for once more a
moment later: another process may be keeping it just now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ccproxy.errors import ProxyError
from ccproxy.keys import Key
from ccproxy.store.base import Store
from ccproxy.store.vault import Vault
from ccproxy.web.errand import Errand
from ccproxy.web.offload import Offload

_MOMENT = 0.25  # seconds


class Keeping:
    """What is kept of answers.

    Args:
        store: Where.
        offload: Where large answers are sealed.
    """

    _log = Logger()

    def __init__(self, store: Store, offload: Offload) -> None:
        self._store = store
        self._offload = offload
        self._errands: dict[str, list[Errand]] = {}  # by the digest of their caller's key

    def vault(self, key: Key) -> Vault:
        """The part of the store that is one caller's."""
        return Vault(self._store, key)

    async def find(self, key: Key, names: Sequence[str]) -> Mapping[str, bytes]:
        """What is kept by these names, for this caller; what is found lives as long again.

        Raises:
            ProxyError: The store cannot be reached.
        """
        vault = self.vault(key)
        for over in [errand.over() for errand in self._errands.get(key.digest, ())]:
            await over
        found = dict(await vault.get(names))
        missing = [name for name in names if name not in found]
        if missing and self._store.shared:
            await vault.changed(missing[0], _MOMENT)
            found |= await vault.get(missing)
        return found

    def keep(self, key: Key, records: Callable[[], Mapping[str, bytes]], weight: int = 0) -> None:
        """Keep records, soon. If that fails the log has it: an answer that is whole is not made a failure by it.

        Args:
            key: The caller's.
            records: Makes the records, in any thread.
            weight: How many bytes there may be to seal.
        """
        Deferred.fromCoroutine(self._keep(key, records, weight))

    async def put(self, key: Key, records: Callable[[], Mapping[str, bytes]], weight: int = 0) -> None:
        """Keep records now; the same arguments.

        Raises:
            ProxyError: The store cannot be reached.
        """
        errand = Errand()
        self._errands.setdefault(key.digest, []).append(errand)
        try:
            vault = self.vault(key)
            sealed = await self._offload(lambda: vault.sealed(records()), weight)
            if sealed:
                await vault.put_sealed(sealed)
        finally:
            errands = self._errands[key.digest]
            errands.remove(errand)
            if not errands:
                del self._errands[key.digest]
            errand.finish()

    async def settled(self) -> None:
        """Return when nothing is on its way to the store."""
        while self._errands:
            await next(iter(self._errands.values()))[0].over()

    async def forget(self, key: Key, names: Iterable[str]) -> None:
        """Keep something no longer.

        Raises:
            ProxyError: The store cannot be reached.
        """
        await self.vault(key).delete(tuple(names))

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    async def _keep(self, key: Key, records: Callable[[], Mapping[str, bytes]], weight: int) -> None:
        try:
            await self.put(key, records, weight)
        except ProxyError as error:
            self._log.error("An answer could not be kept: {reason}", reason=error.message)
        except Exception:
            self._log.failure("A bug in the keeping of an answer")
