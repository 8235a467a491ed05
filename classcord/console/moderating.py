"""The console's commands for moderation. The same room's actions as teachers use: chat/moderation.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from classcord.chat.effects import Answered
from classcord.chat.moderation import USUAL
from classcord.console.replies import Reply, Usage, done, first_name, name_of, no_more, number_of, table
from classcord.data.audit import latest
from classcord.data.history import History
from classcord.delivery.asking import may_be_stored
from classcord.delivery.registry import Registry
from classcord.net.nat import hides_people
from classcord.wire import durations, networks
from classcord.wire.protocol import ProtocolError, clean_content
from classcord.wire.texts import ENGLISH

__all__ = ["Moderating"]

_FORCE = "--force"
_SHOWN = 20
"""Lines of the audit that are shown if nobody says how many."""


class Moderating:
    """`ask` has the room carry out an action: it gives the answer, or raises ProtocolError. Any thread."""

    def __init__(self, registry: Registry, history: History, folder: str, ask: Callable[..., Answered]) -> None:
        self._registry = registry
        self._history = history
        self._folder = folder
        self._ask = ask
        self.commands: dict[str, Callable[[list[str]], Iterator[Reply]]] = {
            "kick": self._kick, "mute": self._mute, "unmute": self._unmute, "ban": self._ban, "bans": self._bans,
            "unban": self._unban, "silence": self._silence, "slow": self._slow, "announce": self._announce,
            "delete": self._delete, "audit": self._audit,
        }

    def _do(self, action: str, *arguments: object) -> Iterator[Reply]:
        yield done(self._ask(action, *arguments).text)

    def _kick(self, words: list[str]) -> Iterator[Reply]:
        yield from self._do("kick", *first_name(words))

    def _mute(self, words: list[str]) -> Iterator[Reply]:
        name, rest = first_name(words)
        yield from self._do("mute", name, *_time(rest, USUAL["mute"]))

    def _unmute(self, words: list[str]) -> Iterator[Reply]:
        yield from self._do("unmute", name_of(words))

    def _ban(self, words: list[str]) -> Iterator[Reply]:
        force = words[-1:] == [_FORCE]
        words = words[:-1] if force else words
        target, rest = first_name(words)
        seconds, reason = _time(rest, USUAL["ban"])
        network = networks.parse(target)
        if network is None:
            yield from self._do("ban", target, seconds, reason)
            return
        peers = [link.peer for link in self._registry.links()]
        if networks.is_here(network):
            raise ProtocolError("invalid_field", f"{network} has the addresses of this machine, which are never banned")
        count = hides_people(network, peers)
        if count is not None and not force:
            text = f"{network} may hide a whole class ({count} connections come from there now)"
            raise ProtocolError("invalid_field", f"{text}; if it must be, add {_FORCE}")
        yield from self._do("ban_network", network, seconds, reason)

    def _unban(self, words: list[str]) -> Iterator[Reply]:
        yield from self._do("unban", name_of(words))

    def _bans(self, words: list[str]) -> Iterator[Reply]:
        no_more(words)
        bans = [
            {"kind": kind, "target": target, "seconds": round(seconds), "actor": actor, "reason": reason}
            for kind, target, seconds, actor, reason in self._ask("bans").data
        ]
        rows = [(b["kind"], b["target"], durations.spell(b["seconds"], "en"), b["actor"], b["reason"]) for b in bans]
        yield done(table(("KIND", "TARGET", "LEFT", "BY", "REASON"), rows) if rows else "nobody is banned", bans=bans)

    def _silence(self, words: list[str]) -> Iterator[Reply]:
        if words not in ([], ["on"], ["off"]):
            raise Usage("")
        yield from self._do("silence", words == ["on"] if words else None)

    def _slow(self, words: list[str]) -> Iterator[Reply]:
        seconds = durations.pause(words[0]) if len(words) == 1 else None
        if seconds is None:
            raise Usage("")
        yield from self._do("slow", seconds)

    def _announce(self, words: list[str]) -> Iterator[Reply]:
        content = clean_content(" ".join(words).strip())
        if not content:
            raise Usage("say what to announce")
        yield from self._do("announce", content)

    def _delete(self, words: list[str]) -> Iterator[Reply]:
        if not words:
            raise Usage("say which message")
        id = number_of(words[0], 2**53)
        if not may_be_stored(self._registry, self._history, id):
            raise ProtocolError("invalid_field", ENGLISH("no_message", id=id))
        yield from self._do("delete", id, " ".join(words[1:]))

    def _audit(self, words: list[str]) -> Iterator[Reply]:
        """What was done, the newest last."""
        count = number_of(words[0], 10_000) if len(words) == 1 else _SHOWN
        if len(words) > 1:
            raise Usage("")
        try:
            found = latest(self._folder, count)
        except sqlite3.Error as error:
            raise ProtocolError("unavailable", f"the database can't be read: {error}") from None
        rows = [
            (at, actor, action, target, durations.spell(seconds, "en") if seconds else "", reason)
            for at, actor, action, target, seconds, reason in found
        ]
        names = ("time", "actor", "action", "target", "seconds", "reason")
        text = table(("TIME", "BY", "ACTION", "TARGET", "FOR", "REASON"), rows) if rows else "nothing was done yet"
        yield done(text, audit=[dict(zip(names, row, strict=True)) for row in found])


def _time(text: str, usual: int) -> tuple[int, str]:
    """The time at the beginning of the text, or the usual one, and the reason after it. Raises Usage."""
    found = durations.split(text, usual)
    if found is None:
        raise Usage(f"{text.split()[0][:40]!r} is not a time like 30s, 10m, 2h, 1h30 or 1d, of at most a year")
    return found
