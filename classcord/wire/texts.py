"""The texts that `Serveur` says to people, in French or in English.

The explanations of the typed commands stand beside their words, in handlers/table.py.

Most error lines are not here: their texts are part of the protocol (clients compare two of them to the letter)
and stay as they are in every language. Those about channels are: people get them as a notice too, and JSON the English.
"""

from __future__ import annotations

__all__ = ["ENGLISH", "LANGUAGES", "SERVER_NAME", "Texts", "shown"]

SERVER_NAME = "Serveur"
"""The sender of the server's messages: known clients show no message without a sender."""

LANGUAGES: dict[str, dict[str, str]] = {
    "fr": {
        "absent": "« {user} » n'est pas là : votre message ne lui a pas été remis.",
        "waits": "« {user} » n'est pas là : votre message lui sera remis à son retour.",
        "waits_not": "« {user} » n'est pas là, et le serveur ne peut rien garder pour l'instant :"
        " il ne recevra pas votre message.",
        "too_many_wait": "« {user} » n'est pas là, et trop de messages l'attendent déjà : le vôtre n'est pas gardé.",
        "only_you": "Vous n'avez pas d'autre session ouverte : votre message n'a été remis à personne.",
        "stopping": "Le serveur s'arrête. Quand il sera de retour, fermez et relancez votre client.",
        "new_class": "Une nouvelle classe commence : votre connexion prend fin.",
        "watch_begins": "Les messages, privés aussi, s'affichent maintenant sur la console du serveur.",
        "watch_wire": "Vos lignes s'affichent maintenant sur la console du serveur, sans les mots de passe.",
        "watch_ends": "Rien ne s'affiche plus sur la console du serveur.",
        "wire_begins": "{user} voit maintenant vos lignes, sans les mots de passe.",
        "wire_ends": "Vos lignes ne sont plus montrées.",
        "stop_soon": "Le serveur s'arrêtera dans {seconds} secondes.",
        "stop_cancelled": "Le serveur ne s'arrêtera pas, finalement.",
        "unknown_command": "Commande inconnue : « {command} ». Rien n'a été envoyé. Tapez /aide pour la liste,"
        " ou // pour commencer un message par une barre oblique.",
        "unknown_close": "Commande inconnue : {command}. Vouliez-vous dire {close} ? Rien n'a été envoyé."
        " La liste : /aide",
        "command_usage": "Utilisation : {usage}",
        "account_needed": "Cette commande demande un compte : connectez-vous d'abord. Rien n'a été envoyé.",
        "teacher_needed": "Cette commande est réservée aux enseignants. Rien n'a été envoyé.",
        "promoted": "Votre compte est maintenant celui d'un enseignant. Vos commandes : /aide prof",
        "demoted": "Votre compte n'est plus celui d'un enseignant.",
        "put_out": "Vous n'êtes plus dans {channels}.",
        "help_teacher": "Commandes des enseignants : {commands}. Pour en savoir plus : /aide muet",
        "ignored": "Vous ne recevez plus les messages de « {user} ». La même commande les fait revenir.",
        "heard_again": "Vous recevez de nouveau les messages de « {user} ».",
        "ignored_list": "Vous ignorez ({count}) : {names}",
        "ignored_none": "Vous n'ignorez personne.",
        "ignored_self": "On ne s'ignore pas soi-même.",
        "ignored_never": "On n'ignore ni un enseignant, ni Serveur.",
        "ignored_most": "Vous ignorez déjà {count} personnes, le maximum.",
        "password_changed": "Votre mot de passe est changé. Vos connexions restent ouvertes.",
        "password_wrong": "L'ancien mot de passe n'est pas le bon : rien n'a changé.",
        "password_wait": "Trop de mots de passe faux : réessayez dans un moment. Rien n'a changé.",
        "password_refused": "Ce nouveau mot de passe ne convient pas : de 1 à 256 caractères. Rien n'a changé.",
        "password_not_stored": "Le serveur ne peut rien enregistrer pour l'instant : le mot de passe reste l'ancien.",
        "why": " Motif : {reason}",
        "kicked": "« {user} » est déconnecté.",
        "kicked_you": "Un enseignant met fin à votre connexion.{why}",
        "kicked_you_console": "L'administrateur du serveur met fin à votre connexion.{why}",
        "muted": "« {user} » ne peut plus écrire pendant {time}.",
        "muted_you": "Vous ne pouvez plus écrire pendant {time}, sauf à un enseignant.{why}",
        "not_muted": "« {user} » n'était pas réduit au silence.",
        "unmuted": "« {user} » peut de nouveau écrire.",
        "unmuted_you": "Vous pouvez de nouveau écrire.",
        "banned": "« {user} » est exclu pendant {time}.",
        "banned_you": "Un enseignant vous exclut pendant {time}.{why}",
        "banned_you_console": "L'administrateur du serveur vous exclut pendant {time}.{why}",
        "not_banned": "« {user} » n'est pas exclu.",
        "unbanned": "« {user} » n'est plus exclu.",
        "ban_wide": "« {user} » cacherait peut-être toute une classe ({count} connexions en viennent). S'il le faut"
        " vraiment, sur la machine du serveur : admin ban {user} --force",
        "ban_here": "« {user} » est cette machine, qui n'est jamais exclue.",
        "ban_own": "« {user} » est votre propre réseau.",
        "no_person": "« {user} » n'est pas là.",
        "no_account": "« {user} » n'est pas un compte : un invité se déconnecte, ou son réseau s'exclut.",
        "teacher_spared": "« {user} » est enseignant : seule la console du serveur peut cela.",
        "may_not_muted": "Vous ne pourrez écrire que dans {time}, sauf à un enseignant. Rien n'a été envoyé.",
        "may_not_silent": "Silence : seuls les enseignants peuvent écrire. Rien n'a été envoyé.",
        "may_not_slow": "Mode lent : attendez {time} avant votre prochain message. Rien n'a été envoyé.",
        "silence_begins": "Silence : seuls les enseignants peuvent écrire. On peut encore leur écrire en privé.",
        "silence_by": "Silence demandé par {user} : seuls les enseignants peuvent écrire."
        " On peut encore leur écrire en privé.",
        "silence_just": "{user} vient de demander le silence : il continue. Pour y mettre fin : /silence fin",
        "unchanged": "C'est déjà le cas. {now}",
        "silence_ends": "Le silence est terminé : tout le monde peut écrire.",
        "slow_begins": "Mode lent : chacun peut écrire un message en {time}.",
        "slow_ends": "Le mode lent est terminé.",
        "announcement": "Annonce de {user} : {content}",
        "no_message": "Aucun message enregistré n'a le numéro {id}.",
        "no_message_of": "Aucun message récent de « {user} » ici. Les numéros des messages : /historique",
        "deleted": "Le message {id} n'est plus enregistré.",
        "help": "Commandes : {commands}. Toutes : /aide tout. Une seule : /aide mp",
        "help_all": "Commandes : {commands}. Pour en savoir plus : /aide mp",
        "help_unknown": "Pas de commande « {command} ». Tapez /aide pour la liste.",
        "history_line": "[{time}] {sender} : {content}",
        "history_empty": "Aucun message.",
        "history_unreadable": "L'historique ne peut pas être lu pour l'instant.",
        "who": "{head} : {names}",
        "who_more": "{head} : {names} … et {more} autres",
        "who_here": "Présents ({count})",
        "who_nobody": "Personne n'est dans {channel}.",
        "who_in": "Présents dans {channel} ({count})",
        "channels": "Canaux : {channels}.",
        "channels_enter": " Pour entrer : /join {channel}",
        "joined": "Vous êtes dans {channel} : vos messages y vont. Pour écrire à tous : /join #général",
        "joined_key": "Vous êtes dans {channel}.",
        "joined_all": "Vos messages vont de nouveau à tous (#général).",
        "left": "Vous avez quitté {channel}. Vos messages vont à tous (#général).",
        "left_other": "Vous avez quitté {channel}. Vos messages vont à {current}.",
        "topic_is": "Sujet de {channel} : {topic}",
        "topic_none": "{channel} n'a pas de sujet.",
        "topic_set": "{user} a changé le sujet de {channel} : {topic}",
        "topic_removed": "{user} a retiré le sujet de {channel}.",
        "topic_closed": "Seul un enseignant change le sujet de {channel}.",
        "channel_name": "« {channel} » n'est pas un nom de canal : de 1 à 32 lettres, chiffres, - ou _, après un #.",
        "channel_refused": "{channel} ne peut pas être créé : ce nom est réservé, ou ressemble à un autre.",
        "channel_unknown": "Il n'y a pas de canal {channel}. La liste : /canaux",
        "channel_outside": "Vous n'êtes pas dans {channel}.",
        "channel_closed": "{channel} est réservé aux enseignants.",
        "channel_shut": "{channel} est fermé : seuls les enseignants y entrent.",
        "channel_everybody": "On ne quitte pas #général : tout le monde y est.",
        "channels_own": "Vous avez déjà créé {count} canaux, le maximum. L'un d'eux disparaît quand il est vide.",
        "channels_all": "Il y a déjà {count} canaux, le maximum. La liste : /canaux",
        "state_set": "Votre état : {state}",
        "http": "Ceci est un serveur de discussion ClassCord, pas un site web : il ne parle pas HTTP.\n"
        "Il attend une connexion TCP simple et un objet JSON par ligne.\n"
        "\n"
        "Pour essayer, dans un terminal :\n"
        "\n"
        "    nc {host} {port}\n"
        "\n"
        'puis cette ligne et Entrée : {{"type":"users"}}\n'
        "\n"
        "Pour écrire un client : docs/CONNEXION.md et docs/PROTOCOLE.md, dans le dépôt du serveur.\n",
        "web_bad": "Cette requête HTTP n'est pas correcte.\n",
        "web_late": "Une requête HTTP doit être la première chose qui arrive sur une connexion.\n",
        "web_missing": "Il n'y a rien à cette adresse. La page du chat est à l'adresse /\n",
        "web_method": "Ce serveur ne répond qu'à GET et à HEAD.\n",
        "web_large": "Cette requête est trop longue.\n",
        "web_slow": "Cette requête n'est pas arrivée en entier à temps.\n",
        "web_host": "Ce serveur ne connaît pas ce nom. Utilisez son adresse, comme http://10.0.108.42:12345/ ; ou son"
        " administrateur ajoute le nom au réglage --web-host (CLASSCORD_WEB_HOST).\n",
        "web_origin": "Cette connexion vient de la page d'un autre site : elle est refusée. Ouvrez la page de ce"
        " serveur, à la même adresse.\n",
        "web_socket": "Ici on ouvre une connexion WebSocket, version 13 : new WebSocket(\"ws://\" + location.host +"
        " \"/ws\")\n",
        "web_stuck": "Le serveur ne traite plus les requêtes.\n",
        "web_full": "Le serveur est plein : il a autant de connexions qu'il en permet. Réessayez dans un instant.\n",
        "web_banned": "Un enseignant exclut cette adresse pour l'instant.\n",
        "state_unknown": "État inconnu : « {state} ». Choisissez online, away, dnd ou invisible.",
    },
    "en": {
        "absent": '"{user}" is not here: your message was not delivered.',
        "waits": '"{user}" is not here: your message waits for that person.',
        "waits_not": '"{user}" is not here, and the server can\'t keep anything for now: your message will not come.',
        "too_many_wait": '"{user}" is not here, and too many messages wait already: yours is not kept.',
        "only_you": "You have no other session open: your message was not delivered.",
        "stopping": "The server is stopping. When it is back, close your client and start it again.",
        "new_class": "A new class begins: your connection ends.",
        "watch_begins": "The messages, private ones too, are now shown on the server's console.",
        "watch_wire": "Your lines are now shown on the server's console, without passwords.",
        "watch_ends": "Nothing is shown on the server's console any longer.",
        "wire_begins": "{user} now sees your lines, without passwords.",
        "wire_ends": "Your lines are not shown any longer.",
        "stop_soon": "The server will stop in {seconds} seconds.",
        "stop_cancelled": "The server will not stop after all.",
        "unknown_command": 'Unknown command: "{command}". Nothing was sent. Type /help for the list,'
        " or // to begin a message with a slash.",
        "unknown_close": "Unknown command: {command}. Did you mean {close}? Nothing was sent. The list: /help",
        "command_usage": "Usage: {usage}",
        "account_needed": "This command needs an account: log in first. Nothing was sent.",
        "teacher_needed": "This command is for teachers. Nothing was sent.",
        "promoted": "Your account is a teacher's now. Your commands: /help teacher",
        "demoted": "Your account is not a teacher's any longer.",
        "put_out": "You are not in {channels} any longer.",
        "help_teacher": "Commands of teachers: {commands}. To learn more: /help mute",
        "ignored": 'You get no more messages of "{user}". The same command brings them back.',
        "heard_again": 'You get the messages of "{user}" again.',
        "ignored_list": "You ignore ({count}): {names}",
        "ignored_none": "You ignore nobody.",
        "ignored_self": "One does not ignore oneself.",
        "ignored_never": "Nobody ignores a teacher, or Serveur.",
        "ignored_most": "You ignore {count} people already, the most that are allowed.",
        "password_changed": "Your password is changed. Your connections stay open.",
        "password_wrong": "The old password is wrong: nothing has changed.",
        "password_wait": "Too many wrong passwords: try again later. Nothing has changed.",
        "password_refused": "This new password can't be taken: 1 to 256 characters. Nothing has changed.",
        "password_not_stored": "The server can't store anything for now: the password is still the old one.",
        "why": " Reason: {reason}",
        "kicked": '"{user}" is disconnected.',
        "kicked_you": "A teacher ends your connection.{why}",
        "kicked_you_console": "The administrator of the server ends your connection.{why}",
        "muted": '"{user}" can\'t write for {time}.',
        "muted_you": "You can't write for {time}, except to a teacher.{why}",
        "not_muted": '"{user}" was not muted.',
        "unmuted": '"{user}" can write again.',
        "unmuted_you": "You can write again.",
        "banned": '"{user}" is banned for {time}.',
        "banned_you": "A teacher bans you for {time}.{why}",
        "banned_you_console": "The administrator of the server bans you for {time}.{why}",
        "not_banned": '"{user}" is not banned.',
        "unbanned": '"{user}" is not banned any longer.',
        "ban_wide": '"{user}" may hide a whole class ({count} connections come from there). If it must be, on the'
        " server's machine: admin ban {user} --force",
        "ban_here": '"{user}" is this machine, which is never banned.',
        "ban_own": '"{user}" is your own network.',
        "no_person": '"{user}" is not here.',
        "no_account": '"{user}" is not an account: kick a guest, or ban its network.',
        "teacher_spared": '"{user}" is a teacher: only the server\'s console may do that.',
        "may_not_muted": "You can't write for {time}, except to a teacher. Nothing was sent.",
        "may_not_silent": "Silence: only teachers may write. Nothing was sent.",
        "may_not_slow": "Slow mode: wait {time} before your next message. Nothing was sent.",
        "silence_begins": "Silence: only teachers may write. One may still write to them in private.",
        "silence_by": "Silence, as {user} asks: only teachers may write. One may still write to them in private.",
        "silence_just": "{user} has just asked for silence, so it goes on. To end it, type silence off",
        "unchanged": "That is so already. {now}",
        "silence_ends": "The silence is over: everybody may write.",
        "slow_begins": "Slow mode: each person may write one message in {time}.",
        "slow_ends": "Slow mode is over.",
        "announcement": "{user} announces: {content}",
        "no_message": "No stored message has the number {id}.",
        "no_message_of": 'No late message of "{user}" here. The numbers of messages: /history',
        "deleted": "Message {id} is not stored any longer.",
        "help": "Commands: {commands}. All: /help all. One: /help msg",
        "help_all": "Commands: {commands}. To learn more: /help msg",
        "help_unknown": 'No command "{command}". Type /help for the list.',
        "history_line": "[{time}] {sender}: {content}",
        "history_empty": "No message.",
        "history_unreadable": "The history can't be read for now.",
        "who": "{head}: {names}",
        "who_more": "{head}: {names} … and {more} others",
        "who_here": "Here ({count})",
        "who_nobody": "Nobody is in {channel}.",
        "who_in": "In {channel} ({count})",
        "channels": "Channels: {channels}.",
        "channels_enter": " To enter: /join {channel}",
        "joined": "You are in {channel}: your messages go there. To write to everybody: /join #général",
        "joined_key": "You are in {channel}.",
        "joined_all": "Your messages go to everybody again (#général).",
        "left": "You have left {channel}. Your messages go to everybody (#général).",
        "left_other": "You have left {channel}. Your messages go to {current}.",
        "topic_is": "Topic of {channel}: {topic}",
        "topic_none": "{channel} has no topic.",
        "topic_set": "{user} has changed the topic of {channel}: {topic}",
        "topic_removed": "{user} has removed the topic of {channel}.",
        "topic_closed": "Only a teacher may change the topic of {channel}.",
        "channel_name": '"{channel}" is not the name of a channel: 1 to 32 letters, digits, - or _, after a #.',
        "channel_refused": "{channel} can't be made: the name is reserved, or looks like another.",
        "channel_unknown": "There is no channel {channel}.",
        "channel_outside": "You are not in {channel}.",
        "channel_closed": "{channel} is for teachers.",
        "channel_shut": "{channel} is closed: only teachers may enter.",
        "channel_everybody": "Nobody leaves #général: everybody is in it.",
        "channels_own": "You have made {count} channels already, the most that a person may. A channel ends when nobody"
        " is in it.",
        "channels_all": "There are {count} channels already, the most that are allowed.",
        "state_set": "Your state: {state}",
        "http": "This is a ClassCord chat server, not a web site: it does not speak HTTP.\n"
        "It takes a plain TCP connection and one JSON object a line.\n"
        "\n"
        "To try it, in a terminal:\n"
        "\n"
        "    nc {host} {port}\n"
        "\n"
        'then this line and Enter: {{"type":"users"}}\n'
        "\n"
        "To write a client: docs/CONNEXION.md and docs/PROTOCOLE.md, in the server's repository.\n",
        "web_bad": "This HTTP request is not right.\n",
        "web_late": "A request of HTTP must be the first thing on a connection.\n",
        "web_missing": "There is nothing at this address. The page of the chat is at /\n",
        "web_method": "This server answers GET and HEAD only.\n",
        "web_large": "This request is too long.\n",
        "web_slow": "This request did not arrive whole in time.\n",
        "web_host": "This server does not know this name. Use its address, like http://10.0.108.42:12345/ ; or its"
        " operator adds the name to the setting --web-host (CLASSCORD_WEB_HOST).\n",
        "web_origin": "This connection comes from the page of another site: it is refused. Open the page of this"
        " server, at the same address.\n",
        "web_socket": "Here one opens a WebSocket, version 13: new WebSocket(\"ws://\" + location.host + \"/ws\")\n",
        "web_stuck": "The server does not process requests any more.\n",
        "web_full": "The server is full: it has as many connections as it allows. Try again in a moment.\n",
        "web_banned": "A teacher bans this address for now.\n",
        "state_unknown": 'Unknown state: "{state}". Choose online, away, dnd or invisible.',
    },
}


_NAME = 60
"""Characters of a name that an answer repeats: a guest's name with its mark is shorter."""


def shown(text: str, most: int = _NAME) -> str:
    """A typed text, or a name, as an answer may repeat it: at most so many characters, all printable."""
    cut = text[:most] + "…" if len(text) > most else text
    return "".join(char if char.isprintable() else "?" for char in cut)


class Texts:
    """The texts of one language. Immutable; any thread may use it."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = LANGUAGES[language]

    def __call__(self, text: str, **values: object) -> str:
        """The text called `text`, with its values filled in."""
        return self._texts[text].format(**values)


ENGLISH = Texts("en")
"""The language of error lines."""
