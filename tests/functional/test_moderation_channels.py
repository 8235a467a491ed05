"""Moderation and the console where channels are concerned."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.functional.school import School, notices
from tests.functional.test_console import admin, answer
from tests.functional.test_watch import watching
from tests.support import Client, Server, say


def test_who_is_muted_may_not_write_in_a_channel_nor_name_its_topic(school: School) -> None:
    school.alice.send({"type": "join", "channel": "#dev"})
    school.bob.send({"type": "join", "channel": "#jeux"})
    school.bob.pending()
    school.types("/muet bob 10m")
    school.bob.pending()
    topic = {"type": "topic", "channel": "#jeux", "topic": "x"}
    for line in (say("x", channel="#dev"), say("x", channel="#jeux"), topic):
        assert school.bob.ask(line)["code"] == "muted"
    assert not any(line.get("content") == "x" for line in school.alice.pending())
    assert school.bob.ask({"type": "topic", "channel": "#jeux"})["topic"] == ""


def test_who_may_not_write_makes_no_channel(school: School) -> None:
    """Its name is in the list that everybody reads."""
    for begin, end in (("/silence", "/silence"), ("/muet alice", "/parole alice")):
        school.types(begin)
        school.alice.pending()
        school.alice.send(say("/join prof_nul"), say("/join #dev"))
        refused, entered = notices(school.alice)
        assert refused.endswith("Rien n'a été envoyé.")
        assert entered.startswith("Vous êtes dans #dev")
        names = [each["name"] for each in school.prof.ask({"type": "channels"})["channels"]]
        assert names == ["#général", "#dev", "#admin"]
        school.types(end)
    school.bob.send({"type": "join", "channel": "#jeux"})
    assert school.bob.until(type="join")["status"] == "ok"


def test_silence_is_silence_in_channels_too(school: School) -> None:
    for each in (school.prof, school.alice, school.bob):
        each.send({"type": "join", "channel": "#dev"})
        each.pending()
    school.types("/silence")
    school.bob.pending()
    assert school.bob.ask(say("x", channel="#dev"))["code"] == "muted"
    school.alice.pending()
    school.prof.send(say("y", channel="#dev"))
    assert school.alice.until(type="message", channel="#dev")["content"] == "y"


def test_who_is_not_a_teacher_any_more_is_not_in_the_teachers_channel(school: School) -> None:
    assert admin(school.server.data, "promote", "alice").returncode == 0
    school.alice.pending()
    for each in (school.prof, school.alice):
        assert each.ask({"type": "join", "channel": "#admin"})["type"] == "join"
        each.pending()
    assert admin(school.server.data, "demote", "alice").returncode == 0
    school.prof.send(say("entre nous", channel="#admin"))
    school.prof.pending()
    assert not any("entre nous" in line.get("content", "") for line in school.alice.pending())
    assert school.prof.ask({"type": "who", "channel": "#admin"})["users"] == ["prof"]
    assert school.alice.ask({"type": "history", "channel": "#admin"})["code"] == "not_allowed"


def test_who_writes_in_a_teachers_channel_is_told_that_its_lines_go_to_everybody_now(school: School) -> None:
    """Else what was meant for the teachers is read by the class."""
    school.prof.send(say("/join #admin"))
    school.prof.pending()
    assert admin(school.server.data, "demote", "prof").returncode == 0
    assert notices(school.prof) == [
        "Votre compte n'est plus celui d'un enseignant. Vous n'êtes plus dans #admin."
        " Vos messages vont de nouveau à tous (#général)."
    ]
    assert admin(school.server.data, "promote", "prof").returncode == 0
    assert notices(school.prof) == ["Votre compte est maintenant celui d'un enseignant. Vos commandes : /aide prof"]
    assert admin(school.server.data, "demote", "prof").returncode == 0
    assert notices(school.prof) == ["Votre compte n'est plus celui d'un enseignant."]


def test_who_stays_a_teacher_because_nothing_can_be_stored_is_only_told_where_its_lines_go(school: School) -> None:
    school.prof.send(say("/join #admin"))
    school.prof.pending()
    with closing(sqlite3.connect(school.server.data / "classcord.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert admin(school.server.data, "demote", "prof").returncode == 1
        assert notices(school.prof) == [
            "Vous n'êtes plus dans #admin. Vos messages vont de nouveau à tous (#général)."
        ]
        assert admin(school.server.data, "promote", "bob").returncode == 1
        assert notices(school.bob) == []
        other.execute("ROLLBACK")


def test_who_writes_in_a_channel_that_is_closed_is_told_where_its_lines_go(school: School) -> None:
    school.bob.send(say("/join #dev"))
    school.bob.pending()
    assert answer(school.server, "close-channel", "dev")["channel"] == "#dev"
    assert notices(school.bob) == [
        "#dev est fermé : seuls les enseignants y entrent. Vos messages vont de nouveau à tous (#général)."
    ]


def test_the_console_shows_in_which_channel_it_was(school: School) -> None:
    with watching(school.server.data) as console:
        school.alice.send(say("Bonjour", channel="#dev"))
        assert re.fullmatch(r"[\d:.]+ 1 alice #dev: Bonjour", console.line())


@pytest.mark.parametrize("typed", ["/annonce Contrôle dans 5 minutes"])
def test_everybody_hears_an_announcement_also_in_a_channel(school: School, typed: str) -> None:
    school.bob.send(say("/join #dev"))
    school.bob.pending()
    school.types(typed)
    assert any("Contrôle dans 5 minutes" in text for text in notices(school.bob))


def test_a_closed_channel_is_for_teachers_until_it_is_opened(school: School) -> None:
    for each in (school.prof, school.alice):
        each.ask({"type": "join", "channel": "#jeux"})
        each.pending()
    assert answer(school.server, "close-channel", "jeux")["channel"] == "#jeux"
    assert "#jeux est fermé : seuls les enseignants y entrent." in notices(school.alice)
    for line in ({"type": "join", "channel": "#jeux"}, say("x", channel="#jeux"), {"type": "who", "channel": "#jeux"}):
        assert school.alice.ask(line)["code"] == "not_allowed"
    school.prof.send(say("seul", channel="#jeux"), {"type": "leave", "channel": "#jeux"})
    school.prof.pending()
    assert school.alice.ask({"type": "join", "channel": "#jeux"})["code"] == "not_allowed", "it stays"
    assert not any(line.get("content") in ("x", "seul") for line in school.alice.pending())
    assert answer(school.server, "open-channel", "#Jeux")["text"] == "#jeux is open"
    assert school.alice.ask({"type": "join", "channel": "#jeux"})["type"] == "join"


def test_a_closed_channel_is_closed_after_a_restart_too(school: School, own_server: Callable[..., Server]) -> None:
    school.prof.ask({"type": "join", "channel": "#Profs"})
    assert answer(school.server, "close-channel", "profs")["ok"]
    school.prof.send(say("entre nous", channel="#profs"))
    school.prof.pending()
    assert school.server.stop() == 0
    server = own_server()
    with Client((server.host, server.port)) as alice:
        alice.login("alice")
        for request in ({"type": "join", "channel": "#profs"}, {"type": "history", "channel": "#profs"}):
            assert alice.ask(request)["code"] == "not_allowed"
        alice.send(say("/canaux"), say("/join profs"))
        told = notices(alice)
        assert "rofs" not in told[0]
        assert told[1] == "#Profs est réservé aux enseignants."
        assert answer(server, "open-channel", "profs")["text"] == "#Profs is open"
        assert alice.ask({"type": "join", "channel": "#profs"})["status"] == "ok"
    assert server.stop() == 0
    with Client((server.host, own_server().port)) as alice:
        alice.login("alice")
        assert alice.ask({"type": "join", "channel": "#profs"})["status"] == "ok"


@pytest.mark.parametrize(("words", "text"), [
    (("close-channel", "nulle-part"), "nulle-part"), (("open-channel", "#admin"), "--teacher-channels"),
    (("close-channel", "#général"), "silence"), (("close-channel", "a b"), "letters"), (("open-channel",), "CHANNEL"),
])
def test_a_channel_that_cannot_be_closed_or_opened_is_told(school: School, words: tuple[str, ...], text: str) -> None:
    done = admin(school.server.data, *words)
    assert done.returncode in (1, 2, 77)
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
