"""Accounts: who may log in, and the hashing of passwords.

All accounts are in memory, for the registry asks about names at every step. Looking up is for any thread;
`publish` is for the holder of the registry's flush lock, once the account is on disk.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
from collections.abc import Iterable

from classcord import names
from classcord.store import AccountRow

__all__ = ["MAX_PASSWORD", "Accounts"]

MAX_PASSWORD = 256
"""Characters in a password; known clients send as few as one."""

_HASHERS = 2
"""Hashes at a time: each takes 16 MiB at the default cost, and the chat needs a processor too."""
_R, _P, _SALT, _LENGTH = 8, 1, 16, 32


def _scrypt(password: str, salt: bytes, cost: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << cost, r=r, p=p, dklen=_LENGTH,
        maxmem=128 * r * (1 << cost) + 128 * r * p + (1 << 20),
    )


def _pack(cost: int, salt: bytes, digest: bytes) -> str:
    salt_text, digest_text = (base64.b64encode(part).decode("ascii") for part in (salt, digest))
    return f"scrypt${cost}${_R}${_P}${salt_text}${digest_text}"


class Accounts:
    """The accounts by the key of their name. `cost` is log2 of scrypt's n for new passwords."""

    def __init__(self, rows: Iterable[AccountRow], cost: int) -> None:
        self._by_key: dict[str, AccountRow] = {}
        self._by_skeleton: dict[str, list[names.Likeness]] = {}
        for row in rows:
            self.publish(row)
        self._cost = cost
        self._hashing = threading.BoundedSemaphore(_HASHERS)
        # verified for unknown users, so that they take as long as a wrong password
        self._dummy = _pack(cost, os.urandom(_SALT), os.urandom(_LENGTH))

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def resembles(self, name: str) -> bool:
        """Whether an account has this name, or one that people take for it. `name` has passed `names.check`."""
        likeness = names.likeness(name)
        return names.key(name) in self._by_key or any(
            names.alike(likeness, other) for other in self._by_skeleton.get(likeness.skeleton, ())
        )

    def __len__(self) -> int:
        return len(self._by_key)

    def publish(self, row: AccountRow) -> None:
        """From now on this account can log in."""
        self._by_key[row.key] = row
        likeness = names.likeness(row.name)
        self._by_skeleton.setdefault(likeness.skeleton, []).append(likeness)

    def hash_password(self, password: str) -> str:
        """The text to store for `password`. Waits for its turn, then takes tens of milliseconds."""
        salt = os.urandom(_SALT)
        with self._hashing:
            return _pack(self._cost, salt, _scrypt(password, salt, self._cost, _R, _P))

    def verify(self, name: object, password: object) -> str | None:
        """The account's own spelling of its name, or None. As slow for an unknown name as for a wrong password.

        Waits for its turn, then takes tens of milliseconds. For clients' threads, which must hold no lock.
        """
        if not isinstance(password, str) or not 1 <= len(password) <= MAX_PASSWORD:
            password = ""
        row = None
        if isinstance(name, str):
            row = self._by_key.get(names.find(name) or "")
        _, cost, r, p, salt, digest = (row.password if row else self._dummy).split("$")
        with self._hashing:
            found = _scrypt(password, base64.b64decode(salt), int(cost), int(r), int(p))
        right = hmac.compare_digest(found, base64.b64decode(digest))
        return row.name if row and right and password else None
