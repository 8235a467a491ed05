"""The bounds that an attack must not pass, and the table in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.bench.report import table
from tests.hostile.attack.trial import Result

NONE = "–"


class Column(NamedTuple):
    """A column of the table. With a bound, a value above it is marked."""

    head: str
    value: Callable[[Result], float]
    style: str = ".0f"
    bound: float | None = None
    counts: bool = False
    """It doesn't depend on how fast the machine is, so tests may check it."""
    alone: bool = False
    """The bound doesn't hold while a class arrives."""

    def is_wrong(self, result: Result) -> bool:
        return self.bound is not None and self.value(result) > self.bound and not (self.alone and result.pupils)

    def cell(self, result: Result) -> str:
        text = format(self.value(result), self.style)
        return f"❌ **{text}**" if self.is_wrong(result) else text


COLUMNS = (
    Column("p50 ms", lambda result: result.p50, ".1f"),
    # a person feels that an answer comes at once up to about a tenth of a second; in life, two networks come on top
    Column("p99 ms", lambda result: result.p99, ".0f", 200),
    Column("lost", lambda result: result.lost, bound=0, counts=True),
    Column("out of order", lambda result: result.disordered, bound=0, counts=True),
    Column("dropped", lambda result: result.dropped, bound=0, counts=True),
    # a class that logs in at once takes its turns, and a newcomer waits for its own
    Column("slowest login ms", lambda result: result.login, ".0f", 1000, alone=True),
    # the container's limit is 512 MiB; a VM of a class may have 1 GiB for everything
    Column("memory MiB", lambda result: result.memory, ".0f", 150, counts=True),
    Column("CPU s/s", lambda result: result.processor, ".2f"),
    # the container keeps 30 MB of log: at this rate, all of it is from the last 50 minutes or more
    Column("log B/s", lambda result: result.log, ".0f", 10_000),
    Column("disk kB/s", lambda result: result.data / 1000, ".1f", 1000),
)
"""What is measured of every attack, beside the class."""


def faults(result: Result) -> list[str]:
    """What is wrong with a result on any machine, however slow: only counts. Empty if nothing is."""
    found = [
        f"{column.head}: {format(column.value(result), column.style)}, and {column.bound} is allowed"
        for column in COLUMNS if column.counts and column.is_wrong(result)
    ]
    if result.served < result.pupils:
        found.append(f"{result.served} of {result.pupils} pupils were served")
    return found + result.faults


def _class(result: Result) -> list[str]:
    if not result.pupils:
        return [NONE, NONE]
    served = f"{result.served} of {result.pupils}"
    return [served if result.served == result.pupils else f"❌ **{served}**", f"{result.slowest:.1f}"]


def is_wrong(result: Result) -> bool:
    """Whether any value of it is out of bounds, times too."""
    return bool(faults(result)) or any(column.is_wrong(result) for column in COLUMNS)


def row(result: Result) -> str:
    """A line of the table."""
    text = result.attack.text + (f", and a class of {result.pupils} arrives" if result.pupils else "")
    cells = [column.cell(result) for column in COLUMNS]
    faults = "; ".join(result.faults).replace("|", "\\|") or NONE
    return "| " + " | ".join([result.attack.name, text, *cells, *_class(result), faults]) + " |"


def head() -> str:
    """The beginning of the table. Rows follow, each in a line."""
    heads = ["name", "attack", *(column.head for column in COLUMNS), "class served", "slowest pupil s", "faults"]
    return table(heads, [])
