"""A data folder that can't be used: one line with the cause, and every command in it cures when it is typed."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from classcord.console.place import NAME as SOCKET
from tests.hostile.folders import (
    FILES,
    GROUP,
    OPERATOR,
    ROOT_ONLY,
    Place,
    as_user,
    check,
    failure,
    files,
    in_place,
    remedies,
    serves,
    type_in,
    used,
)
from tests.support import Server

# --- whose it is, and who may ---


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
    check(make, "{user} cannot write", 2, knows=True)
    with in_place() as place:
        make(place)
        line = failure(place)
    assert line.startswith(f"{place.data}: user {OPERATOR} cannot write ")
    assert " (root owns it); " in line
    assert f"type: sudo chown -R {OPERATOR}:{GROUP} {place.data}, or start it with --data ~/classcord-data" in line


@ROOT_ONLY
def test_what_root_has_made_there_and_closed() -> None:
    def make(place: Place) -> None:
        _of(0, ".", *FILES)(place)
        place.data.chmod(0o755)
        (place.data / FILES[1]).chmod(0)

    check(make, "{user} cannot write", 2, knows=True)


@ROOT_ONLY
def test_a_folder_that_root_made_elsewhere() -> None:
    def make(place: Place) -> None:
        place.data = place.folder / "srv"
        used_by_root = Server(place.data, command=as_user(0), env=place.environment)
        with used_by_root:
            assert used_by_root.stop() == 0
        assert (place.data / FILES[0]).stat().st_uid == 0

    check(make, "root owns it", 2)


@ROOT_ONLY
def test_no_folder_may_be_made_there() -> None:
    def make(place: Place) -> None:
        place.data = place.folder / "srv's" / "data"

    check(make, "{user} cannot make a folder in {place.folder}; type: sudo install -d", 2)


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
    check(_closed(mode, name), cause, 2, knows=True)


@NOT_FOR_ROOT
def test_a_folder_above_that_is_closed_to_its_owner() -> None:
    def make(place: Place) -> None:
        place.clone.chmod(0o500)

    check(make, "{user} cannot make a folder in {place.clone}; type: chmod u+rwx", 2)


def _in_a_foreign_home(mode: int) -> Callable[[Place], None]:
    def make(place: Place) -> None:
        used(place)
        foreign = place.folder / "bob"
        foreign.mkdir(mode)
        place.data = foreign / "data"
        place.data.mkdir()
        for path in (foreign, place.data):
            os.chown(path, 1, 1)  # daemon: a user who has an entry everywhere

    return make


@ROOT_ONLY
@pytest.mark.parametrize(("mode", "cause"), [(0o700, "{user} cannot enter"), (0o755, "{user} cannot write there")])
def test_the_folder_of_another_person_is_not_taken_away(mode: int, cause: str) -> None:
    check(_in_a_foreign_home(mode), cause, 1)


@ROOT_ONLY
def test_a_folder_with_other_things_in_it_is_not_taken_away() -> None:
    def make(place: Place) -> None:
        place.data.mkdir()
        (place.data / "letter.txt").touch()

    check(make, "root owns it", 1)

    def only_the_lock(place: Place) -> None:
        used(place)
        (place.data / "letter.txt").touch()
        os.chown(place.data / FILES[0], 0, 0)

    check(only_the_lock, f"type: sudo chown {OPERATOR}:{GROUP} {{place.data}}/classcord.lock, or", 2, knows=True)


@ROOT_ONLY
def test_what_nobody_may_change() -> None:
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


# --- what root makes ---


@ROOT_ONLY
def test_root_leaves_nothing_of_its_own_in_a_users_folder(place: Place) -> None:
    """`sudo make run`, then `make run`, in a clone."""
    place.data = place.clone / "more" / "data"
    with Server(place.data, command=as_user(0), env=place.environment) as server:
        made = [place.data.parent, place.data, place.data / SOCKET, *files(place.data)]
        assert {path.name for path in made} == {"more", "data", SOCKET, *FILES}
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(OPERATOR, OPERATOR)}
        assert server.stop() == 0
    assert {(path.stat().st_uid, path.stat().st_gid) for path in place.data.iterdir()} == {(OPERATOR, OPERATOR)}
    serves(place)


@ROOT_ONLY
def test_root_gives_away_nothing_by_a_link(place: Place) -> None:
    precious = place.folder / "precious"
    precious.touch(0o600)
    place.data.mkdir()
    os.link(precious, place.data / "classcord.db-shm")
    os.chown(place.data, OPERATOR, OPERATOR)
    line = failure(place, user=0)
    assert "classcord.db-shm has a second name (a hard link)" in line
    (command, _) = remedies(line)
    type_in(place, command)
    serves(place, user=0)
    assert (precious.stat().st_uid, (place.data / FILES[0]).stat().st_uid) == (0, OPERATOR)


# --- what is there instead ---


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
                                          "{place.data}: it is a link to /mnt/no-such-disk/data, which is not there"),
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
    check(make, cause, 2)


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

    check(make, f"sudo chown -R {OPERATOR}:", 2, knows=True)
