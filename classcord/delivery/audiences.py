"""Who gets which broadcasts. An audience is one bit; a seat's audiences are a mask of bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from classcord.chat.effects import EVERYBODY
from classcord.net.link import Link

__all__ = ["EVERYBODY", "Audiences"]


class Audiences:
    """The members of each audience, in the order in which they joined. For the holder of the flush lock."""

    def __init__(self) -> None:
        self._members: dict[int, dict[int, Link]] = {}
        self.has_members: Callable[[int], bool] = self._members.__contains__
        """Whether somebody is in an audience."""
        self._masks: dict[int, int] = {}
        self._several: set[int] = set()
        """The seats in more than one audience, besides everybody."""

    def mask(self, seat: int) -> int:
        """The audiences of a seat."""
        return self._masks.get(seat, 0)

    def members(self, mask: int) -> Mapping[int, Link]:
        """The links of all who are in at least one of these audiences, by the numbers of their seats."""
        one = self._members.get(mask)
        if one is not None:
            return one
        return {seat: link for bit, some in self._members.items() if bit & mask for seat, link in some.items()}

    def apart(self, mask: int) -> list[tuple[int, Mapping[int, Link]]] | None:
        """Each of these audiences with its members, if nobody is in two of them. Else, or if that is unlikely, None."""
        one = self._members.get(mask)
        if one is not None:
            return [(mask, one)]
        if mask & EVERYBODY:
            return None
        found: list[tuple[int, Mapping[int, Link]]] = [each for each in self._members.items() if each[0] & mask]
        if self._several:
            some = [members for _, members in found]
            if len(set[int]().union(*some)) < sum(map(len, some)):
                return None
        return found

    def join(self, seat: int, link: Link, audience: int) -> None:
        """Safe to repeat."""
        self._members.setdefault(audience, {})[seat] = link
        self._mark(seat, self.mask(seat) | audience)

    def leave(self, seat: int, audience: int) -> None:
        """Safe to repeat."""
        self._mark(seat, self.mask(seat) & ~audience)
        members = self._members.get(audience, {})
        members.pop(seat, None)
        if not members:
            self._members.pop(audience, None)

    def _mark(self, seat: int, mask: int) -> None:
        if mask:
            self._masks[seat] = mask
        else:
            self._masks.pop(seat, None)
        channels = mask & ~EVERYBODY
        if channels & (channels - 1):
            self._several.add(seat)
        else:
            self._several.discard(seat)
