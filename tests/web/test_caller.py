"""Tests of what a request's headers say of who sent it."""

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.web import caller

UUID = "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
OTHER = "1b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class CallerTests(SynchronousTestCase):
    """Nothing of it is believed unchecked."""

    def test_session(self) -> None:
        """Of two sessions the first header that holds a UUID counts."""
        for headers, expected in (
            ({"x-session-id": UUID, "x-claude-code-session-id": OTHER}, UUID),
            ({"x-session-id": "ses_1", "x-claude-code-session-id": OTHER}, OTHER),
            ({"x-session-id": UUID.upper()}, UUID),
            ({"session-id": UUID}, UUID),
            ({"session_id": UUID}, UUID),
            ({}, None),
        ):
            self.assertEqual(caller.session(headers), expected, headers)

    def test_no_session(self) -> None:
        """What is not exactly a UUID is no session."""
        for value in (
            "",
            "ses_1",
            UUID[:-1],
            f"{UUID}\n",
            f" {UUID}",
            UUID.replace("-", ""),
            f"{UUID}, {OTHER}",
            UUID.replace("0", "\u0660"),
        ):
            self.assertIsNone(caller.session({"x-session-id": value}), value)

    def test_request_id(self) -> None:
        """A plain id is taken, of whatever kind."""
        for value in (UUID, "req_011CZ", "1", "a" * 64):
            self.assertEqual(caller.request_id({"x-request-id": value}), value)

    def test_no_request_id(self) -> None:
        """What could be a key, a sentence or the forging of a log is not."""
        for value in ("", "a" * 65, "user_test_key", "sk-ant-test", "two words", "a\nb", "a\n", "-a", "\u0660"):
            self.assertIsNone(caller.request_id({"x-request-id": value}), value)
        self.assertIsNone(caller.request_id({}))

    def test_trace(self) -> None:
        """A valid trace context has a trace, also one of a later version."""
        for value in (f"00-{TRACE}-{PARENT}-01", f"cc-{TRACE}-{PARENT}-00"):
            self.assertEqual(caller.trace_id({"traceparent": value}), TRACE, value)

    def test_no_trace(self) -> None:
        """An invalid trace context has none."""
        for value in (
            "",
            f"ff-{TRACE}-{PARENT}-01",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE.upper()}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}",
            f"00-{TRACE}-{PARENT}-01\n",
        ):
            self.assertIsNone(caller.trace_id({"traceparent": value}), value)

    def test_no_retention(self) -> None:
        """Only a 1 asks for no retention."""
        wishes = [caller.wants_no_retention({"x-cmd-zdr": value}) for value in ("1", "0", "true", "")]

        self.assertEqual(wishes, [True, False, False, False])
