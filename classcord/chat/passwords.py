"""Another password for one's own account: the room's part that says whose it is, and sees to it that it is stored."""

from __future__ import annotations

from collections.abc import Callable

from classcord.chat.effects import Answered, Effect
from classcord.chat.people import Seat
from classcord.chat.registrations import Registrations

__all__ = ["OPERATIONS", "Passwords"]

OPERATIONS = ("own_account", "change_password")
"""The methods that an item with a seat may name."""


class Passwords:
    """For the holder of the flush lock, like all of the room. The answer has the number `ticket` of the question."""

    def __init__(self, registrations: Registrations, emit: Callable[[Effect], None]) -> None:
        self._registrations = registrations
        self._emit = emit

    def own_account(self, seat: Seat, ticket: int, /) -> None:
        """Say which account the client is logged in to: a text, which is empty if there is none."""
        person = seat.person
        self._emit(Answered(ticket, None, person.name if person is not None and person.account else "", (), False))

    def change_password(self, seat: Seat, ticket: int, proven: str, password: str, /) -> None:
        """Give the client's account another password; both are hashed. Its connections stay logged in.

        The client has proved that it knows the one whose hash is `proven`. If the account has got another one since,
        from the console or from another connection, the answer is an error.
        """
        person = seat.person
        row = self._registrations.get(person.key) if person is not None and person.account else None
        if row is None or row.password != proven:
            self._emit(Answered(ticket, "login_failed", "", (), False))
        else:
            self._emit(self._registrations.change(row._replace(password=password)))
            self._emit(Answered(ticket, None, "", (), True))
