"""What the doctor says of the VM."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS"]

TEXTS: Mapping[str, tuple[str, str]] = {
    "address_needs_ip": ("adresse : il faut la commande ip", "address: needs the command ip"),
    "address_none": ("adresse : cette VM n'en a pas", "address: this VM has no address"),
    "address": (
        "adresse : {addresses} - à donner à --vm sur l'hôte", "address: {addresses} - give it to --vm on the host"
    ),
    "address_virtualbox": (
        "10.0.2.x est le NAT de VirtualBox : l'hôte n'entre que par une redirection de port de VirtualBox "
        "(deploy/nat/virtualbox.*)",
        "10.0.2.x is VirtualBox's NAT: the host can connect only by a port forwarding of VirtualBox "
        "(deploy/nat/virtualbox.*)",
    ),
    "route_none": (
        "route par défaut : aucune ; les réponses aux postes se perdent",
        "default route: none; answers to the desks get lost",
    ),
    "route_nobody": (
        "route par défaut : via {gateway}, une adresse que personne n'a",
        "default route: via {gateway}, an address that nobody has",
    ),
    "route": ("route par défaut : via {gateway}, qui existe", "default route: via {gateway}, which is there"),
}
