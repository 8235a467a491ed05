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
        "only_you": "Vous n'avez pas d'autre session ouverte : votre message n'a été remis à personne.",
        "stopping": "Le serveur s'arrête. Quand il sera de retour, fermez et relancez votre client.",
        "unknown_command": "Commande inconnue : « {command} ». Rien n'a été envoyé. Tapez /aide pour la liste,"
        " ou // pour commencer un message par une barre oblique.",
        "command_usage": "Utilisation : {usage}",
        "account_needed": "Cette commande demande un compte : connectez-vous d'abord. Rien n'a été envoyé.",
        "teacher_needed": "Cette commande est réservée aux enseignants. Rien n'a été envoyé.",
        "help": "Commandes : {commands}. Pour en savoir plus : /aide msg",
        "help_unknown": "Pas de commande « {command} ». Tapez /aide pour la liste.",
        "history_line": "[{time}] {sender} : {content}",
        "history_empty": "Aucun message.",
        "history_unreadable": "L'historique ne peut pas être lu pour l'instant.",
        "who": "{head} : {names}",
        "who_more": "{head} : {names} … et {more} autres",
        "who_here": "Présents ({count})",
        "who_in": "Présents dans {channel} ({count})",
        "channels": "Canaux : {channels}. Pour entrer : /join #dev",
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
        "state_unknown": "État inconnu : « {state} ». Choisissez online, away, dnd ou invisible.",
    },
    "en": {
        "absent": '"{user}" is not here: your message was not delivered.',
        "only_you": "You have no other session open: your message was not delivered.",
        "stopping": "The server is stopping. When it is back, close your client and start it again.",
        "unknown_command": 'Unknown command: "{command}". Nothing was sent. Type /help for the list,'
        " or // to begin a message with a slash.",
        "command_usage": "Usage: {usage}",
        "account_needed": "This command needs an account: log in first. Nothing was sent.",
        "teacher_needed": "This command is for teachers. Nothing was sent.",
        "help": "Commands: {commands}. To learn more: /help msg",
        "help_unknown": 'No command "{command}". Type /help for the list.',
        "history_line": "[{time}] {sender}: {content}",
        "history_empty": "No message.",
        "history_unreadable": "The history can't be read for now.",
        "who": "{head}: {names}",
        "who_more": "{head}: {names} … and {more} others",
        "who_here": "Here ({count})",
        "who_in": "In {channel} ({count})",
        "channels": "Channels: {channels}. To enter: /join #dev",
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
        "state_unknown": 'Unknown state: "{state}". Choose online, away, dnd or invisible.',
    },
}


def shown(text: str, most: int) -> str:
    """A typed text as an answer may repeat it: at most so many characters, all printable."""
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
