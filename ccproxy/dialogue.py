"""This module is the seam of a dialect that is spoken over WebSockets too: messages both ways, on a connection that outlives an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from ccproxy.errors import ProxyError
from ccproxy.fields import Fields


@frozen
class Call:
    """A message that asks for an answer.

    Attributes:
        body: The same as the body of a request that is answered with a stream.
        silent: The answer is to have no content: the client wants to name it in a later message.
    """

    body: Fields = field(repr=False)
    silent: bool = False


class Dialogue(Protocol):
    """What a dialect's messages mean; those that answer are the data of the frames that its encoders write.

    Attributes:
        paths: Where connections are upgraded.
    """

    paths: Sequence[str]

    def call(self, message: bytes) -> Call | None:
        """What a client's message asks for; None when it asks for nothing.

        Raises:
            ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`: it is no message of the dialect.
        """

    def refusal(self, error: ProxyError) -> bytes:
        """The message that says that something failed of which nothing was sent yet."""

    def expiry(self, seconds: float) -> bytes:
        """The last message on a connection that was open for as long as one may be."""
