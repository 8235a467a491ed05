"""`admin new-class`: a backup, then a server without messages, guests and pupils."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from classcord.data.search import SEARCH
from tests.functional.test_console import admin, answer
from tests.support import Client, Server, member, say

OwnServer = Callable[..., Server]


def stored(path: Path) -> tuple[list[str], list[str], list[str]]:
    """The contents, the accounts and the senders in a database."""
    with closing(sqlite3.connect(path)) as db:
        found = [
            [str(row[0]) for row in db.execute(f"SELECT {column} FROM {table} ORDER BY 1")]
            for column, table in (("content", "messages"), ("name", "accounts"), ("name", "senders"))
        ]
    return found[0], found[1], found[2]


def test_a_new_class(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    address = (server.host, server.port)
    archive = tmp_path / "2nde.db"
    with member(address, "prof") as prof, member(address, "alice") as alice, Client(address) as guest:
        assert admin(server.data, "promote", "prof").returncode == 0
        alice.send(*(say(str(number)) for number in range(3)))
        guest.send(say("coucou", **{"from": "carla"}))
        prof.until(content="coucou")
        admin(server.data, "silence")
        done = admin(server.data, "new-class", "--archive", str(archive))
        assert (done.returncode, done.stdout) == (0, "a new class may come; accounts removed: 1\n"), done
        assert done.stderr == f"{archive}: accounts: 2, messages: 4\n"
        for client in (alice, guest):
            assert "Une nouvelle classe commence" in client.at_end().decode("unicode_escape")
        prof.pending()
        assert prof.ask({"type": "users"})["users"] == ["prof"]
        prof.send(say("Bienvenue"))
        prof.pending()
        assert stored(archive) == (["0", "1", "2", "coucou"], ["alice", "prof"], ["alice", "carla"])
        assert stat.S_IMODE(archive.stat().st_mode) == 0o600
        assert stored(server.data / "classcord.db") == (["Bienvenue"], ["prof"], ["prof"])
        with Client(address) as again:
            assert again.login("alice")["code"] == "login_failed"
            assert again.register("alice")["status"] == "ok", "the name is free"
            assert again.login("alice")["status"] == "ok"
            again.send(say("me voilà"))
            assert prof.until(type="message")["id"] == 6, "ids go on"
        done = admin(server.data, "new-class", "--archive", str(archive))
        assert (done.returncode, "exists already" in done.stderr) == (1, True), done
        assert stored(server.data / "classcord.db")[0] == ["Bienvenue", "me voilà"], "no backup, no new class"
    assert server.stop() == 0
    server = own_server()
    with Client((server.host, server.port)) as client:
        assert client.login("prof")["status"] == "ok"
        assert client.login("alice")["status"] == "ok"


def test_accounts_may_be_kept_and_the_archive_is_in_the_data_folder_by_default(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        alice.send(say("un"))
        alice.pending()
        assert admin(server.data, "new-class", "--keep-accounts").returncode == 0
        alice.at_end()
    (archive,) = server.data.glob("class-*Z.db")
    assert stored(archive)[0] == ["un"]
    assert stored(server.data / "classcord.db") == ([], ["alice"], [])
    with Client((server.host, server.port)) as again:
        assert again.login("alice")["status"] == "ok"


def test_the_channels_are_those_of_the_settings_again(own_server: OwnServer) -> None:
    server = own_server("--channels", "dev,tp")
    address = (server.host, server.port)
    with member(address, "prof") as prof, member(address, "alice") as alice:
        assert admin(server.data, "promote", "prof").returncode == 0
        alice.send({"type": "join", "channel": "#jeux"}, {"type": "join", "channel": "#club"})
        alice.pending()
        for name in ("#général", "#dev", "#jeux"):
            prof.send({"type": "join", "channel": name}, {"type": "topic", "channel": name, "topic": "la classe 2A"})
        prof.pending()
        for name in ("tp", "club"):
            assert admin(server.data, "close-channel", name).returncode == 0
        assert admin(server.data, "new-class").returncode == 0
        alice.at_end()
        for more in (["#jeux"], [], []):  # the teacher is in it, has left it, and after a restart
            rows = answer(server, "channels")["channels"]
            assert [row["channel"] for row in rows] == ["#général", "#dev", "#tp", "#admin", *more]
            assert {row["topic"] for row in rows} == {""}
            assert [row["channel"] for row in rows if row["closed"]] == ["#admin"]
            if more:
                prof.send({"type": "leave", "channel": "#jeux"})
                prof.pending()
            else:
                assert server.stop() == 0
                server = own_server("--channels", "dev,tp")


def test_a_guest_of_the_next_class_is_not_ignored_for_one_of_the_last(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "prof") as prof, Client(address) as guest:
        assert admin(server.data, "promote", "prof").returncode == 0
        guest.send(say("coucou", **{"from": "carla"}))
        prof.until(content="coucou")
        assert prof.ask({"type": "ignore", "user": "carla"})["users"] == ["carla"]
        assert admin(server.data, "new-class").returncode == 0
        guest.at_end()
        with Client(address) as other:
            other.send(say("bonjour", **{"from": "carla"}))
            other.pending()
            assert "bonjour" in [line.get("content") for line in prof.pending()]


def test_the_bans_of_accounts_go_with_them(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "prof"), member(address, "bob"):
        assert admin(server.data, "promote", "prof").returncode == 0
        for words in (["bob", "30d"], ["prof", "30d"], ["10.99.0.5", "30d"]):
            assert admin(server.data, "ban", *words).returncode == 0
    assert admin(server.data, "new-class", "--keep-accounts").returncode == 0
    with Client(address) as client:
        assert client.login("bob")["code"] == "banned", "the account is the same"
    assert admin(server.data, "new-class", "--archive", str(server.data / "two.db")).returncode == 0
    for round in range(2):
        left = [ban["target"] for ban in answer(server, "bans")["bans"]]
        assert left == ["prof", "10.99.0.5"]
        with Client((server.host, server.port)) as client:
            assert client.register("bob")["code" if round else "status"] == ("name_exists" if round else "ok")
            assert client.login("bob")["status"] == "ok", "another bob"
        assert server.stop() == 0
        server = own_server()


def test_many_messages_are_deleted_while_others_write(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    assert server.stop() == 0
    with closing(sqlite3.connect(server.data / "classcord.db")) as db:
        db.execute("INSERT INTO senders VALUES (1, 'x', 0)")
        db.executemany("INSERT INTO message_rows VALUES (?, 0, 1, NULL, 'a', NULL)", ((n,) for n in range(1, 50_001)))
        db.commit()
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        done = admin(server.data, "new-class", "--archive", str(tmp_path / "a.db"), "--keep-accounts")
        assert done.returncode == 0, done
        alice.at_end()
    assert stored(server.data / "classcord.db")[0] == []
    assert len(stored(tmp_path / "a.db")[0]) == 50_000


def test_wrong_words(own_server: OwnServer) -> None:
    server = own_server()
    for words in (["x"], ["--archive"], ["--archive", "-"], ["--archive", "a", "b"]):
        done = admin(server.data, "new-class", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), words
    assert {path.name for path in server.data.glob("*.db")} <= {"classcord.db", SEARCH}
