"""Who is listed to whom; and the people or the channels as one line of text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from classcord.chat.channels import Channel
from classcord.chat.people import Person
from classcord.wire.channel_names import EVERYBODY
from classcord.wire.protocol import MAX_CONTENT
from classcord.wire.texts import Texts

__all__ = ["Lists", "channels_text", "who_text"]

_MAX_TOLD = MAX_CONTENT // 3 + 1
"""Names that are too many for one answer to a typed command, even if each has one character."""


class Lists:
    """The people who are in a channel, as one of them sees it. For the holder of the flush lock.

    `present` has all who are here, by their keys; the room changes it. `version` must change whenever somebody comes,
    goes, or has another name or state.
    """

    def __init__(self, present: Mapping[str, Person]) -> None:
        self.version = 0
        self._present = present
        self._listed: tuple[int, list[Person]] = (-1, [])

    def shown(self, asker: Person | None, channel: Channel) -> Sequence[Person]:
        """Those who are not invisible, and the asker if it is in the channel, sorted by name."""
        everybody = channel.key == EVERYBODY.key
        listed = self._visible() if everybody else channel.people(self.version)
        if asker is not None and asker.state == "invisible" and (everybody or channel.has(asker)):
            return sorted([*listed, asker], key=lambda p: p.key)
        return listed

    def _visible(self) -> list[Person]:
        version, listed = self._listed
        if version != self.version:
            listed = sorted((p for p in self._present.values() if p.state != "invisible"), key=lambda p: p.key)
            self._listed = (self.version, listed)
        return listed


def who_text(texts: Texts, people: Sequence[Person], channel: str) -> str:
    """Their names, and their states if these are not online. What does not fit into one message is counted.

    `channel` is the name of a channel that they are in, or empty.
    """
    count = len(people)
    if not count:
        return texts("who_nobody", channel=channel)
    described = [f"{p.name} ({p.state})" if p.state != "online" else p.name for p in people[:_MAX_TOLD]]
    head = texts("who_in", channel=channel, count=count) if channel else texts("who_here", count=count)
    text = texts("who", head=head, names=", ".join(described))
    if len(text) > MAX_CONTENT:
        space = MAX_CONTENT - len(texts("who_more", head=head, names="", more=count))
        ends = itertools.accumulate(len(name) + 2 for name in described)
        fit = min(sum(end - 2 <= space for end in ends), count - 2)  # "others" are two at least
        text = texts("who_more", head=head, names=", ".join(described[:fit]), more=count - fit)
    return text


def channels_text(texts: Texts, channels: Sequence[tuple[str, int]]) -> str:
    """The names of channels and how many people are in each. A name that does not fit into one message is left out.

    The first one is #général, where everybody is.
    """
    counted = [f"{name} ({count})" for name, count in channels]
    other = texts("channels_enter", channel=channels[1][0]) if len(channels) > 1 else ""
    space = MAX_CONTENT - len(texts("channels", channels="")) - len(other)
    ends = itertools.accumulate(len(each) + 2 for each in counted)
    return texts("channels", channels=", ".join(counted[: sum(end - 2 <= space for end in ends)])) + other
