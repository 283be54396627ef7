"""This module is a request's body, in bounded memory and never on disk, compressed or not."""

from __future__ import annotations

from io import BytesIO

from attrs import frozen
from typing_extensions import override

from ccproxy import fields
from ccproxy.codings import plain
from ccproxy.fields import Fields
from ccproxy.web.refusing import too_large

_PACKED = 1000  # how much smaller a body may have become


class BoundedBody(BytesIO):
    """A request body in memory; what goes beyond the limit is counted and dropped.

    Args:
        limit: The most bytes that are kept; 0 for any number.
        announced: The body's length, where the client said it.

    Attributes:
        limit: The most bytes that are kept.
        received: How many bytes came.
        too_large: The body is, or was announced to be, beyond the limit, or nobody will read it; nothing of it is kept.
    """

    def __init__(self, limit: int, announced: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.too_large = bool(limit) and announced is not None and announced > limit
        self.received = 0

    @property
    def overflown(self) -> bool:
        """Whether more than the limit has come."""
        return bool(self.limit) and self.received > self.limit

    def refuse(self) -> None:
        """Keep nothing of a body that nobody will read."""
        self.too_large = True

    def forget(self) -> None:
        """Free the memory: the request lives as long as its answer, and what it said is read."""
        self.seek(0)
        self.truncate()

    def take(self) -> bytes:
        """All of it, uncopied (`getvalue` hands out its own memory, `read` a copy), and nothing stays behind."""
        data = self.getvalue()
        self.forget()
        return data

    @override
    def write(self, data: bytes) -> int:  # type: ignore[override] # twisted.web writes bytes only
        """Keep the next bytes, as long as they fit."""
        self.received += len(data)
        if self.overflown and not self.too_large:
            self.too_large = True
            self.forget()
        return len(data) if self.too_large else super().write(data)


@frozen
class Body:
    """The body of a request as it came.

    Attributes:
        data: Its bytes.
        codings: The codings that the client put on it, as ``Content-Encoding`` names them.
        limit: The most bytes that may come out of them; 0 for any number.
    """

    data: bytes
    codings: str
    limit: int

    @property
    def weight(self) -> int:
        """How many bytes there may be to read."""
        return len(self.data) * (_PACKED if self.codings else 1)

    def plain(self) -> bytes:
        """The body without its codings.

        Raises:
            ProxyError: It cannot be decompressed, or is beyond the limit then.
        """
        return plain(self.data, self.codings, self.limit)

    def fields(self) -> Fields:
        """The JSON object that the body is.

        Raises:
            ProxyError: It is none, or cannot be decompressed, or is beyond the limit.
        """
        return fields.body(self.plain())


def body_of(content: BoundedBody, codings: str) -> Body:
    """The whole body of a request.

    Args:
        content: What came.
        codings: The codings on it.

    Raises:
        ProxyError: It is beyond the limit as it came.
    """
    if content.too_large:
        raise too_large()
    return Body(content.take(), codings, content.limit)
