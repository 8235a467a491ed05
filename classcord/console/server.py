"""The server's side of the console: accepts, checks who it is, runs one command for each connection.

A connection sends one line, {"words": ["kick", "bob"]}, and gets one or more: {"ok": true, "text": "..."}.
Nothing here waits for a client of the chat, and nothing of the chat waits for a console: each connection has a thread.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Generator

from classcord.console.place import NAME, Place, peer_user
from classcord.console.replies import Reply, refused
from classcord.console.words import COMMANDS
from classcord.ops import logs
from classcord.wire.protocol import ProtocolError, decode

__all__ = ["ConsoleServer"]

_MOST = 8
"""Commands that run at the same time. Those that last have as many places of their own: else they could keep out
`kick` and `stop`."""
_CONNECTED = 32
"""Connections at the same time; the next one waits until a place is free."""
_LINE = 64 * 1024
"""Bytes of a command."""
_SECONDS = 10.0
"""The time for a command to arrive, and for the other end to take an answer."""


class ConsoleServer:
    """Listens in `folder`. `run(words, socket)` gives the replies to a command, in its connection's own thread.

    Without a socket the chat goes on: the log says why.
    """

    def __init__(self, folder: str, run: Callable[[list[str], socket.socket], Generator[Reply, None, None]]) -> None:
        self._run = run
        self._free = {lasts: threading.BoundedSemaphore(_MOST) for lasts in (False, True)}
        self._places = threading.BoundedSemaphore(_CONNECTED)
        self._users = {0, os.geteuid()}
        self._place: Place | None = None
        self._trouble: Exception | None = None
        try:
            self._place = Place(folder)
        except OSError as error:
            self._trouble = error

    def start(self) -> None:
        """Begin to answer, or log why there is no console."""
        if self._place is not None:
            listening = self._place.socket
            try:
                threading.Thread(target=self._accept, args=(listening,), name="console", daemon=True).start()
            except RuntimeError as error:  # the system has no thread left
                self._trouble = error
        if self._trouble is not None:
            hint = "the chat works, only `server.py admin` does not; the data folder must be on a disk of this machine"
            if isinstance(self._trouble, OSError) and self._trouble.errno == errno.EEXIST:
                hint = f"move {NAME} out of the data folder and restart the server"
            logs.event("console_unavailable", detail=str(self._trouble), hint=hint)

    def stop(self) -> None:
        """Take the socket away. Commands that run go on until the process ends."""
        if self._place is not None:
            self._place.remove()

    def _accept(self, listening: socket.socket) -> None:
        throttle = logs.LogThrottle(60)
        while True:
            self._places.acquire()
            try:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve, args=(connection,), name="console", daemon=True).start()
            except (OSError, RuntimeError) as error:  # no file or no thread left
                self._places.release()
                if throttle.happened(time.monotonic()):
                    logs.event("console_unavailable", detail=str(error), hint="raise the limits of files and threads")
                time.sleep(0.1)  # the connection still waits: without a pause the loop would spin

    def _serve(self, connection: socket.socket) -> None:
        """The thread of one connection."""
        with connection:
            try:
                line = _read_line(connection)  # of a refused one too: a close with unread bytes destroys the answer
                if peer_user(connection) not in self._users:
                    _send(connection, refused("not_allowed", "only root and the user of the server may do that"))
                else:
                    self._answer(connection, _words(line))
            except OSError:
                pass  # it has gone, or takes nothing
            except Exception as error:  # a fault of ours ends this connection only
                logs.exception("internal_error", error)
            finally:
                self._places.release()

    def _answer(self, connection: socket.socket, words: list[str]) -> None:
        if not words:
            _send(connection, refused("usage", 'send one line: {"words": ["users"]}'))
            return
        lasts = words[0] in COMMANDS and COMMANDS[words[0]].lasts
        if not self._free[lasts].acquire(blocking=False):
            what = "watches and dashboards" if lasts else "commands"
            _send(connection, refused("busy", f"{_MOST} {what} run already: end one"))
            return
        try:
            with contextlib.closing(self._run(words, connection)) as replies:
                for reply in replies:
                    _send(connection, reply)
        except OSError:
            raise
        except Exception as error:
            logs.exception("internal_error", error)
            _send(connection, refused("internal", "a fault in the server; its log has the details (internal_error)"))
        finally:
            self._free[lasts].release()


def _words(line: bytes) -> list[str]:
    """The words in a line; none if it is not what a console sends."""
    try:
        request = decode(line)  # json.loads would need more stack than a thread has
    except ProtocolError:
        return []
    words = request.get("words") if request else None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else []


def _read_line(connection: socket.socket) -> bytes:
    """The line, or what came of it within the time and the size."""
    data, deadline = b"", time.monotonic() + _SECONDS
    while b"\n" not in data and len(data) <= _LINE:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        more = connection.recv(8192)
        if not more:
            break
        data += more
    connection.settimeout(_SECONDS)
    return data.partition(b"\n")[0]


def _send(connection: socket.socket, reply: Reply) -> None:
    connection.sendall(json.dumps(reply).encode("ascii") + b"\n")
