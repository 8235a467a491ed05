"""Who is here, under which name, in which state: what each item changes, and who is told.

A state machine without locks or sockets: only the holder of the registry's flush lock calls it, one item at a
time, so an item's place in the list is its place for everybody. Every operation takes the batch and the session
it is about first. Raises ProtocolError for what can't be done; the registry turns that into the reply.
"""

from __future__ import annotations

from classcord import names
from classcord.accounts import Accounts
from classcord.batch import Batch
from classcord.ids import Ids
from classcord.protocol import ProtocolError, encode, quote
from classcord.session import Presence, Session
from classcord.store import AccountRow, MessageRow
from classcord.texts import SERVER_NAME, Texts

__all__ = ["Room"]

_GUEST = "invité"
_VARIANTS = 100
"""How many guests may call themselves the same before the next is refused."""


def _status_line(name_json: str, state: str) -> bytes:
    return f'{{"type":"status","user":{name_json},"state":"{state}"}}\n'.encode("ascii")


def _message_line(
    kind: str, sender: str, recipient: str, content: str, time: str, id: int | None = None, guest: bool = False
) -> bytes:
    """`sender`, `recipient` and `content` are JSON strings already."""
    more = (f',"id":{id}' if id is not None else "") + (',"guest":true' if guest else "")
    return (
        f'{{"type":"message","subtype":"{kind}","from":{sender},"to":{recipient},"content":{content},'
        f'"timestamp":"{time}"{more}}}\n'
    ).encode("ascii")


class Room:
    """Everybody who is here. `ids` gives messages their ids; without it they begin at 1."""

    def __init__(self, accounts: Accounts, texts: Texts, ids: Ids | None = None) -> None:
        self._accounts = accounts
        self._texts = texts
        self._ids = ids or Ids()
        self._present: dict[str, Presence] = {}
        self._version = 0  # changes with everything that an answer to `users` shows
        self._listed: tuple[int, list[Presence]] = (-1, [])
        self._guests = 0

    # --- identities ---

    def login(self, batch: Batch, session: Session, name: str, alias: str) -> None:
        """The session has proved that it is account `name`; the client calls itself `alias`."""
        batch.to(session, encode({"type": "login", "status": "ok", "username": alias}))
        session.registered = None
        self._enter_account(batch, session, name, alias)

    def register(self, batch: Batch, session: Session, row: AccountRow) -> None:
        """Create an account. Does not log in; but a client that believes so is taken at its word later."""
        if self._registered(batch, row.key):
            raise ProtocolError("name_exists", "Username already exists.")
        batch.register(session, row, b'{"type":"register","status":"ok"}\n')
        session.registered = row.name
        holder = self._present.get(row.key)
        if holder is None:
            return
        if session in holder.sessions:
            holder.account = True  # a guest who makes its own name an account goes on under it
            if holder.name != row.name:
                self._rename(batch, holder, row.name)
        else:
            try:
                form = self._variant(batch, holder.name)
            except ProtocolError:  # the account comes first, even where a hundred guests hold its variants
                form = self._numbered(batch)
            self._rename(batch, holder, form)

    def unregister(self, batch: Batch) -> None:
        """The batch's accounts could not be stored: whoever is here under one of them is a guest."""
        for key in batch.accounts:
            if key in self._present:
                self._present[key].account = False

    def logout(self, batch: Batch, session: Session) -> None:
        """End the identity; the connection stays, as if just opened."""
        if session.presence is None:
            raise ProtocolError("not_named", "You are not logged in.")
        session.log("logout", user=session.presence.name)
        batch.to(session, b'{"type":"logout","status":"ok"}\n')
        self._exit(batch, session)
        batch.leave(session)
        session.registered = None
        session.users_version = -1

    def leave(self, batch: Batch, session: Session) -> None:
        """The connection has ended. Safe to repeat."""
        try:
            if session.presence is not None:
                self._exit(batch, session)
        finally:  # whatever happens, its thread must not wait for ever
            batch.leave(session)
            batch.leaving.append(session)

    def identify(self, batch: Batch, session: Session, wanted: object = None) -> Presence:
        """Who the session is, a guest named now if it was nobody.

        `wanted` is what the client gave as its own name: believed only of a guest that has not given one yet.
        """
        presence = session.presence
        if presence is not None and presence.account:
            return presence
        if wanted == "":
            wanted = None  # the name field of a form that nobody filled in
        if wanted is not None and not isinstance(wanted, str):
            raise ProtocolError("invalid_field", "a name must be a string")
        registered = session.registered
        if registered is not None and (wanted is None or names.find(wanted) == names.key(registered)):
            return self._enter_account(batch, session, registered, wanted or registered)
        if presence is not None and (presence.given or wanted is None):
            return presence
        if wanted is None:
            name = self._numbered(batch)
        else:
            try:
                names.check(wanted)
            except names.NameRefused as refused:
                raise ProtocolError("invalid_name", f"{refused}") from None
            name = self._variant(batch, wanted)
        if presence is not None:
            self._rename(batch, presence, name)
            presence.given = True
            session.alias = wanted or name
            return presence
        session.log("guest", user=name)
        entered = Presence(name, names.key(name), account=False, given=wanted is not None)
        return self._enter(batch, session, entered, wanted or name)

    def _registered(self, batch: Batch, key: str) -> bool:
        return key in self._accounts or key in batch.accounts

    def _numbered(self, batch: Batch) -> str:
        while True:
            self._guests += 1
            name = f"{_GUEST}-{self._guests}"
            if not self._taken(batch, name):
                return name

    def _variant(self, batch: Batch, name: str) -> str:
        """`name`, or the first visibly other form of it that nobody holds."""
        for number in range(_VARIANTS):
            form = name if number == 0 else f"{name} ({_GUEST})" if number == 1 else f"{name} ({_GUEST} {number})"
            if not self._taken(batch, form):
                return form
        raise ProtocolError("name_taken", f"{name} and all its variants are in use; choose another name")

    def _taken(self, batch: Batch, name: str) -> bool:
        key = names.key(name)
        return key in self._present or self._registered(batch, key)

    def _enter_account(self, batch: Batch, session: Session, name: str, alias: str) -> Presence:
        key = names.key(name)
        session.users_version = -1  # what it was shown last was somebody else's view
        if session.presence is not None:
            if session.presence.key == key:
                session.alias = alias
                return session.presence
            self._exit(batch, session)
        return self._enter(batch, session, self._present.get(key) or Presence(name, key, account=True), alias)

    def _enter(self, batch: Batch, session: Session, presence: Presence, alias: str) -> Presence:
        session.presence = presence
        session.alias = alias
        presence.sessions.append(session)
        if presence.key not in self._present:
            self._present[presence.key] = presence
            self._announce(batch, presence)
        batch.join(session)
        return presence

    def _exit(self, batch: Batch, session: Session) -> None:
        presence = session.presence
        assert presence is not None
        session.presence = None
        presence.sessions.remove(session)
        if not presence.sessions:
            del self._present[presence.key]
            self._version += 1
            batch.broadcast(_status_line(presence.name_json, "offline"), (session,))

    def _rename(self, batch: Batch, presence: Presence, name: str) -> None:
        batch.broadcast(_status_line(presence.name_json, "offline"), presence.sessions)
        del self._present[presence.key]
        for session in presence.sessions:
            session.log("renamed", old=presence.name, user=name)
        presence.rename(name, names.key(name))
        self._present[presence.key] = presence
        self._announce(batch, presence)

    def _announce(self, batch: Batch, presence: Presence) -> None:
        self._version += 1
        batch.broadcast(_status_line(presence.name_json, "online"), presence.sessions)
        if presence.state != "online":
            batch.broadcast(_status_line(presence.name_json, presence.state), presence.sessions)

    # --- messages ---

    def say(self, batch: Batch, session: Session, wanted: object, content: str) -> None:
        """A message to everybody."""
        presence = session.presence
        if presence is None or not presence.account:
            presence = self.identify(batch, session, wanted)
        session.announced = True
        guest = not presence.account
        id, certain = self._ids.take()
        batch.messages.append(MessageRow(id, batch.time, presence.name, guest, "global", None, content))
        shown = id if certain else None
        line = _message_line("global", presence.name_json, '"global"', quote(content), batch.time, shown, guest)
        batch.broadcast(line, (session,))

    def whisper(self, batch: Batch, session: Session, wanted: object, to: str, content: str) -> None:
        """A message to every session of one person, or a notice to the sender that nobody is there."""
        presence = self.identify(batch, session, wanted)
        session.announced = True
        key = names.find(to)
        addressee = self._present.get(key) if key is not None else None
        receivers = [s for s in addressee.sessions if s is not session] if addressee else []
        if addressee is None or not receivers:
            self.notice(batch, session, self._texts("only_you" if addressee else "absent", user=to))
            return
        guest = not presence.account
        id, certain = self._ids.take()
        batch.messages.append(MessageRow(id, batch.time, presence.name, guest, "private", addressee.name, content))
        text, shown = quote(content), id if certain else None
        for receiver in receivers:
            alias = quote(receiver.alias)
            batch.to(receiver, _message_line("private", presence.name_json, alias, text, batch.time, shown, guest))

    def announce_guest(self, batch: Batch, session: Session, wanted: object) -> None:
        """An empty message: as a connection's first it gives a guest's name; nothing is relayed."""
        known = session.presence
        if self.identify(batch, session, wanted) is known and session.announced:
            raise ProtocolError("invalid_field", "content is empty; nothing was sent")
        session.announced = True

    def notice(self, batch: Batch, session: Session, text: str) -> None:
        """Something that the server says to one person, in the form that every client shows."""
        alias = quote(session.alias or _GUEST)
        batch.to(session, _message_line("private", quote(SERVER_NAME), alias, quote(text), batch.time))

    def announce(self, batch: Batch, text: str) -> None:
        """Something that the server says to everybody. An item without a session."""
        batch.broadcast(_message_line("global", quote(SERVER_NAME), '"global"', quote(text), batch.time))

    # --- presence ---

    def set_state(self, batch: Batch, session: Session, wanted: object, state: str) -> None:
        """Online, away, dnd or invisible; the others are told if it is new."""
        presence = self.identify(batch, session, wanted)
        if presence.state != state:
            presence.state = state
            self._version += 1
            batch.broadcast(_status_line(presence.name_json, state), presence.sessions)

    def list_users(self, batch: Batch, session: Session) -> None:
        """Answer `users`: who is here, then the states that aren't online, unless nothing changed since last time."""
        own = self.identify(batch, session)
        shown = self._shown_to(own)
        listed = {session.alias if presence is own else presence.name: presence for presence in shown}
        namesake = self._present.get(names.key(session.alias))
        if namesake is not None and namesake is not own and namesake in shown:
            # a guest whose name was taken calls itself like somebody else in the list, who goes before it
            listed[namesake.name] = namesake
        batch.to(session, encode({"type": "users", "users": list(listed)}))
        if session.users_version == self._version:
            return
        session.users_version = self._version
        for name, presence in listed.items():
            if presence.state != "online":
                batch.to(session, _status_line(quote(name), presence.state))

    def tell_who(self, batch: Batch, session: Session) -> None:
        """Answer a typed command that asks who is here, everybody by the name that the others see."""
        shown = self._shown_to(self.identify(batch, session))
        described = (f"{p.name} ({p.state})" if p.state != "online" else p.name for p in shown)
        self.notice(batch, session, self._texts("who", count=len(shown), names=", ".join(described)))

    def _shown_to(self, asker: Presence) -> list[Presence]:
        """Everybody who isn't invisible, and the asker, sorted by name."""
        version, listed = self._listed
        if version != self._version:
            listed = sorted((p for p in self._present.values() if p.state != "invisible"), key=lambda p: p.key)
            self._listed = (self._version, listed)
        if asker.state == "invisible":
            return sorted([*listed, asker], key=lambda p: p.key)
        return listed
