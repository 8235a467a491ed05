"""Names in the room under attack: accounts come first, and looking a name up costs little."""

from __future__ import annotations

import pytest

from classcord.chat.accounts import Account, Accounts
from classcord.chat.channels import Channels
from classcord.wire import names
from classcord.wire.protocol import MAX_CONTENT
from tests.unit.stubs import Crowd, Wire


def test_an_account_gets_its_name_even_where_guests_hold_all_its_variants() -> None:
    crowd = Crowd()
    guests = [crowd.sat() for _ in range(100)]
    for guest in guests:
        crowd.do("announce_guest", guest, "bob")
    wire = Wire()
    bob = crowd.sat(wire)
    crowd.do("register", bob, "bob", "x", "")
    crowd.do("login", bob, "bob", "bob")
    assert [line.get("status") for line in wire.messages()][:2] == ["ok", "ok"]
    assert bob.person is not None
    assert bob.person.account
    assert bob.person.seats == [bob]
    assert len({guest.person.key for guest in guests if guest.person} - {"bob"}) == 100


def test_a_guest_is_numbered_where_all_variants_of_its_name_are_held() -> None:
    crowd = Crowd()
    guests = [crowd.sat() for _ in range(102)]
    for guest in guests:
        crowd.do("say", guest, "bob", "hello")
    held = [guest.person.name for guest in guests if guest.person]
    assert held[:3] == ["bob", "bob (invité)", "bob (invité 2)"]
    assert held[99:] == ["bob (invité 99)", "invité-1", "invité-2"]
    assert [guest.alias for guest in guests] == ["bob"] * 102


def test_a_number_that_a_guest_chose_is_not_told_as_its_end() -> None:
    """It was the number of another guest, and its end was told when that guest chose a name."""
    crowd, wire = Crowd(), Wire()
    first, second = crowd.sat(), crowd.sat(wire)
    crowd.do("list_users", first)
    crowd.do("say", second, "invité-1", "hello")
    crowd.do("say", first, "zoe", "hello")
    crowd.do("say", second, "bob", "hello")
    ended = [line["user"] for line in wire.messages() if line.get("state") == "invisible"]
    assert ended == ["invité-1", "invité-2"]


def test_the_leaving_of_an_invisible_guest_is_not_told_under_a_name_that_nobody_heard() -> None:
    crowd, wire = Crowd(), Wire()
    hears, guest, other = crowd.sat(wire), crowd.sat(), crowd.sat()
    crowd.do("list_users", hears)
    crowd.do("list_users", guest)
    crowd.do("set_state", guest, None, "invisible")
    crowd.do("say", guest, "bob", "hello")
    crowd.do("leave", guest)
    assert [line for line in wire.messages() if line.get("user") == "bob"] == []
    crowd.do("list_users", other)
    crowd.do("set_state", other, None, "invisible")
    crowd.do("say", other, "zoe", "hello")
    crowd.do("set_state", other, None, "away")
    crowd.do("leave", other)
    assert [line["state"] for line in wire.messages() if line.get("user") == "zoe"] == ["away", "offline"]


def test_a_refused_name_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    check = names.check

    def judge(name: str) -> None:
        judged.append(name)
        check(name)

    monkeypatch.setattr(names, "check", judge)
    crowd = Crowd()
    guest = crowd.sat()
    for _ in range(10):
        crowd.do("say", guest, ">BBB", "hello")
    assert judged == [">BBB"]
    guests = [crowd.sat() for _ in range(101)]
    for guest in guests:
        crowd.do("say", guest, "bob", "hello")
    judged.clear()
    for _ in range(10):
        crowd.do("say", guests[-1], "bob", "hello")
    assert judged == [], "nor are its hundred variants tried again"


def test_a_list_too_long_for_an_answer_says_how_many_it_leaves_out() -> None:
    for count, size in ((150, 30), (400, 10), (103, 40), (104, 40)):
        crowd = Crowd()
        wire = Wire()
        people = [crowd.sat(wire), *(crowd.sat() for _ in range(count - 1))]
        for number, client in enumerate(people):
            crowd.do("announce_guest", client, f"{number:04}".ljust(size, "x"))
        crowd.do("tell_who", people[0])
        text = wire.messages()[-1]["content"]
        assert len(text) <= MAX_CONTENT
        assert "\n" not in text
        head, _, rest = text.removeprefix(f"Présents ({count}) : ").partition(" … et ")
        assert head.split(", ") == [f"{number:04}".ljust(size, "x") for number in range(head.count(",") + 1)]
        others = int(rest.removesuffix(" autres")) if rest else 0
        assert head.count(",") + 1 + others == count
        assert others != 1
        assert not others or len(text) > MAX_CONTENT - 2 * size - 10, "as many as there is room for"


def test_a_text_too_long_for_a_name_is_not_even_normalized() -> None:
    assert names.find("é" * 257) is None
    assert names.find("BOB (invité 99)") == "bob (invité 99)"
    crowd = Crowd()
    wire = Wire()
    alice = crowd.sat(wire)
    crowd.do("whisper", alice, "alice", "\u0301" * 16000 + "\u0323" * 16000, "hello")
    assert wire.messages()[-1]["from"] == "Serveur"


def test_states_are_shown_again_to_a_session_that_has_become_somebody_else() -> None:
    crowd = Crowd()
    crowd.do("register", crowd.sat(), "bob", "x", "")
    wire = Wire()
    bob = crowd.sat(wire)
    crowd.do("login", bob, "bob", "bob")
    crowd.do("set_state", bob, None, "away")
    crowd.do("list_users", bob)
    crowd.do("login", bob, "bob", "BOB")
    crowd.do("list_users", bob)
    assert wire.messages()[-1] == {"type": "status", "user": "BOB", "state": "away"}


def registered(crowd: Crowd, *wanted: str) -> list[str]:
    """Register all of these names in one batch; the names of those that won."""
    batch = crowd.run(*[("register", crowd.sat().number, (name, "x", "")) for name in wanted])
    return [name for _, name, *_ in batch.accounts]


def test_of_two_names_that_look_alike_one_is_registered_even_in_one_batch() -> None:
    for one, other in (("alice", "aIice"), ("aIice", "alice"), ("al1ce", "Alice"), ("Jean-Paul", "Jean Paul")):
        assert registered(Crowd(), one, other) == [one]
        crowd = Crowd()
        assert registered(crowd, one) == [one]
        assert registered(crowd, other) == []
    different = ["Zoé", "Zoe", "Gala", "Gaia", "---", "!!!"]
    assert registered(Crowd(), *different) == different


def test_a_guest_never_looks_like_an_account() -> None:
    crowd = Crowd()
    early, late, own, gaia = crowd.sat(), crowd.sat(), crowd.sat(), crowd.sat()
    crowd.do("announce_guest", early, "aIice")
    crowd.do("announce_guest", gaia, "Gaia")
    crowd.do("announce_guest", own, "a-lice")
    crowd.do("register", own, "alice", "x", "")
    crowd.do("register", own, "Gala", "x", "")
    crowd.do("announce_guest", late, "a.lice")
    assert early.person is not None
    assert late.person is not None
    assert early.person.name == "aIice (invité)"
    assert late.person.name == "a.lice (invité)"
    assert own.person is not None
    assert own.person.name == "a-lice", "it is the account's own client"
    assert gaia.person is not None
    assert gaia.person.name == "Gaia", "an i does not look like an l"


def test_accounts_of_earlier_days_go_on_whatever_they_look_like() -> None:
    """They may resemble each other, or have names that are not allowed now."""
    there = ["alice", "aIice", "5erveur", "x (invité)"]
    crowd = Crowd(Accounts([Account(names.key(name), name, "x", "") for name in there], 1))
    for name in there:
        client = crowd.sat()
        crowd.do("login", client, name, name)
        assert client.person is not None
        assert (client.person.name, client.person.account) == (name, True)
    first, second = crowd.sat(), crowd.sat()
    crowd.do("announce_guest", first, "x")
    crowd.do("announce_guest", second, "x")
    assert second.person is not None
    assert second.person.name == "x (invité 2)", "an account has the first variant"


def test_an_invisible_guest_that_gets_another_name_does_not_appear() -> None:
    crowd = Crowd()
    wire = Wire()
    other, guest = crowd.sat(wire), crowd.sat()
    crowd.do("list_users", other)
    crowd.do("set_state", guest, None, "invisible")
    seen = len(wire.messages())
    crowd.do("announce_guest", guest, "zoe")
    assert guest.person is not None
    assert guest.person.name == "zoe"
    assert wire.messages()[seen:] == []
    crowd.do("set_state", guest, None, "online")
    assert wire.messages()[-1] == {"type": "status", "user": "zoe", "state": "online"}


def test_who_proves_a_password_while_its_account_goes_does_not_come_in() -> None:
    crowd, wire = Crowd(Accounts([Account("bob", "bob", "x", "")], 1)), Wire()
    late = crowd.sat(wire)
    crowd.run(("command", None, (1, "new_class", (False, "bye"))))
    crowd.do("login", late, "bob", "bob")
    assert [line["code"] for line in wire.messages()] == ["login_failed"]
    assert late.person is None


def test_a_guest_has_made_its_channels_under_its_other_name_too() -> None:
    crowd, wire = Crowd(channels=Channels((), (), each=1)), Wire()
    guest, owner = crowd.sat(), crowd.sat(wire)
    crowd.do("identify", guest, "zoe")
    crowd.do("join_channel", guest, "one", "#one")
    crowd.do("register", owner, "zoe", "x", "")
    crowd.do("join_channel", owner, "two", "#two")
    assert wire.messages()[-1].get("status") == "ok", "the account has made none"
    crowd.do("join_channel", guest, "three", "#three")
    assert [channel.key for channel in crowd.room._channels] == ["one", "two"]
