"""What teachers do about the whole room, as JSON types: close_channel, open_channel, new_class.

The room sees to it that only teachers do it (Room.only). The console has the same commands.
"""

from __future__ import annotations

import os
from typing import Any

from classcord.chat.office import Office
from classcord.console.archive import archive
from classcord.delivery.new_class import begin_class
from classcord.ops.failure import Failure
from classcord.wire.channel_names import MAX_TYPED
from classcord.wire.protocol import ProtocolError, encode
from handlers.channels import named
from handlers.context import Context
from handlers.request import Field, Request

__all__ = ["ROWS"]


def _close_channel(context: Context, message: dict[str, Any]) -> None:
    """Only teachers stay in it and may enter."""
    context.post(Office.direct, "close_channel", *named(message["channel"]))


def _open_channel(context: Context, message: dict[str, Any]) -> None:
    """Everybody may enter it again."""
    context.post(Office.direct, "open_channel", *named(message["channel"]))


def _new_class(context: Context, message: dict[str, Any]) -> None:
    """Make a backup, then end the connections of all but teachers, and delete the messages and the other accounts."""
    keep = message.get("keep_accounts")
    if keep is not None and not isinstance(keep, bool):
        raise ProtocolError("invalid_field", "keep_accounts must be true or false", {"type": "new_class"})
    teacher = context.teacher()
    if not teacher:
        return  # Room.only says why
    try:
        made = archive(context.folder)
    except Failure as error:
        raise ProtocolError("unavailable", f"the backup failed, so nothing was changed: {error}") from None
    removed = begin_class(
        context.registry, context.texts("new_class"), made.first, made.last, keep_accounts=bool(keep), teacher=teacher
    )
    backup = os.path.basename(made.file)
    context.reply(encode({"type": "new_class", "status": "ok", "accounts": removed, "backup": backup}))


_CHANNEL = Field("channel", most=MAX_TYPED)

ROWS = (
    Request(
        "close_channel", _close_channel, "teachers: only teachers stay in a channel and may enter it",
        {"type": "close_channel", "channel": "#dev"}, (_CHANNEL,), who="teacher", announces="change",
    ),
    Request(
        "open_channel", _open_channel, "teachers: everybody may enter a closed channel again",
        {"type": "open_channel", "channel": "#dev"}, (_CHANNEL,), who="teacher",
    ),
    Request(
        "new_class", _new_class, "teachers: make a backup, then remove the messages, the guests and the pupils",
        {"type": "new_class", "keep_accounts": True}, (Field("keep_accounts", required=False, any_value=True),),
        who="teacher", cost=10, announces="change",
    ),
)
"""The rows of handlers/table.py for what teachers do about the room."""
