"""A stand-in for VBoxManage, which can't run here. It keeps VMs in a JSON file, and records its command lines.

It knows the commands that deploy/nat/virtualbox.sh may use. It prints the same as VirtualBox, and refuses the same:
changing the settings of a running VM, controlling a stopped one, a rule with a name that is taken.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

VM = dict[str, Any]
RULE = re.compile(r"(\w+),(tcp|udp),((?:\d+\.){3}\d+)?,(\d+),((?:\d+\.){3}\d+)?,(\d+)")


def refuse(text: str) -> None:
    print(f"VBoxManage: error: {text}\nVBoxManage: error: Details: code VBOX_E_OBJECT_NOT_FOUND", file=sys.stderr)
    sys.exit(1)


def find(machines: list[VM], which: str) -> VM:
    for vm in machines:
        if which in (vm["name"], vm["uuid"]):
            return vm
    refuse(f"Could not find a registered machine named '{which}'")
    raise AssertionError


def show(vm: VM) -> None:
    print(f'name="{vm["name"]}"\ngroups="/"\nUUID="{vm["uuid"]}"\nVMState="{vm["state"]}"')
    for number, nic in enumerate(vm["nics"], 1):
        if nic["kind"] == "nat":
            print(f'natnet{number}="{nic.get("net", "nat")}"')
        elif nic["kind"] == "natnetwork":
            print(f'nat-network{number}="{nic["net"]}"')
        print(f'macaddress{number}="08002732EBA{number}"\ncableconnected{number}="on"\nnic{number}="{nic["kind"]}"')
        for index, rule in enumerate(nic.get("rules", [])):
            print(f'Forwarding({index})="{rule}"')
    for number in range(len(vm["nics"]) + 1, 9):
        print(f'nic{number}="none"')


def forward(vm: VM, adapter: int, words: list[str]) -> None:
    nic = vm["nics"][adapter - 1]
    if nic["kind"] != "nat":
        refuse(f"Network adapter {adapter} is not attached to NAT")
    rules: list[str] = nic.setdefault("rules", [])
    names = [rule.partition(",")[0] for rule in rules]
    if words[0] == "delete":
        if words[1] not in names:
            refuse("Code E_INVALIDARG (0x80070057)")
        del rules[names.index(words[1])]
        return
    rule = RULE.fullmatch(words[0])
    if rule is None or len(words) != 1:
        refuse(f"Invalid port-forwarding rule {words}")
        raise AssertionError
    if rule[1] in names:
        refuse("A NAT rule of this name already exists")
    rules.append(words[0])


def main(words: list[str]) -> None:
    folder = Path(os.environ["VBOX_STANDIN"])
    machines: list[VM] = json.loads((folder / "machines.json").read_text())
    if words == ["--version"]:
        version = folder / "version"
        print(version.read_text() if version.exists() else "7.1.12r169651")
        return
    if words in (["list", "vms"], ["list", "runningvms"]):
        for vm in machines:
            if words[1] == "vms" or vm["state"] in ("running", "paused"):
                print(f'"{vm["name"]}" {{{vm["uuid"]}}}')
        return
    if words[0] == "showvminfo" and words[2:] == ["--machinereadable"]:
        show(find(machines, words[1]))
        return
    with (folder / "changes").open("a") as changes:
        changes.write(" ".join(words) + "\n")
    vm = find(machines, words[1])
    option = re.fullmatch(r"(--)?natpf([1-8])", words[2])
    if words[0] not in ("modifyvm", "controlvm") or option is None or bool(option[1]) != (words[0] == "modifyvm"):
        refuse(f"Unknown option: {' '.join(words)}")
        raise AssertionError
    live = vm["state"] in ("running", "paused")
    if words[0] == "modifyvm" and live:
        refuse(f"The machine '{vm['name']}' is already locked for a session (or being unlocked)")
    if words[0] == "modifyvm" and vm["state"] == "saved" and vm.get("strict"):
        refuse("The machine is not mutable (state is Saved)")
    if words[0] == "controlvm" and not live:
        refuse(f"Machine '{vm['name']}' is not currently running.")
    forward(vm, int(option[2]), words[3:])
    (folder / "machines.json").write_text(json.dumps(machines))


if __name__ == "__main__":
    main(sys.argv[1:])
