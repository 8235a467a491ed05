"""People change their own password: by JSON and by typing. It is stored first, and seen by nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.functional.lines import Connect, Join, after, answer, contents
from tests.functional.test_channels_typed import typed
from tests.support import Client, Server, member, say

OwnServer = Callable[..., Server]
OK = {"type": "password", "status": "ok"}


def change(client: Client, old: str, new: str) -> object:
    """`ok`, or the code of the error."""
    line = answer(client, {"type": "password", "old": old, "new": new})
    return "ok" if line == OK else line["code"]


def logs_in(connect: Connect, name: str, password: str) -> bool:
    return bool(connect().ask({"type": "login", "username": name, "password": password})["type"] == "login")


@pytest.mark.parametrize("way", ["json", "/motdepasse", "/mdp", "/password"])
def test_the_new_one_counts_from_the_answer_on_and_the_sessions_stay(connect: Connect, join: Join, way: str) -> None:
    alice, second, bob = join("alice"), connect(), join("bob")
    second.login(alice.name)
    if way == "json":
        assert change(alice, "azerty", "qsdfgh") == "ok"
    else:
        assert "est changé" in typed(alice, f"{way} azerty qsdfgh")
    assert (logs_in(connect, alice.name, "azerty"), logs_in(connect, alice.name, "qsdfgh")) == (False, True)
    second.send(say("encore là"))
    assert contents(after(second, bob), alice.name) == ["encore là"]
    assert (change(second, "azerty", "x"), change(second, "qsdfgh", "azerty")) == ("login_failed", "ok")


@pytest.mark.parametrize(("old", "new", "code"), [
    ("faux", "qsdfgh", "login_failed"), ("", "qsdfgh", "login_failed"), ("a" * 5000, "q", "login_failed"),
    ("azerty", "", "invalid_field"), ("azerty", "q" * 257, "invalid_field"), ("azerty", "q\tx", "invalid_text"),
])
def test_what_is_refused_changes_nothing(connect: Connect, join: Join, old: str, new: str, code: str) -> None:
    alice = join("alice")
    assert change(alice, old, new) == code
    assert logs_in(connect, alice.name, "azerty")


def test_a_guest_has_no_password_to_change(connect: Connect, join: Join) -> None:
    assert change(connect(), "azerty", "qsdfgh") == "not_named"
    guest = connect()
    guest.send(say("/motdepasse azerty qsdfgh"))
    (line,) = [line for line in guest.pending() if line.get("from") == "Serveur"]
    assert "demande un compte" in line["content"]


def test_what_is_typed_wrong_is_told_and_relayed_to_nobody(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    for text in ("/motdepasse", "/motdepasse azerty", "/motdepasse a b c", "/motdepasse:azerty:qsdfgh"):
        told = typed(alice, text)
        assert told.startswith("/motdepasse ANCIEN NOUVEAU")
        assert "azerty" not in told
    assert "pas le bon" in typed(alice, "/motdepasse faux qsdfgh")
    assert "256" in typed(alice, f"/motdepasse azerty {'q' * 300}")
    assert contents(after(alice, bob), alice.name, "Serveur") == []


def test_nobody_sees_a_password_anywhere(own_server: OwnServer) -> None:
    server = own_server("--log-level", "debug")
    address = (server.host, server.port)
    with closing(member(address, "alice")) as alice:
        assert change(alice, "azerty", "s3cr3t-1") == "ok"
        assert "est changé" in typed(alice, "/motdepasse s3cr3t-1 s3cr3t-2")
        typed(alice, "/motdepasse s3cr3t-1 s3cr3t-3")
        typed(alice, "/motdepase s3cr3t-2 s3cr3t-3")
        assert change(alice, "s3cr3t-2", "s3cr3t\t4") == "invalid_text"
        alice.ask("/motdepasse s3cr3t-2 s3cr3t-5")
        assert 'user="alice"' in server.wait_log("event=password_changed")
    assert server.stop() == 0
    assert "s3cr3t" not in "\n".join(server.log)
    with closing(sqlite3.connect(server.data / "classcord.db")) as database:
        assert "s3cr3t" not in "\n".join(database.iterdump())
    with Server(server.data) as again, Client((again.host, again.port)) as client:
        assert client.login("alice", "s3cr3t-2")["status"] == "ok", "it is stored"


def test_two_connections_at_once_change_it_once(connect: Connect, join: Join) -> None:
    alice, second = join("alice"), connect()
    second.login(alice.name)
    for client, new in ((alice, "one"), (second, "two")):
        client.send({"type": "password", "old": "azerty", "new": new})
    kinds = [next(line for line in client.pending() if line["type"] in ("password", "error"))["type"]
             for client in (alice, second)]
    assert sorted(kinds) == ["error", "password"]
    new = "one" if kinds[0] == "password" else "two"
    assert logs_in(connect, alice.name, new)
