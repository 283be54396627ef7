"""This module is answers that are made whether or not somebody waits for them, and their clients, who come and go.

Such an answer is an exchange of its own, whose sink is a journal. Its record is kept when it begins and when it ends, so that any process
that shares the store can tell how it is; it is made by the process that began it, which looks now and then whether another one was asked
to end it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ccproxy.codecs import Memory
from ccproxy.errors import ProxyError
from ccproxy.keys import Key
from ccproxy.store.vault import Vault
from ccproxy.web.errand import Errand
from ccproxy.web.journal import Journal
from ccproxy.web.keeping import Keeping

_LOOK = 1.0  # seconds between two looks whether another process was asked to end an answer


class Live(Protocol):
    """An exchange that is under way."""

    def abandon(self, error: ProxyError) -> None:
        """Give up; whoever waits for the answer is told why."""


@frozen
class Begun:
    """An answer that begins: where it is written, and how it is shown meanwhile."""

    key: Key
    memory: Memory
    name: str
    shown: bytes
    vault: Vault
    journal: Journal

    @property
    def place(self) -> tuple[str, str]:
        """What nothing else in this process is called."""
        return self.key.digest, self.name


@define(eq=False)
class _Running:
    """An answer that is being made here."""

    serving: Deferred[bytes | None]
    errand: Errand = field(factory=Errand)
    look: LoopingCall | None = None


class Background:
    """The answers that are being made in this process without anybody waiting.

    Args:
        keeping: The answers that are kept.
        live: Holds the exchanges that are under way, so that the end of the daemon waits for them.
        clock: Where the time comes from.
    """

    _log = Logger()

    def __init__(self, keeping: Keeping, live: set[Live], clock: IReactorTime) -> None:
        self._keeping = keeping
        self._live = live
        self._clock = clock
        self._running: dict[tuple[str, str], _Running] = {}

    def run(self, exchange: Live, serving: Deferred[bytes | None], begun: Begun, keep: Callable[[], None]) -> None:
        """Let an exchange answer into its journal.

        Args:
            exchange: The exchange.
            serving: Fires when it is at its end.
            begun: Where it answers.
            keep: Keeps what it has answered, if nobody wanted its end.
        """
        running = self._running[begun.place] = _Running(serving)
        self._live.add(exchange)
        if begun.vault.shared:
            running.look = LoopingCall(lambda: Deferred.fromCoroutine(self._look(running, begun)))
            running.look.clock = self._clock
            running.look.start(_LOOK, now=False)

        async def over(result: object) -> None:
            try:
                if isinstance(result, Failure):
                    begun.journal.finish()
                    if not result.check(CancelledError):
                        self._log.failure("A bug in an answer that nobody waits for", result)
                elif not await self._is_ended(begun):
                    keep()
            finally:
                self._live.discard(exchange)
                self._forget(begun.place)

        def settle(result: object) -> Deferred[None]:
            return Deferred.fromCoroutine(over(result))

        serving.addBoth(settle).addErrback(lambda failure: failure.trap(CancelledError))

    def _forget(self, place: tuple[str, str]) -> None:
        running = self._running.pop(place)
        if running.look is not None:
            running.look.stop()
        running.errand.finish()

    async def settled(self) -> None:
        """Return when no answer is being made here."""
        while self._running:
            await next(iter(self._running.values())).errand.over()

    async def end(self, key: Key, name: str) -> None:
        """End an answer, wherever it is being made.

        Raises:
            ProxyError: The store cannot be reached.
        """
        running = self._running.get((key.digest, name))
        if running is not None:
            running.serving.cancel()
        vault = self._keeping.vault(key)
        if running is None and vault.shared:
            await vault.put({_end_name(name): b"end"})

    async def _look(self, running: _Running, begun: Begun) -> None:
        if await self._is_ended(begun):
            running.serving.cancel()

    async def _is_ended(self, begun: Begun) -> bool:
        """Whether another process was asked to end it."""
        if not begun.vault.shared:
            return False
        try:
            return bool(await begun.vault.get((_end_name(begun.name),)))
        except ProxyError:
            return False  # the log has it from elsewhere


def journal_name(name: str) -> str:
    """The name of an answer's journal, by the name of its record."""
    return f"{name} events"


def _end_name(name: str) -> str:
    """The name of what says that an answer is to end."""
    return f"{name} end"
