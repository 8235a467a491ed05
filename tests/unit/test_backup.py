"""`server.py backup` and `server.py restore`, as an operator runs them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from classcord.data.search import SEARCH
from tests.support import DEADLINE, ROOT, Client, Server, member, unique
from tests.unit.test_command_line import SERVER

OwnServer = Callable[..., Server]


def run(name: str, folder: Path, file: Path | str, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SERVER, name, "--data", str(folder), str(file)], input=input, capture_output=True, timeout=DEADLINE,
        check=False,
    )


def refused(code: int, done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line of a command that failed with this exit code."""
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (code, b"", 1), done
    assert lines[0].startswith("server.py: ")
    return lines[0]


@pytest.fixture
def alice(own_server: OwnServer) -> str:
    """The name of an account, with two messages, on a server that still runs."""
    server, name = own_server(), unique("alice")
    with member((server.host, server.port), name) as client:
        client.send({"type": "message", "content": "un"}, {"type": "message", "content": "deux"})
        assert client.pending() == []
    return name


def logs_in(own_server: OwnServer, data: Path, name: str) -> bool:
    with Server(data) as server, Client((server.host, server.port)) as client:
        return bool(client.login(name).get("status") == "ok")


def test_a_running_server_is_backed_up_and_restored_elsewhere(
    own_server: OwnServer, alice: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    done = run("backup", tmp_path / "data", copy)
    assert (done.returncode, done.stderr.decode()) == (0, f"{copy}: accounts: 1, messages: 2\n")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == ["copy.db"]
    done = run("restore", tmp_path / "new", copy)
    assert (done.returncode, done.stderr.decode()) == (0, f"{tmp_path / 'new'}: accounts: 1, messages: 2\n")
    assert logs_in(own_server, tmp_path / "new", alice)


def test_through_a_pipe(own_server: OwnServer, alice: str, tmp_path: Path) -> None:
    made = run("backup", tmp_path / "data", "-")
    assert (made.returncode, made.stderr) == (0, b"standard output: accounts: 1, messages: 2\n")
    assert run("restore", tmp_path / "new", "-", made.stdout).returncode == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["classcord.db", "classcord.lock"]
    assert logs_in(own_server, tmp_path / "new", alice)


def test_what_was_there_is_kept_with_its_last_messages(own_server: OwnServer, alice: str, tmp_path: Path) -> None:
    copy, data = tmp_path / "copy.db", tmp_path / "other"
    run("backup", tmp_path / "data", copy)
    with Server(data) as server:
        member((server.host, server.port), "bob").close()
        server.process.kill()  # leaves a write-ahead log
        server.wait()
    (data / SEARCH).touch()
    said = run("restore", data, copy).stderr.decode()
    assert not (data / SEARCH).exists(), "the index is one of other messages"
    kept = data / said.split("the old database is now ")[1].strip()
    with sqlite3.connect(kept) as database:
        assert database.execute("SELECT name FROM accounts").fetchall() == [("bob",)]
    database.close()
    assert logs_in(own_server, data, alice)


def test_a_file_is_never_overwritten(alice: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    assert "exists already" in refused(1, run("backup", tmp_path / "data", tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_target_that_cannot_be_written(alice: str, tmp_path: Path) -> None:
    line = refused(1, run("backup", tmp_path / "data", tmp_path / "no" / "copy.db"))
    assert "name another file" in line


def test_no_database_to_back_up(tmp_path: Path) -> None:
    assert "--data" in refused(78, run("backup", tmp_path / "none", tmp_path / "copy.db"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"no database" * 100, b""])
def test_a_database_that_is_none_is_not_blamed_on_permissions(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "classcord.db").write_bytes(content)
    line = refused(78, run("backup", tmp_path, tmp_path / "copy.db"))
    assert "it is damaged" in line or "it is empty" in line
    assert line.endswith("; put a backup in its place (server.py restore FILE)")


def test_a_database_that_may_not_be_read_is(alice: str, tmp_path: Path) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    run("restore", tmp_path / "new", tmp_path / "copy.db")
    (tmp_path / "new" / "classcord.db").chmod(0)
    # even root can't read this
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if without and subprocess.run([*without, "test", "-r", str(ROOT / "server.py")], check=False).returncode:
        pytest.skip("root reads this project only by its privileges: run the tests as the project's owner")
    done = subprocess.run(
        [*without, *SERVER, "backup", "--data", str(tmp_path / "new"), "-"], capture_output=True, timeout=DEADLINE,
        check=False,
    )
    folder = tmp_path / "new"
    user = f"user {os.geteuid()}"
    assert refused(78, done).endswith(f"{folder}: {user} cannot write classcord.db; type: chmod -R u+rwX {folder}")


def test_restoring_under_a_running_server_is_refused(alice: str, tmp_path: Path) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    assert "stop it" in refused(78, run("restore", tmp_path / "data", tmp_path / "copy.db"))


@pytest.mark.parametrize("content", [b"", b"S", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_backup_changes_nothing(
    own_server: OwnServer, alice: str, tmp_path: Path, content: bytes
) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    run("restore", tmp_path / "new", tmp_path / "copy.db")
    before = (tmp_path / "new" / "classcord.db").read_bytes()
    (tmp_path / "junk").write_bytes(content)
    assert str(tmp_path / "junk") in refused(78, run("restore", tmp_path / "new", tmp_path / "junk"))
    assert "standard input" in refused(78, run("restore", tmp_path / "new", "-", content))
    assert (tmp_path / "new" / "classcord.db").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["classcord.db", "classcord.lock"]


def test_a_backup_that_ends_early_is_refused(alice: str, tmp_path: Path) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    whole = (tmp_path / "copy.db").read_bytes()
    for length in (1, 99, 100, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        refused(78, run("restore", tmp_path / "new", "-", whole[:length]))
    assert not (tmp_path / "new" / "classcord.db").exists()


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "cookies.db") as database:
        database.execute("CREATE TABLE cookies (name TEXT)")
    database.close()
    assert "another program's" in refused(78, run("restore", tmp_path / "new", tmp_path / "cookies.db"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root")
def test_root_gives_the_database_to_whose_folder_it_is_and_nothing_else(alice: str, tmp_path: Path) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    (tmp_path / "of-root").touch()
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "classcord.trap").symlink_to(tmp_path / "of-root")
    (folder / "classcord.gone").symlink_to(tmp_path / "none")
    os.chown(folder, 12345, 12345)
    assert run("restore", folder, tmp_path / "copy.db").returncode == 0
    assert {(folder / name).stat().st_uid for name in ("classcord.db", "classcord.lock")} == {12345}
    assert (tmp_path / "of-root").stat().st_uid == 0
    (folder / "classcord.lock").unlink()
    (folder / "classcord.lock").symlink_to(tmp_path / "none")
    assert "classcord.lock" in refused(78, run("restore", folder, tmp_path / "copy.db"))
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root")
@pytest.mark.parametrize(("variables", "folder", "owner"), [
    ({"SUDO_UID": "1000", "SUDO_GID": "1001"}, 0, (1000, 1001)),
    ({"SUDO_UID": "1000", "SUDO_GID": "1001"}, 12345, (1000, 1001)),
    ({}, 12345, (12345, 12345)),
    ({"SUDO_UID": "x" * 9, "SUDO_GID": "9" * 30}, 0, (0, 0)),
    ({}, 0, (0, 0)),
], ids=["sudo", "sudo-in-a-home", "root-in-a-home", "not-a-number", "root"])
def test_a_backup_belongs_to_the_user_who_asked_for_it(
    alice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: int,
    owner: tuple[int, int],
) -> None:
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "there").mkdir()
    os.chown(tmp_path / "there", folder, folder)
    assert run("backup", tmp_path / "data", tmp_path / "there" / "copy.db").returncode == 0
    made = (tmp_path / "there" / "copy.db").stat()
    assert ((made.st_uid, made.st_gid), stat.S_IMODE(made.st_mode)) == (owner, 0o600)


def test_a_backup_of_a_newer_version_is_refused(alice: str, tmp_path: Path) -> None:
    run("backup", tmp_path / "data", tmp_path / "copy.db")
    database = sqlite3.connect(tmp_path / "copy.db")
    database.execute("PRAGMA user_version=99")
    database.close()
    assert "newer ClassCord" in refused(78, run("restore", tmp_path / "new", tmp_path / "copy.db"))


def test_a_backup_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in refused(1, run("restore", tmp_path / "new", tmp_path / "none"))


def test_a_file_must_be_named() -> None:
    done = subprocess.run([*SERVER, "backup"], capture_output=True, timeout=DEADLINE, check=False)
    assert "FILE" in refused(2, done)
