"""When a process of the harness has to end."""

from __future__ import annotations

import select
import time


class Ending:
    """The end of a worker's work: when the harness closes the worker's input, or after `seconds`.

    So a worker also ends when the harness was killed. The input is a descriptor.
    """

    def __init__(self, seconds: float, given: int = 0) -> None:
        self._deadline = time.monotonic() + seconds
        self._given = given

    def over(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds, or until the end. Whether the end has come."""
        left = self._deadline - time.monotonic()
        return left <= 0 or bool(select.select([self._given], [], [], min(seconds, left))[0]) or seconds >= left
