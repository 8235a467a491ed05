"""Token buckets: how much of something is allowed at once, and how much each second."""

from __future__ import annotations

__all__ = ["Bucket"]


class Bucket:
    """`burst` tokens at first and at most; `rate` come back each second. It may have a debt.

    The caller gives the time, in seconds of a clock that never goes back. For one thread at a time.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._at = now

    def take(self, cost: float, now: float) -> float:
        """Take tokens, into debt if there are too few; the seconds until the debt is paid, 0 without one."""
        back = min(self._burst, self._tokens + (now - self._at) * self._rate)
        left = max(self._tokens, back) - cost  # tokens that were given may be more than the burst
        self._at = now
        self._tokens = left
        return 0.0 if left >= 0 else -left / self._rate

    def give(self, seconds: float) -> None:
        """Add the tokens of so much time, also over `burst`, but not over twice as many."""
        self._tokens = max(self._tokens, min(2 * self._burst, self._tokens + seconds * self._rate))

    def wait(self, cost: float, now: float) -> float:
        """The seconds until so many tokens are there, or `burst` if that is fewer; 0 if they are. Takes none."""
        return max(0.0, (min(cost, self._burst) - self._tokens) / self._rate - (now - self._at))

    def full(self, now: float) -> bool:
        """Whether it is as it was at first."""
        return self.wait(self._burst, now) == 0
