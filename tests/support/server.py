"""A server in another process, and stand-ins for one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.support.lines import fields
from tests.support.machine import DEADLINE, ROOT


class Server:
    """`server.py` in a process of its own, on a free port, with a cheap password hash. Use it in a with statement.

    `options` are more flags; they win over the defaults here. Log lines are collected as they come, a little
    after what they tell of: a test waits for one (`wait_log`), or ends the server and reads them all (`log`).
    """

    def __init__(
        self, data: Path, *options: str, env: dict[str, str] | None = None, python: str = sys.executable,
        command: list[str] | None = None, pass_fds: Sequence[int] = (),
    ) -> None:
        self.data = data
        self._log: list[str] = []
        self._ended = False  # nothing more will be logged
        self._more = threading.Condition()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CLASSCORD_")}
        arguments = command or [python, str(ROOT / "server.py")]
        defaults = ["--host", "127.0.0.1", "--port", "0", "--data", str(data), "--password-cost", "1"]
        if "--limits" not in options:
            defaults += ["--limits", "off"]  # tests send more than people do
        self.process = subprocess.Popen(
            [*arguments, *defaults, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env={**clean, **(env or {})}, pass_fds=pass_fds,
        )
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.host = "127.0.0.1"
        try:
            self.port = int(fields(self.wait_log("event=listening"))["port"])
        except BaseException:
            self.__exit__(None, None, None)  # nothing of it may be left to the next test
            raise

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self._log.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    @property
    def log(self) -> list[str]:
        """All that it has logged, once it has ended."""
        assert self.process.poll() is not None, "there may be more to come: stop() first, or wait_log()"
        self._reader.join(DEADLINE)
        return self._log

    def log_so_far(self) -> list[str]:
        """The log so far of a running server. A missing line proves nothing: it may come later."""
        with self._more:
            return self._log.copy()

    def wait_log(self, pattern: str, since: int = 0) -> str:
        """The first log line from number `since` on that matches the regular expression."""
        def found() -> str | None:
            return next((line for line in self._log[since:] if re.search(pattern, line)), None)

        with self._more:
            self._more.wait_for(lambda: found() is not None or self._ended, DEADLINE)
            line = found()
        assert line is not None, f"no log line matches {pattern!r}; the last are {self._log[since:][-30:]}"
        return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once the process has ended and its log is complete."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def status(self, key: str) -> int:
        """A number of /proc/PID/status: VmRSS (kB), Threads."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]

    def files(self) -> int:
        """How many files the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE)
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.process.stderr.close()


@contextmanager
def nobody(port: int = 0) -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections as long as the block lasts: no other test's server can get it.

    A server that has ended may have had it before.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))  # and it does not listen
        yield held.getsockname()[1]


@contextmanager
def listener(answer: bytes | None = None) -> Iterator[int]:
    """A listener that sends everybody this answer, then nothing more; with None it never answers. Gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the test is over, or the peer has gone

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()
