"""This module is one message of a WebSocket as an exchange sees it: what was asked, and a sink whose frames go out as messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

from attrs import field, frozen
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from zope.interface import implementer

from ccproxy.fields import Fields
from ccproxy.framing import sse_data
from ccproxy.web.sink import Asked


class Wire(Protocol):
    """A connection, as `ccproxy.web.websocket.WebSocket` is one.

    Attributes:
        full_since: Since when the client does not read; None while it does.
        heard_at: When the client last sent anything.
    """

    full_since: float | None
    heard_at: float

    @property
    def incoming(self) -> int | None:
        """How many bytes of a message came that is not whole yet; None between messages."""

    def send(self, message: bytes) -> None:
        """Send a text message."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def close(self, code: int, reason: str) -> None:
        """Say farewell, and close."""

    def abort(self) -> None:
        """Drop the connection."""

    def attach(self, producer: IPushProducer) -> None:
        """From now on the client's reading paces a producer."""

    def detach(self) -> None:
        """Nothing more comes from the producer."""


@frozen
class Read:
    """What was asked, which is read already.

    Attributes:
        body: The request.
        weight: How many bytes it was read from.
    """

    body: Fields = field(repr=False)
    weight: int

    def fields(self) -> Fields:
        """The request."""
        return self.body


@implementer(IConsumer)
class Message:
    """The sink of the answer to one message.

    Args:
        wire: The connection.
        headers: What the client said when it connected, by lower-cased names.
        asked: What the message asks.
    """

    startedWriting = False  # noqa: N815 - Twisted's name

    def __init__(self, wire: Wire, headers: Mapping[str, str], asked: Asked) -> None:
        self.plain_headers = headers
        self._wire = wire
        self._asked: Asked | None = asked

    def asked(self) -> Asked:
        """What the message asks."""
        assert self._asked is not None  # noqa: S101 - it is asked for once
        return self._asked

    def forget(self) -> None:
        """Free what the message asked."""
        self._asked = None

    def setHeader(self, name: str, value: str) -> None:
        """Nothing: a message has no head."""

    def json(self, body: bytes) -> bytes:
        """A document, as nothing that is sent here."""
        return body

    def write(self, data: bytes) -> None:
        """Send the frames of a piece of the stream; comments keep nobody waiting here, pings do."""
        for message in sse_data(data):
            self._wire.send(message)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """From now on the client's reading paces the answer."""
        self._wire.attach(cast("IPushProducer", producer))

    def unregisterProducer(self) -> None:
        """Nothing more comes."""
        self._wire.detach()

    def finish(self) -> None:
        """Nothing: the last event says that it is the last."""

    def abort(self) -> None:
        """Drop the client, who does not read."""
        self._wire.abort()
