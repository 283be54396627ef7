"""Tests of which model serves a name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.aliases import resolve

KNOWN = ("claude-haiku-4-5-20251001", "claude-sonnet-4-6", "zai-org/GLM-5.2", "gpt-5.5")


class ResolveTests(SynchronousTestCase):
    """What a name leads to."""

    def test_known_id(self) -> None:
        """A known id is itself."""
        self.assertEqual(resolve("zai-org/GLM-5.2", (), KNOWN), "zai-org/GLM-5.2")

    def test_spelling(self) -> None:
        """Case, dots and a date suffix on either side do not matter."""
        self.assertEqual(resolve("ZAI-ORG/glm-5-2", (), KNOWN), "zai-org/GLM-5.2")
        self.assertEqual(resolve("claude-haiku-4-5", (), KNOWN), "claude-haiku-4-5-20251001")
        self.assertEqual(resolve("claude-sonnet-4.6-20990101", (), KNOWN), "claude-sonnet-4-6")
        self.assertEqual(resolve("gpt-5.5-2026-01-31", (), KNOWN), "gpt-5.5")

    def test_unknown(self) -> None:
        """A name that fits nothing goes up as it is."""
        self.assertEqual(resolve("vendor/new-model", (), KNOWN), "vendor/new-model")

    def test_aliases(self) -> None:
        """An exact alias wins over a pattern, and the first pattern over the second."""
        aliases = (("claude-haiku-*", "a/small"), ("claude-*", "a/large"), ("Claude-Haiku-Exact", "a/exact"))

        self.assertEqual(resolve("claude-haiku-4-5", aliases, KNOWN), "a/small")
        self.assertEqual(resolve("CLAUDE-opus-9", aliases, KNOWN), "a/large")
        self.assertEqual(resolve("claude-haiku-exact", aliases, KNOWN), "a/exact")

    def test_alias_to_a_spelling(self) -> None:
        """The target of an alias may be spelled freely too."""
        self.assertEqual(resolve("fast", (("fast", "glm-5.2"), ("faster", "ZAI-org/glm-5.2")), KNOWN), "glm-5.2")
        self.assertEqual(resolve("faster", (("faster", "ZAI-org/glm-5.2"),), KNOWN), "zai-org/GLM-5.2")

    @given(st.text(), st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1))))
    def test_any_name(self, wanted: str, aliases: list[tuple[str, str]]) -> None:
        """Any name leads somewhere, and what it leads to is a target, a known id or the name itself."""
        found = resolve(wanted, aliases, KNOWN)

        self.assertIn(found, {wanted, *KNOWN, *(model for _, model in aliases)})
