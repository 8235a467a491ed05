"""What the doctor says of the host."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS"]

TEXTS: Mapping[str, tuple[str, str]] = {
    "heading_host": ("Sur cet hôte, de son port {port} à la VM :", "On this host, from its port {port} to the VM:"),
    "heading_host_vm": (
        "Sur cet hôte, de son port {port} à la VM {vm} :", "On this host, from its port {port} to the VM {vm}:"
    ),
    "host_in_vm": ("dans la VM :  {command}", "in the VM:  {command}"),
    "host_or": ("ou :  {command}", "or:  {command}"),
    "host_then": ("ensuite :  {command}", "then:  {command}"),
    "host_by_hand": ("ou à la main :  {command}", "or by hand:  {command}"),
    "host_look": ("à regarder :  {command}", "look:  {command}"),
    # what forwards the port
    "host_nat": (
        "règle NAT : le port {port} mène à {vm} port {inner}", "NAT rule: port {port} leads to {vm} port {inner}"
    ),
    "host_nat_elsewhere": (
        "règle NAT : le port {port} mène à {other}, et la VM est {vm}",
        "NAT rule: port {port} leads to {other}, and the VM is {vm}",
    ),
    "host_nat_two": (
        "règle NAT : une autre règle mène le port {port} à {others} ; si elle passe en premier, c'est elle qui compte",
        "NAT rule: another rule leads port {port} to {others}; if it comes first, it is the one that counts",
    ),
    "host_nat_virtualbox": (
        "règle NAT : VirtualBox redirige le port {port} ({rule})", "NAT rule: VirtualBox forwards port {port} ({rule})"
    ),
    "host_nat_off": (
        "règle NAT : VirtualBox redirige le port {port} ({rule}), mais cette VM ne tourne pas ({state})",
        "NAT rule: VirtualBox forwards port {port} ({rule}), but that VM is not running ({state})",
    ),
    "host_nat_program": (
        "règle NAT : aucune ; un programme de cet hôte (un redirecteur ou un serveur) écoute sur le port {port} : "
        "{programs} ; un serveur dans la VM voit l'hôte, pas les postes",
        "NAT rule: none; a program of this host (a forwarder or a server) listens on port {port}: {programs}; "
        "a server in the VM sees the host, not the desks",
    ),
    "host_taken": (
        "règle NAT : aucune, car {programs} a le port {port} de cet hôte et ne mène pas au serveur : {outcome}",
        "NAT rule: none, because {programs} has port {port} of this host and does not lead to the server: {outcome}",
    ),
    "host_some_program": ("un programme", "a program"),
    "host_taken_container": (
        "règle NAT : le port {port} mène à un conteneur de cet hôte ({address}), qui n'est pas le serveur : {outcome}",
        "NAT rule: port {port} leads to a container of this host ({address}), which is not the server: {outcome}",
    ),
    "host_stop_container": (
        "un conteneur de cet hôte a le port ; son nom, à donner à docker stop :  {command}",
        "a container of this host has the port; its name, for docker stop:  {command}",
    ),
    "host_comes_back": ("s'il revient :  {command}", "if it comes back:  {command}"),
    "host_restart_vm": (
        "puis éteignez la VM et démarrez-la : VirtualBox ouvre le port à ce moment-là",
        "then shut the VM down and start it: VirtualBox opens the port at that moment",
    ),
    "host_stop_unless": (
        "si {name} (processus {pid}) ne doit pas rediriger le port vers la VM, arrêtez-le :  {command}",
        "if {name} (process {pid}) is not meant to forward the port to the VM, stop it:  {command}",
    ),
    "host_nat_none": (
        "règle NAT : rien sur cet hôte ne redirige le port {port}",
        "NAT rule: nothing on this host forwards port {port}",
    ),
    "host_nat_root": ("règle NAT : seul root peut la lire", "NAT rule: only root can read it"),
    "host_nat_unseen": (
        "règle NAT : ne se voit pas sur ce système ; les lignes suivantes disent si elle marche",
        "NAT rule: can't be seen on this system; the lines below show whether it works",
    ),
    "host_see_containers": (
        "CONTAINERS.md dit comment, pour chaque hyperviseur", "CONTAINERS.md says how, for each hypervisor"
    ),
    "host_which_address": (
        "ADDRESS est l'adresse de la VM, que cette commande y affiche :  {command}",
        "ADDRESS is the VM's; this command in the VM prints it:  {command}",
    ),
    "host_as_user": ("en simple utilisateur :  {command}", "as a normal user:  {command}"),
    "host_not_virtualbox": (
        "ou, si la VM n'est pas celle de VirtualBox :  {command}", "or, if the VM is not VirtualBox's:  {command}"
    ),
    "host_start_vm": (
        "démarrez la VM ; ensuite, en simple utilisateur :  {command}",
        "start the VM; then, as a normal user:  {command}",
    ),
    "host_virtualbox_faulty": (
        "VirtualBox {version} : les versions 7.2 d'avant 7.2.8 coupent ou refusent des connexions redirigées",
        "VirtualBox {version}: the versions 7.2 before 7.2.8 reset or refuse forwarded connections",
    ),
    "host_virtualbox_update": (
        "installez VirtualBox 7.2.8 ou plus récent", "install VirtualBox 7.2.8 or newer"
    ),
    "host_virtualbox_bridge": (
        "ou mettez la carte de la VM en accès par pont : CONTAINERS.md, « VirtualBox »",
        "or give the VM's card bridged access: CONTAINERS.md, « VirtualBox »",
    ),
    # the VM
    "host_vm_behind": (
        "VM : derrière ce qui redirige ; son adresse n'est pas nécessaire",
        "VM: behind its forwarder; its address is not needed",
    ),
    "host_vm_unknown": ("VM : son adresse n'est pas connue", "VM: its address is not known"),
    "host_vm_no_way": ("VM : cet hôte n'a aucun chemin vers {vm}", "VM: this host has no way to {vm}"),
    "host_network_up": (
        "le réseau de la VM (privé hôte, pont) est-il actif ?  {command}",
        "is the VM's network (host-only, bridge) up?  {command}",
    ),
    "host_vm": ("VM : {outcome}, à l'adresse {vm} port {inner}", "VM: {outcome} at {vm} port {inner}"),
    "host_vm_by": (
        "VM : {outcome}, à l'adresse {vm} port {inner} (par {card})", "VM: {outcome} at {vm} port {inner} (by {card})"
    ),
    "host_no_way_back": (
        "VM : elle répond à {inside}, l'adresse de cet hôte sur son réseau, mais pas à {desk} : elle n'a pas de chemin "
        "de retour vers les postes, ou son pare-feu n'en laisse entrer aucun",
        "VM: it answers this host's {inside}, but not {desk}: it has no way back to the desks, or its firewall lets no "
        "desk in",
    ),
    "host_let_in": (
        "ou son pare-feu ne laisse pas entrer {source} ; dans la VM :  {command}",
        "or its firewall doesn't let {source} in: in the VM:  {command}",
    ),
    "host_vm_on": (
        "VM : elle est allumée, mais {vm} port {inner} : {outcome}", "VM: it is on, but {vm} port {inner}: {outcome}"
    ),
    "host_unmask": (
        "pour qu'elle voie les adresses des postes, sans --masquerade :  {command}",
        "so that it sees the desks' own addresses, without --masquerade:  {command}",
    ),
    "host_vm_moved": (
        "VM : {vm} ne répond pas, mais un serveur ClassCord répond à l'adresse {new} : celle de la VM a changé (DHCP)",
        "VM: {vm} does not answer, but a ClassCord server answers at {new}: the VM's address has changed (DHCP)",
    ),
    "host_other_vm": (
        "ou, si l'adresse de la VM a changé, car un serveur ClassCord répond à {new} :  {command}",
        "or, if the VM's address has changed, because a ClassCord server answers at {new}:  {command}",
    ),
    "host_vm_dead": (
        "VM : {vm} ne répond pas, même à un ping", "VM: {vm} does not answer, not even a ping"
    ),
    "host_vm_nobody": (
        "VM : {vm} ne répond pas, même à un ping : personne n'a cette adresse sur le réseau de la VM",
        "VM: {vm} does not answer, not even a ping: nobody has that address on the VM's network",
    ),
    "host_vm_is_on": (
        "la VM est-elle allumée ? Son adresse a-t-elle changé (DHCP) ? Dans la VM, ligne « adresse » :  {command}",
        "is the VM on? Has its address changed (DHCP)? In the VM, line « address »:  {command}",
    ),
    "host_fixed": (
        "pour qu'elle garde son adresse : CONTAINERS.md, « Garder les mêmes adresses »",
        "so that it keeps one address: CONTAINERS.md, « Garder les mêmes adresses »",
    ),
    "host_vm_unheard": (
        "VM : le pare-feu de cet hôte jette ce que {vm} lui répond ; il ne peut rien en savoir",
        "VM: this host's firewall drops what {vm} answers it; nothing can be known from here",
    ),
    # the kernel
    "host_forwarding_on": ("routage : actif", "forwarding: on"),
    "host_forwarding_off": (
        "routage : éteint, cet hôte ne transmet rien à la VM", "forwarding: off, this host sends nothing on to the VM"
    ),
    "host_forwarding_card": (
        "routage : éteint pour la carte {card} : ce qui y entre n'est pas transmis",
        "forwarding: off for the card {card}: what comes in there is not sent on",
    ),
    "host_forwarding_other_card": (
        "routage : éteint pour la carte {card} : les postes de ce réseau-là n'atteignent pas la VM",
        "forwarding: off for the card {card}: desks of that network do not reach the VM",
    ),
    "host_sysctl_file": (
        "si cela revient après un redémarrage, un fichier le règle :  grep -rs forward /etc/sysctl.conf /etc/sysctl.d",
        "if it comes back after a reboot, a file sets it:  grep -rs forward /etc/sysctl.conf /etc/sysctl.d",
    ),
    "host_firewall_root": ("pare-feu : seul root peut en lire les règles", "firewall: only root can read its rules"),
    "host_two_iptables": (
        "pare-feu : iptables-legacy a des règles à côté de celles de nft (le Docker d'un snap en pose) ; tout compte",
        "firewall: rules of iptables-legacy are beside those of nft (the Docker of a snap makes them); both count",
    ),
    "host_firewall": (
        "pare-feu : laisse passer le port {port} vers la VM, et ses réponses",
        "firewall: lets port {port} through to the VM, and its answers",
    ),
    "host_firewall_in": (
        "pare-feu : laisse entrer le port {port} sur cet hôte", "firewall: lets port {port} in on this host"
    ),
    "host_firewall_drops": (
        "pare-feu : {chain} jette les paquets vers la VM ({rule})", "firewall: {chain} drops packets to the VM ({rule})"
    ),
    "host_firewall_drops_in": (
        "pare-feu : {chain} jette ce qui arrive pour le port {port} ({rule})",
        "firewall: {chain} drops what comes for port {port} ({rule})",
    ),
    "host_firewall_only": (
        "pare-feu : laisse passer le port {port} vers la VM, mais depuis {nets} seulement",
        "firewall: lets port {port} through to the VM from {nets} only",
    ),
    "host_add_desks": (
        "les postes en sont-ils ? Sinon :  {command}", "are the desks in it? If not:  {command}"
    ),
    "host_firewall_denied": (
        "pare-feu : laisse passer le port {port} vers la VM, mais pas depuis {nets}",
        "firewall: lets port {port} through to the VM, but not from {nets}",
    ),
    "host_firewall_condition": (
        "pare-feu : une règle peut arrêter le port {port}, selon une condition : {rule}",
        "firewall: a rule may stop port {port}, on a condition: {rule}",
    ),
    "host_answers_die": (
        "pare-feu : {chain} jette les réponses de la VM ({rule}) : aucune règle ne laisse passer ce qui est établi",
        "firewall: {chain} drops the VM's answers ({rule}): no rule lets through what is established",
    ),
    "host_nft_drops": (
        "nftables : la table '{table}' jette les paquets vers la VM ({rule})",
        "nftables: the table '{table}' drops packets to the VM ({rule})",
    ),
    "host_nft_only": (
        "nftables : la table '{table}' ne laisse passer que {nets}",
        "nftables: the table '{table}' lets only {nets} through",
    ),
    "host_nft_denied": (
        "nftables : la table '{table}' jette ce qui vient de certaines adresses ({rule})",
        "nftables: the table '{table}' drops what comes from some addresses ({rule})",
    ),
    "host_nft_condition": (
        "nftables : la table '{table}' peut arrêter des paquets, selon une condition : {rule}",
        "nftables: the table '{table}' may stop packets, on a condition: {rule}",
    ),
    "host_nft_answers_die": (
        "nftables : la table '{table}' jette les réponses de la VM ({rule})",
        "nftables: the table '{table}' drops the VM's answers ({rule})",
    ),
    "host_unheard": (
        "pare-feu : {chain} jette ce qu'on répond à cet hôte ({rule}) : rien n'y laisse entrer ce qui est établi",
        "firewall: {chain} drops what is answered to this host ({rule}): no rule lets in what is established",
    ),
    # the port at the host's own address
    "host_no_lan": (
        "adresse : cet hôte n'en a pas sur le réseau des postes ; le câble est-il branché, le Wi-Fi actif ?",
        "address: this host has no address on the desks' network; is the cable in, the Wi-Fi on?",
    ),
    "host_through_unchecked": (
        "à travers le NAT : pas vérifié, une étape d'avant est rompue",
        "through the NAT: not checked, an earlier hop is broken",
    ),
    "host_through_others": (
        "à travers le NAT : celui-ci ne sert qu'aux autres postes ; à taper sur l'un d'eux",
        "through the NAT: this NAT works for other desks only; type on one of them",
    ),
    "host_through": (
        "à travers le NAT : {outcome}, à l'adresse {lan} port {port} : donnez-la aux SLAM",
        "through the NAT: {outcome} at {lan} port {port}: give that address to SLAM",
    ),
    "host_through_broken": (
        "à travers le NAT : {lan} port {port} : {outcome}", "through the NAT: {lan} port {port}: {outcome}"
    ),
    "host_which_program": ("quel programme est-ce ?  {command}", "which program is that?  {command}"),
    # what the server sees
    "host_desks": (
        "postes : le serveur voit la vraie adresse de chacun ; les réponses de la VM doivent repasser par cet hôte",
        "desks: the server sees each desk's true address; the VM's answers must go back through this host",
    ),
    "host_desks_hidden": (
        "postes : le serveur voit l'adresse de cet hôte pour tous (masquerade) ; le chat marche",
        "desks: the server sees this host's address for all of them (masquerade); chatting works",
    ),
    "host_desks_virtualbox": (
        "postes : le serveur voit 10.0.2.2 pour tous ; le chat marche (le NAT de VirtualBox fait toujours cela)",
        "desks: the server sees 10.0.2.2 for all of them; chatting works (VirtualBox's NAT always does this)",
    ),
    "host_desks_unknown": (
        "postes : le journal du serveur montre quelles adresses il voit",
        "desks: the server's log shows which addresses it sees",
    ),
    # what was seen, what remains, and where to look next
    "host_end_well": (
        "vu : d'ici, le port mène au serveur, et il répond. Reste : le chemin d'un poste à cet hôte",
        "seen: from here the port leads to the server, and it answers. What remains: the way from a desk to this host",
    ),
    "host_end_unsure": (
        "vu : rien de rompu sur cet hôte, mais d'ici rien ne prouve que le serveur répond. Reste : l'essai d'un poste",
        "seen: nothing is broken on this host, but the server was not reached from here. What remains: a try at a desk",
    ),
    "host_next_desk": ("ensuite, une fois, sur un poste :  {command}", "next, once, at a desk:  {command}"),
    "host_between_desk": (
        "si vous en venez, et qu'il ne se trouve pas coupable : le réseau entre les deux (Wi-Fi qui isole les postes, "
        "autre réseau, pare-feu de l'école) ; à taper ici pendant qu'il essaie :  {command}",
        "if you come from there, and it is not to blame itself: the network between the two (Wi-Fi that isolates "
        "desks, another network, the school's firewall); type here while it tries:  {command}",
    ),
    "host_end_page": (
        "vu : le chat répond d'ici, la page non. Reste : la VM, puis un filtre entre les deux. Ensuite, une fois, si "
        "vous n'en venez pas : la VM, avec la commande ci-dessus",
        "seen: the chat answers from here, the page does not. What remains: the VM, then a filter between the two. "
        "Next, once, unless you come from there: the VM, with the command above",
    ),
    "host_end_vm": (
        "vu : cet hôte redirige, mais le serveur de la VM ne répond pas aux postes. Reste : la VM, puis le réseau "
        "entre les deux. Ensuite, une fois, si vous n'en venez pas : la VM, avec les commandes ci-dessus",
        "seen: this host forwards, but the VM's server does not answer desks. What remains: the VM, then the network "
        "between the two. Next, once, unless you come from there: the VM, with the commands above",
    ),
    "host_between": (
        "si rien n'y est rompu, ne revenez pas ici : le coupable est le réseau entre les deux (carte, câble, mode de "
        "l'hyperviseur) ; à taper des deux côtés pendant qu'un poste essaie :  {command}",
        "if nothing is broken there, don't come back here: the network between the two is to blame (card, cable, "
        "network mode of the hypervisor); type on both sides while a desk tries:  {command}",
    ),
    "host_between_virtualbox": (
        "si rien n'y est rompu, ne revenez pas ici : le coupable est le NAT de VirtualBox ; éteignez la VM et "
        "démarrez-la, ou mettez sa carte en accès par pont (CONTAINERS.md, « VirtualBox »)",
        "if nothing is broken there, don't come back here: VirtualBox's NAT is to blame; shut the VM down and start "
        "it, or give its card bridged access (CONTAINERS.md, « VirtualBox »)",
    ),
    "host_end_here": (
        "vu : le premier ✘ est sur cet hôte. Reste : ce qui vient après ; réparez-le, puis relancez cette commande",
        "seen: the first ✘ is on this host. What remains: what comes after it; repair it, then run this again",
    ),
}
