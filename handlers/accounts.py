"""register, login, logout."""

from __future__ import annotations

import logging
from typing import Any

from classcord import names
from classcord.accounts import MAX_PASSWORD
from classcord.protocol import ProtocolError
from classcord.registry import timestamp
from classcord.store import AccountRow
from handlers.context import Context

__all__ = ["login", "logout", "register"]


def register(context: Context, message: dict[str, Any]) -> None:
    """Create an account; does not log in."""
    name, password = message["username"], message["password"]
    try:
        names.check(name)
    except names.NameRefused as refused:
        raise ProtocolError("invalid_name", str(refused)) from None
    if not 1 <= len(password) <= MAX_PASSWORD:
        raise ProtocolError("invalid_field", f"password must have 1 to {MAX_PASSWORD} characters")
    key = names.key(name)
    if not context.accounts.resembles(name):  # else the room refuses it, in its place
        context.flush()
        hashed = context.accounts.hash_password(password)
    else:
        hashed = ""
    context.post(context.room.register, AccountRow(key, name, hashed, timestamp()))


def login(context: Context, message: dict[str, Any]) -> None:
    """Become an account's session. Whatever is wrong with name or password, the answer is the same."""
    typed = message["username"]
    context.settle()  # the account may be the one that this client has just asked for
    name = context.accounts.verify(typed, message["password"])
    if name is None:
        context.session.log("login_failed", logging.WARNING, user=typed[: names.MAX_NAME])
        raise ProtocolError("login_failed", "Login failed.")
    context.session.log("login", user=name)
    context.post(context.room.login, name, typed)


def logout(context: Context, message: dict[str, Any]) -> None:
    """End the identity, keep the connection."""
    context.post(context.room.logout)
