"""This module is the head of a client's request, read by llhttp (httptools), as the heads of the upstream's answers are.

twisted.web reads it line by line, which for the twenty fields of a common client is a fifth of all that a short request costs. llhttp is
strict: bare line breaks, folded lines, spaces before a colon and lengths that contradict each other are errors. Only what it leaves to its
caller is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ccproxy.net.headers import lowered
from ccproxy.web.refusing import header_too_large, malformed

_END = b"\r\n\r\n"
_LONGEST_LENGTH = 20  # digits; Python does not read those of thousands of noughts
_VERSIONS = ("1.0", "1.1")


class Head:
    """The head of one request.

    Attributes:
        fields: Names and values as they came, without the spaces around them.
        is_modern: It is HTTP/1.1, and not 1.0.
    """

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.is_modern = True

    @cached_property
    def plain(self) -> Mapping[str, str]:
        """The fields by lower-cased names; one that came twice has its values joined."""
        return lowered(self.fields)

    @property
    def framing(self) -> bytes | None:
        """The field that says where the body ends; None when there is no body."""
        if "transfer-encoding" in self.plain:
            return b"Transfer-Encoding: chunked"
        length = self.plain.get("content-length")
        return None if length is None else f"Content-Length: {length}".encode("latin-1")

    @property
    def has_body(self) -> bool:
        """Whether something follows the head that belongs to it."""
        return "transfer-encoding" in self.plain or self.plain.get("content-length", "").strip("0") != ""

    @property
    def persists(self) -> bool:
        """Whether the client may ask again on the same connection; that of HTTP/1.0 never does."""
        options = self.plain.get("connection", "").lower().replace(",", " ").split()
        return self.is_modern and "close" not in options

    @property
    def awaits_invitation(self) -> bool:
        """Whether the client sends its body only when it is told to (https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1)."""
        return self.is_modern and self.plain.get("expect", "").lower() == "100-continue"

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser found a field."""
        self.fields.append((name, value.strip(b" \t")))


class HeadReader:
    """Reads one head, however it was cut.

    Args:
        most_bytes: The most bytes that it may have; 0 for any number.
        most_fields: The most fields that it may have; 0 for any number.

    Attributes:
        line: Its first line, as far as it came.
        rest: What came behind it.
    """

    def __init__(self, most_bytes: int, most_fields: int) -> None:
        self.line = b""
        self.rest = b""
        self._most_bytes = most_bytes
        self._most_fields = most_fields
        self._data = b""
        self._head = Head()
        self._parser = HttpRequestParser(self._head)

    def feed(self, data: bytes) -> Head | None:
        """Take the next bytes; returns the head when it is whole.

        Raises:
            ProxyError: It is too large, or can be read in more than one way, or in none.
        """
        looked = max(0, len(self._data) - len(_END) + 1)
        self._data += data
        end = self._data.find(_END, looked)
        size = len(self._data) if end < 0 else end + len(_END)
        self.rest = self._data[size:]
        self.line = self._data.partition(b"\r\n")[0]
        if self._most_bytes and size > self._most_bytes:
            raise header_too_large("maxHeaderBytes")
        self._parse(data[: len(data) - len(self.rest)])
        if self._most_fields and len(self._head.fields) > self._most_fields:
            raise header_too_large("maxHeaders")
        return None if end < 0 else self._checked(self._data[:size])

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # what it leads to is not HTTP, and the routes decide about it
        except HttpParserError:
            raise malformed() from None

    def _checked(self, data: bytes) -> Head:
        head, version = self._head, self._parser.get_http_version()
        head.is_modern = version == "1.1"
        coding = head.plain.get("transfer-encoding")
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.1
        framed = coding is None or (coding.lower() == "chunked" and head.is_modern)
        length = head.plain.get("content-length", "")
        if version not in _VERSIONS or not framed or len(length) > _LONGEST_LENGTH or _is_ambiguous(data):
            raise malformed()
        return head


def _is_ambiguous(data: bytes) -> bool:
    """Whether there is a line break that others would not take for one, or a folded line; older releases of the parser take both."""
    lines = data.count(b"\r\n")
    return lines != data.count(b"\n") or lines != data.count(b"\r") or b"\n " in data or b"\n\t" in data
