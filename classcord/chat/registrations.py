"""An account on its way, new or changed: from the request until it is stored, or until storing has failed.

All of its steps stand here: the room adds it, and after the batch's commit the registry calls `stored` or `failed`.
"""

from __future__ import annotations

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import AccountChanged, AccountMade, AccountsRemoved
from classcord.chat.people import Person, Seat
from classcord.wire import names

__all__ = ["Registrations"]


class Registrations:
    """The accounts of the running batch, beside those that are stored. For the holder of the flush lock."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._new: dict[str, tuple[Account, Seat]] = {}
        self._changed: dict[str, Account] = {}
        self._looks = names.Looks()

    def taken(self, key: str) -> bool:
        """Whether an account has the name with this key."""
        return key in self._accounts or key in self._new

    def resembles(self, name: str) -> bool:
        """Whether an account has this name, or a name that looks the same. `name` has passed `names.check`."""
        return (
            self._accounts.resembles(name) or names.key(name) in self._new or self._looks.has(names.likeness(name))
        )

    def teacher(self, key: str) -> bool:
        """Whether the account with this key is a teacher's."""
        account = self.get(key)
        return account is not None and account.role == "teacher"

    def get(self, key: str) -> Account | None:
        """The account with this key, as it will be if the batch is stored."""
        new = self._new.get(key)
        return self._changed.get(key) or (new[0] if new is not None else self._accounts.get(key))

    def find(self, name: str) -> Account | None:
        """The same for a name, in any spelling."""
        return self.get(names.find(name) or "")

    def add(self, seat: Seat, row: Account) -> AccountMade:
        """The client of this seat may use the name from now on. Nobody can log in before the account is stored."""
        self._new[row.key] = row, seat
        self._looks.add(row.name)
        seat.registered = row.name
        return AccountMade(seat.number, *row)

    def change(self, row: Account) -> AccountChanged:
        """An account gets another role or password. It counts for logins once it is stored."""
        self._changed[row.key] = row
        return AccountChanged(*row)

    def remove_pupils(self) -> AccountsRemoved:
        """All accounts that are not teachers' are gone at once; on the disk with this batch, or later if that fails."""
        keys = self._accounts.keys(role="user")
        self._accounts.remove(set(keys))
        return AccountsRemoved(tuple(keys))

    def stored(self) -> None:
        """The batch is on disk: the accounts can log in."""
        for row, _ in self._new.values():
            self._accounts.publish(row)
        for row in self._changed.values():
            self._accounts.publish(row)
        self._forget()

    def failed(self, present: dict[str, Person]) -> None:
        """It could not be stored: the people who use these accounts already become guests, and roles are as before."""
        for key, (_, seat) in self._new.items():
            seat.registered = None
            if key in present:
                present[key].account = False
        changed, new = self._changed, self._new
        self._forget()
        for key in changed:
            if key in present:
                present[key].teacher = key not in new and self.teacher(key)

    def _forget(self) -> None:
        if self._new:
            self._new = {}
            self._looks = names.Looks()
        if self._changed:
            self._changed = {}
