"""This module is the ledger of the soak: what was promised, what was seen, and the table of both."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from attrs import define, field

from tests.soak.judging import Promise, Verdict

_EXAMPLES = 5  # of each broken promise


@define(eq=False)
class Ledger:
    """All that was seen.

    Attributes:
        kept: How often each promise held.
        broken: How often each was broken.
        examples: Some of the breaches, in words.
        counts: Everything else that was counted.
        figures: What was measured of a promise, in words.
        mishaps: What went wrong in the soak itself.
    """

    kept: Counter[Promise] = field(factory=Counter)
    broken: Counter[Promise] = field(factory=Counter)
    examples: dict[Promise, list[str]] = field(factory=lambda: defaultdict(list))
    counts: Counter[str] = field(factory=Counter)
    figures: dict[Promise, str] = field(factory=dict)
    mishaps: list[str] = field(factory=list)

    def keep(self, promise: Promise) -> None:
        """A promise held."""
        self.kept[promise] += 1

    def breach(self, promise: Promise, how: str) -> None:
        """A promise was broken."""
        self.broken[promise] += 1
        examples = self.examples[promise]
        if len(examples) < _EXAMPLES and how not in examples:
            examples.append(how)

    def check(self, promise: Promise, held: bool, figure: str) -> None:
        """A promise that is measured once, at the end or now and then."""
        self.figures[promise] = figure
        if held:
            self.keep(promise)
        else:
            self.breach(promise, figure)

    def enter(self, name: str, verdict: Verdict) -> None:
        """What became of an exchange."""
        self.counts[verdict.outcome] += 1
        for promise in verdict.kept:
            self.keep(promise)
        for promise, how in verdict.broken:
            self.breach(promise, f"{name}: {how}")

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken, as far as that was seen."""
        return not self.broken and not self.mishaps

    def table(self) -> str:
        """One row for each promise, and below it how the broken ones were broken."""
        rows = [(promise.value, self._seen(promise), self._word(promise)) for promise in Promise]
        lines = table(("promised", "seen", ""), rows)
        for promise in Promise:
            if self.broken[promise]:
                lines += ["", f"BROKEN: {promise.value} ({self.broken[promise]} times), such as"]
                lines += [f"  - {example}" for example in self.examples[promise]]
        if self.mishaps:
            lines += ["", "The soak itself went wrong:", *(f"  - {mishap}" for mishap in self.mishaps[:_EXAMPLES])]
        return "\n".join(lines)

    def _seen(self, promise: Promise) -> str:
        times = f"{self.kept[promise]} times"
        if self.broken[promise]:
            times = f"{self.kept[promise]} times, and {self.broken[promise]} times not"
        return self.figures.get(promise, times)

    def _word(self, promise: Promise) -> str:
        if self.broken[promise]:
            return "BROKEN"
        return "ok" if self.kept[promise] else "not seen"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines whose columns are aligned."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths).rstrip(), *lines[1:]]


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that is not below so large a share of them, which is 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
