"""This module is the tests of where an answer's bytes go."""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from ccproxy.dialects.openai_chat.response import ChatStream
from ccproxy.net.answer import Collector, StreamAnswer
from tests.dialects.turns import TURN
from tests.net.relaying import Client, UpstreamBody

PING = b": keep-alive\n\n"


class StreamAnswerTests(SynchronousTestCase):
    """A response that streams, with its first ping after 15 seconds and one for any 10 seconds of silence afterwards."""

    @override
    def setUp(self) -> None:
        self.clock = Clock()
        self.client = Client()

    def answer(self, *, header_delay: float = 15, ping_interval: float = 10) -> StreamAnswer:
        """An answer that begins now."""
        return StreamAnswer(
            self.client, ChatStream(TURN), self.clock, header_delay=header_delay, ping_interval=ping_interval
        )

    def wait(self, seconds: int) -> None:
        """Let time pass as it does, a second at a time."""
        self.clock.pump([1] * seconds)

    def test_is_a_consumer(self) -> None:
        """A relay can register with it."""
        self.assertTrue(verifyObject(IConsumer, self.answer()))

    def test_write_goes_out_at_once(self) -> None:
        """Bytes are passed on as they come, and counted."""
        answer = self.answer()

        answer.write(b"one")
        answer.write(b"three")

        self.assertEqual(self.client.writes, [b"one", b"three"])
        self.assertEqual(answer.sent, 8)

    def test_first_write_begins_the_response(self) -> None:
        """Before the first write a failure can still have its status, afterwards not."""
        answer = self.answer()
        before = answer.begun

        answer.write(b"one")

        self.assertEqual((before, answer.begun), (False, True))

    def test_producer_is_the_responses(self) -> None:
        """The client's own socket says when to pause."""
        answer, producer = self.answer(), UpstreamBody()

        answer.registerProducer(producer, True)
        registered = self.client.producer
        answer.unregisterProducer()

        self.assertIs(registered, producer)
        self.assertIsNone(self.client.producer)

    def test_header_delay_sends_a_ping(self) -> None:
        """A client that was told nothing for 15 seconds gets its status and a ping."""
        answer = self.answer()
        self.wait(14)
        before = list(self.client.writes)

        self.wait(1)

        self.assertEqual((before, self.client.writes), ([], [PING]))
        self.assertTrue(answer.begun)

    def test_pings_go_on_while_nothing_is_said(self) -> None:
        """After the first ping there is one every 10 seconds."""
        self.answer()

        self.wait(15 + 35)

        self.assertEqual(self.client.writes, [PING] * 4)

    def test_silence_after_a_write_is_filled(self) -> None:
        """When the answer stops for 10 seconds, there is a ping."""
        answer = self.answer()
        self.wait(3)

        answer.write(b"text")
        self.wait(9)
        before = list(self.client.writes)
        self.wait(1)

        self.assertEqual((before, self.client.writes), ([b"text"], [b"text", PING]))

    def test_answer_that_talks_needs_no_pings(self) -> None:
        """Pings count from the last write."""
        answer = self.answer()

        for _ in range(20):
            self.wait(9)
            answer.write(b"text")

        self.assertEqual(self.client.writes, [b"text"] * 20)

    def test_writes_need_one_timer(self) -> None:
        """However many writes there are, there is one timer."""
        answer = self.answer()
        answer.write(b"first")
        timers = self.clock.getDelayedCalls()

        for _ in range(50):
            answer.write(b"next")

        self.assertEqual(self.clock.getDelayedCalls(), timers)
        self.assertEqual(len(timers), 1)

    def test_exact_interval_counts_as_silence(self) -> None:
        """The timer that comes due to the last digit pings, although 16.4 - 6.4 is less than 10 in floating point."""
        answer = self.answer()
        self.clock.advance(6.4)
        answer.write(b"text")

        self.clock.advance(10)
        self.clock.advance(0.001)

        self.assertEqual(self.client.writes, [b"text", PING])

    def test_no_header_delay_means_no_ping_before_the_first_write(self) -> None:
        """With 0 the status waits for the answer, however long that takes."""
        answer = self.answer(header_delay=0)

        self.wait(1000)
        answer.write(b"text")
        self.wait(10)

        self.assertEqual(self.client.writes, [b"text", PING])

    def test_no_ping_interval_means_no_pings_later(self) -> None:
        """With 0 only the headers are hurried."""
        self.answer(ping_interval=0)

        self.wait(1000)

        self.assertEqual(self.client.writes, [PING])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed_answer_pings_no_more(self) -> None:
        """After its end there is no ping and no timer."""
        answer = self.answer()
        answer.write(b"text")

        answer.close()
        self.wait(100)

        self.assertEqual(self.client.writes, [b"text"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answer_closes_before_it_began(self) -> None:
        """A failure that keeps its status leaves no timer."""
        answer = self.answer()

        answer.close()
        answer.close()

        self.assertEqual(self.clock.getDelayedCalls(), [])


class CollectorTests(SynchronousTestCase):
    """A document that waits in memory."""

    def test_is_a_consumer(self) -> None:
        """A relay can register with it."""
        self.assertTrue(verifyObject(IConsumer, Collector()))

    def test_keeps_everything(self) -> None:
        """The document is all bytes in order, and they are counted."""
        collector = Collector()

        collector.write(b"one")
        collector.write(b"three")

        self.assertEqual(collector.value(), b"onethree")
        self.assertEqual(collector.sent, 8)

    def test_never_begins(self) -> None:
        """Nothing of a document goes out before its end, so that a failure always has its status."""
        collector = Collector()

        collector.write(b"text")
        collector.close()

        self.assertFalse(collector.begun)

    def test_never_asks_to_pause(self) -> None:
        """Its producer is left alone."""
        collector, producer = Collector(), UpstreamBody()

        collector.registerProducer(producer, True)
        collector.write(b"x" * 1_000_000)
        collector.unregisterProducer()

        self.assertEqual(producer.state, "producing")
