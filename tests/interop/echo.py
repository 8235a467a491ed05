"""An echo server on the codec of the server, for Autobahn: `python -m tests.interop.echo` prints its port."""

from __future__ import annotations

import socket
import sys
import threading

from classcord.wire import http, websocket
from classcord.wire.websocket import Close, Decoder, Failed, Part, Ping


def serve(connection: socket.socket) -> None:
    """Answer each message with the same one, until the connection ends."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while (end := http.head_end(data)) < 0:
        more = connection.recv(65536)
        if not more:
            return
        data += more
    headers = websocket.accept(http.parse(data[:end]))
    connection.sendall(http.encode(http.Answer(101, headers=headers), 0, host="", last=False, head_only=False))
    decoder, data, message = Decoder(), data[end:], bytearray()
    while True:
        for event in decoder.feed(data):
            if isinstance(event, Part):
                message += event.data
                if event.last:
                    connection.sendall(websocket.head(len(message), event.opcode) + message)
                    message.clear()
            elif isinstance(event, Ping):
                connection.sendall(websocket.control(websocket.PONG, event.data))
            elif isinstance(event, Close | Failed):
                connection.sendall(websocket.close(event.code))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass  # the peer reads the frame before it closes
                return
        data = connection.recv(65536)
        if not data:
            return


def main() -> None:
    """Serve until the process is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection:
        try:
            serve(connection)
        except OSError as error:
            print(f"echo: {error}", file=sys.stderr)  # a case ended in a reset


if __name__ == "__main__":
    main()
