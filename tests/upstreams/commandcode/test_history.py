"""Tests of the repair of conversations: system text, order, and what says nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.prompt import Message, Note, NoteCode, Reasoning, Role, Text
from ccproxy.upstreams.commandcode.history import History, repair
from tests.upstreams.commandcode.conversations import PICTURE, assistant, call, result, system, tool, user

HELLO = user("hello")


def repaired(*messages: Message) -> tuple[Message, ...]:
    """The messages that go up for these."""
    return repair(messages).messages


class SoundTests(SynchronousTestCase):
    """A conversation without defects."""

    def test_unchanged(self) -> None:
        """It goes up as it is, without notes."""
        messages = (
            user("hello", PICTURE),
            assistant(Reasoning("hm"), "let me see", call("a"), call("b", arguments='{"x": 1}')),
            tool(result("a", "one"), result("b", "two", is_error=True)),
            assistant("done"),
            user("thanks"),
        )

        history = repair((system("be nice"), *messages))

        self.assertEqual(history, History("be nice", messages))


class SystemTests(SynchronousTestCase):
    """System text, for which the upstream has one place."""

    def test_joined(self) -> None:
        """Leading system messages are one text, block by block."""
        history = repair((system("one", "two"), system("three"), HELLO))

        self.assertEqual(history, History("one\ntwo\nthree", (HELLO,)))

    def test_absent(self) -> None:
        """Without system text one space goes up, which keeps the upstream from putting its own there."""
        for messages in ((HELLO,), (system(), HELLO), (system("", " \n"), HELLO)):
            self.assertEqual(repair(messages).system, " ")

    def test_later(self) -> None:
        """Later system text stays in its place as tagged user text."""
        history = repair((HELLO, system("be", "brief"), assistant("hi")))

        self.assertEqual(history.messages, (HELLO, user("<system>\nbe\nbrief\n</system>"), assistant("hi")))
        self.assertEqual(history.notes, (Note(NoteCode.SYSTEM_TAGGED),))

    def test_waits_for_results(self) -> None:
        """System text between a call and its result comes after the result."""
        said = repaired(HELLO, assistant(call("a")), system("be brief"), tool(result("a", "one")))

        self.assertEqual(said[2:], (tool(result("a", "one")), user("<system>\nbe brief\n</system>")))

    def test_nothing_else(self) -> None:
        """System text alone is asked as a user's message, as there is nothing else to answer."""
        history = repair((system("say hi"), user("  ")))

        self.assertEqual((history.system, history.messages), (" ", (user("<system>\nsay hi\n</system>"),)))

    def test_billing_header(self) -> None:
        """Claude Code's billing header, which differs in every request, is left out."""
        history = repair((system("x-anthropic-billing-header: cc_version=2.1; cch=123;", "be nice"), HELLO))

        self.assertEqual(history, History("be nice", (HELLO,), (Note(NoteCode.BILLING_HEADER_DROPPED),)))

    def test_billing_header_in_joined_text(self) -> None:
        """Of system text in one block only the header's line is left out."""
        history = repair((system("x-anthropic-billing-header: cch=123;\nbe nice"), HELLO))

        self.assertEqual(history.system, "be nice")

    def test_one_billing_header(self) -> None:
        """Only one block, and only one that begins with the header, is left out."""
        header = "x-anthropic-billing-header: cch=1;"

        history = repair((system(f"quote: {header}", header, header), HELLO))

        self.assertEqual(history.system, f"quote: {header}\n{header}")

    def test_billing_header_of_a_user(self) -> None:
        """A user may say the header's name."""
        said = user("x-anthropic-billing-header: cch=1;")

        self.assertEqual(repaired(said), (said,))


class OrderTests(SynchronousTestCase):
    """The order that the upstream wants."""

    def test_assistant(self) -> None:
        """The assistant thinks, speaks and calls, in this order."""
        said = repaired(assistant(call("a"), "text", Reasoning("hm"), call("b"), "more"))

        self.assertEqual(said[0], assistant(Reasoning("hm"), "text", "more", call("a"), call("b")))

    def test_results_in_user_message(self) -> None:
        """Results that stand among the user's words come before them."""
        said = repaired(assistant(call("a")), user("next", result("a", "one"), PICTURE))

        self.assertEqual(said[1:], (tool(result("a", "one")), user("next", PICTURE)))

    def test_results_in_several_messages(self) -> None:
        """Results come in the order of their calls, however they arrived."""
        said = repaired(
            assistant(call("a"), call("b"), call("c")),
            tool(result("c", "three")),
            user(result("a", "one"), "and"),
            tool(result("b", "two")),
        )

        self.assertEqual(said[1:], (tool(result("a", "one"), result("b", "two"), result("c", "three")), user("and")))

    def test_late_result(self) -> None:
        """A result that arrives after the assistant went on still stands right after its call."""
        said = repaired(assistant(call("a")), assistant(call("b")), tool(result("a", "one")), tool(result("b", "two")))

        self.assertEqual(
            said, (assistant(call("a")), tool(result("a", "one")), assistant(call("b")), tool(result("b", "two")))
        )


class EmptyTests(SynchronousTestCase):
    """What says nothing is left out."""

    def test_parts(self) -> None:
        """Blank parts go, the rest of the message stays."""
        said = repaired(user("", "hello", " \n"), assistant(Reasoning(" "), "", call("a")), tool(result("a", " ")))

        self.assertEqual(said, (HELLO, assistant(call("a")), tool(result("a", " "))))

    def test_messages(self) -> None:
        """Messages without anything go, with a note."""
        history = repair((HELLO, assistant(), assistant(" "), user(), system(""), tool()))

        self.assertEqual(history, History(" ", (HELLO,), (Note(NoteCode.EMPTY_DROPPED),)))

    def test_nothing_at_all(self) -> None:
        """A conversation in which nothing is said is refused."""
        for messages in ((), (user(""),), (system(" "), assistant())):
            error = self.assertRaises(ProxyError, repair, messages)

            self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, "messages"))


class MisplacedTests(SynchronousTestCase):
    """Parts in messages where no client should put them."""

    def test_of_the_user(self) -> None:
        """A user's reasoning and calls are kept as text."""
        said = repaired(user(Reasoning("hm"), call("a", arguments='{"x":1}')))

        self.assertEqual(said, (user("hm", 'look {"x":1}'),))

    def test_of_the_system(self) -> None:
        """An image in a system message is a user's image."""
        said = repaired(Message(Role.SYSTEM, (Text("see"), PICTURE)), HELLO)

        self.assertEqual(said, (user(PICTURE), HELLO))
