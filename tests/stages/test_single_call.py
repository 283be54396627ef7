"""Tests of the stage that keeps a turn to one tool call."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import Event, Finished, FinishReason, TextDelta, ToolArguments, ToolEnded, ToolStarted
from ccproxy.stages.single_call import SingleCall
from tests.dialects.turns import said, turns


def through(events: Sequence[Event]) -> list[Event]:
    """What the stage lets through of some events."""
    stage = SingleCall()
    return [passed for event in events for passed in stage.feed(event)]


class SingleCallTests(SynchronousTestCase):
    """At most one call."""

    def test_interleaved(self) -> None:
        """The call that starts first is the one that stays, whole, although another is complete before it."""
        events: list[Event] = [
            TextDelta("a"),
            ToolStarted("first", "look"),
            ToolStarted("second", "look"),
            ToolArguments("second", "{}"),
            ToolArguments("first", "{"),
            ToolEnded("second", "{}"),
            ToolArguments("first", "}"),
            ToolEnded("first", "{}"),
            Finished(FinishReason.TOOL_CALLS),
        ]

        self.assertEqual(through(events), [event for event in events if getattr(event, "call_id", "first") == "first"])

    @given(turns())
    @settings(max_examples=50, deadline=None)
    def test_any_turn(self, events: list[Event]) -> None:
        """Of any turn all but the other calls is kept, in order."""
        whole, kept = said(events), said(through(events))

        self.assertEqual(kept.calls, whole.calls[:1])
        self.assertEqual((kept.text, kept.reasoning), (whole.text, whole.reasoning))
        self.assertEqual(through(events)[-1], events[-1])
