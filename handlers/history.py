"""What was said: the type history, /historique, /chercher."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.effects import ReadingAllowed
from classcord.chat.reading import Reading
from classcord.chat.room import Room
from classcord.data.history import Heading, Page, Past, Scope, Unreadable
from classcord.delivery import render
from classcord.net.link import Gone
from classcord.wire import names
from classcord.wire.protocol import MAX_CONTENT, ProtocolError, encode
from classcord.wire.words import words_of
from handlers.channels import named
from handlers.context import Context
from handlers.request import Misused

__all__ = ["history", "last_of", "typed_history", "typed_search"]

_LIMIT, _MOST = 50, 200
"""Messages in an answer, if the request does not say how many; and at most."""
_TYPED, _TYPED_MOST = 10, 50
"""The same for a typed command."""
_APART = 0.1
"""Seconds between two lines of an answer to a typed command: of those that come at once, some clients show only one."""
_PAGES = 10
"""Pages in which it looks for messages of people that the client does not ignore."""
_WORDS = 10
"""Words of a search that count."""
_KEPT = 16 * 1024
"""Bytes of memory for the contents that an answer keeps while its client takes it."""


def history(context: Context, message: dict[str, Any]) -> None:
    """Answer with the messages of a page, the oldest first, then with a line that says that these were all."""
    query = message.get("query", "")
    words = _words(query)
    if query and not words:
        raise ProtocolError("invalid_field", "query has no word to look for")
    before, after = _number(message, "before"), _number(message, "after")
    limit = min(_number(message, "limit", _LIMIT) or 0, _MOST)
    answer = _allowed(context, message.get("channel", ""), message.get("with", ""))
    if answer is None:
        return  # the room has refused it
    page = Page(limit + 1, before, after, words)  # one more, to see whether there are more
    count, channel = 0, answer.channel.name if answer.channel is not None else None
    try:
        rows = context.history.read(_scope(answer), page, _KEPT)
        more = len(rows) > limit
        if more:
            rows = rows[:limit] if page.forward else rows[len(rows) - limit :]
        for line in map(partial(render.past, channel=channel), _each(context, rows)):
            context.reply(line)
            count += 1
    except Unreadable as error:
        context.link.log("history_failed", detail=str(error))
        raise ProtocolError("unavailable", "The history can't be read for now; try again later.") from None
    asked = {name: message[name] for name in ("channel", "with", "query") if message.get(name)}
    context.reply(encode({"type": "history", "done": True, "count": count, "more": more, **asked}))


def _each(context: Context, rows: list[Past | Heading]) -> Iterator[Past]:
    """Take these messages from the list, each when the client has taken enough of those before it.

    All of them may be megabytes, and a client may take its time: so those of headings are read one by one, and none
    is held while it waits. Ends early with the connection.
    """
    rows.reverse()
    while rows:
        each = rows.pop()
        row = each if isinstance(each, Past) else context.history.message(each.id)
        if row is not None:  # it may be deleted by now
            yield row
        del each, row
        if context.behind():
            context.wait_until_taken()
            if context.link.dropped or context.link.expelled:
                return


def typed_history(context: Context, rest: str) -> None:
    """The last messages, typed: `/historique 20`."""
    if rest and not (rest.isascii() and rest.isdecimal() and len(rest) < 9):
        raise Misused
    _tell(context, Page(min(int(rest or _TYPED), _TYPED_MOST)))


def typed_search(context: Context, rest: str) -> None:
    """The last messages with some words, typed: `/chercher réunion mardi`."""
    words = _words(rest)
    if not words:
        raise Misused
    _tell(context, Page(_TYPED, words=words))


def _tell(context: Context, page: Page) -> None:
    """One private message of Serveur for each stored message, some time apart. The client's own thread waits."""
    context.post(Room.identify)
    answer = context.ask(Reading.allow_reading, *context.place)
    if not isinstance(answer, ReadingAllowed):
        return  # it was typed in a channel that does not exist, or is closed
    try:
        rows = _heard(context, answer, page)
        if not rows:
            context.post(Room.notice, context.texts("history_empty"))
        for place, row in enumerate(_each(context, rows)):
            if place:
                context.wait_until_taken()  # the room makes these lines: how many bytes wait is known only then
                if context.link.gone_within(_APART):
                    raise Gone
            line = context.texts("history_line", time=_when(row), sender=row.sender, content=row.content)
            number = f"{row.id} " if answer.teacher else ""  # for /supprimer
            context.post(Room.notice, f"{number}{line}"[:MAX_CONTENT])
    except Unreadable as error:
        context.link.log("history_failed", detail=str(error))
        context.post(Room.notice, context.texts("history_unreadable"))


def _heard(context: Context, allowed: ReadingAllowed, page: Page) -> list[Past | Heading]:
    """The messages of a page without those of people that the client ignores: then older ones take their places."""
    heard, asked, memory = list[Past | Heading](), page, _KEPT
    for _ in range(_PAGES):
        rows = context.history.read(_scope(allowed), asked, memory)
        heard = [row for row in rows if names.find(row.sender) not in allowed.unheard] + heard
        if len(rows) < asked.limit or len(heard) >= page.limit:
            break
        asked, memory = page._replace(limit=_MOST, before=rows[0].id), 0
    return heard[max(0, len(heard) - page.limit) :]


def last_of(context: Context, name: str) -> int | None:
    """The id of the last message of a person in the channel that the client writes to; None if it is not a late one."""
    answer, key = context.ask(Reading.allow_reading, *context.place), names.find(name)
    if not isinstance(answer, ReadingAllowed):
        return None
    try:
        rows = context.history.read(_scope(answer), Page(_MOST), 0)
    except Unreadable:
        return None
    return next((row.id for row in reversed(rows) if names.find(row.sender) == key), None)


def _when(row: Past) -> str:
    """The time of a message, for people: the local hour, and the day if it was not today."""
    if not isinstance(row.time, int):
        return str(row.time)[:16].replace("T", " ")
    then, now = time.localtime(row.time / 1000), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%d/%m/%Y %H:%M", then)


def _allowed(context: Context, channel: str, other: str) -> ReadingAllowed | None:
    """What the client may read; None if it may not, and has been told so."""
    if channel and other:
        raise ProtocolError("invalid_field", "channel and with: give only one of them")
    if other:
        answer = context.ask(Reading.allow_exchange, other)
    else:
        if channel:
            context.post(ChannelOperations.speak_key)
        answer = context.ask(Reading.allow_reading, *named(channel))
    return answer if isinstance(answer, ReadingAllowed) else None


def _scope(allowed: ReadingAllowed) -> Scope:
    channel = allowed.channel.stored if allowed.channel is not None else None
    return Scope(channel, allowed.accounts, _milliseconds(allowed.since))


def _milliseconds(created: str) -> int:
    """The time of an account in milliseconds since 1970; 0 for one that says no time."""
    try:
        return calendar.timegm(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(created[20:23])
    except ValueError:
        return 0


def _number(message: dict[str, Any], name: str, default: int | None = None) -> int | None:
    return int(message[name]) if name in message else default


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words_of(text)))[:_WORDS]
