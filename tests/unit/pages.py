"""A history with stored messages, and what its pages should have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from classcord.data.history import History, Page, Past, Scope
from classcord.data.search import Search
from classcord.data.store import Store
from classcord.wire.words import words_of


class Made(NamedTuple):
    store: Store
    search: Search
    history: History

    def follow(self, batches: int = 1 << 30) -> None:
        """Let the index follow for so many batches."""
        with self.search._opened() as (source, index):
            for _ in range(batches):
                if not self.search._take(source, index):
                    break


def whole(history: History, scope: Scope, page: Page) -> list[Past]:
    """A page with all contents."""
    rows = history.read(scope, page, 1 << 40)
    return [row for row in rows if isinstance(row, Past)]


@contextmanager
def made_in(folder: Path) -> Iterator[Made]:
    search = Search(folder, words_of)
    made = Made(Store(folder), search, History(folder, search))
    with closing(made.store), closing(made.history):
        yield made


class Row(NamedTuple):
    """A message as it is stored, and as it comes back."""

    past: Past
    channel: str | None


def past(
    id: int, sender: str, recipient: str | None, content: str, guest: bool = False, channel: str | None = None
) -> Row:
    return Row(Past(id, 1_767_225_600_000 + id, sender, guest, recipient, content), channel)


def store(made: Made, rows: list[Row]) -> None:
    made.store.commit([
        (row.id, int(row.time), row.sender, row.guest, row.recipient, channel, row.content) for row, channel in rows
    ], [])


def expected(rows: list[Row], scope: Scope, page: Page) -> list[Past]:
    """The same, in the simplest way."""
    found = [
        row for row, channel in rows
        if (page.after or 0) < row.id < (1 << 60 if page.before is None else page.before)
        and (
            row.recipient is None and channel == scope.channel if scope.accounts is None
            else not row.guest and sorted([row.sender, row.recipient or ""]) == sorted(scope.accounts)
            and int(row.time) > scope.since
        )
        and set(page.words) <= set(words_of(row.content))
    ]
    return found[: page.limit] if page.forward else found[-page.limit :]
