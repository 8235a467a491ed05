"""The PowerShell scripts of deploy/nat. They can't run here, so these tests parse them and look for mistakes.

PowerShell finds an unknown command, parameter or variable only when it comes to that line; these tests find it before.
They can't tell whether Windows behaves as the scripts expect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tests.support import ROOT

FOLDER = ROOT / "deploy" / "nat"
SCRIPTS = ("virtualbox.ps1", "windows-portproxy.ps1")

CMDLETS = {
    "ForEach-Object": "", "Get-Command": "Name CommandType ErrorAction", "Join-Path": "", "New-Object": "",
    "Get-NetFirewallRule": "Direction Action Enabled ErrorAction", "Get-NetIPAddress": "AddressFamily",
    "Get-NetTCPConnection": "LocalPort State ErrorAction", "Restart-Service": "Name Force",
    "Set-Service": "Name StartupType",
    "Get-ScheduledTask": "TaskName ErrorAction", "Get-Service": "Name",
    "New-ScheduledTaskAction": "Execute Argument", "New-ScheduledTaskTrigger": "AtLogOn User",
    "New-ScheduledTaskPrincipal": "UserId LogonType RunLevel",
    "New-ScheduledTaskSettingsSet": "AllowStartIfOnBatteries DontStopIfGoingOnBatteries",
    "Register-ScheduledTask": "TaskName Action Trigger Principal Settings Force",
    "Unregister-ScheduledTask": "TaskName Confirm", "Select-Object": "First Unique", "Set-StrictMode": "Version",
    "Test-Path": "LiteralPath", "Where-Object": "", "Write-Host": "", "Write-Output": "",
}
"""The cmdlets that the scripts may use, with their parameters: all in the documentation of Windows PowerShell 5.1."""
AUTOMATIC = {"_", "args", "false", "lastexitcode", "matches", "myinvocation", "null", "pscommandpath", "true"}


def tree(script: str) -> Node:
    source = (FOLDER / script).read_bytes()
    return Parser(Language(tree_sitter_powershell.language())).parse(source).root_node


def walk(node: Node, *kinds: str) -> Iterator[Node]:
    """This node and all below, or those of these kinds."""
    if not kinds or node.type in kinds:
        yield node
    for child in node.children:
        yield from walk(child, *kinds)


def text(node: Node | None) -> str:
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def name(variable: Node) -> str:
    return text(variable).strip("${}").lower()


def functions(root: Node) -> dict[str, Node]:
    found = [(text(next(walk(node, "function_name"))), node) for node in walk(root, "function_statement")]
    assert len(found) == len(dict(found)), "a function is defined twice"
    return dict(found)


def called(node: Node) -> set[str]:
    return {text(command.child_by_field_name("command_name")) for command in walk(node, "command")}


def assigned(node: Node) -> set[str]:
    """The variables that this part sets: by assignment, as parameters, in loops."""
    names = set()
    for each in walk(node, "left_assignment_expression", "script_parameter", "foreach_statement"):
        variable = next(walk(each, "variable"))
        if each.type != "left_assignment_expression" or text(each) == text(variable):
            names.add(name(variable))
    return names


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_correct_powershell(script: str) -> None:
    faults = [node for node in walk(tree(script)) if node.type == "ERROR" or node.is_missing]
    assert not faults, [(node.start_point, node.text) for node in faults]


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_short_and_plain_ascii(script: str) -> None:
    """PowerShell 5.1 reads a file without a byte order mark in the machine's own encoding."""
    source = (FOLDER / script).read_bytes()
    assert source.isascii()
    assert b"\r" not in source
    assert b"\t" not in source
    assert len(source.splitlines()) <= 400


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_needs_no_later_powershell_than_that_of_windows(script: str) -> None:
    root = tree(script)
    assert not list(walk(root, "pipeline_chain_tail")), "&& and || came with PowerShell 7"
    assert (FOLDER / script).read_text().startswith("#Requires -Version 5.1\n")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_is_there_and_has_these_parameters(script: str) -> None:
    root = tree(script)
    own = functions(root)
    for command in walk(root, "command"):
        called_name = text(command.child_by_field_name("command_name"))
        parameters = {text(node)[1:].rstrip(":") for node in walk(command, "command_parameter")}
        if called_name == "$Program":
            continue
        if called_name in own:
            assert not parameters, f"{called_name} is called by position"
            taken = len(list(walk(own[called_name], "script_parameter")))
            elements = command.child_by_field_name("command_elements")
            given = [node for node in elements.children if node.type != "command_argument_sep"] if elements else []
            assert len(given) == taken, f"{text(command)}: {taken} arguments"
        else:
            assert parameters <= set(CMDLETS[called_name].split()), text(command)
    assert set(own) <= called(root), "a function is never called"


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_variable_is_set_before_it_is_read(script: str) -> None:
    """In strict mode, reading an unset variable ends the script. A function sees its own variables and the script's."""
    root = tree(script)
    own = functions(root)
    inside = {node.id for function in own.values() for node in walk(function, "variable")}
    everywhere = set(AUTOMATIC)
    for each in walk(root, "left_assignment_expression", "foreach_statement"):
        variable = next(walk(each, "variable"))
        if variable.id not in inside:
            everywhere.add(name(variable))
    for function, node in own.items():
        known = everywhere | assigned(node)
        for variable in walk(node, "variable"):
            read = name(variable)
            assert read in known or read.startswith("env:"), f"{function} reads ${read}"
    for variable in walk(root, "variable"):
        if variable.id not in inside:
            assert name(variable) in everywhere


@pytest.mark.parametrize("script", SCRIPTS)
def test_functions_that_return_something_print_nothing(script: str) -> None:
    """The output of Write-Output in a function is part of the function's result."""
    own = functions(tree(script))
    returning = {each for each in own if re.match("(Find|Get|Read|Test)-", each)}
    printing = {each for each, node in own.items() if each not in returning and "Write-Output" in called(node)}
    for each in returning:
        reached = {each}
        while more := {call for inner in reached for call in called(own[inner]) if call in own} - reached:
            reached |= more
        assert not reached & printing, f"{each} prints by {reached & printing}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_option_of_the_help_is_read(script: str) -> None:
    root = tree(script)
    shown = {word.replace("-", "") for word in re.findall(r"^  --([a-z-]+)", text(functions(root)["Write-Help"]), re.M)}
    read = next(node for node in walk(root, "command") if text(node).startswith("Read-CommandLine "))
    assert set(re.findall(r"'(\w+)'", text(read))) == shown
    used = set(re.findall(r"\$options\['(\w+)'\]", text(root)))
    assert used == shown | {"action"}


def changes(script: str) -> list[str]:
    """The command lines with which the script changes something, as written there: variables by name."""
    lines = []
    for command in walk(tree(script), "command"):
        if text(command.child_by_field_name("command_name")) == "Invoke-Change":
            # the last is the hint, or the place where it begins
            program, words, _ = (
                node for node in command.child_by_field_name("command_elements").children  # type: ignore[union-attr]
                if node.type != "command_argument_sep"
            )
            strings = [text(node).strip("'\"") for node in walk(words, "verbatim_string_literal", "string_literal")]
            lines.append(" ".join([text(program).strip("'"), *strings]))
    return lines


def test_the_command_lines_of_the_port_proxy_are_those_of_the_documentation() -> None:
    assert changes("windows-portproxy.ps1") == [
        "netsh interface portproxy delete v4tov4 listenaddress=$Listen listenport=$port",
        "netsh interface portproxy add v4tov4 listenaddress=$listen listenport=$port connectaddress=$target "
        "connectport=$port",
        "netsh advfirewall firewall add rule name=$firewall dir=in action=allow protocol=TCP localport=$port",
        "netsh advfirewall firewall delete rule name=$firewall",
    ]


def test_the_command_lines_of_virtualbox_are_those_of_the_shell_script() -> None:
    """Those of virtualbox.sh are tried on the stand-in for VBoxManage, in test_nat_hosts.py."""
    shell = (FOLDER / "virtualbox.sh").read_text()
    powershell = (FOLDER / "virtualbox.ps1").read_text()
    assert 'set -- controlvm "$uuid" "natpf$on"' in shell
    assert 'set -- modifyvm "$uuid" "--natpf$on"' in shell
    assert changes("virtualbox.ps1") == ["$vboxmanage controlvm natpf$Adapter", "$vboxmanage modifyvm --natpf$Adapter"]
    assert 'wanted="$RULE,tcp,$address,$port,,$port"' in shell
    assert '$wanted = "$Rule,tcp,$address,$port,,$port"' in powershell
    assert 'words="delete $RULE"' in shell
    assert "@('delete', $Rule)" in powershell


def test_both_scripts_for_virtualbox_say_the_same() -> None:
    """Other tests check the shell script's sentences. PowerShell's must be the same, except for its variables."""
    shell = (FOLDER / "virtualbox.sh").read_text()
    powershell = re.sub(r"[\"'] \+\n\s+[\"']", "", (FOLDER / "virtualbox.ps1").read_text())
    for sentence in (
        "run this on the host, where VirtualBox is installed", "there are several VMs; say which one with --vm: ",
        "is connected to a NAT network, which has its own rules: VBoxManage natnetwork modify --netname ",
        "is bridged: it has an address on the school's network, and needs no forwarding; give the clients the "
        "address that hostname -I prints in the VM",
        "is NAT, so nothing can be forwarded to it; shut it down and type: ",
        "has port $port already; remove it in VirtualBox (Settings, Network, Port Forwarding), or run the server "
        "on another port, and give that port with --port",
        "The VM is not running: the port opens when it starts.", "is there already; ", "goes to port ",
        " for every client.", "The server will see ", "makes it.", "nothing to do.", " removed.",
        "is the VM starting or stopping? type the same again in a moment",
        "its state is saved: start the VM, then type the same again", "may reset or refuse the connections that it ",
        "install 7.2.8 or later, or go around its NAT with a bridged adapter (see CONTAINERS.md, VirtualBox)",
    ):
        assert sentence in shell.replace("\\\n", "")
        assert sentence in powershell


def pattern(script: str, function: str) -> str:
    """The regular expression with which the function reads a program's output. Python reads it in the same way."""
    match = re.search(r"\$line -match '([^']*)'", text(functions(tree(script))[function]))
    assert match
    return match[1]


ENGLISH = """
Protocol tcp Port Exclusion Ranges

Start Port    End Port
----------    --------
      5357        5357
     12289       12388
     50000       50059     *

* - Administered port exclusions.
"""
FRENCH = """
Protocole tcp Plages d'exclusion de ports

Port de d\ufffdbut   Port de fin
-------------   -----------
        12289          12388
        20807          20807
        50000          50059     *

* - Exclusions de ports administr\ufffds.
"""


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("shown", [ENGLISH, FRENCH])
def test_the_ports_that_windows_reserves_are_read_in_any_language(script: str, shown: str) -> None:
    """In the form in which Windows prints them; PowerShell may get no letters with accents from its console."""
    reads = text(functions(tree(script))["Find-Reservation"])
    read = [re.search(pattern(script, "Find-Reservation"), line) for line in shown.splitlines()]
    found = [match.groups() for match in read if match]
    assert ("12289", "12388") in found
    assert ("50000", "50059") not in found, "there, programs may listen: this is also what the cure leaves"
    assert len(found) == 2
    assert "@('interface', 'ipv4', 'show', 'excludedportrange', 'protocol=tcp')" in reads
    assert "[int] $Matches[1] -le $Port -and $Port -le [int] $Matches[2]" in reads


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_reserved_port_gets_the_cure_and_exit_code_1(script: str) -> None:
    own = functions(tree(script))
    cure = text(own["Show-Reservation"])
    stop = cure.index("net stop winnat")
    add = cure.index("netsh int ipv4 add excludedportrange protocol=tcp $only store=persistent")
    assert stop < add < cure.index("net start winnat")
    assert '"startport=$Port numberofports=1"' in cure
    for function in ("Invoke-Apply", "Show-Status"):
        assert "Show-Reservation $port $again" in text(own[function])
        assert re.search(r"if \(\(Find-Reservation \$port\) -ne ''\) \{ (exit 1|\$code = 1) \}", text(own[function]))


def test_the_document_has_the_same_cures() -> None:
    document = (ROOT / "CONTAINERS.md").read_text()
    cure = text(functions(tree("virtualbox.ps1"))["Show-Reservation"])
    for line in re.findall(r"'    (net .*)'", cure):
        assert f"`{line}`" in document
    add = "netsh int ipv4 add excludedportrange protocol=tcp startport=12345 numberofports=1 store=persistent"
    assert f"`{add}`" in document
    assert "Restart-Service iphlpsvc -Force" in document
    for update in re.findall(r"KB\d+", (FOLDER / "virtualbox.ps1").read_text()):
        assert update in document


def ends(script: str, function: str) -> list[list[str]]:
    """The calls of Show-Next in the function: place, what was seen, what remains, port."""
    found = []
    for command in walk(functions(tree(script))[function], "command"):
        if text(command.child_by_field_name("command_name")) == "Show-Next":
            elements = command.child_by_field_name("command_elements")
            assert elements is not None
            found.append([text(each).strip("'\"") for each in elements.children if each.type != "command_argument_sep"])
    return found


def test_status_ends_with_what_was_seen_what_remains_and_one_next_place() -> None:
    """Host and VM must not send a person to each other for ever."""
    for script in SCRIPTS:
        said = text(functions(tree(script))["Show-Next"])
        assert 'Write-Output "Seen: $Seen. What remains: $Rest."' in said
        assert "Next, once, unless you come from there, in the VM: sudo make doctor PORT=$Port" in said
        assert "If nothing is broken there, don't come back: look at the last of what remains." in said
        assert "Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ADDRESS_" in said
        assert "in the VM, make doctor says why" not in (FOLDER / script).read_text()
        places = [place for place, *_ in ends(script, "Show-Status")]
        assert {"host", "vm", "desk"} == set(places)
        for place, _, rest, port in ends(script, "Show-Status"):
            assert port == {"host": "", "vm": "$inner", "desk": "$port"}[place]
            assert place != "vm" or ", then " in rest, "the VM is not the last place"
        # no way through the function without one
        body = text(functions(tree(script))["Show-Status"])
        for part in body.split("exit 1")[:-1]:
            assert "Show-Next" in part or "Find-Reservation" in part


def test_the_port_proxy_asks_the_vm_itself_before_it_sends_a_person_there() -> None:
    status = text(functions(tree("windows-portproxy.ps1"))["Show-Status"])
    direct = status.index("elseif (Test-Answer $target $inner)")
    assert status.index("elseif (Test-Answer $at $port)") < direct < status.index("Show-Next 'vm'")
    # not the VM, if it answers this host: the service that forwards is wrong
    assert status.index("Restart-Service iphlpsvc -Force", direct) < status.index("Show-Next 'vm'")
    assert status.index("--vm NEW") > status.index("Show-Next 'vm'"), "its address may have changed"
    assert "Hyper-V's changes when Windows restarts" in status
    assert ".Wait(3000)" in text(functions(tree("windows-portproxy.ps1"))["Test-Answer"])


def test_what_the_port_proxy_says_to_type_runs_and_has_what_is_in_force() -> None:
    """By default, Windows runs no script that is named without -ExecutionPolicy Bypass."""
    source = (FOLDER / "windows-portproxy.ps1").read_text()
    assert '$call = "powershell -ExecutionPolicy Bypass -File ""$PSCommandPath"""' in source
    status = text(functions(tree("windows-portproxy.ps1"))["Show-Status"])
    assert '$same = "apply --vm $target --port $port"' in status
    assert '$same = "apply --wsl --port $port"' in status
    assert "if (Test-Refresh) { $same += ' --persist' }" in status
    assert '$same += " --address $at"' in status
    assert '$same = "as administrator: $call $same"' in status
    assert status.count("; $same") == 4, "each fault that apply mends"
    nothing = text(functions(tree("virtualbox.ps1"))["Show-Status"])
    assert '$call = "powershell -ExecutionPolicy Bypass -File ""$PSCommandPath"" apply --port $port"' in nothing


def test_wsl_with_the_network_of_windows_gets_no_forwarding_but_the_rule_that_the_document_has() -> None:
    own = functions(tree("windows-portproxy.ps1"))
    asks = text(own["Test-Mirrored"])
    assert "@('-e', 'wslinfo', '--networking-mode')" in asks
    # where WSL is not installed, wsl.exe waits a minute for a key, to install it
    assert asks.index("Test-Path -LiteralPath 'HKCU:") < asks.index("return $false }") < asks.index("'wsl.exe'")
    assert "if ($options['wsl'] -and (Test-Mirrored)) { Show-Mirrored; exit 1 }" in text(own["Invoke-Apply"])
    assert "if (Test-Mirrored) { Show-Mirrored }" in text(own["Show-Status"])
    shown = re.sub(r"' \+\n\s+\"", "", text(own["Show-Mirrored"]))
    rule = re.search(r"New-NetFirewallHyperVRule .*(?=\"\)\n)", shown)
    assert rule
    assert rule[0].replace("$port", "12345") in (ROOT / "CONTAINERS.md").read_text()
    assert [end[0] for end in ends("windows-portproxy.ps1", "Show-Mirrored")] == ["desk", "vm"]


def test_apply_restarts_the_service_that_forwards_and_starts_it_with_windows() -> None:
    own = functions(tree("windows-portproxy.ps1"))
    restart = text(own["Restart-Forwarder"])
    # a service that is disabled can't be restarted
    assert restart.index("Set-Service -Name 'iphlpsvc' -StartupType Automatic") < restart.index("Restart-Service -Name")
    apply = text(own["Invoke-Apply"])
    # not at each logon: that would throw everybody out
    restarts = "if (-not $there -or -not (Test-Service) -or -not (Test-Listener)) { Restart-Forwarder }"
    assert apply.index("'v4tov4', \"listenaddress=$listen\"") < apply.index(restarts)
    assert "$service.Status -eq 'Running' -and $service.StartType -eq 'Automatic'" in text(own["Test-Service"])
    status = text(own["Show-Status"])
    assert "-not (Test-Service)" in status
    assert "-not (Test-Listener)" in status


@pytest.mark.parametrize(("version", "breaks"), [
    ("7.2.0r170228", True), ("7.2.6r172322", True), ("7.2.4_Ubuntur170995", True), ("7.2.8r173730", False),
    ("7.2.10r1", False), ("7.2.14r1", False), ("7.1.16r1", False), ("17.2.1r1", False), ("7.20.1r1", False),
])
def test_the_versions_of_virtualbox_whose_nat_breaks_connections_get_a_warning(version: str, breaks: bool) -> None:
    assert bool(re.search(pattern("virtualbox.ps1", "Show-Version"), version)) == breaks
    assert "if ($options['action'] -ne 'undo') { Show-Version }" in (FOLDER / "virtualbox.ps1").read_text()
