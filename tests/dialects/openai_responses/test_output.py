"""This module is the tests of output items: their ids, and how they look when they are whole."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.output import asked_of
from ccproxy.envelopes import LIMIT, Content, Envelopes
from ccproxy.events import Event, ReasoningDelta, TextDelta, TextEnded
from ccproxy.prompt import View
from tests.dialects.openai_responses.answering import (
    CALLED,
    FORMED,
    FORMS,
    SEALED,
    SECRET,
    STOP,
    SUMMARY,
    THOUGHT,
    asking,
    call,
    document,
)
from tests.dialects.turns import TURN


def items(*events: Event, turn: Turn = TURN) -> list[dict[str, Any]]:
    """The items of some events."""
    output: list[dict[str, Any]] = document(*events, turn=turn)["output"]
    return output


class ItemTests(SynchronousTestCase):
    """Items as a response has them."""

    def test_ids(self) -> None:
        """An id has the prefix of its type, the turn, and the place among the items."""
        calls = [*call("look", "{}", cuts=(), call_id="a"), *call("patch", "{}", cuts=(), call_id="b")]
        shells = call("shell", '{"command":[]}', cuts=(), call_id="c")

        output = items(THOUGHT, TextDelta("a"), *calls, *shells, CALLED, turn=FORMED)

        self.assertEqual(
            [item["id"] for item in output], ["rs_7f3a00", "msg_7f3a01", "fc_7f3a02", "ctc_7f3a03", "lsh_7f3a04"]
        )

    def test_message(self) -> None:
        """A message has one part with its text, and lists of what else a part may have."""
        part = {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}
        message = {
            "type": "message",
            "id": "msg_7f3a00",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
        self.assertEqual(items(TextDelta("Hello"), TextDelta("!"), TextEnded(), STOP), [message])

    def test_function_call(self) -> None:
        """A call has its arguments as the model wrote them."""
        called = {
            "type": "function_call",
            "id": "fc_7f3a00",
            "call_id": "call_1",
            "status": "completed",
            "name": "look",
            "arguments": '{"a": 1}',
        }
        self.assertEqual(items(*call("look", '{"a": 1}'), CALLED), [called])

    def test_namespace(self) -> None:
        """A tool of a namespace is called by its own name, with the namespace beside it."""
        (called,) = items(*call("files__read", '{"a":1}'), CALLED, turn=FORMED)

        self.assertEqual((called["name"], called["namespace"]), ("read", "files"))

    def test_custom_call(self) -> None:
        """A custom tool is called with a text."""
        called = {
            "type": "custom_tool_call",
            "id": "ctc_7f3a00",
            "call_id": "call_1",
            "status": "completed",
            "name": "apply_patch",
            "input": "*** Begin\n",
        }
        self.assertEqual(items(*call("patch", r'{"input":"*** Begin\n"}'), CALLED, turn=FORMED), [called])

    def test_local_shell(self) -> None:
        """A call of the local shell has an action with all its fields, and no name."""
        called = {
            "type": "local_shell_call",
            "id": "lsh_7f3a00",
            "call_id": "call_1",
            "status": "completed",
            "action": {
                "type": "exec",
                "command": ["ls", "-l"],
                "timeout_ms": 1000,
                "working_directory": None,
                "env": {},
                "user": None,
            },
        }
        arguments = '{"command":["ls","-l"],"timeout_ms":1000}'
        self.assertEqual(items(*call("shell", arguments), CALLED, turn=FORMED), [called])

    def test_command_as_text(self) -> None:
        """A command that the model wrote as one text is one for a shell, and one that is missing is empty."""
        for arguments, command in (('{"command":"ls | wc"}', ["bash", "-lc", "ls | wc"]), ('{"user":"me"}', [])):
            (called,) = items(*call("shell", arguments), CALLED, turn=FORMED)

            self.assertEqual(called["action"]["command"], command)

    def test_command_of_wrong_types(self) -> None:
        """What is of a wrong type is left out of an action, as a client may refuse the whole call for it."""
        arguments = '{"command":["a",1],"timeout_ms":"5","env":{"A":"b","C":1},"user":true,"working_directory":[]}'

        (called,) = items(*call("shell", arguments), CALLED, turn=FORMED)

        wanted = {"command": ["a", "1"], "timeout_ms": None, "env": {"A": "b"}, "user": None, "working_directory": None}
        self.assertEqual(called["action"], {"type": "exec", **wanted})

    def test_reasoning(self) -> None:
        """Reasoning is the content of its item, or its summary where one was asked for; what is not there is left out."""
        plain, summary = items(THOUGHT, STOP), items(THOUGHT, STOP, turn=SUMMARY)

        content = [{"type": "reasoning_text", "text": "hm"}]
        self.assertEqual(plain, [{"type": "reasoning", "id": "rs_7f3a00", "summary": [], "content": content}])
        parts = [{"type": "summary_text", "text": "hm"}]
        self.assertEqual(summary, [{"type": "reasoning", "id": "rs_7f3a00", "summary": parts}])

    def test_sealed_reasoning(self) -> None:
        """Reasoning in sealed form is opened by whoever has the caller's key."""
        (item,) = items(ReasoningDelta("h"), ReasoningDelta("m"), STOP, turn=SEALED)

        self.assertEqual(Envelopes(SECRET).opened(item["encrypted_content"], Content.REASONING), "hm")

    def test_too_long_to_be_sealed(self) -> None:
        """Reasoning that is too long for an envelope is shown without one."""
        (item,) = items(ReasoningDelta("h" * (LIMIT + 1)), STOP, turn=SEALED)

        self.assertNotIn("encrypted_content", item)

    def test_hidden_reasoning(self) -> None:
        """Reasoning that is not shown makes no item, sealed or not."""
        turn = asking(Asked(sealed=True, summary=True), reasoning=False)

        self.assertEqual(items(THOUGHT, STOP, turn=turn), [])

    def test_body_of_another_dialect(self) -> None:
        """A body that was not this dialect's asked for nothing, and its answer is not kept."""
        foreign = asked_of(evolve(TURN, view=View(kept="something else")))

        self.assertEqual((foreign, foreign.stored), (asked_of(TURN), False))
        self.assertEqual(asked_of(FORMED), Asked(forms=FORMS))
