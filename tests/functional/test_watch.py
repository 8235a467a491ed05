"""`admin watch`: what it shows, who is told, and that nobody waits for it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.functional.test_console import ADMIN, admin
from tests.support import DEADLINE, Client, Server, member, say

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
    server = own_server()
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


def test_a_stopped_server_ends_the_watch(own_server: OwnServer) -> None:
    server = own_server()
    process = subprocess.Popen(
        [*ADMIN, "--data", str(server.data), "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert server.stop() == 0
        assert process.wait(DEADLINE) == 0
