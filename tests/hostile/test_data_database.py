"""A database that can't be used, or that another server uses: one line, and every command in it cures."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable

import pytest

from classcord.data.schema import VERSION
from tests.hostile import folders
from tests.hostile.folders import (
    FILES,
    GROUP,
    OPERATOR,
    ROOT_ONLY,
    Place,
    as_user,
    check,
    failure,
    in_place,
    mounted,
    remedies,
    serves,
    type_in,
    used,
)
from tests.support import DEADLINE, Server

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
    (place.data / FILES[2]).unlink()  # what is in a log may be the whole database
    (place.data / FILES[1]).write_bytes(b"a text\n" * 1000)


def _lost(place: Place) -> None:
    used(place)
    (place.data / FILES[1]).rename(place.data / "classcord.db.mine")


UNUSABLE: dict[str, tuple[Callable[[Place], None], str]] = {
    "of a newer version": (_database("PRAGMA user_version=99"),
                           "{place.data}/classcord.db: a newer ClassCord wrote it (its schema version is 99"),
    "of another program": (_database("CREATE TABLE cookies (x)"), "another program made it"),
    "of another program, with our version": (_database("CREATE TABLE t (x)", f"PRAGMA user_version={VERSION}"),
                                             "another program made it"),
    "spoilt": (_spoilt, "it is damaged"),
    "cut": (_cut, "it is damaged"),
    "a text": (_text, "it is damaged (file is not a database)"),
    "lost, with its log there": (_lost, "classcord.db is missing or empty, but its log classcord.db-wal is there"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_database_that_cannot_be_used_is_moved_away_whole(kind: str) -> None:
    make, cause = UNUSABLE[kind]
    check(make, cause, 1)
    with in_place() as place:
        make(place)
        before = {path.name: path.read_bytes() for path in place.data.iterdir() if path.name in FILES[1:3]}
        type_in(place, remedies(failure(place))[0])
        kept = {path.name: path.read_bytes() for path in (place.data / "classcord.db.old").iterdir()}
        assert {name: kept[name] for name in before} == before


def test_an_empty_database_is_filled(place: Place) -> None:
    place.data.mkdir()
    (place.data / FILES[1]).touch()
    for path in (place.data, place.data / FILES[1]):
        os.chown(path, OPERATOR, -1)
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
def test_another_server_uses_it(place: Place, user: int, held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(place.data, command=as_user(user), env=place.environment) as other:
        if held:
            other.process.send_signal(signal.SIGSTOP)
        line = failure(place)
        assert f"another ClassCord server (process {other.pid}) uses this folder" in line
        (command,) = remedies(line)
        assert command.startswith("sudo kill " if user != OPERATOR else "kill ")
        # the next one waits for as long as the other takes to end
        begin = "from classcord.data import folder\nfolder._PATIENCE = 20\n"
        monkeypatch.setattr(folders, "_DROP", folders._DROP.replace("code = ", f"{begin}code = ", 1))
        type_in(place, command)
        serves(place)
        assert other.process.wait(DEADLINE) == 0


# --- inside a container, and where it only looks like one ---


@ROOT_ONLY
@pytest.mark.parametrize("inside", [False, True])
def test_a_mounted_folder_of_root(place: Place, inside: bool) -> None:
    mounted(place.data, "size=1m,mode=755")
    if inside:
        place.more, place.wrap = {"container": "podman"}, ["unshare", "--pid", "--fork", "--kill-child"]
    line = failure(place)
    if inside:
        where = "FOLDER on the host (FOLDER is the folder that is mounted at"
        assert f"type: sudo chown -R {OPERATOR}:{GROUP} {where}" in line
        assert "--data" not in line
        type_in(place, remedies(line)[0].replace("FOLDER", str(place.data)))
        place.wrap = []  # unshare does not pass on the signal that stops the server
    else:
        assert "FOLDER" not in line
        assert "container" not in line
        assert "host" not in line
        type_in(place, remedies(line)[0])
    serves(place)
