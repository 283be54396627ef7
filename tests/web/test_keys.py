"""Tests of who is let in: the caller's key, where it is found, and what comes before it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.web.house import CHAT, MESSAGES, SPEECHES, Answer, HouseTestCase, Speech

TOO_LARGE = b" " * 2000


class KeyTests(HouseTestCase):
    """Keys in headers."""

    def answered(self, headers: Mapping[str, str], speech: Speech = CHAT, body: object = None) -> Answer:
        """The answer to a turn that is asked with these headers."""
        self.server = self.daemon(max_body_bytes=1000)
        return self.server.connect().ask("POST", speech.path, speech.body() if body is None else body, headers).answer

    def test_places(self) -> None:
        """The key may stand in either header, with or without Bearer, and with whatever a paste brings along."""
        for headers in (
            {"authorization": "Bearer user_test_key"},
            {"authorization": "bearer user_test_key"},
            {"Authorization": "user_test_key"},
            {"authorization": "Bearer token_user_test_key"},
            {"authorization": 'Bearer "user_test_key" '},
            {"x-api-key": "user_test_key"},
            {"X-Api-Key": "user_test_key/v1"},
            {"authorization": "Bearer sk-other", "x-api-key": "user_test_key"},
            {"authorization": "Bearer", "x-api-key": "user_test_key"},
        ):
            for speech in SPEECHES:
                self.assertEqual(self.answered(headers, speech).status, 200, headers)

    def test_upstream_key(self) -> None:
        """However the key is sent, the upstream sees the same caller; of two keys, the one in Authorization."""
        daemon = self.daemon()
        for headers in (
            {"authorization": "Bearer user_one"},
            {"x-api-key": '"user_one"'},
            {"authorization": "Bearer user_one", "x-api-key": "user_two"},
            {"x-api-key": "user_two"},
        ):
            daemon.connect().ask("POST", CHAT.path, CHAT.body(), headers)

        first, second, third, other = (request.key for request in daemon.simulator.requests)

        self.assertEqual((first, first), (second, third))
        self.assertNotEqual(first, other)

    def test_no_key(self) -> None:
        """Without a key the answer is a 401 that says what is needed, and not to try again."""
        for speech, kind in ((CHAT, "authentication_error"), (MESSAGES, "authentication_error")):
            answer = self.answered({}, speech)
            self.assertEqual((answer.status, answer.error["type"]), (401, kind))
            self.assertIn("No API key", answer.error["message"])
            self.assertEqual(answer.headers["x-should-retry"], "false")
            self.assertNotIn("retry-after", answer.headers)

    def test_foreign_keys(self) -> None:
        """The key of another service is refused here, is not repeated, and never reaches the upstream."""
        for headers in (
            {"authorization": "Bearer sk-test-key-of-another"},
            {"x-api-key": "sk-test-key-of-another"},
            {"authorization": "Basic sk-test-key-of-another"},
            {"authorization": "Bearer user_", "x-api-key": "sk-test-key-of-another"},
        ):
            answer = self.answered(headers)
            self.assertEqual((answer.status, answer.error["code"], self.server.tries), (401, "invalid_api_key", 0))
            self.assertIn("begins with user_", answer.error["message"])
            self.assertNotIn(b"of-another", answer.body)

    def test_key_comes_first(self) -> None:
        """A missing key is reported before anything else that is wrong."""
        for body in (b"{", b"", {"model": 1}, TOO_LARGE):
            for speech in SPEECHES:
                self.assertEqual(self.answered({}, speech, body).status, 401, (speech, body))

    def test_key_before_admission(self) -> None:
        """A request without a key takes nobody's place."""
        daemon = self.daemon(max_exchanges=1)
        daemon.connect().post(CHAT, "sim/silent")

        answer = daemon.connect().ask("POST", CHAT.path, CHAT.body()).answer

        self.assertEqual(answer.status, 401)

    def test_refused_key(self) -> None:
        """A key that the upstream refuses is a 401 with the upstream's words."""
        answer = self.asked(CHAT, "sim/http-401")

        self.assertEqual((answer.status, answer.error["message"]), (401, "Invalid or missing API key."))


class IdentityTests(HouseTestCase):
    """What the upstream is told of the caller."""

    def sent(self, headers: Mapping[str, str], key: str = "user_test_key") -> Mapping[str, str]:
        """The headers of the request that reaches the upstream."""
        daemon = self.daemon()
        daemon.connect().ask("POST", CHAT.path, CHAT.body(), {"authorization": f"Bearer {key}", **headers})
        return daemon.simulator.requests[-1].headers

    def test_session_of_the_key(self) -> None:
        """Without a session of the client's there is one per key, the same in every process."""
        first, again, other = self.sent({}), self.sent({}), self.sent({}, "user_other_key")

        self.assertEqual(first["x-session-id"], again["x-session-id"])
        self.assertNotEqual(first["x-session-id"], other["x-session-id"])

    def test_session_of_the_client(self) -> None:
        """A client's own session goes up if it is a UUID, and not if it is not."""
        uuid = "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
        own = self.sent({})["x-session-id"]

        self.assertEqual(self.sent({"x-session-id": uuid})["x-session-id"], uuid)
        self.assertEqual(self.sent({"X-Claude-Code-Session-Id": uuid.upper()})["x-session-id"], uuid)
        self.assertEqual(self.sent({"x-session-id": "ses_1234"})["x-session-id"], own)

    def test_trace(self) -> None:
        """A valid trace of the client's is continued with a new parent; an invalid one is replaced."""
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

        continued = self.sent({"traceparent": f"00-{trace}-{parent}-01"})["traceparent"]
        replaced = self.sent({"traceparent": f"00-{'0' * 32}-{parent}-01"})["traceparent"]

        self.assertRegex(continued, f"^00-{trace}-[0-9a-f]{{16}}-01$")
        self.assertNotIn(parent, continued)
        self.assertRegex(replaced, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertNotIn("0" * 32, replaced)

    def test_no_retention(self) -> None:
        """The wish for no retention goes up when it was sent, and not otherwise."""
        self.assertEqual(self.sent({"x-cmd-zdr": "1"})["x-cmd-zdr"], "1")
        self.assertNotIn("x-cmd-zdr", self.sent({}))

    def test_nothing_else(self) -> None:
        """Of the client's other headers none goes up, nor does a User-Agent of ours."""
        sent = self.sent(
            {"user-agent": "curl/8", "x-stainless-os": "Linux", "cookie": "a=b", "x-api-key": "user_other"}
        )

        self.assertEqual(
            sent.keys() - {"host", "connection", "content-length", "transfer-encoding"},
            {
                "accept-encoding",
                "content-type",
                "traceparent",
                "x-cli-environment",
                "x-command-code-version",
                "x-project-slug",
                "x-session-id",
                "x-taste-learning",
            },
        )
        self.assertEqual(sent["accept-encoding"], "identity")
