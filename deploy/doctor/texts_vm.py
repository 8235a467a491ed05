"""What the doctor says of the VM's server: what runs it, where it listens, its data."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS"]

TEXTS: Mapping[str, tuple[str, str]] = {
    # what runs it
    "engine_hangs": (
        "serveur : le moteur Docker ne répond pas en 3 s", "server: the Docker engine does not answer within 3 s"
    ),
    "after_the_lesson": (
        "le serveur, lui, répond encore : après le cours seulement :  {command}",
        "the server itself still answers: after the lesson only:  {command}",
    ),
    "server_twice": (
        "serveur : le conteneur {name} et le service classcord.service tournent tous les deux ; un seul peut avoir le "
        "port {port}",
        "server: the container {name} and the unit classcord.service both run; only one can have port {port}",
    ),
    "keep_container": ("garder le conteneur :  {command}", "keep the container:  {command}"),
    "keep_unit": ("garder le service :  {command}", "keep the unit:  {command}"),
    "server_container": (
        "serveur : le conteneur {name} tourne ({status})", "server: the container {name} runs ({status})"
    ),
    "server_restarts": (
        "serveur : le conteneur {name} redémarre sans cesse : {last}",
        "server: the container {name} is restarted again and again: {last}",
    ),
    "engine_old": (
        "serveur : Docker {version} est trop vieux pour l'image : il y interdit les threads",
        "server: Docker {version} is too old for the image: it forbids threads there",
    ),
    "install_docker": (
        "installer Docker 20.10.10 ou plus récent :  {command}", "install Docker 20.10.10 or later:  {command}"
    ),
    "server_unit": (
        "serveur : le service classcord.service est actif", "server: the unit classcord.service is active"
    ),
    "server_socket": (
        "serveur : classcord.socket écoute, et lance le serveur pour le premier client",
        "server: the unit classcord.socket listens, and starts the server for the first client",
    ),
    "server_paused": ("serveur : le conteneur {name} est en pause", "server: the container {name} is paused"),
    "server_starting": (
        "serveur : le service classcord.service démarre encore",
        "server: the unit classcord.service is still starting",
    ),
    "ask_again": (
        "attendre un instant, et redemander :  {command}", "wait a moment, and ask again:  {command}"
    ),
    "server_unseen": (
        "serveur : un programme écoute sur le port {port} ; seuls root et le groupe docker peuvent voir si c'est un "
        "conteneur",
        "server: a program listens on port {port}; only root and the group docker can see whether it is a container",
    ),
    "server_passed_on": (
        "serveur : {name} (processus {pid}) passe le port {port} à un conteneur ; d'ici, on ne voit pas le moteur qui "
        "le fait tourner",
        "server: {name} (process {pid}) passes port {port} on to a container; the engine that runs it can't be seen "
        "from here",
    ),
    "as_its_user": (
        "avec le compte qui a lancé le conteneur, pas comme root :  {command}",
        "as the user who started the container, not as root:  {command}",
    ),
    "server_process": (
        "serveur : un simple processus écoute sur le port {port}, ni conteneur ni service ; il s'arrête quand son "
        "terminal se ferme",
        "server: a plain process listens on port {port}, not a container or a unit; it ends when its terminal closes",
    ),
    "server_process_named": (
        "serveur : un simple processus écoute sur le port {port}, {name} (processus {pid}), ni conteneur ni service ; "
        "il s'arrête quand son terminal se ferme",
        "server: a plain process listens on port {port}, {name} (process {pid}), not a container or a unit; it ends "
        "when its terminal closes",
    ),
    "server_unit_again": (
        "serveur : le service classcord.service redémarre sans cesse{facts}{reason}",
        "server: the unit classcord.service starts again and again{facts}{reason}",
    ),
    "server_unit_failed": (
        "serveur : le service classcord.service a échoué{facts}{reason}",
        "server: the unit classcord.service has failed{facts}{reason}",
    ),
    "server_stranger": (
        "serveur : le port {port} est pris par un autre programme, {name} (processus {pid}) : {said}",
        "server: port {port} is taken by another program, {name} (process {pid}): {said}",
    ),
    "server_stranger_unseen": (
        "serveur : le port {port} est pris par un autre programme : {said}",
        "server: port {port} is taken by another program: {said}",
    ),
    "server_stranger_container": (
        "serveur : le port {port} est pris par un autre conteneur, {name} : {said}",
        "server: port {port} is taken by another container, {name}: {said}",
    ),
    "stop_it": ("l'arrêter :  {command}", "stop it:  {command}"),
    "who_is_it": ("lequel, root peut le voir :  {command}", "root can see which one:  {command}"),
    "port_taken": (
        "le port est pris par {name} (processus {pid}) ; l'arrêter :  {command}",
        "the port is taken by {name} (process {pid}); stop it:  {command}",
    ),
    "containers_unseen": (
        "conteneurs : seuls root et le groupe docker peuvent les voir",
        "containers: only root and the group docker can see them",
    ),
    "server_stopped": (
        "serveur : le conteneur {name} est arrêté (code de sortie {code})",
        "server: the container {name} is stopped (exit code {code})",
    ),
    "why_stopped": ("pourquoi il s'est arrêté :  {command}", "why it stopped:  {command}"),
    "server_not_started": (
        "serveur : le service classcord.service n'est pas démarré ({state})",
        "server: the unit classcord.service is not started ({state})",
    ),
    "server_nothing": (
        "serveur : rien ne tourne : il n'y a ni conteneur {name} ni service classcord.service, et rien n'écoute sur "
        "le port {port}",
        "server: nothing runs: there is no container {name} and no unit classcord.service, and nothing listens on "
        "port {port}",
    ),
    "engine_first": (
        "le moteur Docker est arrêté ; d'abord :  {command}", "the Docker engine is down, that first:  {command}"
    ),
    "with_docker": ("avec Docker :  {command}", "with Docker:  {command}"),
    "without_docker": ("sans Docker :  {command}", "without:  {command}"),
    "without_docker_port": (
        "sans Docker :  {command}  (et CLASSCORD_PORT={port} dans /etc/classcord/classcord.env)",
        "without:  {command}  (and CLASSCORD_PORT={port} in /etc/classcord/classcord.env)",
    ),
    "containers_two": (
        "conteneurs : {count} serveurs ClassCord tournent, {names} ; chacun a ses propres clients et ses propres "
        "données",
        "containers: {count} ClassCord servers run, {names}; each has its own clients and its own data",
    ),
    "if_not_wanted": ("s'il est de trop :  {command}", "if it is not wanted:  {command}"),
    "containers_other": (
        "conteneurs : {asked} est arrêté ; les lignes suivantes parlent de {name}",
        "containers: {asked} is stopped; the next lines speak of {name}",
    ),
    "memory_unlimited": (
        "mémoire : ce noyau ne compte pas celle de chaque conteneur : la limite (--memory) est sans effet, le reste "
        "marche",
        "memory: this kernel does not count that of each container: the limit (--memory) has no effect, the rest works",
    ),
    "memory_raspberry": (
        "sur un Raspberry Pi, ajouter cgroup_enable=memory au bout de la ligne de ce fichier, puis redémarrer :  "
        "{command}",
        "on a Raspberry Pi, add cgroup_enable=memory to the end of the line in this file, then reboot:  {command}",
    ),
    # its port
    "settings_port": (
        "réglages : le port du service est {unit}, pas {port}", "settings: the unit's port is {unit}, not {port}"
    ),
    "set_port": ("pour le changer :  {how}", "to change it:  {how}"),
    "set_port_unit": (
        "mettre CLASSCORD_PORT={port} dans /etc/classcord/classcord.env",
        "set CLASSCORD_PORT={port} in /etc/classcord/classcord.env",
    ),
    "set_port_socket": (
        "{command}, avec les lignes  [Socket]  ListenStream=  ListenStream={port}",
        "{command}, with the lines  [Socket]  ListenStream=  ListenStream={port}",
    ),
    "settings_port_later": (
        "réglages : à son prochain démarrage, le port du service sera {unit}, pas {port}",
        "settings: from its next start the unit's port is {unit}, not {port}",
    ),
    "where_set": ("où c'est réglé :  {command}", "where that is set:  {command}"),
    # its health
    "health": ("santé : {said}", "health: {said}"),
    "health_container": (
        "santé : le serveur du conteneur répond", "health: the server in the container answers"
    ),
    "health_check_fails": (
        "santé : le serveur répond sur le port {port}, mais la vérification dans le conteneur échoue : {said}",
        "health: the server answers at port {port}, but the check in the container fails: {said}",
    ),
    "health_too_slow": ("pas de réponse en 4 s", "no answer within 4 s"),
    "health_no_answer": ("pas de réponse", "no answer"),
    "health_inside": ("santé : dans le conteneur : {said}", "health: inside the container: {said}"),
    "health_other_port": (
        "santé : le serveur écoute sur le port {listens}, pas sur {port}",
        "health: the server listens on port {listens}, not on {port}",
    ),
    "or_check_port": ("ou vérifier l'autre port :  {command}", "or check the other port:  {command}"),
    "health_not_listening": (
        "santé : il est démarré, mais rien n'écoute sur le port {port}",
        "health: it is started, but nothing listens on port {port}",
    ),
    "health_blocked": (
        "santé : non vérifiée, un pare-feu de cette machine bloque même les connexions locales",
        "health: not checked, a firewall of this machine blocks even local connections",
    ),
    "health_blocked_why": (
        "santé : sur cette machine même, port {port} : {said} : un pare-feu le bloque",
        "health: on this machine itself, port {port}: {said}: a firewall blocks it",
    ),
    "health_here": (
        "santé : sur cette machine même, port {port} : {said}", "health: on this machine itself, port {port}: {said}"
    ),
    "end_and_start": (
        "l'arrêter (Ctrl-C) et le relancer :  {command}", "end it (Ctrl-C) and start it again:  {command}"
    ),
    # where it listens
    "listening_all": ("écoute : sur toutes les adresses", "listening: on all addresses"),
    "listening": ("écoute : sur {addresses}", "listening: on {addresses}"),
    "listening_loopback": (
        "écoute : en local seulement ({addresses}) : seule cette VM peut se connecter",
        "listening: on loopback only ({addresses}): only this VM can connect",
    ),
    "start_without_host": (
        "le lancer sans --host 127.0.0.1 et sans CLASSCORD_HOST (service :  {command})",
        "start it without --host 127.0.0.1, and without CLASSCORD_HOST (unit:  {command})",
    ),
    "listening_ipv6": (
        "écoute : sur une adresse IPv6 seulement ; les postes emploient IPv4",
        "listening: on an IPv6 address only: the desks use IPv4",
    ),
    "start_without_host_ipv6": (
        "le lancer sans --host (service : sans CLASSCORD_HOST)",
        "start it without --host (unit: without CLASSCORD_HOST)",
    ),
    "listening_inside": (
        "écoute : dans le conteneur, sur 127.0.0.1 seulement : aucun port publié n'y mène",
        "listening: inside the container on 127.0.0.1 only: no published port reaches it",
    ),
    "run_without_host": (
        "le lancer sans --host et sans CLASSCORD_HOST, comme ci-dessous",
        "run it without --host and without CLASSCORD_HOST, as below",
    ),
    "make_again": (
        "{command}  (les comptes et les messages sont ceux du volume {volume})",
        "{command}  (it uses the accounts and messages in the volume {volume})",
    ),
    "published": (
        "publié : {outer} mène au {inner}/tcp du conteneur", "published: {outer} leads to the container's {inner}/tcp"
    ),
    "published_none": (
        "publié : le port du conteneur n'est pas publié : personne ne peut se connecter",
        "published: the container's port is not published: nobody can connect",
    ),
    "published_other": (
        "publié : le port {port} n'est pas publié, mais {others} l'est",
        "published: port {port} is not published, but {others} is",
    ),
    "published_loopback": (
        "publié : sur 127.0.0.1 seulement : seule cette VM peut se connecter",
        "published: on 127.0.0.1 only: only this VM can connect",
    ),
    # its data
    "data": (
        "données : il reste {free} Mo sur le disque pour {folder}", "data: the disk has {free} MB left for {folder}"
    ),
    "data_unseen": (
        "données : impossible de voir si le disque est plein", "data: can't see how full the disk is"
    ),
    "data_full": (
        "données : le disque est plein (il reste {free} ko pour {folder})",
        "data: the disk is full ({free} kB left for {folder})",
    ),
    "data_almost_full": (
        "données : le disque est presque plein (il reste {free} Mo pour {folder})",
        "data: the disk is almost full ({free} MB left for {folder})",
    ),
    "whats_in_it": ("ce qui l'occupe :  {command}", "what is in it:  {command}"),
    "old_copies": (
        "les copies d'avant les mises à jour peuvent s'effacer :  {command}",
        "the copies from before upgrades may go:  {command}",
    ),
    "disk_logs": (
        "si c'est le disque de la VM qui est plein :  {command}", "if it is the VM's own disk that is full:  {command}"
    ),
    "prune_is_no_help": (
        "ne libère rien dans un volume :  {command}", "frees nothing in a volume:  {command}"
    ),
    "data_not_written": (
        "données : le serveur ne peut pas écrire : {detail}", "data: the server can't write: {detail}"
    ),
    "disk_full": ("le disque est-il plein ?  {command}", "is the disk full?  {command}"),
    "other_owner": (
        "ou le dossier est-il à un autre utilisateur ?  {command}",
        "or does the folder belong to another user?  {command}",
    ),
    "desks_unseen": (
        "postes : le journal du serveur est illisible d'ici", "desks: the server's log can't be read"
    ),
    "desks_hidden": (
        "postes : ils arrivent tous sous l'adresse {address}. S'il y en a plusieurs, un NAT cache leurs adresses ; le "
        "chat marche",
        "desks: they come as {address}. If these are several desks, a NAT hides their addresses; chatting works",
    ),
    "desks_passed_on": (
        "postes : ils arrivent tous sous l'adresse {address}, celle du programme qui passe le port au conteneur ; le "
        "chat marche",
        "desks: they all come as {address}, that of the program which passes the port on to the container; chatting "
        "works",
    ),
    "without_masquerade": (
        "sur un hôte Linux, sans --masquerade :  {command}", "on a Linux host, without --masquerade:  {command}"
    ),
    "desks": ("postes : le serveur a vu {peers}", "desks: the server has seen {peers}"),
    "desks_none": ("postes : aucun ne s'est encore connecté", "desks: none has connected yet"),
}
