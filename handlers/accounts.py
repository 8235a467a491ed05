"""register, login, logout, and their other names: change_username, disconnect; another password."""

from __future__ import annotations

from typing import Any

from classcord.chat.accounts import check_password
from classcord.chat.effects import Answered
from classcord.chat.passwords import Passwords
from classcord.chat.room import Room
from classcord.delivery.registry import timestamp
from classcord.net.link import Gone
from classcord.wire import names
from classcord.wire.protocol import ProtocolError, encode
from handlers.context import Context
from handlers.request import Misused

__all__ = ["change_username", "disconnect", "login", "logout", "password", "register", "typed_password"]

_REASONS = {
    "login_failed": "Wrong password; nothing was changed.",
    "unavailable": "The server can't store an account for now; the password is still the old one.",
}


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
            context.limiter.register(name)
        context.flush()
        hashed = context.hashed(context.accounts.hash_password, password)
    else:
        hashed = ""
    context.post(Room.register, name, hashed, timestamp())


def login(context: Context, message: dict[str, Any]) -> None:
    """Become the account. The answer is the same for a wrong name and for a wrong password."""
    typed = message["username"]
    context.wait_until_stored()  # this client may have registered the account just before
    name = _proved(context, typed, message["password"])
    if name is None:
        raise ProtocolError("login_failed", "Login failed.")
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


def password(context: Context, message: dict[str, Any]) -> None:
    """Give the client's own account another password. The answer comes after that is stored."""
    if _change(context, message["old"], message["new"]):
        context.reply(encode({"type": "password", "status": "ok"}))


def typed_password(context: Context, rest: str) -> None:
    """The same, typed: `/motdepasse ANCIEN NOUVEAU`. Neither may have a space."""
    words = rest.split()
    if len(words) != 2:
        raise Misused
    try:
        if _change(context, *words):
            context.post(Room.notice, context.texts("password_changed"))
    except ProtocolError as error:
        if error.code == "login_failed":
            text = context.texts("password_wrong")
        elif error.code == "rate_limited":
            text = context.texts("password_wait")
        elif error.code == "unavailable":
            text = context.texts("password_not_stored")
        else:
            text = context.texts("password_refused")
        context.post(Room.notice, text)


def _change(context: Context, old: str, new: str) -> bool:
    """Whether the password is changed now, also on disk. False if the client has no account: see Room.only.

    Raises ProtocolError.
    """
    answer = context.ask(Passwords.own_account)
    name = answer.text if isinstance(answer, Answered) else ""
    row = context.accounts.get(names.key(name))
    if row is None:
        return False
    check_password(new)
    if _proved(context, name, old) is None:
        raise ProtocolError("login_failed", _REASONS["login_failed"])
    hashed = context.hashed(context.accounts.hash_password, new)
    answer = context.ask(Passwords.change_password, row.password, hashed)
    if not isinstance(answer, Answered):
        raise Gone  # expelled meanwhile
    if answer.code is not None:
        raise ProtocolError(answer.code, _REASONS[answer.code])
    context.link.log("password_changed", user=name)
    return True


def _proved(context: Context, account: str, password: str) -> str | None:
    """The name of the account, if this is its password. A wrong one counts for the limits, and is logged."""
    def verify() -> str | None:
        return context.hashed(context.accounts.verify, account, password)

    name = context.limiter.login(account, verify) if context.limiter is not None else verify()
    if name is None:
        context.link.peer.failures += 1
        context.link.log("login_failed", user=account[: names.MAX_NAME])
    return name
