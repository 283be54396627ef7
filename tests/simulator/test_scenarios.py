"""Tests of what the simulated service answers."""

import json
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator import models, refusals
from ccproxy.simulator.asked import INJECTED_TOKENS
from ccproxy.simulator.refusals import Refusal
from ccproxy.simulator.scenarios import FOR_EVER, SCENARIOS, Cut, Pause, Scenario, choose
from tests.simulator.samples import PIXEL, assistant, call, parsed, question, result, steps, tool, user

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"

# These never end, are too large to collect, or are not made of bare records.
INCOMPLETE = {"sim/flood", "sim/unknown-events"}


def scenario(model: str, transcripts: Path | None = None) -> Scenario:
    """The scenario of a model that exists."""
    chosen = choose(model, transcripts)
    assert not isinstance(chosen, Refusal), model
    return chosen


def records(model: str, **params: object) -> list[dict[str, Any]]:
    """The records that a model answers with."""
    return parsed(steps(scenario(model), model=model, **params))


def types(model: str, **params: object) -> list[str]:
    """The types of those records."""
    return [record["type"] for record in records(model, **params)]


def text(answer: list[dict[str, Any]]) -> str:
    """All the text of an answer."""
    return "".join(record["text"] for record in answer if record["type"] == "text-delta")


def usage(**params: object) -> dict[str, int]:
    """The total usage of a plain answer to a request."""
    return next(record["totalUsage"] for record in records("sim/text", **params) if record["type"] == "finish")


class OrderTests(SynchronousTestCase):
    """Rules that hold for every scenario."""

    def every_scenario(self, check: Callable[[str, list[dict[str, Any]]], None]) -> None:
        """Apply a check to the records of each scenario."""
        for model in SCENARIOS.keys() - INCOMPLETE:
            check(model, records(model, tools=[tool()]))

    def test_blocks(self) -> None:
        """Every delta stands between the start and the end of its block."""

        def check(model: str, answer: list[dict[str, Any]]) -> None:
            opened: set[str] = set()
            for record in answer:
                kind, _, what = record["type"].rpartition("-")
                if kind in {"text", "reasoning", "tool-input"} and what == "start":
                    self.assertNotIn(record["id"], opened, model)
                    opened.add(record["id"])
                elif kind in {"text", "reasoning", "tool-input"}:
                    self.assertIn(record["id"], opened, model)
                    if what == "end":
                        opened.remove(record["id"])

        self.every_scenario(check)

    def test_tail(self) -> None:
        """A finish comes right after its step, and nothing but metadata follows."""

        def check(model: str, answer: list[dict[str, Any]]) -> None:
            kinds = [record["type"] for record in answer]
            if "finish" in kinds:
                place = kinds.index("finish")
                self.assertEqual(kinds[place - 1], "finish-step", model)
                self.assertIn(kinds[place + 1 :], ([], ["provider-metadata"]), model)

        self.every_scenario(check)

    def test_beginning(self) -> None:
        """Everything that is said begins with a start."""

        def check(model: str, answer: list[dict[str, Any]]) -> None:
            self.assertIn([record["type"] for record in answer[:1]], ([], ["start"]), model)

        self.every_scenario(check)

    def test_details_add_up(self) -> None:
        """The details of a usage add up to its totals."""
        counted = usage(messages=[user("How many tokens are these?")])

        details: Any = counted["inputTokenDetails"]
        self.assertEqual(details["noCacheTokens"] + details["cacheReadTokens"], counted["inputTokens"])
        self.assertEqual(counted["inputTokens"] + counted["outputTokens"], counted["totalTokens"])


class ScenarioTests(SynchronousTestCase):
    """The special cases, one by one."""

    def test_text(self) -> None:
        """A plain answer quotes the user."""
        answer = records("sim/text", messages=[user("Is anybody there?")])

        self.assertEqual(text(answer), "Hello from the simulator! You said: Is anybody there?")

    def test_long_quotation(self) -> None:
        """Of a long message only the beginning is quoted."""
        answer = records("sim/text", messages=[user("x" * 1000)])

        self.assertTrue(text(answer).endswith("x" * 200 + "…"))

    def test_reasoning(self) -> None:
        """Reasoning ends only after the text has started."""
        kinds = types("sim/reasoning")

        self.assertLess(kinds.index("reasoning-delta"), kinds.index("text-start"))
        self.assertEqual(kinds.index("reasoning-end"), kinds.index("text-start") + 1)

    def test_tool(self) -> None:
        """The fragments of a call are the JSON of its arguments."""
        answer = records("sim/tool", tools=[tool("read", path={"type": "string"})])

        fragments = "".join(record["delta"] for record in answer if record["type"] == "tool-input-delta")
        (made,) = [record for record in answer if record["type"] == "tool-call"]
        self.assertEqual((made["toolName"], made["input"]), ("read", {"path": "sample"}))
        self.assertEqual(json.loads(fragments), made["input"])

    def test_tool_reason(self) -> None:
        """A turn with a call says so when it finishes."""
        (finish,) = [record for record in records("sim/tool") if record["type"] == "finish"]

        self.assertEqual((finish["finishReason"], finish["rawFinishReason"]), ("tool-calls", "tool_calls"))

    def test_tool_without_tools(self) -> None:
        """A model that was offered no tool makes one up."""
        (made,) = [record for record in records("sim/tool") if record["type"] == "tool-call"]

        self.assertEqual((made["toolName"], made["input"]), ("get_weather", {"city": "Oslo"}))

    def test_tool_after_result(self) -> None:
        """A result is answered with text, so that an agent comes to an end."""
        messages = [user(), assistant(call("c1")), result("c1", "half past two")]

        answer = records("sim/tool", messages=messages, tools=[tool()])

        self.assertNotIn("tool-call", [record["type"] for record in answer])
        self.assertEqual(text(answer), "The tool get_time says: half past two")

    def test_call_by_name(self) -> None:
        """A tool that is not the first on offer is called by its name."""
        answer = records("sim/call-read", tools=[tool("bash"), tool("read", path={"type": "string"}), tool("write")])

        made = [(record["toolName"], record["input"]) for record in answer if record["type"] == "tool-call"]
        self.assertEqual(made, [("read", {"path": "sample"})])

    def test_call_by_name_without_it(self) -> None:
        """Where the tool of that name is not on offer, no other one is called."""
        answer = records("sim/call-read", messages=[user("A title, please.")], tools=[tool("bash")])

        self.assertNotIn("tool-call", [record["type"] for record in answer])
        self.assertEqual(text(answer), "Hello from the simulator! You said: A title, please.")

    def test_call_by_name_after_result(self) -> None:
        """The result of a call by name is quoted."""
        messages = [user(), assistant(call("c1", "read")), result("c1", "half past two")]

        answer = records("sim/call-read", messages=messages, tools=[tool("read")])

        self.assertIn("half past two", text(answer))

    def test_parallel_tools(self) -> None:
        """Two calls take turns, each with its own tool."""
        answer = records("sim/parallel-tools", tools=[tool("a", x={"type": "string"}), tool("b", y={"type": "string"})])

        owners = [record["id"] for record in answer if record["type"] == "tool-input-delta"]
        made = [record["toolName"] for record in answer if record["type"] == "tool-call"]
        self.assertEqual(made, ["a", "b"])
        self.assertNotEqual(owners, sorted(owners))

    def test_parallel_tools_with_one_tool(self) -> None:
        """A single tool is called twice."""
        answer = records("sim/parallel-tools", tools=[tool("a")])

        made = [(record["toolName"], record["toolCallId"]) for record in answer if record["type"] == "tool-call"]
        self.assertEqual([name for name, _ in made], ["a", "a"])
        self.assertEqual(len(set(made)), 2)

    def test_long(self) -> None:
        """A long answer has a thousand deltas."""
        kinds = types("sim/long")

        self.assertEqual(kinds.count("text-delta"), 1000)

    def test_finish_reasons(self) -> None:
        """Some answers end for a reason of their own."""
        reasons = {
            model: next(record["finishReason"] for record in records(f"sim/{model}") if record["type"] == "finish")
            for model in ("text", "length", "content-filter", "pause-turn")
        }

        self.assertEqual(
            reasons,
            {"text": "stop", "length": "length", "content-filter": "content-filter", "pause-turn": "pause_turn"},
        )

    def test_error_first(self) -> None:
        """An error may come before anything else."""
        answer = records("sim/error-first")

        self.assertEqual([record["type"] for record in answer], ["start", "error"])
        self.assertEqual((answer[1]["error"]["statusCode"], answer[1]["error"]["isRetryable"]), (402, False))

    def test_error_mid(self) -> None:
        """An error may come in the middle of the text."""
        kinds = types("sim/error-mid")

        self.assertEqual(kinds[-2:], ["text-delta", "error"])

    def test_zero(self) -> None:
        """An answer without output counts nothing."""
        answer = records("sim/zero")

        self.assertEqual([record["type"] for record in answer], ["start", "start-step", "finish-step", "finish"])
        self.assertEqual(answer[-1]["totalUsage"], {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0})

    def test_slow(self) -> None:
        """A slow answer pauses after each delta."""
        played = list(steps(scenario("sim/slow")))

        after_deltas = {
            following for step, following in pairwise(played) if isinstance(step, bytes) and b"text-delta" in step
        }
        self.assertEqual(after_deltas, {Pause(0.2)})

    def test_stall(self) -> None:
        """A stalled answer falls silent after one delta."""
        played = list(steps(scenario("sim/stall")))

        self.assertEqual(parsed(played)[-1]["type"], "text-delta")
        self.assertEqual(played[-1], FOR_EVER)

    def test_silent(self) -> None:
        """A silent answer says nothing at all."""
        played = list(steps(scenario("sim/silent")))

        self.assertEqual(played, [FOR_EVER])

    def test_no_finish(self) -> None:
        """An answer may just stop."""
        kinds = types("sim/no-finish")

        self.assertEqual(kinds[-1], "text-delta")

    def test_cut(self) -> None:
        """A cut comes last, once the text had time to leave."""
        played = list(steps(scenario("sim/cut")))

        self.assertIsInstance(played[-2], Pause)
        self.assertEqual(played[-1], Cut())

    def test_unknown_events(self) -> None:
        """Odd framing and unknown records surround a normal answer."""
        played = b"".join(step for step in steps(scenario("sim/unknown-events")) if isinstance(step, bytes))

        self.assertIn(b'\r\n\r\ndata: {"type":"start"}\n', played)
        self.assertIn(b'\n{"type":"an-event-of-next-year"', played)
        self.assertTrue(played.endswith(b"data: [DONE]\n\n"))

    def test_start_only(self) -> None:
        """An answer may end before it began."""
        kinds = types("sim/start-only")

        self.assertEqual(kinds, ["start"])

    def test_flood_is_lazy(self) -> None:
        """A flood can be looked at without being made."""
        (first,) = islice(steps(scenario("sim/flood-9999")), 3, 4)

        self.assertIsInstance(first, bytes)

    def test_flood_size(self) -> None:
        """A flood has as many megabytes as its name says."""
        answer = records("sim/flood-2")

        self.assertIn(len(text(answer)), range(2_000_000, 2_020_000))

    def test_flood_of_nothing(self) -> None:
        """A flood of no megabytes is no model."""
        chosen = choose("sim/flood-0", None)

        self.assertIsInstance(chosen, Refusal)

    def test_echo(self) -> None:
        """An echo tells what arrived."""
        picture = {"role": "user", "content": [{"type": "image", "image": PIXEL}]}
        thought = {"type": "reasoning", "text": "Let me look."}
        messages = [user(), assistant(thought, call("c1", "look")), result("c1"), picture]

        answer = records("sim/echo", messages=messages, tools=[tool("look"), tool("click")], system="Hello")

        self.assertEqual(
            text(answer).splitlines(),
            [
                "messages: 4 (user assistant tool user)",
                "images: image/png 8 bytes",
                "thoughts: 1",
                "calls: look",
                "tools: look, click",
                "system: 5 characters",
            ],
        )

    def test_refusals(self) -> None:
        """Each HTTP refusal has the status that its name says."""
        statuses = {name: choose(f"sim/http-{name}", None) for name in refusals.BY_NAME}

        for name, refusal in statuses.items():
            assert isinstance(refusal, Refusal), name
            self.assertEqual(refusal.status, int(name[:3]))

    def test_retry_after(self) -> None:
        """A rate limit says when to come back."""
        refusal = choose("sim/http-429", None)

        assert isinstance(refusal, Refusal)
        self.assertEqual(refusal.headers, {"Retry-After": "7"})

    def test_unknown_refusal(self) -> None:
        """A refusal that nobody wrote down is no model."""
        refusal = choose("sim/http-418", None)

        self.assertEqual(refusal, refusals.unknown_model("sim/http-418"))


class CatalogueTests(SynchronousTestCase):
    """How the models of the catalogue behave."""

    def test_every_model_talks(self) -> None:
        """Each model of the catalogue answers a greeting with text."""
        for entry in models.CATALOGUE:
            answer = records(entry.id)

            self.assertIn("Hello", text(answer), entry.id)

    def test_pro_reasons(self) -> None:
        """Only a model that is named pro thinks first."""
        thinks = {model: "reasoning-delta" in types(f"deepseek/deepseek-v4-{model}") for model in ("pro", "flash")}

        self.assertEqual(thinks, {"pro": True, "flash": False})

    def test_calls_first_tool(self) -> None:
        """A model that is offered tools calls the first one."""
        answer = records("claude-sonnet-4-6", tools=[tool("first"), tool("second")])

        made = [record["toolName"] for record in answer if record["type"] == "tool-call"]
        self.assertEqual(made, ["first"])

    def test_calls_forced_tool(self) -> None:
        """A forced tool is the one that is called."""
        choice = {"type": "tool", "name": "second"}

        answer = records("gpt-5.5", tools=[tool("first"), tool("second")], tool_choice=choice)

        made = [record["toolName"] for record in answer if record["type"] == "tool-call"]
        self.assertEqual(made, ["second"])

    def test_quotes_result(self) -> None:
        """A result is quoted, also when the user's images follow it."""
        picture = {"role": "user", "content": [{"type": "image", "image": PIXEL}]}
        messages = [user(), assistant(call("c1")), result("c1", "midnight"), picture]

        answer = records("zai-org/GLM-5.2", messages=messages, tools=[tool()])

        self.assertEqual(text(answer), "The tool get_time says: midnight")

    def test_next_question(self) -> None:
        """A new question of the user may lead to a new call."""
        messages = [user(), assistant(call("c1")), result("c1"), assistant({"type": "text", "text": "Noon."}), user()]

        kinds = types("xiaomi/mimo-v2.5", messages=messages, tools=[tool()])

        self.assertIn("tool-call", kinds)

    def test_unknown_model(self) -> None:
        """A model that the catalogue does not hold is refused by name."""
        refusal = choose("acme/nothing-1", None)

        assert isinstance(refusal, Refusal)
        self.assertEqual((refusal.status, refusal.message), (403, "Model/provider not recognized: acme/nothing-1"))

    def test_case(self) -> None:
        """Model ids are case-sensitive."""
        refusal = choose("Claude-Sonnet-4-6", None)

        self.assertIsInstance(refusal, Refusal)


class UsageTests(SynchronousTestCase):
    """What is counted."""

    def test_grows(self) -> None:
        """Four more characters are one more token."""
        short, long = usage(messages=[user("a" * 40)]), usage(messages=[user("a" * 44)])

        self.assertEqual(long["inputTokens"] - short["inputTokens"], 1)

    def test_no_system(self) -> None:
        """A request without system text pays for the prompt that the service adds."""
        messages = [user("a" * 37)]  # 37 and 38 characters are as many tokens

        with_space, without = usage(system=" ", messages=messages), usage(system="", messages=messages)

        self.assertEqual(without["inputTokens"] - with_space["inputTokens"], INJECTED_TOKENS)

    def test_system_blocks(self) -> None:
        """System text counts the same as a string and as blocks."""
        whole, blocks = usage(system="abcd"), usage(system=[{"type": "text", "text": "abcd"}])

        self.assertEqual(whole, blocks)

    def test_tools_count(self) -> None:
        """Tools are part of the input."""
        without, with_tool = usage(), usage(tools=[tool()])

        self.assertGreater(with_tool["inputTokens"], without["inputTokens"])

    def test_images_count(self) -> None:
        """An image is part of the input."""
        picture = {"type": "image", "image": PIXEL}

        counted = usage(messages=[{"role": "user", "content": [picture]}])

        self.assertGreater(counted["inputTokens"], usage()["inputTokens"] + 900)

    def test_history_counts(self) -> None:
        """Earlier calls, results and thoughts are part of the input."""
        history = [user(), assistant({"type": "reasoning", "text": "hm" * 20}, call("c1", x="y" * 40)), result("c1")]

        counted = question(messages=history).input_tokens

        self.assertGreater(counted, question().input_tokens + 20)

    def test_reasoning_is_output(self) -> None:
        """Reasoning is counted apart, and as output."""
        (finish,) = [record for record in records("sim/reasoning") if record["type"] == "finish"]

        details = finish["totalUsage"]["outputTokenDetails"]
        self.assertGreater(details["reasoningTokens"], 0)
        self.assertEqual(sum(details.values()), finish["totalUsage"]["outputTokens"])


class TranscriptTests(SynchronousTestCase):
    """Files that are replayed."""

    def test_replay(self) -> None:
        """Each transcript is replayed byte for byte."""
        for file in sorted(TRANSCRIPTS.glob("*.ndjson")):
            played = steps(scenario(f"transcript/{file.stem}", TRANSCRIPTS))

            self.assertEqual(b"".join(step for step in played if isinstance(step, bytes)), file.read_bytes())

    def test_line_by_line(self) -> None:
        """A transcript comes in lines."""
        first = next(iter(steps(scenario("transcript/01_text_only", TRANSCRIPTS))))

        self.assertEqual(first, b'{"type":"start"}\n')

    def test_unknown(self) -> None:
        """A transcript that does not exist is an unknown model."""
        refusal = choose("transcript/99_missing", TRANSCRIPTS)

        self.assertIsInstance(refusal, Refusal)

    def test_no_directory(self) -> None:
        """Without a directory nothing is replayed."""
        refusal = choose("transcript/01_text_only", None)

        self.assertIsInstance(refusal, Refusal)

    def test_path_tricks(self) -> None:
        """A name cannot leave the directory."""
        inside = TRANSCRIPTS / "inside"

        for name in ("../01_text_only", "..", "./01_text_only", str(TRANSCRIPTS / "01_text_only"), "01_text_only\n"):
            self.assertIsInstance(choose(f"transcript/{name}", inside), Refusal, name)
            self.assertIsInstance(choose(f"transcript/{name}", TRANSCRIPTS), Refusal, name)

    def test_files_are_described(self) -> None:
        """Each transcript has a line in the table of the directory."""
        described = (TRANSCRIPTS / "README.md").read_text()

        for file in TRANSCRIPTS.glob("*.ndjson"):
            self.assertIn(f"| {file.stem} |", described)

    def test_files_are_records(self) -> None:
        """Each transcript is JSON line by line, but for those that are about broken lines."""
        broken = {"13_missing_finish_truncated_tool", "14_unknown_events_and_framing"}
        broken |= {"27_broken_json_line", "28_invalid_utf8_line"}

        for file in TRANSCRIPTS.glob("*.ndjson"):
            if file.stem not in broken:
                lines = file.read_bytes().split(b"\n")

                self.assertEqual(lines.pop(), b"", file.stem)
                self.assertTrue(all("type" in json.loads(line) for line in lines), file.stem)

    def test_long_line(self) -> None:
        """One transcript has a start-step line above 200 KB."""
        lines = (TRANSCRIPTS / "12_long_many_deltas.ndjson").read_bytes().split(b"\n")

        self.assertGreater(len(lines[1]), 200_000)
