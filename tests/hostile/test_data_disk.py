"""The disk under the data folder: full, read-only, shared from elsewhere; and names of folders of every kind."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from classcord.data.schema import VERSION
from tests.hostile.folders import (
    OPERATOR,
    ROOT_ONLY,
    Place,
    as_user,
    attempt,
    failure,
    files,
    mounted,
    remedies,
    serves,
    type_in,
    used,
)
from tests.support import ROOT, Server
from tests.unit.test_schema import Row, first_schema, read

# --- a full disk ---


@ROOT_ONLY
def test_a_full_disk_at_every_step_of_the_start(place: Place) -> None:
    """From no page free, where not even the folder can be made, to enough of them."""
    disk = place.clone / "usb"
    mounted(disk, "size=256k,mode=777")
    place.data, filler = disk / "more" / "data", disk / "filler"
    causes = set()
    for free in range(0, 65, 2):
        with filler.open("wb") as file:
            file.write(bytes(262144 - 4096 * free))
        line = attempt(place)
        causes.add(tuple(sorted(path.name for path in disk.rglob("*"))))
        shutil.rmtree(disk / "more", ignore_errors=True)
        filler.unlink()
        if not line:
            break
        assert "the disk is full: " in line
        assert " KB of 256 KB are free (tmpfs, mounted at " in line
        assert "; free some space there, or start it with --data ~/classcord-data" in line
    assert 8 <= free < 64
    assert len(causes) > 1, "it failed at several steps"
    with filler.open("wb") as file:
        file.write(bytes(250_000))
    (remedy,) = remedies(failure(place))
    serves(place, remedy)
    filler.unlink()  # "free some space there"
    serves(place)


@ROOT_ONLY
def test_a_disk_that_can_hold_no_more_files(place: Place) -> None:
    disk = place.clone / "usb"
    mounted(disk, "size=1m,nr_inodes=8,mode=777")
    place.data = disk / "data"
    for count in range(7, -1, -1):
        for number in range(count):
            (disk / f"filler{number}").touch()
        line = attempt(place)
        shutil.rmtree(place.data, ignore_errors=True)
        for filler in disk.glob("filler*"):
            filler.unlink()
        if not line:
            break
        assert "the disk can hold no more files (tmpfs, mounted at " in line
        (remedy,) = remedies(line)
        assert remedy == "--data ~/classcord-data"
    assert 0 < count < 4
    serves(place, remedy)


@ROOT_ONLY
def test_a_full_disk_is_said_by_backup_and_restore(place: Place) -> None:
    used(place)
    disk = place.clone / "usb"
    mounted(disk, "size=16k,mode=777")
    copy = place.home / "copy.db"
    command = [*as_user(OPERATOR), "backup", "--data", str(place.data)]
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
    line = failure(place, "backup", "--data", str(place.data), str(disk / "copy.db"), code=1)
    assert line.startswith(f"{disk}/copy.db: the disk is full: ")
    assert line.endswith("; free some space there, or name another file")
    line = failure(place, "restore", "--data", str(disk / "data"), str(copy), code=1)
    assert line.startswith(f"{disk}/data: the disk is full: ")
    (remedy,) = remedies(line)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {remedy}', "sh", *as_user(OPERATOR), "restore", str(copy)], check=False,
        env=place.environment, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    serves(place, remedy, knows=True)


# --- backup and restore where they may not ---


@ROOT_ONLY
def test_backup_and_restore_where_they_may_not(place: Place) -> None:
    used(place)
    os.chown(place.data, 0, 0)
    copy = place.home / "copy.db"
    for arguments in (["backup", "--data", str(place.data), str(copy)],
                      ["restore", "--data", str(place.data), str(place.data / "classcord.db")]):
        line = failure(place, *arguments)
        assert f"user {OPERATOR} cannot write there (root owns it); type: sudo chown -R " in line
    type_in(place, remedies(line)[0])
    line = failure(place, "backup", "--data", str(place.data), str(place.folder / "copy.db"), code=1)
    assert f"user {OPERATOR} cannot write in {place.folder}; name another file" in line
    missing = place.home / "no such" / "folder" / "copy.db"
    line = failure(place, "backup", "--data", str(place.data), str(missing), code=1)
    assert f"type: mkdir -p '{missing.parent}', or name another file" in line
    type_in(place, remedies(line)[0])
    subprocess.run(
        [*as_user(OPERATOR), "backup", "--data", str(place.data), str(missing)], check=True, capture_output=True
    )


# --- file systems that can't carry a database ---

_PRELOAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static int there(int fd) {
    char link[64], path[4096];
    const char *folder = getenv("SHARED_FOLDER");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 0 && !strncmp(path, folder, strlen(folder));
}
#ifdef NO_LOCKS
int flock(int fd, int operation) {
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    if (!there(fd)) return real(fd, operation);
    errno = ENOLCK;
    return -1;
}
#else
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    void *(*real)(void *, size_t, int, int, int, off_t) =
        (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    if (!(flags & MAP_SHARED) || fd < 0 || !there(fd)) return real(at, size, protection, flags, fd, offset);
    errno = EINVAL;
    return MAP_FAILED;
}
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap(at, size, protection, flags, fd, offset);
}
#endif
"""
"""Makes files of a folder behave as on VirtualBox's shared folders (no shared memory) or on NFS (no locks)."""


@ROOT_ONLY
@pytest.mark.parametrize("define", ["NO_SHARED_MEMORY", "NO_LOCKS"])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler: sudo apt install gcc libc6-dev")
def test_a_shared_folder_of_the_vm(place: Place, define: str, old: bool) -> None:
    library = place.folder / "preload.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-D{define}", "-o", str(library), "-x", "c", "-", "-ldl"],
        input=_PRELOAD.encode(), check=True,
    )
    disk = place.clone / "shared folder"
    mounted(disk, "size=4m,mode=777")
    if old:
        used(place)
        shutil.move(place.data, disk / "data")
        for path in (disk / "data", *(disk / "data").iterdir()):
            os.chown(path, OPERATOR, OPERATOR)
    place.data = disk / "data"
    place.more = {"LD_PRELOAD": str(library), "SHARED_FOLDER": str(disk)}
    line = failure(place)
    assert line.startswith(f"{place.data}: a database can't work on its file system (tmpfs, mounted at {disk}): ")
    (remedy,) = remedies(line)
    assert remedy == "--data ~/classcord-data"
    if old:
        assert line.endswith(" (copy classcord.db there first, to keep what is in it)")
        with_all = [path for path in place.data.iterdir() if path.name.startswith("classcord.db")]
        (place.home / "classcord-data").mkdir()
        for path in with_all:
            shutil.copy(path, place.home / "classcord-data")
        for path in (place.home / "classcord-data", *(place.home / "classcord-data").iterdir()):
            os.chown(path, OPERATOR, OPERATOR)
    serves(place, remedy, knows=True if old else None)


@ROOT_ONLY
def test_a_disk_that_is_read_only(place: Place) -> None:
    disk = place.clone / "cd"
    mounted(disk, "size=1m,mode=777,ro")
    place.data = disk / "data"
    line = failure(place)
    assert f"its file system is read-only (tmpfs, mounted at {disk}); " in line
    (remedy,) = remedies(line)
    serves(place, remedy)


# --- names ---

NAMES = [
    b"caf\xe9", b"caf\xc3\xa9", b"a b", b"a#b?c=d&mode=ro", b"100%41", b"it's \"$HOME\" `x`\\", b"*", b"--data",
    b"\xe2\x80\xae", b"x" * 200, b"\xe9'\"\\ %s",
]


@ROOT_ONLY
@pytest.mark.parametrize("name", NAMES, ids=str)
def test_a_name_of_any_bytes_works_and_its_command_cures(place: Place, name: bytes) -> None:
    place.data = place.clone / os.fsdecode(name)
    serves(place)
    assert [path.name for path in place.clone.iterdir()] == [os.fsdecode(name)]
    assert {path.name for path in files(place.data)} == {"classcord.lock", "classcord.db"}
    done = subprocess.run(
        [*as_user(OPERATOR), "--check-config", "--data", place.data], capture_output=True, check=False,
        env={**place.environment, "PYTHONUTF8": "1"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii() or b"\\x" not in done.stdout
    for path in (place.data, *place.data.iterdir()):
        os.chown(path, 0, 0)
    (command, _) = remedies(failure(place))
    type_in(place, command)
    serves(place)


def test_a_relative_name_like_a_uri(place: Place) -> None:
    name = "file:x?mode=memory"
    command = ["sh", "-c", 'cd "$0" && exec "$@"', str(place.clone), *as_user(OPERATOR)]
    with Server(Path(name), command=command, env=place.environment) as server:
        assert server.stop() == 0
    assert {path.name for path in files(place.clone / name)} == {"classcord.lock", "classcord.db"}


@pytest.mark.parametrize("name", ["x" * 256, "x/" * 2100])
def test_a_name_that_is_too_long(place: Place, name: str) -> None:
    place.data = place.clone / name
    line = failure(place)
    assert "the name is too long; " in line
    assert len(line) < 300
    (remedy,) = remedies(line)
    serves(place, remedy)


def test_the_folder_in_which_the_server_starts_is_gone(place: Place) -> None:
    """As it is after the clone was deleted and made again, in a shell that is still in the old one."""
    gone = place.clone / "gone"
    gone.mkdir()
    start = f'cd {gone}; rmdir {gone}; exec "$@" '
    program = [sys.executable, str(ROOT / "server.py")]
    done = subprocess.run(
        ["sh", "-c", start, "sh", *program, "--host", "127.0.0.1", "--port", "0", "--data", "data"],
        capture_output=True, text=True, env=place.environment, check=False,
    )
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert "data: the current folder was deleted; go to another folder (cd), or start it with" in line
    gone.mkdir()
    command = ["sh", "-c", start + remedies(line)[0], "sh", *program]
    with Server(Path("data"), command=command, env=place.environment) as server:
        assert server.stop() == 0


@pytest.mark.parametrize("name", ["~/mine", "~"])
def test_a_home_that_no_shell_has_put_in(place: Place, name: str) -> None:
    (place.home / "mine").mkdir()
    os.chown(place.home / "mine", OPERATOR, -1)
    place.more = {"CLASSCORD_DATA": name}
    done = subprocess.run(
        [*as_user(OPERATOR), "--check-config"], capture_output=True, text=True, env=place.environment, check=False
    )
    assert f"data={place.home}{name[1:]} (CLASSCORD_DATA)" in done.stdout


@ROOT_ONLY
def test_a_full_disk_while_an_older_database_is_brought_forward(place: Place) -> None:
    """With too little space at each step nothing is changed; with enough, all of it is there."""
    disk = place.clone / "usb"
    mounted(disk, "size=2m,mode=777")
    place.data, filler = disk / "data", disk / "filler"
    rows: list[Row] = [(n, "2026-01-01T09:00:00.000Z", f"Invité-{n}", 1, "global", None, "x" * 50) for n in range(3000)]
    first_schema(place.data, rows)
    os.chown(place.data, OPERATOR, -1)
    os.chown(place.data / "classcord.db", OPERATOR, -1)
    failed = 0
    for pages in range(16, 500, 40):
        space = os.statvfs(disk)
        with filler.open("wb") as file:
            file.write(bytes((space.f_bavail - pages) * space.f_bsize))
        line = attempt(place)
        filler.unlink()
        if not line:
            break
        assert "the disk is full: " in line
        assert "; free some space there, or start it with --data ~/classcord-data" in line
        assert read(place.data) == rows
        failed += 1
    assert failed > 1
    assert read(place.data) == rows
    with closing(sqlite3.connect(place.data / "classcord.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
