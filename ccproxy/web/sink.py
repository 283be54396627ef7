"""This module is what an exchange needs of whoever asked: what was said, and where the answer goes.

An HTTP request is one (`ccproxy.web.request.ProxyRequest`), and its words are those of twisted.web; an exchange does not mind what else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from twisted.internet.interfaces import IConsumer, IProducer
from zope.interface import implementer

from ccproxy.fields import Fields


class Asked(Protocol):
    """What was asked, not read yet: reading may take long, and is done where that does no harm."""

    @property
    def weight(self) -> int:
        """How many bytes there may be to read."""

    def fields(self) -> Fields:
        """The JSON object that was asked.

        Raises:
            ProxyError: It is none, or is beyond a limit.
        """


@implementer(IConsumer)
class Sink(Protocol):
    """One request from an exchange's side: the head and the body that came, and the answer that goes."""

    @property
    def startedWriting(self) -> int | bool:  # noqa: N802 - Twisted's name
        """Whether the head of the answer is out, so that nothing can be put into it any more."""

    @property
    def plain_headers(self) -> Mapping[str, str]:
        """What the client said in the head, by lower-cased names; nothing any more after `forget`."""

    def asked(self) -> Asked:
        """What the client asked in the body; handed out once.

        Raises:
            ProxyError: It is beyond the limit as it came.
        """

    def forget(self) -> None:
        """Free what the client said."""

    def setHeader(self, name: str, value: str) -> None:
        """Put a field into the head of the answer, where there is one."""

    def json(self, body: bytes) -> bytes:
        """The body of an answer that is a JSON document, once the head says so."""

    def write(self, data: bytes) -> None:
        """Send the next piece of a streamed answer: whole frames, as an encoder writes them."""

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """From now on the client's connection says when to pause."""

    def unregisterProducer(self) -> None:
        """Nothing more will come from the producer."""

    def finish(self) -> None:
        """The streamed answer is whole."""

    def abort(self) -> None:
        """Drop the client, who does not read."""


def begin_stream(sink: Sink, content_type: str) -> None:
    """Say in the head of an answer that it is a stream, which nobody on the way may hold back."""
    sink.setHeader("content-type", content_type)
    sink.setHeader("cache-control", "no-cache, no-transform")
    sink.setHeader("x-accel-buffering", "no")
