"""The school's network with a server in the VM, and the host's NAT for it: for the doctor's tests in the lab."""

from __future__ import annotations

from tests.deploy.lab import VM, Lab, wait_for_answer
from tests.deploy.test_doctor_unit import UNIT

__all__ = ["DNAT", "NAT", "load", "mine", "serve", "set_nat"]

NAT = """table ip classcord {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        %s
    }
    chain output {
        type nat hook output priority -100;
        ip daddr 10.0.108.42 %s
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        %s
    }
}
"""
DNAT = f"tcp dport 12345 dnat to {VM}"
"""The rule that leads to the VM. NAT takes it twice, and a rule for postrouting."""


def serve(lab: Lab) -> None:
    """Start the server in the VM, and wait until it answers."""
    (lab.vm.root / "etc/systemd/system/classcord.service").write_text(UNIT)
    lab.vm.run("systemctl daemon-reload; systemctl start classcord")
    wait_for_answer(lab.vm, "127.0.0.1")


def set_nat(lab: Lab) -> None:
    """Set the host's NAT, as deploy/nat/linux.sh does: it hides the VM's neighbours, else answers would not pass it."""
    load(lab, NAT % (DNAT, DNAT, f"ct status dnat ip saddr 192.168.56.0/24 ip daddr {VM} masquerade"))
    lab.host.run("sysctl -qw net.ipv4.ip_forward=1")


def mine(hook: str, rules: str, priority: int = 0) -> str:
    """A table of nft that the project doesn't know."""
    return f"table inet mine {{\n chain c {{\n type filter hook {hook} priority {priority};\n{rules}\n}}\n}}\n"


def load(lab: Lab, rules: str) -> None:
    """Replace all of the host's rules of nft by these."""
    lab.host.run("nft -f -", input="flush ruleset\n" + rules)
