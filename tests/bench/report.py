"""Medians, ratios, targets, and the Markdown they are shown in."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.load import Result

NONE = "–"


def median(results: Iterable[Result], *keys: str) -> float | None:
    """The median of the sum of these values, over the results that have them."""
    values = [sum(result[key] for key in keys) for result in results if all(key in result for key in keys)]
    return statistics.median(values) if values else None


def spread(results: Iterable[Result], key: str) -> str:
    """The least and the greatest value: they show the noise."""
    values = [result[key] for result in results if key in result]
    return f"{number(min(values))} to {number(max(values))}" if values else NONE


def ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def number(value: float | None) -> str:
    """With about three significant digits."""
    if value is None:
        return NONE
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class Target:
    """The goal of a part. `measured` is None when it could not be measured."""

    text: str
    measured: float | None
    bound: float
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def row(self) -> list[str]:
        mark = {True: "✅ yes", False: "❌ **no**", None: "not measured"}[self.reached]
        sign = "≥" if self.at_least else "≤"
        return [self.text, f"{sign} {self.bound:g}", number(self.measured), mark]


@dataclass(frozen=True)
class Part:
    """The results of one part."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target]
    note: str = ""

    def text(self, problems: Sequence[str]) -> str:
        """The part as Markdown; `problems` are the wrong results in it."""
        blocks = [f"## {self.title}"]
        if problems:
            blocks.append("\n".join(f"> **WRONG RESULT**: {problem}" for problem in problems))
        if self.note:
            blocks.append(self.note)
        blocks.append(table(self.heads, self.rows))
        blocks.append(targets_table(self.targets))
        return "\n\n".join(blocks) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns except the first two are right-aligned."""
    rule = ["---" if index < 2 else "--:" for index in range(len(heads))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, rule, *rows])


def targets_table(targets: Sequence[Target]) -> str:
    return table(["target", "bound", "measured", "reached"], [target.row() for target in targets])
