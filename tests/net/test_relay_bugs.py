"""This module is the tests of what a relay makes of documents, and of bugs in what it calls (trap P7)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NoReturn

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_chat.response import ChatDocument, ChatStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, TextDelta
from ccproxy.net.answer import Collector
from tests.dialects.turns import TURN
from tests.net.relaying import ENDED, ERROR, FINISH, HELLO, QUIET, WORLD, Scene


class UnexpectedError(Exception):
    """Something that nobody expected."""


class BuggyDecoder:
    """Says what it is fed as text, until it cannot go on."""

    def feed(self, data: bytes) -> Iterable[Event]:
        """Take bytes."""
        if data == b"bug":
            raise UnexpectedError(data)
        return [TextDelta(data.decode())]

    def end(self) -> NoReturn:
        """Take the end."""
        raise UnexpectedError("end")


class BuggyStage:
    """Takes one event, and no more."""

    def __init__(self) -> None:
        self._taken = False

    def feed(self, event: Event) -> Iterable[Event]:
        """Take an event."""
        if self._taken:
            raise UnexpectedError(event)
        self._taken = True
        return [event]


class DocumentTests(SynchronousTestCase):
    """A document is an answer of which nothing goes out before its end."""

    def collecting(self) -> tuple[Scene, Collector]:
        """A document that begins."""
        collector = Collector()
        scene = Scene(encoder=ChatDocument(TURN), consumer=collector)
        scene.connect()
        scene.say(QUIET, HELLO)
        return scene, collector

    def test_document_is_whole_at_the_finish(self) -> None:
        """The document holds all the text."""
        scene, collector = self.collecting()
        before = collector.value()

        scene.say(WORLD, FINISH)

        self.assertEqual(before, b"")
        self.assertIsInstance(scene.outcomes[0], Finished)
        self.assertEqual(json.loads(collector.value())["choices"][0]["message"]["content"], "Hello world")

    def test_failure_after_text_is_raised(self) -> None:
        """However late it fails, a document keeps the real status."""
        scene, collector = self.collecting()

        scene.say(WORLD, ERROR)

        self.assertEqual([type(outcome) for outcome in scene.outcomes], [ProxyError])
        self.assertEqual((collector.value(), scene.upstream.stops, scene.timers()), (b"", 1, 0))

    def test_end_without_a_finish_is_raised(self) -> None:
        """Half a document is no document, and nothing says that it may be tried again."""
        scene, collector = self.collecting()

        scene.lose(ENDED)

        (error,) = scene.outcomes
        assert isinstance(error, ProxyError)
        self.assertEqual((error.kind, error.replayable, collector.value()), (Kind.UPSTREAM, False, b""))


class BugTests(SynchronousTestCase):
    """A bug is logged with its traceback, told without it, and never looks like a success."""

    def assert_over(self, scene: Scene) -> None:
        """The upstream ended or was hung up on, the client is released, and no timer runs."""
        self.assertTrue(scene.upstream.ended or scene.upstream.stops == 1)
        self.assertEqual((scene.client.producer, scene.timers()), (None, 0))

    def test_bug_before_the_first_byte_is_raised(self) -> None:
        """The client gets a 500."""
        scene = Scene(decoder=BuggyDecoder())
        scene.connect()

        scene.say(b"bug")

        (error,) = scene.outcomes
        assert isinstance(error, ProxyError)
        self.assertEqual((error.kind, scene.client.writes), (Kind.INTERNAL, []))
        self.assertEqual(len(self.flushLoggedErrors(UnexpectedError)), 1)
        self.assert_over(scene)

    def test_bug_after_the_first_byte_is_framed(self) -> None:
        """The client gets an error frame that tells nothing of the bug."""
        scene = Scene(decoder=BuggyDecoder())
        scene.connect()
        scene.say(b"fine")

        scene.say(b"bug")

        (outcome,) = scene.outcomes
        assert isinstance(outcome, Failed)
        self.assertEqual(outcome.error.kind, Kind.INTERNAL)
        self.assertIn(b'"internal_error"', scene.client.writes[-1])
        self.assertNotIn(b"bug", scene.client.value())
        self.assertEqual(len(self.flushLoggedErrors(UnexpectedError)), 1)
        self.assert_over(scene)

    def test_bug_at_the_end_is_framed(self) -> None:
        """An end that cannot be translated is no finish."""
        scene = Scene(decoder=BuggyDecoder())
        scene.connect()
        scene.say(b"fine")

        scene.lose(ENDED)

        self.assertIn(b'"internal_error"', scene.client.writes[-1])
        self.assertEqual(len(self.flushLoggedErrors(UnexpectedError)), 1)
        self.assert_over(scene)

    def test_bug_is_met_once(self) -> None:
        """After it, nothing is translated any more."""
        scene = Scene(decoder=BuggyDecoder())
        scene.connect()
        scene.say(b"bug")

        scene.say(b"bug")
        scene.lose(ENDED)

        self.assertEqual(len(self.flushLoggedErrors(UnexpectedError)), 1)
        self.assertEqual(len(scene.outcomes), 1)

    def test_bug_in_the_frame_of_the_failure_does_not_hang_the_answer(self) -> None:
        """When the failure cannot even be said, the answer ends all the same, without a finish."""
        scene = Scene(stages=[BuggyStage()], encoder=ChatStream(TURN))
        scene.connect()
        scene.say(HELLO)

        scene.say(WORLD)

        (outcome,) = scene.outcomes
        assert isinstance(outcome, Failed)
        self.assertEqual(outcome.error.kind, Kind.INTERNAL)
        self.assertEqual(len(scene.client.writes), 1)
        self.assertEqual(len(self.flushLoggedErrors(UnexpectedError)), 2)
        self.assert_over(scene)
