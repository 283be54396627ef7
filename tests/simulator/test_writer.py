"""Tests of how a scenario reaches a client that reads at its own pace."""

from collections.abc import Iterable, Iterator

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ccproxy.simulator.scenarios import FOR_EVER, Cut, Pause, Step
from ccproxy.simulator.writer import Writer


class WriterTests(SynchronousTestCase):
    """A writer between some steps and a transport."""

    def setUp(self) -> None:
        """A transport, a clock, and notes of what the writer reports."""
        self.clock = Clock()
        self.client = StringTransport()
        self.resets = 0
        self.ended: list[bool] = []

    def writer(self, steps: Iterable[Step]) -> Writer:
        """A writer of these steps."""
        return Writer(steps, self.client, self.clock, reset=self.reset, ended=self.ended.append)

    def reset(self) -> None:
        """Note that the connection was torn down."""
        self.resets += 1

    def test_interface(self) -> None:
        """A writer is a push producer."""
        writer = self.writer([])

        self.assertTrue(verifyObject(IPushProducer, writer))

    def test_to_the_end(self) -> None:
        """All steps are written, and then the transport is free for another producer."""
        writer = self.writer([b"one ", b"two"])

        writer.start()

        self.assertEqual(self.client.value(), b"one two")
        self.assertIsNone(self.client.producer)
        self.assertEqual(self.ended, [False])
        self.assertIsNone(self.successResultOf(writer.finished))

    def test_pause(self) -> None:
        """A pause lasts as long as it says."""
        writer = self.writer([b"one ", Pause(2), b"two"])

        writer.start()
        self.clock.advance(1.9)
        before = self.client.value()
        self.clock.advance(0.2)

        self.assertEqual((before, self.client.value()), (b"one ", b"one two"))

    def test_for_ever(self) -> None:
        """A service that has gone to sleep needs no timer for it."""
        writer = self.writer([b"one", FOR_EVER, b"two"])

        writer.start()

        self.assertEqual(self.client.value(), b"one")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertNoResult(writer.finished)

    def test_full_buffer(self) -> None:
        """Nothing is produced while the client does not read."""
        taken: list[int] = []

        def steps() -> Iterator[Step]:
            for number in range(1000):
                taken.append(number)
                if number == 4:
                    writer.pauseProducing()
                yield b"."

        writer = self.writer(steps())

        writer.start()

        self.assertEqual(taken, [0, 1, 2, 3, 4])

    def test_empty_buffer(self) -> None:
        """When the client reads again, the rest follows."""
        writer = self.writer([b"one ", Pause(1), b"two"])
        writer.start()
        writer.pauseProducing()
        self.clock.advance(1)
        held = self.client.value()

        writer.resumeProducing()

        self.assertEqual((held, self.client.value()), (b"one ", b"one two"))

    def test_resume_does_not_wake(self) -> None:
        """A client that reads fast does not shorten a pause."""
        writer = self.writer([b"one ", Pause(1), b"two"])
        writer.start()

        writer.pauseProducing()
        writer.resumeProducing()

        self.assertEqual(self.client.value(), b"one ")

    def test_cut(self) -> None:
        """A cut tears the connection down and is not the client's doing."""
        writer = self.writer([b"one", Cut(), b"two"])

        writer.start()

        self.assertEqual((self.client.value(), self.resets, self.ended), (b"one", 1, [False]))
        self.assertNoResult(writer.finished)

    def test_client_left(self) -> None:
        """A client that leaves ends the production and its timer."""
        writer = self.writer([b"one", Pause(1), b"two"])
        writer.start()

        writer.stopProducing()

        self.clock.advance(2)
        self.assertEqual((self.client.value(), self.ended), (b"one", [True]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_client_left_twice(self) -> None:
        """That the client left is counted once, whoever says it."""
        writer = self.writer([b"one", FOR_EVER])
        writer.start()

        writer.stopProducing()
        writer.finished.cancel()

        self.failureResultOf(writer.finished, CancelledError)
        self.assertEqual(self.ended, [True])
