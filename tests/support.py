"""What the tests share: a server in a process of its own, and a client that waits for lines, never for time."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 20.0
"""Seconds after which something that must happen is taken not to: far more than it needs on a busy machine."""

IPV6_IS_OFF = "this machine has no IPv6: sudo sysctl net.ipv6.conf.all.disable_ipv6=0"
"""Why a test is left out where `has_ipv6` is false, and what to do about it."""

Message = dict[str, Any]

_numbers = itertools.count(1)
_run = f"{os.getpid():x}{int(time.time()) & 0xFFFF:x}"


def has_ipv6() -> bool:
    """Whether this machine has the address ::1. It may have the sockets and no address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def unique(name: str) -> str:
    """A name that no other test has, nor an earlier run against the same server."""
    return f"{name}_{_run}_{next(_numbers)}"


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
        self._more = threading.Condition()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CLASSCORD_")}
        arguments = command or [python, str(ROOT / "server.py")]
        defaults = ["--host", "127.0.0.1", "--port", "0", "--data", str(data), "--password-cost", "1"]
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
            self._more.notify_all()

    @property
    def log(self) -> list[str]:
        """All that it has logged, once it has ended."""
        assert self.process.poll() is not None, "there may be more to come: stop() first, or wait_log()"
        self._reader.join(DEADLINE)
        return self._log

    def log_so_far(self) -> list[str]:
        """What has come of the log of a server that runs. Nothing follows from a line that isn't there."""
        with self._more:
            return self._log.copy()

    def wait_log(self, pattern: str, since: int = 0) -> str:
        """The first log line from number `since` on that matches the regular expression."""
        def found() -> str | None:
            return next((line for line in self._log[since:] if re.search(pattern, line)), None)

        with self._more:
            self._more.wait_for(lambda: found() is not None or not self._reader.is_alive(), DEADLINE)
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


def fields(line: str) -> dict[str, str]:
    """The fields of a logfmt line, unquoted."""
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)
    return {name: json.loads(value) if value.startswith('"') else value for name, value in found}


@contextmanager
def listener(answer: bytes | None = None) -> Iterator[int]:
    """Something that listens and gives everyone this answer, then nothing; None says nothing at all. Gives its port."""
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


class Closed(AssertionError):
    """The server closed a connection that a line was expected on."""


class Client:
    """A connection that reads lines. Every wait has a deadline; nothing sleeps. Use it in a with statement."""

    def __init__(
        self, address: tuple[str, int], *, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        try:
            if source is not None:  # the address that the server sees: any of 127.0.0.0/8 is this machine
                self.socket.bind((source, 0))
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise
        self.raw = b""
        self.name = ""

    def send(self, *messages: Message | bytes | str, end: bytes = b"\n") -> None:
        """Each message as a line, all in one segment: an object as JSON, text and bytes as they are."""
        parts = []
        for message in messages:
            if isinstance(message, dict):
                message = json.dumps(message)
            parts.append((message.encode() if isinstance(message, str) else message) + end)
        self.send_raw(b"".join(parts))

    def send_raw(self, data: bytes) -> None:
        """These bytes and nothing else. The deadline is for the server to take some more of them."""
        left = memoryview(data)
        while left:
            left = left[self.socket.send(left) :]

    def read_line(self) -> bytes:
        """The next line as it came, without its newline. Raises Closed at the end of the stream."""
        while b"\n" not in self.raw:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(f"the server closed the connection; left over: {self.raw!r}")
            self.raw += data
        line, _, self.raw = self.raw.partition(b"\n")
        return line

    def receive(self) -> Message:
        """The next line, which must be one ASCII JSON object."""
        line = self.read_line()
        assert line.isascii(), line
        message = json.loads(line)
        assert isinstance(message, dict), line
        return message

    def ask(self, message: Message | bytes | str) -> Message:
        """Send one line, return the next line that comes."""
        self.send(message)
        return self.receive()

    def until(self, **wanted: Any) -> Message:
        """Read on until a line has these values; what comes before is dropped."""
        while True:
            message = self.receive()
            if all(message.get(name) == value for name, value in wanted.items()):
                return message

    def pending(self) -> list[Message]:
        """All that the server has sent up to now. By a ping: what comes before its answer is all there was."""
        self.send({"type": "ping"})
        messages: list[Message] = []
        while True:
            message = self.receive()
            if message == {"type": "pong"}:
                return messages
            messages.append(message)

    def register(self, name: str, password: str = "azerty") -> Message:
        return self.ask({"type": "register", "username": name, "password": password})

    def login(self, name: str, password: str = "azerty") -> Message:
        self.name = name
        return self.ask({"type": "login", "username": name, "password": password})

    def at_end(self) -> bytes:
        """Everything until the server closes the connection."""
        data = self.raw
        self.raw = b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def member(address: tuple[str, int], name: str) -> Client:
    """A client that has registered and logged in under exactly this name."""
    client = Client(address)
    assert client.register(name)["status"] == "ok"
    assert client.login(name) == {"type": "login", "status": "ok", "username": name}
    return client


bystander_waits: list[float] = []
"""Seconds that each message of a bystander took to the other one, in the running test."""


class Bystanders:
    """Two people who chat while something is done to the server, and must miss nothing.

    with Bystanders(address) as bystanders: do the hostile thing; bystanders.check() any number of times.
    Each check sends messages both ways and demands that exactly they arrive, in order, and that nobody was dropped.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.one = member(address, unique("bystander"))
        self.two = member(address, unique("bystander"))
        self._count = 0
        self.seen: list[Message] = []
        """What other people sent meanwhile, as the first bystander got it."""

    def check(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            for sender, receiver in ((self.one, self.two), (self.two, self.one)):
                self._count += 1
                text = f"still here {self._count}"
                began = time.perf_counter()
                sender.send({"type": "message", "content": text})
                while True:
                    got = receiver.receive()
                    if got.get("from") == sender.name:
                        break
                    assert got["type"] in ("message", "status"), got
                    if receiver is self.one:
                        self.seen.append(got)
                bystander_waits.append(time.perf_counter() - began)
                assert got["content"] == text, f"a bystander missed something: {got} instead of {text!r}"

    def __enter__(self) -> Bystanders:
        self.check(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.one.close()
            self.two.close()
