"""The thread that brings the lines of watched connections to the clients that watch them: see watching.Cable.

It only reads and posts items. A client that does not take these lines misses some, and is told how many; it is never
dropped because of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from classcord.delivery.items import item
from classcord.delivery.registry import Registry
from classcord.delivery.render import timestamp
from classcord.delivery.watching import Cable, WireLines
from classcord.net.addresses import with_port
from classcord.ops import logs
from classcord.wire.protocol import encode

__all__ = ["Linesman", "records"]

_GATHER = 0.02
"""Seconds in which lines gather, so that a busy connection does not make an item of each line."""
_AGAIN = 0.5
"""Seconds after which a client that has missed some is looked at again."""
_PIECE = 16384
"""Bytes that are handed over at once, about."""
_WAYS = {">": "in", "<": "out", "end": "end"}


def records(lines: WireLines) -> Iterator[bytes]:
    """What a client is told of these lines: a line for each of them, without passwords."""
    peer = lines.link.peer
    for size, text, refused in lines.shown():
        yield encode({
            "type": "wire", "time": timestamp(lines.time), "connection": lines.link.number, "user": lines.name,
            "peer": with_port(peer.address, peer.port), "way": _WAYS[lines.way],
            "size": 0 if lines.way == "end" else size, "line": text, **({"refused": True} if refused else {}),
        })


class Linesman:
    """Brings what is in the cables. `limit`: with more unsent bytes of its own, a client gets none of it."""

    def __init__(self, registry: Registry, limit: int) -> None:
        self._registry = registry
        self._limit = limit

    def start(self) -> None:
        """Begin. Raises RuntimeError where the system has no thread left."""
        threading.Thread(target=self._work, name="linesman", daemon=True).start()

    def _work(self) -> None:
        watching = self._registry.watching
        behind = False
        while True:
            watching.came.wait(_AGAIN if behind else None)
            time.sleep(_GATHER)
            watching.came.clear()
            behind = False
            for cable in watching.cables.values():
                try:
                    self._bring(cable)
                    behind |= cable.untold > 0
                except Exception as error:
                    logs.exception("internal_error", error)

    def _bring(self, cable: Cable) -> None:
        found, left_out = cable.take(0)
        piece, size = list[bytes](), 0
        for each in found:
            assert isinstance(each, WireLines)
            for record in records(each):
                piece.append(record)
                size += len(record)
                if size > _PIECE:
                    self._pass(cable, piece)
                    piece, size = [], 0
        self._pass(cable, piece)
        cable.untold += left_out
        self._pass(cable, [])

    def _pass(self, cable: Cable, piece: list[bytes]) -> None:
        """Hand over these lines, after the number of those that the client has missed before them."""
        if not piece and not cable.untold:
            return
        link = self._registry.link(cable.watcher)
        if link is None or link.outbox.own > self._limit:
            cable.untold += len(piece)
            return
        told = [encode({"type": "wire", "left_out": cable.untold})] if cable.untold else []
        cable.untold = 0
        lines = b"".join([*told, *piece])
        self._registry.post([item(self._registry.watching.pass_on, cable.watcher, "wire", lines)])
        self._registry.wait()  # so that its unsent bytes are counted before the next piece
