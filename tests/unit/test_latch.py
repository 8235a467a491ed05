"""A wait for something that happens once."""

from __future__ import annotations

import threading

from classcord.net.latch import Latch
from tests.support import DEADLINE


def test_it_is_set_once_and_for_all() -> None:
    latch = Latch()
    assert not latch.is_set()
    assert latch.wait(0.001) is False
    latch.set()
    latch.set()
    assert latch.is_set()
    assert latch.wait() is latch.wait(0.001) is True
    assert latch.is_set()


def test_everybody_who_waits_is_woken() -> None:
    latch, woken = Latch(), []
    threads = [threading.Thread(target=lambda: woken.append(latch.wait(DEADLINE))) for _ in range(5)]
    for each in threads:
        each.start()
    latch.set()
    for each in threads:
        each.join(DEADLINE)
    assert woken == [True] * 5
