"""`server.py import-users`: people of the first server and of a class list log in afterwards."""

from __future__ import annotations

import csv
import io
import os
import pickle
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import DEADLINE, Client, Server, member, unique
from tests.unit.test_backup import refused
from tests.unit.test_command_line import SERVER

OwnServer = Callable[..., Server]
Done = subprocess.CompletedProcess[bytes]


def run(data: Path, *words: str | Path, input: bytes | None = None) -> Done:
    cheap = ["--data", str(data), "--password-cost", "1"]
    return subprocess.run(
        [*SERVER, "import-users", *map(str, words), *cheap], input=input, capture_output=True, timeout=DEADLINE,
        check=False,
    )


def summary(done: Done) -> str:
    return done.stderr.decode().splitlines()[-1].partition(": ")[2]


def made(done: Done) -> dict[str, str]:
    """The passwords that were printed."""
    rows = list(csv.reader(io.StringIO(done.stdout.decode(), newline="")))
    assert rows[0] == ["name", "password"]
    return dict(map(tuple, rows[1:]))  # type: ignore[arg-type]


def log_in(data: Path, people: dict[str, str]) -> list[str]:
    """The names of the people who can log in."""
    with Server(data) as server, Client((server.host, server.port)) as client:
        return [name for name, password in people.items() if client.login(name, password).get("status") == "ok"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_the_accounts_of_the_first_server_log_in_and_twice_is_once(data: Path, tmp_path: Path) -> None:
    users = {"alice": "azerty", "Zoé": "été", "bob": "x"}
    file = tmp_path / "users.pkl"
    file.write_bytes(pickle.dumps(users))
    done = run(data, file)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"{data}: imported: 3, there already: 0, refused: 0\n"
    assert log_in(data, users) == list(users)
    file.write_bytes(pickle.dumps({**users, "alice": "another", "new": "y"}))
    assert summary(run(data, file)) == "imported: 1, there already: 3, refused: 0"
    assert log_in(data, users) == list(users), "the passwords are as before"
    assert stat.S_IMODE((data / "classcord.db").stat().st_mode) == 0o600
    stored = b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())
    assert "été".encode() not in stored


def test_a_class_list_with_and_without_passwords(data: Path) -> None:
    done = run(data, "-", "--format", "csv", input="name;password\nZoé;\nLéo;azerty\nAnne Marie;\n".encode("cp1252"))
    assert summary(done) == "imported: 3, there already: 0, refused: 0"
    passwords = made(done)
    assert list(passwords) == ["Zoé", "Anne Marie"]
    for password in passwords.values():
        assert re.fullmatch(r"[a-z2-9]{5}-[a-z2-9]{5}", password)
        assert not set(password) & set("aeiouyl")
        assert password.encode() not in done.stderr
    assert len(set(passwords.values())) == 2
    people = {**passwords, "Léo": "azerty"}
    assert log_in(data, people) == list(people)
    again = run(data, "-", "--format", "csv", input="name\nZoé\nLéo\nAnne Marie\n".encode())
    assert (again.stdout, summary(again)) == (b"", "imported: 0, there already: 3, refused: 0")
    assert log_in(data, people) == list(people)


@pytest.mark.parametrize(("row", "reason"), [
    ("admin", "this name is reserved"), ("<b>", "can't contain < or >"), ("x" * 41, "at most 40 characters"),
    ("ALICE", 'the account "alice" has this name'), ("aIice", "another looks like it"), (",azerty", "can't be empty"),
    ("bob," + "x" * 257, "1 to 256 characters"), ("bob,a\x07b", "has the control"), ("bоb", "several alphabets"),
    ("a\u200bb", "invisible"), ('"a\nb"', "control"),
])
def test_a_row_that_is_refused_is_named_with_its_reason_and_the_others_are_imported(
    data: Path, row: str, reason: str
) -> None:
    done = run(data, "-", "--format", "csv", input=f"name,password\nalice,azerty\n{row}\ncarol,azerty\n".encode())
    line, last = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert line.startswith(f"line {3 if not row.startswith(chr(34)) else 4}: ")
    assert reason in line
    assert last == f"{data}: imported: 2, there already: 0, refused: 1"
    assert "xxxxx" not in line.replace("x" * 40, "") or row.startswith("x")
    assert log_in(data, {"alice": "azerty", "carol": "azerty"}) == ["alice", "carol"]


@pytest.mark.parametrize("rows", ["Dupont,a\nDupont,b", "Dupont,\nDupont,", "Dupont,a\nMartin,c\n Dupont,"])
def test_a_second_person_of_the_same_name_is_not_taken_for_the_first(data: Path, rows: str) -> None:
    for there in (0, rows.count("\n")):
        done = run(data, "-", "--format", "csv", input=f"name,password\n{rows}\n".encode())
        line, last = done.stderr.decode().splitlines()
        assert line == f'line {2 + rows.count(chr(10))}: "Dupont": a row above has this name; two people need two names'
        imported = rows.count("\n") - there
        assert last == f"{data}: imported: {imported}, there already: {there}, refused: 1"
    done = run(data, "-", "--format", "csv", input=b"name,password\nZo,a\nZo,a\n")
    assert summary(done) == "imported: 1, there already: 1, refused: 0", "the same row"


def test_passwords_are_never_in_a_refusal(data: Path) -> None:
    done = run(data, "-", "--format", "csv", input=b"name,password\nadmin,secret1\n<x>,secret2\nbob,secret3\x07\n")
    assert b"secret" not in done.stderr


def test_what_the_first_server_allowed_and_this_one_does_not(data: Path, tmp_path: Path) -> None:
    (tmp_path / "users.pkl").write_bytes(pickle.dumps({"a": None, "b": 12, "c": "", "d": ["x"], 7: "x", "bob": "x"}))
    done = run(data, tmp_path / "users.pkl")
    assert summary(done) == "imported: 1, there already: 0, refused: 5"
    assert done.stderr.decode().splitlines()[4] == "entry 5: ?: the name is not a text"


def test_a_hostile_pickle_is_one_line_and_makes_nothing(data: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    bomb = f"cos\nmkdir\n(V{trap}\ntR.".encode()
    for content in (bomb, b"", b"junk", pickle.dumps(["alice"]), b"}" + b"\x94" * 1_000_000, b"x" * 2_000_000):
        line = refused(1, run(data, "-", "--format", "pickle", input=content))
        assert "standard input: " in line
    assert not trap.exists()
    assert not data.exists()


def test_files_that_cannot_be_read(data: Path, tmp_path: Path) -> None:
    assert "No such file" in refused(1, run(data, tmp_path / "none.csv"))
    (tmp_path / "folder.csv").mkdir()
    assert "Is a directory" in refused(1, run(data, tmp_path / "folder.csv"))
    assert "--format" in refused(2, run(data, tmp_path / "users"))
    assert "first row" in refused(1, run(data, "-", "--format", "csv", input=b"alice,azerty\n"))


def test_a_running_server_must_stop_first_and_is_not_disturbed(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    with member((server.host, server.port), unique("alice")) as alice:
        line = refused(78, run(tmp_path / "data", "-", "--format", "csv", input=b"name\nbob\n"))
        assert f"type: kill {server.pid}" in line
        assert alice.pending() == []


def test_a_password_that_nobody_could_see_is_not_stored(data: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*SERVER, "import-users", "-", "--format", "csv", "--data", str(data), "--password-cost", "1"],
            input=b"name\nalice\n", stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE, check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert summary(run(data, "-", "--format", "csv", input=b"name\nalice\n")).startswith("imported: 1,")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: run the tests as root")
def test_root_leaves_the_files_to_the_owner_of_the_folder(data: Path) -> None:
    data.mkdir()
    os.chown(data, 12345, 12345)
    run(data, "-", "--format", "csv", input=b"name\nalice\n")
    assert {path.stat().st_uid for path in data.iterdir()} == {12345}
