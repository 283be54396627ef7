"""This module is the seam of a dialect whose requests refer to earlier answers, so that these are kept for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ccproxy.errors import ProxyError
from ccproxy.fields import Fields

if TYPE_CHECKING:  # the dialects' own seam, which names this one
    from ccproxy.codecs import Encoder


class Memory(Protocol):
    """A dialect's way to refer to what was said before, so that answers are kept for a while, by their names.

    Names and records are the dialect's own; whose they are, and where and how long they live, is not its concern.

    Attributes:
        paths: Below which kept answers are served by their names.
    """

    paths: Sequence[str]

    def wanted(self, body: Fields) -> Sequence[str]:
        """The names that a request body refers to; nothing of it counts as read."""

    def completed(self, body: Fields, found: Mapping[str, bytes]) -> Fields:
        """The body with what was found in the place of what refers to it.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, when something is not there.
        """

    def records(self, encoder: Encoder, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep, by names, of an answer as far as one of the dialect's encoders wrote it.

        It is nothing where that is not wanted, unless ``always``: then it is what there is of an answer that ended well.
        """

    def shown(self, record: bytes) -> bytes:
        """The JSON of a kept answer, as a client gets it again."""

    def resumed(self, record: bytes, query: Mapping[str, str]) -> int | None:
        """The number of the event from which a client wants the stream of a kept answer; None when it wants the answer.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, where there is no stream to be had.
        """

    def inputs(self, record: bytes, query: Mapping[str, str]) -> bytes:
        """The JSON of one page of what a kept answer answered.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for a page that cannot be.
        """

    def is_open(self, record: bytes) -> bool:
        """Whether a kept answer is still being made."""

    def cancelled(self, record: bytes) -> bytes:
        """The record of an answer that is given up.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for one that is not made in the background.
        """

    def parts(self, record: bytes) -> Sequence[str]:
        """The names that are kept for parts of an answer, and go with it."""

    def deleted(self, name: str) -> bytes:
        """The JSON that tells that an answer is not kept any more."""

    def missing(self, name: str) -> ProxyError:
        """The error for an answer that is not kept, or is another caller's."""
