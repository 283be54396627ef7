"""This module is the tests of how a Responses answer says that something failed."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy import openai
from ccproxy.dialects.openai_responses.refusal import in_band, refusal
from ccproxy.errors import Kind, ProxyError

CODES = {
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.CREDIT: ("insufficient_quota", "insufficient_quota"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.USAGE_EXHAUSTED: ("usage_limit_reached", "usage_limit_reached"),
    Kind.OVERLOADED: ("server_error", "server_is_overloaded"),
}
CODEX_WAIT = re.compile(r"(?i)try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)")
LOST = ProxyError(
    Kind.INVALID_REQUEST,
    "previous_response_id: Previous response with id 'resp_a' not found.",
    field="previous_response_id",
    details={"code": "previous_response_not_found"},
)


def refused(error: ProxyError) -> dict[str, Any]:
    """The error object of a refusal."""
    read: dict[str, Any] = json.loads(refusal(error))["error"]
    return read


class RefusalTests(SynchronousTestCase):
    """An error beside an HTTP status."""

    def test_every_kind_has_its_words(self) -> None:
        """Each kind of failure has the type and the code that clients act on, those of OpenAI's other APIs where none differ."""
        for kind in Kind:
            error = refused(ProxyError(kind, "No."))

            self.assertEqual((error["type"], error["code"]), CODES.get(kind) or openai.words(kind))

    def test_whole_body(self) -> None:
        """An error has its message, and param names the field."""
        error = refused(ProxyError(Kind.INVALID_REQUEST, "input: No.", field="input"))

        self.assertEqual(
            error, {"message": "input: No.", "type": "invalid_request_error", "param": "input", "code": None}
        )

    def test_code_of_its_own(self) -> None:
        """An error with a code of its own is said in the words that belong to the code, without the field before them."""
        self.assertEqual(
            refused(LOST),
            {
                "message": "Previous response with id 'resp_a' not found.",
                "type": "invalid_request_error",
                "param": "previous_response_id",
                "code": "previous_response_not_found",
            },
        )

    def test_wait_in_the_message(self) -> None:
        """The message of a rate limit says for how long to wait, in the words that Codex looks for, once."""
        for message, seconds, wait in (
            ("Slow down.", 7, ("7", "s")),
            ("Slow down.", 1.5, ("1.5", "s")),
            ("Slow down", None, ("30", "s")),
            ("Please try again in 250ms.", 7, ("250", "ms")),
        ):
            said = refused(ProxyError(Kind.RATE_LIMITED, message, retry_after=seconds))["message"]

            self.assertTrue(said.startswith(message))
            self.assertEqual(CODEX_WAIT.findall(said), [wait])

    def test_no_wait(self) -> None:
        """Where there is no point in waiting no time is named, and no other error names one in its message."""
        limited = ProxyError(Kind.RATE_LIMITED, "No.", retryable=False)

        self.assertEqual((refused(limited)["message"], "retry_after" in refused(limited)), ("No.", False))
        self.assertEqual(refused(ProxyError(Kind.OVERLOADED, "No."))["message"], "No.")

    def test_retry_after(self) -> None:
        """The seconds to wait are in the body too."""
        self.assertEqual(refused(ProxyError(Kind.OVERLOADED, "No.", retry_after=7))["retry_after"], 7)

    def test_line_breaks(self) -> None:
        """The upstream's words break no frame."""
        self.assertNotIn("\u2028".encode(), refusal(ProxyError(Kind.UPSTREAM, "a\u2028b")))


class InBandTests(SynchronousTestCase):
    """The error of a response that failed."""

    def test_words(self) -> None:
        """It has the words of the status body, where it may be tried again or is one of those that clients act on."""
        for kind in Kind:
            error = ProxyError(kind, "No.")
            if kind.retryable or kind in (Kind.CONTEXT_LENGTH, Kind.CREDIT):
                self.assertEqual(in_band(error), {name: refused(error)[name] for name in ("code", "message", "type")})

    def test_nothing_to_try_again(self) -> None:
        """What will fail again has a code after which nothing is tried again, whatever failed."""
        hopeless = (
            (ProxyError(Kind.INVALID_REQUEST, "No."), "invalid_prompt"),
            (ProxyError(Kind.AUTHENTICATION, "No."), "invalid_prompt"),
            (ProxyError(Kind.MODEL_NOT_FOUND, "No."), "invalid_prompt"),
            (ProxyError(Kind.UPSTREAM, "A call was cut.", retryable=False), "invalid_prompt"),
            (ProxyError(Kind.USAGE_EXHAUSTED, "No."), "insufficient_quota"),
            (ProxyError(Kind.CONTEXT_LENGTH, "No."), "context_length_exceeded"),
        )
        for error, code in hopeless:
            self.assertEqual(in_band(error)["code"], code, error.kind)
        self.assertEqual(in_band(ProxyError(Kind.UPSTREAM, "It broke."))["code"], "upstream_error")

    def test_code_of_its_own(self) -> None:
        """A code of its own an error keeps."""
        self.assertEqual(in_band(LOST)["code"], "previous_response_not_found")
