"""This module is the result of a run, as a table and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape

from attrs import frozen

from benchmarks.cases import CASES, FAILURES, Case

_WIDTH, _LABEL, _ROW, _BAR = 760, 250, 22, 14
_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2")


@frozen
class Row:
    """One figure of one case: what each target reached in each round, in the order of the targets."""

    case: Case
    figure: str
    rounds: Mapping[str, Sequence[float]]
    failures: float

    def middle(self, name: str) -> float:
        """The median of a target."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, baseline: str) -> float:
        """The median of the ratios of the same rounds."""
        pairs = zip(self.rounds[name], self.rounds[baseline], strict=True)
        return statistics.median(one / other if other else float("nan") for one, other in pairs)


def rows(results: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> list[Row]:
    """The figures worth showing, of results by case and target, one mapping for each round."""
    made = []
    for case in CASES:
        if case.title not in results:
            continue
        found = results[case.title]
        failures = sum(figures[FAILURES] for rounds in found.values() for figures in rounds)
        for figure in case.figures:
            values = {name: [figures[figure] for figures in rounds] for name, rounds in found.items()}
            made.append(Row(case, figure, values, failures))
    return made


def table(made: Sequence[Row], names: Sequence[str]) -> str:
    """A table in Markdown; ratios are to the first target."""
    head = ["case", "clients", "figure", *names, *(f"{name} / {names[0]}" for name in names[1:]), "failures"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in made:
        middles = [f"{row.middle(name):.3g}" for name in names]
        ratios = [f"{row.ratio(name, names[0]):.2f}" for name in names[1:]]
        cells = [row.case.title, str(row.case.clients), row.figure, *middles, *ratios, f"{row.failures:g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def picture(made: Sequence[Row], names: Sequence[str]) -> str:
    """Bars in SVG: each figure of a target as a part of the greatest of its row; shorter is better."""
    height = 40 + len(made) * (_ROW * len(names) + 14)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, name in enumerate(names):
        at, colour = 10 + number * 180, _COLOURS[number % len(_COLOURS)]
        parts.append(f'<rect x="{at}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{at + 18}" y="18">{escape(name)}</text>')
    top = 36
    for row in made:
        most = max(row.middle(name) for name in names) or 1.0
        label = escape(f"{row.case.title}: {row.figure}")
        parts.append(f'<text x="10" y="{top + _BAR}">{label}</text>')
        for number, name in enumerate(names):
            value = row.middle(name)
            width = max(1.0, value / most * (_WIDTH - 2 * _LABEL))
            y, colour = top + number * _ROW, _COLOURS[number % len(_COLOURS)]
            parts.append(f'<rect x="{_LABEL + 90}" y="{y + 3}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{_LABEL + 96 + width:.1f}" y="{y + _BAR}">{value:.3g}</text>')
        top += _ROW * len(names) + 14
    return "\n".join((*parts, "</svg>")) + "\n"
