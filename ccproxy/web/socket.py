"""This module is a conversation over one WebSocket: its messages in order, one answer at a time, and its end.

What a message asks for is served by an exchange, as a request is. A message that fails is answered with an error, and the conversation
goes on; it ends after an hour, when its client is not heard any more, and when the daemon goes down, each time after the answer that is
under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ccproxy.codecs import Dialect, Encoder
from ccproxy.dialogue import Call, Dialogue
from ccproxy.errors import Kind, ProxyError
from ccproxy.web.exchange import Exchange
from ccproxy.web.house import House
from ccproxy.web.latest import Latest
from ccproxy.web.message import Message, Read, Wire
from ccproxy.web.recalling import Recalled
from ccproxy.web.refusing import too_large
from ccproxy.web.silence import silence
from ccproxy.web.sink import Asked

_LIFE_SECONDS = 3600.0
_MOST_WAITING = 8  # messages
_LEAST_PROGRESS = 1024  # bytes that a message must bring in each `clientBodyTimeout`, as a body must
_DONE, _GOING_AWAY, _TOO_MUCH = 1000, 1001, 1008  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1


@frozen
class _End:
    """How a conversation ends: the code and the words of the closing, and what is said before."""

    code: int
    reason: str
    message: bytes | None = None


class Socket:
    """A client's conversation.

    Args:
        house: What exchanges need.
        dialect: The language of the path.
        dialogue: What its messages mean.
        headers: What the client said when it connected, by lower-cased names: its key holds for all that follows.
    """

    _log = Logger()

    def __init__(self, house: House, dialect: Dialect, dialogue: Dialogue, headers: Mapping[str, str]) -> None:
        self._house = house
        self._dialect = dialect
        self._dialogue = dialogue
        self._headers = headers
        self._wire: Wire | None = None
        self._latest = Latest(dialect.memory, house.config.max_body_bytes)
        self._waiting: deque[bytes | ProxyError] = deque()
        self._serving: Deferred[None] | None = None
        self._busy = False
        self._end: _End | None = None
        self._timer: IDelayedCall | None = None
        self._began_at = house.clock.seconds()
        self._progress: tuple[float, int] | None = None

    def open(self, wire: Wire) -> None:
        """The connection is there."""
        self._wire = wire
        self._wind()

    # The connection calls

    def received(self, message: bytes) -> None:
        """A message is whole; it has its turn when those before it are answered."""
        self._queue(message)

    def unreadable(self) -> None:
        """A message is no text."""
        self._queue(ProxyError(Kind.INVALID_REQUEST, "A message has to be text."))

    def too_large(self) -> None:
        """A message is larger than it may be; the connection closes for that."""
        self._refuse(too_large())

    def left(self) -> None:
        """The client is gone: nobody pays for tokens that nobody reads."""
        self._wire = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._serving is not None:
            self._serving.cancel()

    def drain(self) -> None:
        """The daemon goes down: close now, or after the answer that is under way."""
        self._finish(_End(_GOING_AWAY, "the proxy is shutting down"))

    # One message after the other

    def _queue(self, message: bytes | ProxyError) -> None:
        if self._wire is None or self._end is not None:
            return
        limit = self._house.config.max_body_bytes
        sizes = [len(waiting) for waiting in (*self._waiting, message) if isinstance(waiting, bytes)]
        if len(self._waiting) >= _MOST_WAITING or (limit and sum(sizes) > limit):
            self._finish(_End(_TOO_MUCH, "too many messages wait"))
            return
        self._waiting.append(message)
        if not self._busy:
            self._busy = True
            self._serving = Deferred.fromCoroutine(self._serve())
            self._serving.addErrback(self._cancelled)

    def _cancelled(self, failure: Failure) -> None:
        """The client left; what else goes wrong, goes wrong with one message."""
        failure.trap(CancelledError)

    async def _serve(self) -> None:
        try:
            while self._waiting and self._end is None:
                await self._answer(self._waiting.popleft())
        finally:
            self._busy = False
        if self._end is not None:
            self._close(self._end)

    async def _answer(self, message: bytes | ProxyError) -> None:
        names: Sequence[str] = ()
        try:
            if isinstance(message, ProxyError):
                raise message
            call, names = await self._house.offload(partial(self._read, message), len(message))
            if call is not None:
                asked = await self._recalled(call, names, len(message))
                # The coroutine lets go of what was asked when it has read it; this frame, which lives as long, must not hold it either.
                served = self._served(asked, silent=call.silent)
                del call, message, asked
                self._latest.replace(await served, names)
        except CancelledError:
            raise
        except ProxyError as error:
            self._latest.forget(names)
            self._refuse(error)
        except Exception:
            self._log.failure("A bug in the serving of a message")
            self._latest.forget(names)
            self._refuse(ProxyError(Kind.INTERNAL, "The proxy failed; its log says more."))

    def _read(self, message: bytes) -> tuple[Call | None, Sequence[str]]:
        """What a message asks for, and what that refers to; changes nothing, so that it may run in any thread."""
        call = self._dialogue.call(message)
        return call, () if call is None else self._latest.wanted(call.body)

    async def _served(self, asked: Asked, *, silent: bool) -> Encoder:
        """Answer a message; gives what wrote the answer. Raises `CancelledError` when the client has left."""
        if self._wire is None:
            raise CancelledError
        sink = Message(self._wire, self._headers, asked)
        del asked
        if silent:
            return await silence(self._house, self._dialect, sink)
        exchange = Exchange(self._house, self._dialect, sink)
        self._house.live.add(exchange)
        try:
            await exchange.start()
        finally:
            self._house.live.discard(exchange)
        assert exchange.encoder is not None  # noqa: S101 - it was answered
        return exchange.encoder

    async def _recalled(self, call: Call, names: Sequence[str], weight: int) -> Asked:
        """What a message asks, with what it refers to in its place if that is remembered here."""
        known, memory = self._latest.known(names), self._dialect.memory
        if not known or memory is None:
            return Read(call.body, weight)
        key = self._house.upstream.credential(self._headers)
        elsewhere = [name for name in names if name not in known]
        found = {**known, **(await self._house.keeping.find(key, elsewhere) if elsewhere else {})}
        return Recalled(weight + sum(map(len, found.values())), partial(memory.completed, call.body, found))

    def _refuse(self, error: ProxyError) -> None:
        if self._wire is not None:
            self._wire.send(self._dialogue.refusal(error))

    # The end

    def _finish(self, end: _End) -> None:
        """Take no more messages, and close when nothing is under way."""
        if self._end is not None:
            return
        self._end = end
        if not self._busy:
            self._close(end)

    def _close(self, end: _End) -> None:
        if self._wire is None:
            return
        if end.message is not None:
            self._wire.send(end.message)
        self._wire.close(end.code, end.reason)

    def _wind(self) -> None:
        """Look after the connection in a while."""
        config, clock = self._house.config, self._house.clock
        left = self._began_at + _LIFE_SECONDS - clock.seconds()
        often = (
            config.ping_interval,
            config.client_idle_timeout,
            config.client_body_timeout,
            config.client_stall_timeout,
        )
        self._timer = clock.callLater(
            min(seconds for seconds in (*often, left, _LIFE_SECONDS) if seconds > 0), self._look
        )

    def _look(self) -> None:
        self._timer = None
        if self._wire is None:
            return
        config, now = self._house.config, self._house.clock.seconds()
        stall, idle = config.client_stall_timeout, config.client_idle_timeout
        if stall and self._wire.full_since is not None and now - self._wire.full_since > stall:
            self._wire.abort()
            return
        reads = self._wire.full_since is None  # else nothing is read of it, pongs and messages neither
        if self._is_late(self._wire.incoming if reads else None, now):
            self._refuse(ProxyError(Kind.CLIENT_TIMEOUT, "The message did not come in time."))
            self._wire.close(_TOO_MUCH, "too slow")
        elif idle and reads and not self._busy and now - self._wire.heard_at > idle + config.ping_interval:
            self._finish(_End(_GOING_AWAY, "nothing was heard for long"))
        elif now >= self._began_at + _LIFE_SECONDS:
            self._finish(_End(_DONE, "open for long", self._dialogue.expiry(_LIFE_SECONDS)))
        if self._wire is None:
            return
        if config.ping_interval:
            self._wire.ping()
        self._wind()

    def _is_late(self, incoming: int | None, now: float) -> bool:
        """Whether a message that began has not brought what it must."""
        limit = self._house.config.client_body_timeout
        if incoming is None or not limit:
            self._progress = None
            return False
        since, before = self._progress or (now, incoming)
        if self._progress is None or incoming - before >= _LEAST_PROGRESS:
            self._progress = now, incoming
            return False
        return now - since >= limit
