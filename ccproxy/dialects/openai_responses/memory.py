"""This module is what the Responses dialect has to say of answers that are kept, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ccproxy.codecs import Encoder
from ccproxy.dialects.openai_responses import kept, recall
from ccproxy.dialects.openai_responses.compaction import CompactionDocument, CompactionStream
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.errors import ProxyError
from ccproxy.fields import Fields

_ENCODERS = (ResponseStream, ResponseDocument, CompactionStream, CompactionDocument)


class ResponseMemory:
    """The dialect's `ccproxy.codecs.Memory`: names are the ids of responses and of their items.

    Args:
        paths: Below which kept answers are served.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths

    def wanted(self, body: Fields) -> Sequence[str]:
        """The ids that a request refers to."""
        return recall.wanted(body)

    def completed(self, body: Fields, found: Mapping[str, bytes]) -> Fields:
        """The request with all that it refers to."""
        return recall.completed(body, found)

    def records(self, encoder: Encoder, *, always: bool = False) -> Mapping[str, bytes]:
        """The response with its input under its id, and each of its items under its own."""
        return encoder.records(always=always) if isinstance(encoder, _ENCODERS) else {}

    def shown(self, record: bytes) -> bytes:
        """The response object."""
        return kept.shown(record)

    def resumed(self, record: bytes, query: Mapping[str, str]) -> int | None:
        """The number of the first event that is wanted again."""
        return kept.resumed(record, query)

    def inputs(self, record: bytes, query: Mapping[str, str]) -> bytes:
        """One page of the items that the response answered."""
        return kept.inputs(record, query)

    def is_open(self, record: bytes) -> bool:
        """Whether the response is still being made."""
        return kept.is_open(record)

    def cancelled(self, record: bytes) -> bytes:
        """The record of the response that is given up."""
        return kept.cancelled(record)

    def parts(self, record: bytes) -> Sequence[str]:
        """The ids of the response's items."""
        return kept.parts(record)

    def deleted(self, name: str) -> bytes:
        """What a client is told that had a response deleted."""
        return kept.deleted(name)

    def missing(self, name: str) -> ProxyError:
        """The error for a response that is not kept."""
        return kept.missing(name)
