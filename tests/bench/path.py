"""The part that measures the way of one message through our code, step by step, in one thread and without sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from classcord.chat.accounts import Accounts
from classcord.chat.room import Item, Room
from classcord.data.store import Store
from classcord.delivery.batch import Batch
from classcord.delivery.registry import Registry
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.services import Services
from classcord.wire.protocol import LineSplitter, decode
from classcord.wire.texts import Texts
from handlers import dispatch
from handlers.context import Context
from tests.bench.load import Bench
from tests.bench.report import Part, Target, number

_RECEIVERS, _SENDERS = 100, 45
"""As in the part `chat`: so many lines come together there, each from another sender."""
_LINE = b'{"type":"message","subtype":"global","to":"global","from":"x","content":"' + b"y" * 100 + b'"}\n'


class _Taken:
    """A socket that takes everything."""

    def send(self, data: bytes | memoryview, /) -> int:
        return len(data)

    def fileno(self) -> int:
        return id(self)

    def end(self) -> None:
        pass


def _least(run: Callable[[], object], count: int, rounds: int = 30) -> float:
    """Microseconds of each of `count` runs in the fastest of some rounds: other programs only make it longer."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(count):
            run()
        times.append(time.perf_counter() - began)
    return min(times) / count * 1e6


def path(bench: Bench) -> Part:
    """How long each step takes for a message to everybody."""
    folder = bench.folder / "path"
    folder.mkdir()
    store = Store(folder)
    registry, none = Registry(store, Accounts([], 1), Texts("fr")), cast(Any, None)
    services = Services(registry, none, none, Texts("fr"), none, 1 << 20, 1 << 16)
    contexts = []
    for _ in range(_RECEIVERS):
        link = Link(cast(Any, _Taken()), 1 << 20, Peer())
        registry.add(link)
        contexts.append(Context(link, services))
        contexts[-1].post(Room.list_users)
        contexts[-1].flush()
    splitter, message, client = LineSplitter(), decode(_LINE[:-1]) or {}, contexts[0]
    items: list[Item] = [("say", each.link.number, (None, "y" * 100)) for each in contexts[:_SENDERS]]
    written = 0

    def request() -> None:
        dispatch(client, message)
        client._items.clear()

    def batch() -> Batch:
        made = Batch(registry._links, registry._audiences, 0, 0.0)
        registry._items.extend(items)
        registry._carry_out(made)
        return made

    registry._lock.acquire()  # no other thread runs items now
    ready = batch()

    def commit() -> None:
        nonlocal written
        written += _SENDERS
        store.commit([(written + at, *row[1:]) for at, row in enumerate(ready.messages)], [])

    steps = {
        "splitting a read into lines": _least(lambda: splitter.feed(_LINE), 2000),
        "decoding the line": _least(lambda: decode(_LINE[:-1]), 2000),
        "the table and the handler: an item": _least(request, 2000),
        "the room, the line, the batch": _least(batch, 10) / _SENDERS,
        "the row in the database": _least(commit, 10) / _SENDERS,
        "joining and handing over": _least(
            lambda: [link.outbox.send(data, 0.0, shared) for link, data, shared in ready.deliveries()], 10
        ) / _SENDERS,
    }
    registry._lock.release()
    registry.close(drain=0)
    whole = sum(steps.values())
    rows = [[name, number(value)] for name, value in (*steps.items(), ("together", whole))]
    title = f"The way of a message in Python: {_SENDERS} senders at once, {_RECEIVERS} receivers, 100 bytes"
    note = "Threads, the interpreter's lock and the kernel are not in it: the parts above measure all together."
    return Part(title, ("step", "µs a message"), rows, [Target("µs a message", whole, 10, at_least=False)], note)
