"""People who do one thing after another: each step waits for its line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from typing import NamedTuple

from tests.hostile.attack.wire import Address, Loop, Wire

ERROR = b'{"type":"error"'
PASSWORD = "azerty"


class Step(NamedTuple):
    """Send `data`, then wait for a line with `wanted` in it, if there is any."""

    wire: Wire
    data: bytes = b""
    wanted: bytes = b""


Script = Generator[Step, None, None]


def line(**message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


class Follower:
    """Follows a script. `done` is true at its end, `fault` says why it can't go on. `took` is in seconds."""

    def __init__(self, loop: Loop, script: Callable[[Callable[..., Wire]], Script], address: Address) -> None:
        self.done = False
        self.fault = ""
        self.took = 0.0
        self.wires: list[Wire] = []
        self._loop = loop
        self._address = address
        self._began = time.monotonic()
        self._script = script(self._open)
        self._advance()

    @property
    def ended(self) -> bool:
        return self.done or bool(self.fault)

    def give_up(self, fault: str) -> None:
        """The script ends here, unless it has ended."""
        if not self.ended:
            self.fault = fault
            self.close()

    def close(self) -> None:
        for wire in self.wires:
            wire.close()

    def _open(self, *marks: bytes, source: str | None = None) -> Wire:
        """A connection for the script. It keeps answers, errors, and the lines with one of `marks`."""
        wire = Wire(self._address, (ERROR, b'"status":"ok"', b'{"type":"users"', *marks), source)
        self.wires.append(wire)
        self._loop.add(wire, self._changed)
        return wire

    def _advance(self) -> None:
        try:
            self._step = next(self._script)
            while not self._step.wanted:
                self._step.wire.send(self._step.data)
                self._step = next(self._script)
            self._step.wire.send(self._step.data)
        except StopIteration:
            self.done = True
            self.took = time.monotonic() - self._began
        except OSError as error:
            self.give_up(f"no connection: {error}")

    def _changed(self) -> None:
        while not self.ended and self._step.wire.lines:
            got = self._step.wire.lines.popleft()
            if got.startswith(ERROR):
                self.give_up(str(json.loads(got).get("code")))
            elif self._step.wanted in got:
                self._advance()
        if not self.ended and any(wire.closed for wire in self.wires):
            self.give_up("dropped")
