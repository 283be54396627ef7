"""Tests of the reading of how a turn ended."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind
from ccproxy.events import Failed, Finished, FinishReason, Usage
from ccproxy.upstreams.commandcode.ending import read

SPENT = Usage(input=3)
SPELLINGS = {
    FinishReason.STOP: ("stop", "STOP", "end_turn", "other", "unknown", "", None, "a word from tomorrow"),
    FinishReason.LENGTH: ("length", "max_tokens", "max-tokens", "max_output_tokens", "MAX_TOKENS"),
    FinishReason.TOOL_CALLS: ("tool-calls", "tool_calls", "tool_use", "tool-call", "function_call", "toolUse"),
    FinishReason.CONTENT_FILTER: ("content-filter", "content_filter", "refusal"),
    FinishReason.PAUSE: ("pause_turn", "pause-turn"),
}


class EndingTests(SynchronousTestCase):
    """Every reason seen."""

    def test_spellings(self) -> None:
        """Each reason is understood in each of its spellings; one that nobody knows is an ordinary end."""
        for reason, spellings in SPELLINGS.items():
            for spelling in spellings:
                self.assertEqual(read(spelling, None, SPENT), Finished(reason, SPENT), spelling)

    def test_telling_raw(self) -> None:
        """The provider's word for a refusal and for a pause tells more than what it was folded into."""
        for folded in ("stop", "other", "unknown", None):
            self.assertEqual(read(folded, "refusal", SPENT), Finished(FinishReason.CONTENT_FILTER, SPENT))
            self.assertEqual(read(folded, "pause_turn", SPENT), Finished(FinishReason.PAUSE, SPENT))

    def test_other_raw(self) -> None:
        """Any other word of the provider changes nothing."""
        for raw in ("end_turn", "max_tokens", "tool_use", "error", ""):
            self.assertEqual(read("stop", raw, SPENT), Finished(FinishReason.STOP, SPENT))
        self.assertEqual(read("length", "end_turn", SPENT), Finished(FinishReason.LENGTH, SPENT))

    def test_error(self) -> None:
        """The reason ``error`` is a failure that may pass, keeps what was spent, and says what the provider said of it, cut short."""
        for raw, cause in ((None, ""), ("upstream_error", " (upstream_error)"), ("x" * 200, f" ({'x' * 100})")):
            failed = read("error", raw, SPENT)

            assert isinstance(failed, Failed)
            self.assertEqual(failed.error.message, f"The upstream ended its answer with an error{cause}.")
            self.assertEqual((failed.error.kind, failed.error.retryable, failed.usage), (Kind.UPSTREAM, True, SPENT))

    def test_error_beats_raw(self) -> None:
        """A failure stays one, whatever the provider's word."""
        for raw in ("refusal", "pause_turn"):
            self.assertIsInstance(read("error", raw, SPENT), Failed)
