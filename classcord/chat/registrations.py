"""An account on its way: from the request until it is stored, or until storing has failed.

All of its steps stand here: the room adds it, and after the batch's commit the registry calls `stored` or `failed`.
"""

from __future__ import annotations

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import AccountMade
from classcord.chat.people import Person, Seat
from classcord.wire import names

__all__ = ["Registrations"]


class Registrations:
    """The accounts of the running batch, beside those that are stored. For the holder of the flush lock."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._new: dict[str, tuple[Account, Seat]] = {}
        self._looks = names.Looks()

    def taken(self, key: str) -> bool:
        """Whether an account has the name with this key."""
        return key in self._accounts or key in self._new

    def resembles(self, name: str) -> bool:
        """Whether an account has this name, or a name that looks the same. `name` has passed `names.check`."""
        return (
            self._accounts.resembles(name) or names.key(name) in self._new or self._looks.has(names.likeness(name))
        )

    def find(self, name: str) -> Account | None:
        """The stored account with this name, in any spelling."""
        return self._accounts.get(names.find(name) or "")

    def teacher(self, key: str) -> bool:
        """Whether the account with this key is a teacher's."""
        account = self._accounts.get(key)
        return account is not None and account.role == "teacher"

    def add(self, seat: Seat, row: Account) -> AccountMade:
        """The client of this seat may use the name from now on. Nobody can log in before the account is stored."""
        self._new[row.key] = row, seat
        self._looks.add(row.name)
        seat.registered = row.name
        return AccountMade(seat.number, *row)

    def stored(self) -> None:
        """The batch is on disk: the accounts can log in."""
        for row, _ in self._new.values():
            self._accounts.publish(row)
        self._forget()

    def failed(self, present: dict[str, Person]) -> None:
        """It could not be stored: the people who use these accounts already become guests."""
        for key, (_, seat) in self._new.items():
            seat.registered = None
            if key in present:
                present[key].account = False
        self._forget()

    def _forget(self) -> None:
        if self._new:
            self._new = {}
            self._looks = names.Looks()
