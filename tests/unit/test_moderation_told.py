"""What people and the console are told of the rules of the room, and when."""

from __future__ import annotations

from classcord.chat.effects import Audited
from classcord.wire.texts import Texts
from tests.unit.test_moderation import School, kinds, school

__all__ = ["school"]


def test_two_teachers_who_ask_for_silence_at_once_get_it(school: School) -> None:
    school.console("promote", "bob")
    school.teach("silence", None)
    school.said("bob")
    assert kinds(school.teach("silence", None, by="bob"), Audited) == []
    assert school.said("bob") == ["prof vient de demander le silence : il continue. Pour y mettre fin : /silence fin"]
    assert school.speaks("alice") is not None
    assert "goes on" in school.console("silence", None).text
    school.tick(1005)
    school.teach("silence", None, by="bob")
    assert school.said("bob") == ["Le silence est terminé : tout le monde peut écrire."], "later one word ends it"
    school.teach("silence", None)
    school.teach("silence", None)
    assert school.speaks("alice") is None, "who has begun it may end it at once"
    school.teach("silence", None)
    school.teach("silence", False, by="bob")
    assert school.speaks("alice") is None, "a word for the end is never a mistake"


def test_the_console_is_told_what_is_so_now(school: School) -> None:
    begun = "Silence: only teachers may write. One may still write to them in private."
    assert school.console("silence", None).text == begun
    assert school.console("silence", True).text == f"That is so already. {begun}"
    assert school.said("alice") == [Texts("fr")("silence_begins")]
    assert school.console("silence", False).text == "The silence is over: everybody may write."
    assert school.console("slow", 10).text == "Slow mode: each person may write one message in 10 s."
    assert school.console("slow", 10).text.startswith("That is so already. Slow mode: ")
    assert school.console("slow", 0).text == "Slow mode is over."
    assert school.console("announce", "Pause").text == "everybody was told"
    school.said("prof")
    school.teach("slow", 0)
    assert school.said("prof") == ["C'est déjà le cas. Le mode lent est terminé."]


def test_a_newcomer_is_told_what_the_rule_is(school: School) -> None:
    def arrives(name: str) -> list[str]:
        seat = school.seats["newcomer"] = school.sat()
        school.do("login", seat, name, name)
        assert school.said("newcomer") == [], "the client may not be ready"
        school.do("list_users", seat)
        told = school.said("newcomer")
        school.do("list_users", seat)
        assert school.said("newcomer") == [], "once is enough"
        return told

    assert arrives("alice") == []
    school.teach("slow", 10)
    assert arrives("alice") == ["Mode lent : chacun peut écrire un message en 10 s."]
    school.teach("silence", True)
    silence = "Silence : seuls les enseignants peuvent écrire. On peut encore leur écrire en privé."
    assert arrives("alice") == arrives("prof") == [silence]
    school.teach("mute", "bob", 60, "")
    assert arrives("bob") == ["Vous ne pouvez plus écrire pendant 1 min, sauf à un enseignant."]


def test_a_newcomer_is_told_that_the_server_stops(school: School) -> None:
    def arrives(*first: object) -> list[str]:
        seat = school.seats["newcomer"] = school.sat()
        school.do("login", seat, "alice", "alice")
        assert school.said("newcomer") == [], "the client may not be ready"
        school.do(str(first[0]), seat, *first[1:])
        told = school.said("newcomer")
        school.do("list_users", seat)
        school.do("say", seat, None, "bonjour")
        assert school.said("newcomer") == [], "once is enough"
        return told

    school.console("stop", "stop", 60, "Le serveur s'arrêtera dans 60 secondes.")
    assert school.said("alice") == ["Le serveur s'arrêtera dans 60 secondes."]
    assert school.speaks("alice") is None, "it knows"
    school.tick(1020)
    assert arrives("list_users") == ["Le serveur s'arrêtera dans 40 secondes."]
    school.tick(1050.5)
    assert arrives("say", None, "moi aussi") == ["Le serveur s'arrêtera dans 10 secondes."]
    school.console("stop", "cancel-stop", None, "Le serveur ne s'arrêtera pas, finalement.")
    assert arrives("list_users") == []
    school.console("stop", "stop", 10, "")
    school.tick(1061)
    assert arrives("list_users") == [], "it stops now, and says so"


def test_who_only_listens_is_told_of_a_watch_before_a_private_message_to_it_is_shown(school: School) -> None:
    number = school.console("watch", False, "", (), False).data[0]
    listener = school.seats["listener"] = school.sat()
    school.do("login", listener, "bob", "bob")
    school.act("alice", "say", None, "bonjour")
    assert school.said("listener") == [], "not right after it has logged in"
    school.act("alice", "whisper", None, "bob", "psst")
    school.act("alice", "whisper", None, "bob", "psst")
    got = [line["content"] for line in school.heard("listener") if line["type"] == "message"]
    assert got == [Texts("fr")("watch_begins"), "psst", "psst"]
    school.console("watch_ends", number)
    assert school.said("listener") == [Texts("fr")("watch_ends")]


def test_who_only_speaks_is_told_that_a_teacher_sees_its_lines(school: School) -> None:
    school.act("prof", "only", "account", False, (("wire", (True, "bob")),))
    speaker = school.seats["speaker"] = school.sat()
    school.do("login", speaker, "bob", "bob")
    assert school.said("speaker") == []
    school.act("speaker", "say", None, "bonjour")
    assert school.said("speaker") == ["prof voit maintenant vos lignes, sans les mots de passe."]


def test_a_client_that_knows_channels_gets_an_error_line_with_the_code(school: School) -> None:
    school.teach("silence", True)
    school.act("alice", "join_channel", "dev", "#dev")
    school.heard("alice")
    school.act("alice", "say", None, "bonjour")
    (line,) = school.heard("alice")
    text = "Only teachers may write until they end the silence; nothing was sent."
    assert line == {"type": "error", "message": text, "error": text, "code": "muted"}
    school.act("alice", "use_private_type")
    school.act("alice", "say", None, "bonjour")
    (line,) = school.heard("alice")
    assert (line["type"], line["from"]) == ("private", "Serveur"), "this old client sends the key, but shows no error"


def test_a_topic_that_may_not_be_set_is_explained_in_the_servers_language(school: School) -> None:
    school.act("alice", "type_join", "jeux", "#jeux")
    school.teach("silence", True)
    school.heard("alice")
    school.act("alice", "type_topic", "", "", "le TP")
    assert school.said("alice") == ["Silence : seuls les enseignants peuvent écrire. Rien n'a été envoyé."]


def test_who_is_away_can_be_unmuted(school: School) -> None:
    school.teach("mute", "bob", 60, "")
    school.act("bob", "leave")
    school.said("prof")
    assert kinds(school.teach("unmute", "BOB"), Audited) == [("prof", "unmute", "BOB", None, "")]
    assert school.said("prof") == ["« BOB » peut de nouveau écrire."]
    again = school.seats["bob"] = school.sat()
    school.do("login", again, "bob", "bob")
    assert school.speaks("bob") is None
    school.act("bob", "leave")
    school.said("prof")
    school.teach("unmute", "bob")
    assert school.said("prof") == ["« bob » n'est pas là."]


def test_a_guest_that_has_logged_in_is_told_the_end_of_its_mute(school: School) -> None:
    school.teach("mute", "carla", 60, "")
    school.act("carla", "login", "bob", "bob")
    assert school.speaks("carla") is not None
    school.teach("mute", "alice", 90, "")
    school.heard("carla")
    school.tick(1060)
    assert school.said("carla") == school.said("bob") == ["Vous pouvez de nouveau écrire."], "all its connections"
    assert len(school.said("alice")) == 1, "not yet"
