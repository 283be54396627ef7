"""Tests of the reading of the upstream's token counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.events import Usage
from ccproxy.upstreams.commandcode.usage import parse, total

NAMES = (
    "inputTokens",
    "outputTokens",
    "cachedInputTokens",
    "reasoningTokens",
    "input_tokens",
    "output_tokens",
    "inputTokenDetails",
    "outputTokenDetails",
    "noCacheTokens",
    "cacheReadTokens",
    "cacheWriteTokens",
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


class ParseTests(SynchronousTestCase):
    """One usage object."""

    def test_nested(self) -> None:
        """Nested details win over the flat duplicates beside them."""
        read = parse(
            {
                "inputTokens": 100,
                "inputTokenDetails": {"noCacheTokens": 30, "cacheReadTokens": 50, "cacheWriteTokens": 20},
                "outputTokens": 9,
                "outputTokenDetails": {"textTokens": 5, "reasoningTokens": 4},
                "totalTokens": 109,
                "reasoningTokens": 7,
                "cachedInputTokens": 7,
            }
        )

        self.assertEqual(read, Usage(input=100, output=9, cache_read=50, cache_write=20, reasoning=4))

    def test_flat(self) -> None:
        """The early shape has no details."""
        read = parse({"inputTokens": 100, "outputTokens": 9, "reasoningTokens": 4, "cachedInputTokens": 50})

        self.assertEqual(read, Usage(input=100, output=9, cache_read=50, reasoning=4))

    def test_snake_case(self) -> None:
        """The providers' own names are understood too, after the upstream's."""
        self.assertEqual(parse({"input_tokens": 1, "output_tokens": 2}), Usage(input=1, output=2))
        self.assertEqual(parse({"prompt_tokens": 1, "completion_tokens": 2}), Usage(input=1, output=2))
        self.assertEqual(
            parse({"inputTokens": 3, "input_tokens": 1, "outputTokens": 4, "completion_tokens": 2}),
            Usage(input=3, output=4),
        )

    def test_summed_input(self) -> None:
        """Where the whole input is not told, it is the sum of its parts."""
        details = {"noCacheTokens": 30, "cacheReadTokens": 50, "cacheWriteTokens": 20}

        self.assertEqual(parse({"inputTokenDetails": details}).input, 100)
        self.assertEqual(parse({"inputTokenDetails": {"noCacheTokens": 30}, "cachedInputTokens": 5}).input, 35)

    def test_unknown(self) -> None:
        """What is null, absent or no count is unknown; zero is a count."""
        for nothing in (None, True, "7", -1, 2**53, float("nan"), float("inf"), [7], {"a": 7}):
            self.assertEqual(parse({"inputTokens": nothing, "inputTokenDetails": nothing}), Usage())
            self.assertEqual(parse(nothing), Usage())
        self.assertEqual(parse({"inputTokens": 0, "outputTokens": 0.0}), Usage(input=0, output=0))

    def test_next_candidate(self) -> None:
        """A count that is none leaves the place to the next name for it."""
        read = parse({"inputTokenDetails": {"cacheReadTokens": None}, "cachedInputTokens": 5, "inputTokens": 8})

        self.assertEqual(read, Usage(input=8, cache_read=5))

    @given(values)
    @settings(max_examples=150, deadline=None)
    def test_anything(self, value: object) -> None:
        """Whatever the upstream sends, every count is unknown or a number that any client can read."""
        read = parse(value)

        counts = (read.input, read.output, read.cache_read, read.cache_write, read.reasoning)
        self.assertTrue(all(count is None or (type(count) is int and 0 <= count < 2**55) for count in counts))


class TotalTests(SynchronousTestCase):
    """Several steps."""

    def test_sum(self) -> None:
        """Each count is summed over the steps that told it."""
        steps = [Usage(input=1, output=2, reasoning=3), Usage(input=10, cache_read=4), Usage(cache_write=5)]

        self.assertEqual(total(steps), Usage(input=11, output=2, cache_read=4, cache_write=5, reasoning=3))

    def test_nothing(self) -> None:
        """Without a step, or of steps that told nothing, nothing is known."""
        self.assertEqual((total([]), total(iter([Usage(), Usage()]))), (Usage(), Usage()))
