"""The texts that `Serveur` says to people, in French or in English.

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
        "password_typed": "Les commandes qui portent un mot de passe ne se tapent pas ici."
        " Rien n'a été envoyé aux autres ; connectez-vous par la fenêtre de connexion de votre client.",
        "help": "Commandes : /aide /qui /etat /msg. Pour en savoir plus : /aide msg",
        "help_unknown": "Pas de commande « {command} ». Tapez /aide pour la liste.",
        "help_aide": "/aide : la liste des commandes ; /aide msg explique l'une d'elles",
        "help_qui": "/qui : qui est là, et dans quel état",
        "help_etat": "/etat online|away|dnd|invisible : changer d'état",
        "help_msg": "/msg NOM TEXTE : message privé (un nom avec des espaces se met entre guillemets)",
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
        "password_typed": "Commands with a password can't be typed here."
        " Nothing was sent to the others; use your client's own window to log in.",
        "help": "Commands: /help /who /status /msg. To learn more: /help msg",
        "help_unknown": 'No command "{command}". Type /help for the list.',
        "help_aide": "/help: the list of commands; /help msg explains one of them",
        "help_qui": "/who: the people here, and their states",
        "help_etat": "/status online|away|dnd|invisible: change your state",
        "help_msg": "/msg NAME TEXT: private message (quote a name that has spaces)",
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
        self._texts = LANGUAGES[language]

    def __call__(self, text: str, **values: object) -> str:
        """The text called `text`, with its values filled in."""
        return self._texts[text].format(**values)
