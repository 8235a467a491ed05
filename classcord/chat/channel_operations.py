"""The operations of the room that are about channels: join, leave, say, topic, lists. Each turns an item into effects.

For the holder of the flush lock, like all of the room. A refusal names its reason in English for a JSON line, and in
the server's language for a typed command, which is always answered by one notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from classcord.chat.channels import Channel, Channels
from classcord.chat.effects import (
    Announced,
    ChannelClosed,
    ChannelEntered,
    ChannelLeft,
    ChannelMoved,
    ChannelOpened,
    ChannelsListed,
    Effect,
    Joined,
    Noticed,
    Parted,
    Said,
    TopicTold,
)
from classcord.chat.ignoring import Ignoring
from classcord.chat.listing import channels_text, who_text
from classcord.chat.moderation import Moderation
from classcord.chat.people import Person, Seat
from classcord.chat.refusals import Silenced
from classcord.wire import names
from classcord.wire.channel_names import EVERYBODY, ChannelName
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import ENGLISH, Texts

__all__ = ["OPERATIONS", "ChannelOperations"]

OPERATIONS = (
    "speak_key", "use_private_type", "say_in", "join_channel", "leave_channel", "list_channels", "topic", "type_join",
    "type_leave", "type_channels", "type_topic", "tell_who",
)
"""The methods that an item with a seat may name."""
_new = tuple.__new__


class ChannelOperations:
    """The part of the room that knows channels. The functions are the room's own."""

    def __init__(
        self, channels: Channels, texts: Texts, *, emit: Callable[[Effect], None],
        take_id: Callable[[], tuple[int, bool]], identify: Callable[..., Person], notice: Callable[[Seat, str], None],
        shown: Callable[[Person | None, Channel], Sequence[Person]], moderation: Moderation, ignoring: Ignoring,
        spoke: Callable[[Seat], None],
    ) -> None:
        self._channels = channels
        self._texts = texts
        self._emit = emit
        self._take_id = take_id
        self._identify = identify
        self._notice = notice
        self._shown = shown
        self._moderation = moderation
        self._ignoring = ignoring
        self._spoke = spoke

    # --- JSON ---

    def tell_who(self, seat: Seat, key: str = "", name: str = "", /) -> None:
        """Tell who is in a channel, by the names that the others see; without its `key`, in that of the client."""
        own = self._identify(seat)
        current = seat.current.stored[1:] if seat.current is not None else self._channels.everybody.key
        channel = self._channels.find(key or current)
        if channel is None or (channel.closed and not own.teacher):
            self._notice(seat, self._texts("channel_unknown", channel=name))
            return
        of = "" if channel is self._channels.everybody else channel.place.name
        self._notice(seat, who_text(self._texts, self._shown(own, channel), of))

    def use_private_type(self, seat: Seat, /) -> None:
        """The client knows the type `private`: it would show a private `message` as public."""
        seat.private_type = True

    def speak_key(self, seat: Seat, /) -> None:
        """The client has sent the key `channel`: from here on it gets that key, and no prefix.

        What it says without the key goes to everybody, also if it has joined a channel by typing before.
        """
        if not seat.keyed:
            channels = self._channels.of(seat)
            for channel in channels:
                self._emit(Parted(seat.number, channel.place.prefixed))
            seat.keyed = True
            seat.current = None
            for channel in channels:
                self._emit(Joined(seat.number, channel.place.keyed))

    def say_in(self, seat: Seat, wanted: object, key: str, name: str, content: str, /) -> None:
        """A message to the members of a channel; a sender who is not one joins it first."""
        if not seat.keyed:
            self.speak_key(seat)
        person = seat.person
        if person is None or not person.account:
            person = self._identify(seat, wanted)
        strict = self._moderation.strict
        if strict:
            self._moderation.may_speak(seat, person, takes_turn=False)
        if not seat.announced:
            self._spoke(seat)
        channel = self._channels.find(key)
        if channel is None or seat.number not in channel.members:
            channel = self._join(seat, person, ChannelName(key, name), ENGLISH)
        if strict:
            self._moderation.take_turn(person)
        place = None if channel is self._channels.everybody else channel.place
        ignored_by = self._ignoring.by(person) if self._ignoring.ignored else ()
        id, certain = self._take_id()
        self._emit(_new(Said, (seat.number, id, certain, person.name, not person.account, content, place, ignored_by)))

    def join_channel(self, seat: Seat, key: str, name: str, /) -> None:
        """Join a channel; a new one is made if that is allowed."""
        self.speak_key(seat)
        channel = self._join(seat, self._identify(seat), ChannelName(key, name), ENGLISH)
        self._emit(ChannelEntered(seat.number, channel.place.name, channel.topic))

    def leave_channel(self, seat: Seat, key: str, name: str, /) -> None:
        """Leave a channel."""
        self.speak_key(seat)
        self._emit(ChannelLeft(seat.number, self._leave(seat, ChannelName(key, name), ENGLISH).place.name))

    def list_channels(self, seat: Seat, /) -> None:
        """List the channels that the client may join."""
        self._emit(ChannelsListed(seat.number, tuple(self._rows(seat))))

    def topic(self, seat: Seat, key: str, name: str, topic: str | None, /) -> None:
        """Tell the topic of a channel; with a `topic`, set it before."""
        self.speak_key(seat)
        channel = self._change_topic(seat, ChannelName(key, name), topic, ENGLISH)
        self._emit(TopicTold(seat.number, channel.place.name, channel.topic))

    # --- typed ---

    def type_join(self, seat: Seat, key: str, name: str, /) -> None:
        """`/join #dev`."""
        def join() -> str:
            channel = self._join(seat, self._identify(seat), ChannelName(key, name), self._texts)
            place, texts = channel.place, self._texts
            if channel is self._channels.everybody:
                return texts("joined_all")
            told = texts("joined_key", channel=place.name) if seat.keyed else texts("joined", channel=place.name)
            return f"{told} — {texts('topic_is', channel=place.name, topic=channel.topic)}" if channel.topic else told

        self._answer(seat, join)

    def type_leave(self, seat: Seat, key: str, name: str, /) -> None:
        """`/quitter #dev`. Without a name it is the channel that the client writes to."""
        def leave() -> str:
            left = self._leave(seat, self._named(seat, key, name), self._texts).place.name
            if seat.current is None:
                return self._texts("left", channel=left)
            return self._texts("left_other", channel=left, current=seat.current.name)

        self._answer(seat, leave)

    def type_channels(self, seat: Seat, /) -> None:
        """`/canaux`."""
        self._answer(
            seat, lambda: channels_text(self._texts, [(name, count) for name, _, count, _ in self._rows(seat)])
        )

    def type_topic(self, seat: Seat, key: str, name: str, topic: str | None, /) -> None:
        """`/sujet #dev TEXTE`. Without a name it is the channel that the client writes to."""
        def tell() -> str:
            channel = self._change_topic(seat, self._named(seat, key, name), topic, self._texts)
            if not channel.topic:
                return self._texts("topic_none", channel=channel.place.name)
            return self._texts("topic_is", channel=channel.place.name, topic=channel.topic)

        self._answer(seat, tell)

    def _answer(self, seat: Seat, act: Callable[[], str]) -> None:
        self._identify(seat)  # the notice is for the name that the client has
        try:
            self._notice(seat, act())
        except Silenced as error:
            self._notice(seat, error.said)
        except ProtocolError as error:
            self._notice(seat, error.text)

    def _named(self, seat: Seat, key: str, name: str) -> ChannelName:
        if key:
            return ChannelName(key, name)
        return EVERYBODY if seat.current is None else ChannelName(seat.current.stored[1:], seat.current.name)

    # --- what both do ---

    def _join(self, seat: Seat, person: Person, name: ChannelName, texts: Texts) -> Channel:
        channel = self._channels.find(name.key)
        if channel is None:
            if self._moderation.strict:  # everybody may read its name
                self._moderation.may_speak(seat, person, takes_turn=False)
            channel = self._make(person, name, texts)
        if channel is self._channels.everybody:
            seat.current = None
            return channel
        place = channel.place
        if channel.closed and not person.teacher:
            raise ProtocolError("not_allowed", texts("channel_closed", channel=place.name))
        if seat.number not in channel.members:
            known = channel.has(person)
            self._channels.enter(channel, seat)
            self._emit(Joined(seat.number, place.keyed if seat.keyed else place.prefixed))
            if not known:
                self._move(channel, person, "join")
        if not seat.keyed:
            seat.current = place
        return channel

    def _make(self, person: Person, name: ChannelName, texts: Texts) -> Channel:
        channels = self._channels
        if not channels.each:
            raise ProtocolError("no_channel", texts("channel_unknown", channel=name.shown))
        if channels.made_by(person) >= channels.each:
            raise ProtocolError("not_allowed", texts("channels_own", count=channels.each))
        if len(channels) >= channels.most:
            raise ProtocolError("not_allowed", texts("channels_all", count=len(channels)))
        try:
            names.check(name.shown.removeprefix("#"))
            refused = channels.resembles(name)
        except names.NameRefused:
            refused = True
        if refused:
            raise ProtocolError("invalid_name", texts("channel_refused", channel=name.shown))
        return channels.make(name, person)

    def _leave(self, seat: Seat, name: ChannelName, texts: Texts) -> Channel:
        channel = self._channels.find(name.key)
        if channel is self._channels.everybody:
            raise ProtocolError("not_allowed", texts("channel_everybody"))
        if channel is None or seat.number not in channel.members:
            raise ProtocolError("no_channel", texts("channel_outside", channel=name.shown))
        self._go(seat, channel)
        return channel

    def _go(self, seat: Seat, channel: Channel) -> None:
        person, place = seat.person, channel.place
        self._channels.leave(channel, seat)
        self._emit(Parted(seat.number, place.keyed if seat.keyed else place.prefixed))
        if seat.current == place:
            seat.current = None
        if person is not None and not channel.has(person):
            self._move(channel, person, "leave")

    def _move(self, channel: Channel, person: Person, kind: str) -> None:
        if person.state != "invisible":
            self._emit(ChannelMoved(channel.place, kind, person.name, person.numbers()))

    def _change_topic(self, seat: Seat, name: ChannelName, topic: str | None, texts: Texts) -> Channel:
        channel, person = self._channels.find(name.key), seat.person
        teacher = person is not None and person.teacher
        if channel is None or (channel.closed and not teacher):
            raise ProtocolError("no_channel", texts("channel_unknown", channel=name.shown))
        if topic is None or topic == channel.topic:
            return channel
        place = channel.place
        if channel.maker is None and not teacher:
            raise ProtocolError("not_allowed", texts("topic_closed", channel=place.name))
        if person is None or (channel is not self._channels.everybody and seat.number not in channel.members):
            raise ProtocolError("no_channel", texts("channel_outside", channel=place.name))
        if self._moderation.strict:
            self._moderation.may_speak(seat, person)
        channel.topic = topic
        values: dict[str, Any] = {"user": person.name, "channel": place.name, "topic": topic}
        text = self._texts("topic_set", **values) if topic else self._texts("topic_removed", **values)
        self._emit(Announced(text, None if channel is self._channels.everybody else place))
        return channel

    def _rows(self, seat: Seat) -> list[tuple[str, str, int, bool]]:
        person, everybody = seat.person, self._channels.everybody
        teacher = person is not None and person.teacher
        rows = [(everybody, person is not None)]
        rows += [(each, seat.number in each.members) for each in self._channels if teacher or not each.closed]
        return [(each.place.name, each.topic, len(self._shown(person, each)), joined) for each, joined in rows]

    # --- for the room ---

    def of_person(self, person: Person) -> tuple[str, ...]:
        """The names of the channels that a person is in."""
        return tuple([channel.place.name for channel in self._channels if channel.has(person)])

    def overview(self, people: int) -> tuple[tuple[str, str, int, bool], ...]:
        """Each channel: name, topic, how many people are in it, whether it is closed. So many `people` are here."""
        rows = [(channel, len({id(seat.person) for seat in channel.members.values()})) for channel in self._channels]
        every = [(self._channels.everybody, people), *rows]
        return tuple([(each.place.name, each.topic, count, each.closed) for each, count in every])

    def exit(self, seat: Seat) -> None:
        """The identity of the seat ends: it leaves all channels."""
        for channel in self._channels.of(seat):
            self._go(seat, channel)

    def role_changed(self, person: Person) -> None:
        """The person is a teacher now, or not any more: then it leaves the channels for teachers. It is told."""
        for seat in person.seats:
            shut = [] if person.teacher else [each for each in self._channels.of(seat) if each.closed]
            left = ""
            if shut:
                of = ", ".join([channel.place.name for channel in shut])
                left = self._texts("put_out", channels=of) + self._put_out(seat, shut)
            text = self._texts("promoted" if person.teacher else "demoted")
            self._emit(Noticed(seat.address(), f"{text} {left}".rstrip(), left))

    def _put_out(self, seat: Seat, channels: Sequence[Channel]) -> str:
        """The seat must leave these channels. What it must be told if its messages go to everybody now."""
        wrote = seat.current
        for channel in channels:
            self._go(seat, channel)
        return "" if seat.current == wrote else f" {self._texts('joined_all')}"

    def close(self, name: ChannelName) -> str:
        """From now on it is for teachers: the others leave it, and are told. Its name. Raises ProtocolError.

        It stays so after a restart: what teachers have written there is still stored.
        """
        channel = self._found(name)
        channel.closed, channel.maker = True, None
        self._emit(ChannelClosed(channel.key, channel.place.name))
        for seat in [each for each in channel.members.values() if each.person is None or not each.person.teacher]:
            text = self._texts("channel_shut", channel=channel.place.name)
            self._notice(seat, text + self._put_out(seat, [channel]))
        return channel.place.name

    def open(self, name: ChannelName) -> str:
        """From now on it is for everybody. Its name. Raises ProtocolError, also if the settings keep it closed."""
        channel = self._found(name)
        if channel.reserved:
            raise ProtocolError("not_allowed", f"{channel.place.name} is one of --teacher-channels, a setting")
        channel.closed = False
        self._emit(ChannelOpened(channel.key))
        return channel.place.name

    def reset(self) -> None:
        """A new class begins, once the messages of the old one are deleted: the channels are as at the first start."""
        for channel in self._channels:
            if channel.closed and not channel.reserved:
                self._emit(ChannelOpened(channel.key))
        self._channels.reset()

    def _found(self, name: ChannelName) -> Channel:
        channel = self._channels.find(name.key)
        if channel is None:
            raise ProtocolError("no_channel", ENGLISH("channel_unknown", channel=name.shown))
        if channel is self._channels.everybody:
            raise ProtocolError("not_allowed", f"everybody is in {channel.place.name}; for quiet there, type: silence")
        return channel

    def renamed(self, old: str, key: str) -> None:
        """The person with the key `old` gets another name."""
        self._channels.renamed(old, key)

    def appear(self, person: Person) -> None:
        """The others see this person again, or under another name: its channels are told."""
        for channel in self._channels:
            if channel.has(person):
                self._move(channel, person, "join")
