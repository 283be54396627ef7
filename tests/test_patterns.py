"""Tests of how long a regular expression can take."""

from __future__ import annotations

import warnings
from math import inf, isfinite

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.patterns import work

AFFORDABLE = 10_000_000
"""Steps that take a tenth of a second at worst."""


class WorkTests(SynchronousTestCase):
    """The bound of a pattern in a text."""

    def test_everyday(self) -> None:
        """What people put into schemas is cheap for texts of the length that it is for."""
        patterns = (
            r"^\d{4}-\d{2}-\d{2}$",
            r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
            r"^(?:red|green|blue)$",
            r"^(\d{1,3}\.){3}\d{1,3}$",
            r"^\+?[1-9]\d{1,14}$",
            r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            r"^#?([a-f0-9]{6}|[a-f0-9]{3})$",
            r"[A-Z]+",
            r"[]{}()*+?a|^$]",
            r"\(\*\+",
            r"(?P<quote>['\"]).(?P=quote)",
            "",
        )

        for pattern in patterns:
            self.assertLess(work(pattern, 40), AFFORDABLE, pattern)

    def test_quiet(self) -> None:
        """A client's pattern that Python may read otherwise one day makes no warning."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work("[[quiet]--]", 40)

        self.assertEqual(caught, [])

    def test_bombs(self) -> None:
        """What takes for ever is seen to."""
        bombs = (
            "(a+)+$",
            "(a|aa)+$",
            "(?:a?)*b",
            "((a{1,9}){1,9}){1,9}b",
            "a?" * 30 + "a" * 30,
            "(.*)(.*)(.*)(.*)(.*)(.*)x",
        )

        for pattern in bombs:
            self.assertGreater(work(pattern, 40), 100_000_000, pattern)
        self.assertEqual(work("(?:a?)*b", 5000), inf)

    def test_empty_repeats(self) -> None:
        """Repeating nothing takes time as well."""
        self.assertGreater(work("(?:(?:(?:){1000}){1000}){1000}", 1), 1_000_000_000)

    def test_longer_text(self) -> None:
        """A repetition in a longer text has more ways, a text without one only more places to begin."""
        self.assertEqual(work("a*$", 200) / work("a*$", 100) // 1, 3)
        self.assertEqual(work("ab", 199) / work("ab", 99), 2)
        self.assertEqual(work("^ab", 199), work("^ab", 99))

    def test_anchored_in_part(self) -> None:
        """An anchor in one alternative does not save the other one the search."""
        self.assertGreater(work("^ab|ab", 100), work("^(?:ab|ab)", 100) * 50)

    def test_unknown(self) -> None:
        """What Python cannot read, and what changes the meaning of the text around it, has no bound, and nor has a huge pattern."""
        patterns = (r"\p{L}", "(", "a{99999999999}", "(?x)a#[\n(a+)+$#]", "(?#()a", "(a)?(?(1)b|c)", "a" * 1001)

        for pattern in patterns:
            self.assertEqual(work(pattern, 10), inf, pattern)
        self.assertTrue(isfinite(work("a" * 1000, 10)))

    @given(st.text("ab(?:|)*+{},12[]^\\.$P<n>=!", max_size=14), st.integers(0, 40))
    @settings(max_examples=1000, deadline=None)
    def test_any_pattern(self, pattern: str, length: int) -> None:
        """Every text has a bound as a pattern, and a text that is not empty takes at least as long as the empty one."""
        self.assertLessEqual(1, work(pattern, 0))
        self.assertLessEqual(work(pattern, 0), work(pattern, length))
