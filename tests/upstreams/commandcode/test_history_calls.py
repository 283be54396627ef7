"""Tests of the repair of conversations: calls, their results, and the images in them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.prompt import Image, Message, Note, NoteCode, Role, ToolCall
from ccproxy.upstreams.commandcode.history import repair
from tests.upstreams.commandcode.conversations import PICTURE, assistant, call, result, tool, user

HELLO = user("hello")
OTHER_PICTURE = Image("image/png", "bbbb")
MARKER = "[The image is in the user message after the tool results.]"
INTERRUPTED = "The tool call was interrupted before it answered."


def repaired(*messages: Message) -> tuple[Message, ...]:
    """The messages that go up for these."""
    return repair(messages).messages


class PairingTests(SynchronousTestCase):
    """Every call is answered once."""

    def test_missing(self) -> None:
        """A call without a result gets one that says so."""
        history = repair((assistant(call("a"), call("b")), tool(result("b", "two")), user("go on")))

        self.assertEqual(
            history.messages[1:],
            (tool(result("a", INTERRUPTED, is_error=True), result("b", "two")), user("go on")),
        )
        self.assertEqual(history.notes, (Note(NoteCode.RESULT_MISSING, ("a",)),))

    def test_missing_at_the_end(self) -> None:
        """A conversation does not end with an open call."""
        self.assertEqual(repaired(assistant(call("a")))[1], tool(result("a", INTERRUPTED, is_error=True)))

    def test_orphan(self) -> None:
        """A result without a call is what the user says, with its images."""
        history = repair((HELLO, tool(result("gone", "one", PICTURE)), user("two")))

        self.assertEqual(
            history.messages,
            (
                HELLO,
                user("[The result of a tool call that is no longer in the conversation:]", "one", PICTURE),
                user("two"),
            ),
        )
        self.assertEqual(history.notes, (Note(NoteCode.RESULT_ORPHANED, ("gone",)),))

    def test_result_before_its_call(self) -> None:
        """A result cannot answer a call that comes later."""
        history = repair((tool(result("a", "one")), assistant(call("a"))))

        self.assertEqual([note.code for note in history.notes], [NoteCode.RESULT_ORPHANED, NoteCode.RESULT_MISSING])

    def test_orphan_waits(self) -> None:
        """A result without a call does not come between a call and its result."""
        said = repaired(assistant(call("a")), tool(result("gone", "x"), result("a", "one")))

        self.assertEqual([message.role for message in said], [Role.ASSISTANT, Role.TOOL, Role.USER])

    def test_duplicate_result(self) -> None:
        """Of two results for one call the last one wins."""
        history = repair((assistant(call("a")), tool(result("a", "old")), tool(result("a", "new"))))

        self.assertEqual(history.messages[1:], (tool(result("a", "new")),))
        self.assertEqual(history.notes, (Note(NoteCode.RESULT_DUPLICATE, ("a",)),))

    def test_duplicate_result_too_late(self) -> None:
        """A second result that comes after the assistant went on does not change what it went on from."""
        history = repair((assistant(call("a")), tool(result("a", "old")), assistant("I see"), tool(result("a", "new"))))

        self.assertEqual(
            history.messages[1:],
            (
                tool(result("a", "old")),
                assistant("I see"),
                user("[Another result of a tool call that was already answered:]", "new"),
            ),
        )
        self.assertEqual(history.notes, (Note(NoteCode.RESULT_DUPLICATE, ("a",)),))

    def test_result_in_assistant_message(self) -> None:
        """A result that stands in the assistant's own message is a result all the same."""
        said = repaired(assistant(call("a"), result("a", "one")))

        self.assertEqual(said, (assistant(call("a")), tool(result("a", "one"))))


class CallIdTests(SynchronousTestCase):
    """Every id goes up once."""

    def test_duplicate_in_later_message(self) -> None:
        """A later call with a known id gets a new one, together with its result."""
        history = repair(
            (assistant(call("a")), tool(result("a", "one")), assistant(call("a")), tool(result("a", "two")))
        )

        self.assertEqual(history.messages[2:], (assistant(call("a_2")), tool(result("a_2", "two"))))
        self.assertEqual(history.notes, (Note(NoteCode.CALL_DUPLICATE, ("a",)),))

    def test_duplicate_in_same_message(self) -> None:
        """Calls of one message that share an id are answered in turn."""
        said = repaired(assistant(call("a"), call("a")), tool(result("a", "one"), result("a", "two")))

        self.assertEqual(said, (assistant(call("a"), call("a_2")), tool(result("a", "one"), result("a_2", "two"))))

    def test_new_id_is_taken(self) -> None:
        """An id that we would give may be in use already."""
        said = repaired(assistant(call("a_2"), call("a"), call("a")))

        self.assertEqual(said[0], assistant(call("a_2"), call("a"), call("a_3")))

    def test_empty(self) -> None:
        """An empty id becomes one, and its result finds it."""
        said = repaired(assistant(call(""), call("")), tool(result("", "one"), result("", "two")))

        self.assertEqual(
            said, (assistant(call("call"), call("call_2")), tool(result("call", "one"), result("call_2", "two")))
        )

    def test_many_duplicates(self) -> None:
        """Thousands of calls with one id are no more work than thousands of calls."""
        count = 20_000

        said = repaired(assistant(*[call("a")] * count), tool(*[result("a", "x")] * count))

        self.assertEqual(len({part.call_id for part in said[0].parts if isinstance(part, ToolCall)}), count)


class CallTests(SynchronousTestCase):
    """What a call says."""

    def test_arguments(self) -> None:
        """Arguments become an object, whatever they are."""
        history = repair((assistant(call("a", arguments=""), call("b", arguments="[1]"), call("c")),))

        self.assertEqual(history.messages[0], assistant(call("a"), call("b", arguments='{"value":"[1]"}'), call("c")))
        self.assertIn(Note(NoteCode.ARGUMENTS_REPAIRED, ("a", "b")), history.notes)

    def test_name(self) -> None:
        """A call without a name gets one, as the upstream's providers fail without."""
        self.assertEqual(repaired(assistant(call("a", name="")))[0], assistant(call("a", name="unknown")))


class ImageTests(SynchronousTestCase):
    """Images in results, which the upstream would drop."""

    def test_moved(self) -> None:
        """They move to one user message after all results of the turn, before what the user says."""
        history = repair(
            (
                assistant(call("a", name="look"), call("b", name="shoot")),
                tool(result("a", "seen", PICTURE)),
                user("well?", result("b", OTHER_PICTURE)),
            )
        )

        self.assertEqual(
            history.messages[1:],
            (
                tool(result("a", f"seen\n{MARKER}"), result("b", MARKER)),
                user(
                    "[From the result of the tool look, call a:]",
                    PICTURE,
                    "[From the result of the tool shoot, call b:]",
                    OTHER_PICTURE,
                ),
                user("well?"),
            ),
        )
        self.assertEqual(history.notes, (Note(NoteCode.IMAGE_MOVED, ("a", "b")),))

    def test_of_the_assistant(self) -> None:
        """An image in the assistant's message, where the upstream takes none, moves behind it."""
        self.assertEqual(repaired(assistant("look", PICTURE)), (assistant("look"), user(PICTURE)))
