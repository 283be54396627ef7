"""Tests of what clients are told when it goes wrong: before the first byte a status, after it a frame."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from tests.dialects.strict import frames, read_messages
from tests.web.house import CHAT, MESSAGES, SPEECHES, Answer, HouseTestCase, MemoryDaemon, Speech


@frozen
class Refused:
    """How a failure looks before the first byte: status, type of each dialect, and whether and when to try again."""

    status: int
    chat: str
    messages: str
    retry_after: str | None
    words: str = ""


_INVALID = "invalid_request_error"
REFUSALS = {
    "sim/http-400": Refused(400, _INVALID, _INVALID, None, "expected string, received number"),
    "sim/http-400-credits": Refused(402, "insufficient_quota", "billing_error", None, "insufficient credits"),
    "sim/http-401": Refused(401, "authentication_error", "authentication_error", None, "Invalid or missing API key."),
    "sim/http-402": Refused(402, "insufficient_quota", "billing_error", None, "Please add credits"),
    "sim/http-403": Refused(403, "permission_error", "permission_error", None, "not available in your plan"),
    "sim/http-403-proxy": Refused(403, "permission_error", "permission_error", None, "Proxy use detected"),
    "sim/http-403-upgrade": Refused(403, "permission_error", "permission_error", None, "Upgrade to Provider"),
    "sim/http-404": Refused(404, _INVALID, "not_found_error", None, "Not found."),
    "sim/http-422": Refused(400, _INVALID, _INVALID, None, "zero data retention"),
    "sim/http-429": Refused(429, "rate_limit_error", "rate_limit_error", "7", "slow down"),
    "sim/http-429-window": Refused(429, "rate_limit_error", "rate_limit_error", None, "5-hour usage limit"),
    "sim/http-500": Refused(502, "server_error", "api_error", "1", "An unexpected error"),
    "sim/http-502": Refused(502, "server_error", "api_error", "1", "status 502"),
    "sim/http-503": Refused(503, "server_error", "overloaded_error", "1", "temporarily overloaded"),
    "sim/http-504": Refused(504, "server_error", "timeout_error", "1", "status 504"),
    "sim/http-529": Refused(503, "server_error", "overloaded_error", "1", "overloaded"),
    "sim/http-nothing": Refused(
        404, _INVALID, "not_found_error", None, "Model/provider not recognized: sim/http-nothing"
    ),
    "sim/error-first": Refused(402, "insufficient_quota", "billing_error", None, "Insufficient Balance"),
    "sim/zero": Refused(502, "server_error", "api_error", "1", "without any output"),
    "sim/start-only": Refused(502, "server_error", "api_error", "1", "before it began"),
    "transcript/18_error_string": Refused(502, "server_error", "api_error", "1"),
    "transcript/19_error_prefix_429": Refused(429, "rate_limit_error", "rate_limit_error", "30"),
}
"""What each turn gets that fails before its first word, streamed or not."""

CUT_SHORT = {
    "sim/error-mid": (503, "overloaded_error", "Upstream stream ended before terminal chunk"),
    "sim/no-finish": (502, "api_error", "before it was finished"),
    "sim/cut": (502, "api_error", "The connection to the upstream broke"),
    "transcript/13_missing_finish_truncated_tool": (502, "api_error", "before it was finished"),
    "transcript/20_finish_error_reason": (502, "api_error", "ended its answer with an error"),
    "transcript/21_abort": (502, "api_error", "aborted"),
    "transcript/27_broken_json_line": (502, "api_error", "cannot be read"),
    "transcript/28_invalid_utf8_line": (502, "api_error", "cannot be read"),
}
"""Turns that break off after some words: a document's status, and its type on Messages; and the words of both."""


def run(daemon: MemoryDaemon, speech: Speech, model: str, **fields: object) -> Answer:
    """Ask for a turn, and let as much time pass as retries and cuts take."""
    client = daemon.connect().post(speech, model, **fields)
    daemon.wait(4)
    return client.answer


class RefusalTests(HouseTestCase):
    """Failures before the first byte."""

    def test_statuses(self) -> None:
        """A failure keeps its real status, in both dialects and also for a stream."""
        for model, expected in REFUSALS.items():
            for speech in SPEECHES:
                for stream in (False, True):
                    answer = run(self.daemon(), speech, model, stream=stream)
                    self.assertEqual((answer.status, answer.complete), (expected.status, True), (model, speech, stream))
                    self.assertEqual(answer.headers["content-type"], "application/json")
                    self.assertEqual(answer.headers["content-length"], str(len(answer.body)))

    def test_types(self) -> None:
        """The body is the dialect's own error object, with the type that its clients act on."""
        for model, expected in REFUSALS.items():
            chat, messages = (run(self.daemon(), speech, model).document for speech in SPEECHES)
            self.assertEqual(chat.keys(), {"error"})
            self.assertEqual(chat["error"].keys() - {"retry_after"}, {"message", "type", "param", "code"}, model)
            self.assertEqual((messages.keys(), messages["type"]), ({"type", "error"}, "error"))
            self.assertEqual(
                (chat["error"]["type"], messages["error"]["type"]), (expected.chat, expected.messages), model
            )

    def test_words(self) -> None:
        """The words are the upstream's own, if it had any."""
        for model, expected in REFUSALS.items():
            for speech in SPEECHES:
                message = run(self.daemon(), speech, model).error["message"]
                self.assertIn(expected.words, message)
                self.assertNotIn("<", message.replace("<429>", ""))

    def test_retrying(self) -> None:
        """Every failure says whether to try again, and when: in headers and in the body."""
        for model, expected in REFUSALS.items():
            for speech in SPEECHES:
                answer = run(self.daemon(), speech, model)
                retryable = "false" if expected.retry_after is None else "true"
                self.assertEqual(answer.headers["x-should-retry"], retryable, model)
                self.assertEqual(answer.headers.get("retry-after"), expected.retry_after, model)
                self.assertEqual(
                    answer.error.get("retry_after"), expected.retry_after and float(expected.retry_after), model
                )

    def test_unknown_model(self) -> None:
        """For a model that the upstream does not know the three nearest ids are named."""
        daemon = self.daemon()
        daemon.connect().ask("GET", "/v1/models")

        error = daemon.connect().post(CHAT, "claude-sonet-4-6").answer.error

        self.assertEqual(error["code"], "model_not_found")
        self.assertIn(
            "not recognized: claude-sonet-4-6. The nearest known models: claude-sonnet-4-6, ", error["message"]
        )

    def test_any_model_is_asked_for(self) -> None:
        """No model is refused here: the upstream decides, whatever our list says."""
        daemon = self.daemon(use_provider_models=False)

        answer = daemon.connect().post(CHAT, "sim/text").answer

        self.assertEqual((answer.status, daemon.tries), (200, 1))

    def test_connection_survives(self) -> None:
        """After a refusal the connection serves the next request."""
        client = self.daemon().connect().post(MESSAGES, "sim/http-402", stream=True)

        client.ask("GET", "/health")

        self.assertEqual([answer.status for answer in client.answers], [402, 200])


class CutShortTests(HouseTestCase):
    """Failures after the first byte of a stream."""

    def test_chat(self) -> None:
        """A chat stream that breaks off ends with an error chunk, and without ``[DONE]``."""
        for model, (_, _, words) in CUT_SHORT.items():
            answer = run(self.daemon(), CHAT, model, stream=True)
            all_frames = frames(answer.body)
            chunks: list[Any] = [json.loads(frame.data or "") for frame in all_frames]
            self.assertEqual((answer.status, answer.complete), (200, True), model)
            self.assertIn(words, chunks[-1]["error"]["message"])
            self.assertTrue(all("choices" in chunk for chunk in chunks[:-1]), model)
            self.assertNotIn(b"[DONE]", answer.body)
            self.assertNotIn(b'"finish_reason":"', answer.body)

    def test_messages(self) -> None:
        """A Messages stream that breaks off ends with an ``error`` event, and without ``message_stop``."""
        for model, (_, _, words) in CUT_SHORT.items():
            answer = run(self.daemon(), MESSAGES, model, stream=True)
            error = read_messages(answer.body).error
            self.assertEqual((answer.status, answer.complete), (200, True), model)
            self.assertEqual(error and error["type"], "overloaded_error", model)
            self.assertIn(words, str(error))
            self.assertNotIn(b"message_stop", answer.body)
            self.assertNotIn(b"message_delta", answer.body)

    def test_words_before(self) -> None:
        """What came before the failure reaches the client."""
        for speech in SPEECHES:
            self.assertIn(b"beginning", run(self.daemon(), speech, "sim/error-mid", stream=True).body)

    def test_documents(self) -> None:
        """A document that breaks off is no success: it has the failure's status, and nothing of the text."""
        for model, (status, kind, words) in CUT_SHORT.items():
            chat, messages = (run(self.daemon(), speech, model) for speech in SPEECHES)
            self.assertEqual((chat.status, messages.status, messages.error["type"]), (status, status, kind), model)
            self.assertIn(words, chat.error["message"])
            self.assertEqual(chat.headers["x-should-retry"], "true")

    def test_connection_survives(self) -> None:
        """After a stream that broke off, the connection serves the next request."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/no-finish", stream=True)

        client.post(CHAT)

        self.assertEqual([answer.status for answer in client.answers], [200, 200])

    def test_upstream_is_left(self) -> None:
        """After a failure nothing is left running, neither upstream nor here."""
        for model in CUT_SHORT:
            daemon = self.daemon()
            run(daemon, MESSAGES, model, stream=True)
            self.assertEqual((daemon.simulator.open_streams, len(daemon.house.live)), (0, 0), model)
