"""The table of requests: JSON types and typed words alike. docs/DESIGN.md says how to add a row."""

from __future__ import annotations

import difflib
import re
from typing import Any

from classcord.chat.room import Room
from classcord.wire import names
from classcord.wire.channel_names import MAX_TYPED
from classcord.wire.protocol import ProtocolError, encode
from classcord.wire.texts import LANGUAGES, shown
from handlers import accounts, channels, completion, direction, history, messages, moderation, presence, watching
from handlers.context import Context
from handlers.request import MAX_REF, PUNCTUATION, Field, Misused, Request, Typed

__all__ = ["COMMANDS", "HELP", "LISTED", "TABLE", "TYPES", "WORDS", "find", "letters", "unknown"]

_CHANNEL = Field("channel", most=MAX_TYPED)
_CONTENT = Field("content", most=None)  # clean_content says more than "too long"
_REF = Field("ref", required=False, most=MAX_REF)
_TEACHERS = ("enseignant", "enseignants", "prof", "teacher", "teachers")
"""Words after `/aide` that list the commands of teachers, which pupils need not see."""
_ALL = ("tout", "toutes", "all")
"""Words after `/aide` that list all commands but those."""
_HASHING = 3
"""The cost of a request with a password: hashing takes 40 ms, a thousand times as long as most requests."""


def _help(context: Context, message: dict[str, Any]) -> None:
    """One line that lists the types."""
    context.reply(HELP)


def _list_commands(context: Context, message: dict[str, Any]) -> None:
    """The typed commands, for clients that complete them."""
    language = message.get("language", context.texts.language)
    if language not in COMMANDS:
        raise ProtocolError("invalid_field", f"language must be one of {', '.join(COMMANDS)}", {"type": "commands"})
    context.reply(COMMANDS[language][bool(context.teacher())])


def _explain(context: Context, rest: str) -> None:
    """List the typed commands, or explain the one that is named."""
    word = [*rest.split(None, 1), ""][0].lstrip("/")
    request, language = find(word), context.texts.language
    if not word:
        line = context.texts("help", commands=_commands(language, ("first",)))
    elif names.key(word) in _ALL:
        line = context.texts("help_all", commands=_commands(language, ("first", "all")))
    elif names.key(word) in _TEACHERS:
        line = context.texts("help_teacher", commands=_commands(language, ("first", "all"), for_teachers=True))
    elif request is None or request.typed is None:
        line = unknown(context, word, asked=True)
    else:
        line = request.typed.explained[language]
    context.post(Room.notice, line)


def _commands(language: str, listed: tuple[str, ...], *, for_teachers: bool = False) -> str:
    """The typed words, the last row first."""
    rows = [row for row in reversed(TABLE) if (row.who == "teacher") == for_teachers]
    return " ".join(f"/{row.typed.words[language][0]}" for row in rows if row.typed and row.typed.listed in listed)


def _refuse(context: Context, rest: str) -> None:
    """Relay nothing of a command that some other chats have, because a password follows."""
    raise Misused


TABLE = (
    Request(
        "register", accounts.register, "create an account; then log in",
        {"type": "register", "username": "alice", "password": "azerty"},
        (Field("username"), Field("password", most=None)),
        cost=_HASHING,
    ),
    Request(
        "login", accounts.login, "log in to an account",
        {"type": "login", "username": "alice", "password": "azerty"},
        (Field("username"), Field("password", any_value=True)),
        cost=_HASHING, announces="change",
    ),
    Request(
        None,
        typed=Typed(
            _refuse,
            {"fr": ("login", "register", "pass"), "en": ("login", "register", "pass")},
            {
                "fr": "On ne tape pas son mot de passe ici, sauf pour en changer. Rien n'a été envoyé aux autres ;"
                " connectez-vous par la fenêtre de connexion de votre client.",
                "en": "A password is not typed here, unless to change it. Nothing was sent to the others;"
                " use your client's own window to log in.",
            },
            secret=True, listed="never",
        ),
    ),
    Request(
        "password", accounts.password, "change your own password",
        {"type": "password", "old": "azerty", "new": "qsdfgh"}, (Field("old", most=None), Field("new", most=None)),
        who="account", cost=2 * _HASHING,
        typed=Typed(
            accounts.typed_password,
            {"fr": ("motdepasse", "mdp"), "en": ("password", "passwd")},
            {
                "fr": "/motdepasse ANCIEN NOUVEAU : changer de mot de passe (sans espace dedans)",
                "en": "/password OLD NEW: change your password (no spaces in them)",
            },
            secret=True, listed="all",
        ),
    ),
    Request("logout", accounts.logout, "log out, stay connected", {"type": "logout"}, who="named", announces="change"),
    Request(
        "disconnect", accounts.disconnect, "logout without an answer", {"type": "disconnect"}, listed=False,
        announces="change",
    ),
    Request(
        "change_username", accounts.change_username, "give a guest its name",
        {"type": "change_username", "new_user": "zoe"}, (Field("new_user"),), listed=False, announces="change",
    ),
    Request(
        "message", messages.message, "write to everybody or to a channel, or to one person with subtype private",
        {"type": "message", "subtype": "global", "to": "global", "content": "Bonjour"},
        (
            _CONTENT, Field("subtype", required=False), Field("to", required=False),
            _CHANNEL._replace(required=False), _REF,
        ),
    ),
    Request(
        "private", messages.private, "write to one person", {"type": "private", "to": "bob", "content": "Salut"},
        (_CONTENT, Field("to"), _REF),
        typed=Typed(
            messages.typed_private,
            {"fr": ("mp", "msg"), "en": ("msg", "w", "whisper")},
            {
                "fr": "/mp NOM TEXTE : message privé (un nom avec des espaces se met entre guillemets)",
                "en": "/msg NAME TEXT: private message (quote a name that has spaces)",
            },
            example="alice Bonjour",
        ),
    ),
    Request(
        None,
        typed=Typed(
            messages.action, messages.ACTION,
            {
                "fr": "/moi TEXTE : dire ce que vous faites ; /moi réfléchit envoie « * réfléchit »",
                "en": '/me TEXT: say what you do; /me thinks sends "* thinks"',
            },
        ),
    ),
    Request(
        "ignore", messages.ignore, "get no messages of a person; a second time, get them again; without one, list them",
        {"type": "ignore", "user": "bob"}, (Field("user", required=False),), who="named",
        typed=Typed(
            messages.typed_ignore,
            {"fr": ("ignorer",), "en": ("ignore",)},
            {
                "fr": "/ignorer NOM : ne plus recevoir ses messages, ou les recevoir de nouveau ; /ignorer : la liste",
                "en": "/ignore NAME: get no messages of that person, or get them again; /ignore: the list",
            },
            listed="all",
        ),
    ),
    Request(
        "status", presence.status, "change your state: online, away, dnd or invisible",
        {"type": "status", "state": "away"}, (Field("state"),),
        announces="change",
        typed=Typed(
            presence.typed_status,
            {"fr": ("etat", "état"), "en": ("status",)},
            {
                "fr": "/etat online|away|dnd|invisible : changer d'état",
                "en": "/status online|away|dnd|invisible: change your state",
            },
            listed="all",
        ),
    ),
    *presence.ROWS,
    Request(
        "users", presence.users, "list the people here; the first time, join as a guest", {"type": "users"},
        aliases=("connected_users", "userlist"),
        announces="coming", lists=True,
        typed=Typed(
            channels.typed_users,
            {"fr": ("qui",), "en": ("who", "users")},
            {
                "fr": "/qui : qui est là, ou dans votre canal, et dans quel état ; /qui #dev : dans ce canal",
                "en": "/who: the people here, or in your channel, and their states; /who #dev: in this channel",
            },
        ),
    ),
    Request(
        "list_users", presence.list_users, "users, in an answer of type list_users", {"type": "list_users"},
        listed=False, announces="coming", lists=True,
    ),
    Request(
        "who", presence.who, "list the people in a channel, or here, in an answer of type who",
        {"type": "who", "channel": "global"}, (_CHANNEL._replace(required=False),), announces="coming", lists=True,
    ),
    Request(
        "join", channels.join, "join a channel", {"type": "join", "channel": "#dev"}, (_CHANNEL,),
        aliases=("join_channel", "channel_switch"), announces="change",
        typed=Typed(
            channels.typed_join,
            {"fr": ("join",), "en": ("join",)},
            {
                "fr": "/join #dev : entrer dans un canal et y écrire ; /join #général : écrire de nouveau à tous",
                "en": "/join #dev: enter a channel and write there; /join #général: write to everybody again",
            },
            example="#dev",
        ),
    ),
    Request(
        "leave", channels.leave, "leave a channel", {"type": "leave", "channel": "#dev"}, (_CHANNEL,),
        announces="change",
        typed=Typed(
            channels.typed_leave,
            {"fr": ("quitter",), "en": ("leave", "part")},
            {
                "fr": "/quitter : sortir de votre canal ; /quitter #dev : sortir de celui-ci",
                "en": "/leave: leave your channel; /leave #dev: leave this one",
            },
            example="#dev",
        ),
    ),
    Request(
        "channels", channels.channels, "list the channels", {"type": "channels"}, lists=True,
        typed=Typed(
            channels.typed_channels,
            {"fr": ("canaux",), "en": ("channels", "list")},
            {
                "fr": "/canaux : les canaux, et combien de personnes s'y trouvent",
                "en": "/channels: the channels, and how many people are in each",
            },
        ),
    ),
    Request(
        "topic", channels.topic, "tell the topic of a channel; with the field topic, set it",
        {"type": "topic", "channel": "#dev"}, (_CHANNEL, Field("topic", required=False, may_be_empty=True)),
        typed=Typed(
            channels.typed_topic,
            {"fr": ("sujet",), "en": ("topic",)},
            {
                "fr": "/sujet : le sujet de votre canal ; /sujet TEXTE : le changer ; /sujet #dev : celui d'un autre",
                "en": "/topic: the topic of your channel; /topic TEXT: change it; /topic #dev: that of another",
            },
        ),
    ),
    Request(
        "history", history.history, "read what was said: before or after an id, in a channel, with a person; or search",
        {"type": "history", "limit": 50},
        (
            Field("limit", required=False, number=True), Field("before", required=False, number=True),
            Field("after", required=False, number=True), _CHANNEL._replace(required=False),
            Field("with", required=False), Field("query", required=False),
        ),
        cost=5,
        typed=Typed(
            history.typed_history,
            {"fr": ("historique",), "en": ("history",)},
            {
                "fr": "/historique [N] : les N derniers messages (10 si N manque, 50 au plus)",
                "en": "/history [N]: the last N messages (10 without N, 50 at most)",
            },
        ),
    ),
    Request(
        None,
        typed=Typed(
            history.typed_search,
            {"fr": ("chercher",), "en": ("search",)},
            {
                "fr": "/chercher MOTS : les derniers messages qui contiennent tous ces mots",
                "en": "/search WORDS: the last messages that have all these words",
            },
        ),
        cost=5,
    ),
    *moderation.ROWS,
    *direction.ROWS,
    *watching.ROWS,
    Request(
        "commands", _list_commands, "list what can be typed, in the server's language or another: fr, en",
        {"type": "commands", "language": "fr"}, (Field("language", required=False),),
    ),
    Request("ping", presence.ping, "see whether the server answers", {"type": "ping"}),
    Request(
        "help", _help, "this list", {"type": "help"},
        typed=Typed(
            _explain,
            {"fr": ("aide",), "en": ("help", "?")},
            {
                "fr": "/aide : les commandes courantes ; /aide tout : toutes ; /aide mp explique l'une d'elles",
                "en": "/help: the common commands; /help all: all of them; /help msg explains one",
            },
        ),
    ),
)
"""Every request. JSON `help` lists them in this order, `/aide` from the last row to the first."""

TYPES = {kind: row for row in TABLE if row.type is not None for kind in (row.type, *row.aliases)}
"""The request of each type of JSON line."""
WORDS = {names.key(word): row for row in TABLE if row.typed for words in row.typed.words.values() for word in words}
"""The request of each typed word, by names.key."""

LISTED = {row.type: row for row in TABLE if row.type is not None and row.listed}
"""The requests that new clients should use, by their types."""

HELP = encode({
    "type": "help",
    "types": [{"type": kind, "help": row.help, "example": row.example} for kind, row in LISTED.items()],
})
"""The answer to `help`."""

COMMANDS = {
    language: tuple(completion.commands(TABLE, language, for_teachers=teacher) for teacher in (False, True))
    for language in LANGUAGES
}
"""The answers to `commands` by language: for everybody, and for a teacher."""

_LETTERS = re.compile(r"[^\W\d_]*")
_MAX_WORD = 20
"""Characters of a typed word that are looked up or repeated in an answer."""
_BEGUN = 3
"""Letters of a typed word that are enough to mean the word that begins so."""
_LIKE = 0.6
"""How much a typed word must have in common with a known one: the ratio of difflib, which proposes this one."""


def find(word: str) -> Request | None:
    """The request that a typed `word` names, also in capitals or with punctuation after it."""
    for form in (word, word.rstrip(PUNCTUATION)):
        if len(form) <= _MAX_WORD and names.key(form) in WORDS:
            return WORDS[names.key(form)]
    return None


def letters(word: str) -> str:
    """The first letters of a typed word. The rest may be a password: `/login:bob:secret`."""
    found = _LETTERS.match(word)
    return found[0] if found else ""


def unknown(context: Context, word: str, *, asked: bool) -> str:
    """The answer to a typed `word` that is unknown, or to a question about it, with the command that it is like."""
    command = "/" + shown(letters(word), _MAX_WORD)
    row = _closest(word)
    if row is not None and row.who == "teacher" and not context.teacher():
        row = None  # pupils need not see these words
    close = row.typed if row is not None else None
    if close is None:
        return context.texts("help_unknown" if asked else "unknown_command", command=command)
    return context.texts("unknown_close", command=command, close=f"/{close.words[context.texts.language][0]}")


def _closest(word: str) -> Request | None:
    """The command that somebody meant who typed this `word` wrong: one that begins so, or else the most like it.

    There is no guess where a password follows. Only the first letters are compared: the time grows with the square of
    their number.
    """
    typed = names.key(letters(word)[:_MAX_WORD])
    begun = [each for each in WORDS if each.startswith(typed)] if len(typed) >= _BEGUN else []
    found = [min(begun, key=len)] if begun else difflib.get_close_matches(typed, WORDS, 1, _LIKE)
    row = WORDS[found[0]] if found else None
    return row if row and row.typed and row.typed.listed != "never" else None
