"""One client's connection, as the functions that handle its requests see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.effects import Answered, Effect
from classcord.chat.ignoring import Ignoring
from classcord.chat.office import Office
from classcord.chat.passwords import Passwords
from classcord.chat.people import Seat, Who
from classcord.chat.reading import Reading
from classcord.chat.room import Item, Room
from classcord.chat.tracking import Tracking
from classcord.chat.watchers import Watchers
from classcord.delivery.batch import Batch
from classcord.delivery.items import item, of_seat
from classcord.net.link import Link
from classcord.services import Services
from classcord.wire.channel_names import ChannelName
from handlers.limiter import Limiter

__all__ = ["NOWHERE", "Context"]

_OWED = 32 * 1024
"""Bytes of answers to one client until the server looks whether the client takes them."""
_LINE = 50
"""People in a list that take as much work as a line, about."""
NOWHERE = ChannelName("", "")
"""It stands for the channel that the client writes to."""
Argument = TypeVar("Argument")
Operator = TypeVar("Operator", Room, ChannelOperations, Ignoring, Tracking, Watchers, Office)
Asked = TypeVar("Asked", Reading, Passwords, Office)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Context:
    """Collects the items of a client's requests. Only the client's own thread uses it."""

    __slots__ = (
        "_hashing", "_items", "_number", "_unread_limit", "_whole", "accounts", "folder", "history", "limiter", "link",
        "owed", "place", "registry", "texts",
    )

    def __init__(self, link: Link, services: Services) -> None:
        self.link = link
        self._number = link.number
        self.registry = services.registry
        self.accounts = services.accounts
        self._hashing = services.hashing
        self._unread_limit = services.unread_limit
        self.history = services.history
        self.folder = services.folder
        self.texts = services.texts
        self._items: list[Item] = []
        self.owed = 0
        """Bytes of the answers since the last flush, about."""
        self._whole = False  # the items so far are parts of one
        self.place = NOWHERE
        """The channel of the message that is a typed command, if it names one."""
        limits = services.limits
        self.limiter = Limiter(limits, link, self.flush, self.reply) if limits is not None else None
        """None without limits."""

    def announces(self, what: Literal["coming", "change"], name: object = None, channel: object = None) -> None:
        """Wait for a share of the room's rate, because everybody may be told this: see request.Announces.

        `name` is the one that the client gives for itself, `channel` the one that the lines name.
        """
        if self.limiter is not None:
            self.limiter.presence(what, name, channel)

    def lists(self) -> None:
        """The answer is a list: wait for a share of the server's time that grows with the people. Raises Gone."""
        self.owed += _OWED  # the room makes it, and it may be as long
        people = len(self.registry.links())
        if self.limiter is not None and people > _LINE:
            self.limiter.work(people // _LINE)

    def post(
        self, operation: Callable[Concatenate[Operator, Seat, Arguments], object], *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> None:
        """Add an item: the method `operation` of the room, with these arguments. The next flush hands it over.

        mypy checks the arguments. They are plain values, and none has a name here.
        """
        self._items.append((operation.__name__, self._number, arguments))  # as of_seat does, in half of its time

    @staticmethod
    def part(
        operation: Callable[Concatenate[Operator, Seat, Arguments], object], *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> tuple[str, tuple[Any, ...]]:
        """An operation with its arguments, for an item that has several. Checked as in `post`."""
        return operation.__name__, arguments

    def only(
        self, who: Who, run: Callable[[Context, Argument], None], argument: Argument, *, typed: bool = False
    ) -> None:
        """Run a request whose items are carried out only if the client is one of those who may: see Room.only.

        They are one item, which is handed over after the function has returned. If it raises, none of them is.
        """
        try:
            parts = self._parts(run, argument)
        finally:
            self._items = []
        self.post(Room.only, who, typed, parts)

    def track(self, ref: str, run: Callable[[Context, Argument], None], argument: Argument) -> None:
        """Run a request whose items are one message, and tell the client what has become of it: see Tracking.track.

        If `run` raises, its items so far are handed over as they are.
        """
        parts = self._parts(run, argument)
        self._items = []
        self.post(Tracking.track, ref, parts)

    def _parts(
        self, run: Callable[[Context, Argument], None], argument: Argument
    ) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """The operations of a request, which are to be one item, with their arguments."""
        self.flush()
        self._whole = True
        try:
            run(self, argument)
        finally:
            self._whole = False
        return tuple([(operation, arguments) for operation, _, arguments in self._items])

    def ask(
        self, operation: Callable[Concatenate[Asked, Seat, int, Arguments], object], *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Effect | None:
        """The room's answer to a question: what `operation` says for its ticket. None if it has refused the client.

        Waits for it, and for all that this client has asked before.
        """
        self.flush()
        return self.registry.ask(lambda ticket: of_seat(self._number, operation, ticket, *arguments, **named))

    def teacher(self) -> str:
        """The name of the teacher that this client is now; empty if it is not one. Waits like `ask`."""
        answer = self.ask(Office.own_right)
        return answer.text if isinstance(answer, Answered) else ""

    def reply(self, line: bytes) -> None:
        """A line to this client, after the answers to its earlier requests."""
        self.owed += len(line)
        self._items.append(of_seat(self._number, Room.reply, line))

    def raw(self, data: bytes) -> None:
        """Bytes to this client that are not lines: an answer of HTTP, a control frame of WebSocket."""
        self._items.append(item(Batch.raw, self._number, data))

    def wait_until_stored(self) -> None:
        """Hand over the collected items and wait until they are done: the next request depends on them."""
        self.flush()
        self.registry.wait()

    def behind(self) -> bool:
        """Whether to wait until the client takes its answers, before it gets more: see `wait_until_taken`.

        One that does not take them adds no more than one at a time, and none while memory is scarce.
        """
        owed, outbox = self.owed, self.link.outbox
        return outbox.own > 0 or owed >= _OWED or (owed > 0 and outbox.memory.scarce())

    def wait_until_taken(self) -> None:
        """Hand over the collected items, and wait until the client has taken enough of its answers, or is dropped.

        Only this client waits.
        """
        self.wait_until_stored()
        self.link.wait_until_taken(self._unread_limit)

    def hashed(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """The result of `work(*arguments)`, which runs in a hashing thread when this client's turn comes.

        Raises Gone if the connection has ended by then.
        """
        return self._hashing.run(self.link, lambda: work(*arguments))

    def flush(self) -> None:
        """Hand over the collected items. Call it before slow work, so that earlier requests don't wait for that."""
        if self._items and not self._whole:
            items, self._items, self.owed = self._items, [], 0
            self.registry.post(items)
