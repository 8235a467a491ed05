"""The texts that `Serveur` says to people, in French or in English.

The explanations of the typed commands stand beside their words, in handlers/table.py.

Error lines are not here: their texts are part of the protocol (clients compare two of them to the letter)
and stay as they are in every language.
"""

from __future__ import annotations

__all__ = ["LANGUAGES", "SERVER_NAME", "Texts", "shown"]

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
        "who": "Présents ({count}) : {names}",
        "who_more": "Présents ({count}) : {names} … et {more} autres",
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
        "who": "Here ({count}): {names}",
        "who_more": "Here ({count}): {names} … and {more} others",
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
