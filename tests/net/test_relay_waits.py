"""This module is the tests of a relay's patience: silence of the upstream, slowness of the client, the drain, and what comes too late."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished
from ccproxy.net.deadline import ClientStalledError, Limits
from tests.net.relaying import (
    ENDED,
    FINISH,
    HELLO,
    LIMITS,
    QUIET,
    TEXT_END,
    TEXT_START,
    THOUGHT,
    WORLD,
    Scene,
    draining,
    held,
    opening,
    streaming,
)

TOOL_START = b'{"type":"tool-input-start","id":"call_1","toolName":"look"}\n'
UNLIMITED = Limits(text_silence=0, silence=0, stall=0, drain=0)


def timeout_of(scene: Scene) -> str:
    """The words of the one timeout that ended the answer."""
    (outcome,) = scene.outcomes
    assert isinstance(outcome, Failed) and outcome.error.kind is Kind.TIMEOUT
    return outcome.error.message


class SilenceTests(SynchronousTestCase):
    """How long the upstream may say nothing: 30 seconds inside its text, 900 anywhere else."""

    def test_silence_inside_text_is_short(self) -> None:
        """An upstream that stops in the middle of its text is given up after 30 seconds."""
        scene = streaming()
        scene.clock.advance(29)
        before = list(scene.outcomes)

        scene.clock.advance(1)

        self.assertEqual(before, [])
        self.assertIn("30 seconds inside its text", timeout_of(scene))
        self.assertEqual((scene.upstream.stops, scene.timers()), (1, 0))

    def test_announced_text_is_expected(self) -> None:
        """The short limit holds from the announcement of a text block, before its first word."""
        scene = opening()
        scene.say(TEXT_START)

        scene.clock.advance(30)

        (error,) = scene.outcomes
        assert isinstance(error, ProxyError)
        self.assertEqual(error.kind, Kind.TIMEOUT)

    def test_silence_after_text_is_long(self) -> None:
        """When a text block is complete, the model may think for 900 seconds."""
        scene = streaming()
        scene.say(TEXT_END)
        scene.clock.advance(899)
        before = list(scene.outcomes)

        scene.clock.advance(1)

        self.assertEqual(before, [])
        self.assertIn("900 seconds before its answer was finished", timeout_of(scene))

    def test_silence_in_thought_is_long(self) -> None:
        """A model that began to think is not hurried, even if it spoke before."""
        scene = streaming()

        scene.say(THOUGHT)
        scene.clock.advance(899)

        self.assertEqual(scene.outcomes, [])

    def test_silence_while_a_call_is_written_is_long(self) -> None:
        """A tool call that arrives whole is preceded by silence."""
        scene = streaming()

        scene.say(TOOL_START)
        scene.clock.advance(899)

        self.assertEqual(scene.outcomes, [])

    def test_trickle_is_never_cut(self) -> None:
        """A slow model may talk for hours."""
        scene = streaming()

        for _ in range(500):
            scene.clock.advance(29)
            scene.say(WORLD)

        self.assertEqual(scene.outcomes, [])
        self.assertEqual(len(scene.client.writes), 501)

    def test_half_a_record_is_no_silence(self) -> None:
        """Any byte counts, whether or not it completes anything."""
        scene = streaming()

        for byte in WORLD:
            scene.clock.advance(29)
            scene.say(bytes([byte]))

        self.assertEqual(scene.outcomes, [])
        self.assertEqual(len(scene.client.writes), 2)

    def test_no_limits_mean_no_timers(self) -> None:
        """With 0 everywhere nothing is ever given up."""
        scene = Scene(limits=UNLIMITED)
        scene.connect()
        scene.say(QUIET, HELLO)
        scene.relay.pauseProducing()

        self.assertEqual(scene.timers(), 0)


class SlowClientTests(SynchronousTestCase):
    """What happens while the client does not keep up."""

    def test_pause_during_the_first_write_holds(self) -> None:
        """A client whose buffer is full with the first read pauses the upstream."""
        scene = opening()
        scene.client.slow = True

        scene.say(HELLO)

        self.assertEqual(scene.upstream.state, "paused")

    def test_pause_during_the_last_write_does_not_strand_the_upstream(self) -> None:
        """A client whose buffer is full with the finish has its answer, and the upstream may end its response."""
        scene = streaming()
        scene.client.slow = True

        scene.say(WORLD, FINISH)

        self.assertIsInstance(scene.outcomes[0], Finished)
        self.assertEqual(scene.upstream.state, "producing")
        self.assertIsNone(scene.client.producer)

    def test_pause_suspends_the_silence_limit(self) -> None:
        """An upstream that is not listened to is not silent."""
        scene = held()

        scene.clock.advance(299)

        self.assertEqual(scene.outcomes, [])

    def test_release_starts_the_silence_limit_anew(self) -> None:
        """After the pause the upstream has all of its 30 seconds."""
        scene = streaming()
        scene.clock.advance(29)
        scene.relay.pauseProducing()
        scene.clock.advance(200)
        scene.relay.resumeProducing()
        scene.clock.advance(29)
        before = list(scene.outcomes)

        scene.clock.advance(1)

        self.assertEqual(before, [])
        self.assertIn("30 seconds", timeout_of(scene))

    def test_release_ends_the_stall(self) -> None:
        """A client that reads now and then is never given up."""
        scene = streaming()

        for _ in range(20):
            scene.relay.pauseProducing()
            scene.clock.advance(299)
            scene.relay.resumeProducing()

        self.assertEqual(scene.outcomes, [])

    def test_stall_counts_from_the_first_pause(self) -> None:
        """A second pause without a release in between does not buy time."""
        scene = held()
        scene.clock.advance(200)
        scene.relay.pauseProducing()

        scene.clock.advance(100)

        self.assertEqual([type(outcome) for outcome in scene.outcomes], [ClientStalledError])

    def test_late_bytes_are_passed_on_after_a_pause(self) -> None:
        """The rest of a read arrives although the upstream is paused (trap P12), and the client gets it."""
        scene = held()

        scene.say(WORLD)

        self.assertIn(b'" world"', scene.client.writes[-1])
        self.assertEqual(scene.upstream.state, "paused")

    def test_late_bytes_do_not_start_the_silence_limit(self) -> None:
        """During a pause only the client's own clock runs."""
        scene = held()
        scene.say(WORLD)

        scene.clock.advance(299)

        self.assertEqual(scene.outcomes, [])


class DrainTests(SynchronousTestCase):
    """The moment in which the upstream may end its response."""

    def test_late_bytes_are_dropped(self) -> None:
        """Nothing is written after the finish, whatever the upstream adds."""
        scene = draining()
        written = scene.client.value()

        scene.say(WORLD, FINISH)

        self.assertEqual(scene.client.value(), written)
        self.assertEqual(len(scene.outcomes), 1)

    def test_late_bytes_do_not_buy_time(self) -> None:
        """An upstream that goes on talking is stopped after a second all the same."""
        scene = draining()

        for _ in range(4):
            scene.clock.advance(0.25)
            scene.say(b'{"type":"provider-metadata"}\n')

        self.assertEqual((scene.upstream.stops, scene.timers()), (1, 0))

    def test_end_after_the_stop_changes_nothing(self) -> None:
        """The end of a connection that was given up is no news."""
        scene = draining()
        scene.clock.advance(1)

        scene.lose(ENDED)

        self.assertEqual((scene.upstream.stops, scene.timers(), len(scene.outcomes)), (1, 0, 1))

    def test_no_drain_limit_waits_for_ever(self) -> None:
        """With 0 the upstream ends its response when it likes."""
        scene = Scene(limits=UNLIMITED)
        scene.connect()

        scene.say(HELLO, FINISH)

        self.assertEqual((scene.upstream.stops, scene.timers()), (0, 0))


class TooLateTests(SynchronousTestCase):
    """What comes after the end, or before the beginning."""

    def test_bytes_after_a_stop_are_dropped(self) -> None:
        """A client that left gets nothing of what was still under way."""
        scene = streaming()
        scene.client.leave()

        scene.say(WORLD, FINISH)
        scene.lose(ENDED)

        self.assertEqual(len(scene.client.writes), 1)
        self.assertEqual((scene.outcomes, scene.timers()), ([], 0))

    def test_body_that_begins_after_the_cancellation_is_stopped(self) -> None:
        """An answer that nobody waits for is hung up on as soon as it begins; an ignored one is a leaked socket (trap P10)."""
        scene = Scene()
        scene.relay.done.cancel()

        scene.connect()
        scene.say(HELLO)
        scene.lose(ENDED)

        self.assertEqual((scene.upstream.stops, scene.client.writes, scene.client.producer), (1, [], None))
        self.assertEqual([type(outcome) for outcome in scene.outcomes], [CancelledError])
        self.assertEqual(scene.timers(), 0)

    def test_body_that_begins_after_the_daemon_gave_up_is_stopped(self) -> None:
        """The failure is raised at once, and the body that comes later is hung up on."""
        scene = Scene(limits=LIMITS)
        scene.relay.abandon(ProxyError(Kind.OVERLOADED, "The proxy goes down."))

        scene.connect()

        self.assertEqual([type(outcome) for outcome in scene.outcomes], [ProxyError])
        self.assertEqual((scene.upstream.stops, scene.client.producer, scene.timers()), (1, None, 0))
