"""The baseline: a chat server as a textbook writes it. A thread a client, and `sendall` to each under one lock."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from datetime import datetime
from typing import Any

members: set[Client] = set()
lock = threading.Lock()


class Client(socketserver.StreamRequestHandler):
    """One client's thread."""

    disable_nagle_algorithm = True
    name = ""

    def send(self, message: dict[str, Any]) -> None:
        self.request.sendall(json.dumps(message).encode() + b"\n")

    def handle(self) -> None:
        for line in self.rfile:
            message = json.loads(line)
            if message["type"] == "register":
                self.send({"type": "register", "status": "ok"})
            elif message["type"] == "login":
                self.name = message["username"]
                with lock:
                    self.send({"type": "login", "status": "ok", "username": self.name})
                    members.add(self)
            elif message["type"] == "message":
                message.update({"from": self.name, "timestamp": datetime.now().isoformat()})
                with lock:
                    for member in members - {self}:
                        member.send(message)

    def finish(self) -> None:
        with lock:
            members.discard(self)


class Server(socketserver.ThreadingTCPServer):
    """Listens like our server, so that only the handling of messages differs."""

    request_queue_size = 1024
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish are normal."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Client).serve_forever()
