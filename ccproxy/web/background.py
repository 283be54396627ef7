"""This module is answers that are made whether or not somebody waits for them, and their clients, who come and go.

Such an answer is an exchange of its own, whose sink is a journal. Its record is kept when it begins and when it ends, so that any process
that shares the store can tell how it is; it is made by the process that began it, which looks now and then whether another one was asked
to end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ccproxy.codecs import Dialect, Key
from ccproxy.errors import ProxyError
from ccproxy.memory import Memory
from ccproxy.net.deadline import ClientStalledError
from ccproxy.store.vault import Vault
from ccproxy.web.journal import Journal, Reader
from ccproxy.web.keeping import Keeping
from ccproxy.web.sink import Sink, begin_stream

if TYPE_CHECKING:  # the house holds what runs, and an exchange begins it
    from ccproxy.web.exchange import Exchange
    from ccproxy.web.house import House
    from ccproxy.web.plan import Plan

_LOOK = 1.0  # seconds between two looks whether another process was asked to end an answer


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
    look: LoopingCall | None = None


class Background:
    """The answers that are being made in this process without anybody waiting.

    Args:
        keeping: The answers that are kept.
        live: Holds the exchanges that are under way, so that the end of the daemon waits for them.
        clock: Where the time comes from.
    """

    _log = Logger()

    def __init__(self, keeping: Keeping, live: set[Exchange], clock: IReactorTime) -> None:
        self._keeping = keeping
        self._live = live
        self._clock = clock
        self._running: dict[tuple[str, str], _Running] = {}
        self._settling: list[Deferred[None]] = []

    def run(self, exchange: Exchange, serving: Deferred[bytes | None], begun: Begun) -> None:
        """Let an exchange answer into its journal; ``serving`` fires when it is at its end."""
        running = self._running[begun.place] = _Running(serving)
        self._live.add(exchange)
        if begun.vault.shared:
            running.look = LoopingCall(lambda: Deferred.fromCoroutine(self._look(running, begun)))
            running.look.clock = self._clock
            running.look.start(_LOOK, now=False)

        def over(result: object) -> None:
            self._live.discard(exchange)
            del self._running[begun.place]
            if running.look is not None:
                running.look.stop()
            if isinstance(result, Failure):
                begun.journal.finish()
                if not result.check(CancelledError):
                    self._log.failure("A bug in an answer that nobody waits for", result)
            if not self._running:
                settling, self._settling = self._settling, []
                for settled in settling:
                    settled.callback(None)

        serving.addBoth(over)

    def settled(self) -> Deferred[None]:
        """Fires when no answer is being made here."""
        settled: Deferred[None] = Deferred()
        if self._running:
            self._settling.append(settled)
        else:
            settled.callback(None)
        return settled

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
        try:
            asked = await begun.vault.get((_end_name(begun.name),))
        except ProxyError:
            return  # the journal has logged it
        if asked:
            running.serving.cancel()


def begin(house: House, dialect: Dialect, planned: Plan, request_id: str) -> Begun:
    """Keep the first record of an answer, and open its journal."""
    memory, key = dialect.memory, planned.identity.key
    assert memory is not None  # noqa: S101 - else no request could ask for it
    records = memory.records(dialect.encoder(planned.turn, stream=True))
    name, record = next(iter(records.items()))
    house.keeping.keep(key, records)
    vault = house.keeping.vault(key)
    journal = Journal(vault, journal_name(name), {"x-request-id": request_id})
    return Begun(key, memory, name, memory.shown(record), vault, journal)


async def follow(house: House, memory: Memory, key: Key, name: str, start: int, sink: Sink) -> None:
    """Send a client the events of an answer from a number on, as far as there are any and then as they come, to their end.

    Nothing is wrong with the answer when this fails: a client that is hung up on can read on where it was.

    Raises:
        ProxyError: The store cannot be reached, and nothing was sent yet.
    """

    async def is_open() -> bool:
        found = await house.keeping.find(key, (name,))
        return name in found and memory.is_open(found[name])

    config, vault = house.config, house.keeping.vault(key)
    begin_stream(sink, "text/event-stream")
    reader = Reader(
        vault,
        journal_name(name),
        is_open,
        house.clock,
        ping_interval=config.ping_interval,
        stall=config.client_stall_timeout,
    )
    try:
        await reader.send(start, sink)
    except ClientStalledError:
        sink.abort()
    except ProxyError:
        if not sink.startedWriting:
            raise
        sink.abort()
    else:
        sink.finish()


def journal_name(name: str) -> str:
    """The name of an answer's journal, by the name of its record."""
    return f"{name} events"


def _end_name(name: str) -> str:
    """The name of what says that an answer is to end."""
    return f"{name} end"
