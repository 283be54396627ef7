"""This module is one caller's part of a store: it can be found and read with the caller's API key only, also by who reads the store itself.

A name becomes a keyed digest. Values and entries are sealed with their name as the context, an entry with its index, too, so that nothing
can be put in the place of something else. What cannot be opened counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from ccproxy.aead import Sealer
from ccproxy.errors import ProxyError
from ccproxy.keys import Key
from ccproxy.store.base import Store

_NAMES, _CONTENTS = b"ccproxy store names", b"ccproxy store contents"
_LIMIT = 64 * 1024 * 1024  # bytes of a value or an entry


class Vault:
    """A store within a store, for the holder of one key.

    Nobody but one `Vault` at a time may append to a log; anybody may read it.

    Args:
        store: Where things are kept.
        key: The caller's.

    Attributes:
        shared: Whether other processes see the same.
    """

    def __init__(self, store: Store, key: Key) -> None:
        self.shared = store.shared
        self._store = store
        self._owner = key.digest
        self._name_key = key.derive(_NAMES, size=32)
        self._sealer = Sealer(key.derive(_CONTENTS, size=32), limit=_LIMIT)
        self._lengths: dict[str, int] = {}  # of the logs that this vault appends to

    async def get(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """The values that are there, and are this caller's."""
        hidden = {name: self._hidden(name) for name in names}
        found = await self._store.get(list(hidden.values()))
        opened = {
            name: self._sealer.open(found[place], _of_value(name)) for name, place in hidden.items() if place in found
        }
        return {name: value for name, value in opened.items() if value is not None}

    async def put(self, values: Mapping[str, bytes]) -> None:
        """Keep values, in place of older ones."""
        await self.put_sealed(self.sealed(values))

    async def put_sealed(self, values: Mapping[str, bytes]) -> None:
        """The same for what is sealed already."""
        await self._store.put(values, self._owner)

    def sealed(self, values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The values as they are put into the store itself; this may be done in any thread."""
        return {self._hidden(name): self._sealer.seal(value, _of_value(name)) for name, value in values.items()}

    async def delete(self, names: Sequence[str]) -> int:
        """Drop values and logs; gives how many were there."""
        hidden = [self._hidden(name) for name in names]
        for place in hidden:
            self._lengths.pop(place, None)
        return await self._store.delete(hidden)

    async def append(self, name: str, entries: Sequence[bytes]) -> None:
        """Add to the end of a log."""
        place = self._hidden(name)
        if place not in self._lengths:
            found = len(await self._store.read(place, 0))
            self._lengths.setdefault(place, found)  # unless another call was faster
        start = self._lengths[place]
        self._lengths[place] += len(entries)
        sealed = [self._sealer.seal(entry, _of_entry(name, index)) for index, entry in enumerate(entries, start)]
        try:
            await self._store.append(place, sealed, self._owner)
        except ProxyError:
            self._lengths.pop(place, None)  # it may have grown or not
            raise

    async def read(self, name: str, start: int, most: int = 0) -> Sequence[bytes]:
        """The entries of a log from an index on, up to the first that is not this caller's, or not in its place."""
        opened: list[bytes] = []
        for index, entry in enumerate(await self._store.read(self._hidden(name), start, most), start):
            plain = self._sealer.open(entry, _of_entry(name, index))
            if plain is None:
                break
            opened.append(plain)
        return opened

    async def changed(self, name: str, seconds: float) -> None:
        """Return when the log has grown or the value was put, or after so many seconds."""
        await self._store.changed(self._hidden(name), seconds)

    def close(self) -> None:
        """Nothing: the store is others', too."""

    def _hidden(self, name: str) -> str:
        return blake2b(name.encode(), key=self._name_key, digest_size=32).hexdigest()


def _of_value(name: str) -> bytes:
    return b"value " + name.encode()


def _of_entry(name: str, index: int) -> bytes:
    return b"entry %d " % index + name.encode()
