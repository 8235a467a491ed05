"""All known clients in one room at once: each gets exactly the right lines, and none of them fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.functional.clients import (
    KNOWN_CLIENTS,
    BelievesRegistered,
    ChunkReader,
    ForgetsRecipient,
    Guest,
    KeepsOffline,
    KeepsOfflineGuest,
    KnownClient,
    Poller,
    RefusedGuest,
    Shown,
    ShowsNewest,
)
from tests.functional.lines import SERVER, Address, Connect, Join, states, users
from tests.functional.test_console import admin
from tests.support import Client, Server, say, unique


@pytest.fixture
def watcher(join: Join) -> Client:
    """Another person in the room, who is there first."""
    return join("watcher")


@pytest.fixture
def room(address: Address, watcher: Client) -> Iterator[list[KnownClient]]:
    """One of each. The guest takes the name of the first member, who is there already."""
    with ExitStack() as stack:
        here: list[KnownClient] = []
        for kind in KNOWN_CLIENTS:
            name = here[0].name if kind is Guest else unique("é" + kind.__name__[:8])
            if kind is RefusedGuest:
                name = ">" + name
            client = stack.enter_context(closing(kind(address, name)))
            client.enter()
            if isinstance(client, Guest):
                text = unique("first words")
                client.say(text)
                client.seen_as = watcher.until(content=text)["from"]
            here.append(client)
        reader = here[-1]
        assert isinstance(reader, ChunkReader), "the last, so that it finds a quiet room"
        reader.room = frozenset([watcher.name, *(client.seen_as for client in here)])
        fence(watcher, here)
        yield here


def fence(watcher: Client, room: list[KnownClient]) -> None:
    """Until everybody has got all that came before."""
    text = unique("fence")
    watcher.send(say(text))
    for client in room:
        client.wait_shown(text)


def shown(client: KnownClient, room: list[KnownClient], since: int, *more: str) -> list[Shown]:
    """The messages of the people in the room, and of some more, on the client's screen, in order."""
    names = {*more, *(other.seen_as for other in room)}
    return [line for line in client.shown[since:] if line[1] in names]


def test_everybody_gets_exactly_what_it_should(room: list[KnownClient], watcher: Client) -> None:
    since = {client: len(client.shown) for client in room}
    expected: dict[KnownClient, list[Shown]] = {client: [] for client in room}
    for sender in room:
        text = unique("à tous : où êtes-vous ?")
        sender.say(text)
        for other in room:
            if other is not sender:
                other.wait_shown(text)
                expected[other].append(("global", sender.seen_as, text))
        for other in room:
            if other is sender:
                continue
            text = unique("à toi seul : ça va ?")
            if isinstance(sender, ForgetsRecipient):
                sender.select(other.seen_as)
            for client in room:
                if isinstance(client, Poller):
                    client.poll()
            sender.whisper(other.seen_as, text)
            other.wait_shown(text)
            expected[other].append(("private", sender.seen_as, text))
    fence(watcher, room)
    for client in room:
        assert shown(client, room, since[client]) == expected[client], type(client).__name__
        assert client.death is None, type(client).__name__
        assert client.asked == 0, f"{type(client).__name__} got a list that it had not asked for"


def test_channels_reach_who_joined_them_and_confuse_nobody(
    room: list[KnownClient], watcher: Client, join: Join
) -> None:
    """Every second client types /join. One person speaks the key. Each screen shows exactly what it should."""
    salon, speaker, absent = unique("#salon"), join("speaker"), unique("#elsewhere")
    # the one sends the key with each message; the other loses lines that come together, and no test can help that
    inside = [client for client in room[::2] if not isinstance(client, BelievesRegistered | ChunkReader)]
    speaker.send({"type": "join", "channel": salon}, {"type": "join", "channel": absent})
    since = {client: len(client.shown) for client in room}
    expected: dict[KnownClient, list[Shown]] = {client: [] for client in room}
    for client in inside:
        client.say(f"/join {salon}")
        client.wait_count(since[client] + 1)
        assert client.shown[since[client]][1] == SERVER
    fence(watcher, room)

    def said(sender: str, text: str, members_only: bool, but: KnownClient | None = None) -> None:
        for other in room:
            if other is not but and (other in inside or not members_only):
                shown_as = f"[{salon}] {text}" if members_only else text
                other.wait_shown(shown_as)
                expected[other].append(("global", sender, shown_as))

    for client in room:
        text = unique("où êtes-vous ?")
        client.say(text)
        said(client.seen_as, text, client in inside, client)
        got = speaker.until(content=text)
        assert got.get("channel") == (salon if client in inside else None)
        text = unique("ici")
        speaker.send({"type": "message", "channel": salon, "content": text})
        speaker.send({"type": "message", "channel": absent, "content": "nobody is there"})
        said(speaker.name, text, True)
    for client in inside[::2]:
        before = len(client.shown)
        client.say("/join #général")
        client.wait_count(before + 1)
        text = unique("de retour")
        client.say(text)
        said(client.seen_as, text, False, client)
    speaker.send({"type": "leave", "channel": absent}, {"type": "topic", "channel": salon, "topic": "le TP"})
    speaker.pending()
    fence(watcher, room)
    for client in room:
        own = shown(client, room, since[client], speaker.name)
        assert own == expected[client], type(client).__name__
        assert client.death is None, type(client).__name__
        assert client.asked == 0, type(client).__name__
    for client in inside:
        assert client.shown[-2][:2] == ("global", SERVER)
        assert client.shown[-2][2].startswith(f"[{salon}] ")


def test_everybody_is_listed_under_the_name_that_others_see(room: list[KnownClient], watcher: Client) -> None:
    names = {client.seen_as for client in room}
    assert len(names) == len(room)
    assert names <= set(users(watcher))
    guest = next(client for client in room if type(client) is Guest)
    assert guest.seen_as == f"{room[0].name} (invité)"
    refused = next(client for client in room if isinstance(client, RefusedGuest))
    assert refused.seen_as.startswith("invité-")
    for client in room:
        if isinstance(client, Poller):
            client.poll()
            assert names <= set(client.lists[-1])
    for client in (guest, refused):
        client.ask_users()
        client.wait_lists(2)
        assert client.lists[-1].count(client.name) == 1, "under the name that it gave itself"
        assert names - {client.seen_as} <= set(client.lists[-1])
        assert client.seen_as not in client.lists[-1]


def test_everybody_sees_the_others_states(room: list[KnownClient], watcher: Client) -> None:
    for client, state in zip(room, itertools.cycle(["away", "dnd", "absent", "indisponible"]), strict=False):
        client.send({"type": "status", "state": state})
        for other in room:
            if other is not client:
                other.wait_state(client.seen_as, "away" if state in ("away", "absent") else "dnd")
    fence(watcher, room)
    for client in room:
        if not isinstance(client, Guest):
            assert client.name not in client.states, "nobody hears of itself"


def test_who_stays_sees_everybody_leave(room: list[KnownClient], watcher: Client) -> None:
    for client in room:
        client.close()
        watcher.until(type="status", user=client.seen_as, state="offline")
    assert not {client.seen_as for client in room} & set(users(watcher))
    assert [client.death for client in room] == [None] * len(room)


def test_nobody_keeps_a_name_that_has_ended(
    room: list[KnownClient], watcher: Client, address: Address, connect: Connect
) -> None:
    """The list has no number of a guest that has given its name since, and no name that now belongs to an account."""
    keepers = [client for client in room if isinstance(client, KeepsOffline)]
    assert len(keepers) == 2
    watcher.pending()
    with closing(KeepsOfflineGuest(address, unique("late"))) as late:
        late.enter()
        (number,) = [line["user"] for line in watcher.pending() if line.get("state") == "online"]
        assert number in late.lists[-1]
        fence(watcher, [*room, late])
        assert all(number in client.people for client in [*keepers, late])
        late.say("I have a name")
        watcher.until(type="message", content="I have a name")
        fence(watcher, [*room, late])
        for keeper in keepers:
            assert number not in keeper.people
            assert keeper.people[late.name] == "online"
        assert number not in late.people, "not even in its own list"
        assert connect().register(late.name)["status"] == "ok"
        assert states(watcher.pending(), late.name, number)[-1] == (late.name, "invisible")
        fence(watcher, [*room, late])
        for keeper in keepers:
            assert late.name not in keeper.people
            assert keeper.people[f"{late.name} (invité)"] == "online"


def test_who_has_its_own_type_for_private_messages_sees_the_servers_notices_so(
    room: list[KnownClient], watcher: Client
) -> None:
    client = next(client for client in room if isinstance(client, BelievesRegistered))
    absent = unique("absent")
    client.whisper(absent, "are you there?")
    client.wait_shown(f"« {absent} » n'est pas là : votre message ne lui a pas été remis.")
    assert [shown[:2] for shown in client.shown if absent in shown[2]] == [("private", SERVER)]


def test_a_client_that_shows_the_newest_line_alone_shows_every_answer_whole(address: Address) -> None:
    with closing(ShowsNewest(address, unique("newest"))) as client:
        client.enter()
        for command, word in (("/aide", "/mp"), ("/aide etat", "invisible"), ("/qui", client.name), ("/x", "/aide")):
            before = len(client.shown)
            client.say(command)
            client.wait_count(before + 1)
            (answer,) = client.shown[before:]
            assert answer[:2] == ("private", SERVER)
            assert word in answer[2]
            assert answer[2].isprintable()


class TestModerated:
    """With a teacher who moderates, on a server of its own: everybody hears of it."""

    @pytest.fixture
    def own(self, own_server: Callable[..., Server]) -> Server:
        return own_server()

    @pytest.fixture
    def address(self, own: Server) -> Address:
        return own.host, own.port

    def test_everybody_sees_that_nothing_was_sent(
        self, own: Server, room: list[KnownClient], watcher: Client, address: Address
    ) -> None:
        assert admin(own.data, "promote", watcher.name).returncode == 0
        # it loses lines that come together, and no test can help that
        careful = [client for client in room if not isinstance(client, ChunkReader)]

        def refuses(client: KnownClient, text: str, why: str) -> None:
            before = len(client.shown)
            client.say(text)
            client.wait_count(before + 1)
            (line,) = client.shown[before:]
            assert line[:2] == ("private", SERVER), type(client).__name__
            assert why in line[2]
            assert "Rien n'a été envoyé." in line[2]

        watcher.send(say("/silence"))
        rule = "seuls les enseignants peuvent écrire. On peut encore leur écrire en privé."
        for client in careful:
            client.wait_shown(f"Silence demandé par {watcher.name} : {rule}")
        for client, other in zip(careful, reversed(careful), strict=True):
            refuses(client, unique("Bonjour"), "Silence")
            refuses(client, "/moi danse", "Silence")
            if other is not client:
                refuses(client, f'/mp "{other.seen_as}" psst', "Silence")
        with closing(KnownClient(address, unique("late"))) as late:
            late.enter()
            late.ask_users()
            late.wait_shown(f"Silence : {rule}")
            refuses(late, "Bonjour", "Silence")
        watcher.send(say("/silence"))
        for client in careful:
            client.wait_shown("Le silence est terminé : tout le monde peut écrire.")
            watcher.send(say(f'/muet "{client.seen_as}" 30m'))
            client.wait_shown("Vous ne pouvez plus écrire pendant 30 min, sauf à un enseignant.")
            refuses(client, unique("Bonjour"), "sauf à un enseignant")
            watcher.send(say(f'/parole "{client.seen_as}"'))
            client.wait_shown("Vous pouvez de nouveau écrire.")
        fence(watcher, room)
        for client in room:
            assert [line for line in client.shown if "Bonjour" in line[2] or "psst" in line[2]] == []
            assert client.death is None, type(client).__name__
            assert client.asked == 0, type(client).__name__
        room[0].say("enfin")
        for client in room[1:]:
            client.wait_shown("enfin")
