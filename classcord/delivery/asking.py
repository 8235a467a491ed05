"""A question to the room, or an order, from a thread that no client's seat stands for."""

from __future__ import annotations

from classcord.chat.effects import Answered
from classcord.chat.moderation import CONSOLE
from classcord.delivery.registry import Registry
from classcord.wire.protocol import ProtocolError

__all__ = ["ask"]


def ask(registry: Registry, action: str, *arguments: object, actor: str = CONSOLE) -> Answered:
    """The room's answer: see chat/office.py. Any thread; waits like `Registry.wait`. Raises ProtocolError.

    `actor` is named in the audit.
    """
    answer = registry.ask(lambda number: ("command", None, (number, action, arguments, actor)))
    if not isinstance(answer, Answered):
        raise ProtocolError("internal", "a fault in the server; its log has the details (internal_error)")
    if answer.code is not None:
        raise ProtocolError(answer.code, answer.text)
    return answer
