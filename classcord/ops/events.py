"""The one table of the events that the log may name. A test compares it with the code and with docs/JOURNAL.md."""

from __future__ import annotations

import logging
from typing import NamedTuple

__all__ = ["CONNECTION", "EVENTS", "Event"]

CONNECTION = ("peer", "port")
"""The last fields of each line about one connection: the client's address, and the port at its end."""


class Event(NamedTuple):
    """An event: its level, and the fields that its line may have. The code may name another level for one line.

    `always`: no line of it is left out, however many an address causes; other limits bound these events.
    """

    level: int
    fields: tuple[str, ...] = ()
    always: bool = False


_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

EVENTS: dict[str, Event] = {
    # the server
    "listening": Event(_INFO, ("host", "port", "version", "data", "accounts", "page", "hint")),
    "stopping": Event(_INFO, ("signal",)),
    "stopped": Event(_INFO, ("signal",)),
    "unknown_setting": Event(_WARNING, ("name", "hint")),
    "setting_without_effect": Event(_WARNING, ("name", "hint")),
    "address_left_out": Event(_WARNING, ("address", "detail", "hint")),
    "few_open_files": Event(_WARNING, ("allowed", "wanted", "hint")),
    "notify_failed": Event(_WARNING, ("detail",)),
    "self_test_failed": Event(_ERROR, ("detail", "hint")),
    "console_unavailable": Event(_WARNING, ("detail", "hint")),
    "internal_error": Event(_ERROR, ("incident", "detail", *CONNECTION)),
    "log_lines_left_out": Event(_WARNING, ("what", "count", "peer")),
    # connections
    "connected": Event(_INFO, CONNECTION),
    "disconnected": Event(_INFO, ("reason", "seconds", "lines", "errors", *CONNECTION)),
    "refused": Event(_WARNING, ("reason", "count", "peer")),
    "accept_failed": Event(_ERROR, ("detail", "count", "hint")),
    "nat_hides_clients": Event(_WARNING, ("peer", "hint")),
    "foreign_protocol": Event(_WARNING, ("protocol", "hint", *CONNECTION)),
    "web_refused": Event(_WARNING, ("status", "detail", "hint", *CONNECTION)),
    "endless_line": Event(_WARNING, ("hint", *CONNECTION)),
    "dropped": Event(_WARNING, ("reason", "pending", *CONNECTION)),
    "rate_limited": Event(_WARNING, ("what", "user", "wait", "hint", *CONNECTION)),
    "place_given_up": Event(_WARNING, ("count", "peer", "hint")),
    "linger_ended": Event(_DEBUG, ("detail",)),
    # people
    "register": Event(_INFO, ("user", *CONNECTION), always=True),
    "login": Event(_INFO, ("user", *CONNECTION), always=True),
    "login_failed": Event(_WARNING, ("user", *CONNECTION)),
    "login_refused": Event(_WARNING, ("user", *CONNECTION)),
    "password_changed": Event(_INFO, ("user", *CONNECTION), always=True),
    "guest": Event(_INFO, ("user", "refused", *CONNECTION)),
    "renamed": Event(_INFO, ("old", "user", *CONNECTION)),
    "logout": Event(_INFO, ("user", *CONNECTION)),
    "moderated": Event(_INFO, ("actor", "action", "target", "seconds", "why")),
    "request_refused": Event(_INFO, ("code", "text", *CONNECTION)),
    # the data
    "storage_failed": Event(_ERROR, ("detail", "hint")),
    "storage_recovered": Event(_WARNING, ("stored_late", "lost")),
    "storage_repaired": Event(_WARNING, ("detail", "hint")),
    "backlog_full": Event(_ERROR, ("waiting", "limit", "hint")),
    "messages_lost": Event(_ERROR, ("count", "hint")),
    "messages_expired": Event(_INFO, ("count",)),
    "retention_failed": Event(_WARNING, ("detail", "hint")),
    "forgotten": Event(_WARNING, ("user", "sent", "received", "as_guest", "by")),
    "checkpoint_busy": Event(_WARNING, ("hint",)),
    "checkpoint_failed": Event(_WARNING, ("detail",)),
    "search_failed": Event(_WARNING, ("detail", "hint")),
    "history_failed": Event(_WARNING, ("detail", *CONNECTION)),
}
