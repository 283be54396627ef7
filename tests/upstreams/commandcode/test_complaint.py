"""Tests of how the upstream's complaints are read."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.upstreams.commandcode.complaint import Complaint, clean, read


class ReadTests(SynchronousTestCase):
    """The shapes of a complaint."""

    def message(self, value: object) -> str:
        """The words of a complaint."""
        return read(value).message

    def test_envelope(self) -> None:
        """The upstream's own envelope has a code, a status and a message."""
        complaint = read({"success": False, "error": {"code": "BAD_REQUEST", "status": 400, "message": "No."}})

        self.assertEqual((complaint.message, complaint.status), ("No.", 400))
        self.assertIn("BAD_REQUEST", complaint.words)

    def test_other_objects(self) -> None:
        """The message is found in error, beside it, or in text."""
        values: tuple[object, ...] = (
            {"error": {"message": "No.", "type": "invalid_request_error", "code": None}},
            {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}},
            {"error": "Forbidden", "message": "No."},
            {"error": "No."},
            {"message": "No."},
            "No.",
            {"message": "", "data": {"error": {"message": "No."}}},
            {"responseBody": '{"error": {"message": "No."}}'},
            {"cause": {"message": "No."}},
        )

        self.assertEqual([self.message(value) for value in values], ["No."] * len(values))

    def test_marked_status(self) -> None:
        """A status before the text is read and taken off."""
        complaint = read(" <429> Too fast.")

        self.assertEqual((complaint.message, complaint.status), ("Too fast.", 429))

    def test_json_in_text(self) -> None:
        """JSON inside a text is read too; the words before it stay."""
        inner = json.dumps({"error": {"message": "Too long.", "code": "context_length_exceeded", "status": 400}})

        complaint = read({"message": f"<400> Gateway said: {inner}"})

        self.assertEqual((complaint.message, complaint.status), ("Gateway said: Too long.", 400))
        self.assertIn("context_length_exceeded", complaint.words)

    def test_braces_that_are_no_json(self) -> None:
        """Text with braces is only text."""
        self.assertEqual(self.message("Expected {x} or }{."), "Expected {x} or }{.")

    def test_order_of_statuses(self) -> None:
        """A statusCode counts before a code, and a code before a status in the text."""
        values = (
            {"statusCode": 402, "code": 403, "message": "<404> x"},
            {"code": "403", "message": "<404> x"},
            {"code": "FORBIDDEN", "message": "<404> x"},
            {"statusCode": 200, "message": "x"},
            {"statusCode": True, "message": "x"},
        )

        self.assertEqual([read(value).status for value in values], [402, 403, 404, None, None])

    def test_retryable(self) -> None:
        """What the complaint says of itself is kept, also from inside."""
        self.assertIs(read({"isRetryable": False}).retryable, False)
        self.assertIs(read({"error": {"isRetryable": True}}).retryable, True)
        self.assertIsNone(read({"isRetryable": "no"}).retryable)

    def test_nothing(self) -> None:
        """Other values say nothing."""
        for value in (None, 7, True, [], ["No."]):
            self.assertEqual(read(value), Complaint())

    def test_depth(self) -> None:
        """Complaints inside complaints end somewhere."""
        value: object = "No."
        for _ in range(50):
            value = {"error": value}

        self.assertEqual(self.message(value), "")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["error", "message", "code", "status", "statusCode", "responseBody", "data"]), inner
                )
            ),
        )
    )
    def test_anything(self, value: object) -> None:
        """Whatever the upstream says, it is read."""
        complaint = read(value)

        self.assertIsInstance(clean(complaint.message), str)


class CleanTests(SynchronousTestCase):
    """What a user may see of a message."""

    def test_keys(self) -> None:
        """Nothing that looks like a key is passed on."""
        self.assertEqual(
            clean("Key 'user_test-key_1' and token_user_x and sk-test-12345678 are bad."),
            "Key 'user_***' and token_user_*** and sk-*** are bad.",
        )

    def test_control_characters(self) -> None:
        """A message is one line without control characters."""
        self.assertEqual(clean(" a\r\n\tb\x00\x1b\x85c\u2028d\u202ee "), "a b c d e")

    def test_length(self) -> None:
        """A message is not endless."""
        self.assertEqual(clean("x" * 5000), "x" * 1000 + "…")

    def test_key_at_the_cut(self) -> None:
        """A key that is cut in half is no key that is shown."""
        self.assertNotIn("secret", clean("x" * 990 + "user_secret-secret-secret"))

    def test_pages(self) -> None:
        """A page of a gateway is no message."""
        for page in ("<!DOCTYPE html><p>x", "\n<html lang='en'>x", "502: <HTML>x", "<head><title>"):
            self.assertEqual(clean(page), "")
        self.assertEqual(clean("a < b, <htmlish>"), "a < b, <htmlish>")
