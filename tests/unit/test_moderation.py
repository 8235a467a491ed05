"""Moderation in the room alone: each action, its end in time, and that the same items make the same room."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import (
    Announced,
    Answered,
    Audited,
    Banned,
    Effect,
    Expelled,
    NetworkExpelled,
    Said,
    Unbanned,
)
from classcord.chat.people import Seat
from classcord.chat.room import Item
from tests.unit.state import state_of
from tests.unit.stubs import Crowd

MEMBERS = ["prof", "alice", "bob"]


def accounts() -> Accounts:
    return Accounts([Account(name, name, "x", "", "teacher" if name == "prof" else "user") for name in MEMBERS], 1)


class School(Crowd):
    """A teacher, two pupils and a guest, each with a seat."""

    def __init__(self) -> None:
        super().__init__(accounts())
        self.seats: dict[str, Seat] = {}
        self.items: list[Item] = []
        for name in (*MEMBERS, "carla"):
            self.seats[name] = self.sat()
            self.act(name, *(("identify", name) if name == "carla" else ("login", name, name)))

    def act(self, name: str, operation: str, *arguments: object) -> list[Effect]:
        """One step of a person; what it causes."""
        return self.carry_out((operation, self.seats[name].number, arguments))

    def carry_out(self, item: Item) -> list[Effect]:
        before = len(self.caused)
        self.items.append(item)
        self.run(item)
        return self.caused[before:]

    def teach(self, action: str, *arguments: object, by: str = "prof", typed: bool = True) -> list[Effect]:
        """A teacher's action, as the handler posts it."""
        return self.act(by, "only", "teacher", typed, (("moderate", (typed, action, arguments)),))

    def console(self, action: str, *arguments: object) -> Answered:
        answer = self.carry_out(("command", None, (1, action, arguments)))[-1]
        assert isinstance(answer, Answered)
        return answer

    def tick(self, now: float) -> None:
        self.carry_out(("tick", None, (now,)))

    def heard(self, name: str) -> list[dict[str, Any]]:
        """What a person has got since the last time."""
        wire = self.wires[self.seats[name].number]
        lines, wire.data = wire.messages(), b""
        return lines

    def said(self, name: str) -> list[str]:
        """What Serveur has said to a person since the last time."""
        return [line["content"] for line in self.heard(name) if line.get("from") == "Serveur"]

    def speaks(self, name: str, to: str = "") -> str | None:
        """A message of a person: None if it was sent, else what Serveur says."""
        self.heard(name)
        self.act(name, "whisper", None, to, "psst") if to else self.act(name, "say", None, "bonjour")
        said = self.said(name)
        assert len(said) <= 1
        return said[0] if said else None


@pytest.fixture
def school() -> School:
    made = School()
    made.tick(1000)
    for name in made.seats:
        made.heard(name)
    return made


def kinds(effects: Sequence[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_a_kick_says_why_and_ends_all_connections(school: School) -> None:
    second = school.sat()
    school.do("login", second, "bob", "bob")
    effects = school.teach("kick", "BOB", "trop  de\nbruit")
    assert kinds(effects, Expelled) == [(school.seats["bob"].number,), (second.number,)]
    assert kinds(effects, Audited) == [("prof", "kick", "bob", None, "trop de bruit")]
    assert school.said("bob") == ["Un enseignant met fin à votre connexion. Motif : trop de bruit"]
    assert school.said("prof") == ["« bob » est déconnecté."]
    assert school.said("alice") == []


def test_a_mute_lasts_its_time_and_its_end_is_told(school: School) -> None:
    school.teach("mute", "bob", 90, "")
    assert school.said("bob") == ["Vous ne pouvez plus écrire pendant 1 min 30 s, sauf à un enseignant."]
    left = "Vous ne pourrez écrire que dans {}, sauf à un enseignant. Rien n'a été envoyé."
    assert school.speaks("bob") == left.format("1 min 30 s")
    assert school.speaks("bob", "alice") is not None
    assert school.speaks("bob", "prof") is None, "a question must be possible"
    assert school.speaks("alice") is None
    school.tick(1089.5)
    assert school.speaks("bob") == left.format("1 s")
    school.tick(1090)
    assert school.said("bob") == ["Vous pouvez de nouveau écrire."]
    assert school.speaks("bob") is None
    assert school.room.moderation.strict is False


def test_a_mute_follows_the_name_and_the_connection(school: School) -> None:
    school.teach("mute", "bob", 60, "")
    school.act("bob", "logout")
    school.act("bob", "identify", "robert")
    assert school.speaks("bob") is not None, "the same connection"
    again = school.seats["bob again"] = school.sat()
    school.do("login", again, "bob", "bob")
    assert school.speaks("bob again") is not None, "the same name"


def test_a_mute_goes_with_a_guest_that_gets_another_name(school: School) -> None:
    school.teach("mute", "carla", 60, "")
    owner = school.seats["owner"] = school.sat()
    school.do("register", owner, "carla", "x", "")
    school.do("login", owner, "carla", "carla")
    assert school.speaks("owner") is None, "somebody else"
    assert school.speaks("carla") is not None
    school.tick(1060)
    assert school.said("carla") == ["Vous pouvez de nouveau écrire."]


def test_an_unmute_is_told(school: School) -> None:
    school.teach("mute", "carla", 60, "")
    school.said("carla")
    assert kinds(school.teach("unmute", "carla"), Audited) == [("prof", "unmute", "carla", None, "")]
    assert school.said("carla") == ["Vous pouvez de nouveau écrire."]
    assert school.speaks("carla") is None
    school.said("prof")
    school.teach("unmute", "carla")
    assert school.said("prof") == ["« carla » n'était pas réduit au silence."]


def test_silence_begins_and_ends_with_one_word(school: School) -> None:
    school.teach("silence", None)
    assert [school.said(name) for name in ("prof", "alice")] == [
        ["Silence demandé par prof : seuls les enseignants peuvent écrire. On peut encore leur écrire en privé."]
    ] * 2
    assert school.speaks("alice") == "Silence : seuls les enseignants peuvent écrire. Rien n'a été envoyé."
    assert school.speaks("carla", "alice") is not None
    assert school.speaks("alice", "prof") is None
    assert school.speaks("prof") is None
    assert kinds(school.teach("silence", True), Announced) == [], "it is so already"
    school.teach("silence", None)
    assert school.said("alice")[-1] == "Le silence est terminé : tout le monde peut écrire."
    assert school.speaks("alice") is None


def test_slow_mode(school: School) -> None:
    school.teach("slow", 10)
    assert school.said("bob") == ["Mode lent : chacun peut écrire un message en 10 s."]
    assert school.speaks("bob") is None
    assert school.speaks("bob") == "Mode lent : attendez 10 s avant votre prochain message. Rien n'a été envoyé."
    assert school.speaks("bob", "alice") is None, "only messages to everybody"
    assert school.speaks("alice") is None
    assert school.speaks("prof") is None
    assert school.speaks("prof") is None
    school.tick(1009)
    assert school.speaks("bob") == "Mode lent : attendez 1 s avant votre prochain message. Rien n'a été envoyé."
    school.tick(1010)
    assert school.speaks("bob") is None
    school.teach("slow", 0)
    assert school.speaks("bob") is None
    assert school.said("alice")[-1] == "Le mode lent est terminé."


def test_another_name_is_not_another_turn_in_slow_mode(school: School) -> None:
    school.teach("slow", 10)
    wait = "Mode lent : attendez 10 s avant votre prochain message. Rien n'a été envoyé."
    nameless = school.seats["nameless"] = school.sat()
    assert school.speaks("nameless") is None
    school.do("identify", nameless, "truc")
    assert school.speaks("nameless") == wait
    assert school.speaks("alice") is None
    second = school.seats["alice again"] = school.sat()
    school.do("login", second, "alice", "alice")
    assert school.speaks("alice again") == wait, "the account's other connection"
    school.do("logout", school.seats["alice"])
    assert school.speaks("alice") == wait, "a guest now, on the same connection"
    school.tick(1011)
    assert [school.speaks(name) for name in ("nameless", "alice", "alice again")] == [None, None, None]


def test_a_message_that_no_channel_takes_is_not_a_turn_in_slow_mode(school: School) -> None:
    school.teach("slow", 10)
    school.act("bob", "say_in", None, "admin", "#admin", "a")
    assert school.heard("bob")[-1]["code"] == "not_allowed"
    assert kinds(school.act("bob", "say_in", None, "dev", "#dev", "b"), Said) != []
    assert kinds(school.act("bob", "say_in", None, "dev", "#dev", "c"), Said) == []


def test_a_banned_account_goes_and_does_not_come_back_before_the_end(school: School) -> None:
    effects = school.teach("ban", "Bob", 60, "triche")
    assert kinds(effects, Banned) == [("account", "bob", 60, "prof", "triche")]
    assert kinds(effects, Expelled) == [(school.seats["bob"].number,)]
    assert school.said("bob") == ["Un enseignant vous exclut pendant 1 min. Motif : triche"]
    again = school.seats["again"] = school.sat()
    school.do("login", again, "bob", "bob")
    (error,) = school.heard("again")
    assert (error["code"], error["message"]) == ("banned", "This account is banned for 1 min. Reason: triche")
    school.tick(1060)
    school.do("login", again, "bob", "bob")
    assert school.heard("again")[0]["type"] == "login"
    assert school.console("unban", "bob").code == "invalid_field", "it is over"


def test_who_has_only_registered_is_kept_out_too(school: School) -> None:
    """A client that has registered an account may use it without a login."""
    school.seats["yves"] = school.sat()
    school.act("yves", "register", "yves", "x", "")
    school.teach("ban", "yves", 60, "triche")
    for request in (("say", None, "a"), ("say", "yves", "a"), ("list_users",), ("set_state", "yves", "away")):
        school.heard("yves")
        effects = school.act("yves", *request)
        assert school.heard("yves")[0]["code"] == "banned"
        assert kinds(effects, Said) == []
    school.tick(1060)
    (said,) = kinds(school.act("yves", "say", "yves", "a"), Said)
    assert isinstance(said, Said)
    assert (said.sender, said.guest) == ("yves", False)


def test_an_account_that_is_gone_is_not_entered_by_its_client(school: School) -> None:
    school.seats["yves"] = school.sat()
    school.act("yves", "register", "yves", "x", "")
    school.console("new_class", False, "Fin")
    (said,) = kinds(school.act("yves", "say", "yves", "a"), Said)
    assert isinstance(said, Said)
    assert (said.sender, said.guest) == ("yves", True)


def test_unban_and_the_list(school: School) -> None:
    school.teach("ban", "bob", 60, "triche")
    school.teach("ban_network", "10.0.0.5", 90, "")
    assert school.console("bans").data == (
        ("account", "bob", 60.0, "prof", "triche"), ("network", "10.0.0.5", 90.0, "prof", ""),
    )
    assert kinds(school.teach("unban", "BOB"), Unbanned) == [("account", "bob")]
    assert kinds(school.teach("unban", "10.0.0.5/32"), Unbanned) == [("network", "10.0.0.5")]
    assert school.console("bans").data == ()
    assert school.console("unban", "bob").code == "invalid_field"


def test_a_banned_network_spares_teachers(school: School) -> None:
    effects = school.teach("ban_network", "10.0.0.0/24", 60, "")
    (expelled,) = kinds(effects, NetworkExpelled)
    assert expelled[:2] == ("10.0.0.0/24", (school.seats["prof"].number,))
    bans = school.room.moderation.bans
    refusal = bans.address("10.0.0.9")
    assert refusal is not None
    assert refusal.text == "This address is banned for 1 min."
    assert bans.address("10.0.1.9") is None
    school.tick(1060)
    assert bans.address("10.0.0.9") is None


def test_bans_of_earlier(school: School) -> None:
    school.carry_out(("begin", None, (2000.0, (("account", "alice", 5.0, "prof", ""),))))
    assert school.console("bans").data == (("account", "alice", 5.0, "prof", ""),)
    school.tick(2005)
    assert school.console("bans").data == ()


@pytest.mark.parametrize(("action", "arguments"), [
    ("kick", ("prof", "")), ("ban", ("prof", 60, "")),
])
def test_a_teacher_does_nothing_against_a_teacher_but_the_console_does(
    school: School, action: str, arguments: tuple[object, ...]
) -> None:
    assert kinds(school.teach(action, *arguments), Audited) == []
    assert school.said("prof") == ["« prof » est enseignant : seule la console du serveur peut cela."]
    school.teach(action, *arguments, typed=False)
    assert school.heard("prof")[0]["code"] == "not_allowed"
    assert school.console(action, *arguments).code is None


def test_a_teacher_is_not_muted(school: School) -> None:
    school.teach("mute", "prof", 60, "")
    assert school.said("prof") == ["« prof » est enseignant : seule la console du serveur peut cela."]
    answer = school.console("mute", "prof", 60, "")
    assert (answer.code, "may always write" in answer.text) == ("invalid_field", True)
    assert school.said("prof") == []
    assert [row[5] for row in school.console("people").data] == [0.0] * 4


def test_people_are_told_whether_it_was_a_teacher_or_the_console(school: School) -> None:
    school.console("kick", "alice", "trop de bruit")
    assert school.said("alice") == ["L'administrateur du serveur met fin à votre connexion. Motif : trop de bruit"]
    school.console("ban", "bob", 60, "")
    assert school.said("bob") == ["L'administrateur du serveur vous exclut pendant 1 min."]


@pytest.mark.parametrize("action", ["kick", "mute", "unmute", "ban", "unban"])
def test_an_unknown_name(school: School, action: str) -> None:
    more: tuple[object, ...] = {"kick": ("",), "mute": (60, ""), "ban": (60, "")}.get(action, ())
    assert kinds(school.teach(action, "zoé", *more), Audited) == []
    assert len(school.said("prof")) == 1
    assert school.console(action, "zoé", *more).code == "invalid_field"


@pytest.mark.parametrize("name", ["alice", "carla"])
def test_others_may_do_nothing_of_it(school: School, name: str) -> None:
    for typed in (True, False):
        assert kinds(school.teach("silence", None, by=name, typed=typed), Audited) == []
        lines = school.heard(name)
        assert [line.get("code") or line["from"] for line in lines] == ["Serveur"] if typed else ["not_allowed"]
    assert school.speaks("bob") is None


def test_an_announcement_names_the_teacher_and_is_not_in_the_audit(school: School) -> None:
    effects = school.teach("announce", "Pause")
    assert school.said("bob") == ["Annonce de prof : Pause"]
    assert kinds(effects, Audited) == [("prof", "announce", "", None, "")]
    school.console("announce", "Fin")
    assert school.said("bob") == ["Fin"]


def test_roles(school: School) -> None:
    assert school.console("promote", "BOB").text == "bob is a teacher now"
    school.teach("silence", None, by="bob")
    assert school.speaks("bob") is None
    assert school.speaks("alice") is not None
    school.console("demote", "bob")
    assert school.speaks("bob") is not None
    assert [row[2] for row in school.console("people").data] == [False, False, False, True]


NAMES = st.sampled_from([*MEMBERS, "carla", "zoé"])
STEPS = st.one_of(
    st.tuples(st.just("say"), NAMES), st.tuples(st.just("tick"), st.floats(0, 30)), st.tuples(st.just("leave"), NAMES),
    st.tuples(st.just("mute"), NAMES, st.integers(1, 60), st.just("")), st.tuples(st.just("unmute"), NAMES),
    st.tuples(st.just("ban"), NAMES, st.integers(1, 60), st.just("x")), st.tuples(st.just("unban"), NAMES),
    st.tuples(st.just("silence"), st.sampled_from([None, True, False])), st.tuples(st.just("slow"), st.integers(0, 9)),
    st.tuples(st.just("kick"), NAMES, st.just("")), st.tuples(st.sampled_from(["promote", "demote"]), NAMES),
)


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=30), st.booleans())
def test_random_moderation_makes_the_same_room_anywhere(steps: list[tuple[Any, ...]], console: bool) -> None:
    here, now = School(), 0.0
    for kind, *arguments in steps:
        if kind == "tick":
            now += arguments[0]
            here.tick(now)
        elif kind in ("say", "leave"):
            if here.seats.get(arguments[0]) in here.room._seats.values():
                here.act(arguments[0], kind, *([None, "a"] if kind == "say" else []))
        elif console or kind in ("promote", "demote"):
            here.console(kind, *arguments)
        elif here.seats["prof"].person is not None:
            here.teach(kind, *arguments)
    there = Crowd(accounts())
    for number in here.wires:
        there.listen(number)
    for operation, seat, arguments in marshal.loads(marshal.dumps(here.items)):  # refuses all but plain values
        there.run((operation, seat, arguments))
    assert there.caused == here.caused
    assert state_of(there) == state_of(here)
