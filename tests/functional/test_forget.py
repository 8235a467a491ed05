"""`server.py forget`: afterwards nothing of the person is in the files of the database."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from classcord.data import forget
from classcord.data.remedies import StoreError
from classcord.data.search import SEARCH
from tests.functional.test_console import admin
from tests.support import DEADLINE, Client, Server, fields, member, say
from tests.unit.test_backup import refused
from tests.unit.test_command_line import SERVER

OwnServer = Callable[..., Server]
Done = subprocess.CompletedProcess[bytes]
SECRETS = ("sesame-global", "sesame-sent", "sesame-received")
GUESTS = ("sesame-guest", "sesame-variant")


def run(data: Path, *words: str) -> Done:
    return subprocess.run(
        [*SERVER, "forget", *words, "--data", str(data)], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=DEADLINE, check=False,
    )


def holds(data: Path) -> list[str]:
    """The secrets that are in the bytes of a file there."""
    found = b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())
    return [secret for secret in (*SECRETS, *GUESTS) if secret.encode() in found]


def contents(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        return [row[0] for row in db.execute("SELECT content FROM messages ORDER BY id")]


def chat(server: Server) -> None:
    """Alice writes to everybody and to bob, bob to her; guests have her name before and after she registers."""
    address = (server.host, server.port)
    with Client(address) as early, Client(address) as late, member(address, "bob") as bob:
        early.send(say("sesame-guest", **{"from": "alice"}))
        early.pending()
        early.send({"type": "logout"})
        early.pending()
        with member(address, "alice") as alice:
            for each in (alice, bob):
                each.send({"type": "users"})
            late.send(say("sesame-variant", **{"from": "Alice"}))
            late.pending()
            for number in range(200):  # pages are split, and parts of rows are left behind
                alice.send(say(f"sesame-global {number} " + "x" * (number * 7 % 900)))
                bob.send(say(f"bob's own {number} " + "y" * (number * 11 % 900)))
                if number % 50 == 0:
                    alice.pending()
                    bob.pending()
            alice.send({"type": "message", "subtype": "private", "to": "bob", "content": "sesame-sent"})
            alice.pending()
            bob.send({"type": "message", "subtype": "private", "to": "ALICE", "content": "sesame-received"})
            bob.send(say("Alice is away"))
            bob.pending()
            alice.pending()


@pytest.fixture
def data(own_server: OwnServer, tmp_path: Path) -> Path:
    """The folder of a server that was killed: its last messages are in the write-ahead log."""
    server = own_server()
    chat(server)
    server.process.kill()
    server.wait()
    folder = tmp_path / "data"
    assert holds(folder) == [*SECRETS, *GUESTS]
    assert (folder / "classcord.db-wal").stat().st_size > 0
    return folder


def test_account_and_messages_are_gone_to_the_last_byte(data: Path) -> None:
    (data / SEARCH).write_bytes(b"sesame-sent")  # whether the server had time for its index or not
    done = run(data, "alice", "--yes")
    assert done.returncode == 0, done.stderr
    assert holds(data) == list(GUESTS)
    log, said = done.stderr.decode().splitlines()
    assert re.search(r" WARNING event=forgotten user=\"alice\" sent=201 received=1 by=\S+$", log)
    assert said == (
        f"{data}: deleted: the account alice, 201 messages of it, 1 private messages to it; 2 messages of guests with"
        " this name stay; backups made before still have what was deleted"
    )
    left = contents(data)
    assert len(left) == 203
    assert left[-1] == "Alice is away"
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        assert db.execute("SELECT name FROM accounts").fetchall() == [("bob",)]
        assert db.execute("SELECT name FROM senders WHERE NOT guest").fetchall() == [("bob",)]
        audit = db.execute("SELECT actor, action, target, seconds, reason FROM audit").fetchall()
        (by, *row), = audit
        assert (re.fullmatch(r"\(console \S+\)", by) is not None, row) == (True, ["forget", "alice", None, ""])
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Server(data) as server, Client((server.host, server.port)) as client:
        assert client.login("alice")["code"] == "login_failed"
        assert client.login("bob")["status"] == "ok"
        client.send(say("it goes on"))
        client.pending()
    assert contents(data)[-1] == "it goes on"


def test_messages_that_wait_go_too(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "carla") as carla:
        for name in ("alice", "bob"):
            with member(address, name):
                pass
            carla.until(type="status", user=name, state="offline")
        with Client(address) as alice:
            alice.login("alice")
            alice.send({"type": "message", "subtype": "private", "to": "bob", "content": "sesame-sent"})
            assert "à son retour" in alice.until(**{"from": "Serveur"})["content"]
        carla.until(type="status", user="alice", state="offline")
        for name, content in (("alice", "sesame-received"), ("bob", "this one stays")):
            carla.send({"type": "message", "subtype": "private", "to": name, "content": content})
            assert "à son retour" in carla.until(**{"from": "Serveur"})["content"]
    server.stop()
    data = tmp_path / "data"
    assert run(data, "alice", "--yes").returncode == 0
    assert holds(data) == []
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        assert db.execute("SELECT recipient FROM waiting").fetchall() == [("bob",)]
    with Server(data) as again, Client((again.host, again.port)) as bob:
        bob.login("bob")
        bob.send({"type": "users"})
        assert bob.until(offline=True)["content"] == "this one stays"


def test_the_ban_goes_too_and_the_reasons_of_the_audit(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    with member((server.host, server.port), "Alice"), member((server.host, server.port), "bob"):
        for name in ("alice", "bob"):
            assert admin(server.data, "ban", name, "30d", "sesame-reason", name).returncode == 0
    assert server.stop() == 0
    data = tmp_path / "data"
    assert run(data, "alice", "--yes").returncode == 0
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        assert db.execute("SELECT target FROM bans").fetchall() == [("bob",)]
        rows = db.execute("SELECT action, target, reason FROM audit ORDER BY time").fetchall()
        assert rows == [("ban", "Alice", ""), ("ban", "bob", "sesame-reason bob"), ("forget", "alice", "")]
    assert not any(b"sesame-reason alice" in path.read_bytes() for path in data.iterdir() if path.is_file())
    server = own_server()
    with member((server.host, server.port), "alice") as alice:  # another person with this name
        assert alice.ask({"type": "ping"}) == {"type": "pong"}


def test_guests_with_the_name_too_when_asked_for(data: Path) -> None:
    done = run(data, "ALICE ", "--guests", "--yes")
    assert done.returncode == 0, done.stderr
    assert holds(data) == []
    assert fields(done.stderr.decode().splitlines()[0])["as_guest"] == "2"
    assert "2 messages of guests with this name;" in done.stderr.decode()


def test_guests_after_the_account_is_gone(data: Path) -> None:
    assert run(data, "alice", "--yes").returncode == 0
    assert "2 messages of guests with this name: add --guests" in refused(1, run(data, "alice", "--yes"))
    assert run(data, "alice", "--yes", "--guests").returncode == 0
    assert holds(data) == []
    refused(1, run(data, "alice", "--yes", "--guests"))


@pytest.mark.parametrize("name", ["carol", "", " ", "x" * 10_000, "a" + "\u0301" * 1000, "%", "'; DROP TABLE accounts"])
def test_a_name_that_nobody_has_changes_nothing(data: Path, name: str) -> None:
    before = contents(data)
    assert "there is no account" in refused(1, run(data, name, "--yes"))
    assert contents(data) == before


def test_without_a_terminal_it_wants_yes(data: Path) -> None:
    assert "--yes" in refused(2, run(data, "alice"))
    assert "--help" in refused(2, run(data))
    assert "--data" in refused(78, run(data / "none", "alice", "--yes"))


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("no\n", 1), ("\n", 1), ("\x04", 1)])
def test_at_a_terminal_it_asks(data: Path, typed: str, code: int) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*SERVER, "forget", "alice", "--data", str(data)], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Type yes: " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, typed.encode())
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:
            pass  # the other end is closed
        assert process.wait(DEADLINE) == code
        os.close(ours)
    assert (b"anew..." in shown) == (code == 0)
    assert b"Delete the account alice, 201 messages of it, 1 private messages to it, for ever? Type yes: " in shown
    assert holds(data) == ([*SECRETS, *GUESTS] if code else list(GUESTS))


def test_a_running_server_must_stop_first(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        assert f"type: kill {server.pid}" in refused(78, run(tmp_path / "data", "alice", "--yes"))
        assert alice.pending() == []


def test_a_disk_that_is_too_full_is_told_before_anything_is_deleted(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classcord.data.forget.shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(StoreError, match="Nothing was changed"):
        forget.check_space(data)


def test_another_reader_keeps_parts_of_the_file_and_that_is_said(data: Path) -> None:
    with (
        closing(sqlite3.connect(data / "classcord.db", isolation_level=None)) as reader,
        closing(sqlite3.connect(data / "classcord.db", isolation_level=None, timeout=0)) as db,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        traces = forget.find(db, "alice".__eq__, "alice".__eq__, guests=False)
        forget.delete(db, traces, "alice", "(console)")
        with pytest.raises(StoreError, match=r"may still be in it; .* type: sqlite3 .*/classcord.db VACUUM"):
            forget.rewrite(db, data)
    assert not [content for content in contents(data) if "sesame-g" in content and content not in GUESTS]
