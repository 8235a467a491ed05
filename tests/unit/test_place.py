"""The console's socket in the data folder: made safely, found from both sides, taken away at the end."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from classcord.console.place import NAME, Place, connect, peer_user


def speaks(place: Place, folder: Path) -> bool:
    """Whether a connection through the folder comes to this socket, which is closed afterwards."""
    with place.socket, connect(str(folder)) as client:
        server, _ = place.socket.accept()
        with server:
            client.sendall(b"x")
            return server.recv(1) == b"x" and peer_user(server) == os.geteuid()


def test_only_the_owner_may_open_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = Place(str(tmp_path))
    finally:
        os.umask(before)
    assert stat.filemode((tmp_path / NAME).stat().st_mode) == "srw-------"
    assert speaks(place, tmp_path)
    place.remove()
    assert not (tmp_path / NAME).exists()
    place.remove()


def test_a_folder_whose_path_is_longer_than_an_address(tmp_path: Path) -> None:
    folder = tmp_path / ("é" * 100) / ("x" * 200)
    folder.mkdir(parents=True)
    place = Place(str(folder))
    assert speaks(place, folder)
    place.remove()
    assert os.listdir(folder) == []


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / NAME))
    with pytest.raises(ConnectionRefusedError):
        connect(str(tmp_path))
    assert speaks(Place(str(tmp_path)), tmp_path)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to a socket", "pipe"])
def test_something_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / NAME, tmp_path / "other"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        if kind == "link to a socket":
            with socket.socket(socket.AF_UNIX) as old:
                old.bind(str(other))
        path.symlink_to(other)
    before = path.lstat()
    with pytest.raises(FileExistsError, match="not a socket"):
        Place(str(tmp_path))
    assert path.lstat() == before
    assert (kind == "link to a socket") == other.exists()


def test_a_socket_that_another_server_has_made_since_is_not_removed(tmp_path: Path) -> None:
    first = Place(str(tmp_path))
    second = Place(str(tmp_path))  # only the folder's lock, which a server holds, keeps it from that
    first.remove()
    first.socket.close()
    assert speaks(second, tmp_path)
