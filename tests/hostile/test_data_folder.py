"""A data folder that can't be used: one line says the cause, and every command in it repairs the fault when typed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile.folders import (
    OPERATOR,
    ROOT_ONLY,
    Place,
    as_user,
    failure,
    in_place,
    mounted,
    remedies,
    serves,
    type_in,
    used,
)
from tests.support import DEADLINE, Server

FILES = ("classcord.lock", "classcord.db", "classcord.db-wal", "classcord.db-shm")
GROUP = OPERATOR if os.geteuid() == 0 else os.getegid()


@pytest.fixture
def place() -> Iterator[Place]:
    with in_place() as made:
        yield made


def _check(
    make: Callable[[Place], None], cause: str, count: int, *, knows: bool | None = None, **lost: bool
) -> None:
    """Try each remedy in a new place: it is printed, it is typed, and then the server serves."""
    done = 0
    while True:
        with in_place() as place:
            make(place)
            line = failure(place)
            assert cause.format(place=place, user=f"user {OPERATOR}") in line
            commands = remedies(line)
            assert len(commands) == count, line
            if done == count:
                return
            command = commands[done]
            if command.startswith("--data"):
                serves(place, command)
            else:
                type_in(place, command)
                serves(place, knows=knows)
        done += 1


# --- owner and rights ---


def _of(owner: int, *names: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        used(place)
        for name in names:
            os.chown(place.data / name, owner, owner)

    return make


@ROOT_ONLY
@pytest.mark.parametrize("names", [(".",), *((name,) for name in FILES), FILES, (".", *FILES)], ids=str)
def test_what_root_has_made_there(names: tuple[str, ...]) -> None:
    make = _of(0, *names)
    _check(make, "{user} cannot write", 2, knows=True)
    with in_place() as place:
        make(place)
        line = failure(place)
    assert line.startswith(f"{place.data}: user {OPERATOR} cannot write ")
    assert "root owns it; " in line
    assert f"type: sudo chown -R {OPERATOR}:{GROUP} {place.data}, or start it with --data ~/classcord-data" in line


@ROOT_ONLY
def test_what_root_has_made_there_and_closed() -> None:
    def make(place: Place) -> None:
        _of(0, ".", *FILES)(place)
        place.data.chmod(0o755)
        (place.data / FILES[1]).chmod(0)

    _check(make, "{user} cannot write", 2, knows=True)


@ROOT_ONLY
def test_a_folder_that_root_made_elsewhere() -> None:
    def make(place: Place) -> None:
        place.data = place.folder / "srv"
        used_by_root = Server(place.data, command=as_user(0), env=place.environment)
        with used_by_root:
            assert used_by_root.stop() == 0
        assert (place.data / FILES[0]).stat().st_uid == 0

    _check(make, "root owns it", 2)


@ROOT_ONLY
def test_no_folder_may_be_made_there() -> None:
    def make(place: Place) -> None:
        place.data = place.folder / "srv's" / "data"

    _check(make, "{user} cannot make a folder in {place.folder}; type: sudo install -d", 2)


def _closed(mode: int, name: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        used(place)
        (place.data / name).chmod(mode)

    return make


NOT_FOR_ROOT = pytest.mark.skipif(OPERATOR == 0, reason="modes do not stop root")


@pytest.mark.parametrize(
    ("mode", "name", "cause"),
    [
        (0o500, ".", "{user} cannot write there; type: chmod -R u+rwX {place.data}"),
        (0o600, ".", "{user} cannot write there; type: chmod -R u+rwX {place.data}"),
        (0o000, ".", "{user} cannot write there"),
        (0o400, FILES[0], "{user} cannot write classcord.lock; type: chmod -R"),
        (0o000, FILES[1], "{user} cannot write classcord.db; type: chmod -R"),
        (0o400, FILES[1], "{user} cannot write classcord.db"),
        (0o400, FILES[2], "{user} cannot write classcord.db-wal"),
        (0o000, FILES[3], "{user} cannot write classcord.db-shm"),
        (0o600, "..", "{user} cannot enter {place.clone}; type: chmod u+rwx {place.clone}"),
    ],
)
@NOT_FOR_ROOT
def test_what_is_closed_to_its_owner(mode: int, name: str, cause: str) -> None:
    _check(_closed(mode, name), cause, 2, knows=True)


@NOT_FOR_ROOT
def test_a_folder_above_that_is_closed_to_its_owner() -> None:
    def make(place: Place) -> None:
        place.clone.chmod(0o500)

    _check(make, "{user} cannot make a folder in {place.clone}; type: chmod u+rwx", 2)


def _in_a_foreign_home(mode: int) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        used(place)
        foreign = place.folder / "bob"
        foreign.mkdir(mode)
        place.data = foreign / "data"
        place.data.mkdir()
        for path in (foreign, place.data):
            os.chown(path, 1, 1)  # daemon: a user that every system has

    return make


@ROOT_ONLY
@pytest.mark.parametrize(("mode", "cause"), [(0o700, "{user} cannot enter"), (0o755, "{user} cannot write there")])
def test_the_folder_of_another_person_is_not_taken_away(mode: int, cause: str) -> None:
    _check(_in_a_foreign_home(mode), cause, 1)


@ROOT_ONLY
def test_a_folder_with_other_things_in_it_is_not_taken_away() -> None:
    def make(place: Place) -> None:
        place.data.mkdir()
        (place.data / "letter.txt").touch()

    _check(make, "root owns it", 1)

    def only_the_lock(place: Place) -> None:
        used(place)
        (place.data / "letter.txt").touch()
        os.chown(place.data / FILES[0], 0, 0)

    _check(only_the_lock, f"type: sudo chown {OPERATOR}:{GROUP} {{place.data}}/classcord.lock, or", 2, knows=True)


@ROOT_ONLY
def test_a_file_that_cannot_be_changed() -> None:
    with in_place() as place:
        used(place)
        lock = place.data / FILES[0]
        if subprocess.run(["chattr", "+i", lock], capture_output=True, check=False).returncode != 0:
            pytest.skip("this file system has no immutable files")
        try:
            line = failure(place)
        finally:
            subprocess.run(["chattr", "-i", lock], check=True)
        assert f"user {OPERATOR} cannot write classcord.lock; " in line
        assert "chown" not in line
        assert "chmod" not in line


# --- files that root has made ---


@ROOT_ONLY
def test_root_leaves_nothing_of_its_own_in_a_users_folder(place: Place) -> None:
    """`sudo make run`, then `make run`, in a clone."""
    place.data = place.clone / "more" / "data"
    with Server(place.data, command=as_user(0), env=place.environment) as server:
        made = [place.data.parent, place.data, *place.data.iterdir()]
        assert {path.name for path in made} == {"more", "data", *FILES}
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(OPERATOR, OPERATOR)}
        assert server.stop() == 0
    serves(place)


@ROOT_ONLY
def test_root_gives_away_nothing_by_a_link(place: Place) -> None:
    precious = place.folder / "precious"
    precious.touch(0o600)
    place.data.mkdir()
    os.link(precious, place.data / "classcord.db-shm")
    (place.data / "classcord.db-journal").symlink_to(precious)
    os.chown(place.data, OPERATOR, OPERATOR)
    with Server(place.data, command=as_user(0), env=place.environment):
        pass
    assert (precious.stat().st_uid, (place.data / FILES[0]).stat().st_uid) == (0, OPERATOR)


# --- other things in place of the folder or its files ---


def _link(to: str, *, name: str = "") -> Callable[[Place], None]:
    def make(place: Place) -> None:
        if name:
            used(place)
            (place.data / name).unlink()
            for rest in ("-wal", "-shm"):
                (place.data / f"classcord.db{rest}").unlink(missing_ok=True)
        link = place.data / name if name else place.data
        link.symlink_to(to.format(place=place))

    return make


def _instead(make_it: Callable[[Path], None], name: str = "") -> Callable[[Place], None]:
    def make(place: Place) -> None:
        if name:
            place.data.mkdir()
            os.chown(place.data, OPERATOR, -1)
        make_it(place.data / name if name else place.data)

    return make


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _below_a_file(place: Place) -> None:
    (place.clone / "notes").write_text("x")
    place.data = place.clone / "notes" / "data"


def _below_a_link(place: Place) -> None:
    (place.clone / "usb").symlink_to("/mnt/no-such-disk")
    place.data = place.clone / "usb" / "data"


INSTEAD: dict[str, tuple[Callable[[Place], None], str]] = {
    "a link to a disk that isn't there": (_link("/mnt/no-such-disk/data"),
                                          "{place.data}: is a link to /mnt/no-such-disk/data, which is not there"),
    "a link to a missing neighbour": (_link("other"), "is a link to {place.clone}/other, which is not there"),
    "a link to itself": (_link("data"), "is a link that leads back to itself"),
    "a link above": (_below_a_link, "{place.clone}/usb is a link to /mnt/no-such-disk, which is not there"),
    "a file": (_instead(Path.touch), "is a file, and must be a folder"),
    "a file above": (_below_a_file, "{place.clone}/notes is a file, and must be a folder"),
    "a pipe": (_instead(os.mkfifo), "is a file, and must be a folder"),
    "lock: a folder": (_instead(Path.mkdir, FILES[0]), "classcord.lock is a folder, and must be a file"),
    "lock: a pipe": (_instead(os.mkfifo, FILES[0]), "classcord.lock is a device or a pipe, and must be a file"),
    "lock: a link": (_link("/etc/hostname", name=FILES[0]), "classcord.lock is a link, which the server does not"),
    "database: a folder": (_instead(Path.mkdir, FILES[1]), "classcord.db is a folder, and must be a file"),
    "database: a pipe": (_instead(os.mkfifo, FILES[1]), "classcord.db is a device or a pipe, and must be a file"),
    "database: a socket": (_instead(_socket, FILES[1]), "classcord.db is a device or a pipe, and must be a file"),
    "database: a link to nowhere": (_link("/mnt/no-such-disk/x.db", name=FILES[1]),
                                    "classcord.db is a link to /mnt/no-such-disk/x.db, which is not there"),
    "log: a folder": (_instead(Path.mkdir, FILES[2]), "classcord.db-wal is a folder, and must be a file"),
}


@pytest.mark.parametrize("kind", INSTEAD)
def test_something_else_is_in_the_place(kind: str) -> None:
    make, cause = INSTEAD[kind]
    _check(make, cause, 2)


def test_a_link_to_a_folder_works(place: Place) -> None:
    (place.clone / "real").mkdir()
    os.chown(place.clone / "real", OPERATOR, -1)
    place.data.symlink_to("real")
    serves(place)
    assert (place.clone / "real" / FILES[1]).is_file()


@ROOT_ONLY
def test_the_command_names_the_folder_that_a_link_leads_to() -> None:
    def make(place: Place) -> None:
        used(place)
        place.data.rename(place.clone / "real data")
        place.data.symlink_to("real data")
        os.chown(place.clone / "real data", 0, 0)

    _check(make, f"sudo chown -R {OPERATOR}:", 2, knows=True)


# --- the database itself ---


def _database(*statements: str) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        place.data.mkdir()
        with sqlite3.connect(place.data / FILES[1]) as database:
            for statement in statements:
                database.execute(statement)
        database.close()
        for path in (place.data, place.data / FILES[1]):
            os.chown(path, OPERATOR, -1)

    return make


def _spoilt(place: Place) -> None:
    used(place)
    (place.data / FILES[2]).unlink()
    content = (place.data / FILES[1]).read_bytes()
    (place.data / FILES[1]).write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def _cut(place: Place) -> None:
    used(place)
    with Server(place.data, command=as_user(OPERATOR), env=place.environment) as server:
        assert server.stop() == 0
    os.truncate(place.data / FILES[1], 5000)


def _text(place: Place) -> None:
    used(place)
    (place.data / FILES[1]).write_bytes(b"a text\n" * 1000)


def _lost(place: Place) -> None:
    used(place)
    (place.data / FILES[1]).rename(place.data / "classcord.db.mine")


UNUSABLE: dict[str, tuple[Callable[[Place], None], str]] = {
    "of a newer version": (
        _database("PRAGMA user_version=99"), "{place.data}/classcord.db: a newer ClassCord wrote it"
    ),
    "of another program": (_database("CREATE TABLE cookies (x)"), "another program made it"),
    "of another program, with our version": (_database("CREATE TABLE t (x)", "PRAGMA user_version=1"),
                                             "another program made it"),
    "spoilt": (_spoilt, "it is damaged"),
    "cut": (_cut, "it is damaged"),
    "a text, with a log": (_text, "it is damaged (file is not a database)"),
    "lost, with its log there": (_lost, "classcord.db is missing or empty, but its log classcord.db-wal is there"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_database_that_cannot_be_used_is_moved_away_whole(kind: str) -> None:
    make, cause = UNUSABLE[kind]
    _check(make, cause, 1)
    with in_place() as place:
        make(place)
        before = {path.name: path.read_bytes() for path in place.data.iterdir() if path.name in FILES[1:3]}
        type_in(place, remedies(failure(place))[0])
        kept = {path.name: path.read_bytes() for path in (place.data / "classcord.db.old").iterdir()}
        assert {name: kept[name] for name in before} == before


def test_an_empty_database_is_filled(place: Place) -> None:
    _instead(Path.touch, FILES[1])(place)
    os.chown(place.data / FILES[1], OPERATOR, -1)
    serves(place)


def test_a_backup_is_put_in_the_place_of_a_damaged_one(place: Place) -> None:
    used(place)
    copy = place.home / "copy.db"
    restore = [*as_user(OPERATOR), "restore", "--data", str(place.data), str(copy)]
    subprocess.run(
        [*as_user(OPERATOR), "backup", "--data", str(place.data), str(copy)], check=True, capture_output=True
    )
    shutil.copy(__file__, place.data / FILES[1])
    assert "server.py restore FILE" in failure(place)
    subprocess.run(restore, check=True, capture_output=True)
    serves(place, knows=True)


# --- another server ---


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("user", [0, OPERATOR] if os.geteuid() == 0 else [OPERATOR])
def test_another_server_uses_it(place: Place, user: int, held: bool) -> None:
    with Server(place.data, command=as_user(user), env=place.environment) as other:
        if held:
            other.process.send_signal(signal.SIGSTOP)
        line = failure(place)
        assert f"another ClassCord server (process {other.pid}) uses this folder" in line
        (command,) = remedies(line)
        assert command.startswith("sudo kill " if user != OPERATOR else "kill ")
        type_in(place, command)
        serves(place)
        assert other.process.wait(DEADLINE) == 0


# --- inside a container, and on a machine that only looks like one ---


@ROOT_ONLY
@pytest.mark.parametrize("inside", [False, True])
def test_a_mounted_folder_of_root(place: Place, inside: bool) -> None:
    mounted(place.data, "size=1m,mode=755")
    if inside:
        place.more = {"container": "podman"}
    line = failure(place)
    if inside:
        assert f"type: sudo chown -R {OPERATOR}:{GROUP} FOLDER on the host (FOLDER is what is mounted at" in line
        assert "--data" not in line
        type_in(place, remedies(line)[0].replace("FOLDER", str(place.data)))
    else:
        assert "FOLDER" not in line
        assert "container" not in line
        assert "host" not in line
        type_in(place, remedies(line)[0])
    serves(place)
