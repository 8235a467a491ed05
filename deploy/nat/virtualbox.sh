#!/bin/sh
# On a Linux or macOS host with VirtualBox: forwards port 12345 of the host to the same port of the VM, by a rule of
# VirtualBox's own NAT. On a Windows host, virtualbox.ps1 does the same.
# VirtualBox can't run on the project's test machines: the tests run this script against a stand-in for VBoxManage.
set -eu

usage() {
    cat <<'END'
Usage: virtualbox.sh apply|status|undo [--vm NAME] [--port N] [--address ADDRESS] [--dry-run]

Run it on the host, as the user who made the VM (without sudo).
  apply    forward port 12345 of this host to port 12345 of the VM, now and after every restart
  status   say whether that rule is there, and whether the server answers through it
  undo     remove the rule

  --vm NAME          the VM, by name or UUID; not needed if there is only one, or only one is running
  --port N           the port, on this host and in the VM (12345)
  --address ADDRESS  IPv4 address of this host to listen on (every address)
  --dry-run          show what apply or undo would run, and change nothing

Exit code: 0 fine, 1 not active or failed, 2 wrong command line.
END
}

RULE=classcord

# --- from deploy/common.sh: script say warn fail misused has is_port is_ipv4 answers ---
script=${0##*/}
say() { printf '%s\n' "$*"; } # echo would change a backslash
warn() { printf '%s: %s\n' "$script" "$*" >&2; }
fail() { warn "$*"; exit 1; }
misused() { warn "$*; see sh $0 --help"; exit 2; }
has() { command -v "$1" >/dev/null 2>&1; }
is_port() { case $1 in '' | *[!0-9]* | 0* | ??????*) false ;; *) [ "$1" -le 65535 ] ;; esac; }
is_ipv4() {
    number='(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
    case $1 in *[!0-9.]*) false ;; *) say "$1" | grep -qxE "($number\.){3}$number" ;; esac
}
# answers ADDRESS PORT [FROM]: does a ClassCord server answer there, if this machine asks it from that address? An open
# port proves nothing: a forwarder accepts connections even if no server listens. It needs python3, or an nc (with -s).
answers() {
    if has python3 && [ "$(uname)" != Darwin ]; then # on a Mac, python3 may only ask to install it
        python3 -I - "$@" <<'END' 2>/dev/null
import socket, sys
server = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2, (sys.argv[3], 0) if sys.argv[3:] else None)
server.sendall(b'{"type":"ping"}\n')
answer = server.recv(4096)
sys.exit(b'"pong"' not in answer and b'"server_full"' not in answer)
END
    else # some kinds of nc end when their input ends
        { printf '{"type":"ping"}\n'; sleep 1; } | nc -w 2 ${3:+-s "$3"} "$1" "$2" 2>/dev/null |
            grep -qE '"(pong|server_full)"'
    fi
}
# --- end of deploy/common.sh ---

action='' vm='' port=12345 address='' dry=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --dry-run) dry=yes ;;
        --vm | --port | --address)
            [ $# -ge 2 ] && [ -n "$2" ] || misused "$1 needs a value"
            case $1 in
                --vm) vm=$2 ;;
                --port) port=$2 ;;
                --address) address=$2 ;;
            esac
            shift
            ;;
        apply | status | undo)
            [ -z "$action" ] || misused "say only one of apply, status and undo"
            action=$1
            ;;
        *) misused "$1 is not an option or an action" ;;
    esac
    shift
done
[ -n "$action" ] || misused "say what to do: apply, status or undo"
is_port "$port" || misused "--port $port: a whole number from 1 to 65535 is needed"
if [ -n "$address" ]; then
    is_ipv4 "$address" || misused "--address $address: an IPv4 address of this host is needed, like 10.0.108.42"
    [ "$address" != 0.0.0.0 ] || address='' # VirtualBox writes every address like this
fi

# --- VirtualBox -----------------------------------------------------------------------------------------------------

vboxmanage=''
for candidate in VBoxManage vboxmanage /usr/local/bin/VBoxManage \
    /Applications/VirtualBox.app/Contents/MacOS/VBoxManage /usr/lib/virtualbox/VBoxManage; do
    if vboxmanage=$(command -v "$candidate"); then
        break
    fi
done
[ -n "$vboxmanage" ] || fail "VBoxManage is not on this machine; run this on the host, where VirtualBox is installed"

# The line of VBoxManage's output that says the error
complaint() {
    printf '%s\n' "$1" | sed -n 's/^VBoxManage[^:]*: error: //p' | head -n 1
}

# Between 7.2.0 and 7.2.6, connections through the NAT break
check_version() {
    version=$("$vboxmanage" --version 2>/dev/null | sed -n 's/^\([0-9]*\.[0-9]*\.[0-9]*\).*/\1/p' | tail -n 1)
    case $version in
    7.2.[0-7])
        warn "VirtualBox $version may reset or refuse the connections that it forwards:" \
            "install 7.2.8 or later, or go around its NAT with a bridged adapter (see CONTAINERS.md, VirtualBox)"
        ;;
    esac
}

# VMs in the list (vms or runningvms): their UUIDs, or their quoted names
uuids() {
    "$vboxmanage" list "$1" 2>/dev/null | sed -n 's/^".*" {\(.*\)}$/\1/p'
}

names() {
    "$vboxmanage" list vms 2>/dev/null | sed -n 's/^\(".*"\) {.*}$/\1/p' |
        awk 'NR > 1 { printf ", " } { printf "%s", $0 }'
}

find_vm() {
    found=$(uuids vms)
    [ -n "$found" ] || fail "VirtualBox has no VM of user $(id -un); run this as the user who made the VM, without sudo"
    case $found in
        *"
"*)
            found=$(uuids runningvms)
            case $found in
                '' | *"
"*) fail "there are several VMs; say which one with --vm: $(names)" ;;
            esac
            ;;
    esac
    vm=$found
}

value() {
    printf '%s\n' "$info" | sed -n "s/^$1=\"\(.*\)\"\$/\1/p" | head -n 1
}

named=''
if [ -n "$vm" ]; then named=" --vm '$vm'"; fi
[ -n "$vm" ] || find_vm
if ! info=$("$vboxmanage" showvminfo "$vm" --machinereadable 2>&1); then
    known=$(names)
    [ -n "$known" ] || fail "VirtualBox has no VM of user $(id -un); run this as the user who made the VM, without sudo"
    fail "no VM is called \"$vm\"; the VMs are: $known"
fi
uuid=$(value UUID)
name=$(value name)
state=$(value VMState)
adapter=$(printf '%s\n' "$info" | sed -n 's/^nic\([0-9]*\)="nat"$/\1/p' | head -n 1)

# Every port forwarding of the VM: adapter,name,protocol,host address,host port,VM address,VM port
rules=$(printf '%s\n' "$info" | awk -F'"' '
    /^(natnet|nic)[0-9]+=/ { adapter = $1; gsub(/[^0-9]/, "", adapter) }
    /^Forwarding\([0-9]+\)=/ { print adapter "," $2 }')
ours=$(printf '%s\n' "$rules" | awk -F, -v rule="$RULE" '$2 == rule')

# The address that the VM sees for clients behind VirtualBox's NAT: the second of the NAT's network
seen() {
    network=$(value "natnet$adapter")
    if [ "$network" = nat ] || [ -z "$network" ]; then
        network=10.0.$((adapter + 1)).0
    fi
    gateway=$(printf '%s\n' "${network%/*}" | awk -F. '{ printf "%d.%d.%d.%d", $1, $2, $3, $4 + 2 }')
    say "The server will see $gateway for every client."
}

# Say what to do if the VM has no NAT adapter
no_nat() {
    case $info in
        *'="natnetwork"'*)
            network=$(value 'nat-network[0-9]*')
            fail "\"$name\" is connected to a NAT network, which has its own rules: VBoxManage natnetwork modify \
--netname ${network:-NAME} --port-forward-4 '$RULE:tcp:[]:$port:[ADDRESS OF THE VM]:$port'"
            ;;
        *'="bridged"'*)
            fail "\"$name\" is bridged: it has an address on the school's network, and needs no forwarding; \
give the clients the address that hostname -I prints in the VM"
            ;;
    esac
    fail "no adapter of \"$name\" is NAT, so nothing can be forwarded to it; shut it down and type: \
VBoxManage modifyvm $uuid --nic1 nat"
}

# change add RULE-TEXT | change delete ADAPTER: in the running VM (controlvm), or in the settings of one that is off
change() {
    on=$adapter
    words=$2
    if [ "$1" = delete ]; then
        on=$2
        words="delete $RULE"
    fi
    hint="is the VM starting or stopping? type the same again in a moment"
    case $state in
        running | paused) set -- controlvm "$uuid" "natpf$on" ;;
        *) set -- modifyvm "$uuid" "--natpf$on" ;;
    esac
    case $state in saved | aborted-saved) hint="its state is saved: start the VM, then type the same again" ;; esac
    # shellcheck disable=SC2086 # "delete classcord" is two words, a rule has no space
    set -- "$@" $words
    if [ -n "$dry" ]; then
        say "+ VBoxManage $*"
    elif ! output=$("$vboxmanage" "$@" 2>&1); then
        fail "VBoxManage $1 failed: $(complaint "$output"); $hint"
    fi
}

remove_ours() {
    for on in $(printf '%s\n' "$ours" | cut -d, -f1); do
        change delete "$on"
    done
}

# A rule, from its host address on, in words for apply and status
forwarding() {
    printf '%s\n' "$1" | awk -F, '
        { printf "port %s of %s goes to port %s of the VM\n", $2, $1 == "" ? "this host" : $1, $4 }'
}

# --- apply, status, undo --------------------------------------------------------------------------------------------

# Another rule, made by hand, that uses the same port of the host
other_rule() {
    printf '%s\n' "$rules" | awk -F, -v rule="$RULE" -v port="$port" -v address="$address" '
        $2 != rule && $3 == "tcp" && $5 == port && ($4 == "" || $4 == "0.0.0.0" || address == "" || $4 == address)' |
        head -n 1
}

apply() {
    [ -n "$adapter" ] || no_nat
    wanted="$RULE,tcp,$address,$port,,$port"
    other=$(other_rule)
    if [ -n "$other" ]; then
        other_adapter=${other%%,*}
        other_name=${other#*,}
        other_name=${other_name%%,*}
        fail "the rule \"$other_name\" of adapter $other_adapter has port $port already; remove it in VirtualBox \
(Settings, Network, Port Forwarding), or run the server on another port, and give that port with --port"
    fi
    does=$(forwarding "$address,$port,,$port")
    if [ "$ours" = "$adapter,$wanted" ]; then
        say "\"$name\", adapter $adapter: the rule $RULE is there already; $does."
    else
        remove_ours
        change add "$wanted"
        [ -n "$dry" ] || say "\"$name\", adapter $adapter: rule $RULE set; $does."
    fi
    case $state in running | paused) ;; *) say "The VM is not running: the port opens when it starts." ;; esac
    seen
}

# Is it certain that nothing listens there? VirtualBox itself listens, whether a server runs in the VM or not
refuses() { # ADDRESS PORT
    if has python3 && [ "$(uname)" != Darwin ]; then
        python3 -I - "$@" <<'END' 2>/dev/null
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit(1)
END
    else
        nc -v -w 2 "$1" "$2" </dev/null 2>&1 | grep -qi refused
    fi
}

# Ask the server, and say what was seen, what remains, and the one place to look at next: host and VM must not send a
# person to each other for ever
look_further() {
    at=${address:-127.0.0.1}
    desk="Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ADDRESS_OF_THIS_HOST --port $port"
    if ! has python3 && ! has nc; then
        say "python3 and netcat are not installed, so the server was not asked."
        say "Seen: the rule is there, the VM runs. What remains: the server, then a desk, then the network between. $desk"
    elif answers "$at" "$port"; then
        say "Seen: the server answers at $at port $port. What remains: a desk, then the network between. $desk"
    elif refuses "$at" "$port"; then
        say "Seen: the VM runs, but nothing listens at $at port $port. What remains: what comes after it."
        say "Next: shut the VM down and start it: VirtualBox opens the port at its start; then status again."
    else
        say "Seen: VirtualBox listens, and no server answers at $at port $port. What remains: the VM, then VirtualBox's NAT."
        say "Next, once, unless you come from there, in the VM: sudo make doctor PORT=$inner"
        say "If nothing is broken there, don't come back: shut the VM down and start it, or go around VirtualBox's NAT" \
            "with a bridged adapter (see CONTAINERS.md, VirtualBox)."
    fi
}

status() {
    [ -n "$adapter" ] || no_nat
    if [ -z "$ours" ]; then
        say "\"$name\" ($state), adapter $adapter: there is no rule $RULE; sh $0 apply$named --port $port makes it."
        other=$(other_rule)
        [ -z "$other" ] || say "Another rule has port $port: ${other#*,}."
        say "Seen: nothing forwards here. What remains: all of it. Next: repair what is named above, then status again."
        exit 1
    fi
    rule=$(printf '%s\n' "$ours" | head -n 1)
    on=${rule%%,*}
    address=$(printf '%s\n' "$rule" | cut -d, -f4)
    port=$(printf '%s\n' "$rule" | cut -d, -f5)
    does=$(forwarding "$(printf '%s\n' "$rule" | cut -d, -f4-)")
    say "\"$name\" ($state), adapter $on: the rule $RULE is there; $does."
    inner=$(printf '%s\n' "$rule" | cut -d, -f7)
    case $state in
        running) look_further ;;
        *)
            say "The VM is not running: the port opens when it starts."
            say "Seen: the rule is there. What remains: the VM, and what comes after it. Next: start it, then status again."
            ;;
    esac
    adapter=$on
    seen
}

undo() {
    if [ -z "$ours" ]; then
        say "\"$name\": there is no rule $RULE; nothing to do."
        return
    fi
    remove_ours
    [ -n "$dry" ] || say "\"$name\": rule $RULE removed."
}

[ "$action" = undo ] || check_version
"$action"
