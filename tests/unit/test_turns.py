"""Who waits longest for a thing is next, also before the one that gives it back."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from classcord.data.turns import Turns
from tests.support import DEADLINE


def test_each_thing_is_lent_once() -> None:
    turns = Turns(["a", "b"])
    assert {turns.take(), turns.take()} == {"a", "b"}
    with pytest.raises(queue.Empty):
        turns.take(0)
    turns.give("a")
    assert turns.take(0) == "a", "who has given up does not get it"


def test_they_are_served_in_the_order_in_which_they_came() -> None:
    turns, served = Turns(["thing"]), []
    thing = turns.take()

    def wait(number: int) -> None:
        mine = turns.take(DEADLINE)
        served.append(number)
        turns.give(mine)

    threads = []
    for number in range(3):
        threads.append(threading.Thread(target=wait, args=(number,), daemon=True))
        threads[-1].start()
        while len(turns._waiting) <= number:
            time.sleep(0)
    turns.give(thing)
    assert turns.take(DEADLINE) == "thing"
    assert served == [0, 1, 2], "before the one that gave it back"
    for thread in threads:
        thread.join(DEADLINE)
