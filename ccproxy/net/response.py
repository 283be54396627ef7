"""This module is an answer of the upstream whose head is here, and whose body goes to a protocol as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IClientRequest, IResponse
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.tcp import Client

_DONE = Failure(ResponseDone())


@implementer(IResponse, IPushProducer)
class Response:
    """An answer whose head is here; towards its body's protocol it is the transport.

    Attributes:
        version: Always HTTP/1.1; nobody asks.
        code: The status.
        phrase: The words after the status.
        fields: The fields of the head by lower-cased names, in order.
        length: How long the body says that it is; `UNKNOWN_LENGTH` where it does not.
        request: Nothing: whoever asked knows.
        previousResponse: Nothing: nobody follows redirects.
        is_paused: Its bytes are not wanted just now.
    """

    version = (b"HTTP", 1, 1)
    request: IClientRequest | None = None

    def __init__(
        self,
        transport: Client,
        hang_up: Callable[[], None],
        code: int,
        phrase: bytes,
        fields: Sequence[tuple[bytes, bytes]],
    ) -> None:
        self.code = code
        self.phrase = phrase
        self.fields = [(name.lower(), value) for name, value in fields]
        self.length: int | str = UNKNOWN_LENGTH
        self.previousResponse: IResponse | None = None
        self._transport = transport
        self._hang_up = hang_up
        self._until_close = True
        self._protocol: IProtocol | None = None
        self._held: list[bytes] = []
        self._end: Failure | None = None
        self.is_paused = False
        self._stopped = False
        for name, value in self.fields:
            if name == b"content-length":
                self.length = int(value)
                self._until_close = False
            elif name == b"transfer-encoding":
                self._until_close = False
        if code in (204, 304):
            self._until_close = False

    @cached_property
    def headers(self) -> Headers:
        """The fields of the head, as twisted.web has them."""
        headers = Headers()
        for name, value in self.fields:
            headers.addRawHeader(name, value)
        return headers

    @property
    def is_taken(self) -> bool:
        """Whether there is somebody to take the body."""
        return self._protocol is not None

    # Who asked calls

    def deliverBody(self, protocol: IProtocol) -> None:
        """Hand the body to a protocol, from now on."""
        if self._protocol is not None:
            raise RuntimeError("a body can be delivered once")
        waited, self.is_paused = self.is_paused, False
        self._protocol = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type] # a body protocol's transport is a producer only
        held, self._held = self._held, []
        for data in held:
            protocol.dataReceived(data)
        if self._end is not None:
            protocol.connectionLost(self._end)
        elif waited and not self.is_paused and not self._stopped:
            self._transport.resumeProducing()

    def setPreviousResponse(self, response: IResponse) -> None:
        """Nobody follows redirects, but the interface has it."""
        self.previousResponse = response

    # The body's protocol calls

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self.is_paused = True
        if self._end is None:
            self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        self.is_paused = False
        if self._end is None:
            self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Close the connection at once."""
        self._stopped = True
        if self._end is None:
            self._hang_up()

    # The connection calls

    def take(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._protocol is None:
            self._held.append(data)
        else:
            self._protocol.dataReceived(data)

    def finish(self) -> None:
        """The body is whole."""
        self._ended(_DONE)

    def broke(self, reason: Failure) -> None:
        """The connection is gone before the body was whole, as far as it can be known."""
        vague = self._until_close and reason.check(ConnectionDone)
        self._ended(Failure(PotentialDataLoss()) if vague else Failure(ResponseFailed([reason])))

    def _ended(self, end: Failure) -> None:
        self._end = end
        if self._protocol is not None:
            self._protocol.connectionLost(end)


def field(response: IResponse, name: bytes) -> bytes:
    """What an answer's head says in a field, several values joined by commas; nothing where it has no such field.

    Args:
        response: The answer.
        name: The field's lower-cased name.
    """
    if isinstance(response, Response):
        return b", ".join(value for known, value in response.fields if known == name)
    return b", ".join(response.headers.getRawHeaders(name, ()))
