"""The server's log, in either of its forms: event=listening port=12345, or a JSON object a line."""

from __future__ import annotations

import json
import re

__all__ = ["ServerLog"]


class ServerLog:
    """The last lines of the log, from the server's last start on if that is among them."""

    def __init__(self, text: str) -> None:
        self.lines = [line for line in text.splitlines() if line.strip()]
        starts = [place for place, line in enumerate(self.lines) if _event(line) == "listening"]
        if starts:
            self.lines = self.lines[starts[-1]:]

    def field(self, name: str, event: str) -> str:
        """That field of the last such event, or an empty text."""
        for line in reversed(self.lines):
            if _event(line) == event:
                return _field(line, name)
        return ""

    def last_of(self, *events: str) -> str:
        """Which of these events came last, or an empty text."""
        return next((event for event in map(_event, reversed(self.lines)) if event in events), "")

    @property
    def peers(self) -> list[str]:
        """The addresses that clients came from, each once, in the order of their numbers."""
        found = {peer for peer in (_field(line, "peer") for line in self.lines) if peer}
        return sorted(found, key=lambda peer: [part.zfill(3) for part in peer.split(".")])

    @property
    def last(self) -> str:
        """The last line."""
        return self.lines[-1][:200] if self.lines else ""

    def complaint(self) -> str:
        """The last line in which the server says why it does not start, or an empty text."""
        return next((line[:200] for line in reversed(self.lines) if line.startswith("server.py: ")), "")


def _event(line: str) -> str:
    return _field(line, "event")


def _field(line: str, name: str) -> str:
    if line.startswith("{"):
        try:
            return str(json.loads(line).get(name, ""))
        except (ValueError, AttributeError, RecursionError):
            return ""
    found = re.search(rf'(?:^| ){name}=("((?:[^"\\]|\\.)*)"|\S*)', line)
    if found is None:
        return ""
    return found[2] if found[2] is not None else found[1]
