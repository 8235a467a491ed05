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
from handlers.history import _KEPT
from tests.bench.load import Bench
from tests.bench.report import Part, Target, number

_MESSAGES, _BATCH = 1_000_000, 256
_PEOPLE, _WORDS = 40, 5000
_TIMES = 20
_SMALL = "#petit"
_SCOPES = {"everybody": Scope(), "a channel with few": Scope(_SMALL), "an exchange": Scope(None, ("n10", "n1"))}
_SEARCHES = {
    "a rare word": ("rare",), "a usual word": ("mot7",), "two words": ("mot7", "mot8"),
    "a word that is in each message": ("bonjour",), "with a word that is nowhere": ("bonjour", "nulle"),
}
_BARE = (
    "SELECT * FROM message_rows WHERE recipient IS NULL AND channel IS NULL",
    f"SELECT * FROM message_rows WHERE channel = '{_SMALL}'",
    "SELECT * FROM message_rows WHERE recipient = 'n1'"  # one of the two directions
    " AND sender = (SELECT id FROM senders WHERE name = 'n10' AND guest = 0)",
)


def _rows(count: int) -> list[MessageRow]:
    """Half of them to everybody, 4 of 10 in channels, 1 of 10 private. The last tenth is all in one channel.

    Each has bonjour, and eight words of 5000. A channel has 60 messages, in the first half.
    """
    choose = random.Random(1)  # the same each time
    words = [f"mot{n}" for n in range(_WORDS)]
    people = [f"n{n}" for n in range(_PEOPLE)]
    kinds = [(None, None)] * 10 + [(None, "#dev")] * 4 + [(None, "#projet")] * 3 + [(None, "#aide")] + [("", None)] * 2
    rows: list[MessageRow] = []
    for id in range(1, count + 1):
        recipient, channel = choose.choice(kinds) if id <= count * 9 // 10 else (None, "#dev")
        if id <= count // 2 and id % (count // 120) == 1:
            recipient, channel = None, _SMALL
        rare = " rare" if id % (count // 40) == 1 else ""
        rows.append((
            id, 1_767_225_600_000 + id, choose.choice(people), False,
            choose.choice(people) if recipient is not None else None, channel,
            "bonjour " + " ".join(choose.choices(words, k=8)) + rare,
        ))
    return rows


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
        with closing(sqlite3.connect(folder / "classcord.db")) as bare, closing(history):
            selects = [f"{select} AND id < ? ORDER BY id DESC LIMIT 50" for select in _BARE]
            alone = [_median(lambda: bare.execute(select, (count,)).fetchall()) for select in selects]  # noqa: B023
            pages = {
                "a page of 50": Page(50), "a page before an id": Page(50, before=count // 2),
                "what came after an id": Page(50, after=count // 2),
                **{f"a search: {name}": Page(50, words=words) for name, words in _SEARCHES.items()},
            }
            times = {
                name: [_median(lambda: history.read(scope, page, _KEPT)) for scope in _SCOPES.values()]  # noqa: B023
                for name, page in pages.items()
            }
    some = rows[: count // 5]
    without, indexed, ratios = _pairs(bench, some)
    table = [
        [name, *(f"{number(value)} ms" for value in values)]
        for name, values in {"the bare SELECT of 50": alone, **times}.items()
    ]
    table += [
        [f"storing {len(some)} messages without the index", f"{number(without)} s", "", ""],
        ["with the index, which follows in its thread", f"{number(indexed)} s", "", ""],
    ]
    slowest = max(map(max, times.values()))
    targets = [
        Target("the slowest page or search, ms", slowest, 20, at_least=False),
        Target("messages stored a second: with the index ÷ without", ratios, 0.9),
    ]
    return Part(f"History: {count} messages", ("what, as a median", *_SCOPES), table, targets)
