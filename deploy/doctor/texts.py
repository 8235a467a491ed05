"""All that the doctor says, in French and in English: one table, a text for each key."""

from __future__ import annotations

from collections.abc import Mapping

import texts_host
import texts_vm
import texts_vm_network
from hops import Remedy, Text
from machine import Outcome

__all__ = ["LANGUAGES", "TEXTS", "Table", "in_words", "render"]

LANGUAGES = ("fr", "en")
"""The first one is spoken if nothing else is asked for."""
Table = Mapping[str, tuple[str, str]]

_SHARED: Table = {
    "heading_vm": ("Dans cette machine, port {port} :", "In this machine, port {port}:"),
    "nothing_broken": (
        "Rien n'est rompu, pour autant qu'on puisse le voir d'ici.",
        "Nothing is broken, as far as can be seen from here.",
    ),
    "nothing_broken_but_read": (
        "Rien n'est rompu, pour autant qu'on puisse le voir d'ici ; lisez les lignes marquées !.",
        "Nothing is broken, as far as can be seen from here; read the lines marked !.",
    ),
    "one_broken": ("1 étape est rompue.", "1 hop is broken."),
    "several_broken": (
        "{count} étapes sont rompues ; réparez la première, puis relancez cette commande.",
        "{count} hops are broken; repair the first one, then run this again.",
    ),
    # what a server did
    "answers": ("un serveur ClassCord répond", "a ClassCord server answers"),
    "full": ("un serveur ClassCord répond, et il est plein", "a ClassCord server answers, and is full"),
    "other": (
        "connexion acceptée, mais ce n'est pas un serveur ClassCord : {detail}",
        "connected, but this is not a ClassCord server: {detail}",
    ),
    "silent": ("connexion acceptée, mais pas de réponse en 3 s", "connected, but no answer within 3 s"),
    "closed": (
        "connexion acceptée, et fermée aussitôt sans réponse", "connected, and closed at once without an answer"
    ),
    "refused": ("connexion refusée (connection refused)", "connection refused"),
    "noroute": ("aucun chemin jusque-là (host unreachable)", "no way there (host unreachable)"),
    "timeout": ("aucune réponse en 3 s (timed out)", "no answer at all within 3 s (timed out)"),
    # the page for browsers
    "page": (
        "page : répond, dans un navigateur : http://{address}:{port}/", "page: answers, in a browser: http://{address}:{port}/"
    ),
    "page_off": (
        "page : éteinte (réglage --web off, CLASSCORD_WEB=off) ; le chat, lui, marche sans elle",
        "page: switched off (setting --web off, CLASSCORD_WEB=off); the chat works without it",
    ),
    "page_other": (
        "page : le serveur répond à ses clients, mais un navigateur reçoit : {said}",
        "page: the server answers its clients, but a browser gets: {said}",
    ),
    "page_silent": (
        "page : le serveur répond à ses clients, mais rien ne revient à un navigateur",
        "page: the server answers its clients, but nothing comes back to a browser",
    ),
    "page_on": ("pour l'allumer :  {command}", "to switch it on:  {command}"),
    "page_on_unit": (
        "pour l'allumer, retirez CLASSCORD_WEB=off des réglages de l'unité, puis :  {command}",
        "to switch it on, remove CLASSCORD_WEB=off from the settings of the unit, then:  {command}",
    ),
    "page_on_in_vm": (
        "dans la VM, pour savoir comment l'allumer :  {command}", "in the VM, to learn how to switch it on:  {command}"
    ),
    # what to type, in the words around a command
    "then": ("ensuite :  {command}", "then:  {command}"),
    "or_by_hand": ("ou à la main :  {command}", "or by hand:  {command}"),
    "look": ("à regarder :  {command}", "look:  {command}"),
    "failed": ("connexion impossible : {detail}", "can't connect: {detail}"),
}

TEXTS: Table = {**_SHARED, **texts_vm.TEXTS, **texts_vm_network.TEXTS, **texts_host.TEXTS}


def render(said: Remedy, language: str) -> str:
    """A text in that language, with its values; a command as it is."""
    if isinstance(said, str):
        return said
    values = {
        name: render(value, language) if isinstance(value, Text) else str(value) for name, value in said.values.items()
    }
    return TEXTS[said.key][LANGUAGES.index(language)].format_map(values)


def in_words(outcome: Outcome) -> Text:
    """What a server did, as a text."""
    return Text(outcome.kind, {"detail": outcome.detail} if outcome.detail else {})
