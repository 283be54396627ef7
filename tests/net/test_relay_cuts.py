"""This module is the tests of what a relay does when a stop sequence cuts an answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import Finished, FinishReason
from ccproxy.stages.stop_sequences import StopSequences
from tests.net.relaying import ENDED, FINISH, HELLO, WORLD, Scene

STOP = b'{"type":"text-delta","id":"txt-0","text":"END and more"}\n'


class CutTests(SynchronousTestCase):
    """An answer whose client wants it to stop at ``END``."""

    def begun(self, *records: bytes) -> Scene:
        """An answer of which something was said."""
        scene = Scene(stages=[StopSequences(["END"])])
        scene.connect()
        scene.say(*records)
        return scene

    def assert_cut(self, scene: Scene) -> None:
        """The answer is finished for the client, without what follows the sequence, and the upstream was stopped at once."""
        (outcome,) = scene.outcomes
        assert isinstance(outcome, Finished)
        self.assertEqual(outcome.reason, FinishReason.STOP_SEQUENCE)
        self.assertTrue(scene.client.value().endswith(b"data: [DONE]\n\n"))
        self.assertNotIn(b"more", scene.client.value())
        self.assertEqual((scene.upstream.stops, scene.client.producer, scene.timers()), (1, None, 0))

    def test_cut_in_the_first_read(self) -> None:
        """An answer that is cut before anything went out is written in one piece."""
        scene = self.begun(HELLO, STOP, WORLD)

        self.assertEqual(len(scene.client.writes), 1)
        self.assert_cut(scene)

    def test_cut_while_streaming(self) -> None:
        """The user does not pay for what the upstream would still say."""
        scene = self.begun(HELLO)

        scene.say(STOP)

        self.assert_cut(scene)

    def test_cut_while_the_client_is_slow(self) -> None:
        """A paused upstream is stopped, not resumed."""
        scene = self.begun(HELLO)
        scene.relay.pauseProducing()

        scene.say(STOP)

        self.assert_cut(scene)

    def test_late_bytes_are_dropped(self) -> None:
        """What still arrives after the cut changes nothing."""
        scene = self.begun(HELLO, STOP)
        written = scene.client.value()

        scene.say(WORLD, FINISH)
        scene.lose(ENDED)

        self.assertEqual(scene.client.value(), written)
        self.assert_cut(scene)
