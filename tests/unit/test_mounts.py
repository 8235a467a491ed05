"""Where a path is: mounts and containers, told from what the kernel says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from classcord.data import mounts, remedies
from tests.hostile.folders import ROOT_ONLY, in_place, mounted


@pytest.mark.parametrize(
    ("row", "mount"),
    [
        (b"22 27 0:21 / /proc rw,relatime - proc proc rw", mounts.Mount("/proc", "proc", False)),
        (b"9 2 0:9 /x /mnt/a\\040b\\134\\012c rw shared:1 master:2 - vboxsf share rw,ttl=0",
         mounts.Mount("/mnt/a b\\\nc", "vboxsf", False)),
        (b"9 2 0:9 / /mnt/\xff ro,nosuid - ext4 /dev/sda1 rw", mounts.Mount("/mnt/\udcff", "ext4", True)),
        (b"9 2 0:9 / /mnt rw - fuse.sshfs a - b ro", mounts.Mount("/mnt", "fuse.sshfs", False)),
    ],
)
def test_a_row_of_the_table(row: bytes, mount: mounts.Mount) -> None:
    assert mounts._parse(row) == mount


@ROOT_ONLY
def test_the_mount_that_is_on_top_is_the_one() -> None:
    with in_place() as place:
        point = place.clone / "a b\n#"
        mounted(point, "size=1m")
        assert mounts.mount_of(str(point)) == (str(point), "tmpfs", False)
        mounted(point, "mode=755", "ramfs")
        assert mounts.mount_of(str(point / "not" / "there")) == (str(point), "ramfs", False)
        subprocess.run(["mount", "-o", "remount,ro", str(point)], check=True)
        assert mounts.mount_of(str(point)) == (str(point), "ramfs", True)


@pytest.mark.parametrize(
    "kind", ["vboxsf", "9p", "cifs", "nfs", "nfs4", "prl_fs", "fuse.vmhgfs-fuse", "drvfs", "virtiofs"]
)
def test_file_systems_of_other_machines(kind: str) -> None:
    assert mounts.UNSUITABLE.fullmatch(kind)
    assert mounts.WITHOUT_OWNERS.fullmatch(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs"])
def test_file_systems_of_this_machine(kind: str) -> None:
    assert not mounts.UNSUITABLE.fullmatch(kind)
    assert not mounts.WITHOUT_OWNERS.fullmatch(kind)


def test_files_of_an_image_make_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose disk was made from an image of Docker keeps /.dockerenv."""
    (tmp_path / ".dockerenv").touch()
    own = os.stat("/proc/self/ns/pid").st_ino
    monkeypatch.setattr(mounts, "_CONTAINER_FILES", (str(tmp_path / ".dockerenv"),))
    monkeypatch.setattr(mounts, "_FIRST_PROCESSES", own)
    assert not mounts.in_container()
    monkeypatch.setattr(mounts, "_FIRST_PROCESSES", own + 1)
    assert mounts.in_container()


@pytest.mark.parametrize("name", [b"/a/b", b"/a b", b"/it's", b"/\xff'\"\\%s$x\n1", "/é…".encode(), b"/\xe2\x80\xae"])
def test_a_quoted_path_is_that_path_for_a_shell(name: bytes) -> None:
    word = remedies.quoted(os.fsdecode(name))
    assert word.isprintable()
    assert subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout == name
