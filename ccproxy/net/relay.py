"""This module is the pump of one answer: body protocol towards the upstream, push producer towards the client.

States, from the first byte of a 200 to the last, and what mostly happens in them; `_TRANSITIONS` is the whole, and ignores the rest:

==========  ============  ============  ==============  ============  ====================  ===========  =========
state       client left   first output  finished        cut           failed, lost, silent  hold         release
==========  ============  ============  ==============  ============  ====================  ===========  =========
OPENING     stop, CLOSED  STREAMING     end, DRAINING   stop, CLOSED  stop, raise, CLOSED
STREAMING   stop, CLOSED                end, DRAINING   stop, CLOSED  stop, frame, CLOSED   pause, HELD
HELD        stop, CLOSED                end, DRAINING   stop, CLOSED  stop, frame, CLOSED                STREAMING
DRAINING                                                              stop, CLOSED
==========  ============  ============  ==============  ============  ====================  ===========  =========

A stop sequence cuts a turn: the user does not pay for what the upstream would still say. DRAINING lets the upstream finish its response
for a moment, so that its connection can serve again. HELD is bounded too: a client that does not read for too long is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from typing_extensions import override
from zope.interface import implementer

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished, FinishReason
from ccproxy.net.deadline import ClientStalledError, Limits
from ccproxy.translator import Translator

_State: TypeAlias = Literal["opening", "streaming", "held", "draining", "closed"]
_What: TypeAlias = Literal[
    "client_left", "first_output", "finished", "cut", "failed", "hold", "release", "stalled", "upstream_ended"
]


@implementer(IProtocol, IPushProducer)
class Relay(Protocol):
    """Moves one answer from the upstream to the client, through a translator.

    Args:
        translator: Upstream bytes to client bytes.
        consumer: Where the client bytes go; the relay registers itself with it.
        clock: Where the time comes from.
        limits: How long each side may keep the other waiting.
        spoke: Called when the first output went to the client.

    Attributes:
        done: Fires once, with how the turn ended after something was sent. Fails with `ProxyError` when it ended badly before anything
            was sent, and with `ClientStalledError`. Cancelling it means that the client left; it never fires by itself for that.
        decided_at: When the upstream first said something decisive, by the clock; None before.
    """

    _log = Logger()

    def __init__(
        self,
        translator: Translator,
        consumer: IConsumer,
        clock: IReactorTime,
        limits: Limits,
        spoke: Callable[[], None] = lambda: None,
    ) -> None:
        self.done: Deferred[Finished | Failed] = Deferred(lambda _: self._happened("client_left"))
        self.decided_at: float | None = None
        self._translator = translator
        self._consumer = consumer
        self._clock = clock
        self._limits = limits
        self._state: _State = "opening"
        self._open = True
        self._on_speech = spoke
        self._spoke = False
        self._client_full = False
        self._timer: IDelayedCall | None = None

    # The upstream calls

    @override
    def connectionMade(self) -> None:
        """The upstream's body begins."""
        if self._open:
            self._consumer.registerProducer(self, True)
        else:
            self._stop_upstream()

    @override
    def dataReceived(self, data: bytes) -> None:
        """Translate one read, and write what it makes in one piece."""
        if self._open:
            self._translate(lambda: self._translator.feed(data))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The upstream's body ended; only the turn itself can say whether it is complete."""
        clean = isinstance(reason.value, (ResponseDone, PotentialDataLoss))
        if self._open:
            self._translate(self._translator.end, broken=not clean)
        self._happened("upstream_ended")
        self.transport = None  # which holds this protocol, as a ring that only the garbage collector would free

    def silent(self, seconds: float) -> None:
        """The upstream said nothing for too long."""
        where = "inside its text" if self._translator.text_open else "before its answer was finished"
        self._happened("failed", ProxyError(Kind.TIMEOUT, f"The upstream fell silent for {seconds:g} seconds {where}."))

    def silence_limit(self) -> float:
        """How many seconds the upstream may be silent just now."""
        if not self._open:
            return 0
        return self._limits.text_silence if self._translator.text_open else self._limits.silence

    # The client calls

    def pauseProducing(self) -> None:
        """The client does not keep up."""
        self._client_full = True
        self._happened("hold")

    def resumeProducing(self) -> None:
        """The client has read what it was sent."""
        self._client_full = False
        self._happened("release")

    def stopProducing(self) -> None:
        """The client left; nobody pays for tokens that nobody reads."""
        self._happened("client_left")

    def abandon(self, error: ProxyError) -> None:
        """The daemon itself gives up on this answer."""
        self._happened("failed", error)

    # The pump

    def _translate(self, step: Callable[[], bytes], *, broken: bool = False) -> None:
        try:
            output = step()
        except Exception:  # trap P7: what is raised here would end as a success
            self._log.failure("A bug in the translation of an answer")
            self._happened("failed", ProxyError(Kind.INTERNAL, "The proxy failed while it translated the answer."))
            return
        if self.decided_at is None and self._translator.decisive:
            self.decided_at = self._clock.seconds()
        outcome = self._translator.outcome
        if broken and not (isinstance(outcome, Failed) and outcome.error.kind is not Kind.UPSTREAM):
            message = "The connection to the upstream broke before its answer was finished."
            self._happened("failed", ProxyError(Kind.UPSTREAM, message))
            return
        if output:
            self._send(output)
        if isinstance(outcome, Finished):
            self._happened("cut" if outcome.reason is FinishReason.STOP_SEQUENCE else "finished", outcome)
        elif isinstance(outcome, Failed):
            self._happened("failed", outcome.error)

    def _send(self, output: bytes) -> None:
        if not self._spoke:
            self._spoke = True
            self._happened("first_output")
            if self._client_full:  # since the pings; a TLS connection says so only once
                self._happened("hold")
            self._consumer.write(output)
            self._on_speech()
        else:
            self._consumer.write(output)

    # What the transitions do

    def _happened(self, what: _What, *arguments: object) -> None:
        """Go from one state to the next; what stands in no row of the table is ignored."""
        self._state, effect = _TRANSITIONS.get((self._state, what), (self._state, None))
        if effect is not None:
            effect(self, *arguments)

    def _drain(self, outcome: Finished) -> None:
        self._release_client()
        self._producer.resumeProducing()  # trap P11: a paused upstream would keep its connection for ever
        self._set_timer(self._limits.drain, self._stop_upstream)
        self.done.callback(outcome)

    def _cut(self, outcome: Finished) -> None:
        self._hang_up()
        self.done.callback(outcome)

    def _raise(self, error: ProxyError) -> None:
        self._hang_up()
        self.done.errback(error)

    def _frame(self, error: ProxyError) -> None:
        self._hang_up()
        try:
            self._consumer.write(self._translator.fail(error))
        except Exception:  # what broke the translation may break this frame too; the answer is then cut short, visibly
            self._log.failure("A bug in the framing of a failure")
        self.done.callback(self._translator.outcome or Failed(error))

    def _pause(self) -> None:
        self._producer.pauseProducing()
        self._set_timer(self._limits.stall, lambda: self._happened("stalled"))

    def _resume(self) -> None:
        self._cancel_timer()
        self._producer.resumeProducing()

    def _give_up(self) -> None:
        self._hang_up()
        self.done.errback(ClientStalledError())

    def _forget_client(self) -> None:
        self._open = False  # and no farewell: the consumer is gone, and has forgotten its producer
        self._stop_upstream()

    def _hang_up(self) -> None:
        self._release_client()
        self._stop_upstream()

    def _release_client(self) -> None:
        self._open = False
        self._cancel_timer()
        if self.transport is not None:
            self._consumer.unregisterProducer()

    def _stop_upstream(self, _why: ProxyError | None = None) -> None:
        self._cancel_timer()
        if self.transport is not None:
            self._producer.stopProducing()  # trap P3: the one way that closes at once, also paused and over TLS

    @property
    def _producer(self) -> IPushProducer:
        producer: IPushProducer = self.transport  # type: ignore[assignment] # body protocols are given a producer
        return producer

    def _set_timer(self, seconds: float, due: Callable[[], None]) -> None:
        self._cancel_timer()
        if seconds:
            self._timer = self._clock.callLater(seconds, due)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


_TRANSITIONS: Mapping[tuple[_State, _What], tuple[_State, Callable[..., None] | None]] = {
    ("opening", "client_left"): ("closed", Relay._forget_client),
    ("opening", "first_output"): ("streaming", None),
    ("opening", "finished"): ("draining", Relay._drain),
    ("opening", "cut"): ("closed", Relay._cut),
    ("opening", "failed"): ("closed", Relay._raise),
    ("streaming", "client_left"): ("closed", Relay._forget_client),
    ("streaming", "finished"): ("draining", Relay._drain),
    ("streaming", "cut"): ("closed", Relay._cut),
    ("streaming", "failed"): ("closed", Relay._frame),
    ("streaming", "hold"): ("held", Relay._pause),
    ("held", "client_left"): ("closed", Relay._forget_client),
    ("held", "finished"): ("draining", Relay._drain),
    ("held", "cut"): ("closed", Relay._cut),
    ("held", "failed"): ("closed", Relay._frame),
    ("held", "release"): ("streaming", Relay._resume),
    ("held", "stalled"): ("closed", Relay._give_up),
    ("draining", "failed"): ("closed", Relay._stop_upstream),
    ("draining", "upstream_ended"): ("closed", Relay._cancel_timer),
}
