"""What teachers and the console do about people: who may not speak, who must go, what everybody is told.

State of the room, like the room: only the holder of the registry's flush lock calls it. The time comes with the item
`tick`, about once a second, so the same items make the same room. Mutes, slow mode and silence last until the server
ends; bans are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from classcord.chat.accounts import Account
from classcord.chat.bans import Ban, Bans
from classcord.chat.effects import (
    Announced,
    Audited,
    Banned,
    Effect,
    Expelled,
    LoginRefused,
    MessageDeleted,
    NetworkExpelled,
    Noticed,
    Replied,
    Unbanned,
)
from classcord.chat.people import Person, Seat
from classcord.chat.refusals import Silenced
from classcord.chat.registrations import Registrations
from classcord.wire import durations, names, networks
from classcord.wire.protocol import ProtocolError, encode
from classcord.wire.texts import Texts, shown

__all__ = ["CONSOLE", "USUAL", "Moderation", "console_of"]

CONSOLE = "(console)"
"""Who did it, if it was the console and its user is not known: else `console_of(user)`. No person has such a name."""
USUAL = {"mute": 600, "ban": 3600}
"""Seconds if nobody says how long: the rest of an exercise, the rest of a lesson."""
_AT_ONCE = 5
"""Seconds in which two teachers may have meant the same: the second /silence does not end that of the first."""
_MAX_REASON = 200
_ENGLISH = Texts("en")


class _Actor(NamedTuple):
    """Who does it, the language of the answer, and the seat; the console has none."""

    name: str
    texts: Texts
    seat: Seat | None


def console_of(user: str) -> str:
    """Who did it, if it was the console of this user of the system."""
    return f"(console {user})"


def _keys(person: Person) -> list[str | int]:
    """Under what a mute and a turn are noted: the name and the connections, because a name is easily changed."""
    return [person.key, *person.numbers()]


def _slow_text(texts: Texts, seconds: int) -> str:
    """How often people may write."""
    if not seconds:
        return texts("slow_ends")
    return texts("slow_begins", time=durations.spell(seconds, texts.language))


def _clean(reason: str) -> str:
    """A reason in one line."""
    return shown(" ".join(reason.split()), _MAX_REASON)


class Moderation:
    """`present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(
        self, present: Mapping[str, Person], registrations: Registrations, texts: Texts, emit: Callable[[Effect], None]
    ) -> None:
        self.bans = Bans()
        self.strict = False
        """Whether it must be asked before a message: see `may_speak`."""
        self._present = present
        self._registrations = registrations
        self._texts = texts
        self._emit = emit
        self._now = 0.0
        self._silent = False
        self._silenced = "", 0.0  # who has begun or ended it, and when
        self._slow = 0
        self._mutes: dict[str | int, float] = {}  # their ends, by the key of the name and by the number of the seat
        self._spoke: dict[str | int, float] = {}  # in slow mode: when each person last spoke, in the same way
        self._actions: dict[str, Callable[..., str]] = {
            "kick": self._kick, "mute": self._mute, "unmute": self._unmute, "ban": self._ban,
            "ban_network": self._ban_network, "unban": self._unban, "silence": self._silence, "slow": self._set_slow,
            "announce": self._announce, "delete": self._delete, "refuse": self._refuse,
        }
        """Each gives the text that answers it, or "" if everybody is told the same."""

    def by_teacher(self, seat: Seat, typed: bool, action: str, arguments: tuple[Any, ...]) -> None:
        """Carry out an action of the teacher at this seat, and answer. Raises ProtocolError if it was not typed."""
        assert seat.person is not None
        actor = _Actor(seat.person.name, self._texts if typed else _ENGLISH, seat)
        try:
            text = self._actions[action](actor, *arguments)
        except ProtocolError as error:
            if not typed:
                raise
            text = error.text
        if not typed:
            self._emit(Replied(seat.number, encode({"type": "moderation", "action": action, "status": "ok"})))
        elif text:
            self._emit(Noticed(seat.address(), text))

    def by_console(self, action: str, arguments: tuple[Any, ...], actor: str) -> str:
        """The same for the console, for its user `actor`: the answer in English. Raises ProtocolError."""
        return self._actions[action](_Actor(actor, _ENGLISH, None), *arguments) or "everybody was told"

    # --- time, and what it ends ---

    def tick(self, now: float, /) -> None:
        """It is so late, in seconds; the time never goes back. An item without a seat."""
        self._now = now
        if self.bans.accounts or self.bans.networks:
            self.bans.pass_time(now)
        self.bans.now = now
        if self._mutes:
            over = {key for key, end in self._mutes.items() if end <= now}
            for key in over:
                del self._mutes[key]
            # a guest that was muted may have logged in since: then only the connection says so
            for person in self._present.values() if over else ():
                if not over.isdisjoint(_keys(person)) and not self.muted(person):
                    self._tell(person, self._texts("unmuted_you"))
            self._look()
        if self._spoke:
            self._spoke = {key: spoke for key, spoke in self._spoke.items() if spoke + self._slow > now}

    def begin(self, now: float, rows: Iterable[tuple[str, str, float, str, str]], /) -> None:
        """The bans of earlier: kind, target, seconds left, actor, reason. The first item, without a seat."""
        self.tick(now)
        for kind, target, seconds, actor, reason in rows:
            self.bans.put(kind, target, Ban(self._now + seconds, actor, reason))

    def _look(self) -> None:
        self.strict = bool(self._silent or self._slow or self._mutes)

    # --- who may come in, and speak ---

    def may_enter(self, seat: Seat, name: str) -> None:
        """Raises ProtocolError if the account is banned, or gone since its password was looked at."""
        if self._registrations.get(names.key(name)) is None:
            raise ProtocolError("login_failed", "Login failed.")
        refusal = self.bans.account(names.key(name)) if self.bans.accounts else None
        if refusal is not None:
            self._emit(LoginRefused(seat.number, name))
            raise refusal

    def may_speak(
        self, seat: Seat, person: Person, addressee: Person | None = None, *, takes_turn: bool = True
    ) -> None:
        """Raises Silenced if this person may not send a message now: to everybody, or to one person.

        Teachers may, and anybody may write to a teacher: a question must be possible. Slow mode is only for messages to
        everybody: this one takes the person's turn, or `take_turn` does later, once it is certain that it is sent.
        """
        if person.teacher or (addressee is not None and addressee.teacher):
            return
        end = max(self._mutes.get(seat.number, 0.0), self._mutes.get(person.key, 0.0))
        if end:
            left = durations.spell(end - self._now, "en")
            said = self._texts("may_not_muted", time=self._time(end - self._now))
            raise Silenced(f"You are muted for {left}; nothing was sent.", said)
        if self._silent:
            text = "Only teachers may write until they end the silence; nothing was sent."
            raise Silenced(text, self._texts("may_not_silent"))
        if self._slow and addressee is None:
            spoke = max(self._spoke.get(key, -self._slow) for key in (seat.number, person.key))
            wait = spoke + self._slow - self._now
            if wait > 0:
                left = durations.spell(wait, "en")
                said = self._texts("may_not_slow", time=self._time(wait))
                raise Silenced(f"Slow mode: wait {left} before your next message; nothing was sent.", said)
            if takes_turn:
                self.take_turn(person)

    def take_turn(self, person: Person) -> None:
        """In slow mode, the person speaks now."""
        if self._slow and not person.teacher:
            self._spoke.update(dict.fromkeys(_keys(person), self._now))

    def rule(self, seat: Seat) -> str:
        """What a newcomer must know before it writes; "" while everybody may."""
        person = seat.person
        if not self.strict or person is None:
            return ""
        left = 0.0 if person.teacher else self.muted(person)
        if left:
            return self._texts("muted_you", time=self._time(left), why="")
        if self._silent:
            return self._texts("silence_begins")
        return _slow_text(self._texts, self._slow) if self._slow else ""

    def muted(self, person: Person) -> float:
        """For how many seconds this person may not speak; 0 if it may."""
        ends = [self._mutes.get(key, 0.0) for key in _keys(person)]
        return max(0.0, max(ends) - self._now)

    # --- the actions ---

    def _kick(self, by: _Actor, name: str, reason: str) -> str:
        person = self._person(by, name)
        why = self._why(reason)
        self._expel(person, self._texts("kicked_you" if by.seat else "kicked_you_console", why=why))
        self._audit(by, "kick", person.name, None, reason)
        return by.texts("kicked", user=person.name)

    def _mute(self, by: _Actor, name: str, seconds: int, reason: str) -> str:
        person = self._person(by, name)
        if person.teacher:  # mutes, silence and slow mode are not for teachers
            text = f"{person.name} is a teacher, and teachers may always write: demote first"
            raise ProtocolError("invalid_field", text)
        for key in _keys(person):
            self._mutes[key] = self._now + seconds
        self._look()
        self._tell(person, self._texts("muted_you", time=self._time(seconds), why=self._why(reason)))
        self._audit(by, "mute", person.name, seconds, reason)
        return by.texts("muted", user=person.name, time=durations.spell(seconds, by.texts.language))

    def _unmute(self, by: _Actor, name: str) -> str:
        key = names.find(name) or ""
        if key in self._mutes and key not in self._present:  # it is away, and would come back muted
            del self._mutes[key]
            self._look()
            self._audit(by, "unmute", shown(name))
            return by.texts("unmuted", user=shown(name))
        person = self._person(by, name)
        if not self.muted(person):
            return by.texts("not_muted", user=person.name)
        for each in _keys(person):
            self._mutes.pop(each, None)
        self._look()
        self._tell(person, self._texts("unmuted_you"))
        self._audit(by, "unmute", person.name)
        return by.texts("unmuted", user=person.name)

    def _ban(self, by: _Actor, name: str, seconds: int, reason: str) -> str:
        """An account: its connections end, and it can't log in."""
        row = self._account(by, name)
        self._put_ban(by, "account", row.key, row.name, seconds, reason)
        person = self._present.get(row.key)
        if person is not None:
            self._expel(person, self._banned_you(by, seconds, reason))
        return by.texts("banned", user=row.name, time=durations.spell(seconds, by.texts.language))

    def _ban_network(self, by: _Actor, network: str, seconds: int, reason: str) -> str:
        """A network, as `networks.parse` gives it: its connections end, not teachers' nor this machine's."""
        self._put_ban(by, "network", network, network, seconds, reason)
        spared = tuple([number for p in self._present.values() if p.teacher for number in p.numbers()])
        named = tuple([seat.address() for p in self._present.values() if not p.teacher for seat in p.seats])
        refusal = Bans.refusal("This address", seconds, _clean(reason))
        self._emit(NetworkExpelled(network, spared, named, self._banned_you(by, seconds, reason), refusal.text))
        return by.texts("banned", user=network, time=durations.spell(seconds, by.texts.language))

    def _unban(self, by: _Actor, target: str) -> str:
        """An account by its name, or a network."""
        for kind, key in (("account", names.find(target) or ""), ("network", networks.parse(target) or "")):
            if key in self.bans.of(kind):
                self.bans.put(kind, key, None)
                self._emit(Unbanned(kind, key))
                row = self._registrations.get(key) if kind == "account" else None
                name = row.name if row is not None else key
                self._audit(by, "unban", name)
                return by.texts("unbanned", user=name)
        raise ProtocolError("invalid_field", by.texts("not_banned", user=shown(target)))

    def _silence(self, by: _Actor, on: bool | None) -> str:
        """Only teachers speak. Without a word: begin it, or end it, but not what another has begun just before."""
        wanted = not self._silent if on is None else on
        name, began = self._silenced
        if on is None and not wanted and name != by.name and self._now < began + _AT_ONCE:
            return by.texts("silence_just", user=name)
        told = by.texts("silence_begins" if wanted else "silence_ends")
        if wanted == self._silent:
            return by.texts("unchanged", now=told)
        self._silent, self._silenced = wanted, (by.name, self._now)
        self._look()
        if wanted and by.seat is not None:
            self._emit(Announced(self._texts("silence_by", user=by.name)))
        else:
            self._emit(Announced(self._texts("silence_begins" if wanted else "silence_ends")))
        self._audit(by, "silence" if wanted else "end-silence", "")
        return told if by.seat is None else ""

    def _set_slow(self, by: _Actor, seconds: int) -> str:
        """A person may speak once in so many seconds; 0 ends it."""
        told = _slow_text(by.texts, seconds)
        if seconds == self._slow:
            return by.texts("unchanged", now=told)
        self._slow = seconds
        self._spoke = {}
        self._look()
        self._emit(Announced(_slow_text(self._texts, seconds)))
        self._audit(by, "slow", "", seconds)
        return told if by.seat is None else ""

    def _announce(self, by: _Actor, text: str) -> str:
        named = by.seat is not None
        self._emit(Announced(self._texts("announcement", user=by.name, content=text) if named else text))
        self._audit(by, "announce", "")  # not the text: contents are never logged
        return ""

    def _delete(self, by: _Actor, id: int, reason: str) -> str:
        """A message, from what is stored. What people have on their screens stays there."""
        self._emit(MessageDeleted(id))
        self._audit(by, "delete", str(id), None, reason)
        return by.texts("deleted", id=id)

    def _refuse(self, by: _Actor, text: str) -> str:
        """What the client's thread has found to be wrong with an action."""
        raise ProtocolError("invalid_field", text)

    def rules(self) -> tuple[bool, int]:
        """Whether there is silence, and the seconds of slow mode."""
        return self._silent, self._slow

    def clear(self, text: str) -> None:
        """End the connections of all people but teachers, after this text; forget mutes, slow mode and silence."""
        for person in self._present.values():
            if not person.teacher:
                self._expel(person, text)
        self._silent, self._slow, self._spoke, self._mutes = False, 0, {}, {}
        self._look()

    def renamed(self, old: str, key: str) -> None:
        """The person with the key `old` gets another name. Who gets the old one is not muted for it."""
        if old in self._mutes:
            self._mutes[key] = self._mutes.pop(old)

    def forget(self, keys: Iterable[str]) -> None:
        """These accounts are gone: who gets such a name later is not banned for them."""
        for key in keys:
            if key in self.bans.accounts:
                self.bans.put("account", key, None)
                self._emit(Unbanned("account", key))

    # --- parts of them ---

    def _person(self, by: _Actor, name: str) -> Person:
        """The person who is here. Raises ProtocolError also if only the console may do something about it."""
        person = self._present.get(names.find(name) or "")
        if person is None:
            raise ProtocolError("invalid_field", by.texts("no_person", user=shown(name)))
        self._spare_teachers(by, person.name, person.teacher)
        return person

    def _account(self, by: _Actor, name: str) -> Account:
        row = self._registrations.find(name)
        if row is None:
            raise ProtocolError("invalid_field", by.texts("no_account", user=shown(name)))
        self._spare_teachers(by, row.name, row.role == "teacher")
        return row

    def _spare_teachers(self, by: _Actor, name: str, teacher: bool) -> None:
        if teacher and by.seat is not None:
            raise ProtocolError("not_allowed", by.texts("teacher_spared", user=name))

    def _put_ban(self, by: _Actor, kind: str, target: str, name: str, seconds: int, reason: str) -> None:
        self.bans.put(kind, target, Ban(self._now + seconds, by.name, _clean(reason)))
        self._emit(Banned(kind, target, seconds, by.name, _clean(reason)))
        self._audit(by, "ban", name, seconds, reason)

    def _banned_you(self, by: _Actor, seconds: int, reason: str) -> str:
        time, why = self._time(seconds), self._why(reason)
        return self._texts("banned_you" if by.seat else "banned_you_console", time=time, why=why)

    def _expel(self, person: Person, text: str) -> None:
        self._tell(person, text)
        for seat in person.seats:
            self._emit(Expelled(seat.number))

    def _tell(self, person: Person, text: str) -> None:
        """A line from the server to all connections of a person."""
        for seat in person.seats:
            self._emit(Noticed(seat.address(), text))

    def _why(self, reason: str) -> str:
        return self._texts("why", reason=_clean(reason)) if reason else ""

    def _time(self, seconds: float) -> str:
        return durations.spell(seconds, self._texts.language)

    def _audit(self, by: _Actor, action: str, target: str, seconds: int | None = None, reason: str = "") -> None:
        self._emit(Audited(by.name, action, target, seconds, _clean(reason)))
