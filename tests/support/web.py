"""A client that speaks WebSocket, and requests of HTTP as they are."""

from __future__ import annotations

from classcord.wire import websocket
from tests.support.client import Client

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of RFC 6455, 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def ask_http(target: str = "/", *headers: str, method: str = "GET", host: str = "127.0.0.1") -> bytes:
    """A request; `host` "" leaves that header out."""
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host else []), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def upgrade(*headers: str, host: str = "127.0.0.1") -> bytes:
    """The request that opens a WebSocket."""
    return ask_http("/ws", "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13",
                    f"Sec-WebSocket-Key: {KEY}", *headers, host=host)


def frame(opcode: int, data: bytes, *, last: bool = True, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """A frame as a client sends it; the mask is that of RFC 6455, 5.7."""
    head = websocket.head(len(data), opcode)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    return bytes((head[0] if last else head[0] & 127, head[1] | 128)) + head[2:] + mask + masked


def answer(client: Client, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    """The next answer: its status, its headers in small letters, its body."""
    status = int(client.read_line().split(b" ")[1])
    headers = {}
    while line := client.read_line().rstrip(b"\r"):
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    size = 0 if head_only else int(headers.get("content-length", "0"))
    while len(client.raw) < size:
        data = client.socket.recv(65536)
        assert data
        client.raw += data
    body, client.raw = client.raw[:size], client.raw[size:]
    return status, headers, body


class WebClient(Client):
    """A client whose lines go through `/ws`. `frames` has what came, as (opcode, data)."""

    def __init__(
        self, address: tuple[str, int], *, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        super().__init__(address, receive_buffer=receive_buffer, source=source)
        self._unread = b""
        self.frames: list[tuple[int, bytes]] = []
        self.code: int | None = None
        """That of the server's close frame."""
        self.reason = ""
        """And its text."""
        Client.send_raw(self, upgrade())
        while b"\r\n\r\n" not in self._unread:
            data = self.socket.recv(65536)
            assert data, self._unread
            self._unread += data
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert f"Sec-WebSocket-Accept: {ACCEPT}".encode() in head

    def send_raw(self, data: bytes) -> None:
        """One text message."""
        self.send_frames(frame(websocket.TEXT, data))

    def send_frames(self, data: bytes) -> None:
        """These bytes and nothing else."""
        super().send_raw(data)

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole frame of what came."""
        data = self._unread
        if len(data) < 2:
            return None
        assert data[0] & 0x70 == 0
        assert data[0] & 128, "the server never sends messages in pieces"
        assert data[1] < 128, "the server masks nothing"
        more = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
        if len(data) < 2 + more + size:
            return None
        self._unread = data[2 + more + size :]
        return data[0] & 15, data[2 + more : 2 + more + size]

    def receive_raw(self) -> bytes:
        while True:
            found = self._next()
            if found is None:
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self._unread += data
                continue
            self.frames.append(found)
            opcode, data = found
            if opcode == websocket.TEXT:
                assert data.endswith(b"\n")
                return data
            if opcode == 8:
                self.code = int.from_bytes(data[:2], "big") if data else None
                self.reason = data[2:].decode()

    def half_close(self) -> None:
        """A close frame: the WebSocket's way to say that nothing more will be sent."""
        self.send_frames(frame(8, (1000).to_bytes(2, "big")))
