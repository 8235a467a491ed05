"""Messages that wait for an account that is away, in a running server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.functional.lines import Connect, Join, notices, private
from tests.functional.test_console import admin
from tests.support import Client, Message, Server, member, say, unique


def waited(client: Client, *contents: str) -> list[Message]:
    """The messages that have waited: these contents, in this order, and nothing private in between."""
    got: list[Message] = []
    while len(got) < len(contents):
        line = client.receive()
        if line.get("offline"):
            got.append(line)
    assert [line["content"] for line in got] == list(contents)
    return got


def away(join: Join, connect: Connect, name: str) -> str:
    """The name of an account whose person has left."""
    bob = join(name)
    observer = join("observer")
    observer.pending()
    bob.close()
    observer.until(type="status", user=bob.name, state="offline")
    return bob.name


def test_they_wait_and_come_after_the_list_with_their_own_time(join: Join, connect: Connect) -> None:
    name, alice = away(join, connect, "bob"), join("alice")
    alice.pending()
    alice.send(private(name, "Salut é"), say(f"/msg {name} deux"), {"type": "private", "to": name, "content": "trois"})
    told = [line["content"] for line in alice.pending() if line.get("from") == "Serveur"]
    assert told == [f"« {name} » n'est pas là : votre message lui sera remis à son retour."] * 3
    bob = connect()
    assert bob.login(name)["status"] == "ok"
    assert not any(line.get("offline") for line in bob.pending())
    assert bob.ask({"type": "users"})["type"] == "users"
    lines = waited(bob, "Salut é", "deux", "trois")
    first = lines[0]
    assert set(first) == {"type", "subtype", "from", "to", "content", "timestamp", "id", "offline"}
    assert (first["type"], first["subtype"], first["from"], first["to"]) == ("message", "private", alice.name, name)
    assert [line["id"] for line in lines] == sorted({line["id"] for line in lines})
    assert all(datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")) for line in lines)
    bob.send({"type": "users"})
    assert not any(line.get("offline") for line in bob.pending())


def test_the_type_private_is_for_those_who_speak_it(join: Join, connect: Connect) -> None:
    name, alice = away(join, connect, "bob"), join("alice")
    alice.send(private(name, "psst"))
    alice.until(**{"from": "Serveur"})
    bob = connect()
    bob.login(name)
    bob.send({"type": "who", "channel": "global"})
    assert waited(bob, "psst")[0]["type"] == "private"


def test_to_an_unknown_name_nothing_is_kept(join: Join, connect: Connect) -> None:
    name, alice = unique("later"), join("alice")
    alice.send(private(name, "psst"))
    assert "ne lui a pas été remis" in notices(alice.pending())[0]["content"]
    later = connect()
    later.register(name)
    later.login(name)
    later.send({"type": "users"})
    assert not any(line.get("offline") for line in later.pending())


def test_they_wait_over_a_restart_and_deleted_ones_do_not_come(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        address = server.host, server.port
        with member(address, "alice") as alice:
            with member(address, "bob"):
                pass
            alice.until(type="status", user="bob", state="offline")
            alice.send(*(private("bob", text) for text in "abc"))
            assert len(notices(alice.pending())) == 3
        server.stop()
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        db.execute("DELETE FROM messages WHERE content = 'b'")
        db.commit()
        assert db.execute("SELECT count(*) FROM waiting").fetchone() == (2,)
    with Server(tmp_path) as server, Client((server.host, server.port)) as bob:
        bob.login("bob")
        bob.send({"type": "users"})
        waited(bob, "a", "c")


@pytest.mark.parametrize("keep", [True, False], ids=["--keep-accounts", ""])
def test_a_new_class_has_none(tmp_path: Path, keep: bool) -> None:
    with Server(tmp_path) as server:
        address = server.host, server.port
        with member(address, "alice") as alice, member(address, "carla") as carla:
            with member(address, "bob"):
                pass
            alice.until(type="status", user="bob", state="offline")
            alice.send(private("bob", "a"))
            assert "à son retour" in alice.until(**{"from": "Serveur"})["content"]
            assert admin(tmp_path, "new-class", *(["--keep-accounts"] if keep else [])).returncode == 0
            carla.at_end()
        with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
            assert db.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
        with Client(address) as bob:
            if not keep:
                bob.register("bob")
            bob.login("bob")
            bob.send({"type": "users"})
            assert not any(line.get("offline") for line in bob.pending())


def test_what_an_ignored_person_wrote_does_not_come_but_stays_in_the_history(join: Join, connect: Connect) -> None:
    alice, zoe, bob = join("alice"), join("zoe"), join("bob")
    bob.send({"type": "ignore", "user": alice.name}, {"type": "logout"})
    bob.until(type="logout")
    alice.send(private(bob.name, "ignoré"))
    alice.pending()
    zoe.send(private(bob.name, "lu"))
    zoe.pending()
    alice.send(private(bob.name, "encore"))
    assert [line["from"] for line in alice.pending() if line["type"] == "message"] == ["Serveur"], "she is not told"
    zoe.send(private(bob.name, "fin"))
    zoe.pending()
    bob.login(bob.name)
    bob.send({"type": "users"})
    waited(bob, "lu", "fin")
    bob.send({"type": "ignore", "user": alice.name}, {"type": "users"}, {"type": "history", "with": alice.name})
    assert [bob.until(history=True)["content"] for _ in range(2)] == ["ignoré", "encore"]
