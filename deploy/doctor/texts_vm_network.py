"""What the doctor says of the VM's network and its firewalls."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS"]

TEXTS: Mapping[str, tuple[str, str]] = {
    # on the way to the container
    "bridge_gone": (
        "réseau Docker : {network} n'a plus de carte avec l'adresse {gateway}",
        "Docker network: {network} has no card with the address {gateway} any more",
    ),
    "bridge_down": (
        "réseau Docker : la carte {card} est désactivée : rien n'atteint le conteneur",
        "Docker network: the card {card} is down: nothing reaches the container",
    ),
    "forwarding": ("routage : actif", "forwarding: on"),
    "forwarding_off": (
        "routage : éteint (ip_forward=0) : cette machine n'achemine rien vers le conteneur",
        "forwarding: off (ip_forward=0): this machine sends nothing on to the container",
    ),
    "forwarding_card_off": (
        "routage : éteint pour la carte {card} : cette machine n'achemine rien de ce qui en vient",
        "forwarding: off for the card {card}: this machine sends nothing on from it",
    ),
    "sysctl_file": (
        "au prochain démarrage, c'est de nouveau éteint à cause de :  {files}",
        "at the next start it is off again, because of:  {files}",
    ),
    "sysctl_may": (
        "un fichier peut défaire cela au prochain démarrage ; les regarder :  {command}",
        "a file may undo this at the next start; look at those in:  {command}",
    ),
    # addresses and routes
    "address_needs_ip": ("adresse : il faut la commande ip", "address: needs the command ip"),
    "address_none": ("adresse : cette VM n'en a pas", "address: this VM has no address"),
    "card_connected": (
        "la carte réseau est-elle branchée dans l'hyperviseur ?  {command}",
        "is the network card connected in the hypervisor?  {command}",
    ),
    "address": (
        "adresse : {addresses} - à donner à --vm sur l'hôte", "address: {addresses} - give it to --vm on the host"
    ),
    "address_virtualbox": (
        "10.0.2.x est le NAT de VirtualBox : l'hôte n'entre que par une redirection de port de VirtualBox "
        "(deploy/nat/virtualbox.*)",
        "10.0.2.x is VirtualBox's NAT: the host can connect only by a port forwarding of VirtualBox "
        "(deploy/nat/virtualbox.*)",
    ),
    "from_here": ("d'ici : {said} à l'adresse {address} port {port}", "from here: {said} at {address} port {port}"),
    "from_here_not": ("d'ici : {address} port {port} : {said}", "from here: {address} port {port}: {said}"),
    "listens_there": (
        "écoute-t-il sur cette adresse ?  {command}", "does it listen on that address?  {command}"
    ),
    "route": (
        "route par défaut : via {gateway}, qui existe", "default route: via {gateway}, which exists"
    ),
    "route_unproved": (
        "route par défaut : via {gateway} ; si cette adresse existe encore n'a pas pu être vérifié",
        "default route: via {gateway}; whether that address still exists could not be checked",
    ),
    "route_direct": ("route par défaut : par {card}", "default route: by {card}"),
    "route_none": (
        "route par défaut : aucune ; les réponses aux postes se perdent",
        "default route: none; answers to the desks get lost",
    ),
    "route_nobody": (
        "route par défaut : via {gateway}, une adresse que personne n'a ; les réponses aux postes se perdent",
        "default route: via {gateway}, an address that nobody has; answers to the desks get lost",
    ),
    "route_nobody_needed": (
        "route par défaut : via {gateway}, une adresse que personne n'a ; le serveur ne voit que des adresses de son "
        "propre réseau, et n'en a pas besoin",
        "default route: via {gateway}, an address that nobody has; the server sees addresses of its own network only, "
        "and does not need it",
    ),
    "routers_address": (
        "avec l'adresse de l'hôte sur le réseau de la VM :  {command}",
        "with the host's address on the VM's network:  {command}",
    ),
    "way_back": (
        "retour : les réponses à {desks} partent par {where}", "way back: answers to {desks} leave by {where}"
    ),
    "way_back_unchecked": (
        "retour vers les postes : non vérifié, aucun ne s'est encore connecté ; avec l'adresse d'un poste :",
        "way back to the desks: not checked, none has connected yet; with the address of a desk:",
    ),
    "way_back_none": (
        "retour : aucun chemin vers {desks}", "way back: there is no way to {desks}"
    ),
    "way_back_self": (
        "retour : {desk} est cette machine, pas un poste", "way back: {desk} is this machine, not a desk"
    ),
    "address_of_desk": (
        "donner à --desk l'adresse d'un poste, comme 10.0.108.34", "give --desk a desk's address, like 10.0.108.34"
    ),
    "way_back_network": (
        "retour : les réponses à {desks} partent dans le réseau Docker {network} ({card}), qui a les mêmes "
        "adresses que la salle",
        "way back: answers to {desks} leave into the Docker network {network} ({card}), which has the same "
        "addresses as the room",
    ),
    "make_network_again": (
        "s'il sert, le refaire avec d'autres adresses :  {command}",
        "if it is used, make it again with other addresses:  {command}",
    ),
    "way_back_bridge": (
        "retour : les réponses à {desks} partent par {card}, un réseau de conteneurs ou de VM de cette machine",
        "way back: answers to {desks} leave by {card}, a network of containers or VMs of this machine",
    ),
    "other_range": (
        "donner d'autres adresses à ce réseau (Docker : \"bip\", puis redémarrer) :  {command}",
        "give that network other addresses (Docker: \"bip\", then restart):  {command}",
    ),
    # firewalls
    "firewall_unseen": (
        "pare-feu : seul root peut lire ses règles", "firewall: only root can read its rules"
    ),
    "docker_user_unseen": (
        "DOCKER-USER : seul root peut lire les règles du pare-feu", "DOCKER-USER: only root can read firewall rules"
    ),
    "firewall_ufw_off_unseen": (
        "pare-feu : ufw est inactif ; seul root peut lire d'autres règles",
        "firewall: ufw is off; only root can read other rules",
    ),
    "firewall_two_iptables": (
        "pare-feu : deux iptables ont des règles ici, l'ancien et le nouveau (avec le Docker de snap, par exemple) ; "
        "toutes comptent",
        "firewall: two variants of iptables have rules here, the old and the new one (with snap's Docker, for "
        "example); all count",
    ),
    "docker_rule_gone": (
        "la règle NAT de Docker pour le port {port} a disparu : quelqu'un a vidé le pare-feu",
        "Docker's NAT rule for port {port} is gone: somebody flushed the firewall",
    ),
    "docker_rule_gone_proxy": (
        "la règle NAT de Docker pour le port {port} a disparu : quelqu'un a vidé le pare-feu ; un programme passe "
        "encore le port au conteneur : le chat marche, et les postes arrivent sous l'adresse {gateway}",
        "Docker's NAT rule for port {port} is gone: somebody flushed the firewall; a program still passes the port on "
        "to the container: chatting works, and the desks come as {gateway}",
    ),
    "nft_missing": (
        "pare-feu : sans la commande nft, les règles de Docker ne se voient pas d'ici",
        "firewall: without the command nft, Docker's rules can't be seen from here",
    ),
    "take_out_of_file": (
        "enlever de ce fichier {what} (ou y mettre true) :  {command}",
        "take {what} out of this file (or make it true):  {command}",
    ),
    "take_out_of_dockerd": (
        "enlever {what} des options de dockerd ; où elles sont :  {command}",
        "take {what} out of dockerd's options; where they are:  {command}",
    ),
    "restart_desktop": ("redémarrer Docker Desktop", "restart Docker Desktop"),
    "docker_no_proxy": (
        "Docker ne touche pas au pare-feu ({why}), et aucun programme ne passe le port {port} au conteneur : personne "
        "ne peut se connecter",
        "Docker leaves the firewall alone ({why}), and no program passes port {port} on to the container: nobody can "
        "connect",
    ),
    "docker_proxy": (
        "Docker ne touche pas au pare-feu ({why}) : un programme passe le port {port} au conteneur, et les postes "
        "arrivent sous l'adresse {gateway}",
        "Docker leaves the firewall alone ({why}): a program passes port {port} on to the container, and the desks "
        "come as {gateway}",
    ),
    "docker_proxy_why": (
        "le chat marche ; pour voir les vraies adresses, c'est réglé dans :  {command}",
        "chatting works; to see the true addresses, it is set in:  {command}",
    ),
    "ufw_goes_around": (
        "ufw : actif, mais Docker le contourne : ufw ne bloque ni ne protège le conteneur",
        "ufw: on, but Docker goes around it: ufw does not block or protect the container",
    ),
    "iptables_unseen": (
        "pare-feu : iptables ne montre pas ses règles", "firewall: iptables does not show its rules"
    ),
    "iptables_missing": ("iptables : pas installé", "iptables: not installed"),
    "firewall_name": ("pare-feu", "firewall"),
    "firewall_lets": ("{name} : laisse entrer le port {port}", "{name}: lets port {port} in"),
    "docker_user_lets": ("{name} : laisse passer le port {port}", "{name}: lets port {port} through"),
    "guard_lets": (
        "protection de deploy/ufw.sh : laisse passer le port {port}", "guard of deploy/ufw.sh: lets port {port} through"
    ),
    "nft_lets": (
        "nftables : la table {table} laisse passer le port {port}",
        "nftables: the table {table} lets port {port} through",
    ),
    "lets_only": ("{said} de {nets} seulement", "{said} from {nets} only"),
    "are_desks_in_it": (
        "les postes en font-ils partie ? Sinon :  {command}", "are the desks in it? If not:  {command}"
    ),
    "if_nat_hides": (
        "si un NAT cache les adresses des postes, ils arrivent sous {gateway} ; alors :  {command}",
        "if a NAT hides the desks' addresses, they come as {gateway}; then:  {command}",
    ),
    "lets_but_not": ("{said}, mais pas de {nets}", "{said}, but not from {nets}"),
    "rule_about_them": ("la règle qui en parle :  {command}", "the rule about them:  {command}"),
    "lets_limited": (
        "{said}, mais une règle limite les connexions : {rule}", "{said}, but a rule limits connections: {rule}"
    ),
    "lets_limited_all": (
        "{said}, mais une règle limite les connexions, et tous les postes arrivent sous {address} : elle met la "
        "classe dehors : {rule}",
        "{said}, but a rule limits connections, and all desks come as {address}: it shuts the class out: {rule}",
    ),
    "lets_under_condition": (
        "{said}, mais seulement sous une condition : {rule}", "{said}, but only under a condition: {rule}"
    ),
    "let_all": ("ou laisser entrer toute la salle :  {command}", "or let the whole room in:  {command}"),
    "ufw_has_no_rule": (
        "ufw : est actif, et n'a pas de règle qui laisse entrer le port {port}",
        "ufw: is on and has no rule that lets port {port} in",
    ),
    "ufw_keeps_out": (
        "ufw : est actif, et une règle ne laisse pas entrer le port {port}",
        "ufw: is on and has a rule that keeps port {port} out",
    ),
    "iptables_drops": (
        "pare-feu : iptables bloque le port {port} ({rule})", "firewall: iptables drops port {port} ({rule})"
    ),
    "docker_rules_gone": (
        "iptables : {chain} bloque les paquets pour le conteneur ({rule}) : les règles de Docker ont disparu",
        "iptables: {chain} drops packets to the container ({rule}): Docker's own rules are gone",
    ),
    "guard_closed": (
        "DOCKER-USER : la protection de deploy/ufw.sh ne laisse personne atteindre le port {port}",
        "DOCKER-USER: the guard of deploy/ufw.sh lets nobody reach port {port}",
    ),
    "open_to_all": ("ou l'ouvrir à tous :  {command}", "or open it to all:  {command}"),
    "docker_user_drops": (
        "DOCKER-USER : une règle bloque le port {port} ({rule})", "DOCKER-USER: a rule drops port {port} ({rule})"
    ),
    "table_drops": (
        "pare-feu : la table {table} d'iptables bloque le port {port} ({rule})",
        "firewall: the table {table} of iptables drops port {port} ({rule})",
    ),
    "table_drops_some": (
        "pare-feu : la table {table} d'iptables bloque une partie de ce qui vient au port {port} ({rule})",
        "firewall: the table {table} of iptables drops some of what comes to port {port} ({rule})",
    ),
    "nft_closed": (
        "nftables : la table '{table}' bloque tous les ports qu'elle ne nomme pas, et elle ne nomme pas le port {port}",
        "nftables: the table '{table}' drops every port that it does not name, and it does not name port {port}",
    ),
    "open_it": ("l'ouvrir :  {command}", "open:  {command}"),
    "nft_drops": (
        "nftables : une règle de la table '{table}' bloque le port {port} : {rule}",
        "nftables: a rule of the table '{table}' drops port {port}: {rule}",
    ),
    "nft_drops_some": (
        "nftables : une règle de la table '{table}' bloque le port {port} pour {nets} : {rule}",
        "nftables: a rule of the table '{table}' drops port {port} from {nets}: {rule}",
    ),
    "nft_condition": (
        "nftables : une règle de la table '{table}' décide du port {port} sous une condition : {rule}",
        "nftables: a rule of the table '{table}' decides on port {port} under a condition: {rule}",
    ),
    "answers_die": (
        "pare-feu : les réponses du serveur sont bloquées (iptables, table {table} : {rule}) : les postes ne reçoivent "
        "rien du port {port}",
        "firewall: the server's answers are dropped (iptables, table {table}: {rule}): desks get nothing from port "
        "{port}",
    ),
    "nft_answers_die": (
        "nftables : la table '{table}' bloque les réponses du serveur ({rule}) : les postes ne reçoivent rien du port "
        "{port}",
        "nftables: the table '{table}' drops the server's answers ({rule}): desks get nothing from port {port}",
    ),
    "answers_too": ("et les réponses aussi :  {command}", "and the answers too:  {command}"),
    "firewall_hidden": (
        "pare-feu : quelque chose bloque même les connexions locales, et ce n'est pas dans les règles ci-dessus",
        "firewall: something blocks even local connections, and it isn't in the rules above",
    ),
    # beyond the VM
    "beyond": (
        "vu : le serveur répond à l'adresse {address} port {port}, et cette VM laisse entrer les postes. Reste : "
        "{remains}",
        "seen: the server answers at {address} port {port}, and this VM lets the desks in. What remains: {remains}",
    ),
    "beyond_doubtful": (
        "vu : le serveur répond à l'adresse {address} port {port}. Reste : les lignes marquées ! du pare-feu, "
        "ci-dessus, puis {remains}",
        "seen: the server answers at {address} port {port}. What remains: the firewall's lines marked ! above, then "
        "{remains}",
    ),
    "beyond_unprivileged": (
        "vu : le serveur répond à l'adresse {address} port {port}. Reste : le pare-feu de cette VM, puis {remains}",
        "seen: the server answers at {address} port {port}. What remains: this VM's firewall, then {remains}",
    ),
    "remains_host": (
        "la redirection (il n'y en a pas si la VM est en mode pont) et le pare-feu de l'hôte, puis le poste",
        "the host's forwarding (there is none if the VM is bridged) and its firewall, then the desk",
    ),
    "remains_desk": (
        "le poste, et l'adresse qu'il emploie : {address}. La VM est sur le réseau de la salle, l'hôte n'a rien à "
        "rediriger",
        "the desk, and the address that it uses: {address}. The VM is in the room's network, the host has nothing to "
        "forward",
    ),
    "remains_wsl": (
        "le pare-feu d'Hyper-V sous Windows, puis le poste, et l'adresse qu'il emploie : {address}. WSL est en mode "
        "mirrored, Windows n'a rien à rediriger",
        "the firewall of Hyper-V in Windows, then the desk, and the address that it uses: {address}. WSL is in "
        "mirrored mode, Windows has nothing to forward",
    ),
    "next_wsl": (
        "ensuite, dans PowerShell, en administrateur :  {command}", "next, in PowerShell, as administrator:  {command}"
    ),
    "next_desk_only": ("ensuite, depuis un poste :  {command}", "next, at a desk:  {command}"),
    "next_host": ("ensuite, sur l'hôte :  {command}", "next, on the host:  {command}"),
    "next_windows": ("sous Windows :  {command}", "on Windows:  {command}"),
    "next_desk": (
        "si rien n'y est rompu non plus, depuis un poste :  {command}",
        "if nothing is broken there either, at a desk:  {command}",
    ),
}
