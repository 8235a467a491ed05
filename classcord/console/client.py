"""`server.py admin COMMAND`: one command to a running server."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from classcord.console.archive import new_class
from classcord.console.place import connect
from classcord.console.words import COMMANDS
from classcord.ops.failure import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_NO_SERVER,
    EXIT_NOT_ALLOWED,
    EXIT_USAGE,
    Failure,
    one_line,
)

__all__ = ["command", "exit_code", "replies"]

_SECONDS = 30.0
"""The time for the first answer: a busy server hashes other passwords first."""


def replies(folder: str, words: list[str]) -> Iterator[dict[str, Any]]:
    """The server's replies to a command, as they come. Raises Failure if no server answers, or if it ends meanwhile."""
    answered = False
    try:
        connection = connect(folder)
    except OSError as error:
        raise _unreachable(folder, error) from None
    with connection:
        connection.settimeout(_SECONDS)
        try:
            connection.sendall(json.dumps({"words": words}).encode("ascii") + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    reply = json.loads(line)
                    answered = True
                    yield reply
                    connection.settimeout(None)  # more comes when it happens
            if answered and not (reply["ok"] and words[0] in COMMANDS and COMMANDS[words[0]].lasts):
                return
        except TimeoutError:
            raise Failure(EXIT_NO_SERVER, f"the server does not answer within {_SECONDS:.0f} seconds") from None
        except (ConnectionError, ValueError):
            pass
        raise Failure(EXIT_NO_SERVER, "the server ended" if answered else "the server ended before it had answered")


def _unreachable(folder: str, error: OSError) -> Failure:
    where = one_line(folder)
    if error.errno in (errno.EACCES, errno.EPERM):
        why = "only root and the user that runs the server may do that; type sudo in front"
        return Failure(EXIT_NOT_ALLOWED, f"{where}: {why}")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
        hint = "start it, or name its folder with --data (the service: sudo classcord-admin; the container: make admin)"
        return Failure(EXIT_NO_SERVER, f"{where}: no server runs with this data folder; {hint}")
    return Failure(EXIT_NO_SERVER, f"{where}: the server can't be reached: {error.strerror or error}")


def exit_code(reply: dict[str, Any]) -> int:
    """That of a command with this reply."""
    if reply["ok"]:
        return EXIT_DONE
    return {"usage": EXIT_USAGE, "not_allowed": EXIT_NOT_ALLOWED}.get(reply["code"], EXIT_FAILED)


def command(folder: str, words: list[str], *, as_json: bool) -> int:
    """Run one command, print its replies; the exit code. Raises Failure."""
    if words[0] == "reset-password" and words[-1] == "-":
        words = [*words, _password()]
    if words[0] == "new-class":
        words = new_class(folder, words[1:])
    code = EXIT_DONE
    for reply in replies(folder, words):
        code = max(code, exit_code(reply))
        if as_json:
            print(json.dumps(reply), flush=True)
        elif reply["ok"]:
            lines = [one_line(line) for line in reply["text"].split("\n")]
            if words[0] == "dashboard" and sys.stdout.isatty():
                lines = _screen(lines)
            print("\n".join(lines), flush=True)
        else:
            print(f"server.py admin: {one_line(reply['text'])}", file=sys.stderr)
    return code


def _screen(lines: list[str]) -> list[str]:
    """The lines that fit on the terminal, from its top."""
    size = shutil.get_terminal_size()
    fit = [line[: size.columns - 1] for line in lines[: size.lines - 1]]
    return [f"\x1b[H\x1b[J{fit[0]}", *fit[1:]]  # home, erase to the end of the screen


def _password() -> str:
    """A password from standard input, not shown on a terminal."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    return getpass.getpass("New password: ")
