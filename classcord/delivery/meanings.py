"""What each effect means for the batch: who gets which line, what is stored, and what the log says.

For the holder of the registry's flush lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from classcord.chat.effects import (
    AccountChanged,
    AccountMade,
    AccountsRemoved,
    Announced,
    Answered,
    Audited,
    Banned,
    BoardShown,
    ChannelClosed,
    ChannelEntered,
    ChannelLeft,
    ChannelMoved,
    ChannelOpened,
    ChannelsListed,
    Effect,
    Expelled,
    Gone,
    GuestNamed,
    HandedOver,
    HandingDue,
    IdentityEnded,
    Joined,
    Kept,
    LoggedIn,
    LoggedOut,
    LoginRefused,
    MessageDeleted,
    MessagesDeleted,
    MessagesExpired,
    NetworkExpelled,
    Noticed,
    Parted,
    Place,
    ReadingAllowed,
    Refused,
    Renamed,
    Replied,
    Said,
    Sent,
    StateSet,
    StateTold,
    TopicTold,
    Unbanned,
    UsersListed,
    WaitingEnded,
    Whispered,
    Wired,
)
from classcord.delivery import render
from classcord.delivery.batch import Batch
from classcord.net.link import Link
from classcord.ops import logs

__all__ = ["MEANINGS", "log_batch"]


def log_batch(batch: Batch, links: Mapping[int, Link]) -> None:
    """Write what the log should say of a batch that is stored. `links` are the registry's own."""
    for actor, action, target, seconds, reason in batch.audit:
        logs.event("moderated", actor=actor, action=action, target=target or None, seconds=seconds, why=reason or None)
    for number, event, fields in batch.events:
        if number in links:
            links[number].log(event, **fields)


def _said(batch: Batch, effect: Said) -> None:
    seat, id, _, sender, guest, content, place, ignored_by = effect
    excluded = (seat, *ignored_by) if ignored_by else (seat,)
    if place is None:
        batch.messages.append((id, batch.time, sender, guest, None, None, content))
        batch.broadcast(render.said(effect, batch.timestamp), excluded)
    else:
        batch.messages.append((id, batch.time, sender, guest, None, place.stored, content))
        for audience, keyed in _heard(batch, place):
            batch.broadcast(render.said_in(effect, place.name, batch.timestamp, keyed=keyed), excluded, audience)


def _heard(batch: Batch, place: Place) -> list[tuple[int, bool]]:
    """The audiences of the channel that have a member, and whether these know the key `channel`."""
    reaches, both = batch.reaches, ((place.keyed, True), (place.prefixed, False))
    return [each for each in both if reaches(each[0])]


def _announced(batch: Batch, effect: Announced) -> None:
    if effect.place is None:
        batch.broadcast(render.announced(effect, batch.timestamp))
    else:
        for audience, keyed in _heard(batch, effect.place):
            line = render.announced_in(effect, effect.place.name, batch.timestamp, keyed=keyed)
            batch.broadcast(line, audience=audience)


def _whispered(batch: Batch, effect: Whispered) -> None:
    row = effect.id, batch.time, effect.sender, effect.guest, effect.addressee, None, effect.content
    batch.messages.append(row)
    for receiver, line in zip(effect.receivers, render.whispered(effect, batch.timestamp), strict=True):
        batch.to(receiver.seat, line)


def _noticed(batch: Batch, effect: Noticed) -> None:
    receiver, text, otherwise = effect
    line = render.noticed(receiver, text, batch.timestamp)
    if otherwise is None:
        batch.to(receiver.seat, line)
    else:
        instead = render.noticed(receiver, otherwise, batch.timestamp) if otherwise else b""
        batch.to_if_account_stored(receiver.seat, line, instead)


def _kept(batch: Batch, effect: Kept) -> None:
    until = batch.time + effect.seconds * 1000
    batch.messages.append(
        (effect.id, batch.time, effect.sender, effect.guest, effect.addressee, None, effect.content)
    )
    batch.changes.append(("wait", (effect.id, effect.key, until)))
    told, otherwise = [render.noticed(effect.receiver, text, batch.timestamp) for text in effect[1:3]]
    batch.to_if_stored(effect.receiver.seat, told, otherwise)


def _handed_over(batch: Batch, effect: HandedOver) -> None:
    batch.changes.append(("try_waiting", (effect.id,)))
    batch.to_if_stored(effect.receiver.seat, render.handed_over(effect), b"")


def _sent(batch: Batch, effect: Sent) -> None:
    line = render.sent(effect, batch.timestamp)
    if effect.waits:
        not_kept = effect._replace(sent=False, id=None)
        batch.to_if_stored(effect.seat, line, render.sent(not_kept, batch.timestamp))
    else:
        batch.to(effect.seat, line)


def _account_made(batch: Batch, effect: AccountMade) -> None:
    batch.register(effect.seat, effect[1:], render.REGISTERED)


def _audited(batch: Batch, effect: Audited) -> None:
    batch.changes.append(("audit", (batch.timestamp, *effect)))
    batch.audit.append(effect)


def _banned(batch: Batch, effect: Banned) -> None:
    until = batch.time + effect.seconds * 1000
    batch.changes.append(("ban", (effect.kind, effect.target, until, effect.actor, effect.reason)))


def _logged_in(batch: Batch, effect: LoggedIn) -> None:
    batch.log("login", effect.seat, user=effect.name)
    batch.to(effect.seat, render.logged_in(effect.alias))


def _login_refused(batch: Batch, effect: LoginRefused) -> None:
    batch.log("login_refused", effect.seat, user=effect.name)


def _guest_named(batch: Batch, effect: GuestNamed) -> None:
    batch.log("guest", effect.seat, user=effect.name, refused=effect.refused)


def _identity_ended(batch: Batch, effect: IdentityEnded) -> None:
    batch.log("logout", effect.seat, user=effect.name)


def _renamed(batch: Batch, effect: Renamed) -> None:
    batch.log("renamed", effect.seat, old=effect.old, user=effect.name)


def _state_set(batch: Batch, effect: StateSet) -> None:
    batch.broadcast(render.status(effect.name, effect.state), effect.own)


def _state_told(batch: Batch, effect: StateTold) -> None:
    batch.to(effect.seat, render.status(effect.name, effect.state))


def _reading_allowed(batch: Batch, effect: ReadingAllowed) -> None:
    batch.answers[effect.ticket] = effect


def _answered(batch: Batch, effect: Answered) -> None:
    batch.answers[effect.number] = effect


def _channel_moved(batch: Batch, effect: ChannelMoved) -> None:
    if batch.reaches(effect.place.keyed):
        batch.broadcast(render.moved(effect), effect.own, effect.place.keyed)


MEANINGS: dict[type[Effect], Callable[[Batch, Any], None]] = {
    Said: _said,
    Whispered: _whispered,
    Noticed: _noticed,
    Kept: _kept,
    HandingDue: lambda batch, effect: batch.due.append(effect),
    HandedOver: _handed_over,
    WaitingEnded: lambda batch, effect: batch.changes.append(("end_waiting", effect[:])),
    Announced: _announced,
    StateSet: _state_set,
    StateTold: _state_told,
    UsersListed: lambda batch, effect: batch.to(effect.seat, render.users(effect)),
    AccountMade: _account_made,
    AccountChanged: lambda batch, effect: batch.accounts.append(effect[:]),
    LoggedIn: _logged_in,
    LoginRefused: _login_refused,
    LoggedOut: lambda batch, effect: batch.to(effect.seat, render.LOGGED_OUT),
    GuestNamed: _guest_named,
    IdentityEnded: _identity_ended,
    Renamed: _renamed,
    ReadingAllowed: _reading_allowed,
    Joined: lambda batch, effect: batch.join(effect.seat, effect.audience),
    Parted: lambda batch, effect: batch.leave(effect.seat, effect.audience),
    ChannelMoved: _channel_moved,
    ChannelEntered: lambda batch, effect: batch.to(effect.seat, render.entered(effect.name, effect.topic)),
    ChannelLeft: lambda batch, effect: batch.to(effect.seat, render.left(effect.name)),
    ChannelsListed: lambda batch, effect: batch.to(effect.seat, render.channels(effect)),
    TopicTold: lambda batch, effect: batch.to(effect.seat, render.topic(effect.name, effect.topic)),
    Gone: lambda batch, effect: batch.leaving.append(effect.seat),
    Replied: lambda batch, effect: batch.to(effect.seat, effect.line),
    Refused: lambda batch, effect: batch.refuse(effect.seat, render.refused(effect), effect.code),
    Sent: _sent,
    Wired: lambda batch, effect: batch.watchers.append(effect),
    BoardShown: lambda batch, effect: batch.watchers.append(effect),
    Audited: _audited,
    Expelled: lambda batch, effect: batch.expel(effect.seat),
    Banned: _banned,
    ChannelClosed: lambda batch, effect: batch.changes.append(("close_channel", effect[:])),
    ChannelOpened: lambda batch, effect: batch.changes.append(("open_channel", effect[:])),
    Unbanned: lambda batch, effect: batch.changes.append(("unban", effect[:])),
    NetworkExpelled: lambda batch, effect: batch.expel_network(effect),
    MessageDeleted: lambda batch, effect: batch.changes.append(("delete_message", effect[:])),
    MessagesExpired: lambda batch, effect: batch.changes.append(("expire", effect[:])),
    Answered: _answered,
    MessagesDeleted: lambda batch, effect: batch.changes.extend(
        [("delete_messages", effect[:]), ("delete_senders", ())]
    ),
    AccountsRemoved: lambda batch, effect: batch.changes.extend([("delete_account", (key,)) for key in effect.keys]),
}
"""Each adds the lines, rows and log events of one effect to the batch."""
