"""`server.py admin` against a running server: what it prints, its exit codes, and what the people see."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from classcord.console import client
from classcord.console.client import replies
from classcord.console.commands import Commands
from classcord.console.place import NAME, Place, connect
from classcord.console.words import COMMANDS
from classcord.ops.failure import Failure
from tests.support import DEADLINE, ROOT, Client, Server, member

OwnServer = Callable[..., Server]
BY = f"(console {pwd.getpwuid(os.getuid()).pw_name})"
"""Who has done it, in the audit: the user who runs the tests."""
ADMIN = [sys.executable, str(ROOT / "server.py"), "admin"]


def admin(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """A command of the console, to its end."""
    return subprocess.run(
        [*ADMIN, "--data", str(folder), *words], input=given, capture_output=True, text=True, timeout=DEADLINE,
        check=False,
    )


def answer(server: Server, *words: str, given: str = "") -> Any:
    """The JSON answer to a command that succeeds."""
    done = admin(server.data, *words, "--json", given=given)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def test_the_table_and_the_code_have_the_same_commands() -> None:
    class Nothing:
        registry = texts = history = None
    assert list(Commands(Nothing(), "", "")._run) == list(COMMANDS)  # type: ignore[arg-type]


def test_users_with_their_kinds_states_and_addresses(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    assert admin(server.data, "users").stdout == "nobody is here\n"
    with member(address, "alice") as alice, Client(address, source="127.0.0.9") as guest:
        assert alice.ask({"type": "users"})["users"] == ["alice"]
        alice.send({"type": "status", "state": "away"})
        guest.ask({"type": "users"})
        alice.pending()  # her own state is set by now
        assert answer(server, "users")["users"] == [
            {
                "name": "alice", "kind": "account", "state": "away", "addresses": ["127.0.0.1"], "muted": 0,
                "channels": [],
            },
            {
                "name": "invité-1", "kind": "guest", "state": "online", "addresses": ["127.0.0.9"], "muted": 0,
                "channels": [],
            },
        ]
        assert admin(server.data, "users").stdout == (
            "NAME      KIND     STATE   ADDRESS\n"
            "alice     account  away    127.0.0.1\n"
            "invité-1  guest    online  127.0.0.9\n"
        )


def test_the_channels_with_their_topics_and_how_many_are_in_them(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, Client(address) as second, Client(address) as guest:
        second.login("alice")
        guest.ask({"type": "users"})
        for client in (alice, second, guest):
            client.send({"type": "join", "channel": "#dev"})
        alice.send({"type": "join", "channel": "#projet"}, {"type": "topic", "channel": "#projet", "topic": "le TP"})
        for client in (alice, second, guest):
            client.pending()
        assert answer(server, "channels")["channels"] == [
            {"channel": "#général", "topic": "", "members": 2, "closed": False},
            {"channel": "#dev", "topic": "", "members": 2, "closed": False},
            {"channel": "#admin", "topic": "", "members": 0, "closed": True},
            {"channel": "#projet", "topic": "le TP", "members": 1, "closed": False},
        ]
        assert admin(server.data, "channels").stdout == (
            "CHANNEL   PEOPLE          TOPIC\n"
            "#général  2\n"
            "#dev      2\n"
            "#admin    0       closed\n"
            "#projet   1               le TP\n"
        )
        assert admin(server.data, "channels", "x").returncode == 2


def test_a_teacher_is_known_at_once_in_all_its_connections_and_after_a_restart(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)

    def kinds() -> list[str]:
        return [user["kind"] for user in answer(server, "users")["users"]]

    with member(address, "Prof") as first, Client(address) as second:
        second.login("prof")
        assert admin(server.data, "promote", "PROF").stdout == "Prof is a teacher now\n"
        assert kinds() == ["teacher"]
        assert admin(server.data, "promote", "prof").stdout == "nothing to do: Prof is a teacher now\n"
        assert answer(server, "demote", "prof")["name"] == "Prof"
        assert kinds() == ["account"]
        assert answer(server, "promote", "prof")["name"] == "Prof"
        for client in (first, second):
            told = [line["content"] for line in client.pending()]
            assert ["n'est plus" in text for text in told] == [False, True, False]
    line = server.wait_log('event=moderated actor="\\(console .*\\)" action=demote target="Prof"')
    assert "seconds" not in line
    assert server.stop() == 0
    with closing(sqlite3.connect(server.data / "classcord.db")) as db:
        rows = db.execute("SELECT actor, action, target, seconds, reason FROM audit ORDER BY time").fetchall()
    assert rows == [(BY, action, "Prof", None, "") for action in ("promote", "demote", "promote")]
    server = own_server()
    with Client((server.host, server.port)) as again:
        again.login("prof")
        assert kinds() == ["teacher"]


def test_an_unknown_name_is_refused(own_server: OwnServer) -> None:
    done = admin(own_server().data, "promote", "nobody", "here")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "server.py admin: there is no account 'nobody here'\n"


def test_a_new_password(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "jean paul") as pupil:
        made = answer(server, "reset-password", "jean", "paul")
        assert len(made["password"]) == 10
        assert made["text"] == f"jean paul has a new password: {made['password']}"
        assert pupil.ask({"type": "login", "username": "jean paul", "password": "azerty"})["code"] == "login_failed"
        assert pupil.login("jean paul", made["password"])["status"] == "ok"
        assert "password" not in answer(server, "reset-password", "jean paul", "-", given="sésame ouvre-toi\n")
        assert pupil.login("jean paul", "sésame ouvre-toi")["status"] == "ok"
        assert admin(server.data, "reset-password", "jean paul", "-", given="\n").returncode == 1
        assert pupil.login("jean paul", "sésame ouvre-toi")["status"] == "ok"
    server.stop()
    assert not any("sésame" in line or made["password"] in line for line in server.log)


def test_an_announcement_reaches_everybody(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        assert admin(server.data, "announce", "Pause", "jusqu'à", "10 h").returncode == 0
        got = alice.receive()
        assert (got["from"], got["subtype"], got["content"]) == ("Serveur", "global", "Pause jusqu'à 10 h")
        assert admin(server.data, "announce").returncode == 2
        assert admin(server.data, "announce", "\x1b[31m").returncode == 1
        assert alice.pending() == []


def test_a_whole_line_is_one_command_with_its_text_as_it_was_typed(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        for line in ("announce C'est l'heure, dit \"Bob\"", " announce  a\\b  #dev"):
            assert admin(server.data, line).returncode == 0
            assert alice.receive()["content"] == line.partition("announce")[2].strip()
        assert json.loads(admin(server.data, "stats  --json").stdout)["people"] == 1
        assert admin(server.data, "--json").returncode == admin(server.data, "--json --json").returncode == 2
    assert "a shell takes # for a comment" in admin(server.data, "close-channel").stderr


def test_stop_is_announced_and_may_be_called_off(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        assert answer(server, "stop", "--in", "600")["seconds"] == 600
        assert alice.receive()["content"] == "Le serveur s'arrêtera dans 600 secondes."
        assert "goes on" in answer(server, "stop", "--cancel")["text"]
        assert alice.receive()["content"] == "Le serveur ne s'arrêtera pas, finalement."
        assert admin(server.data, "stop", "--in", "soon").returncode == 2
        assert admin(server.data, "stop").stdout == "the server stops\n"
        assert alice.receive()["content"].startswith("Le serveur s'arrête.")
        assert server.wait() == 0
    assert not (server.data / NAME).exists()
    done = admin(server.data, "users")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert "no server runs with this data folder; start it" in done.stderr


def test_stats(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice"):
        found = answer(server, "stats")
    assert (found["people"], found["guests"], found["accounts"], found["connections"]) == (1, 0, 1, 1)
    assert (found["data"], found["process"]) == (str(server.data), server.pid)


@pytest.mark.parametrize(("words", "code", "text"), [
    (["nix"], 2, "there is no command 'nix'; the commands are users, "),
    (["users", "x"], 2, "nothing follows it; type: users"),
    (["promote"], 2, "say who; type: promote NAME"),
    (["--jsn", "users"], 2, "unrecognized arguments: --jsn"),
    (["--json"], 2, "--json needs a command"),
    (["--data", "", "users"], 2, "--data"),
])
def test_wrong_words(own_server: OwnServer, words: list[str], code: int, text: str) -> None:
    done = admin(own_server().data, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
    assert text in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run the tests as root")
def test_another_user_is_refused(own_server: OwnServer) -> None:
    server = own_server()
    server.data.chmod(0o755)
    assert as_nobody(server.data) == (77, "only root and the user that runs the server may do that; type sudo in front")
    (server.data / NAME).chmod(0o666)  # the mode alone does not protect it
    assert as_nobody(server.data) == (77, "only root and the user of the server may do that")


def as_nobody(folder: Path) -> tuple[int, str]:
    """The exit code and the end of the text that the user nobody gets there."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.chdir(folder)  # the folders above are only for root
        os.setuid(65534)
        try:
            (reply,) = replies(".", ["users"])
            found = (client.exit_code(reply), reply["text"])
        except Failure as failure:
            found = (failure.code, str(failure).partition(": ")[2])
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        code, text = json.loads(lines.read())
    os.wait()
    return code, text


def test_bad_lines_and_many_consoles_hurt_nobody(own_server: OwnServer) -> None:
    server = own_server()
    folder = str(server.data)

    def reply(line: bytes) -> Any:
        with connect(folder) as console:
            console.settimeout(DEADLINE)
            console.sendall(line)
            return json.loads(console.makefile("rb").readline())

    for line in (b"users\n", b"{}\n", b"[]\n", b'{"words": []}\n', b'{"words": [5]}\n', b"[" * 9000 + b"\n", b"\xff\n",
                 b"x" * 65537 + b"\n"):
        assert reply(line)["code"] == "usage"
    with ExitStack() as stack, member((server.host, server.port), "alice") as alice:
        for _ in range(20):  # consoles that say nothing
            stack.enter_context(connect(folder))
        assert reply(b'{"words": ["users"]}\n')["ok"]
        assert alice.ask({"type": "ping"}) == {"type": "pong"}
    assert server.stop() == 0
    assert not any("internal_error" in line for line in server.log)


@pytest.mark.parametrize("sent", [b"", b'{"ok": tr'])
def test_a_server_that_ends_before_it_answers_has_not_done_it(tmp_path: Path, sent: bytes) -> None:
    def end() -> None:
        connection, _ = place.socket.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(sent)

    place = Place(str(tmp_path))
    with place.socket:
        ending = threading.Thread(target=end)
        ending.start()
        done = admin(tmp_path, "kick", "bob")
        ending.join(DEADLINE)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == "server.py: the server ended before it had answered\n"


def test_a_file_in_the_place_of_the_socket(own_server: OwnServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / NAME).write_text("mine")
    server = own_server()
    line = server.wait_log("event=console_unavailable")
    assert "move admin.sock out of the data folder" in line
    with member((server.host, server.port), "alice") as alice:
        assert alice.ask({"type": "ping"}) == {"type": "pong"}
    assert admin(server.data, "users").returncode == 69
    assert server.stop() == 0
    assert (tmp_path / "data" / NAME).read_text() == "mine"


def test_a_killed_server_leaves_a_socket_that_the_next_one_replaces(own_server: OwnServer) -> None:
    server = own_server()
    server.stop(signal.SIGKILL)
    assert admin(server.data, "users").returncode == 69
    server = own_server()
    assert admin(server.data, "users").returncode == 0


def test_a_folder_with_a_long_name(tmp_path: Path) -> None:
    with Server(tmp_path / ("d" * 200)) as server:
        assert admin(server.data, "users").returncode == 0
        assert server.stop() == 0
        assert NAME not in os.listdir(server.data)


def test_a_promotion_that_cannot_be_stored_is_not_done(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        with closing(sqlite3.connect(server.data / "classcord.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            done = admin(server.data, "promote", "alice")
            assert (done.returncode, "nothing was changed" in done.stderr) == (1, True), done
            assert [user["kind"] for user in answer(server, "users")["users"]] == ["account"]
            assert alice.pending() == []
            other.execute("ROLLBACK")
        server.wait_log("event=storage_recovered")
        assert admin(server.data, "promote", "alice").returncode == 0
        assert [line["from"] for line in alice.pending()] == ["Serveur"]


def test_a_console_that_does_not_read_hurts_nobody(own_server: OwnServer) -> None:
    server = own_server()
    with connect(str(server.data)) as console:
        console.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        console.sendall(b'{"words": ["stats"]}\n')
        with member((server.host, server.port), "alice") as alice:
            assert alice.ask({"type": "ping"}) == {"type": "pong"}
            assert admin(server.data, "users").returncode == 0
