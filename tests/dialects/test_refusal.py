"""This module is the tests of how every dialect says that something failed."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.anthropic_messages.dialect import AnthropicMessages
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.dialects.openai_completions.dialect import OpenAICompletions
from ccproxy.errors import Kind, ProxyError

CHAT_TYPES = {
    Kind.INVALID_REQUEST: ("invalid_request_error", None),
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.AUTHENTICATION: ("authentication_error", "invalid_api_key"),
    Kind.CREDIT: ("insufficient_quota", "insufficient_quota"),
    Kind.PERMISSION: ("permission_error", "permission_denied"),
    Kind.NOT_FOUND: ("invalid_request_error", "not_found"),
    Kind.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    Kind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed"),
    Kind.UPGRADE_REQUIRED: ("invalid_request_error", "upgrade_required"),
    Kind.CLIENT_TIMEOUT: ("invalid_request_error", "request_timeout"),
    Kind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    Kind.HEADER_TOO_LARGE: ("invalid_request_error", "headers_too_large"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.USAGE_EXHAUSTED: ("rate_limit_error", "usage_limit_reached"),
    Kind.INTERNAL: ("server_error", "internal_error"),
    Kind.UPSTREAM: ("server_error", "upstream_error"),
    Kind.UNREACHABLE: ("server_error", "upstream_unreachable"),
    Kind.OVERLOADED: ("server_error", "overloaded"),
    Kind.TIMEOUT: ("server_error", "timeout"),
}
MESSAGES_TYPES_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    426: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    431: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def chat(error: ProxyError) -> dict[str, Any]:
    """The body of a Chat Completions refusal."""
    read: dict[str, Any] = json.loads(OpenAIChat().refusal(error))
    return read


def messages(error: ProxyError) -> dict[str, Any]:
    """The body of a Messages refusal."""
    read: dict[str, Any] = json.loads(AnthropicMessages().refusal(error))
    return read


class ChatRefusalTests(SynchronousTestCase):
    """A refusal on Chat Completions."""

    def test_every_kind_has_its_words(self) -> None:
        """Each kind of failure has a type and a code that clients act on."""
        errors = {kind: chat(ProxyError(kind, "No."))["error"] for kind in Kind}

        self.assertEqual({kind: (error["type"], error["code"]) for kind, error in errors.items()}, CHAT_TYPES)

    def test_whole_body(self) -> None:
        """An error has its message, and param names the field."""
        body = chat(ProxyError(Kind.INVALID_REQUEST, "n: No.", field="n"))

        error = {"message": "n: No.", "type": "invalid_request_error", "param": "n", "code": None}
        self.assertEqual(body, {"error": error})

    def test_retry_after(self) -> None:
        """The seconds to wait are in the body when there is a point in waiting, and only then."""
        self.assertEqual(chat(ProxyError(Kind.RATE_LIMITED, "Slow down."))["error"]["retry_after"], 30)
        self.assertNotIn("retry_after", chat(ProxyError(Kind.CREDIT, "No credit."))["error"])

    def test_legacy(self) -> None:
        """The legacy API says everything in the same words."""
        for kind in Kind:
            error = ProxyError(kind, "No.", field="n")
            self.assertEqual(OpenAICompletions().refusal(error), OpenAIChat().refusal(error))


class MessagesRefusalTests(SynchronousTestCase):
    """A refusal on Messages."""

    def test_every_status_has_its_type(self) -> None:
        """Each kind of failure has the type that the reference gives to its status."""
        types = {kind: messages(ProxyError(kind, "No."))["error"]["type"] for kind in Kind}

        self.assertEqual(types, {kind: MESSAGES_TYPES_BY_STATUS[kind.status] for kind in Kind})

    def test_whole_body(self) -> None:
        """An error has the type error outside and its own type inside."""
        body = messages(ProxyError(Kind.PERMISSION, "Not yours."))

        self.assertEqual(body, {"type": "error", "error": {"type": "permission_error", "message": "Not yours."}})

    def test_details(self) -> None:
        """Details that an error has are in its object."""
        details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}

        body = messages(ProxyError(Kind.INVALID_REQUEST, "No.", details=details))

        self.assertEqual(body["error"]["details"], details)

    def test_retry_after(self) -> None:
        """The seconds to wait are in the body when there is a point in waiting, and only then."""
        self.assertEqual(
            messages(ProxyError(Kind.RATE_LIMITED, "Slow down.", retry_after=7))["error"]["retry_after"], 7
        )
        self.assertNotIn("retry_after", messages(ProxyError(Kind.CREDIT, "No credit."))["error"])

    def test_context_length_has_the_sentence_that_clients_look_for(self) -> None:
        """A conversation that is too long is said in the words on which clients shorten it, with the numbers where they are known."""
        for words, sentence in (
            (
                "Maximum context length is 200,000 tokens, you asked for 213462.",
                "prompt is too long: 213462 tokens > 200000 maximum. ",
            ),
            ("The context window is full.", "prompt is too long. "),
            ("prompt is too long: 9 tokens > 8 maximum", ""),
        ):
            error = messages(ProxyError(Kind.CONTEXT_LENGTH, words))["error"]

            self.assertEqual((error["type"], error["message"]), ("invalid_request_error", sentence + words))
