"""The tables of the database, and the steps from each version of them to the next.

People read the view `messages`, and may delete from it or change a content. The table behind it, `message_rows`, has
whole numbers in place of the texts that come again in each message: it is written faster and takes less space.
"""

from __future__ import annotations

__all__ = [
    "AS_MESSAGES", "AT_ONCE", "CHANGES", "INSERT", "INSERT_IN_CHANNELS", "MIGRATIONS", "REMOVE_SPANS", "ROWS",
    "SPAN_BITS", "VERSION", "AccountRow", "ChangeRow", "ChangeValues", "MessageRow",
]


AccountRow = tuple[str, str, str, str, str]
"""key, name, password (hashed), time of creation and role (user or teacher): the columns of the table."""

MessageRow = tuple[int, int, str, bool, "str | None", "str | None", str]
"""id, time (milliseconds since 1970, UTC), sender, whether the sender is a guest, recipient, channel and content. A
private message has a recipient, one in a channel has a channel: # and its key, so that one channel has one name. One to
everybody has neither. Each message makes one, and a plain tuple is made faster than a named one."""

ChangeValues = tuple["str | int | None", ...]
"""The values of a statement."""

ChangeRow = tuple[str, ChangeValues]
"""A change that is not a message or an account: a key of CHANGES, and the values of that statement."""

CHANGES = {
    "audit": "INSERT OR REPLACE INTO audit VALUES (?, ?, ?, ?, ?, ?)",
    "ban": "INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)",
    "unban": "DELETE FROM bans WHERE kind = ? AND target = ?",
    "close_channel": "INSERT OR REPLACE INTO closed_channels VALUES (?, ?)",
    "open_channel": "DELETE FROM closed_channels WHERE key = ?",
    "delete_message": "DELETE FROM message_rows WHERE id = ?",
    "delete_messages": "DELETE FROM message_rows WHERE id BETWEEN ? AND ?",
    "delete_senders": "DELETE FROM senders WHERE id NOT IN (SELECT sender FROM message_rows)",
    "delete_account": "DELETE FROM accounts WHERE key = ?",
    "expire": "DELETE FROM message_rows WHERE id BETWEEN ? AND ? AND id NOT IN (SELECT message FROM waiting)",
    "wait": "INSERT OR IGNORE INTO waiting (message, recipient, until) VALUES (?, ?, ?)",
    "try_waiting": "UPDATE waiting SET tried = 1 WHERE message = ?",
    "end_waiting": "DELETE FROM waiting WHERE message = ?",
}
"""The statements. After an error one may run again, so each has the same result the second time."""

AT_ONCE = {"wait", "try_waiting", "expire"}
"""Those that are done with their batch or not at all: people are told, or get, something else if that fails, or it is
tried again."""

AS_MESSAGES = {*AT_ONCE, "end_waiting"}
"""Those that outlive the process, as messages do. The others are on the disk when their batch is stored."""


# How messages are stored. One statement with many rows releases the interpreter's lock once; executemany releases it
# once for each row.
ROWS = (64, 32, 16, 8, 4, 2, 1)
# REPLACE: after an error the rows may be there or not. Stored again, each is there once.
_COLUMNS = "id, time, sender, recipient, content"
INSERT, INSERT_IN_CHANNELS = (
    {n: f"INSERT OR REPLACE INTO message_rows ({columns}) VALUES " + ",".join([row] * n) for n in ROWS}
    for columns, row in ((_COLUMNS, "(?,?,?,?,?)"), (f"{_COLUMNS}, channel", "(?,?,?,?,?,?)"))
)

SPAN_BITS = 6
"""A span is the ids that are the same without these last bits. With more bits there are fewer rows to write, and more
messages of others to pass over for a page of a channel where little is said. Another number needs a step of MIGRATIONS
that makes the table `audience_spans` anew."""

REMOVE_SPANS = f"""DELETE FROM audience_spans
    WHERE span < coalesce((SELECT min(id) >> {SPAN_BITS} FROM message_rows), 1 << 62)"""
"""Takes out the spans before the oldest message: old messages are deleted without them."""


def _text(time: str) -> str:
    """The expression for a time of `message_rows` as people read it: ISO 8601 in UTC."""
    return f"strftime('%Y-%m-%dT%H:%M:%S', {time} / 1000, 'unixepoch') || printf('.%03dZ', {time} % 1000)"


_MAY_BE_CHANGED = (
    """CREATE TRIGGER messages_delete INSTEAD OF DELETE ON messages BEGIN
        DELETE FROM message_rows WHERE id = OLD.id;
    END""",
    """CREATE TRIGGER messages_update INSTEAD OF UPDATE OF content ON messages BEGIN
        UPDATE message_rows SET content = NEW.content WHERE id = OLD.id;
    END""",
)
"""What people may do with the view."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE accounts (
            key TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL, created TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY, time TEXT NOT NULL, sender TEXT NOT NULL, guest INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('global', 'private')), recipient TEXT, content TEXT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE senders (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, guest INTEGER NOT NULL, UNIQUE (name, guest)
        )""",
        """CREATE TABLE message_rows (
            id INTEGER PRIMARY KEY, time NOT NULL, sender INTEGER NOT NULL, recipient TEXT, content TEXT NOT NULL
        )""",
        "INSERT OR IGNORE INTO senders (name, guest) SELECT sender, guest FROM messages",
        # CROSS JOIN keeps the order of the ids. A time that an operator has written in another form stays a text: its
        # column has no type, which would make a number of "0".
        f"""INSERT INTO message_rows
            SELECT old.id, CASE WHEN {_text("ms")} = time THEN ms ELSE time END, senders.id,
                CASE kind WHEN 'private' THEN coalesce(recipient, '') END, content
            FROM (
                SELECT *, strftime('%s', substr(time, 1, 19)) * 1000 + substr(time, 21, 3) AS ms FROM messages
            ) AS old CROSS JOIN senders ON senders.name = old.sender AND senders.guest = old.guest""",
        "DROP TABLE messages",
        f"""CREATE VIEW messages AS
            SELECT message_rows.id AS id,
                CASE typeof(time) WHEN 'integer' THEN {_text("time")} ELSE time END AS time,
                senders.name AS sender, senders.guest AS guest,
                CASE WHEN recipient IS NULL THEN 'global' ELSE 'private' END AS kind, recipient, content
            FROM message_rows LEFT JOIN senders ON senders.id = message_rows.sender""",
        *_MAY_BE_CHANGED,
    ),
    ("ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT 'user'",),
    (
        # a page of a private exchange is found without reading all messages; other messages cost nothing
        "CREATE INDEX message_exchanges ON message_rows (recipient, sender) WHERE recipient IS NOT NULL",
    ),
    (
        "ALTER TABLE message_rows ADD COLUMN channel TEXT",
        "DROP VIEW messages",  # its triggers go with it
        f"""CREATE VIEW messages AS
            SELECT message_rows.id AS id,
                CASE typeof(time) WHEN 'integer' THEN {_text("time")} ELSE time END AS time,
                senders.name AS sender, senders.guest AS guest,
                CASE WHEN recipient IS NOT NULL THEN 'private' WHEN channel IS NOT NULL THEN 'channel' ELSE 'global'
                END AS kind,
                recipient, channel, content
            FROM message_rows LEFT JOIN senders ON senders.id = message_rows.sender""",
        *_MAY_BE_CHANGED,
        "CREATE INDEX message_channels ON message_rows (channel) WHERE channel IS NOT NULL",
    ),
    (
        # kind: account or network; target: the key of the name, or the network; until: milliseconds since 1970, UTC
        """CREATE TABLE bans (
            kind TEXT NOT NULL, target TEXT NOT NULL, until INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (kind, target)
        ) WITHOUT ROWID""",
        # who did what to whom, when, for how long and why; time is ISO 8601 in UTC
        """CREATE TABLE audit (
            time TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, seconds INTEGER,
            reason TEXT NOT NULL, PRIMARY KEY (time, actor, action, target)
        ) WITHOUT ROWID""",
    ),
    (
        # private messages to accounts that are away. recipient: the key of the name; until: milliseconds since 1970,
        # UTC; tried: it may have been sent already
        """CREATE TABLE waiting (
            message INTEGER PRIMARY KEY, recipient TEXT NOT NULL, until INTEGER NOT NULL,
            tried INTEGER NOT NULL DEFAULT 0
        )""",
        # REPLACE does not run them, so storing a message or an account costs nothing more
        """CREATE TRIGGER waiting_message AFTER DELETE ON message_rows BEGIN
            DELETE FROM waiting WHERE message = OLD.id;
        END""",
        """CREATE TRIGGER waiting_account AFTER DELETE ON accounts BEGIN
            DELETE FROM waiting WHERE recipient = OLD.key;
        END""",
    ),
    (
        # those that were closed while the server ran; the settings name others
        "CREATE TABLE closed_channels (key TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # a page of what was said to everybody is found without reading what was said in channels. Both columns are
        # NULL in it, so an entry is little more than the id
        "CREATE INDEX message_everybody ON message_rows (recipient) WHERE recipient IS NULL AND channel IS NULL",
    ),
    (
        # in which spans of ids somebody spoke in an audience: a channel, or '' for everybody
        """CREATE TABLE audience_spans (
            audience TEXT NOT NULL, span INTEGER NOT NULL, PRIMARY KEY (audience, span)
        ) WITHOUT ROWID""",
        # 6: the SPAN_BITS of this step
        """INSERT INTO audience_spans
            SELECT DISTINCT coalesce(channel, ''), id >> 6 FROM message_rows WHERE recipient IS NULL""",
        "DROP INDEX message_channels",
        "DROP INDEX message_everybody",
    ),
)
"""The statements from each schema version to the next. Only append: databases in use have run the others already."""

VERSION = len(MIGRATIONS)
