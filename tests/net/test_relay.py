"""This module is the tests of the rows of a relay's table: what each event does in each state."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss
from zope.interface.verify import verifyObject

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Failed, Finished
from ccproxy.net.deadline import ClientStalledError
from tests.net.relaying import (
    ENDED,
    ERROR,
    FINISH,
    HELLO,
    QUIET,
    STEP_FINISH,
    TEXT_START,
    THOUGHT,
    WORLD,
    Scene,
    draining,
    held,
    opening,
    streaming,
)

BROKEN = Failure(ResponseFailed([Failure(ConnectionError())]))
UNMARKED_END = Failure(PotentialDataLoss())
NO_CREDIT = b'{"type":"error","error":{"message":"Insufficient credits","statusCode":402}}'
GOING_DOWN = ProxyError(Kind.OVERLOADED, "The proxy goes down.")


class RelayTestCase(SynchronousTestCase):
    """Says how an answer may end."""

    def assert_raised(self, scene: Scene, kind: Kind, words: str) -> ProxyError:
        """The answer ended with an exception and without a byte; nothing is left."""
        (error,) = scene.outcomes
        assert isinstance(error, ProxyError)
        self.assertEqual(error.kind, kind)
        self.assertIn(words, error.message)
        self.assertEqual(scene.client.writes, [])
        self.assert_over(scene)
        return error

    def assert_framed(self, scene: Scene, kind: Kind, words: str) -> None:
        """The answer ended with an error frame, and not with a finish; nothing is left."""
        (outcome,) = scene.outcomes
        assert isinstance(outcome, Failed)
        self.assertEqual(outcome.error.kind, kind)
        self.assertTrue(scene.client.writes[-1].startswith(b'data: {"error":'), scene.client.writes[-1])
        self.assertIn(words.encode(), scene.client.writes[-1])
        self.assertNotIn(b"[DONE]", scene.client.value())
        self.assert_over(scene)

    def assert_finished(self, scene: Scene) -> None:
        """The answer is complete, for the client at least."""
        (outcome,) = scene.outcomes
        self.assertIsInstance(outcome, Finished)
        self.assertTrue(scene.client.value().endswith(b"data: [DONE]\n\n"))
        self.assertEqual(scene.client.value().count(b"[DONE]"), 1)
        self.assertIsNone(scene.client.producer)

    def assert_over(self, scene: Scene) -> None:
        """The upstream ended or was hung up on, the client is released, and no timer runs."""
        self.assertTrue(scene.upstream.ended or scene.upstream.stops == 1)
        self.assertIsNone(scene.client.producer)
        self.assertEqual(scene.timers(), 0)


class RelayTests(RelayTestCase):
    """What is true from the start."""

    def test_is_a_protocol_and_a_push_producer(self) -> None:
        """It is a body protocol to the upstream and a push producer to the client."""
        scene = opening()

        self.assertTrue(verifyObject(IProtocol, scene.relay))
        self.assertTrue(verifyObject(IPushProducer, scene.relay))

    def test_registers_with_the_client(self) -> None:
        """From the first moment the client's socket says when to pause."""
        scene = opening()

        self.assertIs(scene.client.producer, scene.relay)

    def test_first_decisive_event_is_dated(self) -> None:
        """The time to the first event counts until the upstream says something decisive, not until it says anything."""
        scene = opening()
        scene.clock.advance(2)
        scene.say(TEXT_START)
        before = scene.relay.decided_at

        scene.clock.advance(3)
        scene.say(HELLO)
        scene.clock.advance(4)
        scene.say(WORLD)

        self.assertEqual((before, scene.relay.decided_at), (None, 5))


class OpeningTests(RelayTestCase):
    """A 200 came, and nothing was sent to the client yet."""

    def test_quiet_records_send_nothing(self) -> None:
        """Records that say nothing do not begin the client's response."""
        scene = opening()

        scene.say(QUIET, TEXT_START)

        self.assertEqual((scene.client.writes, scene.outcomes), ([], []))

    def test_client_that_leaves_stops_the_upstream(self) -> None:
        """Nobody pays for tokens that nobody reads."""
        scene = opening()

        scene.client.leave()

        self.assertEqual(scene.upstream.stops, 1)
        self.assertEqual(scene.outcomes, [])
        self.assert_over(scene)

    def test_cancellation_stops_the_upstream(self) -> None:
        """A cancelled answer is no failure of anybody."""
        scene = opening()

        scene.relay.done.cancel()

        self.assertEqual(scene.upstream.stops, 1)
        self.assertEqual([type(outcome) for outcome in scene.outcomes], [CancelledError])
        self.assertEqual((scene.client.writes, scene.timers()), ([], 0))

    def test_first_output_begins_the_answer(self) -> None:
        """Text goes to the client, and from now on a failure is a frame."""
        scene = opening()

        scene.say(HELLO)
        scene.say(ERROR)

        self.assertIn(b'"Hello"', scene.client.writes[0])
        self.assert_framed(scene, Kind.UPSTREAM, "The model is out of breath")

    def test_whole_answer_in_one_read_is_one_write(self) -> None:
        """Everything that one read yields, first output and finish included, is written in one piece."""
        scene = opening()

        scene.say(THOUGHT, TEXT_START, HELLO, WORLD, FINISH)

        self.assertEqual(len(scene.client.writes), 1)
        self.assert_finished(scene)

    def test_failure_is_raised(self) -> None:
        """An error that comes first keeps its real status."""
        scene = opening()

        scene.say(ERROR)

        self.assert_raised(scene, Kind.UPSTREAM, "The model is out of breath")

    def test_finish_without_output_is_raised(self) -> None:
        """An empty answer is a failure, and the upstream's connection is not waited for."""
        scene = opening()

        scene.say(FINISH)

        self.assert_raised(scene, Kind.UPSTREAM, "without any output")

    def test_end_before_the_beginning_may_be_tried_again(self) -> None:
        """A 200 that ends with quiet records only has generated nothing."""
        scene = opening()

        scene.lose(ENDED)

        error = self.assert_raised(scene, Kind.UPSTREAM, "ended its answer before it began")
        self.assertTrue(error.replayable)

    def test_break_is_raised_as_what_it_is(self) -> None:
        """A connection that broke is told from an answer that ended; what was generated by then is not known."""
        scene = opening()

        scene.lose(BROKEN)

        error = self.assert_raised(scene, Kind.UPSTREAM, "connection to the upstream broke")
        self.assertFalse(error.replayable)

    def test_break_does_not_hide_the_upstreams_own_words(self) -> None:
        """A cause that the upstream named on its last line is the cause, although its connection broke afterwards."""
        scene = opening()
        scene.say(NO_CREDIT)

        scene.lose(BROKEN)

        self.assert_raised(scene, Kind.CREDIT, "Insufficient credits")

    def test_silence_is_raised(self) -> None:
        """An upstream that says nothing for 900 seconds is given up with a 504."""
        scene = opening()

        scene.clock.advance(900)

        self.assert_raised(scene, Kind.TIMEOUT, "silent for 900 seconds before its answer was finished")

    def test_daemon_that_gives_up_raises(self) -> None:
        """When the daemon goes down, the client is told with a status."""
        scene = opening()

        scene.relay.abandon(GOING_DOWN)

        self.assert_raised(scene, Kind.OVERLOADED, "The proxy goes down.")


class StreamingTests(RelayTestCase):
    """The client has seen text."""

    def test_each_read_is_one_write(self) -> None:
        """All the text of a read goes out together, and a read without text writes nothing."""
        scene = streaming()

        scene.say(WORLD, WORLD, THOUGHT)
        scene.say(b'{"type":"text-del')
        scene.say(b'ta","id":"txt-0","text":"!"}\n')

        self.assertEqual(len(scene.client.writes), 3)

    def test_client_that_leaves_stops_the_upstream(self) -> None:
        """The upstream is hung up on at once, and nothing more is written."""
        scene = streaming()

        scene.client.leave()

        self.assertEqual((scene.upstream.stops, len(scene.client.writes)), (1, 1))
        self.assert_over(scene)

    def test_client_that_left_is_reported_by_the_cancellation(self) -> None:
        """Whichever of the two witnesses comes first, the upstream is stopped once, and the outcome is a cancellation."""
        scene = streaming()
        scene.client.leave()

        scene.relay.done.cancel()

        self.assertEqual(scene.upstream.stops, 1)
        self.assertEqual([type(outcome) for outcome in scene.outcomes], [CancelledError])

    def test_finish_ends_the_clients_response_at_once(self) -> None:
        """The tail is written, the client released, and the upstream may go on for a moment to end its response."""
        scene = streaming()

        scene.say(FINISH)

        self.assert_finished(scene)
        self.assertEqual(scene.upstream.state, "producing")

    def test_failure_is_framed(self) -> None:
        """An error that comes later is data."""
        scene = streaming()

        scene.say(ERROR)

        self.assert_framed(scene, Kind.UPSTREAM, "The model is out of breath")

    def test_text_before_a_failure_is_sent(self) -> None:
        """What was said in the same read as the failure is not lost."""
        scene = streaming()

        scene.say(WORLD, ERROR)

        self.assertIn(b'" world"', scene.client.value())
        self.assert_framed(scene, Kind.UPSTREAM, "The model is out of breath")

    def test_end_without_a_finish_is_framed(self) -> None:
        """However clean the transport says that the end was, without a finish it is a failure (trap P6)."""
        for reason in (ENDED, UNMARKED_END):
            scene = streaming()

            scene.lose(reason)

            self.assert_framed(scene, Kind.UPSTREAM, "ended its answer before it was finished")

    def test_break_is_framed(self) -> None:
        """A connection that broke is named."""
        scene = streaming()

        scene.lose(BROKEN)

        self.assert_framed(scene, Kind.UPSTREAM, "connection to the upstream broke")

    def test_end_after_a_finished_step_is_a_finish(self) -> None:
        """A last step that finished counts as a finish where the upstream ended its answer, and no timer is left."""
        for reason in (ENDED, UNMARKED_END):
            scene = streaming()
            scene.say(STEP_FINISH)

            scene.lose(reason)

            self.assert_finished(scene)
            self.assert_over(scene)

    def test_break_after_a_finished_step_is_a_failure(self) -> None:
        """A connection that breaks after a step may have had another step to bring."""
        scene = streaming()
        scene.say(STEP_FINISH)

        scene.lose(BROKEN)

        self.assert_framed(scene, Kind.UPSTREAM, "The connection to the upstream broke")

    def test_finish_on_the_last_line_needs_no_line_feed(self) -> None:
        """A finish that only the end completes is a finish."""
        scene = streaming()
        scene.say(FINISH.rstrip())

        scene.lose(ENDED)

        self.assert_finished(scene)
        self.assert_over(scene)

    def test_daemon_that_gives_up_frames(self) -> None:
        """When the daemon goes down, the client is told in its stream."""
        scene = streaming()

        scene.relay.abandon(GOING_DOWN)

        self.assert_framed(scene, Kind.OVERLOADED, "The proxy goes down.")


class HeldTests(RelayTestCase):
    """The client does not keep up."""

    def test_upstream_is_paused(self) -> None:
        """What the client does not read is not read from the upstream."""
        scene = streaming()

        scene.relay.pauseProducing()

        self.assertEqual(scene.upstream.state, "paused")

    def test_release_resumes_the_upstream(self) -> None:
        """When the client has read, the answer goes on, and only the upstream's silence counts."""
        scene = held()

        scene.relay.resumeProducing()
        scene.say(WORLD)

        self.assertEqual((scene.upstream.state, scene.timers()), ("producing", 1))
        self.assertIn(b'" world"', scene.client.writes[-1])

    def test_client_that_leaves_stops_the_upstream(self) -> None:
        """A paused upstream is hung up on like any other."""
        scene = held()

        scene.client.leave()

        self.assertEqual(scene.upstream.stops, 1)
        self.assert_over(scene)

    def test_cancellation_stops_the_upstream(self) -> None:
        """A cancelled answer leaves neither a stall timer nor a connection."""
        scene = held()

        scene.relay.done.cancel()

        self.assertEqual((scene.upstream.stops, scene.timers()), (1, 0))
        self.assertEqual([type(outcome) for outcome in scene.outcomes], [CancelledError])

    def test_finish_resumes_the_upstream(self) -> None:
        """An upstream that stayed paused could not end its response, and its connection would be stranded (trap P11)."""
        scene = held()

        scene.say(FINISH)

        self.assert_finished(scene)
        self.assertEqual(scene.upstream.state, "producing")

    def test_failure_is_framed(self) -> None:
        """An error is told, although the client is slow."""
        scene = held()

        scene.say(ERROR)

        self.assert_framed(scene, Kind.UPSTREAM, "The model is out of breath")

    def test_end_without_a_finish_is_framed(self) -> None:
        """An upstream that ends while it is paused has not finished."""
        scene = held()

        scene.lose(ENDED)

        self.assert_framed(scene, Kind.UPSTREAM, "before it was finished")

    def test_end_after_a_finished_step_is_a_finish(self) -> None:
        """The end may come while the client is slow, and leaves no timer."""
        scene = held()
        scene.say(STEP_FINISH)

        scene.lose(ENDED)

        self.assert_finished(scene)
        self.assert_over(scene)

    def test_client_that_stalls_is_given_up(self) -> None:
        """After 300 seconds without reading the upstream is stopped, and nothing is written to somebody who does not read."""
        scene = held()

        scene.clock.advance(300)

        self.assertEqual([type(outcome) for outcome in scene.outcomes], [ClientStalledError])
        self.assertEqual((scene.upstream.stops, len(scene.client.writes)), (1, 1))
        self.assert_over(scene)


class DrainingTests(RelayTestCase):
    """The turn finished, and the upstream's response did not end yet."""

    def test_end_of_the_response_keeps_the_connection(self) -> None:
        """An upstream that ends its response in time is not hung up on, so that its connection can serve again."""
        scene = draining()

        scene.lose(ENDED)

        self.assertEqual((scene.upstream.stops, scene.timers()), (0, 0))

    def test_upstream_that_does_not_end_is_stopped(self) -> None:
        """After a second the connection is given up."""
        scene = draining()
        scene.clock.advance(0.9)
        before = scene.upstream.stops

        scene.clock.advance(0.1)

        self.assertEqual((before, scene.upstream.stops, scene.timers()), (0, 1, 0))

    def test_silence_does_not_count(self) -> None:
        """The deadlines of the answer end with the answer."""
        scene = draining()

        scene.clock.pump([0.25] * 4)
        scene.lose(ENDED)

        self.assert_finished(scene)
        self.assertEqual(scene.timers(), 0)

    def test_failure_stops_the_upstream(self) -> None:
        """A daemon that gives up does not wait for the upstream's end; the answer stays finished."""
        scene = draining()

        scene.relay.abandon(GOING_DOWN)

        self.assertEqual(scene.upstream.stops, 1)
        self.assert_finished(scene)
        self.assert_over(scene)
