"""Moderation on a running server: by JSON, by typed words, and by the console; bans at the door and over a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.functional.school import School, notices
from tests.functional.test_console import BY, admin, answer
from tests.support import ROOT, Client, Closed, Server, member, say

OwnServer = Callable[..., Server]


def last(client: Client) -> tuple[dict[str, Any], bytes]:
    """The last line before the server closes, and what comes after it."""
    message: dict[str, Any] = {}
    while True:
        try:
            message = client.receive()
        except Closed:
            return message, client.raw


def test_a_kicked_person_reads_why_and_is_gone_for_all(school: School) -> None:
    second = school.come("bob")
    school.alice.pending()
    assert school.types("/kick bob trop de bruit") == ["« bob » est déconnecté."]
    for client in (school.bob, second):
        line, rest = last(client)
        assert (line["from"], line["subtype"], rest) == ("Serveur", "private", b"")
        assert line["content"] == "Un enseignant met fin à votre connexion. Motif : trop de bruit"
    assert school.alice.until(type="status") == {"type": "status", "user": "bob", "state": "offline"}
    assert school.alice.ask({"type": "users"})["users"] == ["alice", "prof"]
    assert "reason=expelled" in school.server.wait_log("event=disconnected")
    logged = school.server.wait_log("action=kick")
    assert 'event=moderated actor="prof" action=kick target="bob" why="trop de bruit"' in logged
    assert school.come("bob").ask({"type": "ping"}) == {"type": "pong"}, "a kick is not a ban"


def test_a_guest_with_a_mark_is_meant_and_not_the_account_with_its_name(school: School) -> None:
    """The mark is part of the name, with quotes or without."""
    first, second = (school.stack.enter_context(Client(school.address)) for _ in range(2))
    for client in (first, second):
        client.send(say("", **{"from": "bob"}))
        client.pending()
    assert school.types("/muet bob (invité) 10m bruit") == ["« bob (invité) » ne peut plus écrire pendant 10 min."]
    assert school.types("/parole BOB (invite)") == ["« bob (invité) » peut de nouveau écrire."]
    assert school.types("/supprimer bob (invité)")[0].startswith("Aucun message récent de « bob (invité) »")
    assert "n'est pas un compte" in school.types("/bannir bob (invité) 1h")[0]
    school.alice.send(say("/mp bob (invité 2) Salut"))
    school.alice.pending()
    assert second.until(subtype="private", **{"from": "alice"})["content"] == "Salut"
    assert school.types("/ejecter bob (invité) : bruit") == ["« bob (invité) » est déconnecté."]
    assert last(first)[0]["content"].endswith("Motif : : bruit")
    assert school.types("/ejecter bob (invité) bruit") == ["« bob (invité) » n'est pas là."], "it has gone"
    kicked = admin(school.server.data, "kick", "bob", "(invité", "2)", "bruit")
    assert kicked.stdout == '"bob (invité 2)" is disconnected.\n'
    assert [line for line in school.bob.pending() if line["type"] == "message"] == []


def test_a_name_with_spaces_needs_no_quotes_where_nothing_else_follows(school: School) -> None:
    for name in ("Jean", "Jean Paul"):
        school.stack.enter_context(member(school.address, name))
    for words in ("/muet Jean", '/muet "Jean Paul"', "/bannir Jean", '/bannir "Jean Paul"'):
        assert len(school.types(words)) == 1
    assert school.types("/debannir Jean Paul") == ["« Jean Paul » n'est plus exclu."]
    assert school.types("/parole Jean Paul") == ["« Jean Paul » peut de nouveau écrire."]
    assert school.types('/parole "Jean" Paul') == ["Utilisation : /parole bob"]
    assert [ban["target"] for ban in answer(school.server, "bans")["bans"]] == ["Jean"]


def test_what_a_kicked_client_sends_at_the_same_time_is_not_seen(school: School) -> None:
    school.bob.send(*[say(f"avant {n}") for n in range(50)])
    school.types("/kick bob")
    school.bob.at_end()
    seen = [line for line in school.alice.pending() if line.get("from") == "bob" or line.get("user") == "bob"]
    assert seen[-1] == {"type": "status", "user": "bob", "state": "offline"}
    assert len([line for line in seen if line["type"] == "status"]) == 1


def test_by_json(school: School) -> None:
    def ask(kind: str, **fields: object) -> dict[str, Any]:
        school.prof.send({"type": kind, **fields})
        lines = [line for line in school.prof.pending() if line["type"] in ("moderation", "error")]
        return lines[0]

    assert ask("mute", to="bob", duration="10m", reason="bruit") == {
        "type": "moderation", "action": "mute", "status": "ok"
    }
    assert notices(school.bob) == ["Vous ne pouvez plus écrire pendant 10 min, sauf à un enseignant. Motif : bruit"]
    school.bob.send(say("non"))
    (said,) = notices(school.bob)
    assert said.startswith("Vous ne pourrez écrire que dans 10 min") or "9 min" in said
    assert ask("unmute", to="bob")["status"] == "ok"
    assert ask("announce", content="Pause")["action"] == "announce"
    assert notices(school.alice) == ["Annonce de prof : Pause"]
    for kind, fields, code in (
        ("mute", {"to": "bob", "duration": "soon"}, "invalid_field"), ("mute", {"duration": "1m"}, "missing_field"),
        ("mute", {"to": "zoé"}, "invalid_field"), ("kick", {"to": "prof"}, "not_allowed"),
        ("kick", {}, "missing_field"),
        ("slow", {"duration": "2h"}, "invalid_field"), ("silence", {"state": "x"}, "invalid_field"),
        ("announce", {"content": " "}, "invalid_field"), ("delete", {"id": "x"}, "invalid_field"),
        ("delete", {"id": -1}, "invalid_field"), ("delete", {"id": None}, "missing_field"),
        ("delete", {"id": True}, "invalid_field"),
        ("ban", {"to": "127.0.0.0/8"}, "invalid_field"), ("unban", {"to": "bob"}, "invalid_field"),
    ):
        assert ask(kind, **fields)["code"] == code, kind
    for target in ("bob", "127.0.0.0/8", "10.0.2.2"):
        assert school.alice.ask({"type": "ban", "to": target})["code"] == "not_allowed"
    with Client(school.address) as stranger:
        assert stranger.ask({"type": "kick", "to": "bob"})["code"] == "not_named"
    assert not [line for line in school.bob.pending() if line["type"] == "error"]


def test_typed_words_in_both_languages(school: School) -> None:
    assert school.types("/muet bob 2h") == ["« bob » ne peut plus écrire pendant 2 h."]
    assert school.types("/parole", "bob") == ["« bob » peut de nouveau écrire."]
    assert school.types('/mute "bob" 5 trop', "de bruit") == ["« bob » ne peut plus écrire pendant 5 min."]
    assert school.types("/unmute bob") == ["« bob » peut de nouveau écrire."]
    assert school.types("/mute") == ["Utilisation : /muet bob 10m"]
    assert school.types("/silence peut-être")[0].startswith("/silence : ")
    assert school.types("/lent beaucoup") == ["Utilisation : /lent 10"]
    assert school.types("/silence")[0].startswith("Silence")
    assert school.alice.until(type="message")["from"] == "Serveur"
    school.alice.send(say("je peux ?"))
    assert notices(school.alice) == ["Silence : seuls les enseignants peuvent écrire. Rien n'a été envoyé."]
    assert school.types("/silence") == ["Le silence est terminé : tout le monde peut écrire."]
    assert school.types("/slow 30") == ["Mode lent : chacun peut écrire un message en 30 s."]
    assert school.types("/lent off") == ["Le mode lent est terminé."]
    assert school.types("/annonce Pause jusqu'à 10 h") == ["Annonce de prof : Pause jusqu'à 10 h"]
    assert school.types("/aide enseignant") == [
        "Commandes des enseignants : /supprimer /annonce /lent /silence /debannir /bannir /parole /muet /ejecter."
        " Pour en savoir plus : /aide muet"
    ]
    school.alice.pending()
    school.alice.send(say("/kick bob"))
    assert notices(school.alice) == ["Cette commande est réservée aux enseignants. Rien n'a été envoyé."]


def test_a_deleted_message_is_not_stored_any_longer(school: School) -> None:
    school.alice.send(say("un"), say("deux"))
    ids = [school.bob.until(type="message")["id"] for _ in range(2)]
    assert school.types(f"/supprimer {ids[0]} vulgaire") == [f"Le message {ids[0]} n'est plus enregistré."]
    assert school.types("/supprimer 999999") == ["Aucun message enregistré n'a le numéro 999999."]
    assert school.prof.ask({"type": "delete", "id": 999999})["code"] == "invalid_field"
    assert "number 999999" in admin(school.server.data, "delete", "999999").stderr
    assert [row["action"] for row in answer(school.server, "audit")["audit"]] == ["promote", "delete"]
    with closing(sqlite3.connect(school.server.data / "classcord.db")) as db:
        assert db.execute("SELECT content FROM messages").fetchall() == [("deux",)]


def test_times_are_understood_or_refused(school: School) -> None:
    assert school.types("/muet bob 30 secondes") == ["« bob » ne peut plus écrire pendant 30 s."]
    assert school.types("/muet bob 1h30 trop de bruit") == ["« bob » ne peut plus écrire pendant 1 h 30 min."]
    (usage,) = school.types("/muet bob 99999999999d")
    assert usage.startswith("Utilisation : ")
    (usage,) = school.types("/bannir bob 0")
    assert usage.startswith("Utilisation : ")
    assert school.bob.ask({"type": "ping"})["type"] == "message", "what he was told of the mute, and no ban"
    assert admin(school.server.data, "mute", "bob", "2", "h", "bruit").stdout == '"bob" can\'t write for 2 h.\n'
    for words in (["mute", "bob", "0"], ["ban", "bob", "2nde", "B"]):
        done = admin(school.server.data, *words)
        assert (done.returncode, f"{words[2]!r} is not a time" in done.stderr) == (2, True), done
    rows = [(row["seconds"], row["reason"]) for row in answer(school.server, "audit", "3")["audit"]]
    assert rows == [(30, ""), (5400, "trop de bruit"), (7200, "bruit")]


def test_a_teacher_deletes_what_the_history_numbers(school: School) -> None:
    school.alice.send(say("un"), say("deux"), say("trois"))
    school.alice.pending()
    school.prof.send(say("/historique"))
    shown = [school.prof.until(subtype="private")["content"] for _ in range(3)]
    number = shown[0].split()[0]
    assert [line.partition("[")[0] for line in shown] == [f"{int(number) + n} " for n in range(3)]
    assert school.types(f"/supprimer {number}") == [f"Le message {number} n'est plus enregistré."]
    assert school.types("/chercher deux")[0].startswith(f"{int(number) + 1} [")
    assert school.types("/supprimer ALICE grossier") == [f"Le message {int(number) + 2} n'est plus enregistré."]
    assert "bob" in school.types("/supprimer bob")[0]
    school.alice.send(say("/historique"))
    line = school.alice.until(subtype="private")["content"]
    assert (line[0], line[-4:]) == ("[", "deux")
    for word in ("/supprimer 2", "/supprimer alice"):
        school.alice.send(say(word))
        assert "réservée aux enseignants" in school.alice.until(subtype="private")["content"]


def test_a_banned_account_stays_out_over_a_restart(school: School, own_server: OwnServer) -> None:
    assert school.types("/ban bob 2h triche") == ["« bob » est exclu pendant 2 h."]
    line, _ = last(school.bob)
    assert line["content"] == "Un enseignant vous exclut pendant 2 h. Motif : triche"
    with Client(school.address) as again:
        since = len(school.server.log_so_far())
        assert again.login("bob")["code"] == "banned"
        refused = school.server.wait_log("event=login_refused", since)
        assert 'WARNING event=login_refused user="bob"' in refused
        assert not [line for line in school.server.log_so_far()[since:] if "event=login " in line]
    assert school.server.stop() == 0
    server = own_server()
    with Client((server.host, server.port)) as again:
        error = again.login("bob")
        assert error["code"] == "banned"
        assert error["message"].endswith("Reason: triche")
        assert again.login("alice")["status"] == "ok", "the connection is usable"
        (ban,) = answer(server, "bans")["bans"]
        assert (ban["kind"], ban["target"], ban["actor"], ban["reason"]) == ("account", "bob", "prof", "triche")
        assert 7000 < ban["seconds"] <= 7200
        assert admin(server.data, "unban", "bob").returncode == 0
        assert again.login("bob")["status"] == "ok"
    assert server.stop() == 0
    assert answer(own_server(), "bans")["bans"] == []


@pytest.fixture
def far(own_server: OwnServer, tmp_path: Path) -> Server:
    """A server for which loopback addresses from 127.1.0.0/16 on are elsewhere: a test has no other network."""
    (tmp_path / "sitecustomize.py").write_text(
        "import classcord.net.listener as listener\n"
        "own = listener.from_here\n"
        "listener.from_here = lambda connection, host: own(connection, host) and not host.startswith('127.1.')\n"
    )
    return own_server(env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})


def test_a_banned_network_is_refused_at_the_door(far: Server) -> None:
    with ExitStack() as stack:
        school = School(far, stack)
        far_prof = school.come("prof", "127.1.0.5")
        pupil = school.come("bob", "127.1.0.5")
        other = school.come("alice", "127.1.0.6")
        silent = stack.enter_context(Client(school.address, source="127.1.0.5"))
        silent.ask({"type": "ping"})
        assert school.types("/ban 127.1.0.5 1h bruit") == ["« 127.1.0.5 » est exclu pendant 1 h."]
        told = pupil.until(**{"from": "Serveur"})
        assert (told["subtype"], told["to"]) == ("private", "bob")
        assert told["content"] == "Un enseignant vous exclut pendant 1 h. Motif : bruit"
        for client in (pupil, silent):
            line, _ = last(client)
            assert (line["code"], line["message"]) == ("banned", "This address is banned for 1 h. Reason: bruit")
        assert far_prof.ask({"type": "ping"}) == {"type": "pong"}, "teachers stay"
        assert other.ask({"type": "ping"}) == {"type": "pong"}
        with Client(school.address, source="127.1.0.5") as again:
            refused = again.receive()
            assert refused["code"] == "banned"
            assert refused["message"].startswith("This address is banned for ")
            assert again.at_end() == b""
        assert "reason=banned" in far.wait_log("event=refused")
        assert school.types("/unban 127.1.0.5") == ["« 127.1.0.5 » n'est plus exclu."]
        assert school.come("bob", "127.1.0.5").ask({"type": "ping"}) == {"type": "pong"}


def test_a_network_that_hides_a_class_needs_the_console(far: Server) -> None:
    with ExitStack() as stack:
        school = School(far, stack)
        pupils = [school.come("bob", "127.1.2.2") for _ in range(4)]
        (line,) = school.types("/ban 127.1.2.2")
        assert "toute une classe (4 connexions en viennent)" in line
        done = admin(far.data, "ban", "127.1.2.2", "10m", "bruit")
        assert (done.returncode, "--force" in done.stderr) == (1, True)
        assert school.types("/ban 127.0.0.1") == ["« 127.0.0.1 » est cette machine, qui n'est jamais exclue."]
        assert "never banned" in admin(far.data, "ban", "0.0.0.0/0", "--force").stderr
        far_prof = school.come("prof", "127.1.3.3")
        far_prof.send(say("/ban 127.1.3.0/24"))
        assert "« 127.1.3.0/24 » est votre propre réseau." in notices(far_prof)
        assert all(pupil.ask({"type": "ping"}) == {"type": "pong"} for pupil in pupils[-1:])
        assert admin(far.data, "ban", "127.1.2.2", "10m", "bruit", "--force").returncode == 0
        for pupil in pupils:
            assert last(pupil)[0]["code"] == "banned"
        assert school.prof.ask({"type": "ping"})["type"] in ("pong", "status", "message")


def test_everything_is_in_the_audit(school: School) -> None:
    school.types("/mute bob 5 bruit")
    admin(school.server.data, "kick", "bob", "encore", "du bruit")
    admin(school.server.data, "silence", "on")
    admin(school.server.data, "stop", "--in", "600")
    admin(school.server.data, "stop", "--cancel")
    rows = [
        (row["actor"], row["action"], row["target"], row["seconds"], row["reason"])
        for row in answer(school.server, "audit")["audit"]
    ]
    assert rows == [
        (BY, "promote", "prof", None, ""), ("prof", "mute", "bob", 300, "bruit"),
        (BY, "kick", "bob", None, "encore du bruit"), (BY, "silence", "", None, ""),
        (BY, "stop", "", 600, ""), (BY, "cancel-stop", "", None, ""),
    ]
    table = admin(school.server.data, "audit").stdout
    assert [row["action"] for row in answer(school.server, "audit", "1")["audit"]] == ["cancel-stop"]
    assert admin(school.server.data, "stop").returncode == 0
    assert school.server.wait() == 0
    with closing(sqlite3.connect(school.server.data / "classcord.db")) as db:
        assert db.execute("SELECT actor, seconds FROM audit WHERE action = 'stop' ORDER BY time").fetchall()[1:] == [
            (BY, None)
        ]
    shown = table.splitlines()
    assert shown[0].split() == ["TIME", "BY", "ACTION", "TARGET", "FOR", "REASON"]
    assert shown[2].split()[1:] == ["prof", "mute", "bob", "5", "min", "bruit"]


def test_moderation_works_while_the_disk_fails_and_is_stored_later(school: School) -> None:
    with closing(sqlite3.connect(school.server.data / "classcord.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert school.types("/ban bob 1h triche") == ["« bob » est exclu pendant 1 h."]
        assert last(school.bob)[0]["content"].startswith("Un enseignant vous exclut")
        other.execute("ROLLBACK")
    school.server.wait_log("event=storage_recovered")
    with closing(sqlite3.connect(school.server.data / "classcord.db")) as db:
        assert db.execute("SELECT kind, target FROM bans").fetchall() == [("account", "bob")]
        assert db.execute("SELECT action FROM audit ORDER BY time").fetchall() == [("promote",), ("ban",)]
    # what waited is not stored once more after the next failure
    since = len(school.server.log_so_far())
    assert school.types("/unban bob") == ["« bob » n'est plus exclu."]
    with closing(sqlite3.connect(school.server.data / "classcord.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        school.types("/silence")
        other.execute("ROLLBACK")
    school.server.wait_log("event=storage_recovered", since)
    with closing(sqlite3.connect(school.server.data / "classcord.db")) as db:
        assert db.execute("SELECT * FROM bans").fetchall() == []


def test_a_kicked_client_that_does_not_read_is_gone_for_the_others_at_once(own_server: OwnServer) -> None:
    with ExitStack() as stack:
        school = School(own_server("--outbox-limit", str(1 << 24)), stack)
        stuck = stack.enter_context(Client(school.address, receive_buffer=2048))
        stuck.ask({"type": "users"})
        for _ in range(300):  # more than the sockets hold
            school.alice.send(say("x" * 4000))
        school.alice.pending()
        assert answer(school.server, "stats")["unsent_bytes"] > 0
        name = next(user["name"] for user in answer(school.server, "users")["users"] if user["kind"] == "guest")
        assert admin(school.server.data, "kick", name).returncode == 0
        assert name not in [user["name"] for user in answer(school.server, "users")["users"]]
        assert b"L'administrateur du serveur met fin" in stuck.at_end()
