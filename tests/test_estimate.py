"""Tests of the local count of tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.estimate import Corrections, estimate
from ccproxy.prompt import Image, Message, Prompt, Reasoning, Role, Text, Tool, ToolCall, ToolResult

PROSE = "The quick brown fox jumps over the lazy dog, and then it sleeps until noon. "


def counted(*parts: Text | Image | Reasoning | ToolCall | ToolResult, tools: tuple[Tool, ...] = ()) -> int:
    """The estimate of one message with these parts."""
    return estimate(Prompt("m", (Message(Role.USER, parts),), tools=tools))


class EstimateTests(SynchronousTestCase):
    """What a prompt is taken for."""

    def test_prose(self) -> None:
        """English prose has about four and a half characters per token, give or take a fifth."""
        tokens = counted(Text(PROSE * 100))

        self.assertTrue(0.8 < tokens / (len(PROSE) * 100 / 4.5) < 1.2, tokens)

    def test_chinese(self) -> None:
        """A Chinese character is nearly a token."""
        tokens = counted(Text("敏捷的棕色狐狸跳过了懒狗" * 100))

        self.assertTrue(0.6 < tokens / 1200 < 1.1, tokens)

    def test_everything_counts(self) -> None:
        """Every kind of part, and every tool, makes the count larger."""
        base = counted(Text("hello"))
        parts = (
            Text("a longer text"),
            Image("image/png", "aaaa"),
            Reasoning("thinking about it"),
            ToolCall("c", "look", '{"path": "a"}'),
            ToolResult("c", (Text("found something"),)),
        )

        for part in parts:
            self.assertGreater(counted(Text("hello"), part), base)
        self.assertGreater(counted(Text("hello"), tools=(Tool("look", "Looks.", {"type": "object"}),)), base)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text has a count, and more of it has no smaller one."""
        self.assertGreaterEqual(counted(Text(text + text)), counted(Text(text)))
        self.assertGreaterEqual(counted(Text(text)), 1)


class CorrectionsTests(SynchronousTestCase):
    """What is learned from what the upstream reported."""

    def test_unknown_model(self) -> None:
        """Of a model that never answered nothing is known, and the estimate stands."""
        self.assertEqual(Corrections().corrected("m", 100), 100)

    def test_one_observation(self) -> None:
        """The ratio of one turn corrects the next, whatever the case of the model's name."""
        corrections = Corrections()

        corrections.observe("Vendor/M", 100, 150)

        self.assertEqual(corrections.corrected("vendor/m", 200), 300)
        self.assertEqual(corrections.corrected("other", 200), 200)

    def test_running_ratio(self) -> None:
        """Later turns move the ratio, and do not replace it."""
        corrections = Corrections()

        corrections.observe("m", 100, 100)
        corrections.observe("m", 100, 200)

        self.assertEqual(corrections.corrected("m", 100), 125)

    def test_nonsense_teaches_little(self) -> None:
        """An unknown count teaches nothing, and a wild one is bounded."""
        corrections = Corrections()

        corrections.observe("m", 100, None)
        corrections.observe("m", 100, 0)
        self.assertEqual(corrections.corrected("m", 100), 100)

        corrections.observe("m", 1, 1_000_000)
        self.assertEqual(corrections.corrected("m", 100), 400)

    def test_bounded(self) -> None:
        """However many models a client names, the table stays small; the newest are kept."""
        corrections = Corrections()

        for number in range(1000):
            corrections.observe(f"m{number}", 100, 200)

        self.assertEqual(corrections.corrected("m0", 100), 100)
        self.assertEqual(corrections.corrected("m999", 100), 200)
