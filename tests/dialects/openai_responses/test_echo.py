"""Tests of what a response object repeats of its request."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.echo import echo
from ccproxy.fields import Fields

DEFAULTS: dict[str, object] = {
    "instructions": None,
    "tools": [],
    "tool_choice": "auto",
    "truncation": "disabled",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "top_logprobs": 0,
    "temperature": 1,
    "reasoning": {"effort": None, "summary": None},
    "max_output_tokens": None,
    "max_tool_calls": None,
    "store": True,
    "background": False,
    "service_tier": "default",
    "metadata": {},
    "safety_identifier": None,
    "prompt_cache_key": None,
    "previous_response_id": None,
}


def repeated(**fields: Any) -> dict[str, object]:
    """What is repeated of a body beside the defaults."""
    read = echo(Fields({"model": "m", "input": "a", **fields}, ""))
    return {name: value for name, value in read.items() if name not in DEFAULTS or value != DEFAULTS[name]}


class EchoTests(SynchronousTestCase):
    """The fields of a response object that come from its request."""

    def test_defaults(self) -> None:
        """Every field is there whatever was asked."""
        self.assertEqual(echo(Fields({"model": "m", "input": "a"}, "")), DEFAULTS)
        self.assertEqual(echo(Fields(dict.fromkeys([*DEFAULTS, "user"]), "")), DEFAULTS)

    def test_as_sent(self) -> None:
        """Fields are repeated as they came, each of its type."""
        sent = {
            "instructions": "be brief",
            "tool_choice": {"type": "function", "name": "a"},
            "truncation": "auto",
            "parallel_tool_calls": False,
            "text": {"format": {"type": "json_object"}, "verbosity": "low"},
            "top_p": 0.5,
            "presence_penalty": 0.25,
            "frequency_penalty": -1,
            "top_logprobs": 3,
            "temperature": 0,
            "reasoning": {"effort": "high", "summary": "auto"},
            "max_output_tokens": 99,
            "max_tool_calls": 7,
            "store": False,
            "background": True,
            "service_tier": "flex",
            "metadata": {"a": "b"},
            "safety_identifier": "c",
            "prompt_cache_key": "d",
            "previous_response_id": "resp_1",
            "user": "e",
        }

        self.assertEqual(repeated(**sent), sent)

    def test_malformed(self) -> None:
        """What is of a wrong type is not repeated."""
        self.assertEqual(repeated(**{name: [] for name in DEFAULTS if name != "instructions"}), {})
        self.assertEqual(repeated(instructions=True, tools={}, temperature=True, top_logprobs="2", user=7), {})

    def test_numbers(self) -> None:
        """A whole number is written as one."""
        self.assertEqual(
            str(repeated(temperature=2.0, max_output_tokens=64000.0)), "{'temperature': 2, 'max_output_tokens': 64000}"
        )

    def test_no_previous(self) -> None:
        """An empty name of an earlier response is none."""
        self.assertEqual(repeated(previous_response_id=""), {})

    def test_tier(self) -> None:
        """The tier that was left to the server is the default one."""
        self.assertEqual(repeated(service_tier="auto"), {})

    def test_older_summary(self) -> None:
        """The older name of the summary counts; what else is asked of reasoning is not repeated."""
        asked = {"generate_summary": "concise", "context": "auto"}

        self.assertEqual(repeated(reasoning=asked), {"reasoning": {"effort": None, "summary": "concise"}})

    def test_function(self) -> None:
        """A function has all fields that one has, whatever form it came in, and keeps those of its own."""
        whole = {"type": "function", "name": "a", "description": None, "parameters": None, "strict": None}
        schema = {"type": "object"}

        for tool, expected in (
            ({"type": "function", "name": "a"}, whole),
            (
                {"type": "function", "name": "a", "strict": True, "defer_loading": True},
                {**whole, "strict": True, "defer_loading": True},
            ),
            ({"type": "function", "function": {"name": "a", "parameters": schema}}, {**whole, "parameters": schema}),
            ({"name": "a", "input_schema": schema}, {**whole, "parameters": schema}),
        ):
            self.assertEqual(repeated(tools=[tool, 7]), {"tools": [expected]})

    def test_other_tools(self) -> None:
        """Other tools are repeated as they came."""
        tools = [
            {"type": "web_search"},
            {"type": "namespace", "name": "n", "tools": []},
            {"type": "custom", "name": "c"},
        ]

        self.assertEqual(repeated(tools=tools), {"tools": tools})

    def test_choice(self) -> None:
        """A rule in the form of Chat Completions is repeated in this one's."""
        rule = {"type": "function", "function": {"name": "a"}}

        self.assertEqual(repeated(tool_choice=rule), {"tool_choice": {"type": "function", "name": "a"}})

    def test_forms_of_choice(self) -> None:
        """Whichever form a rule came in, it is repeated in the form of the reference."""
        tools = [{"type": "function", "name": "a"}]
        allowed = {"type": "allowed_tools", "mode": "auto", "tools": tools}
        forms: tuple[tuple[object, object], ...] = (
            ("any", "required"),
            ({"type": "auto"}, "auto"),
            ({"type": "any"}, "required"),
            ({"type": "allowed_tools", "tools": tools}, allowed),
            ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools}}, allowed),
            ("never heard of", "auto"),
        )
        for rule, told in forms:
            self.assertEqual(repeated(tool_choice=rule).get("tool_choice", "auto"), told)

    def test_whole_numbers(self) -> None:
        """What counts something is repeated as a whole number or not at all."""
        self.assertEqual(repeated(max_tool_calls=1.5, top_logprobs=0.5), {})
        self.assertEqual(repeated(max_tool_calls=2.0), {"max_tool_calls": 2})

    def test_nothing_counts_as_read(self) -> None:
        """What is only repeated still counts as unknown."""
        body = Fields({"presence_penalty": 1, "metadata": {}}, "")

        echo(body)

        self.assertEqual(body.unread(), ("presence_penalty", "metadata"))
