"""register, login, logout, and their other names: change_username, disconnect."""

from __future__ import annotations

from typing import Any

from classcord.chat.accounts import check_password
from classcord.chat.room import Room
from classcord.delivery.registry import timestamp
from classcord.wire import names
from classcord.wire.protocol import ProtocolError
from handlers.context import Context

__all__ = ["change_username", "disconnect", "login", "logout", "register"]


def register(context: Context, message: dict[str, Any]) -> None:
    """Create an account; does not log in."""
    name, password = message["username"], message["password"]
    try:
        names.check(name)
    except names.NameRefused as refused:
        raise ProtocolError("invalid_name", str(refused)) from None
    check_password(password)
    if not context.accounts.resembles(name):  # else the room refuses it, in the right order
        if context.limiter is not None:
            context.limiter.register()
        context.flush()
        hashed = context.hashed(context.accounts.hash_password, password)
    else:
        hashed = ""
    context.post(Room.register, name, hashed, timestamp())


def login(context: Context, message: dict[str, Any]) -> None:
    """Become the account. The answer is the same for a wrong name and for a wrong password."""
    typed = message["username"]
    context.wait_until_stored()  # this client may have registered the account just before

    def verify() -> str | None:
        return context.hashed(context.accounts.verify, typed, message["password"])

    name = context.limiter.login(typed, verify) if context.limiter is not None else verify()
    if name is None:
        context.link.peer.failures += 1
        context.link.log("login_failed", user=typed[: names.MAX_NAME])
        raise ProtocolError("login_failed", "Login failed.")
    context.link.log("login", user=name)
    context.post(Room.login, name, typed)


def logout(context: Context, message: dict[str, Any]) -> None:
    """End the identity, keep the connection."""
    if context.limiter is not None:
        context.limiter.logged_out()
    context.post(Room.logout)


def disconnect(context: Context, message: dict[str, Any]) -> None:
    """The same without an answer; some clients send it just before they close."""
    if context.limiter is not None:
        context.limiter.logged_out()
    context.post(Room.disconnect)


def change_username(context: Context, message: dict[str, Any]) -> None:
    """Give a guest its name, without an answer. A member, or a guest that has chosen a name, keeps it."""
    context.post(Room.identify, message["new_user"])
