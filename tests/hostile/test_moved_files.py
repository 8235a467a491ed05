"""A person deletes, renames or replaces the files of a running server: it says so, and saves all it can."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from classcord.data.schema import VERSION
from tests.hostile.test_storage import OwnServer, heard, ids_go_on_above, lines, people, refused, register, stored
from tests.support import ROOT, Client, Server, fields

Change = Callable[[Path], Any]


def rename(data: Path) -> None:
    (data / "classcord.db").rename(data / "elsewhere.db")


def delete(data: Path) -> None:
    (data / "classcord.db").unlink()


def delete_all(data: Path) -> None:
    for path in data.glob("classcord.db*"):
        path.unlink()


def other_database(data: Path) -> None:
    """An empty database of ClassCord."""
    with closing(sqlite3.connect(data / "other.db")) as db, closing(sqlite3.connect(data / "classcord.db")) as old:
        for (statement,) in old.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version={VERSION}")
    (data / "other.db").rename(data / "classcord.db")


def empty_file(data: Path) -> None:
    (data / "empty").touch()
    (data / "empty").rename(data / "classcord.db")


def rename_folder(data: Path) -> None:
    data.rename(data.with_name("elsewhere"))


def replace_folder(data: Path) -> None:
    rename_folder(data)
    data.mkdir()
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE theirs (x)")


def delete_folder(data: Path) -> None:
    shutil.rmtree(data)


def file_for_folder(data: Path) -> None:
    rename_folder(data)
    data.touch()


CHANGES = [
    (rename, "is {data}/elsewhere.db now"), (delete, "was deleted"), (delete_all, "was deleted"),
    (other_database, "is not the file that the server opened"), (empty_file, "is not the file that the server opened"),
    (rename_folder, "is {data.parent}/elsewhere/classcord.db now"), (delete_folder, "was deleted"),
    (replace_folder, "is not the file that the server opened"), (file_for_folder, "elsewhere/classcord.db now"),
]


@pytest.mark.parametrize(("change", "cause"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_database_is_not_there_any_more(own_server: OwnServer, change: Change, cause: str) -> None:
    server = own_server()
    with people(server) as (bystanders, alice):
        assert register(server)["status"] == "ok"
        change(server.data)
        refused(server)
        line = fields(server.wait_log("event=storage_failed"))
        assert cause.format(data=server.data) in line["detail"]
        assert "restart the server" in line["hint"] or "move it back" in line["hint"]
        alice.send({"type": "message", "content": "still here"})
        alice.pending()
        bystanders.check(30)
        refused(server)
        assert server.stop() == 0
        waited = len(heard(bystanders))
    assert [line["event"] for line in map(fields, server.log) if line["event"].startswith(("storage", "checkp"))] == [
        "storage_failed"
    ], "reported once, and never called recovered"
    (lost,) = lines(server, "messages_lost")
    assert int(lost["count"]) >= waited
    if server.data.is_dir():
        assert not (server.data / "classcord.db").exists() or change in (other_database, empty_file, replace_folder)


@pytest.mark.parametrize(("away", "back"), [
    (rename, lambda data: (data / "elsewhere.db").rename(data / "classcord.db")),
    (rename_folder, lambda data: data.with_name("elsewhere").rename(data)),
    (other_database, None),
], ids=["file", "folder", "another meanwhile"])
def test_the_very_file_comes_back(own_server: OwnServer, away: Change, back: Change | None) -> None:
    server = own_server()
    with people(server) as (bystanders, alice):
        if back is None:
            os.link(server.data / "classcord.db", server.data / "same")
        away(server.data)
        refused(server)
        alice.send(*({"type": "message", "content": f"word {number}"} for number in range(100)))
        alice.pending()
        bystanders.check()
        if back is None:
            (server.data / "same").rename(server.data / "classcord.db")
        else:
            back(server.data)
        assert fields(server.wait_log("event=storage_recovered"))["lost"] == "0"
        assert register(server)["status"] == "ok"
        bystanders.check()
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        got = heard(bystanders)
    found = dict(stored(server.data))
    assert all(found[line["id"]] == line["content"] for line in got)


def test_a_deleted_database_comes_back_with_the_command_in_the_log(own_server: OwnServer) -> None:
    server = own_server()
    with people(server) as (bystanders, alice):
        alice.send({"type": "message", "content": "before"})
        alice.pending()
        bystanders.check()
        delete_all(server.data)
        refused(server)
        hint = fields(server.wait_log("event=storage_failed"))["hint"]
        command = re.match(r"copy it back with: (.*?)\. Then restart", hint)
        assert command, hint
        subprocess.run(command[1], shell=True, check=True)
        server.wait_log("event=storage_failed .*is not the file that the server opened")
        assert server.stop() == 0
        names = [alice.name, bystanders.one.name, bystanders.two.name]
        seen = max(line["id"] for line in heard(bystanders))
    again = own_server()
    assert "before" in [text for _, text in stored(server.data)]
    with people(again) as (bystanders, alice):
        for name in names:
            with Client((again.host, again.port)) as client:
                assert client.login(name)["status"] == "ok"
        alice.send({"type": "message", "content": "after"})
        alice.pending()
        bystanders.check(1)
        assert all(line["id"] > seen for line in heard(bystanders))


def copy_of_other(data: Path) -> None:
    shutil.copyfile(data / "other.db", data / "classcord.db")


def copy_of_backup(data: Path) -> None:
    """A copy that was made before the server started."""
    shutil.copyfile(data / "backup", data / "classcord.db")


def emptied(data: Path) -> None:
    os.truncate(data / "classcord.db", 0)


def garbage(data: Path) -> None:
    (data / "classcord.db").write_bytes(b"garbage" * 10000)


@pytest.mark.parametrize("change", [copy_of_other, copy_of_backup, emptied, garbage])
def test_a_database_that_is_written_over_in_place(own_server: OwnServer, change: Change) -> None:
    """The server writes neither its log nor its pages into the new file."""
    first = own_server()
    with people(first):
        subprocess.run(
            [sys.executable, str(ROOT / "server.py"), "backup", "--data", str(first.data), str(first.data / "backup")],
            check=True, capture_output=True,
        )
    assert first.stop() == 0
    server = own_server()
    with people(server) as (bystanders, alice):
        with closing(sqlite3.connect(server.data / "other.db")) as db:
            db.execute("CREATE TABLE theirs (x)")
        alice.send({"type": "message", "content": "before"})
        alice.pending()
        bystanders.check()
        change(server.data)
        put = (server.data / "classcord.db").read_bytes()
        refused(server)
        assert "another program has overwritten" in server.wait_log("event=storage_failed")
        bystanders.check(20)
        assert server.stop() == 0
        seen = max(line["id"] for line in heard(bystanders))
    assert len(lines(server, "storage_failed")) == 1
    assert lines(server, "messages_lost")
    assert (server.data / "classcord.db").read_bytes() == put
    log = server.data / "classcord.db-wal"
    assert not log.exists() or log.stat().st_size == 0, "at the next start SQLite would apply it to what was put there"
    with closing(sqlite3.connect(server.data / "classcord.db")) as db:
        if change is garbage:
            with pytest.raises(sqlite3.DatabaseError):
                db.execute("SELECT * FROM sqlite_master")
        else:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            ours = {
                "accounts", "audience_spans", "audit", "bans", "closed_channels", "message_rows", "senders", "waiting"
            }
            wanted = {"copy_of_other": {"theirs"}, "copy_of_backup": ours, "emptied": set()}
            assert tables == wanted[change.__name__]
    if change in (copy_of_backup, emptied):
        ids_go_on_above(seen, own_server())


def test_checkpoints_and_other_programs_that_behave_are_not_taken_for_faults(own_server: OwnServer) -> None:
    server = own_server()
    with people(server) as (bystanders, _), closing(sqlite3.connect(server.data / "classcord.db")) as db:
        for number in range(5):
            db.execute("UPDATE messages SET content = content")
            db.commit()
            db.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if number % 2 else 'PASSIVE'})").fetchone()
            os.utime(server.data / "classcord.db")
            assert register(server)["status"] == "ok"
            bystanders.check()
        db.execute("VACUUM")
        assert register(server)["status"] == "ok"
        bystanders.check()
        assert server.stop() == 0
        got = heard(bystanders)
    found = dict(stored(server.data))
    assert all(found[line["id"]] == line["content"] for line in got)
    assert not [line for line in server.log if "event=storage" in line]


def test_a_file_that_goes_twice_is_complete_each_time(own_server: OwnServer) -> None:
    server = own_server()
    with people(server) as (bystanders, _):
        for number in range(3):
            rename(server.data)
            refused(server)
            assert stored_in(server.data / "elsewhere.db") >= 6 * number, "the messages from between are in it too"
            if number < 2:
                (server.data / "elsewhere.db").rename(server.data / "classcord.db")
                assert register(server)["status"] == "ok"
                bystanders.check()


def stored_in(path: Path) -> int:
    """Messages in a database file alone, without its companion files."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM messages").fetchone()
        return int(count)


def stopped(server: Server) -> None:
    """Stop it until SIGCONT: between two steps of a test it would repair the files."""
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize("deleted", [["-wal"], ["-shm"], ["-wal", "-shm"]], ids="".join)
@pytest.mark.parametrize("other", ["nobody", "reader", "backup"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_deleted_log_is_saved(own_server: OwnServer, deleted: list[str], other: str, number: int) -> None:
    server = own_server()
    with people(server) as (bystanders, alice):
        stopped(server)
        for suffix in deleted:
            (server.data / f"classcord.db{suffix}").unlink()
        server.process.send_signal(signal.SIGCONT)
        if other == "reader":  # makes new files under these names, and may find nothing in them
            with closing(sqlite3.connect(server.data / "classcord.db")) as db:
                try:
                    db.execute("SELECT count(*) FROM messages").fetchone()
                except sqlite3.Error:
                    pass
        elif other == "backup":
            command = [sys.executable, str(ROOT / "server.py"), "backup", "--data", str(server.data)]
            subprocess.run([*command, str(server.data / "copy")], capture_output=True, check=False)
        name = f"registered {other}"
        with Client((server.host, server.port)) as client:
            answer = client.register(name)
        server.wait_log("event=storage_repaired .*was deleted")
        alice.send({"type": "message", "content": "after"})
        alice.pending()
        bystanders.check()
        assert register(server)["status"] == "ok"
        with closing(sqlite3.connect(server.data / "classcord.db")) as db:
            assert "after" in [text for (text,) in db.execute("SELECT content FROM messages")], "all can read it"
        assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
        got = heard(bystanders)
    found = dict(stored(server.data))
    assert all(found[line["id"]] == line["content"] for line in got)
    again = own_server()
    with Client((again.host, again.port)) as client:
        assert (client.login(name)["type"] == "login") == (answer.get("status") == "ok")
    assert sum("storage_failed" in line for line in server.log) <= 1


@pytest.mark.parametrize("stays", [True, False])
def test_a_log_that_another_program_has_replaced(own_server: OwnServer, stays: bool) -> None:
    """It wrote to the same database without the content of the deleted log. Merging both would damage the database."""
    first = own_server()
    with people(first) as (bystanders, _):
        bystanders.check()
    assert first.stop() == 0
    server = own_server()
    with people(server) as (bystanders, _):
        stopped(server)
        for suffix in ("-wal", "-shm"):
            (server.data / f"classcord.db{suffix}").unlink()
        with closing(sqlite3.connect(server.data / "classcord.db")) as db:
            db.execute("CREATE TABLE theirs (x)")
            db.executemany("INSERT INTO theirs VALUES (?)", [("x" * 1000,)] * 50)
            db.commit()
            server.process.send_signal(signal.SIGCONT)
            refused(server)
            line = fields(server.wait_log("event=storage_failed"))
            assert "another program" in line["detail"]
            assert "restart" in line["hint"]
            bystanders.check()
            if not stays:
                db.close()
            assert server.stop() == 0
        assert lines(server, "messages_lost")
    with closing(sqlite3.connect(server.data / "classcord.db")) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM theirs").fetchone() == (50,)
    again = own_server()
    assert again.stop() == 0


def test_a_database_with_a_log_is_put_in_the_place(own_server: OwnServer, tmp_path: Path) -> None:
    """SQLite deletes the log under its name when the server ends, also if it is another's: this one is left alone."""
    server = own_server()
    with people(server) as (bystanders, _), closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE theirs (x)")
        db.execute("INSERT INTO theirs VALUES (1)")
        db.commit()
        rename_folder(server.data)
        server.data.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(tmp_path / f"other.db{suffix}", server.data / f"classcord.db{suffix}")
        refused(server)
        bystanders.check()
        assert server.stop() == 0
    with closing(sqlite3.connect(server.data / "classcord.db")) as db:
        assert db.execute("SELECT x FROM theirs").fetchall() == [(1,)]
