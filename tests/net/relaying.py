"""This module is a relay between an upstream and a client that are both in memory, with a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from zope.interface import implementer

from ccproxy.codecs import Decoder, Encoder, Stage
from ccproxy.dialects.openai_chat.response import ChatStream
from ccproxy.events import Failed, Finished
from ccproxy.net.deadline import IdleTimeout, Limits
from ccproxy.net.relay import Relay
from ccproxy.translator import Translator
from ccproxy.upstreams.commandcode.records import Records
from tests.dialects.turns import TURN

QUIET = b'{"type":"start"}\n{"type":"start-step","request":{"body":{}},"warnings":[]}\n'
THOUGHT = b'{"type":"reasoning-delta","id":"rsn-0","text":"Hm."}\n'
TEXT_START = b'{"type":"text-start","id":"txt-0"}\n'
HELLO = b'{"type":"text-delta","id":"txt-0","text":"Hello"}\n'
WORLD = b'{"type":"text-delta","id":"txt-0","text":" world"}\n'
TEXT_END = b'{"type":"text-end","id":"txt-0"}\n'
STEP_FINISH = b'{"type":"finish-step","finishReason":"stop","usage":{"inputTokens":3,"outputTokens":2}}\n'
FINISH = b'{"type":"finish","finishReason":"stop","totalUsage":{"inputTokens":3,"outputTokens":2}}\n'
ERROR = b'{"type":"error","error":{"message":"The model is out of breath"}}\n'

LIMITS = Limits(text_silence=30, silence=900, stall=300, drain=1)
ENDED = Failure(ResponseDone())


@implementer(IPushProducer)
class UpstreamBody:
    """What a body protocol is given as its transport.

    Attributes:
        state: ``producing``, ``paused`` or ``stopped``.
        stops: How often it was stopped while there was something to stop.
        ended: The response is over, so that nothing that is asked of it has an effect.
    """

    def __init__(self) -> None:
        self.state = "producing"
        self.stops = 0
        self.ended = False

    def pauseProducing(self) -> None:
        """Be read no more for now."""
        self._become("paused")

    def resumeProducing(self) -> None:
        """Be read again."""
        self._become("producing")

    def stopProducing(self) -> None:
        """Be closed."""
        if not self.ended:
            self.stops += 1
        self._become("stopped")

    def _become(self, state: str) -> None:
        if not self.ended and self.state != "stopped":
            self.state = state


@implementer(IConsumer)
class Client:
    """A client's response, which complains when it is used after its end, as the real one does.

    Attributes:
        writes: What was written, one item for each time.
        producer: What is registered now.
        finished: The response is over.
        slow: It asks for a pause during the next write.
    """

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.producer: IPushProducer | None = None
        self.finished = False
        self.slow = False

    def value(self) -> bytes:
        """Everything that was written."""
        return b"".join(self.writes)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Take a producer that can be paused."""
        if self.producer is not None or not streaming or not IPushProducer.providedBy(producer):
            raise RuntimeError("not a push producer, or a second one")
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        if self.producer is None:
            raise RuntimeError("no producer is registered")
        self.producer = None

    def write(self, data: bytes) -> None:
        """Take bytes."""
        if self.finished:
            raise RuntimeError("write after the end")
        self.writes.append(data)
        if self.slow and self.producer is not None:
            self.slow = False
            self.producer.pauseProducing()

    def finish(self) -> None:
        """The exchange ends the response."""
        if self.producer is not None:
            raise RuntimeError("a producer is still registered")
        self.finished = True

    def leave(self) -> None:
        """The socket closed: a response forgets its producer before it stops it."""
        self.finished = True
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()


class Scene:
    """One answer on its way.

    Attributes:
        outcomes: Whatever `Relay.done` fired with: one item at most.
    """

    def __init__(
        self,
        *,
        limits: Limits = LIMITS,
        decoder: Decoder | None = None,
        stages: Sequence[Stage] = (),
        encoder: Encoder | None = None,
        consumer: IConsumer | None = None,
    ) -> None:
        self.clock = Clock()
        self.upstream = UpstreamBody()
        self.client = Client()
        self.translator = Translator(decoder or Records(0), stages, encoder or ChatStream(TURN))
        self.relay = Relay(self.translator, consumer or self.client, self.clock, limits)
        self.outcomes: list[Finished | Failed | Exception] = []
        self.relay.done.addCallbacks(self._settled, self._failed)
        self._idle = IdleTimeout(self.relay, self.clock, self.relay.silence_limit, self.relay.silent)

    def connect(self) -> None:
        """The upstream's 200 is here, and its body begins."""
        self._idle.makeConnection(self.upstream)

    def say(self, *records: bytes) -> None:
        """The upstream says something, in one read."""
        self._idle.dataReceived(b"".join(records))

    def lose(self, reason: Failure = ENDED) -> None:
        """The upstream's body ends."""
        self.upstream.ended = True
        self._idle.connectionLost(reason)

    def timers(self) -> int:
        """How many timers are running."""
        return len(self.clock.getDelayedCalls())

    def _settled(self, outcome: Finished | Failed) -> None:
        self.client.finish()
        self.outcomes.append(outcome)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        assert isinstance(error, Exception)
        if not isinstance(error, CancelledError):
            self.client.finish()
        self.outcomes.append(error)


def opening() -> Scene:
    """A 200 came, and nothing that a client could see."""
    scene = Scene()
    scene.connect()
    scene.say(QUIET)
    return scene


def streaming() -> Scene:
    """The client has seen text."""
    scene = opening()
    scene.say(HELLO)
    return scene


def held() -> Scene:
    """The client has seen text, and does not keep up."""
    scene = streaming()
    scene.relay.pauseProducing()
    return scene


def draining() -> Scene:
    """The turn finished, and the upstream's response did not end yet."""
    scene = streaming()
    scene.say(FINISH)
    return scene


def closed() -> Scene:
    """The client left."""
    scene = streaming()
    scene.client.leave()
    return scene
