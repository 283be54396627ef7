"""This module is an answer that is written down instead of sent, and read by whoever comes, from wherever they left off.

The journal is a log in the store, of one entry for each event of the stream, so that an event's number is its place; an empty entry is
the end. Comments, which only keep a connection alive, are not written down: each reader has its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ccproxy.errors import ProxyError
from ccproxy.net.deadline import ClientStalledError
from ccproxy.store.vault import Vault
from ccproxy.web.sink import Asked, Sink

END = b""
_MOST_UNWRITTEN = 1 << 20  # bytes; beyond, the upstream waits for the store
_PAGE = 64  # events that are read at once; the next ones when the client has taken these
_PAUSE = 60.0  # seconds between two looks at an answer whose clients want no pings
_COMMENT = b": keep-alive\n\n"


@implementer(IConsumer)
class Journal:
    """The sink of an answer that nobody may be waiting for.

    Args:
        vault: Where it is written down.
        name: By which name.
        headers: What the client said in the head of its request, by lower-cased names.
    """

    _log = Logger()

    def __init__(self, vault: Vault, name: str, headers: Mapping[str, str]) -> None:
        self.startedWriting: int | bool = False
        self.plain_headers = headers
        self._vault = vault
        self._name = name
        self._unwritten: list[bytes] = []
        self._size = 0
        self._writing = False
        self._broken = False
        self._producer: IPushProducer | None = None

    def asked(self) -> Asked:
        """Nothing: what was asked is read before an answer is written down."""
        raise NotImplementedError

    def forget(self) -> None:
        """Nothing that is not needed to the end."""

    def setHeader(self, name: str, value: str) -> None:
        """Nothing: a journal has no head."""

    def json(self, body: bytes) -> bytes:
        """Nothing: what is written down is a stream."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Write down the events of a piece of the stream."""
        self.startedWriting = True
        self._add([frame + b"\n\n" for frame in data.split(b"\n\n") if frame and not frame.startswith(b":")])

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """From now on the store says when to pause."""
        self._producer = producer  # type: ignore[assignment] # a relay is one that pushes

    def unregisterProducer(self) -> None:
        """Nothing more will come from the producer."""
        self._producer = None

    def finish(self) -> None:
        """Write down that this was all."""
        self._add([END])

    def abort(self) -> None:
        """Nothing: there is nobody to be dropped."""

    def _add(self, entries: list[bytes]) -> None:
        if self._broken:
            return
        self._unwritten += entries
        self._size += sum(map(len, entries))
        if self._producer is not None and self._size > _MOST_UNWRITTEN:
            self._producer.pauseProducing()
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write())

    async def _write(self) -> None:
        """Bring to the store what is unwritten, and what is added meanwhile; after an event that is lost nothing more may follow."""
        try:
            while self._unwritten:
                entries, self._unwritten, self._size = self._unwritten, [], 0
                await self._vault.append(self._name, entries)
                self._go_on()
        except ProxyError as error:
            self._broken = True
            self._log.error("The events of an answer could not be kept: {reason}", reason=error.message)
        except Exception:
            self._broken = True
            self._log.failure("A bug in the keeping of events")
        finally:
            self._writing = False
        if self._broken:
            self._unwritten, self._size = [], 0
            self._go_on()

    def _go_on(self) -> None:
        """Let the upstream talk."""
        if self._producer is not None:
            self._producer.resumeProducing()


@implementer(IPushProducer)
class Reader:
    """Sends a journal to a client, as far as it is written and then as it grows.

    Args:
        vault: Where it is.
        name: Its name.
        is_open: Tells whether anybody may still be writing it.
        clock: Where the time comes from.
        ping_interval: Seconds of silence after which a comment is sent; 0 for never.
        stall: Seconds for which the client may not read; 0 for any number.
    """

    def __init__(
        self,
        vault: Vault,
        name: str,
        is_open: Callable[[], Awaitable[bool]],
        clock: IReactorTime,
        *,
        ping_interval: float,
        stall: float,
    ) -> None:
        self._vault = vault
        self._name = name
        self._is_open = is_open
        self._clock = clock
        self._pings = ping_interval > 0
        self._pause = ping_interval or _PAUSE
        self._stall = stall
        self._full: Deferred[None] | None = None

    async def send(self, start: int, sink: Sink) -> None:
        """Send the events from a number on, until the end of the journal, or until nobody writes it any more.

        Raises:
            ProxyError: The store cannot be reached.
            ClientStalledError: The client did not read for too long.
        """
        sink.registerProducer(self, True)
        try:
            await self._send(start, sink)
        except CancelledError:
            raise  # the client left, and forgot its producer
        except Exception:
            sink.unregisterProducer()
            raise
        sink.unregisterProducer()

    def pauseProducing(self) -> None:
        """The client does not keep up."""
        if self._full is None:
            self._full = Deferred()

    def resumeProducing(self) -> None:
        """The client has read what it was sent."""
        full, self._full = self._full, None
        if full is not None:
            full.callback(None)

    def stopProducing(self) -> None:
        """The client left; whoever awaits `send` is cancelled for it."""

    async def _send(self, start: int, sink: Sink) -> None:
        wrote_at, over = self._clock.seconds(), False
        while True:
            entries = await self._vault.read(self._name, start, _PAGE)
            start += len(entries)
            for entry in entries:
                if entry == END:
                    return
                sink.write(entry)
                await self._room()
            if entries:
                wrote_at = self._clock.seconds()
                continue
            if over:
                return
            await self._vault.changed(self._name, self._pause)
            if self._clock.seconds() - wrote_at >= self._pause:
                wrote_at = self._clock.seconds()
                over = not await self._is_open()
                if self._pings and not over:
                    sink.write(_COMMENT)

    async def _room(self) -> None:
        """Wait until the client takes more."""
        if self._full is None:
            return
        waiting = self._full
        if self._stall:
            waiting.addTimeout(self._stall, self._clock)
        try:
            await waiting
        except DeferredTimeoutError:
            self._full = None
            raise ClientStalledError from None
