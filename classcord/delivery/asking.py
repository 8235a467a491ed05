"""Questions and orders from threads that no client's seat stands for: to the room, and to what is stored."""

from __future__ import annotations

from classcord.chat.effects import Answered
from classcord.chat.moderation import CONSOLE
from classcord.chat.office import Office
from classcord.data.history import History, Unreadable
from classcord.delivery.items import item
from classcord.delivery.registry import Registry
from classcord.wire.protocol import ProtocolError

__all__ = ["ask", "may_be_stored"]


def ask(registry: Registry, action: str, *arguments: object, actor: str = CONSOLE) -> Answered:
    """The room's answer: see chat/office.py. Any thread; waits like `Registry.wait`. Raises ProtocolError.

    `actor` is named in the audit.
    """
    answer = registry.ask(lambda number: item(Office.command, number, action, arguments, actor))
    if not isinstance(answer, Answered):
        raise ProtocolError("internal", "a fault in the server; its log has the details (internal_error)")
    if answer.code is not None:
        raise ProtocolError(answer.code, answer.text)
    return answer


def may_be_stored(registry: Registry, history: History, id: int) -> bool:
    """Whether a message with this id is stored, or may be: some wait until storing works again. Any thread."""
    try:
        return registry.storage()[1] > 0 or history.message(id) is not None
    except Unreadable:
        return True
