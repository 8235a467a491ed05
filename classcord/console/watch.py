"""`admin watch`: the messages as they pass, and `admin watch --wire`: the lines of the connections. For commands.py."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator

from classcord.chat.effects import Answered
from classcord.console.following import Following
from classcord.console.replies import Reply, Usage, done
from classcord.delivery.registry import Registry
from classcord.delivery.watching import Message, Watch, WireLines
from classcord.net.addresses import with_port
from classcord.wire import names, networks
from classcord.wire.protocol import ProtocolError

__all__ = ["Watches", "is_closed"]

_LOOK = 0.5
"""Seconds after which the names of the connections are asked for again, and whether the console is still there."""


class Watches:
    """`ask` has the room carry out an action. `quiet` says whether people may be watched without being told."""

    def __init__(self, registry: Registry, quiet: bool, ask: Callable[..., Answered]) -> None:
        self._registry = registry
        self._quiet = quiet
        self._ask = ask

    def watch(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        """Run until the console ends it."""
        flags = {word for word in words if word.startswith("--")}
        target = " ".join(word for word in words if word not in flags)
        if not flags <= {"--wire", "--quiet"}:
            raise Usage("")
        wire, quiet = "--wire" in flags, "--quiet" in flags
        if target and not wire:
            raise Usage("a name or an address goes with --wire")
        if quiet and not self._quiet:
            raise ProtocolError("not_allowed", "--quiet needs the setting --quiet-watch on: people are told otherwise")
        connection.settimeout(None)  # a terminal that has stopped (Ctrl-S) may go on
        here = _Addresses(self._registry, target)
        watch = self._registry.watching.begin(wire=wire)
        number: int | None = None
        try:
            begun = self._ask("watch", wire, target, here.new(), quiet).data
            number = begun[0] if begun else None  # nobody is told
            yield done(f"watching {'the wire' if wire else 'the messages'}; Ctrl-C ends it")
            yield from _lines(watch, connection, self._wire(target, here, number) if wire else _messages)
        finally:
            self._registry.watching.end(watch)
            if number is not None:
                self._ask("watch_ends", number)

    def _people(self) -> dict[int, str]:
        """The name of each seat that has one."""
        return {seat: row[0] for row in self._ask("people").data for seat in row[4]}

    def _wire(
        self, target: str, here: _Addresses, number: int | None
    ) -> Callable[[list[Message | WireLines]], Iterator[Reply]]:
        """A function that makes replies of wire lines: only of those that the target means."""
        network, following = networks.parse(target), Following(names.find(target))
        people, looked = self._people(), time.monotonic()
        passed = False  # since then
        list(following.look(people))

        def wanted(records: list[Message | WireLines]) -> Iterator[WireLines]:
            nonlocal people, looked, passed
            passed |= bool(records)
            news = passed and time.monotonic() - looked > _LOOK
            if news:
                people, looked, passed = self._people(), time.monotonic(), False
            for record in records:
                assert isinstance(record, WireLines)
                if not target or (network is not None and networks.contains(network, record.link.peer.address)):
                    yield record
                else:
                    yield from following.line(record)
            if news and target:
                yield from following.look(people)  # after the lines, which may say more

        def replies(records: list[Message | WireLines]) -> Iterator[Reply]:
            more = here.new()
            if more and number is not None:  # before anything of them is shown
                self._ask("watch_more", number, more)
            for record in wanted(records):
                yield from _shown(record, people.get(record.link.number, ""))

        return replies


class _Addresses:
    """The connections from the addresses that the target means: none, if it is a name or there is no target."""

    def __init__(self, registry: Registry, target: str) -> None:
        self._registry = registry
        self._network = networks.parse(target)
        self._known: set[int] = set()

    def new(self) -> tuple[int, ...]:
        """The numbers of those that have come since the last time."""
        if self._network is None:
            return ()
        here = {link.number: link for link in self._registry.links()}
        found = [number for number in here if number not in self._known]
        self._known = set(here)
        return tuple([number for number in found if networks.contains(self._network, here[number].peer.address)])


_WAYS = {">": ">", "<": "<", "end": "closed:"}


def _shown(record: WireLines, name: str) -> Iterator[Reply]:
    who = with_port(record.link.peer.address, record.link.peer.port)
    for _, text, refused in record.shown():
        if refused:
            text += "  <- refused"
        yield done(
            f"{_clock(record.time)} {who} {name or '-'} {_WAYS[record.way]} {text}", time=record.time,
            peer=who, name=name, way=record.way, line=text,
        )


def _messages(records: list[Message | WireLines]) -> Iterator[Reply]:
    for record in records:
        assert isinstance(record, Message)
        at, sender, to, content, channel, id = record
        where = f" -> {to}" if to is not None else f" {channel}" if channel is not None else ""
        shown = content.replace("\n", "\\n")  # else a message could look like two
        yield done(
            f"{_clock(at)} {id} {sender}{where}: {shown}", time=at, sender=sender, to=to, channel=channel,
            content=content, id=id,
        )


def _lines(
    watch: Watch, connection: socket.socket, replies: Callable[[list[Message | WireLines]], Iterable[Reply]]
) -> Iterator[Reply]:
    while True:
        records, left_out = watch.take(_LOOK)
        yield from replies(records)
        if left_out:
            yield done(f"... {left_out} left out: this terminal is too slow", left_out=left_out)
        if is_closed(connection):  # also while there are records, and none of them is shown
            return


def is_closed(connection: socket.socket) -> bool:
    """Whether the console has ended."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def _clock(milliseconds: int) -> str:
    """The time of day here, as people read it on a terminal."""
    return time.strftime("%H:%M:%S", time.localtime(milliseconds / 1000)) + f".{milliseconds % 1000:03d}"
