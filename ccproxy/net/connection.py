"""This module is HTTP/1.1 towards the upstream: one connection, one answer at a time, parsed by llhttp (httptools).

All that one read of the socket brings of a body goes to its protocol in one piece, however the upstream cut it into chunks: that costs a
fraction of what `twisted.web.client` needs, whose parser this one takes the place of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IBodyProducer, IResponse
from typing_extensions import override

from ccproxy.net.certificates import explained
from ccproxy.net.cork import CORK
from ccproxy.net.idle import HEAD_LIMIT, HeadTooLargeError, Idleness, keep_alive_seconds
from ccproxy.net.response import Response, field

if TYPE_CHECKING:
    from twisted.internet.tcp import Client


class Connection(Protocol):
    """A connection to the upstream.

    Args:
        clock: Where the time comes from.
        idle: Called whenever it may serve again.
        lost: Called when it is gone.
    """

    transport: Client

    def __init__(
        self, clock: IReactorTime, idle: Callable[[Connection], None], lost: Callable[[Connection], None]
    ) -> None:
        self._idle = idle
        self._lost = lost
        self._idleness = Idleness(clock)
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._asked: Deferred[IResponse] | None = None
        self._response: Response | None = None
        self._heard = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._size_since_body = 0
        self._phrase = b""
        self._pieces: list[bytes] = []
        self._whole = False
        self._reusable = False
        self._surplus = False
        self._hung_up = False

    def ask(self, head: bytes, body: IBodyProducer | None) -> Deferred[IResponse]:
        """Send one request; the connection has to be idle. Cancelling closes it.

        Args:
            head: The whole head of the request.
            body: What follows it.
        """
        asked: Deferred[IResponse] = Deferred(self._cancelled)
        self._asked, self._heard, self._whole, self._size_since_body = asked, False, False, 0
        self.transport.write(head)
        if body is not None:
            body.startProducing(self.transport)  # it is in memory, and goes out with the head
        CORK.send(self.transport)
        return asked

    def is_stale(self) -> bool:
        """Whether the upstream has closed this idle connection, or is about to."""
        return self._hung_up or self._idleness.is_over(self.transport)

    def hang_up(self) -> None:
        """Close it at once."""
        self._hung_up = True
        self.transport.abortConnection()

    # The transport calls

    @override
    def connectionMade(self) -> None:
        """The connection stands."""
        CORK.watch(self.transport)

    @override
    def dataReceived(self, data: bytes) -> None:
        """The upstream said something; what that makes us say goes out at once."""
        with CORK:
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        self._idleness.heard()
        if self._asked is None and self._response is None:
            self.hang_up()  # nobody asked
            return
        self._heard = True
        if self._size_since_body >= HEAD_LIMIT:
            self._refuse(HeadTooLargeError())
            return
        self._size_since_body += len(data)
        problem: Exception | None = None
        try:
            assert self._parser is not None  # noqa: S101 - until the connection is lost
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            problem, self._reusable = error, False
        self._deliver()
        if problem is not None and not self._whole:
            self._refuse(problem)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._parser = None  # which knows us
        self._lost(self)
        self._fail(explained(reason, self.transport))

    def _cancelled(self, asked: Deferred[IResponse]) -> None:
        self._asked = None
        self.hang_up()
        asked.errback(Failure(ResponseNeverReceived([Failure(CancelledError())])))

    def _refuse(self, problem: Exception) -> None:
        """The answer cannot be read: whoever waits for it need not wait for the end of the connection."""
        self.hang_up()
        self._fail(Failure(problem))

    def _fail(self, reason: Failure) -> None:
        asked, self._asked = self._asked, None
        response, self._response = self._response, None
        if asked is not None:
            kind = ResponseFailed if self._heard else ResponseNeverReceived
            asked.errback(Failure(kind([reason])))
        elif response is not None:
            response.broke(reason)

    def _deliver(self) -> None:
        """Hand on what the parser has found, now that it has seen the whole read."""
        if self._asked is not None and self._response is not None:
            asked, self._asked = self._asked, None
            asked.callback(self._response)
        response = self._response
        if response is None:
            return
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            response.take(data)
        if self._whole:
            self._response = None
            self._finish(response)
        elif not response.is_taken:
            response.pauseProducing()  # until there is somebody to take the body

    def _finish(self, response: Response) -> None:
        if self._reusable and not self._surplus and not self._hung_up:
            if response.is_paused:
                self.transport.resumeProducing()  # to hear of its end
            self._idle(self)
        else:
            self.hang_up()
        response.finish()

    # The parser calls, in the middle of a read

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody asked for makes the connection useless, as what follows it is a riddle."""
        if self._whole:
            self._surplus = True

    def on_status(self, status: bytes) -> None:
        """A part of the phrase after the status."""
        self._phrase += status

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head, or of a trailer."""
        if self._response is None:
            self._fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        fields, self._fields = self._fields, []
        phrase, self._phrase = self._phrase, b""
        assert self._parser is not None  # noqa: S101 - it is calling
        code = self._parser.get_status_code()
        if self._whole or 100 <= code < 200:
            return
        response = Response(self.transport, self.hang_up, code, phrase, fields)
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in response.fields):
            raise ValueError("a coding that nobody asked for")  # httptools makes an error of its own of it
        self._idleness.keep(keep_alive_seconds(field(response, b"keep-alive")))
        self._response = response

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._whole:
            self._size_since_body = 0  # what comes now is no field; trailers are counted anew
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, if it is no 1xx."""
        if self._response is not None and not self._whole:
            assert self._parser is not None  # noqa: S101 - it is calling
            self._whole = True
            self._reusable = self._parser.should_keep_alive()
