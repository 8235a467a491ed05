"""The page for browsers: who answers when it is asked for on the port of the chat, where the chat itself answers."""

from __future__ import annotations

from hops import Finding, Remedy, broken, note, ok
from machine import Machine

__all__ = ["look_at_page"]


def look_at_page(machine: Machine, address: str, port: int, *, turn_on: Remedy, look: Remedy) -> Finding:
    """What becomes of a browser there. `turn_on`: how to switch the page on; `look`: where to look at what is wrong."""
    answer = machine.page(address, port)
    first = answer.partition("\n")[0].strip()
    if first.startswith("HTTP/1.1 200 ") and answer.endswith("\nok\n"):
        return ok("page", address=address, port=port)
    if "a ClassCord chat server" in first:
        return note("page_off", turn_on)
    if first:
        return broken("page_other", look, said=first[:60])
    return broken("page_silent", look)
