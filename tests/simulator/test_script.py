"""Tests of the model that calls what its user writes down."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.script import obey
from tests.simulator.samples import assistant, call, parsed, result, steps, tool, user

PATCH = "*** Begin Patch\n*** Add File: a\n+{}\n*** End Patch"
TOOLS = [tool("sh", cmd={"type": "string"}), tool("patch", input={"type": "string"})]


def answer(*messages: dict[str, Any], tools: list[dict[str, Any]] = TOOLS) -> list[dict[str, Any]]:
    """The records that the model answers with."""
    return parsed(steps(obey, messages=list(messages), tools=tools))


def made(*messages: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The calls that it makes: names and arguments."""
    return [(record["toolName"], record["input"]) for record in answer(*messages) if record["type"] == "tool-call"]


def text(records: list[dict[str, Any]]) -> str:
    """All that it says."""
    return "".join(record["text"] for record in records if record["type"] == "text-delta")


class ScriptTests(SynchronousTestCase):
    """What the model does with a script."""

    def test_object(self) -> None:
        """A call in one line has the object behind it for its arguments."""
        self.assertEqual(
            made(user('Please:\ncall sh {"cmd": "echo {hi}", "n": 2}')), [("sh", {"cmd": "echo {hi}", "n": 2})]
        )

    def test_block(self) -> None:
        """A call above a fenced block has the block for its first required argument."""
        self.assertEqual(made(user(f"call patch\n```diff\n{PATCH}\n```\nThank you.")), [("patch", {"input": PATCH})])

    def test_long_fence(self) -> None:
        """A block that holds a fence has a longer one around it."""
        self.assertEqual(made(user("call sh\n````\n```\nhi\n```\n````")), [("sh", {"cmd": "```\nhi\n```"})])

    def test_one_at_a_time(self) -> None:
        """Each call waits for the result of the one before; then the last result is quoted."""
        script = user('call sh {"cmd": "a"}\ncall sh {"cmd": "b"}')
        first = [script, assistant(call("c1", "sh", cmd="a")), result("c1", "one", "sh")]
        second = [*first, assistant(call("c2", "sh", cmd="b")), result("c2", "two", "sh")]

        self.assertEqual(made(script), [("sh", {"cmd": "a"})])
        self.assertEqual(made(*first), [("sh", {"cmd": "b"})])
        self.assertEqual(text(answer(*second)), "The tool sh says: two")

    def test_later_script(self) -> None:
        """Of several scripts the latest counts, from its beginning."""
        earlier = [user('call sh {"cmd": "a"}'), assistant(call("c1", "sh", cmd="a")), result("c1", "one", "sh")]

        self.assertEqual(made(*earlier, user('call sh {"cmd": "b"}')), [("sh", {"cmd": "b"})])

    def test_no_script(self) -> None:
        """Without a call, with one of a tool that is not there, and with what is no object, the model talks."""
        for said in (
            "call me",
            "call sh [1]",
            'call sh {"cmd": }',
            'call rm {"cmd": "a"}',
            'Do not call sh {"cmd": "a"}',
        ):
            records = answer(user(said))

            self.assertEqual(text(records), f"Hello from the simulator! You said: {said}")

    def test_no_name_for_the_block(self) -> None:
        """A tool that requires nothing gets the block as its input."""
        records = answer(user("call free\n```\nhi\n```"), tools=[tool("free")])

        self.assertEqual([record["input"] for record in records if record["type"] == "tool-call"], [{"input": "hi"}])
