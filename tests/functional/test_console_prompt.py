"""`server.py admin` without a command: the prompt, on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

from classcord.console.place import NAME
from classcord.data.search import SEARCH
from tests.functional.test_console import ADMIN, admin
from tests.support import DEADLINE, Server, member

OwnServer = Callable[..., Server]


class Terminal:
    """A console on a terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.main, other = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200", "LINES": "50", "HOME": str(folder)}
        self.process = subprocess.Popen(
            [*ADMIN, "--data", str(folder), *words], stdin=other, stdout=other, stderr=other, env=environment,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so Ctrl-C is a signal
        )
        os.close(other)
        self.seen = ""

    def until(self, text: str) -> str:
        """What it prints up to this text."""
        while text not in self.seen:
            assert select.select([self.main], [], [], DEADLINE)[0], f"no {text!r} after {self.seen!r}"
            self.seen += os.read(self.main, 4096).decode()
        found, _, self.seen = self.seen.partition(text)
        return found

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def interrupt(self) -> None:
        """Type Ctrl-C until it is noticed: a signal just before the program waits for a key is noticed at the next."""
        for _ in range(100):
            self.type("\x03")
            while select.select([self.main], [], [], 0.2)[0]:
                self.seen += os.read(self.main, 4096).decode()
            if "classcord> " in self.seen:
                return


def test_the_prompt_completes_commands_and_names_and_keeps_no_history(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice"):
        prompt = Terminal(server.data)
        prompt.until("classcord> ")
        prompt.type("pro\t")
        prompt.until("promote ")
        prompt.type("al\t")
        prompt.until("alice")
        prompt.type("\n")
        prompt.until("alice is a teacher now")
        prompt.until("classcord> ")
        prompt.type("help demote\n")
        prompt.until("take that right away")
        prompt.until("classcord> ")
        prompt.type("\n")
        prompt.until("classcord> ")
        prompt.type("new-class x\n")
        prompt.until("new-class takes --archive FILE")
        prompt.until("classcord> ")
        prompt.type("nix\n")
        prompt.until("there is no command 'nix'")
        prompt.until("classcord> ")
        prompt.type("halfway")
        prompt.until("halfway")  # it reads now: a signal just before would wait for the next key
        prompt.interrupt()
        prompt.until("classcord> ")
        prompt.type("exit\n")
        assert prompt.process.wait(DEADLINE) == 0
        os.close(prompt.main)
    assert {name for name in os.listdir(server.data) if not name.startswith(("classcord.", SEARCH))} == {NAME}


def test_the_prompt_begins_only_if_a_server_runs(tmp_path: Path) -> None:
    done = admin(tmp_path, given="users\n")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)


def test_texts_at_the_prompt_stay_as_they_were_typed(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        prompt = Terminal(server.data)
        prompt.until("classcord> ")
        prompt.type("announce C'est l'heure de la pause\n")
        assert alice.receive()["content"] == "C'est l'heure de la pause"
        prompt.type("kick alice c'est trop\nexit\n")
        assert "Motif : c'est trop" in alice.receive()["content"]
        assert prompt.process.wait(DEADLINE) == 0
        os.close(prompt.main)
