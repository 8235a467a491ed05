"""How many messages pass: of each person within a minute, and of all within ten. For one thread."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from classcord.delivery.watching import Message, WireLines

__all__ = ["BIN", "BINS", "WINDOW", "Counting"]

WINDOW = 60.0
"""Seconds of which the messages are counted for each person."""
BIN, BINS = 10, 60
"""Seconds of a part of the time, and how many parts there are."""


class Counting:
    """What a watch of messages has taken. The caller gives the time, in seconds that never go back."""

    def __init__(self) -> None:
        self._spoken: deque[tuple[float, str, int]] = deque()
        self._bins: Counter[int] = Counter()

    def add(self, records: Iterable[Message | WireLines], left_out: int, now: float) -> None:
        """These messages have passed, and so many that nobody has seen."""
        for record in records:
            if isinstance(record, Message):
                self.spoke(record.sender, now)
        self.spoke("", now, left_out)

    def spoke(self, sender: str, when: float, count: int = 1) -> None:
        """So many messages of this person passed then; the times come in order."""
        if count:
            self._spoken.append((when, sender, count))
            self._bins[int(when // BIN)] += count

    def senders(self, now: float) -> Counter[str]:
        """How many each has said within the WINDOW until now."""
        while self._spoken and self._spoken[0][0] < now - WINDOW:
            self._spoken.popleft()
        found: Counter[str] = Counter()
        for _, sender, count in self._spoken:
            found[sender] += count
        return found

    def parts(self, now: float) -> list[int]:
        """How many passed in each part of the time, the newest last."""
        last = int(now // BIN)
        for old in [each for each in self._bins if each <= last - BINS]:
            del self._bins[old]
        return [self._bins[each] for each in range(last - BINS + 1, last + 1)]
