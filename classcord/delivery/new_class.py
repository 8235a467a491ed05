"""The end of a class in the room and on the disk, after its backup: for the console and for teachers."""

from __future__ import annotations

from classcord.chat.moderation import CONSOLE
from classcord.delivery.asking import ask
from classcord.delivery.registry import Registry

__all__ = ["begin_class"]

_PIECE = 2000
"""Messages that are deleted at once: a few milliseconds, in which all clients wait."""


def begin_class(
    registry: Registry, text: str, first: int, last: int, *, keep_accounts: bool, teacher: str | None = None,
    actor: str = CONSOLE,
) -> int:
    """End the connections of all but teachers, with this text; delete the messages from one id to the other, and
    what was changed in the channels.

    Returns how many accounts were removed. Without a `teacher` the console does it, whose user is the
    `actor`. Any thread. Raises ProtocolError.
    """
    (removed,) = ask(registry, "new_class", keep_accounts, text, teacher, actor=actor).data
    for start in range(first, last + 1, _PIECE):
        ask(registry, "empty", start, min(start + _PIECE - 1, last))
    ask(registry, "reset_channels")  # what only teachers could read is deleted by now
    return int(removed)
