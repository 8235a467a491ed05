"""The part that measures the delivery of a batch, to channels and to one room, in one thread and over real sockets."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from classcord.chat.accounts import Accounts
from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.channels import Channels
from classcord.data.store import Store
from classcord.delivery.items import of_seat
from classcord.delivery.registry import Registry
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.net.transport import Plain
from classcord.wire.texts import Texts
from tests.bench.load import Bench
from tests.bench.report import Part, Target, number

_RECEIVERS = 500
_ROUNDS = 300
_FILES = 2 * _RECEIVERS + 200
_TEXT = "y" * 100


class _Room:
    """500 people in so many channels; in each of these one person says a line at a time."""

    def __init__(self, folder: Path, channels: int, stack: ExitStack) -> None:
        folder.mkdir()
        self._names = [f"#b{number}" for number in range(channels)]
        self._registry = Registry(
            Store(folder), Accounts([], 1), Texts("fr"), channels=Channels(opened=self._names, closed=()),
        )
        stack.callback(self._registry.close, drain=0)
        self._registry._lock.acquire()  # no other thread runs items now
        stack.callback(self._registry._lock.release)
        self._receivers: list[socket.socket] = []
        self._seats: list[int] = []
        with socket.create_server(("127.0.0.1", 0), backlog=_RECEIVERS) as listening:
            for place in range(_RECEIVERS):
                receiver = stack.enter_context(socket.create_connection(listening.getsockname()))
                receiver.setblocking(False)
                connection = stack.enter_context(listening.accept()[0])
                link = Link(cast(Any, Plain(connection)), 1 << 20, Peer())
                self._registry.add(link)
                self._receivers.append(receiver)
                self._seats.append(link.number)
                name = self._names[place * channels // _RECEIVERS]
                self._registry._items.append(of_seat(link.number, ChannelOperations.join_channel, name[1:], name))
        while self._registry._items:
            self._registry._flush()
        self._taken()

    def _taken(self) -> int:
        """The bytes that the receivers have got since the last call."""
        found = 0
        for receiver in self._receivers:
            with contextlib.suppress(BlockingIOError):
                while True:
                    found += len(receiver.recv(1 << 16))
        return found

    def round(self) -> float:
        """Microseconds of the processor for each delivery of one batch, with a line in each channel."""
        for name, seat in zip(self._names, self._seats[:: _RECEIVERS // len(self._names)], strict=True):
            item = of_seat(seat, ChannelOperations.say_in, None, name[1:], name, _TEXT)
            self._registry._items.append(item)
        began = time.thread_time()
        self._registry._flush()
        spent = time.thread_time() - began
        least = (_RECEIVERS - len(self._names)) * len(_TEXT)
        assert self._taken() > least, "somebody has got nothing"
        return spent / (_RECEIVERS - len(self._names)) * 1e6


def batch(bench: Bench) -> Part:
    """One batch for 500 receivers: ten channels of 50 beside one of 500."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        if soft < 2 * _FILES:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2 * _FILES, hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        rooms = {count: _Room(bench.folder / f"batch-{count}", count, stack) for count in (1, 10)}
        times: dict[int, list[float]] = {count: [] for count in rooms}
        for turn in range(_ROUNDS):
            for count in (1, 10) if turn % 2 else (10, 1):
                times[count].append(rooms[count].round())
    # the median of each pair's ratio: what the machine does beside them changes with time
    ratios = statistics.median(one / ten for one, ten in zip(times[1], times[10], strict=True))
    rows = [[f"{count} of {_RECEIVERS // count}", number(statistics.median(times[count]))] for count in times]
    target = Target("a batch: deliveries a CPU second, 10 of 50 ÷ 1 of 500", ratios, 0.9)
    title = f"A batch for {_RECEIVERS} receivers: one line of 100 bytes for each"
    note = "The room, the row in the database, joining and a send for each receiver; no thread that reads a client."
    return Part(title, ("channels", "µs a delivery"), rows, [target], note)
