"""Accounts and their passwords.

All accounts are in memory, because the registry asks about names at every step. Any thread may look up; only the
holder of the registry's flush lock may `publish`, once the account is on disk. `hash_password` and `verify` take
tens of milliseconds and 16 MiB at the default cost: only the threads of classcord/net/hashing.py call them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import NamedTuple

from classcord.wire import names
from classcord.wire.protocol import ProtocolError

__all__ = ["MAX_PASSWORD", "ROLES", "Account", "Accounts", "check_password"]

MAX_PASSWORD = 256
"""Characters in a password as typed; known clients send as few as one."""

ROLES = ("user", "teacher")

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_R, _P, _SALT, _LENGTH = 8, 1, 16, 32


def check_password(password: str) -> None:
    """Raise ProtocolError unless a new account may have this password: invalid_field, invalid_text. Any thread."""
    if not 1 <= len(password) <= MAX_PASSWORD:
        raise ProtocolError("invalid_field", f"password must have 1 to {MAX_PASSWORD} characters")
    found = _CONTROL.search(password)
    if found:
        control = f"U+{ord(found[0]):04X}"
        raise ProtocolError("invalid_text", f"password has the control {control}; choose one without controls")


def _forms(password: str) -> list[str]:
    """The texts whose hash may be stored for a typed password, the more likely one first.

    Keyboards write é as one character or as two, and full-width letters instead of plain ones: NFKC makes them the
    same. Older versions hashed the password as typed. NFKC makes a text up to 18 times as long.
    """
    normal = password if names.piled(password) else unicodedata.normalize("NFKC", password)
    return [normal] if normal == password else [normal, password]


def _scrypt(password: str, salt: bytes, cost: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << cost, r=r, p=p, dklen=_LENGTH,
        maxmem=128 * r * (1 << cost) + 128 * r * p + (1 << 20),
    )


def _pack(cost: int, salt: bytes, digest: bytes) -> str:
    salt_text, digest_text = (base64.b64encode(part).decode("ascii") for part in (salt, digest))
    return f"scrypt${cost}${_R}${_P}${salt_text}${digest_text}"


class Account(NamedTuple):
    """`key` is names.key(name); `password` is a result of hash_password; `created` is ISO 8601 in UTC.

    `role` is one of ROLES. A role that this version does not know has the rights of a user.
    """

    key: str
    name: str
    password: str
    created: str
    role: str = "user"


class Accounts:
    """The accounts by the key of their name. `cost` is log2 of scrypt's n for new passwords."""

    def __init__(self, rows: Iterable[Account], cost: int) -> None:
        self._by_key: dict[str, Account] = {}
        self._looks = names.Looks()
        for row in rows:
            self.publish(row)
        self._cost = cost
        # verified for unknown users, so that they take as long as a wrong password
        self._dummy = _pack(cost, os.urandom(_SALT), os.urandom(_LENGTH))

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def resembles(self, name: str) -> bool:
        """Whether an account has this name, or a name that looks the same. `name` has passed `names.check`."""
        return names.key(name) in self._by_key or self._looks.has(names.likeness(name))

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: str) -> Account | None:
        """The account with this key."""
        return self._by_key.get(key)

    def publish(self, row: Account) -> None:
        """From now on this account can log in, with this password and this role."""
        if row.key not in self._by_key:  # else only its password or its role is new
            self._looks.add(row.name)
        self._by_key[row.key] = row

    def remove(self, keys: Collection[str]) -> None:
        """These accounts are gone, and their names are free. For the holder of the flush lock, as `publish`."""
        kept = {key: row for key, row in self._by_key.items() if key not in keys}
        looks = names.Looks()
        for row in kept.values():
            looks.add(row.name)
        self._by_key, self._looks = kept, looks  # whole ones, because other threads look them up

    def keys(self, *, role: str) -> list[str]:
        """The keys of the accounts with this role."""
        return [row.key for row in self._by_key.values() if row.role == role]

    def hash_password(self, password: str) -> str:
        """The text to store for a password that `check_password` lets through."""
        salt = os.urandom(_SALT)
        return _pack(self._cost, salt, _scrypt(_forms(password)[0], salt, self._cost, _R, _P))

    def verify(self, name: object, password: object) -> str | None:
        """The name as the account spells it, or None. An unknown name takes as long as a wrong password."""
        if not isinstance(password, str) or not 1 <= len(password) <= MAX_PASSWORD:
            password = ""
        row = None
        if isinstance(name, str):
            row = self._by_key.get(names.find(name) or "")
        _, cost, r, p, salt, digest = (row.password if row else self._dummy).split("$")
        for form in _forms(password):
            found = _scrypt(form, base64.b64decode(salt), int(cost), int(r), int(p))
            if hmac.compare_digest(found, base64.b64decode(digest)) and row and password:
                return row.name
        return None
