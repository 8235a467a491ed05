"""CONTAINERS.md, followed word by word: every block of commands runs, in order, on the machine that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deploy.lab import Lab, wait_for_answer
from tests.deploy.machines import USER, Desk, Machine
from tests.support import DEADLINE, ROOT

TEXT = (ROOT / "CONTAINERS.md").read_text()
HOME = f"/home/{USER}"
BLOCKS_INSTALL = "docker.io docker-compose git iptables make ncat netcat-openbsd nftables python3 ufw"
"""The packages of a lab's VM that a new VM does not have. The blocks must install what they use."""
PLACES = {"vm": "VM", "hôte": "hôte", "slam": "SLAM"}


class Block(NamedTuple):
    """A fenced block: its language, its machine, its special mark, its line number and the commands."""

    language: str
    place: str
    flags: frozenset[str]
    line: int
    commands: str


def blocks() -> list[Block]:
    found = []
    for match in re.finditer(r"^```(\S+) ?(.*)\n((?:.*\n)*?)```$", TEXT, re.MULTILINE):
        place, *flags = match[2].split() or [""]
        line = TEXT.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], place, frozenset(flags), line, match[3]))
    return found


def test_the_short_path_comes_first_then_the_plan_of_the_document_of_old() -> None:
    assert re.findall(r"^## (.*)$", TEXT, re.MULTILINE)[:7] == [
        "En 5 minutes", "Sommaire", "Pourquoi Docker ?", "Comment : construire et lancer", "Ports à exposer",
        "Spécificités réseau avec VM + NAT", "Schéma réseau",
    ]


def test_the_short_path_is_whole_and_the_commonest_hypervisor_is_its_first() -> None:
    path = [block for block in blocks() if block.line < 1 + TEXT[: TEXT.index("## Sommaire")].count("\n")]
    assert path[0].line < 20, "it begins on the first screen"
    assert path[-1].line < 80, "and it is short"
    first_lines = [block.commands.splitlines()[-1] for block in path if block.language != "text"]
    assert first_lines[1:4] == [
        "make docker-run",
        r"powershell -ExecutionPolicy Bypass -File deploy\nat\virtualbox.ps1 apply",
        "sh deploy/nat/virtualbox.sh apply",
    ]
    assert [block.place for block in path if block.place] == ["vm", "vm", "hôte", "hôte", "slam", "sortie", "vm"]


def test_the_table_of_contents_has_every_section() -> None:
    sections = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    contents = TEXT[TEXT.index("## Sommaire"):].split("\n## ")[0]
    assert re.findall(r"^- \[(.*?)\]\(#", contents, re.MULTILINE) == sections[2:]


def test_every_hypervisor_has_a_way_to_keep_the_address() -> None:
    nat = TEXT[TEXT.index("## NAT par hyperviseur\n"):].split("\n## ")[0]
    keep = TEXT[TEXT.index("### Garder les mêmes adresses\n"):].split("\n## ")[0]
    titles = "\n".join(re.findall(r"^(?:###|- \*\*).*", nat, re.MULTILINE))
    rows = "\n".join(line for line in keep.splitlines() if line.startswith("|"))
    names = {"VirtualBox", "KVM", "libvirt", "Proxmox", "VMware", "Hyper-V", "WSL", "UTM", "Parallels"}
    for name in names:
        assert name in titles, name
        assert name in rows, name


def test_no_block_escapes_the_tests() -> None:
    assert TEXT.count("```") == 2 * len(blocks())
    assert sum(block.place == "ailleurs" for block in blocks()) == 5, "those that no machine here can run"


def test_every_block_says_where_it_is_typed() -> None:
    for block in blocks():
        assert block.language in ("sh", "powershell", "text"), f"line {block.line}"
        before = TEXT.splitlines()[: block.line - 1]
        if block.language == "sh" and block.place != "ailleurs":
            said = re.findall(r"\*\*(VM|hôte|SLAM)\*\* :$", "\n".join(before), re.MULTILINE)
            assert said[-1] == PLACES[block.place], f"line {block.line}: the text says {said[-1]}"
        elif block.language == "sh":
            assert "n'est pas exécuté par nos tests" in " ".join(before[-8:]), f"line {block.line}"


def _prepare(lab: Lab) -> None:
    """Prepare what the document assumes: a repository to clone, a bare VM, keys to log in with."""
    project = lab.vm.lay_project("/srv/project")
    # no name server: apt gives up at once, and installs from its cache
    lab.vm.run("echo nameserver 127.0.0.1 >/etc/resolv.conf")
    lab.vm.run(f"chown {USER}: /srv && rm -rf {HOME}/classcord")
    lab.vm.run(
        f"cd {project} && git init -q -b main && git config user.email t@example.org && git config user.name t"
        " && git add -A && git commit -qm all && git clone -q --bare . /srv/classcord.git",
        user=USER,
    )
    # VirtualBox can't run here: its stand-in checks the commands
    vms = json.dumps([{"name": "Debian 12", "uuid": "vm-1", "state": "poweroff", "nics": [{"kind": "nat"}]}])
    standin = f"exec env VBOX_STANDIN={HOME} python3 {HOME}/classcord/tests/deploy/standin_vboxmanage.py"
    lab.host.run("cat >machines.json", user=USER, input=vms)
    lab.host.run("cat >/usr/local/bin/VBoxManage", input=f'#!/bin/sh\n{standin} "$@"\n')
    lab.host.run("chmod +x /usr/local/bin/VBoxManage")
    lab.vm.run("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519", user=USER)
    key = lab.vm.run("cat ~/.ssh/id_ed25519.pub", user=USER).stdout
    lab.host.run("mkdir -p .ssh && cat >.ssh/authorized_keys", user=USER, input=key)
    lab.host.run("systemctl start ssh")
    lab.vm.run("ssh-keyscan -T 60 192.168.56.1 >~/.ssh/known_hosts", user=USER)
    lab.vm.run(
        f"gpasswd -d {USER} docker"
        f" && DEBIAN_FRONTEND=noninteractive apt-get purge -q -y --autoremove {BLOCKS_INSTALL} </dev/null"
    )
    # the cache has only the packages of the lab
    lab.vm.run("echo 'APT::Install-Recommends \"false\";' >/etc/apt/apt.conf.d/99lab")
    lab.vm.run("! command -v docker docker-compose make git nc ufw iptables nft python3")


def _until_interrupted(lab: Lab, block: Block) -> None:
    """Run it at a terminal, wait until the server answers a pupil, press Ctrl-C."""
    command = lab.vm.command(block.commands, user=USER, cwd=f"{HOME}/classcord")
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        printed = bytearray()

        def read() -> None:
            try:
                while data := os.read(ours, 4096):
                    printed.extend(data)
            except OSError:
                pass  # the terminal's other end is closed

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        wait_for_answer(lab.vm, "127.0.0.1")
        os.write(ours, b"\x03")
        assert process.wait(DEADLINE) == 0, printed.decode()
        reader.join(DEADLINE)
        os.close(ours)
    assert b"event=stopped" in printed


def _run(desk: Desk, block: Block, at_desk: Path) -> str:
    """Run it as a person there would, in the project's folder or in the home folder (~). Returns the output."""
    cwd = HOME if "~" in block.flags else f"{HOME}/classcord"
    if not isinstance(desk, Machine):
        cwd = str(at_desk)
    commands = block.commands.replace("ADRESSE_DU_DEPOT", "/srv/classcord.git")
    done = desk.run(f"set -e\n{commands}", user=USER, cwd=cwd, check=False)
    assert done.returncode == 0, (
        f"CONTAINERS.md line {block.line}, {block.place}:\n{commands}\nexit code {done.returncode}\n"
        f"{done.stdout}{done.stderr}"
    )
    return done.stdout + done.stderr


@pytest.mark.lab
def test_every_block_runs_in_order(lab: Lab, tmp_path: Path) -> None:
    _prepare(lab)
    shutil.copy(ROOT / "deploy" / "doctor.sh", tmp_path)  # a pupil's desk has only this file of the project
    printed = ""
    desks: dict[str, Desk] = {"vm": lab.vm, "hôte": lab.host, "slam": lab.slam}
    for block in blocks():
        if "docker" in block.flags:  # the other machine has an engine too
            lab.host.run("systemctl enable -q --now docker")
        if "interactif" in block.flags:
            _until_interrupted(lab, block)
        elif block.place in desks:
            printed = _run(desks[block.place], block, tmp_path)
            if "apt install" in block.commands:
                lab.start_engine(lab.vm)  # it has no network to pull the base image from
        elif block.place == "sortie":
            assert block.commands in printed, f"line {block.line}: the last block printed\n{printed}"
