"""This module is the Responses API over a WebSocket: what its messages ask for, and how one says that something failed.

A client sends ``response.create`` with the fields of a request, beside the transport's own, and gets the events of a stream.
``generate: false`` wants an answer without content; ``response.processed`` tells that an answer was read, and changes nothing.
Shapes: https://platform.openai.com/docs/guides/websocket-mode and https://www.openresponses.org/specification.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.dialects.openai_responses.refusal import refusal
from ccproxy.dialogue import Call
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import body, invalid
from ccproxy.framing import loads, quote

_OWN = ("stream", "stream_options", "background", "generate")
_SHOWN = 80  # characters of a type that nobody knows
_MINUTE = 60


class ResponsesDialogue:
    """What the messages of Responses mean."""

    paths: Sequence[str] = ("/v1/responses", "/responses", "/openai/v1/responses")

    def call(self, message: bytes) -> Call | None:
        """What a message asks for."""
        fields = body(message)
        match fields.required_string("type"):
            case "response.create":
                return Call(fields.changed(*_OWN, stream=True), silent=fields.boolean("generate") is False)
            case "response.processed":
                return None
            case other:
                raise invalid(f"There is no message of type '{other[:_SHOWN]}' here.", "type")

    def refusal(self, error: ProxyError) -> bytes:
        """The ``error`` event: the error of a refusal with the status beside it, and always with a code, which Open Responses demands."""
        shown = loads(refusal(error))["error"]
        return quote(
            {"type": "error", "status": error.status, "error": {**shown, "code": shown["code"] or error.kind.value[0]}}
        )

    def expiry(self, seconds: float) -> bytes:
        """The error at which clients connect anew."""
        message = (
            f"Responses websocket connection limit reached ({seconds / _MINUTE:g} minutes). "
            "Create a new websocket connection to continue."
        )
        code = "websocket_connection_limit_reached"
        return self.refusal(ProxyError(Kind.INVALID_REQUEST, message, details={"code": code}))
