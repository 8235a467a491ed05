"""How fast one client may send: its lines and its bytes.

A client that sends faster is read more slowly first, so that TCP holds it back and nothing is lost. If it goes on it is
told once, and in the end its connection ends.
"""

from __future__ import annotations

from typing import NamedTuple

from classcord.net.buckets import Bucket

__all__ = ["Pace", "Rates"]

_TOLD = 0.2
"""The part of the time of excess after which the client is told: 2 of 10 seconds. A paste that is up to ten lines too
long is read by then, and never told; and who is told still has 8 seconds to stop."""


class Rates(NamedTuple):
    """At once, and each second: lines (by the cost in the table of requests), and bytes. `excess` is in seconds."""

    line_burst: int
    line_rate: int
    byte_burst: int
    byte_rate: int
    excess: int


class Pace:
    """One client's buckets. For its own thread; the time is given in seconds of a clock that never goes back."""

    __slots__ = ("_bytes", "_calm", "_late", "_lines", "_rates", "_since", "_told")

    def __init__(self, rates: Rates, now: float) -> None:
        self._rates = rates
        self._lines = Bucket(rates.line_burst, rates.line_rate, now)
        self._bytes = Bucket(rates.byte_burst, rates.byte_rate, now)
        # the tokens of a second: a client that has so many left was slower than it may for a while
        self._calm = min(rates.line_rate, rates.line_burst - 1)
        self._late = False  # the last bytes had to wait
        self._since: float | None = None  # when the excess began
        self._told = False

    def line(self, now: float) -> float:
        """A line is next: the seconds to wait before it runs."""
        wait = self._lines.take(1, now)
        if wait:
            self._begin(now)
        elif self._since is not None and not self._late and not self._lines.wait(self._calm, now):
            self.forgive()
        return wait

    def received(self, size: int, now: float) -> float:
        """So many bytes have come: the seconds to wait before they are looked at."""
        wait = self._bytes.take(size, now)
        self._late = wait > 0
        if wait:
            self._begin(now)
        return wait

    def cost(self, lines: int, now: float) -> None:
        """The line that runs costs as much as so many more."""
        self._lines.take(lines, now)

    def relayed(self, size: int, now: float) -> None:
        """The line that runs makes the others receive so many bytes."""
        self._bytes.take(size, now)

    def _begin(self, now: float) -> None:
        if self._since is None:
            self._since = now

    def to_tell(self, now: float) -> float | None:
        """The seconds that the client has left, if it is to be told now. Once for each excess."""
        if self._since is None or self._told or now - self._since < _TOLD * self._rates.excess:
            return None
        self._told = True
        return max(0.0, self._since + self._rates.excess - now)

    def held_up(self, seconds: float) -> None:
        """The server did not read the client for so long: what it has sent meanwhile is not an excess."""
        self._lines.give(seconds)
        self._bytes.give(seconds)

    def forgive(self) -> None:
        """The excess is over after all."""
        self._since, self._told = None, False

    def is_over(self, now: float) -> bool:
        """Whether the excess has lasted too long."""
        return self._since is not None and now - self._since >= self._rates.excess
