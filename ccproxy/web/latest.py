"""This module is what one connection remembers: its latest answer, also where it is kept nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from ccproxy.codecs import Encoder, Memory
from ccproxy.fields import Fields


@define
class Latest:
    """The latest answer of a connection.

    Attributes:
        memory: The dialect's way to refer to it; None if it has none.
        limit: Bytes that are remembered at most; 0 for any number.
    """

    memory: Memory | None
    limit: int
    _records: Mapping[str, bytes] = field(factory=dict, repr=False)

    def wanted(self, body: Fields) -> Sequence[str]:
        """What a request refers to."""
        return self.memory.wanted(body) if self.memory is not None else ()

    def known(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """What is remembered of it."""
        return {name: self._records[name] for name in names if name in self._records}

    def replace(self, encoder: Encoder, names: Sequence[str]) -> None:
        """An answer is over: if it ended well it is the latest now, and else what it went on from is not to be trusted."""
        records = self.memory.records(encoder, always=True) if self.memory is not None else {}
        if not records:
            self.forget(names)
        elif self.limit and sum(map(len, records.values())) > self.limit:
            self._records = {}
        else:
            self._records = records

    def forget(self, names: Sequence[str]) -> None:
        """Remember nothing any more, if this is what a request went on from that failed."""
        if any(name in self._records for name in names):
            self._records = {}
