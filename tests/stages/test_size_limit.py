"""Tests of the stage that bounds a document."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolArguments,
    ToolEnded,
    ToolStarted,
)
from ccproxy.stages.size_limit import SizeLimit

FULL: tuple[Event, ...] = (
    ReasoningDelta("abc"),
    TextStarted(),
    TextDelta("äöü"),
    TextEnded(),
    ToolStarted("a long id", "a_long_name"),
    ToolArguments("a long id", '{"a'),
    ToolArguments("a long id", '":1}'),
    ToolEnded("a long id", '{"a":1}'),
    Finished(FinishReason.TOOL_CALLS),
)
"""A turn of 13 characters."""


def through(limit: int) -> list[Event]:
    """What the stage makes of the turn."""
    stage = SizeLimit(limit)
    return [said for event in FULL for said in stage.feed(event)]


class SizeLimitTests(SynchronousTestCase):
    """At most so many characters."""

    def test_within(self) -> None:
        """A turn of exactly the limit passes; text, reasoning and arguments count, each once."""
        self.assertEqual(through(13), list(FULL))

    def test_beyond(self) -> None:
        """One character more fails the turn where it is said, for good, and tells what to do."""
        said = through(12)

        self.assertEqual(said[:6], list(FULL[:6]))
        failed = said[6]
        assert isinstance(failed, Failed)
        self.assertEqual((failed.error.kind, failed.error.retryable), (Kind.UPSTREAM, False))
        self.assertIn("12 characters", failed.error.message)
        self.assertIn("Ask for a stream", failed.error.message)

    def test_each(self) -> None:
        """Whatever speaks can be the one that says too much."""
        for event in (ReasoningDelta("abcd"), TextDelta("abcd"), ToolArguments("a", "abcd")):
            (said,) = SizeLimit(3).feed(event)

            self.assertIsInstance(said, Failed)
