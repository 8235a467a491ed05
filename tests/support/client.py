"""A client that waits for lines, never for time."""

from __future__ import annotations

import contextlib
import json
import socket
from types import TracebackType
from typing import Any, TypeVar

from tests.support.lines import Message
from tests.support.machine import DEADLINE

Some = TypeVar("Some", bound="Client")


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

    def receive_raw(self) -> bytes:
        """Some bytes of lines; b"" at the end."""
        return self.socket.recv(65536)

    def read_line(self) -> bytes:
        """The next line as it came, without its newline. Raises Closed at the end of the stream."""
        while b"\n" not in self.raw:
            try:
                data = self.receive_raw()
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
        """Read on until a line has these values; earlier lines are dropped."""
        while True:
            message = self.receive()
            if all(message.get(name) == value for name, value in wanted.items()):
                return message

    def pending(self) -> list[Message]:
        """All lines that the server has sent up to now: those before the answer to a ping."""
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
                more = self.receive_raw()
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close it, if it is not closed yet, and wait until everybody has been told: the server closes only then."""
        with contextlib.suppress(OSError, Closed):
            self.half_close()
            self.at_end()
        self.close()

    def within(self: Some, stack: contextlib.ExitStack) -> Some:
        """Itself, which leaves when the stack ends."""
        stack.callback(self.leave)
        return self

    def close(self) -> None:
        self.socket.close()

    def __enter__(self: Some) -> Some:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
