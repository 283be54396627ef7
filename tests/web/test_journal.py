"""Tests of answers that are written down, and read again from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key
from ccproxy.net.deadline import ClientStalledError
from ccproxy.store.memory import MemoryStore
from ccproxy.store.vault import Vault
from ccproxy.web.journal import Journal, Reader
from ccproxy.web.sink import Asked

FIRST, SECOND, THIRD = (b'event: e\ndata: {"sequence_number":%d}\n\n' % number for number in range(3))
PING = b": keep-alive\n\n"


@implementer(IConsumer)
@define(eq=False)
class Client:
    """A client that reads a journal."""

    startedWriting: int | bool = False  # noqa: N815 - Twisted's name
    plain_headers: Mapping[str, str] = field(factory=dict)
    received: list[bytes] = field(factory=list)
    producer: Any = None

    def asked(self) -> Asked:
        """Nothing is asked."""
        raise NotImplementedError

    def forget(self) -> None:
        """There is nothing to forget."""

    def setHeader(self, name: str, value: str) -> None:
        """There is no head."""

    def json(self, body: bytes) -> bytes:
        """There is no document."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self.received.append(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Know who writes."""
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Know that nobody writes any more."""
        self.producer = None

    def finish(self) -> None:
        """The reader does not finish."""
        raise NotImplementedError

    def abort(self) -> None:
        """The reader does not abort."""
        raise NotImplementedError


class FullClient(Client):
    """A client that is full from the beginning."""

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause whoever writes."""
        super().registerProducer(producer, streaming)
        self.producer.pauseProducing()


@define
class Talker:
    """An upstream that notes when it may talk on."""

    resumed: list[int]

    def resumeProducing(self) -> None:
        """Note it."""
        self.resumed.append(1)


class JournalTests(SynchronousTestCase):
    """Writing and reading."""

    def setUp(self) -> None:
        """A store, and a journal in it."""
        self.clock = Clock()
        self.vault = Vault(MemoryStore(limit=0, seconds=3600, clock=self.clock), Key("user_test_key"))
        self.journal = Journal(self.vault, "journal", {})
        self.client = Client()
        self.open = True

    def read(self, start: int = 0, *, ping_interval: float = 10, stall: float = 60) -> Deferred[None]:
        """Have the client read from an event on."""

        async def is_open() -> bool:
            return self.open

        reader = Reader(self.vault, "journal", is_open, self.clock, ping_interval=ping_interval, stall=stall)
        return Deferred.fromCoroutine(reader.send(start, self.client))

    def test_whole(self) -> None:
        """A reader who comes late gets everything, event by event, without the comments."""
        self.journal.write(FIRST + PING + SECOND)
        self.journal.write(PING)
        self.journal.write(THIRD)
        self.journal.finish()

        self.successResultOf(self.read())

        self.assertEqual(self.client.received, [FIRST, SECOND, THIRD])
        self.assertIsNone(self.client.producer)

    def test_growing(self) -> None:
        """A reader who comes early gets each event when it is written."""
        reading = self.read()
        self.journal.write(FIRST)
        self.assertEqual(self.client.received, [FIRST])
        self.journal.write(SECOND)
        self.assertNoResult(reading)

        self.journal.finish()

        self.successResultOf(reading)
        self.assertEqual(self.client.received, [FIRST, SECOND])

    def test_from_a_number(self) -> None:
        """The number of an event is its place."""
        self.journal.write(FIRST + SECOND + THIRD)
        self.journal.finish()

        self.successResultOf(self.read(2))

        self.assertEqual(self.client.received, [THIRD])

    def test_pings(self) -> None:
        """A reader of a silent journal gets a sign of life at each interval."""
        reading = self.read()
        self.journal.write(FIRST)
        self.clock.advance(10)
        self.clock.advance(10)

        self.assertEqual(self.client.received, [FIRST, PING, PING])
        self.assertNoResult(reading)

    def test_no_pings(self) -> None:
        """Without an interval there is none, and the end of the answer is noticed nevertheless."""
        reading = self.read(ping_interval=0)
        self.clock.advance(60)
        self.open = False
        self.clock.advance(60)

        self.successResultOf(reading)
        self.assertEqual(self.client.received, [])

    def test_abandoned(self) -> None:
        """A journal that nobody writes any more has an end, although nobody wrote it."""
        reading = self.read()
        self.journal.write(FIRST)
        self.open = False
        self.clock.advance(10)

        self.successResultOf(reading)
        self.assertEqual(self.client.received, [FIRST])

    def test_slow_reader(self) -> None:
        """A reader who does not keep up is not sent more, until it reads again."""
        reading = self.read()
        self.client.producer.pauseProducing()
        self.journal.write(FIRST)
        self.journal.write(SECOND)
        self.assertEqual(self.client.received, [FIRST])

        self.client.producer.resumeProducing()

        self.assertEqual(self.client.received, [FIRST, SECOND])
        self.assertNoResult(reading)

    def test_stalled_reader(self) -> None:
        """A reader who does not read for too long is given up."""
        reading = self.read(stall=60)
        self.client.producer.pauseProducing()
        self.journal.write(FIRST)

        self.clock.advance(60)

        self.failureResultOf(reading, ClientStalledError)
        self.assertIsNone(self.client.producer)

    def test_pages(self) -> None:
        """A reader who does not keep up is held by a page of events, not by all there are."""
        for number in range(200):
            self.journal.write(b"data: %d\n\n" % number)
        self.journal.finish()
        asked: list[int] = []
        read = self.vault.read

        async def counted(name: str, start: int, most: int = 0) -> Sequence[bytes]:
            asked.append(start)
            return await read(name, start, most)

        self.patch(self.vault, "read", counted)
        self.client = FullClient()
        reading = self.read(stall=0)
        self.assertEqual((asked, len(self.client.received)), ([0], 1))

        self.client.producer.resumeProducing()

        self.successResultOf(reading)
        self.assertEqual((asked, len(self.client.received)), ([0, 64, 128, 192], 200))

    def test_lost_event(self) -> None:
        """After an event that the store did not take no other is told: readers would not notice that one is missing."""
        append = self.vault.append

        async def away(name: str, entries: Sequence[bytes]) -> None:
            raise ProxyError(Kind.OVERLOADED, "The store is away.")

        resumed: list[int] = []
        self.journal.registerProducer(cast("IProducer", Talker(resumed)), True)
        self.journal.write(FIRST)
        self.patch(self.vault, "append", away)
        self.journal.write(SECOND)
        self.patch(self.vault, "append", append)
        self.journal.write(THIRD)
        self.journal.finish()
        self.open = False
        reading = self.read()
        self.clock.advance(10)

        self.successResultOf(reading)
        self.assertEqual(self.client.received, [FIRST])
        self.assertEqual(len(resumed), 2, "the upstream may talk on")

    def test_left(self) -> None:
        """A reader who left is read to no more; the journal is none the worse for it."""
        reading = self.read()
        reading.addErrback(lambda _: None)
        reading.cancel()
        self.assertIsNotNone(self.client.producer, "the request has gone, and must not be touched")

        self.journal.write(FIRST)
        self.journal.finish()

        self.assertEqual(self.client.received, [])
        self.client = Client()
        self.successResultOf(self.read())
        self.assertEqual(self.client.received, [FIRST])
