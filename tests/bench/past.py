"""The part that measures reading and searching what was said, and what the index of searches costs."""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from classcord.data.history import History, Page, Scope
from classcord.data.schema import MessageRow
from classcord.data.search import Search
from classcord.data.store import Store
from classcord.wire.words import words_of
from tests.bench.load import Bench
from tests.bench.report import Part, Target, number

_MESSAGES, _BATCH = 1_000_000, 256
_PEOPLE, _WORDS = 40, 5000
_TIMES = 20
_BARE = "SELECT * FROM message_rows WHERE recipient IS NULL AND channel IS NULL AND id < ? ORDER BY id DESC LIMIT 50"


def _rows(count: int) -> list[MessageRow]:
    """Eight words each, of 5000; one in ten messages is private."""
    choose = random.Random(1)  # the same each time
    words = [f"mot{n}" for n in range(_WORDS)]
    return [
        (id, 1_767_225_600_000 + id, f"n{id % _PEOPLE}", False, "n1" if id % 10 == 0 else None, None,
         " ".join(choose.choices(words, k=8)) + (" rare" if id % (count // 4) == 7 else ""))
        for id in range(1, count + 1)
    ]


def _store(store: Store, rows: list[MessageRow]) -> float:
    """Store them in batches like those of a busy chat; the seconds that it took."""
    began = time.monotonic()
    for start in range(0, len(rows), _BATCH):
        store.commit(rows[start : start + _BATCH], [])
    return time.monotonic() - began


def _median(run: Callable[[], object]) -> float:
    """Milliseconds, the median of several runs."""
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _inserting(folder: Path, rows: list[MessageRow], *, indexed: bool) -> float:
    folder.mkdir()
    # closed, so that its thread does not go on beside the next measurement
    with closing(Store(folder)) as store, closing(Search(folder, words_of)) as search:
        if indexed:
            search.start()
        return _store(store, rows)


def _pairs(bench: Bench, rows: list[MessageRow]) -> tuple[float, float, float]:
    """Store them without and with the index, in turn: the medians of the seconds, and the median of each pair's ratio.

    Each round stores in the order opposite to the last one: what the machine does beside it changes with time.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * bench.rounds):
        for indexed in (False, True) if turn % 2 else (True, False):
            found[indexed].append(_inserting(bench.folder / f"storing{turn}{indexed}", rows, indexed=indexed))
    ratios = [without / with_it for without, with_it in zip(found[False], found[True], strict=True)]
    return statistics.median(found[False]), statistics.median(found[True]), statistics.median(ratios)


def past(bench: Bench) -> Part:
    """Pages and searches in a million messages, beside the bare SELECT; then storing with and without the index."""
    count = _MESSAGES // 10 if bench.quick else _MESSAGES
    rows = _rows(count)
    print(f"  past: {count} messages", file=sys.stderr, flush=True)
    folder = bench.folder / "past"
    folder.mkdir()
    with closing(Store(folder)) as store:
        _store(store, rows)
        search = Search(folder, words_of)
        search.catch_up()
        history = History(folder, search)
        everybody, two = Scope(), Scope(None, ("n10", "n1"))
        with closing(sqlite3.connect(folder / "classcord.db")) as bare, closing(history):
            times = {
                "the bare SELECT of 50": _median(lambda: bare.execute(_BARE, (count // 2,)).fetchall()),
                "a page of 50": _median(lambda: history.read(everybody, Page(50, before=count // 2))),
                "what came after an id": _median(lambda: history.read(everybody, Page(50, after=count // 2))),
                "a private exchange": _median(lambda: history.read(two, Page(50))),
                "a search: a rare word": _median(lambda: history.read(everybody, Page(50, words=("rare",)))),
                "a search: a usual word": _median(lambda: history.read(everybody, Page(50, words=("mot7",)))),
                "a search: two words": _median(lambda: history.read(everybody, Page(50, words=("mot7", "mot8")))),
            }
    some = rows[: count // 5]
    alone, indexed, ratios = _pairs(bench, some)
    table = [[name, f"{number(value)} ms"] for name, value in times.items()]
    table += [
        [f"storing {len(some)} messages without the index", f"{number(alone)} s"],
        ["with the index, which follows in its thread", f"{number(indexed)} s"],
    ]
    slowest = max(value for name, value in times.items() if "bare" not in name)
    targets = [
        Target("the slowest page or search, ms", slowest, 20, at_least=False),
        Target("messages stored a second: with the index ÷ without", ratios, 0.9),
    ]
    return Part(f"History: {count} messages", ("what", "median"), table, targets)
