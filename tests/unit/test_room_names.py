"""Names in the room under attack: accounts come first, and looking a name up costs little."""

from __future__ import annotations

from classcord import names
from classcord.accounts import Accounts
from classcord.batch import Batch
from classcord.room import Room
from classcord.session import Session
from classcord.store import AccountRow
from classcord.texts import Texts
from tests.unit.stubs import Wire, session


class Crowd:
    """A room whose every step is a batch of its own."""

    def __init__(self) -> None:
        self.accounts = Accounts([], 1)
        self.room = Room(self.accounts, Texts("fr"))
        self.members: dict[Session, None] = {}

    def do(self, operation: str, person: Session, *arguments: object) -> None:
        batch = Batch(self.members, "now", 0.0)
        getattr(self.room, operation)(batch, person, *arguments)
        for _, row in batch.registered:
            self.accounts.publish(row)
        for receiver, data in batch.deliveries():
            receiver.outbox.send(data, 0.0)


def test_an_account_gets_its_name_even_where_guests_hold_all_its_variants() -> None:
    crowd = Crowd()
    guests = [session() for _ in range(100)]
    for guest in guests:
        crowd.do("announce_guest", guest, "bob")
    wire = Wire()
    bob = session(wire)
    crowd.do("register", bob, AccountRow("bob", "bob", "x", ""))
    crowd.do("login", bob, "bob", "bob")
    assert [line.get("status") for line in wire.messages()][:2] == ["ok", "ok"]
    assert bob.presence is not None
    assert bob.presence.account
    assert bob.presence.sessions == [bob]
    assert len({guest.presence.key for guest in guests if guest.presence} - {"bob"}) == 100


def test_a_text_too_long_for_a_name_is_not_even_normalized() -> None:
    assert names.find("é" * 257) is None
    assert names.find("BOB (invité 99)") == "bob (invité 99)"
    crowd = Crowd()
    wire = Wire()
    alice = session(wire)
    crowd.do("whisper", alice, "alice", "\u0301" * 16000 + "\u0323" * 16000, "hello")
    assert wire.messages()[-1]["from"] == "Serveur"


def test_states_are_shown_again_to_a_session_that_has_become_somebody_else() -> None:
    crowd = Crowd()
    crowd.do("register", session(), AccountRow("bob", "bob", "x", ""))
    wire = Wire()
    bob = session(wire)
    crowd.do("login", bob, "bob", "bob")
    crowd.do("set_state", bob, None, "away")
    crowd.do("list_users", bob)
    crowd.do("login", bob, "bob", "BOB")
    crowd.do("list_users", bob)
    assert wire.messages()[-1] == {"type": "status", "user": "BOB", "state": "away"}
