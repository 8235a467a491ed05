"""When a client's thread waits because the client does not take its answers."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

from classcord.net.link import Link
from classcord.net.outbox import Memory
from classcord.net.peer import Peer
from tests.support import DEADLINE
from tests.unit.stubs import Wire


def behind(size: int, *, limit: int, others: int) -> Link:
    """A client with so many unsent bytes, where all outboxes may have `limit` and the others have so many."""
    link = Link(cast(Any, Wire(0)), 1 << 20, Peer())
    link.outbox.memory = Memory(limit)
    link.outbox.memory.used = others
    link.outbox.send(b"x" * size, 0.0)
    return link


def test_it_goes_on_below_its_limit_while_there_is_memory() -> None:
    link = behind(100, limit=4000, others=900)  # a quarter is used, and no more
    thread = threading.Thread(target=link.wait_until_taken, args=(100,), daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_it_waits_for_all_of_them_while_memory_is_scarce() -> None:
    link = behind(100, limit=4000, others=901)
    thread = threading.Thread(target=link.wait_until_taken, args=(100,), daemon=True)
    thread.start()
    deadline = time.monotonic() + DEADLINE
    while link._awaited is None:
        assert thread.is_alive(), "it did not wait"
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
    cast(Any, link.transport).room = 60
    link.outbox.resume(0.0)
    link.taken()
    assert thread.is_alive(), "40 bytes are left"
    cast(Any, link.transport).room = None
    link.outbox.resume(0.0)
    link.taken()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_with_nothing_unsent_it_does_not_wait() -> None:
    link = Link(cast(Any, Wire()), 1 << 20, Peer())
    link.outbox.memory = Memory(4)
    link.outbox.memory.used = 4
    link.wait_until_taken(0)
