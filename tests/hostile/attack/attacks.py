"""The one table of attacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.attack import half_close, lines, machine
from tests.hostile.attack.ending import Ending
from tests.hostile.attack.swarm import Bytes, Plan
from tests.hostile.attack.wire import Address

Deed = Callable[[Path, Address, Ending], dict[str, Any]]
"""Gets the server's data folder and address; it ends at the end, and returns counts. "lost" are lost answers."""


@dataclass(frozen=True)
class Attack:
    """One attack. Each of its parts runs in a process of its own."""

    name: str
    group: str
    """What it is aimed at."""
    text: str
    parts: tuple[Plan | Deed, ...] = ()
    known: bool = False
    """The class has its accounts already: while this goes on, new ones may be refused."""
    keeps: bool = True
    """All that the bystanders say is in the database at the end."""
    hashes: bool = False
    """Passwords are what it is about: a test must not make them too cheap."""
    options: tuple[str, ...] = ()
    """More flags for the server."""


NO_ATTACK = Attack("none", "none", "no attack")

_BUSY = Plan(5, lines.guest, lines.flood)
_MANY = 1900
"""Nearly all connections that the server allows: people and a class need some."""


def _deaf(sockets: int, what: Bytes) -> Plan:
    """Connections that ask 800 times, and don't read the answers."""
    return Plan(sockets, repeated=what, times=1, reads=False)


ATTACKS: tuple[Attack, ...] = (
    Attack("content", "line", "3 guests send contents that are costly for patterns",
           (Plan(3, lines.guest, lines.costly_content),)),
    Attack("names", "line", "3 sockets send long names, states and command words of U+FDFA and combining marks",
           (Plan(3, repeated=lines.costly_names),)),
    Attack("brackets", "line", "3 sockets send lines of 64 KiB of brackets, braces and backslashes",
           (Plan(3, repeated=lines.brackets),)),
    Attack("junk", "line", "3 sockets send short lines that are refused", (Plan(3, repeated=lines.junk),)),
    Attack("endless", "line", "20 sockets send bytes without a newline", (Plan(20, repeated=lines.endless),)),
    Attack("alike", "line", "10 sockets try names that look like others",
           (Plan(10, lines.guest, lines.looks_alike),), known=True),

    Attack("flooder", "room", "1 guest floods the room", (Plan(1, lines.guest, lines.flood),)),
    Attack("flooders", "room", "20 guests flood the room", (Plan(20, lines.guest, lines.flood),)),
    Attack("flooders-deaf", "room", "20 guests flood the room, and don't read",
           (Plan(20, lines.guest, lines.flood, reads=False),)),
    Attack("emoji", "room", "3 guests send 4000 emoji at full speed", (Plan(3, lines.guest, lines.emoji),)),
    Attack("bursts", "room", "20 guests say 48 messages each, leave, and come back",
           (Plan(20, lines.burst, leaves="pong"),)),
    Attack("mates", "room", "3 guests send each other private messages of 4000 emoji",
           (Plan(3, lines.mate, lines.whispers_to_mate),)),
    Attack("whispers", "room", "20 guests flood one bystander with private messages",
           (Plan(20, lines.guest, lines.whispers),)),
    Attack("whispers-emoji", "room", "3 guests send one bystander 4000 emoji at full speed",
           (Plan(3, lines.guest, lines.whispers_emoji),)),
    Attack("states", "room", "5 guests flip their state", (Plan(5, lines.guest, lines.states),)),
    Attack("states-typed", "room", "20 guests with the longest names type that they are away, and back",
           (Plan(20, lines.long_guest, lines.typed_states),)),
    Attack("flooders-long", "room", "50 guests with the longest names flood the room",
           (Plan(50, lines.long_guest, lines.flood),)),
    Attack("joins", "room", "20 guests enter, leave at the first answer, and come back",
           (Plan(20, lines.asks_in, leaves="answered"),)),
    Attack("joins-reset", "room", "20 guests enter, leave without reading, and come back",
           (Plan(20, lines.guest, leaves="reset"),)),
    Attack("renames", "room", "3 guests change their names", (Plan(3, repeated=lines.renames),)),

    Attack("pings", "answer", "20 sockets ping at full speed", (Plan(20, repeated=lines.pings),)),
    Attack("users", "answer", "20 guests ask for the people here at full speed", (Plan(20, repeated=lines.users),)),
    Attack("help", "answer", "20 sockets ask for help at full speed", (Plan(20, repeated=lines.helps),)),
    Attack("commands", "answer", "20 guests type commands at full speed", (Plan(20, lines.guest, lines.commands),)),
    Attack("deaf-600", "answer", "600 sockets ask for help 800 times each, and don't read",
           (_deaf(600, lines.help_800),)),
    Attack("deaf-1900", "answer", "1900 sockets ask for help 800 times each, and don't read",
           (_deaf(_MANY, lines.help_800),)),
    Attack("deaf-users", "answer", "600 guests ask for the people here 800 times each, and don't read",
           (_deaf(600, lines.users_800),)),
    Attack("history", "answer", "20 guests say 4000 emoji, and ask for the history at full speed",
           (Plan(20, lines.emoji_guest, lines.histories),)),
    Attack("deaf-history", "answer", "600 sockets ask for a history of 4000 emoji 800 times each, and don't read",
           (Plan(3, lines.guest, lines.emoji), _deaf(600, lines.history_800))),
    Attack("deaf-guests", "answer", "200 guests don't read, while 3 others send 4000 emoji",
           (Plan(200, lines.guest, reads=False), Plan(3, lines.asks_in, lines.emoji))),

    Attack("silent", "connection", "2000 sockets say nothing", (Plan(2000),)),
    Attack("trickle", "connection", "500 sockets send one byte a second",
           (Plan(500, repeated=lines.one_byte, pause=1.0),)),
    Attack("connects", "connection", "20 sockets connect, leave, and come back", (Plan(20, leaves="reset"),)),
    Attack("half-close", "connection", "40 clients half-close right behind their requests, while 5 guests flood",
           (half_close.run, _BUSY)),

    Attack("class-400", "password", "400 others register and log in at once",
           (Plan(400, lines.registers),), known=True, hashes=True),
    Attack("registers", "password", "10 sockets register without end",
           (Plan(10, repeated=lines.registers_on),), known=True, hashes=True),
    Attack("logins", "password", "40 sockets log in to their own account again and again",
           (Plan(40, lines.mallory, lines.logs_in),), hashes=True),
    Attack("guess-40", "password", "40 sockets guess one password", (Plan(40, repeated=lines.guesses),), hashes=True),
    Attack("guess-200", "password", "200 sockets guess one password",
           (Plan(200, repeated=lines.guesses),), hashes=True),
    Attack("guess-many", "password", "40 sockets try one password on many accounts",
           (Plan(40, repeated=lines.guesses_everywhere),), hashes=True),
    Attack("guess-leave", "password", "40 sockets guess one password, leave before the answer, and come back",
           (Plan(40, lines.guesses, leaves="reset"),), hashes=True),

    Attack("log-logins", "log", "3 sockets fail to log in, for the log", (Plan(3, repeated=lines.no_password),)),
    # connections from the machine itself are logged at level debug, those from elsewhere at info
    Attack("log-connects", "log", "3 sockets connect and leave, for the log",
           (Plan(3, lines.ping, leaves="answered"),), options=("--log-level", "debug")),
    Attack("log-refused", "log", "3 sockets send a line that is refused, leave, and come back",
           (Plan(3, lines.refused, leaves="answered"),)),
    Attack("log-foreign", "log", "3 sockets speak other protocols, leave, and come back",
           (Plan(3, lines.foreign, leaves="answered"),)),

    Attack("lock", "machine", "another program locks the database all the time", (machine.locks,), known=True),
    Attack("lock-again", "machine", "another program locks the database again and again, while 5 guests flood",
           (machine.locks_again, _BUSY), known=True),
    Attack("db-deleted", "machine", "the database is deleted", (machine.deletes,), known=True, keeps=False),
    Attack("db-renamed", "machine", "the database is moved away and back, again and again",
           (machine.renames,), known=True),
    Attack("db-replaced", "machine", "another file takes the database's place",
           (machine.replaces,), known=True, keeps=False),
    Attack("wal-deleted", "machine", "the write-ahead log is deleted, again and again", (machine.deletes_log,)),
)
"""Each attack on a running server that is known."""


def find(name: str) -> Attack:
    """The attack of this name. Raises KeyError."""
    return {attack.name: attack for attack in (NO_ATTACK, *ATTACKS)}[name]


ELSEWHERE: tuple[tuple[str, str], ...] = (
    ("the storage fails, and the server is killed: no id is given twice", "tests/hostile/test_storage.py"),
    ("a COMMIT fails, and its ROLLBACK too", "tests/unit/test_storage_faults.py"),
    ("a machine vanishes while data is under way", "tests/deploy/test_ghosts.py"),
    ("a signal during the imports, as the first process of a container", "tests/hostile/test_stopping.py"),
    ("no thread can be started", "tests/hostile/test_lacking.py"),
)
"""Attacks that a program can't make against a running server, and the tests that show them."""
