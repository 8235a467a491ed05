"""The people who are here, with their names and states; the changes that each item makes, and the lines about them.

A state machine without locks or sockets: only the holder of the registry's flush lock calls it, one item at a
time, so the order of the items is the same for everybody. The first arguments of every operation are the batch and
the session. A request that can't be done raises ProtocolError; the registry turns that into the reply.
"""

from __future__ import annotations

import itertools

from classcord import names
from classcord.accounts import Accounts
from classcord.batch import Batch
from classcord.ids import Ids
from classcord.protocol import MAX_CONTENT, ProtocolError, encode, quote
from classcord.render import message_line, status_line
from classcord.session import Person, Session
from classcord.store import AccountRow
from classcord.texts import SERVER_NAME, Texts, shown

__all__ = ["Room"]

_GUEST = names.GUEST
_VARIANTS = 100
"""Guests that may choose the same name; the next one gets a number instead."""
_MAX_TOLD = MAX_CONTENT // 3 + 1
"""Names that are too many for one answer to a typed command, even if each has one character."""
_MAX_SHOWN = 60
"""Characters of an addressee that a notice repeats: a guest's name with its mark is shorter."""
_MAX_ALIAS = 256
"""Characters in a name that a client may keep for itself after the server has refused it."""


def _has_control(text: str) -> bool:
    return any(char < " " or "\x7f" <= char <= "\x9f" for char in text)


class Room:
    """Everybody who is here. `ids` gives messages their ids; without it they begin at 1."""

    def __init__(self, accounts: Accounts, texts: Texts, ids: Ids | None = None) -> None:
        self._accounts = accounts
        self._texts = texts
        self._ids = ids or Ids()
        self._present: dict[str, Person] = {}
        self._version = 0  # changes when the answer to `users` changes
        self._listed: tuple[int, list[Person]] = (-1, [])
        self._guests = 0

    # --- identities ---

    def login(self, batch: Batch, session: Session, name: str, alias: str) -> None:
        """The session has proved that it is account `name`; the client calls itself `alias`."""
        batch.to(session, encode({"type": "login", "status": "ok", "username": alias}))
        session.registered = None
        self._enter_account(batch, session, name, alias)

    def register(self, batch: Batch, session: Session, row: AccountRow) -> None:
        """Create an account, without logging in.

        But some clients assume that registering logs them in; identify() honours that.
        """
        if self._registered(batch, row.name):
            raise ProtocolError("name_exists", "Username already exists.")
        batch.register(session, row, b'{"type":"register","status":"ok"}\n')
        session.registered = row.name
        holder = self._present.get(row.key)
        if holder is not None and session in holder.sessions:
            holder.account = True  # a guest that registers its own name keeps it
            if holder.name != row.name:
                self._rename(batch, holder, row.name)
        look = names.likeness(row.name)
        for guest in [
            p for p in self._present.values()  # the cheapest tests first, because many people may be here
            if not p.account and session not in p.sessions
            and (p.key == row.key or (p.likeness.skeleton == look.skeleton and names.alike(p.likeness, look)))
        ]:
            # the account comes first, even where a hundred guests hold its variants
            self._rename(batch, guest, self._variant(batch, guest.name) or self._numbered(batch))

    def unregister(self, batch: Batch) -> None:
        """The batch's accounts could not be stored: the people who use them already become guests."""
        for key in batch.accounts:
            if key in self._present:
                self._present[key].account = False

    def logout(self, batch: Batch, session: Session) -> None:
        """End the identity; the connection stays, like a new one."""
        if session.person is None:
            raise ProtocolError("not_named", "You are not logged in.")
        batch.to(session, b'{"type":"logout","status":"ok"}\n')
        self.disconnect(batch, session)

    def disconnect(self, batch: Batch, session: Session) -> None:
        """The same without an answer, and without an error if there is nothing to end."""
        if session.person is not None:
            session.log("logout", user=session.person.name)
            self._exit(batch, session)
        batch.leave(session)
        session.registered = None
        session.users_version = -1

    def leave(self, batch: Batch, session: Session) -> None:
        """The connection has ended. Safe to repeat."""
        try:
            if session.person is not None:
                self._exit(batch, session)
        finally:  # also after an error, its thread must not wait for ever
            batch.leave(session)
            batch.leaving.append(session)

    def identify(self, batch: Batch, session: Session, wanted: object = None) -> Person:
        """The person of the session; a session without one becomes a guest now.

        `wanted` is the name that the client gave for itself; only a guest without a chosen name may take it. A guest
        that can't have it gets a number: its message is worth more than its name.
        """
        person = session.person
        if person is not None and person.account:
            return person
        if wanted == "":
            wanted = None  # the empty name field of a form
        if wanted is not None and not isinstance(wanted, str):
            if person is not None and person.chose_name:
                return person
            raise ProtocolError("invalid_field", "a name must be a string")
        registered = session.registered
        if registered is not None and (wanted is None or names.find(wanted) == names.key(registered)):
            return self._enter_account(batch, session, registered, wanted or registered)
        if person is not None and (person.chose_name or wanted is None or wanted == session.alias):
            return person  # a numbered guest with this alias was refused this name before
        name = self._chosen(batch, wanted) if wanted is not None else None
        alias = wanted if wanted is not None and len(wanted) <= _MAX_ALIAS and not _has_control(wanted) else None
        if person is None:
            entered = name or self._numbered(batch)
            refused = {"refused": wanted[: names.MAX_NAME]} if wanted is not None and name is None else {}
            session.log("guest", user=entered, **refused)
            guest = Person(entered, names.key(entered), account=False, chose_name=name is not None)
            return self._enter(batch, session, guest, alias or entered)
        if name is not None:
            # its names in the lists of the others and of its own client; a number that it chose was never its own
            chosen = [] if names.key(session.alias).startswith(f"{_GUEST}-") else [session.alias]
            ended = dict.fromkeys((person.name, *chosen))
            self._rename(batch, person, name)
            person.chose_name = True
            for old in ended:
                if names.find(old) not in self._present:
                    batch.to(session, status_line(quote(old), "invisible"))
        if alias is not None:
            session.alias = alias
            session.users_version = -1  # its own name in the list has changed
        return person

    def _chosen(self, batch: Batch, wanted: str) -> str | None:
        """The name for a guest that wants `wanted`. None if that is not allowed, or all its variants are taken."""
        try:
            names.check(wanted)
        except names.NameRefused:
            return None
        return self._variant(batch, wanted)

    def _registered(self, batch: Batch, name: str) -> bool:
        """Whether an account has this name, or a name that looks the same."""
        return (
            self._accounts.resembles(name) or names.key(name) in batch.accounts
            or batch.looks.has(names.likeness(name))
        )

    def _numbered(self, batch: Batch) -> str:
        while True:
            self._guests += 1
            name = f"{_GUEST}-{self._guests}"
            if not self._taken(batch, names.key(name)):
                return name

    def _variant(self, batch: Batch, name: str) -> str | None:
        """`name`, or the first variant of it that is free; None if all are taken."""
        key = names.key(name)  # only once: normalizing takes time, and all clients wait
        for number in range(_VARIANTS):
            mark = "" if number == 0 else f" ({_GUEST})" if number == 1 else f" ({_GUEST} {number})"
            # nothing grows together across a space, so this is the form's key
            if not self._taken(batch, key + mark) and (mark or not self._registered(batch, name)):
                return name + mark
        return None

    def _taken(self, batch: Batch, key: str) -> bool:
        return key in self._present or key in self._accounts or key in batch.accounts

    def _enter_account(self, batch: Batch, session: Session, name: str, alias: str) -> Person:
        key = names.key(name)
        session.users_version = -1  # the last list was for another name
        if session.person is not None:
            if session.person.key == key:
                session.alias = alias
                return session.person
            self._exit(batch, session)
        return self._enter(batch, session, self._present.get(key) or Person(name, key, account=True), alias)

    def _enter(self, batch: Batch, session: Session, person: Person, alias: str) -> Person:
        session.person = person
        session.alias = alias
        person.sessions.append(session)
        if person.key not in self._present:
            self._present[person.key] = person
            self._announce(batch, person)
        batch.join(session)
        return person

    def _exit(self, batch: Batch, session: Session) -> None:
        person = session.person
        assert person is not None
        session.person = None
        person.sessions.remove(session)
        if not person.sessions:
            del self._present[person.key]
            self._version += 1
            if person.known:
                batch.broadcast(status_line(person.name_json, "offline"), (session,))

    def _rename(self, batch: Batch, person: Person, name: str) -> None:
        """Give another name to a person who stays.

        The old name ends as `invisible`, which removes it from every client's list: three known clients keep a name
        that is `offline` for ever.
        """
        if person.state != "invisible":
            batch.broadcast(status_line(person.name_json, "invisible"), person.sessions)
        del self._present[person.key]
        for session in person.sessions:
            session.log("renamed", old=person.name, user=name)
        person.rename(name, names.key(name))
        self._present[person.key] = person
        self._announce(batch, person)

    def _announce(self, batch: Batch, person: Person) -> None:
        self._version += 1
        person.known = person.state != "invisible"
        if not person.known:  # an invisible person with another name
            return
        batch.broadcast(status_line(person.name_json, "online"), person.sessions)
        if person.state != "online":
            batch.broadcast(status_line(person.name_json, person.state), person.sessions)

    # --- messages ---

    def say(self, batch: Batch, session: Session, wanted: object, content: str) -> None:
        """A message to everybody."""
        person = session.person
        if person is None or not person.account:
            person = self.identify(batch, session, wanted)
        session.announced = True
        guest = not person.account
        id, certain = self._ids.take()
        batch.messages.append((id, batch.time, person.name, guest, "global", None, content))
        told = id if certain else None
        line = message_line("global", person.name_json, '"global"', quote(content), batch.time, told, guest)
        batch.broadcast(line, (session,))

    def whisper(self, batch: Batch, session: Session, wanted: object, to: str, content: str) -> None:
        """A message to every session of one person, or a notice to the sender that this person is not there."""
        person = self.identify(batch, session, wanted)
        session.announced = True
        key = names.find(to)
        addressee = self._present.get(key) if key is not None else None
        receivers = [s for s in addressee.sessions if s is not session] if addressee else []
        if addressee is None or not receivers:
            self.notice(batch, session, self._texts("only_you" if addressee else "absent", user=shown(to, _MAX_SHOWN)))
            return
        guest = not person.account
        id, certain = self._ids.take()
        batch.messages.append((id, batch.time, person.name, guest, "private", addressee.name, content))
        text, told = quote(content), id if certain else None
        for receiver in receivers:
            self._hand(batch, receiver, person.name_json, text, told, guest)

    def use_private_type(self, batch: Batch, session: Session) -> None:
        """The client knows the type `private`: it would show a `message` as public."""
        session.private_type = True

    def announce_guest(self, batch: Batch, session: Session, wanted: object) -> None:
        """An empty message: the first one on a connection names a guest; nothing is relayed."""
        known = session.person.name if session.person is not None else None
        if self.identify(batch, session, wanted).name == known and session.announced:
            raise ProtocolError("invalid_field", "content is empty; nothing was sent")
        session.announced = True

    def notice(self, batch: Batch, session: Session, text: str) -> None:
        """A text from the server to one person, in the form that its client shows."""
        self._hand(batch, session, quote(SERVER_NAME), quote(text))

    def _hand(
        self, batch: Batch, session: Session, sender: str, content: str, id: int | None = None, guest: bool = False
    ) -> None:
        """A private message to this session, in its client's form, addressed to its alias."""
        kind = "private" if session.private_type else "message"
        alias = quote(session.alias or _GUEST)
        batch.to(session, message_line("private", sender, alias, content, batch.time, id, guest, kind))

    def announce(self, batch: Batch, text: str) -> None:
        """A text from the server to everybody. An item without a session."""
        batch.broadcast(message_line("global", quote(SERVER_NAME), '"global"', quote(text), batch.time))

    # --- presence ---

    def set_state(self, batch: Batch, session: Session, wanted: object, state: str) -> None:
        """Set online, away, dnd or invisible; tell the others if it is new."""
        person = self.identify(batch, session, wanted)
        if person.state != state:
            person.state = state
            person.known = True
            self._version += 1
            batch.broadcast(status_line(person.name_json, state), person.sessions)

    def list_users(self, batch: Batch, session: Session, kind: str = "users", channel: str | None = None) -> None:
        """List the people who are here, then the states other than online, unless nothing has changed since last time.

        The answer has the type `kind` and names the `channel` of the request, if any.
        """
        own = self.identify(batch, session)
        visible = self._shown_to(own)
        listed = {session.alias if person is own else person.name: person for person in visible}
        if len(listed) < len(visible):
            # a guest's alias may be another person's name: then the list shows that person
            listed[session.alias] = next(p for p in visible if p is not own and p.name == session.alias)
        asked = {} if channel is None else {"channel": channel}
        batch.to(session, encode({"type": kind, **asked, "users": list(listed)}))
        if session.users_version == self._version:
            return
        session.users_version = self._version
        for name, person in listed.items():
            if person.state != "online":
                batch.to(session, status_line(quote(name), person.state))

    def tell_who(self, batch: Batch, session: Session) -> None:
        """Answer the typed command that lists the people, with the names that the others see."""
        visible = self._shown_to(self.identify(batch, session))
        count = len(visible)
        described = [f"{p.name} ({p.state})" if p.state != "online" else p.name for p in visible[:_MAX_TOLD]]
        text = self._texts("who", count=count, names=", ".join(described))
        if len(text) > MAX_CONTENT:
            space = MAX_CONTENT - len(self._texts("who_more", count=count, names="", more=count))
            ends = itertools.accumulate(len(name) + 2 for name in described)
            fit = min(sum(end - 2 <= space for end in ends), count - 2)  # "others" are two at least
            text = self._texts("who_more", count=count, names=", ".join(described[:fit]), more=count - fit)
        self.notice(batch, session, text)

    def _shown_to(self, asker: Person) -> list[Person]:
        """All people who are not invisible, and the asker, sorted by name."""
        version, listed = self._listed
        if version != self._version:
            listed = sorted((p for p in self._present.values() if p.state != "invisible"), key=lambda p: p.key)
            self._listed = (self._version, listed)
        if asker.state == "invisible":
            return sorted([*listed, asker], key=lambda p: p.key)
        return listed
