"""What teachers do about people, as JSON types and as typed words: kick, mute, ban, silence, slow mode, announcements.

The room sees to it that only teachers do it (Room.only); chat/moderation.py does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from classcord.chat.moderation import USUAL
from classcord.chat.office import Office
from classcord.delivery.asking import may_be_stored
from classcord.net.nat import hides_people
from classcord.wire import durations, names, networks
from classcord.wire.protocol import ProtocolError, clean_content
from classcord.wire.texts import ENGLISH, Texts, shown
from handlers.context import Context
from handlers.history import last_of
from handlers.request import Field, Misused, Request, Typed

__all__ = ["ROWS", "named_first"]

_MAX_ID = 2**53
_ON = ("on", "oui", "yes")
_QUOTES = {'"': '"', "“": "”", "«": "»"}


def named_first(rest: str) -> tuple[str, str]:
    """The name at the beginning of a typed text, which quotes may enclose, and the text after it. Raises Misused."""
    closing = _QUOTES.get(rest[:1])
    if closing:
        name, _, text = rest[1:].partition(closing)
    else:
        name, text = names.first(rest)
    name = name.strip()
    if not name or not name.isprintable() or len(name) > 2 * names.MAX_NAME:
        raise Misused
    return name, text.strip()


def _duration(message: dict[str, Any], usual: int) -> int:
    text = message.get("duration")
    seconds = usual if text is None else durations.parse(text)
    if seconds is None:
        raise ProtocolError("invalid_field", "duration must be a time like 30s, 10m, 2h, 1h30 or 1d, of at most a year")
    return seconds


def _about_a_person(action: str, usual: int | None, with_reason: bool) -> tuple[
    Callable[[Context, dict[str, Any]], None], Callable[[Context, str], None]
]:
    """The functions for JSON and for typed words of an action on one person."""
    def post(context: Context, typed: bool, name: str, seconds: int | None, reason: str) -> None:
        more: tuple[Any, ...] = (() if seconds is None else (seconds,)) + ((reason,) if with_reason else ())
        network = networks.parse(name) if action == "ban" else None
        if network is None:
            context.post(Office.moderate, typed, action, (name, *more))
        elif (refusal := _network_refusal(context, network, context.texts if typed else Texts("en"))) is None:
            context.post(Office.moderate, typed, "ban_network", (network, *more))
        else:  # said by the room, because only teachers may know how many people are where
            context.post(Office.moderate, typed, "refuse", (refusal,))

    def asked(context: Context, message: dict[str, Any]) -> None:
        seconds = None if usual is None else _duration(message, usual)
        post(context, False, message["to"], seconds, message.get("reason", ""))

    def typed(context: Context, rest: str) -> None:
        name, text = named_first(rest)
        seconds = None
        if usual is not None:
            found = durations.split(text, usual)
            if found is None:
                raise Misused
            seconds, text = found
        if text and not with_reason:
            if rest[0] in _QUOTES:
                raise Misused
            name, text = f"{name} {text}", ""  # nothing but a name follows such a command: it has spaces
        post(context, True, name, seconds, text)

    return asked, typed


def _network_refusal(context: Context, network: str, texts: Texts) -> str | None:
    """Why a teacher may not ban this network; None if that hurts nobody else."""
    if networks.is_here(network):
        return texts("ban_here", user=network)
    if networks.contains(network, context.link.peer.address):
        return texts("ban_own", user=network)
    count = hides_people(network, [link.peer for link in context.registry.links()])
    return None if count is None else texts("ban_wide", user=network, count=count)


# --- the room ---


def _state(text: str) -> bool | None:
    if text.lower() not in ("", *_ON, *durations.OFF):
        raise ValueError
    return text.lower() in _ON if text else None


def _silence(context: Context, message: dict[str, Any]) -> None:
    """Begin the silence, or end it."""
    try:
        context.post(Office.moderate, False, "silence", (_state(message.get("state", "")),))
    except ValueError:
        raise ProtocolError("invalid_field", "state must be on or off, or left out to change it") from None


def _typed_silence(context: Context, rest: str) -> None:
    try:
        context.post(Office.moderate, True, "silence", (_state(rest),))
    except ValueError:
        raise Misused from None


def _slow(context: Context, message: dict[str, Any]) -> None:
    seconds = durations.pause(message["duration"])
    if seconds is None:
        raise ProtocolError("invalid_field", "duration must be a time like 10s, of at most an hour; 0 ends slow mode")
    context.post(Office.moderate, False, "slow", (seconds,))


def _typed_slow(context: Context, rest: str) -> None:
    seconds = durations.pause(rest)
    if seconds is None:
        raise Misused
    context.post(Office.moderate, True, "slow", (seconds,))


def _announce(context: Context, message: dict[str, Any]) -> None:
    content = clean_content(message["content"].strip())
    if not content:
        raise ProtocolError("invalid_field", "content is empty; nothing was sent")
    if context.limiter is not None:
        context.limiter.content(content)
    context.post(Office.moderate, False, "announce", (content,))


def _typed_announce(context: Context, rest: str) -> None:
    if not rest:
        raise Misused
    context.post(Office.moderate, True, "announce", (rest,))


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= _MAX_ID else None


def _delete(context: Context, message: dict[str, Any]) -> None:
    id = message["id"]
    if id is None:
        raise ProtocolError("missing_field", "delete needs the field id", {"type": "delete", "id": 42})
    number = _id(id) if isinstance(id, str) else id if type(id) is int and 0 <= id <= _MAX_ID else None
    if number is None:
        raise ProtocolError("invalid_field", "id must be the number of a message")
    _delete_if_stored(context, False, number, message.get("reason", ""))


def _typed_delete(context: Context, rest: str) -> None:
    """`/supprimer 42`, or `/supprimer bob`: the last message of that person where the client writes."""
    word, _, reason = rest.partition(" ")
    number = _id(word)
    if number is not None:
        _delete_if_stored(context, True, number, reason)
        return
    name, reason = named_first(rest)
    found = last_of(context, name)
    if found is None:
        context.post(Office.moderate, True, "refuse", (context.texts("no_message_of", user=shown(name)),))
    else:
        context.post(Office.moderate, True, "delete", (found, reason))


def _delete_if_stored(context: Context, typed: bool, id: int, reason: str) -> None:
    if may_be_stored(context.registry, context.history, id):
        context.post(Office.moderate, typed, "delete", (id, reason))
    else:
        texts = context.texts if typed else ENGLISH
        context.post(Office.moderate, typed, "refuse", (texts("no_message", id=id),))


# --- the rows ---

_TO, _REASON, _DURATION = Field("to"), Field("reason", required=False), Field("duration", required=False)
_kick, _typed_kick = _about_a_person("kick", None, True)
_mute, _typed_mute = _about_a_person("mute", USUAL["mute"], True)
_unmute, _typed_unmute = _about_a_person("unmute", None, False)
_ban, _typed_ban = _about_a_person("ban", USUAL["ban"], True)
_unban, _typed_unban = _about_a_person("unban", None, False)

ROWS = (
    Request(
        "kick", _kick, "teachers: end a person's connection", {"type": "kick", "to": "bob", "reason": "trop de bruit"},
        (_TO, _REASON), who="teacher", announces="change",
        typed=Typed(
            _typed_kick, {"fr": ("ejecter", "éjecter"), "en": ("kick",)},
            {"fr": "/ejecter NOM [MOTIF] : déconnecter quelqu'un", "en": "/kick NAME [REASON]: disconnect somebody"},
            example="bob",
        ),
    ),
    Request(
        "mute", _mute, "teachers: let a person write to nobody but teachers",
        {"type": "mute", "to": "bob", "duration": "10m"}, (_TO, _DURATION, _REASON), who="teacher",
        typed=Typed(
            _typed_mute, {"fr": ("muet",), "en": ("mute",)},
            {
                "fr": "/muet NOM [TEMPS] [MOTIF] : il ne peut plus écrire ; 30s, 10m (d'habitude), 2h",
                "en": "/mute NAME [TIME] [REASON]: that person can't write; 30s, 10m (usually), 2h",
            },
            example="bob 10m",
        ),
    ),
    Request(
        "unmute", _unmute, "teachers: end a mute", {"type": "unmute", "to": "bob"}, (_TO,), who="teacher",
        typed=Typed(
            _typed_unmute, {"fr": ("parole",), "en": ("unmute",)},
            {"fr": "/parole NOM : il peut de nouveau écrire", "en": "/unmute NAME: that person can write again"},
            example="bob",
        ),
    ),
    Request(
        "ban", _ban, "teachers: keep an account or a network out", {"type": "ban", "to": "bob", "duration": "1h"},
        (_TO, _DURATION, _REASON), who="teacher", announces="change",
        typed=Typed(
            _typed_ban, {"fr": ("bannir",), "en": ("ban",)},
            {
                "fr": "/bannir COMPTE|RÉSEAU [TEMPS] [MOTIF] : il ne peut plus entrer ; 30m, 1h (d'habitude), 2j",
                "en": "/ban ACCOUNT|NETWORK [TIME] [REASON]: keep it out; 30m, 1h (usually), 2d",
            },
            example="bob 1h",
        ),
    ),
    Request(
        "unban", _unban, "teachers: end a ban", {"type": "unban", "to": "bob"}, (_TO,), who="teacher",
        typed=Typed(
            _typed_unban, {"fr": ("debannir", "débannir"), "en": ("unban",)},
            {"fr": "/debannir COMPTE|RÉSEAU : il peut revenir", "en": "/unban ACCOUNT|NETWORK: let it in again"},
            example="bob",
        ),
    ),
    Request(
        "silence", _silence, "teachers: only teachers write, until the next silence", {"type": "silence"},
        (Field("state", required=False),), who="teacher", announces="change",
        typed=Typed(
            _typed_silence, {"fr": ("silence",), "en": ("silence",)},
            {
                "fr": "/silence : seuls les enseignants écrivent ; une seconde fois : c'est fini",
                "en": "/silence: only teachers write; a second time: it is over",
            },
        ),
    ),
    Request(
        "slow", _slow, "teachers: each person may write once in this time", {"type": "slow", "duration": "10s"},
        (Field("duration"),), who="teacher", announces="change",
        typed=Typed(
            _typed_slow, {"fr": ("lent",), "en": ("slow",)},
            {
                "fr": "/lent SECONDES : chacun écrit une fois par ce temps ; /lent 0 : c'est fini",
                "en": "/slow SECONDS: each person writes once in this time; /slow 0: it is over",
            },
            example="10",
        ),
    ),
    Request(
        "announce", _announce, "teachers: tell everybody something, as Serveur",
        {"type": "announce", "content": "Pause jusqu'à 10 h"}, (Field("content", most=None),), who="teacher",
        typed=Typed(
            _typed_announce, {"fr": ("annonce",), "en": ("announce",)},
            {"fr": "/annonce TEXTE : Serveur le dit à tout le monde", "en": "/announce TEXT: Serveur tells everybody"},
            example="Pause",
        ),
    ),
    Request(
        "delete", _delete, "teachers: take a message out of what is stored", {"type": "delete", "id": 42},
        (Field("id", any_value=True), _REASON), who="teacher", cost=5,
        typed=Typed(
            _typed_delete, {"fr": ("supprimer",), "en": ("delete",)},
            {
                "fr": "/supprimer NUMÉRO|NOM [MOTIF] : ôter un message enregistré, ou le dernier de NOM ; les numéros :"
                " /historique",
                "en": "/delete NUMBER|NAME [REASON]: delete a stored message, or the last one of NAME; the numbers:"
                " /history",
            },
            example="42",
        ),
    ),
)
"""The rows of handlers/table.py for teachers."""
