"""Tests of one turn: decoder, stages, encoder, and the grammar that they keep."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Stage
from ccproxy.errors import Kind, ProxyError
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
    Usage,
)
from ccproxy.stages.size_limit import SizeLimit
from ccproxy.stages.think_tags import TagReasoning
from ccproxy.translator import Translator
from tests.dialects.turns import turns
from tests.scripted import Hoard, Listener, Mark, Script, Twice

STOP = Finished(FinishReason.STOP)
CALLED = Finished(FinishReason.TOOL_CALLS)
TEXT = TextDelta("a")
CALL = (ToolStarted("a", "look"), ToolArguments("a", "{}"), ToolEnded("a", "{}"))
SPENT = Usage(input=3, output=4)
BROKEN = Failed(ProxyError(Kind.OVERLOADED, "Too much."), SPENT)


class TranslatorTestCase(SynchronousTestCase):
    """A test case with one turn."""

    def turn(self, *script: Event, stages: Sequence[Stage] = ()) -> Translator:
        """A translator whose decoder has a script."""
        self.listener = Listener()
        return Translator(Script(*script), stages, self.listener)

    def outcome(self, *script: Event) -> Finished | Failed | None:
        """How a whole turn ends."""
        translator = self.turn(*script)
        translator.feed(b"x" * len(script))
        return translator.outcome

    def failure(self, *script: Event) -> Failed:
        """How a whole turn fails."""
        outcome = self.outcome(*script)
        assert isinstance(outcome, Failed), outcome
        return outcome


class PumpTests(TranslatorTestCase):
    """Bytes in, bytes out."""

    def test_together(self) -> None:
        """All events of one delivery are written together; an event may write nothing."""
        translator = self.turn(TextStarted(), TEXT, TEXT, STOP)

        self.assertEqual(
            [translator.feed(b""), translator.feed(b"xx"), translator.feed(b"x")],
            [b"", b"[TextDelta]", b"[TextDelta]"],
        )
        self.assertIsNone(translator.outcome)

    def test_end(self) -> None:
        """What the end of the upstream's answer says is written as well."""
        translator = self.turn(TEXT, STOP)
        translator.feed(b"x")

        self.assertEqual(translator.end(), b"[Finished]")
        self.assertEqual(translator.outcome, STOP)

    def test_settled(self) -> None:
        """After the finish nothing is said: neither of the same delivery, nor of a later one, nor at the end."""
        translator = self.turn(TEXT, STOP, TEXT, TEXT, BROKEN)

        self.assertEqual(translator.feed(b"xxx"), b"[TextDelta][Finished]")
        self.assertEqual((translator.feed(b"x"), translator.end()), (b"", b""))
        self.assertEqual(translator.outcome, STOP)

    def test_failure_is_no_output(self) -> None:
        """A failure ends the turn, and is left to the caller to say."""
        translator = self.turn(TEXT, BROKEN, TEXT)

        self.assertEqual(translator.feed(b"xxx"), b"[TextDelta]")
        self.assertEqual((translator.outcome, translator.feed(b"x"), translator.end()), (BROKEN, b"", b""))
        self.assertEqual(self.listener.heard, [TEXT])

    def test_ping(self) -> None:
        """A ping is the encoder's, and changes nothing."""
        translator = self.turn()

        self.assertEqual((translator.ping(), translator.outcome), (b"[ping]", None))

    def test_stages(self) -> None:
        """Stages work one after the other, each on all that the one before it says."""
        translator = self.turn(ReasoningDelta("hm"), TEXT, STOP, stages=(Twice(), Mark("b"), Mark("c")))

        translator.feed(b"xxx")

        self.assertEqual(self.listener.heard, [TextDelta("abc"), TextDelta("abc"), STOP])

    def test_failing_stage(self) -> None:
        """A stage can fail the turn; what it says after that is not heard."""
        translator = self.turn(TEXT, TextDelta("ab"), TEXT, STOP, stages=(SizeLimit(2),))

        self.assertEqual(translator.feed(b"xxxx"), b"[TextDelta]")
        self.assertIsInstance(translator.outcome, Failed)

    @given(turns())
    @settings(max_examples=50, deadline=None)
    def test_well_formed(self, script: list[Event]) -> None:
        """A well-formed turn that says something is written as it is, however its bytes arrive, and ends well."""
        translator = self.turn(TEXT, *script)

        for _ in range(len(script) + 1):
            translator.feed(b"x")

        self.assertEqual(self.listener.heard[:-1], [TEXT, *script[:-1]])
        self.assertIsInstance(translator.outcome, Finished)


class FailTests(TranslatorTestCase):
    """Saying that a turn failed."""

    def test_own_failure(self) -> None:
        """The decoder's failure is framed with the caller's words for it, and keeps what was spent."""
        translator = self.turn(TEXT, BROKEN)
        translator.feed(b"xx")
        error = ProxyError(Kind.UPSTREAM, "Lost.")

        self.assertEqual(translator.fail(error), b"[Failed]")
        self.assertEqual(self.listener.heard[-1], Failed(error, SPENT))
        self.assertEqual(translator.outcome, Failed(error, SPENT))

    def test_foreign_failure(self) -> None:
        """A failure from outside settles a turn that is open."""
        translator = self.turn(TEXT, TEXT, STOP)
        translator.feed(b"x")
        error = ProxyError(Kind.TIMEOUT, "Silent.")

        self.assertEqual(translator.fail(error), b"[Failed]")
        self.assertEqual((translator.outcome, translator.feed(b"xx"), translator.end()), (Failed(error), b"", b""))

    def test_held(self) -> None:
        """What a stage still holds is said before a failure from outside."""
        translator = self.turn(TEXT, stages=(Hoard(),))
        translator.feed(b"x")

        self.assertEqual(translator.fail(ProxyError(Kind.TIMEOUT, "Silent.")), b"[TextDelta][Failed]")

    def test_held_before_own_failure(self) -> None:
        """What a stage still holds is said before the decoder's failure, once."""
        translator = self.turn(TEXT, BROKEN, stages=(Hoard(),))

        self.assertEqual(translator.feed(b"xx"), b"[TextDelta]")
        self.assertEqual(translator.fail(BROKEN.error), b"[Failed]")


class GrammarTests(TranslatorTestCase):
    """How a turn may end."""

    def test_reason_follows(self) -> None:
        """A completed call means tool calls, none means that it is a stop, whatever the upstream claims."""
        for reason in (STOP, CALLED):
            self.assertEqual(self.outcome(TEXT, *CALL, reason), CALLED)
            self.assertEqual(self.outcome(TEXT, reason), STOP)

    def test_other_reasons(self) -> None:
        """Any other reason stays what it is, with a call and without."""
        for reason in set(FinishReason) - {FinishReason.STOP, FinishReason.TOOL_CALLS}:
            for said in ((TEXT,), (TEXT, *CALL)):
                self.assertEqual(self.outcome(*said, Finished(reason, SPENT)), Finished(reason, SPENT))

    def test_corrected_for_the_client(self) -> None:
        """The client is told the reason that follows, with the usage as it was."""
        self.outcome(*CALL, Finished(FinishReason.STOP, SPENT))

        self.assertEqual(self.listener.heard[-1], Finished(FinishReason.TOOL_CALLS, SPENT))

    def test_nothing_said(self) -> None:
        """A turn that says nothing has failed, may be tried again, and keeps what was spent."""
        for reason in (FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.CONTENT_FILTER, FinishReason.PAUSE):
            failed = self.failure(TextStarted(), TextEnded(), Finished(reason, SPENT))

            self.assertEqual((failed.error.kind, failed.error.retryable, failed.usage), (Kind.UPSTREAM, True, SPENT))
            self.assertFalse(failed.error.replayable)

    def test_nothing_to_say(self) -> None:
        """A turn that had no room to say anything, or was to end where it began, ends well."""
        for reason in (FinishReason.LENGTH, FinishReason.STOP_SEQUENCE):
            self.assertEqual(self.outcome(Finished(reason)), Finished(reason))

    def test_something_said(self) -> None:
        """Text, reasoning or a call, each of them is enough."""
        for said, outcome in (((TEXT,), STOP), ((ReasoningDelta("hm"),), STOP), (CALL, CALLED)):
            self.assertEqual(self.outcome(*said, STOP), outcome)

    def test_cut_call(self) -> None:
        """A turn that finishes inside a call has failed, even if another call is complete."""
        for said in (CALL[:1], CALL[:2], (*CALL, ToolStarted("b", "look"))):
            failed = self.failure(*said, Finished(FinishReason.TOOL_CALLS, SPENT))

            self.assertEqual((failed.error.kind, failed.error.retryable, failed.usage), (Kind.UPSTREAM, True, SPENT))
            self.assertIn("inside a tool call", failed.error.message)

    def test_call_cut_by_the_limit(self) -> None:
        """A call that the token limit cut has failed for good, and the user is told what to do."""
        failed = self.failure(*CALL[:2], Finished(FinishReason.LENGTH))

        self.assertFalse(failed.error.retryable)
        self.assertIn("Raise max_tokens", failed.error.message)


class ObservationTests(TranslatorTestCase):
    """What the caller can see of a turn."""

    def test_thinking_written_as_text(self) -> None:
        """Thinking that a stage writes into the text is thinking still, during which the upstream may be silent for long."""
        translator = self.turn(ReasoningDelta("hm"), TEXT, stages=[TagReasoning(keep=False)])

        seen = []
        for _ in range(2):
            translator.feed(b"x")
            seen.append(translator.text_open)

        self.assertEqual(seen, [False, True])
        self.assertIsInstance(self.listener.heard[0], TextStarted)

    def test_text_open(self) -> None:
        """Text is open from its announcement or its first piece until anything else is said."""
        for after in ((TextEnded(),), (ReasoningDelta("hm"),), CALL[:1], CALL, (STOP,), (BROKEN,)):
            for before in (TextStarted(), TEXT):
                translator = self.turn(before, *after)
                seen = [translator.text_open]

                for data in (b"x", b"x" * len(after)):
                    translator.feed(data)
                    seen.append(translator.text_open)

                self.assertEqual(seen, [False, True, False], after)

    def test_decisive(self) -> None:
        """Everything but the announcement and the end of text decides that the answer has begun."""
        for event in (TEXT, ReasoningDelta("hm"), CALL[0], STOP, BROKEN):
            translator = self.turn(TextStarted(), TextEnded(), event)
            translator.feed(b"xx")
            before = translator.decisive

            translator.feed(b"x")

            self.assertEqual((before, translator.decisive), (False, True), event)
