"""The channels and their members. Plain state of the room: who may do what stands in channel_operations.py."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence

from classcord.chat.effects import Place
from classcord.chat.people import Person, Seat
from classcord.wire import channel_names, names
from classcord.wire.channel_names import ChannelName

__all__ = ["Channel", "Channels"]


class Channel:
    """A channel. A member is a seat: of two connections of one account, one may be in it and the other not.

    `closed` says that it is for teachers alone, `reserved` that the settings say so. `maker` is the key of the person
    who made it; a channel that the settings name, or that was closed, has none, and stays when nobody is in it.
    """

    __slots__ = ("_listed", "closed", "key", "maker", "members", "place", "reserved", "topic", "version")

    def __init__(self, key: str, place: Place, version: int, *, closed: bool = False, maker: str | None = None) -> None:
        self.key = key
        self.place = place
        self.closed = self.reserved = closed
        self.maker = maker
        self.topic = ""
        self.members: dict[int, Seat] = {}
        self.version = version
        """Another number after each change of the members; no two channels ever have the same."""
        self._listed: tuple[tuple[int, int], list[Person]] = ((-1, -1), [])

    def has(self, person: Person) -> bool:
        """Whether one of the person's seats is in it."""
        return any(seat.number in self.members for seat in person.seats)

    def people(self, room_version: int) -> Sequence[Person]:
        """The people in it, each once, sorted by name, without those who are invisible.

        `room_version` changes whenever somebody's name or state does.
        """
        now = room_version, self.version
        if self._listed[0] != now:
            here = {id(seat.person): seat.person for seat in self.members.values() if seat.person is not None}
            shown = [person for person in here.values() if person.state != "invisible"]
            self._listed = now, sorted(shown, key=lambda person: person.key)
        return self._listed[1]


class Channels:
    """The channels that exist. `opened` and `closed` are always there; `closed` ones are for teachers alone.

    `locked` has the keys and names of those that were closed while the server ran, and stay so until they are opened.
    A person may make up to `each` others, and there are at most `most` in all. A channel that a person made ends when
    its last member leaves. Everybody is in #général; it has no members here. For the holder of the flush lock.
    """

    def __init__(
        self, opened: Iterable[str] = ("dev",), closed: Collection[str] = ("admin",), each: int = 3, most: int = 50,
        locked: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.each = each
        self.most = most
        self._versions = itertools.count()
        self._looks = names.Looks()
        self.everybody = Channel(
            channel_names.EVERYBODY.key, Place(channel_names.EVERYBODY.shown, "", 0, 0), next(self._versions)
        )
        self._looks.add(channel_names.EVERYBODY.shown)
        self._by_key: dict[str, Channel] = {}
        shut = {name.key for name in map(channel_names.find, closed) if name is not None}
        for text in (*opened, *closed):
            name = channel_names.find(text)
            if name is None:
                raise ValueError(f"{text!r} can't be the name of a channel")
            if self.find(name.key) is None:
                self._add(name, closed=name.key in shut)
                self._looks.add(name.shown)
        self._always = frozenset(self._by_key)
        for name in itertools.starmap(ChannelName, locked):
            (self._by_key.get(name.key) or self._add(name)).closed = True

    def __iter__(self) -> Iterator[Channel]:
        """All of them, without #général, in the order in which they were made."""
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: str) -> Channel | None:
        """The channel with this key."""
        return self.everybody if key == self.everybody.key else self._by_key.get(key)

    def of(self, seat: Seat) -> list[Channel]:
        """Those that the seat is in."""
        return [channel for channel in self._by_key.values() if seat.number in channel.members]

    def resembles(self, name: ChannelName) -> bool:
        """Whether it looks like the name of a channel that is always there."""
        return self._looks.has(names.likeness(name.shown))

    def made_by(self, person: Person) -> int:
        """How many of the channels this person made."""
        return sum(channel.maker == person.key for channel in self._by_key.values())

    def renamed(self, old: str, key: str) -> None:
        """The person with the key `old` gets another name: what it has made still counts."""
        for channel in self._by_key.values():
            if channel.maker == old:
                channel.maker = key

    def make(self, name: ChannelName, maker: Person) -> Channel:
        """A new channel, which nobody is in yet."""
        return self._add(name, maker=maker.key)

    def _add(self, name: ChannelName, *, closed: bool = False, maker: str | None = None) -> Channel:
        taken = {channel.place.keyed for channel in self._by_key.values()}
        # 1 is the audience of everybody
        keyed = next(bit for bit in (2 << 2 * number for number in itertools.count()) if bit not in taken)
        place = Place(name.shown, f"#{name.key}", keyed, 2 * keyed)
        channel = self._by_key[name.key] = Channel(name.key, place, next(self._versions), closed=closed, maker=maker)
        return channel

    def reset(self) -> None:
        """As the settings have them: no topics, no others than theirs, except those that somebody is in."""
        self.everybody.topic = ""
        for channel in list(self):
            channel.topic, channel.closed = "", channel.reserved
            if channel.key not in self._always:
                channel.maker = ""  # so it ends with its last member
                if not channel.members:
                    del self._by_key[channel.key]

    def enter(self, channel: Channel, seat: Seat) -> None:
        """From now on the seat is in it."""
        channel.members[seat.number] = seat
        channel.version = next(self._versions)

    def leave(self, channel: Channel, seat: Seat) -> None:
        """From now on it is not; a channel that a person made ends with its last member."""
        del channel.members[seat.number]
        channel.version = next(self._versions)
        if not channel.members and channel.maker is not None:
            del self._by_key[channel.key]
