"""This module is how a scenario reaches a client that reads at its own pace."""

from collections.abc import Callable, Iterable
from math import isinf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from ccproxy.simulator.scenarios import Cut, Pause, Step


@implementer(IPushProducer)
class Writer:
    """Plays the steps of a scenario to a consumer, and stops where the client stops.

    Nothing is produced ahead: a step is taken only when the one before it went out and the consumer wants more.

    Attributes:
        finished: Fires when the scenario came to its end, and only then. Cancelling it says that the client left.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        consumer: IConsumer,
        clock: IReactorTime,
        *,
        reset: Callable[[], None],
        ended: Callable[[bool], None],
    ) -> None:
        """Prepare to write ``steps``.

        Args:
            steps: What to do, one after the other.
            consumer: Where the bytes go.
            clock: Measures the pauses.
            reset: Tears the connection down, for a ``Cut``.
            ended: Called once, when nothing more will be written; True means that the client left before the end.
        """
        self.finished: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._steps = iter(steps)
        self._consumer = consumer
        self._clock = clock
        self._reset = reset
        self._ended = ended
        self._paused = False
        self._asleep = False
        self._done = False
        self._alarm: IDelayedCall | None = None

    def start(self) -> None:
        """Send the headers, then whatever the consumer takes."""
        self._consumer.registerProducer(self, True)
        # An empty write sends the headers, also of a scenario that says nothing.
        self._consumer.write(b"")
        self._run()

    def pauseProducing(self) -> None:
        """The send buffer is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The send buffer is empty again."""
        self._paused = False
        self._run()

    def stopProducing(self) -> None:
        """The client left; the transport and the resource may both say so."""
        if not self._done:
            self._end(closed_early=True)

    def _run(self) -> None:
        while not (self._paused or self._asleep or self._done):
            match next(self._steps, None):
                case None:
                    self._end()
                    self.finished.callback(None)
                case Pause(seconds):
                    self._sleep(seconds)
                case Cut():
                    self._end()
                    self._reset()
                case data:
                    self._consumer.write(data)

    def _sleep(self, seconds: float) -> None:
        self._asleep = True
        if not isinf(seconds):
            self._alarm = self._clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._asleep = False
        self._run()

    def _end(self, *, closed_early: bool = False) -> None:
        self._done = True
        self._steps = iter(())
        if self._alarm is not None:
            self._alarm.cancel()
        if not closed_early:
            self._consumer.unregisterProducer()
        self._ended(closed_early)
