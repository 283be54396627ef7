"""Tests of the stage that fails a turn whose answer is not the JSON document that was asked for."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    ToolArguments,
    ToolEnded,
    ToolStarted,
    Usage,
)
from ccproxy.prompt import OutputFormat
from ccproxy.stages.json_only import JSONOnly
from ccproxy.stages.validated import Validated
from tests.dialects.turns import turns
from tests.stages.feeding import block, fed

AGE = OutputFormat({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})
COST = Usage(input=7, output=9)
STOP = Finished(FinishReason.STOP, COST)
GOOD = block('{"age"', ": 1}")
BAD = block('{"age"', ': "old"}')
CAUSE = "The answer does not fit the JSON Schema: at $.age: 'old' is not of type 'integer'."
CALL: list[Event] = [ToolStarted("a", "look"), ToolArguments("a", "{}"), ToolEnded("a", "{}")]


def streaming() -> Validated:
    """The stage of a turn that is seen as it comes."""
    return Validated(AGE, hold=False)


def holding() -> Validated:
    """The stage of a turn that is seen as a whole."""
    return Validated(AGE, hold=True)


class StageCase(SynchronousTestCase):
    """What the tests of both kinds share."""

    def assert_failed(self, event: Event, message: str = CAUSE, usage: Usage = COST) -> None:
        """Check that an event is the failure of the upstream that no repetition mends."""
        assert isinstance(event, Failed), event
        self.assertEqual((event.error.kind, event.error.retryable), (Kind.UPSTREAM, False))
        self.assertEqual((event.error.message, event.usage), (message, usage))


class StreamTests(StageCase):
    """Turns that are seen as they come."""

    def test_good(self) -> None:
        """A turn whose document fits passes, event by event."""
        stage = streaming()

        for event in (ReasoningDelta("hm"), *GOOD, STOP):
            self.assertEqual(list(stage.feed(event)), [event])

        self.assertIsNone(stage.complaint)

    def test_bad(self) -> None:
        """A document that does not fit has been seen, and the turn fails with the cause."""
        *seen, last = fed(streaming(), *BAD, STOP)

        self.assertEqual(seen, BAD)
        self.assert_failed(last)

    def test_claimed_calls(self) -> None:
        """An upstream that claims calls where there are none has finished, and its answer is checked."""
        self.assert_failed(fed(streaming(), *BAD, Finished(FinishReason.TOOL_CALLS, COST))[-1])

    def test_no_text(self) -> None:
        """A turn that only thinks has no document."""
        self.assert_failed(fed(streaming(), ReasoningDelta("hm"), STOP)[-1], "The answer holds no JSON document.")

    def test_nothing(self) -> None:
        """That a turn said nothing at all is for others to say."""
        self.assertEqual(fed(streaming(), STOP), [STOP])


class HandedOverTests(StageCase):
    """Answers that are not complete."""

    def test_cut(self) -> None:
        """An answer that was cut or is to go on is handed over as it is."""
        for reason in set(FinishReason) - {FinishReason.STOP, FinishReason.TOOL_CALLS}:
            events = [*BAD, Finished(reason, COST)]
            self.assertEqual(fed(streaming(), *events), events)
            self.assertEqual(fed(holding(), *events), events)

    def test_call(self) -> None:
        """A turn that calls a tool is handed over as it is, whatever the upstream calls its end."""
        for reason in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            events = [*BAD, *CALL, Finished(reason, COST)]
            self.assertEqual(fed(streaming(), *events), events)
            self.assertEqual(fed(holding(), *events), events)

    def test_call_that_is_cut(self) -> None:
        """Of a call that never ends the grammar of the turn has to say so."""
        events = [CALL[0], STOP]

        self.assertEqual(fed(holding(), *events), events)

    def test_failure(self) -> None:
        """A turn that fails by itself fails for its own reason, after what it said."""
        failed = Failed(ProxyError(Kind.TIMEOUT, "silence"), COST)
        stage = holding()

        self.assertEqual(fed(stage, *BAD, failed), [*BAD, failed])
        self.assertIsNone(stage.complaint)


class HoldTests(StageCase):
    """Turns that are seen as a whole."""

    def test_good(self) -> None:
        """Nothing is seen of a turn before it is known to be good, and then everything."""
        stage = holding()

        self.assertEqual(fed(stage, ReasoningDelta("hm"), *GOOD), [])
        self.assertEqual(fed(stage, STOP), [ReasoningDelta("hm"), *GOOD, STOP])

    def test_bad(self) -> None:
        """Of a turn that is not good nothing is seen but its failure; the stage knows what is needed to ask again."""
        stage = holding()

        (only,) = fed(stage, ReasoningDelta("hm"), *BAD, STOP)

        self.assert_failed(only)
        self.assertEqual((stage.document, stage.complaint, stage.usage), ('{"age": "old"}', CAUSE, COST))

    def test_before(self) -> None:
        """Until a turn failed there is nothing to ask again for."""
        stage = holding()
        fed(stage, *BAD)

        self.assertEqual((stage.document, stage.complaint, stage.usage), ("", None, Usage()))

    @given(turns())
    @settings(max_examples=100, deadline=None)
    def test_any_turn(self, events: list[Event]) -> None:
        """A turn that is held is what it is as a stream, or nothing but the same failure."""
        held, streamed = fed(holding(), *events), fed(streaming(), *events)

        if isinstance(streamed[-1], Failed) and not isinstance(events[-1], Failed):
            failure = streamed[-1]
            self.assertEqual(len(held), 1)
            self.assert_failed(held[0], failure.error.message, failure.usage)
        else:
            self.assertEqual(held, streamed)
            self.assertEqual(held, events)


class AfterOtherStagesTests(StageCase):
    """The stage in its place."""

    def test_prose_is_no_matter(self) -> None:
        """The document alone is checked, not what the model said around it."""
        first, stage = JSONOnly(1000), holding()

        events = [
            said
            for event in (*block("Sure:\n```json\n", '{"age": 1}', "\n```\nBye."), STOP)
            for passed in first.feed(event)
            for said in stage.feed(passed)
        ]

        self.assertEqual(events, [*block('{"age": 1}'), STOP])

    def test_no_document(self) -> None:
        """An answer without a document, which is handed on as it was, is told to be none."""
        first, stage = JSONOnly(1000), holding()

        (only,) = [
            said for event in (*block("I cannot."), STOP) for passed in first.feed(event) for said in stage.feed(passed)
        ]

        self.assert_failed(only, "The answer is not valid JSON: Expecting value at line 1, column 1.")
        self.assertEqual(stage.document, "I cannot.")
