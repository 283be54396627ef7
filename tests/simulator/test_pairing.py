"""Tests of the rule that every tool call is answered once, right after it."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.pairing import complaint
from tests.simulator.samples import assistant, call, question, result, user


class PairingTests(SynchronousTestCase):
    """What the service says about a conversation."""

    def complaint(self, *messages: dict[str, Any]) -> str | None:
        """Judge a conversation of these messages."""
        return complaint(question(messages=list(messages)).messages)

    def test_answered(self) -> None:
        """Calls that are answered by one message each are fine."""
        said = self.complaint(user(), assistant(call("a"), call("b")), result("b"), result("a"), user())

        self.assertIsNone(said)

    def test_answered_together(self) -> None:
        """One message may answer all calls."""
        both = {"role": "tool", "content": [*result("a")["content"], *result("b")["content"]]}

        said = self.complaint(user(), assistant(call("a"), call("b")), both)

        self.assertIsNone(said)

    def test_missing(self) -> None:
        """A call without a result is named."""
        said = self.complaint(user(), assistant(call("a")))

        self.assertEqual(said, "Tool result is missing for tool call a.")

    def test_several_missing(self) -> None:
        """All calls without a result are named."""
        said = self.complaint(user(), assistant(call("a"), call("b")), user())

        self.assertEqual(said, "Tool results are missing for tool calls a, b.")

    def test_late(self) -> None:
        """A result that comes after the next user message is too late."""
        said = self.complaint(user(), assistant(call("a")), user(), result("a"))

        self.assertEqual(said, "Tool result is missing for tool call a.")

    def test_orphan(self) -> None:
        """A result needs a call before it."""
        said = self.complaint(user(), result("a"))

        self.assertEqual(said, "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'")

    def test_duplicate_result(self) -> None:
        """A call is answered only once."""
        said = self.complaint(user(), assistant(call("a")), result("a"), result("a"))

        self.assertEqual(said, "Duplicate tool result for tool call a.")

    def test_duplicate_call(self) -> None:
        """An id stands for one call."""
        said = self.complaint(user(), assistant(call("a")), result("a"), assistant(call("a")), result("a"))

        self.assertEqual(said, "Duplicate tool call id a.")
