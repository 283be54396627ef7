"""This module is the list of reasons why an exchange can fail, and the one exception that carries them.

A `ProxyError` is somebody's fault that we can name: the client's, the upstream's, the network's. Anything else that is raised is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

DEFAULT_RETRY_AFTER = {408: 1, 429: 30, 502: 1, 503: 1, 504: 1}
"""Seconds that a client is asked to wait when nobody else named a time, by status."""


class Kind(Enum):
    """What went wrong; the value is (name, HTTP status, whether the same request may work later)."""

    INVALID_REQUEST = ("invalid_request", 400, False)
    CONTEXT_LENGTH = ("context_length", 400, False)
    AUTHENTICATION = ("authentication", 401, False)
    CREDIT = ("credit", 402, False)
    PERMISSION = ("permission", 403, False)
    NOT_FOUND = ("not_found", 404, False)
    MODEL_NOT_FOUND = ("model_not_found", 404, False)
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, False)
    UPGRADE_REQUIRED = ("upgrade_required", 426, False)
    CLIENT_TIMEOUT = ("client_timeout", 408, True)
    TOO_LARGE = ("too_large", 413, False)
    HEADER_TOO_LARGE = ("header_too_large", 431, False)
    RATE_LIMITED = ("rate_limited", 429, True)
    USAGE_EXHAUSTED = ("usage_exhausted", 429, False)
    INTERNAL = ("internal", 500, False)
    UPSTREAM = ("upstream", 502, True)
    UNREACHABLE = ("unreachable", 502, True)
    OVERLOADED = ("overloaded", 503, True)
    TIMEOUT = ("timeout", 504, True)

    @property
    def status(self) -> int:
        """The HTTP status that says this to a client."""
        return self.value[1]

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.value[2]


class ProxyError(Exception):
    """A failure with a name, an owner and words for the user.

    Attributes:
        kind: What went wrong.
        message: Words for the user: the upstream's own, when it refused. Never a key, never a path of ours.
        field: The place in the client's request body, such as ``messages[2].content``.
        retryable: Whether the client may send the same request again.
        retry_after: Seconds to wait before that; None when there is no point in waiting.
        replayable: Nothing was generated or billed, so that we may try again ourselves.
        details: More for the dialect's error object, where it has a place for it.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        field: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        replayable: bool = False,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
        self.retryable = kind.retryable if retryable is None else retryable
        if retry_after is None and self.retryable:
            retry_after = DEFAULT_RETRY_AFTER.get(kind.status)
        whole = isinstance(retry_after, float) and retry_after.is_integer()
        self.retry_after = int(retry_after) if whole and retry_after is not None else retry_after
        self.replayable = replayable
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status that says this to a client."""
        return self.kind.status
