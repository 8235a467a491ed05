"""A server that can't start says why in one line, and the exit code tells the kind of reason."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from classcord.data.schema import VERSION
from tests.hostile.tools import launcher
from tests.support import DEADLINE, IPV6_IS_OFF, ROOT, Bystanders, Client, Server, fields, has_ipv6

CANT_LISTEN, DATABASE = 1, 78


def _fails(code: int, data: Path, *options: str, command: list[str] | None = None) -> str:
    """Start a server that can't start; return the one line that it prints."""
    start = command or [sys.executable, str(ROOT / "server.py")]
    done = subprocess.run(
        [*start, "--host", "127.0.0.1", "--port", "0", "--data", str(data), "--password-cost", "1", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("server.py: ")
    assert lines[0].isprintable()
    assert (done.returncode, done.stdout) == (code, "")
    return lines[0]


# --- the address ---


def test_a_port_in_use(own_server: Callable[..., Server], tmp_path: Path) -> None:
    server = own_server()
    with Bystanders((server.host, server.port)):
        line = _fails(CANT_LISTEN, tmp_path / "other", "--port", str(server.port))
        assert f"port {server.port}" in line
        assert "--port" in line
        assert not (tmp_path / "other").exists(), "a server that can't listen leaves no database behind"
        line = _fails(CANT_LISTEN, tmp_path / "other", "--port", str(server.port), "--host", "*")
        assert f"port {server.port}" in line


def test_a_port_that_somebody_takes_between_bind_and_listen(tmp_path: Path) -> None:
    """Two servers that start together may both bind; the second to listen is told that the port is in use."""
    rival = """
import socket
from classcord.net.listener import ChatServer
listen = ChatServer.server_activate
def late(self):
    global rival
    rival = socket.socket()
    rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    rival.bind(self.server_address)
    rival.listen()
    listen(self)
ChatServer.server_activate = late
"""
    assert "port" in _fails(CANT_LISTEN, tmp_path / "data", command=launcher(rival))


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    assert "192.0.2.1" in _fails(CANT_LISTEN, tmp_path / "data", "--host", "192.0.2.1")  # for documentation only


def test_a_free_port_is_found_and_told(tmp_path: Path) -> None:
    with Server(tmp_path / "one") as one, Server(tmp_path / "two") as two:
        assert one.port != two.port
        with Bystanders((one.host, one.port)), Bystanders((two.host, two.port)):
            pass
        line = fields(one.wait_log("event=listening"))
        assert (line["port"], line["host"]) == (str(one.port), "127.0.0.1")


NO_IPV6 = {
    "no such sockets": "family == socket.AF_INET6",
    "no such addresses": "False",
}


@pytest.mark.parametrize("way", NO_IPV6)
def test_without_ipv6_it_listens_on_ipv4(tmp_path: Path, way: str) -> None:
    changes = f"""
import errno, socket
class Socket(socket.socket):
    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if {NO_IPV6[way]}:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, type, proto, fileno)
    def bind(self, address):
        if self.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        super().bind(address)
socket.socket = Socket
"""
    with Server(tmp_path / "data", "--host", "*", command=launcher(changes)) as server:
        assert fields(server.wait_log("event=listening"))["host"] == "0.0.0.0"
        with Bystanders((server.host, server.port)):
            pass


@pytest.mark.skipif(not has_ipv6(), reason=IPV6_IS_OFF)
def test_with_ipv6_it_listens_on_both(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--host", "*", "--log-level", "debug") as server:
        with Bystanders(("127.0.0.1", server.port)), Client(("::1", server.port)) as client:
            assert client.ask({"type": "ping"}) == {"type": "pong"}
        assert fields(server.wait_log("event=connected"))["peer"] == "127.0.0.1", "an IPv4 address as people write it"
        server.wait_log("event=connected peer=::1 ")


# --- the database ---


def _garbage(data: Path) -> None:
    data.mkdir()
    (data / "classcord.db").write_bytes(b"this is a text\nand no database\n" * 1000)


def _damaged(data: Path) -> None:
    data.mkdir()
    with sqlite3.connect(data / "classcord.db") as db:
        db.execute("CREATE TABLE filler (text)")
        db.executemany("INSERT INTO filler VALUES (?)", [("x" * 500,)] * 200)
    db.close()
    content = bytearray((data / "classcord.db").read_bytes())
    content[4096 : 4096 * 5] = os.urandom(4096 * 4)
    (data / "classcord.db").write_bytes(content)


def _of_version(version: int, *statements: str) -> Callable[[Path], None]:
    def make(data: Path) -> None:
        data.mkdir()
        with sqlite3.connect(data / "classcord.db") as db:
            for statement in (*statements, f"PRAGMA user_version={version}"):
                db.execute(statement)
        db.close()

    return make


def _file_for_a_folder(data: Path) -> None:
    data.write_text("a file")


def _folder_for_a_file(data: Path) -> None:
    (data / "classcord.db").mkdir(parents=True)


def _link_to_nowhere(data: Path) -> None:
    """For example to a disk that isn't mounted."""
    data.mkdir()
    (data / "classcord.db").symlink_to(data / "unmounted" / "classcord.db")


def _folder_that_is_a_link_to_nowhere(data: Path) -> None:
    data.symlink_to(data.parent / "unmounted")


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a text": (_garbage, "not a database"),
    "damaged": (_damaged, ""),
    "of a newer version": (_of_version(99), "version is 99"),
    "of another program": (_of_version(0, "CREATE TABLE accounts (id)"), ""),
    "of another program, with the first version": (_of_version(1, "CREATE TABLE things (id)"), ""),
    "of another program, with our version": (
        _of_version(VERSION, "CREATE TABLE accounts (key, name, password, created)", "CREATE TABLE messages (id)"), "",
    ),
    "a folder in its place": (_folder_for_a_file, ""),
    "a link to nowhere": (_link_to_nowhere, ""),
    "the folder is a file": (_file_for_a_folder, "folder"),
    "the folder is a link to nowhere": (_folder_that_is_a_link_to_nowhere, "it is a link to "),
}


def _contents(data: Path) -> object:
    """The content of a database; the bytes of another file."""
    path = data / "classcord.db"
    if not path.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            found = db.execute("PRAGMA user_version").fetchall() + db.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError:
        return path.read_bytes()
    return found


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_database_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    make, text = UNUSABLE[kind]
    data = tmp_path / "data"
    make(data)
    before = _contents(data)
    line = _fails(DATABASE, data)
    assert str(data) in line
    assert text in line
    assert _contents(data) == before, "an unusable file is not changed"


def test_two_servers_on_one_folder(own_server: Callable[..., Server], tmp_path: Path) -> None:
    server = own_server()
    with Bystanders((server.host, server.port)) as bystanders:
        line = _fails(DATABASE, server.data)
        assert str(server.data) in line
        assert "another ClassCord server" in line
        bystanders.check()
    assert server.stop() == 0
    own_server()  # the folder is free again
