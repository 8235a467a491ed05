"""register, login, logout: their answers, the lines to the others, and the allowed names and passwords."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classcord.chat.accounts import Account
from classcord.data.store import Store
from tests.functional.lines import (
    Address,
    Connect,
    Join,
    about,
    after,
    answer,
    contents,
    errors,
    nameless,
    private,
    states,
    users,
)
from tests.support import Client, Message, Server, say, unique

LOGIN_FAILED = {"type": "error", "message": "Login failed.", "error": "Login failed.", "code": "login_failed"}
NAME_EXISTS = {
    "type": "error", "message": "Username already exists.", "error": "Username already exists.", "code": "name_exists",
}


def test_register_login_and_chat_on_one_socket(connect: Connect, join: Join) -> None:
    alice, bob = connect(), join("bob")
    name = unique("alice")
    assert alice.register(name) == {"type": "register", "status": "ok"}
    assert alice.login(name) == {"type": "login", "status": "ok", "username": name}
    assert bob.until(type="status", user=name) == {"type": "status", "user": name, "state": "online"}
    alice.send(say("Bonjour"))
    assert bob.until(**{"from": name})["content"] == "Bonjour"
    alice.close()
    assert bob.until(type="status", user=name) == {"type": "status", "user": name, "state": "offline"}


def test_registering_does_not_log_in(connect: Connect, join: Join) -> None:
    alice, client = join("alice"), connect()
    name = unique("new")
    client.register(name)
    assert about(after(client, alice), name) == []
    assert name not in users(alice)
    assert client.ask({"type": "logout"})["code"] == "not_named"


def test_a_name_can_be_registered_once_whatever_its_case(connect: Connect) -> None:
    client = connect()
    name = unique("Élodie")
    client.register(name)
    for spelling in (name, name.upper(), name.lower(), name.replace("É", "E\u0301"), name.replace("o", "ｏ")):
        assert client.register(spelling, "other") == NAME_EXISTS
    assert client.login(name, "other") == LOGIN_FAILED
    assert client.login(name)["status"] == "ok"


def test_the_answers_to_register_and_login_are_one_line_each_and_come_first(connect: Connect, join: Join) -> None:
    alice, client = join("alice"), connect()
    name = unique("quick")
    credentials = {"username": name, "password": "x"}
    alice.send(*(say(f"noise {n}") for n in range(20)))
    client.send({"type": "register", **credentials})
    assert client.receive() == {"type": "register", "status": "ok"}
    assert client.pending() == []
    alice.send(*(say(f"noise {n}") for n in range(20)))
    client.send({"type": "login", **credentials})
    assert client.receive() == {"type": "login", "status": "ok", "username": name}


def test_register_and_login_back_to_back_work_while_others_do_the_same(address: Address, join: Join) -> None:
    """Without waiting for the answer to the first, when the server has other things to deliver."""
    alice = join("alice")
    answers: list[tuple[Message, Message]] = []

    def come_and_go() -> None:
        for _ in range(10):
            with Client(address) as client:
                credentials = {"username": unique("hasty"), "password": "x"}
                client.send({"type": "register", **credentials}, {"type": "login", **credentials}, say("I am here"))
                answers.append((client.receive(), client.receive()))

    threads = [threading.Thread(target=come_and_go) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200
    assert [first for first, _ in answers if first != {"type": "register", "status": "ok"}] == []
    assert [second for _, second in answers if second.get("status") != "ok"] == []
    speakers = [line["from"] for line in alice.pending() if line.get("content") == "I am here"]
    assert [name for name in speakers if not name.startswith("hasty")] == [], "none of them became a guest"


@pytest.mark.parametrize("password", ["wrong", "", "AZERTY", "azerty ", None, 5, True, ["azerty"], {"azerty": 1}])
def test_a_wrong_password_of_any_kind_fails_the_login(connect: Connect, join: Join, password: Any) -> None:
    alice, client = join("alice"), connect()
    for name in (alice.name, unique("nobody")):
        assert client.ask({"type": "login", "username": name, "password": password}) == LOGIN_FAILED
    assert client.pending() == []
    assert about(after(client, alice), alice.name) == []


def test_a_failed_login_can_be_repeated_on_the_same_socket(connect: Connect) -> None:
    client = connect()
    name = unique("alice")
    client.register(name)
    for _ in range(3):
        assert client.login(name, "wrong") == LOGIN_FAILED
    assert client.login(name)["status"] == "ok"


def test_a_failed_login_changes_nothing_for_who_is_logged_in(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    assert answer(alice, {"type": "login", "username": bob.name, "password": "wrong"}) == LOGIN_FAILED
    alice.send(say("still me"))
    seen = after(alice, bob)
    assert states(seen, alice.name, bob.name) == []
    assert contents(seen, alice.name) == ["still me"]


@pytest.mark.parametrize("start", ["Élève", "jean pierre", "a_b", "x", "O'Neil-3", "漢字", "name.with@signs"])
def test_names_that_people_have(connect: Connect, join: Join, start: str) -> None:
    alice, client = join("alice"), connect()
    name = unique(start)
    assert client.register(name)["status"] == "ok"
    assert client.login(name)["username"] == name
    assert name in users(alice)


def test_a_name_may_have_40_characters_and_no_more(connect: Connect) -> None:
    client = connect()
    name = unique("é").ljust(40, "x")
    assert client.register(name + "x")["code"] == "invalid_name"
    assert client.register(name)["status"] == "ok"
    assert client.login(name)["username"] == name


@pytest.mark.parametrize("password", ["x", "1234", "é€ \U0001f600", " ", "p" * 256, 'quo"te\\'])
def test_passwords_of_1_to_256_characters(connect: Connect, password: str) -> None:
    client = connect()
    name = unique("alice")
    assert client.register(name, password)["status"] == "ok"
    assert client.login(name, password + "x") == LOGIN_FAILED
    assert client.login(name, password)["status"] == "ok"


@pytest.mark.parametrize("password", ["", "p" * 257])
def test_other_passwords_are_refused(connect: Connect, password: str) -> None:
    assert connect().register(unique("alice"), password)["code"] == "invalid_field"


@pytest.mark.parametrize("control", ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b"])
def test_a_new_password_has_no_controls_and_a_login_with_one_fails_as_any_other(connect: Connect, control: str) -> None:
    client = connect()
    name = unique("alice")
    assert client.register(name)["status"] == "ok"
    refused = client.register(unique("bob"), f"a{control}b")
    assert refused["code"] == "invalid_text"
    assert f"U+{ord(control):04X}" in refused["message"]
    assert client.login(name, f"{control}azerty") == LOGIN_FAILED
    assert client.login(name)["status"] == "ok"


@pytest.mark.parametrize(("registered", "typed"), [("café", "cafe\u0301"), ("cafe\u0301", "café"), ("ａｂ", "ab")])
def test_a_password_is_the_same_in_every_unicode_form(connect: Connect, registered: str, typed: str) -> None:
    client = connect()
    name = unique("alice")
    assert client.register(name, registered)["status"] == "ok"
    assert client.login(name, typed)["status"] == "ok"


@pytest.mark.parametrize("password", ["cafe\u0301", "ａｂ", "a\x07b"], ids=ascii)
def test_a_password_that_an_older_server_hashed_as_typed_still_works(
    own_server: Callable[..., Server], tmp_path: Path, password: str
) -> None:
    digest = hashlib.scrypt(password.encode(), salt=b"salt", n=2, r=8, p=1, dklen=32)
    text = "$".join(["scrypt", "1", "8", "1", *(base64.b64encode(part).decode() for part in (b"salt", digest))])
    store = Store(tmp_path / "data")
    store.commit([], [Account("alice", "alice", text, "2026-01-01T00:00:00.000Z")])
    store.close()
    server = own_server()
    with Client((server.host, server.port)) as client:
        assert client.login("alice", password + "x") == LOGIN_FAILED
        assert client.login("alice", password) == {"type": "login", "status": "ok", "username": "alice"}


RESERVED = [
    "global", "serveur", "server", "système", "system", "admin", "invité", "all", "moi",
    "Serveur", "SYSTÈME", "systeme", "Invite", "ADMÌN", "Syste\u0300me", "ａｄｍｉｎ",
]
IMPOSSIBLE = ["", "a<b", "a>b", " bob", "bob ", "a\tb", "a\nb", "a\x1b[0m", "a\u200bb", "a\u202eb", "a\x7f", "a\xa0b"]


@pytest.mark.parametrize("name", RESERVED + IMPOSSIBLE)
def test_nobody_can_register_such_a_name(connect: Connect, name: str) -> None:
    assert connect().register(name)["code"] == "invalid_name"


@pytest.mark.parametrize("name", RESERVED + [name for name in IMPOSSIBLE if name])
def test_no_guest_can_have_such_a_name_and_none_loses_its_words(connect: Connect, join: Join, name: str) -> None:
    alice, client, text = join("alice"), connect(), unique("trust me")
    alice.pending()
    client.send(say(text, **{"from": name}), {"type": "status", "user": name, "state": "away"})
    assert errors(client.pending()) == []
    seen = alice.pending()
    assert about(seen, name) == []
    (number,) = (line["from"] for line in seen if line.get("content") == text)
    assert number.startswith("invité-")
    assert states(seen, number) == [(number, "online"), (number, "away")]
    assert name not in users(alice)


def test_an_account_may_be_logged_in_several_times(connect: Connect, join: Join) -> None:
    bob, one, two = join("bob"), join("alice"), connect()
    two.login(one.name)
    assert users(bob).count(one.name) == 1
    bob.send(say("to all of you"), private(one.name, "to both of you"))
    for session in (one, two):
        assert contents(after(bob, session), bob.name) == ["to all of you", "to both of you"]
    two.send(say("from the second"))
    assert contents(after(two, one), one.name) == ["from the second"]


def test_one_session_of_an_account_can_end_without_the_other(connect: Connect, join: Join) -> None:
    bob, one, two = join("bob"), join("alice"), connect()
    two.login(one.name)
    assert states(bob.pending(), one.name) == [(one.name, "online")]
    assert answer(two, {"type": "logout"}) == {"type": "logout", "status": "ok"}
    assert states(bob.pending(), one.name) == []
    one.close()
    bob.until(type="status", user=one.name, state="offline")
    assert one.name not in users(bob)


def test_logging_in_as_another_ends_the_first_identity(connect: Connect, join: Join) -> None:
    bob, client = join("bob"), join("alice")
    first, second = client.name, unique("anna")
    connect().register(second)
    bob.pending()
    credentials = {"username": second, "password": "azerty"}
    assert answer(client, {"type": "login", **credentials})["username"] == second
    client.send(say("who am I"))
    seen = after(client, bob)
    assert states(seen, first, second) == [(first, "offline"), (second, "online")]
    assert contents(seen, first, second) == ["who am I"]
    assert about(seen, second)[-1]["from"] == second
    assert first not in users(bob)


def test_logging_in_again_as_oneself_is_answered_and_announces_nothing(join: Join) -> None:
    bob, alice = join("bob"), join("alice")
    bob.pending()
    assert answer(alice, {"type": "login", "username": alice.name, "password": "azerty"})["status"] == "ok"
    assert states(after(alice, bob), alice.name) == []
    assert users(bob).count(alice.name) == 1


def test_logging_in_under_another_spelling(connect: Connect, join: Join) -> None:
    """The others see the account's own name; the session goes by the name that it gave."""
    bob, client = join("bob"), connect()
    name = unique("alice")
    client.register(name)
    assert client.login(name.upper()) == {"type": "login", "status": "ok", "username": name.upper()}
    client.send(say("hello"))
    seen = after(client, bob)
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == ["hello"]
    assert name in users(bob)
    own = users(client)
    assert name.upper() in own
    assert name not in own
    bob.send(private(name, "psst"))
    assert client.until(**{"from": bob.name})["to"] == name.upper()


def test_logout_ends_the_identity_and_keeps_the_connection(join: Join) -> None:
    bob, alice = join("bob"), join("alice")
    bob.pending()
    assert answer(alice, {"type": "logout"}) == {"type": "logout", "status": "ok"}
    assert states(bob.pending(), alice.name) == [(alice.name, "offline")]
    bob.send(say("not for her"))
    assert after(bob, alice) == []
    assert alice.ask({"type": "logout"})["code"] == "not_named"
    assert alice.login(alice.name)["status"] == "ok"
    assert states(bob.pending(), alice.name) == [(alice.name, "online")]


def test_disconnect_is_a_logout_without_an_answer(connect: Connect, join: Join) -> None:
    bob, alice = join("bob"), join("alice")
    bob.pending()
    alice.send({"type": "disconnect"}, {"type": "disconnect"})
    assert about(alice.pending(), alice.name, bob.name) == []
    assert states(bob.pending(), alice.name) == [(alice.name, "offline")]
    assert alice.login(alice.name)["status"] == "ok", "the connection stays"
    assert connect().ask('{"type":"disconnect"}\n{"type":"ping"}') == {"type": "pong"}, "nor an error"


def test_after_logout_a_nameless_message_is_a_guests(join: Join) -> None:
    bob, alice = join("bob"), join("alice")
    alice.send({"type": "logout"}, say("who says this?"))
    alice.pending()
    assert bob.until(content="who says this?")["from"] not in (alice.name, bob.name)


def test_a_guest_can_log_in(connect: Connect, join: Join) -> None:
    bob = join("bob")
    client, name = nameless(connect, bob), unique("alice")
    before = client.name
    client.send({"type": "register", "username": name, "password": "azerty"})
    client.until(type="register", status="ok")
    client.send({"type": "login", "username": name, "password": "azerty"})
    client.until(type="login", status="ok")
    assert states(bob.pending(), before, name) == [(before, "offline"), (name, "online")]


def test_the_fastest_known_requests_are_all_answered(join: Join) -> None:
    alice = join("alice")
    alice.send(*[{"type": "users"}] * 3)
    assert len([line for line in alice.pending() if line["type"] == "users"]) == 3
    for _ in range(200):
        alice.send({"type": "users"})
        alice.until(type="users")
    assert errors(alice.pending()) == []


def test_a_person_may_use_two_sockets(connect: Connect) -> None:
    """One client registers on its first socket, and logs in on another while it keeps the first."""
    first, second = connect(), connect()
    name = unique("alice")
    assert first.register(name)["status"] == "ok"
    assert second.login(name)["status"] == "ok"
    second.send(say("hello"))
    assert errors(second.pending()) == []
    assert first.pending() == []


def test_a_whole_class_behind_one_address_comes_at_once(address: Address) -> None:
    people = [unique("pupil") for _ in range(40)]
    faults: list[BaseException] = []
    everybody = threading.Barrier(len(people), timeout=60)

    def come(name: str) -> None:
        try:
            with Client(address) as idle, Client(address) as client:
                everybody.wait()
                assert idle.register(name) == {"type": "register", "status": "ok"}
                assert client.login(name) == {"type": "login", "status": "ok", "username": name}
                client.send(say("Bonjour"), {"type": "users"})
                client.until(type="users")
                everybody.wait()
                assert set(people) <= set(users(client))
                assert idle.pending() == []
                everybody.wait()
        except BaseException as fault:
            faults.append(fault)
            everybody.abort()

    threads = [threading.Thread(target=come, args=(name,)) for name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
