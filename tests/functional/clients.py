"""Stand-ins for the known clients: each reads, writes and fails in its own way, as its real one does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

from tests.support import DEADLINE, Message

Shown = tuple[str, str, str]
"""A message as it stands on the screen: subtype, sender, content."""


class KnownClient:
    """A careful client with an account. An error in its receiver thread ends that thread, as in the real clients.

    `name` is its own name for itself; `seen_as` is its name for the others, which may differ for a guest.
    """

    encoding = "utf-8"
    end = "\n"
    says_from = True
    escapes = True
    list_type = "users"

    def __init__(self, address: tuple[str, int], name: str) -> None:
        self.address = address
        self.name = self.seen_as = name
        self.shown: list[Shown] = []
        self.states: dict[str, str] = {}
        self.lists: list[list[str]] = []
        self.death: BaseException | None = None
        self.asked = 0
        self._more = threading.Condition()
        self._buffer = b""
        self.socket = self._open()
        self._receiver = threading.Thread(target=self._receive, daemon=True)

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self.address, timeout=DEADLINE)
        opened.settimeout(None)
        return opened

    # --- sending ---

    def enter(self) -> None:
        """Register, log in, then let the receiver thread read on."""
        self._expect({"type": "register", "username": self.name, "password": "azerty"}, "register")
        self._expect({"type": "login", "username": self.name, "password": "azerty"}, "login")
        self._receiver.start()

    def _expect(self, request: Message, kind: str) -> None:
        """Send it and read exactly one line, which must be the answer."""
        self.send(request)
        answer = json.loads(next(self._lines()))
        assert (answer["type"], answer["status"]) == (kind, "ok"), answer

    def send(self, message: Message) -> None:
        line = json.dumps(message, ensure_ascii=self.escapes) + self.end
        self.socket.sendall(line.encode(self.encoding))

    def _own(self) -> Message:
        return {"from": self.name} if self.says_from else {}

    def say(self, text: str) -> None:
        self.send({"type": "message", "subtype": "global", "to": "global", "content": text, **self._own()})

    def whisper(self, to: str, text: str) -> None:
        self.send({"type": "message", "subtype": "private", "to": to, "content": text, **self._own()})

    def ask_users(self) -> None:
        self.asked += 1
        self.send({"type": self.list_type})

    # --- receiving ---

    def _lines(self) -> Iterator[str]:
        """Lines as the client's reader cuts them: without their ends, decoded."""
        while True:
            while b"\n" not in self._buffer:
                data = self.socket.recv(65536)
                if not data:
                    return
                self._buffer += data
            line, _, self._buffer = self._buffer.partition(b"\n")
            yield line.decode(self.encoding)

    def _receive(self) -> None:
        try:
            for line in self._lines():
                self._handle(json.loads(line))  # a blank line or anything but JSON kills the thread
        except OSError:
            pass  # the test has closed it
        except BaseException as death:
            self.death = death
        with self._more:
            self._more.notify_all()

    def _handle(self, message: Message) -> None:
        with self._more:
            kind = message["type"]
            if kind == "message":
                self._message(message)
            elif kind == "status":
                self._status(_string(message, "user"), _string(message, "state"))
            elif kind == self.list_type:
                self._users([str.strip(name) for name in message["users"]])
            else:
                raise AssertionError(f"it knows no type {kind}, and did not ask for one")
            self._more.notify_all()

    def _message(self, message: Message) -> None:
        sender, content = _string(message, "from"), _string(message, "content")
        assert _string(message, "timestamp")[10] == "T"
        self.shown.append((_string(message, "subtype"), sender, content))

    def _status(self, name: str, state: str) -> None:
        self.states[name] = state

    def _users(self, names: list[str]) -> None:
        self.asked -= 1
        self.lists.append(names)

    def wait_shown(self, content: str) -> None:
        """Until a message with this content is on the screen. Fails at once when the receiver has died."""
        self._wait(lambda: any(shown[2] == content for shown in self.shown), f"{content!r}")

    def wait_count(self, count: int) -> None:
        """Until so many messages are on the screen."""
        self._wait(lambda: len(self.shown) >= count, f"message number {count}")

    def wait_state(self, name: str, state: str) -> None:
        """Until the client shows somebody in this state."""
        self._wait(lambda: self.states.get(name) == state, f"{state} of {name}")

    def wait_lists(self, count: int) -> None:
        """Until so many lists of users have come."""
        self._wait(lambda: len(self.lists) >= count, f"list of users number {count}")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        with self._more:
            self._more.wait_for(lambda: done() or not self._receiver.is_alive(), DEADLINE)
            assert done(), f"{type(self).__name__} never got {what}; death: {self.death!r}; shown: {self.shown}"

    def close(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        if self._receiver.ident is not None:
            self._receiver.join(DEADLINE)
        self.socket.close()


def _string(message: Message, key: str) -> str:
    """A value that the client can't do without, as Java's getString gives it."""
    value = message[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is not a string in {message}")
    return value


class WindowsClient(KnownClient):
    """Reads and writes Windows-1252, ends lines with CR LF, and escapes nothing."""

    encoding = "cp1252"
    end = "\r\n"
    escapes = False


class StrictRecipient(KnownClient):
    """Drops a private message that is not to its own name."""

    def _message(self, message: Message) -> None:
        if message["subtype"] == "private" and message["to"] != self.name:
            return
        super()._message(message)


class NamelessMember(KnownClient):
    """Never gives its name in its messages, and leaves out fields that have a default."""

    says_from = False

    def say(self, text: str) -> None:
        self.send({"type": "message", "content": text})


class Guest(StrictRecipient):
    """Never logs in: asks for the list of people, and gives its name with its first message."""

    def enter(self) -> None:
        self._receiver.start()
        self.ask_users()
        self.wait_lists(1)


class NamelessGuest(Guest):
    """A guest that never gives a name."""

    says_from = False

    def _message(self, message: Message) -> None:
        KnownClient._message(self, message)  # it has no name to compare with


class AnnouncedGuest(Guest):
    """Announces its guest with an empty message before anything else."""

    def enter(self) -> None:
        self._receiver.start()
        self.say("")
        self.ask_users()
        self.wait_lists(1)


class Poller(KnownClient):
    """Asks for the list of people again and again; here each time that the test says so."""

    def poll(self) -> None:
        count = len(self.lists) + 1
        self.ask_users()
        self.wait_lists(count)


class TwoSockets(KnownClient):
    """Registers on one socket, and logs in on another while the first stays open."""

    def enter(self) -> None:
        self._expect({"type": "register", "username": self.name, "password": "azerty"}, "register")
        self.first, self.socket = self.socket, self._open()
        self._expect({"type": "login", "username": self.name, "password": "azerty"}, "login")
        self._receiver.start()

    def close(self) -> None:
        super().close()
        self.first.close()


class BelievesRegistered(KnownClient):
    """Takes itself for logged in once it has registered; has a type of its own for private messages, and channels.

    It shows every `message` as public.
    """

    says_from = False
    list_type = "who"

    def enter(self) -> None:
        self._expect({"type": "register", "username": self.name, "password": "azerty"}, "register")
        self._receiver.start()
        self.ask_users()
        self.wait_lists(1)

    def ask_users(self) -> None:
        self.asked += 1
        self.send({"type": "who", "channel": "global"})

    def _handle(self, message: Message) -> None:
        if message["type"] == "who":
            assert message["channel"] == "global"
        if message["type"] in ("message", "private"):
            message["subtype"] = "global" if message["type"] == "message" else "private"
            message["type"] = "message"
        super()._handle(message)

    def say(self, text: str) -> None:
        self.send({"type": "message", "channel": "global", "content": text})

    def whisper(self, to: str, text: str) -> None:
        self.send({"type": "private", "to": to, "content": text})


class RefusedGuest(Guest):
    """A guest with a name that is not allowed: some clients let people type any name."""


class SerializesNulls(KnownClient):
    """Serializes an object with all its fields, most of which are null."""

    def send(self, message: Message) -> None:
        fields = ("type", "subtype", "from", "to", "content", "timestamp", "username", "password", "user", "state")
        super().send({**dict.fromkeys(fields), **message})


class Fork(Guest):
    """A guest with other words for everything; says that it leaves, and expects no answer to that."""

    says_from = False
    list_type = "list_users"

    def enter(self) -> None:
        self._receiver.start()
        self.send({"type": "change_username", "old_user": "Anonymous", "new_user": self.name})
        self.ask_users()
        self.wait_lists(1)

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            self.send({"type": "disconnect"})
        super().close()


class KeepsOffline(KnownClient):
    """Has one list of people. People who are offline stay in it for ever; only `invisible` removes a person."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        super().__init__(address, name)
        self.people: dict[str, str] = {}

    def _users(self, names: list[str]) -> None:
        super()._users(names)
        for name in names:
            self.people.setdefault(name, "online")

    def _status(self, name: str, state: str) -> None:
        super()._status(name, state)
        self.people[name] = state
        if state == "invisible":
            del self.people[name]


class KeepsOfflineGuest(KeepsOffline, Guest):
    """The same as a guest, which has the number that it was given in its list too."""


class ShowsNewest(KnownClient):
    """Shows, once it has been quiet for 100 ms, the newest message as many times as messages came."""

    def _receive(self) -> None:
        came: list[Message] = []
        self.socket.settimeout(0.1)
        try:
            while True:
                try:
                    message = json.loads(next(self._lines()))
                    if message["type"] == "message":
                        came.append(message)
                except TimeoutError:
                    for _ in came:
                        self._handle(came[-1])
                    came.clear()
        except (OSError, StopIteration):
            pass  # the test has closed it


class ForgetsRecipient(KnownClient):
    """Each list of users resets the recipient that its user has selected: then typed texts go to everybody."""

    _selected = ""

    def select(self, name: str) -> None:
        self._selected = name

    def _users(self, names: list[str]) -> None:
        super()._users(names)
        self._selected = ""

    def whisper(self, to: str, text: str) -> None:
        """The text that the user types after selecting `to` with `select`."""
        if self._selected == to:
            super().whisper(to, text)
        else:
            self.say(text)


class ChunkReader(KnownClient):
    """Reads 1024 bytes at a time, decodes each by itself, and loses all but the first line of it.

    But lines from people outside `room` do no harm: the test can't control them.
    """

    room: frozenset[str] = frozenset()

    def _lines(self) -> Iterator[str]:
        rest = ""
        while True:
            data = self.socket.recv(1024)
            if not data:
                return
            *lines, rest = (rest + data.decode(self.encoding)).split("\n")
            for line in lines:
                message = json.loads(line)
                if not self.room or message.get("user", message.get("from")) in self.room:
                    yield line
                    break


KNOWN_CLIENTS: tuple[type[KnownClient], ...] = (
    KnownClient, WindowsClient, StrictRecipient, NamelessMember, Guest, NamelessGuest, AnnouncedGuest, Poller,
    TwoSockets, BelievesRegistered, SerializesNulls, Fork, KeepsOffline, KeepsOfflineGuest, RefusedGuest,
    ForgetsRecipient, ChunkReader,
)
"""The clients that share a room in the test. ShowsNewest would make it wait."""
