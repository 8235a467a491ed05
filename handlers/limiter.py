"""The limits of one client: its thread waits here, so that the client is read more slowly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from classcord.net.limits import Limits, Member
from classcord.net.link import Gone, Link
from classcord.net.shares import Flow, Shares
from classcord.wire import names
from classcord.wire.channel_names import MAX_TYPED
from classcord.wire.protocol import ProtocolError, quote

__all__ = ["Flooding", "Limiter"]

_PATIENCE = 8.0
"""Seconds that a client waits for its turn to try a password. If it would take longer, the try is refused at once."""
_AT_ONCE = 0.5
"""Seconds that a client in excess is not read, at least."""
_FRAME = 160
"""Bytes of a line beside its content and its names: the keys, a time, an id. Three lines of presence are as long."""
_PRESENCE = 3
"""Lines of presence that a change is counted as: somebody comes, changes the name, and leaves."""
_PORTION = 16
"""Lines of one client that are given a share of the server's time at once. The rest may never run, and the others need
not wait for it: a client that does not take its answers is not served."""
_WAITING = 2048
"""A connection ends only if about so many bytes wait. A client that sends as fast as it may, and is behind because
the server was busy, has fewer."""


class Flooding(Exception):
    """The client goes on sending faster than it may."""


class Limiter:
    """Counts what one client sends. Only that client's own thread uses it.

    `flush` hands over the collected items: what came before must not wait. `reply` sends a line to the client.
    """

    def __init__(
        self, limits: Limits, link: Link, flush: Callable[[], None], reply: Callable[[bytes], None]
    ) -> None:
        self._limits = limits
        self._link = link
        self._flush = flush
        self._reply = reply
        self._clock = limits.clock
        self.slow = False
        """Something that came with the last bytes had to wait."""
        self._next = 0  # lines that wait for the server's time
        self._granted = 0  # lines for which it has the time
        self._size = 0  # of the last bytes: some of their lines may not have run yet
        self._pace = limits.pace()
        self._own: Flow = Flow()
        self._work = Flow()
        self._newcomers: Flow | None = limits.newcomers(link.peer.share)  # until the others know of this client
        self._member: Member | None = None
        self._called = ""  # the last name that the client gave for itself
        self._name = 0  # bytes of its name in a line: of the longest that it may have
        self._registrations = limits.own_registrations()
        self._tries = limits.logins.tries()

    # --- lines and bytes ---

    def received(self, size: int) -> None:
        """So many bytes have come. Raises Flooding, Gone."""
        self.slow = False
        self._size = size
        wait = self._pace.received(size, self._clock())
        if wait:
            self._slow(wait, "bytes")

    def lines(self, count: int) -> None:
        """So many lines are next."""
        self._next = count
        self._granted = 0

    def work(self, lines: int) -> None:
        """The line that runs takes as much work as so many more. Raises Gone."""
        self._share(self._limits.work, self._work, lines)

    def line(self) -> None:
        """A line is next: wait until the server has the time for it, and the client may send it. Raises Flooding,
        Gone."""
        if not self._granted:
            self._granted = max(1, min(self._next, _PORTION))
            self._next -= self._granted
            self._share(self._limits.work, self._work, self._granted)
        self._granted -= 1
        now = self._clock()
        wait = self._pace.line(now)
        if wait:
            self._slow(wait, "lines")
        if self._member is not None:
            wait = self._member.line(now)
            if wait:
                self._wait(wait)

    def cost(self, lines: int) -> None:
        """The line that runs costs as much as so many."""
        if lines != 1:
            self._pace.cost(lines - 1, self._clock())

    def _slow(self, wait: float, what: str) -> None:
        self.slow = True
        now = self._clock()
        left = self._pace.to_tell(now)
        if left is not None:
            rates = self._limits.rates
            at_once, a_second = (
                (rates.line_burst, rates.line_rate) if what == "lines" else (rates.byte_burst, rates.byte_rate)
            )
            text = (
                f"you send too fast: {at_once} {what} at once and {a_second} a second are allowed."
                " The server reads more slowly, and nothing is lost so far;"
                f" but if this goes on, the connection ends in {math.ceil(left)} seconds"
            )
            self._link.log("rate_limited", what=what, hint="see --line-rate and --byte-rate")
            self._reply(ProtocolError("rate_limited", text).line())
        if self._pace.is_over(now):
            if self._size + self._link.transport.unread() >= _WAITING:
                raise Flooding
            self._pace.forgive()
        self._wait(max(wait, _AT_ONCE))  # several lines in one go: each time its thread must be woken

    def _wait(self, seconds: float) -> None:
        self._flush()
        if self._link.gone_within(seconds):
            raise Gone

    # --- what the others receive ---

    def presence(self, what: Literal["coming", "change"], name: object = None, channel: object = None) -> None:
        """Everybody may receive lines of presence with the name of this client, and with a channel. Raises Gone.

        `name` is the one that the client gives for itself with the request. Which one it gets is known only when its
        turn comes, so the longest counts.
        """
        renamed = self._gives(name)
        size = _FRAME + _PRESENCE * (self._name + _quoted(channel, MAX_TYPED))
        if self._newcomers is not None:
            self._share(self._limits.room, self._newcomers, _FRAME)
            self._newcomers = None
            if what == "coming":
                size -= _FRAME  # its own share pays for a long name: others of its address need not wait for that
        if renamed or what == "change":
            self._share(self._limits.room, self._member or self._own, size)

    def content(self, content: str, name: object = None) -> None:
        """The request makes others receive this content, from a client that calls itself so. Raises Gone."""
        self.presence("coming", name)
        size = _FRAME + self._name + _quoted(content)
        self._pace.relayed(size, self._clock())
        self._share(self._limits.room, self._member or self._own, size)

    def _gives(self, name: object) -> bool:
        """Note the name that a client gives for itself; whether it gave another one before, or none."""
        if not isinstance(name, str) or not name or name == self._called:
            return False
        self._called = name = name[: names.MAX_NAME]
        self._name = max(self._name, _quoted(name))
        return True

    def _share(self, shares: Shares, flow: Flow, size: int) -> None:
        if not shares.take(flow, size):
            self.slow = True
            self._flush()
            began = self._clock()
            if not shares.wait(flow, size, self._link.is_gone):
                raise Gone
            self._pace.held_up(self._clock() - began)

    # --- accounts ---

    def login(self, account: str, verify: Callable[[], str | None]) -> str | None:
        """The result of `verify`, which hashes a password for the account: its name, or None for a wrong password.

        Waits for its turn first. Raises ProtocolError if there were too many failures.
        """
        key = names.find(account[: 2 * names.MAX_NAME]) or ""
        logins, peer = self._limits.logins, self._link.peer
        deadline = self._clock() + _PATIENCE
        while wait := logins.begin(key, peer, self._tries):
            if self._clock() + wait > deadline:
                seconds = math.ceil(wait)
                self._link.log("rate_limited", what="login", user=account[: names.MAX_NAME], wait=seconds)
                raise ProtocolError("rate_limited", f"Too many wrong passwords; try again in {seconds} seconds.")
            self._wait(wait)
        name, finished = None, False
        try:
            name = verify()
            finished = True
        finally:
            logins.ended(key, peer, self._tries, right=name is not None, wrong=finished and name is None)
        if name is not None:
            self._member = self._limits.member(names.key(name))  # the account counts now, with all its connections
            self._name = _quoted(name)
        return name

    def logged_out(self) -> None:
        """The connection counts for itself again."""
        self._member = None
        self._called, self._name = "", 0

    def register(self, name: str) -> None:
        """Before the password of a new account is hashed. Raises ProtocolError if there are too many."""
        self._name = max(self._name, _quoted(name))  # the client may use it without logging in
        now = self._clock()
        wait = self._registrations.wait(1, now) or self._limits.registrations.take(self._link.peer)
        if wait:
            seconds = math.ceil(wait)
            self._link.log("rate_limited", what="register", wait=seconds,
                           hint="see --registrations, --connection-registrations and --exempt-networks")
            raise ProtocolError("rate_limited", f"Too many new accounts; try again in {seconds} seconds.")
        self._registrations.take(1, now)


def _quoted(text: object, most: int | None = None) -> int:
    """The bytes of a text in a line, or of so many characters of it; none if it is not a text."""
    if not isinstance(text, str):
        return 0
    return len(text[:most]) if text.isascii() else len(quote(text[:most]))
