"""`admin watch`: what it shows, who is told, and that nobody waits for it."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.functional.school import notices
from tests.functional.test_console import ADMIN, admin, answer
from tests.hostile.tools import launcher
from tests.support import DEADLINE, IPV6_IS_OFF, Client, Server, has_ipv6, member, say

OwnServer = Callable[..., Server]
BEGINS = "Les messages, privés aussi, s'affichent maintenant sur la console du serveur."
WIRE = "Vos lignes s'affichent maintenant sur la console du serveur, sans les mots de passe."
ENDS = "Rien ne s'affiche plus sur la console du serveur."


class Console:
    """A console that watches."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def reply(self) -> Any:
        return json.loads(self.line())


@contextmanager
def watching(folder: Path, *words: str) -> Iterator[Console]:
    """A console that watches, until the end of the block."""
    process = subprocess.Popen(
        [*ADMIN, "--data", str(folder), "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        console = Console(process)
        try:
            assert "Ctrl-C ends it" in console.line()
            yield console
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE) == 130
        finally:
            process.kill()


def told(client: Client) -> str:
    """The next thing that Serveur says."""
    return str(client.until(type="message", **{"from": "Serveur"})["content"])


def test_messages_as_they_pass(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob:
        with watching(server.data) as console:
            assert told(alice) == told(bob) == BEGINS
            alice.send(say("Bonjour\n12:00 bob: faux"))
            alice.send({"type": "message", "subtype": "private", "to": "bob", "content": "psst"})
            clock = r"\d\d:\d\d:\d\d\.\d{3} \d+ "
            assert re.fullmatch(clock + re.escape("alice: Bonjour\\n12:00 bob: faux"), console.line())
            assert re.fullmatch(clock + "alice -> bob: psst", console.line())
            with member(address, "carla") as carla:
                assert carla.pending() == [], "nothing comes before the first list"
                assert carla.ask({"type": "users"})["type"] == "users"
                assert told(carla) == BEGINS
        assert told(alice) == told(bob) == ENDS
        with member(address, "dora") as dora:
            dora.ask({"type": "users"})
            assert dora.pending() == []
    assert server.stop() == 0
    assert not any("Bonjour" in line or "internal_error" in line for line in server.log)


def test_the_lines_of_one_person_both_ways_without_passwords(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob:
        alice.pending()
        with watching(server.data, "--wire", "bob", "--json") as console:
            assert told(bob) == WIRE
            assert alice.pending() == [], "only those who are watched are told"
            console.reply()  # the line that tells bob
            bob.send('{"type":"login","username":"bob","password":"azerty"}')
            assert bob.ask("{oops")["type"] == "login"
            bob.until(type="error")
            alice.send(say("Salut"))
            seen = [console.reply() for _ in range(5)]
            assert [line["name"] for line in seen] == ["bob"] * 5
            port = bob.socket.getsockname()[1]
            assert {line["peer"] for line in seen} == {f"127.0.0.1:{port}"}
            shown = [(line["way"], line["line"]) for line in seen]
            sent = [line for way, line in shown if way == ">"]
            assert sent == ['{"type":"login","username":"bob","password":"***"}', "{oops"]
            refused = next(line for way, line in shown if '"code":"invalid_json"' in line)
            assert refused.endswith("  <- refused")
            assert any(line.startswith('{"type":"message","subtype":"global","from":"alice"') for _, line in shown)
        assert told(bob) == ENDS


def test_the_lines_of_an_address_from_its_first_one(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, watching(server.data, "--wire", "127.0.0.7") as console:
        with Client(address, source="127.0.0.7") as pupil:
            pupil.ask("bonjour")
            assert console.line().endswith(" - > bonjour")
            assert " - < {" in console.line()
            alice.send(say("x"))
            port = pupil.socket.getsockname()[1]
        assert console.line().endswith(f"127.0.0.7:{port} - closed: closed")


def test_the_lines_of_a_name_from_its_first_one_and_of_a_failed_login(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice"), member(address, "bob"):
        pass
    with watching(server.data, "--wire", "alice", "--json") as console:
        with Client(address) as bob, Client(address) as pupil:
            bob.login("bob")
            bob.ask("{oops")
            pupil.ask("bonjour")
            pupil.ask({"type": "login", "username": "alice", "password": "faux"})
            pupil.login("alice")
            pupil.ask({"type": "ping"})
        replies = [console.reply()]
        while replies[-1]["way"] != "end":
            replies.append(console.reply())
    assert len({reply["peer"] for reply in replies}) == 1
    seen = [(reply["way"], reply["line"]) for reply in replies]
    masked = '{"type":"login","username":"alice","password":"***"}'
    assert [line.replace(" ", "") for way, line in seen if way == ">"] == ["bonjour", masked, masked, '{"type":"ping"}']
    got = [line for way, line in seen if way == "<"]
    assert '"code":"invalid_json"' in got[0]
    assert got[0].endswith("<- refused")
    assert '"code":"login_failed"' in got[1]
    assert not any("oops" in line for _, line in seen)


def test_quiet_needs_the_setting(own_server: OwnServer) -> None:
    server = own_server()
    done = admin(server.data, "watch", "--quiet")
    assert (done.returncode, done.stdout, "--quiet-watch" in done.stderr) == (77, "", True)
    assert server.stop() == 0
    server = own_server("--quiet-watch", "on")
    with member((server.host, server.port), "alice") as alice:
        with watching(server.data, "--wire", "--quiet") as console:
            assert alice.ask('{"type":"ping"}') == {"type": "pong"}
            assert console.line().endswith('alice > {"type":"ping"}')
            assert console.line().endswith('alice < {"type":"pong"}')
        assert alice.pending() == []


def test_wrong_words(own_server: OwnServer) -> None:
    server = own_server()
    for words in (["bob"], ["--wires"], ["--wire", "--loud"]):
        assert admin(server.data, "watch", *words).returncode == 2, words


def test_a_console_that_has_stopped_slows_nobody_and_says_what_it_has_missed(own_server: OwnServer) -> None:
    # a console may take nothing for a time; here for as long as this machine needs for all the messages
    server = own_server(command=launcher("from classcord.console import server as console; console._SECONDS = 3600"))
    address = (server.host, server.port)
    with ExitStack() as stack:
        alice, bob = (stack.enter_context(member(address, name)) for name in ("alice", "bob"))
        console = stack.enter_context(watching(server.data, "--json"))
        console.process.send_signal(signal.SIGSTOP)
        bob.pending()
        for number in range(3000):  # what the pipe, the socket and the queue hold, and more
            alice.send(say(f"{number} {'x' * 3000}"))
            bob.until(type="message", **{"from": "alice"})
        memory = server.status("VmRSS")
        console.process.send_signal(signal.SIGCONT)
        numbers, left_out = [], 0
        while not left_out:
            reply = console.reply()
            left_out = reply.get("left_out", 0)
            if not left_out:
                numbers.append(int(reply["content"].split()[0]))
        assert numbers == list(range(len(numbers)))
        assert len(numbers) + left_out == 3000
        assert memory < 120_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("words", [["watch"], ["watch", "--wire", "--json"], ["dashboard"]])
def test_a_server_that_ends_ends_the_watch(own_server: OwnServer, words: list[str], number: int) -> None:
    server = own_server()
    process = subprocess.Popen(
        [*ADMIN, "--data", str(server.data), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        server.stop(number)
        assert process.wait(DEADLINE) == 69
        assert process.stderr.read() == "server.py: the server ended\n"


def comes(server: Server, name: str, source: str = "127.0.0.1") -> Client:
    """A connection of an account that exists; nobody has told it anything before its first list."""
    client = Client((server.host, server.port), source=source)
    assert client.login(name)["status"] == "ok"
    assert notices(client) == []
    client.ask({"type": "users"})
    return client


def test_who_is_watched_is_told_on_each_connection(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob, watching(server.data, "--wire", "bob"):
        assert told(bob) == WIRE
        bob.close()
        with comes(server, "bob") as again, comes(server, "alice") as other:
            assert notices(again) == [WIRE]
            again.ask({"type": "users"})
            assert notices(again) == [], "only once"
            again.send({"type": "logout"})
            again.until(type="logout")
            again.login("bob")
            again.ask({"type": "users"})
            assert notices(again) == [WIRE], "it may be somebody else"
            assert notices(other) == notices(alice) == []
        with Client(address) as silent:
            silent.login("bob")
            silent.send(say("sans demander la liste"))
            assert notices(silent) == [WIRE], "it is told at its first message"


def test_who_is_watched_before_it_comes_is_told_when_it_comes(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with watching(server.data, "--wire", "Nemo"):
        with Client(address) as guest:
            guest.ask({"type": "users"})
            assert notices(guest) == []
            guest.send(say("moi", **{"from": "nemo"}))
            assert notices(guest) == [WIRE], "it has the name only now"
        with member(address, "nemo") as nemo:
            nemo.ask({"type": "users"})
            assert notices(nemo) == [WIRE]


def test_who_comes_from_a_watched_address_is_told(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with ExitStack() as stack:
        alice, _ = (stack.enter_context(member(address, name)) for name in ("alice", "bob"))
        with watching(server.data, "--wire", "127.0.0.7") as console, Client(address, source="127.0.0.7") as pupil:
            pupil.ask({"type": "users"})
            assert "127.0.0.7" in console.line()
            assert told(pupil) == WIRE
            second = stack.enter_context(comes(server, "bob", "127.0.0.7"))
            assert told(second) == WIRE
            assert notices(alice) == []


def test_the_end_of_one_watch_is_not_told_while_another_goes_on(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob:
        with watching(server.data):
            assert told(alice) == told(bob) == BEGINS
            with watching(server.data, "--wire"):
                assert told(alice) == told(bob) == WIRE
                with watching(server.data, "--wire", "bob"):
                    assert (notices(alice), notices(bob)) == ([], []), "bob knows it already"
                assert (notices(alice), notices(bob)) == ([], [])
                with member(address, "carla") as carla:
                    carla.ask({"type": "users"})
                    assert notices(carla) == [BEGINS, WIRE]
            assert (notices(alice), notices(bob)) == ([], []), "the messages are still shown"
            deadline = time.monotonic() + DEADLINE
            for number in itertools.count():  # the server looks twice a second whether the console is still there
                with member(address, f"dora {number}") as dora:
                    dora.ask({"type": "users"})
                    if (greeting := notices(dora)) == [BEGINS]:
                        break
                assert greeting == [BEGINS, WIRE]
                assert time.monotonic() < deadline
        assert told(alice) == told(bob) == ENDS


def test_a_watch_is_in_the_audit_and_in_the_log(own_server: OwnServer) -> None:
    server = own_server("--quiet-watch", "on")
    with watching(server.data), watching(server.data, "--wire", "jean", "paul", "--quiet"):
        pass
    rows = [(row["action"], row["target"], row["reason"]) for row in answer(server, "audit")["audit"]]
    assert sorted(rows) == [("watch", "", ""), ("watch-wire", "jean paul", "--quiet")]
    server.wait_log('event=moderated .*action=watch-wire target="jean paul" why="--quiet"')


def begun(server: Server, *words: str) -> tuple[subprocess.Popen[str], str]:
    """A new watch, and what it says first."""
    process = subprocess.Popen(
        [*ADMIN, "--data", str(server.data), "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_watches_that_show_nothing_end_in_a_busy_room_and_leave_room_for_commands(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob, ExitStack() as stack:
        consoles = [begun(server, "--wire", "192.168.56.12")[0] for _ in range(8)]
        assert admin(server.data, "users").returncode == 0, "a watch takes no command's place"
        assert "8 watches and dashboards run already: end one" in admin(server.data, "watch").stderr
        ended = threading.Event()

        def talk() -> None:
            while not ended.is_set():
                alice.send(say("x"))
                bob.until(type="message", content="x")

        talking = threading.Thread(target=talk)
        talking.start()
        stack.callback(talking.join)
        stack.callback(ended.set)
        for console in consoles:
            console.kill()
            console.communicate()
        deadline, line = time.monotonic() + DEADLINE, ""
        while "Ctrl-C ends it" not in line and time.monotonic() < deadline:
            console, line = begun(server)
            console.kill()
            console.communicate()
        assert "Ctrl-C ends it" in line


@pytest.mark.skipif(not has_ipv6(), reason=IPV6_IS_OFF)
def test_an_ipv6_peer_has_brackets(own_server: OwnServer) -> None:
    server = own_server("--host", "::1")
    with watching(server.data, "--wire", "--json") as console, Client(("::1", server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
        assert console.reply()["peer"] == f"[::1]:{client.socket.getsockname()[1]}"
