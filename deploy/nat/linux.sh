#!/bin/sh
# On the Linux host of the VM (KVM, libvirt, Proxmox, VMware): port 12345 of the host leads to the VM.
# With nftables, all rules are in one table, `ip classcord`. An accept there is not final: another program's chain may
# still drop the packet (Docker, ufw and libvirt in iptables' FORWARD, firewalld in its own table). So each of those
# chains gets a rule at its top. Without nft, iptables does the same in chains whose names begin with CLASSCORD-.
# If this script turns forwarding on, this host must not become a router: it then forwards only this port, and packets
# from the bridges of containers and VMs, which have their own rules.
set -eu
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
TABLE=classcord
STATE=/run/classcord-nat # the settings of apply, one NAME=VALUE per line
COPY=/usr/local/sbin/classcord-nat
UNIT=classcord-nat.service
UNITS=/usr/local/lib/systemd/system
! mountpoint -q /usr/local 2>/dev/null || UNITS=/usr/lib/systemd/system # systemd reads them before it mounts anything
LOCAL=/etc/systemd/system/$UNIT # where `systemctl edit --full` writes; older versions put the unit there
FORWARDING=net.ipv4.ip_forward

usage() {
    cat <<END
Usage: sudo sh deploy/nat/linux.sh apply|status|undo --vm ADDRESS [--port N] [--masquerade] [--persist] [--dry-run]

  apply           clients of this host's port 12345 reach the VM. A second call replaces the first, but keeps its
                  --masquerade and --persist; --no-masquerade and --no-persist end them.
    --vm ADDRESS  the VM's IPv4 address, like 192.168.56.10
    --port N      the port, on this host and in the VM (default: 12345)
    --masquerade  the VM sees this host's address for every client. Only if the VM's default route isn't this host.
    --persist     set it again at each boot ($UNIT)
    --no-check    don't ask the VM for an answer: it may not be running yet
  status          say whether the rules are active, and whether the server in the VM answers
  undo            remove everything that apply set; needs no --vm
  --dry-run       show the commands of apply or undo, and change nothing
From the host itself use one of its addresses in the network, not 127.0.0.1.
Exit code: 0 done, 1 not active or failed, 2 wrong command line.
END
}

# --- from deploy/common.sh: script BRIDGES say warn fail misused run has is_port is_ipv4 answers cards ---
script=${0##*/}
BRIDGES='docker|br-|veth|virbr|lxdbr|lxcbr|incusbr|podman' # so begin the names of containers' and VMs' network cards
say() { printf '%s\n' "$*"; } # echo would change a backslash
warn() { printf '%s: %s\n' "$script" "$*" >&2; }
fail() { warn "$*"; exit 1; }
misused() { warn "$*; see sh $0 --help"; exit 2; }
# run COMMAND...: one that changes something
run() { if [ -n "$dry" ]; then say "+ $*"; else "$@" || { warn "failed: $*"; return 1; }; fi; }
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
# "CARD ADDRESS" for each IPv4 address at which others may reach this machine: without containers' and VMs' bridges
cards() {
    ip -4 -o address show scope global |
        awk -v bridges="^($BRIDGES)" '$2 !~ bridges { sub("/.*", "", $4); print $2, $4 }'
}
# --- end of deploy/common.sh ---

# feed COMMAND...: one that changes something and reads standard input
feed() { if [ -n "$dry" ]; then echo "+ $* <<END"; sed 's/^/      /'; echo "      END"; else "$@" || fail "failed: $*"; fi; }

check_address() {
    case $1 in 0.* | 127.* | 22[4-9].* | 2[3-5]?.*) false ;; *) is_ipv4 "$1" ;; esac ||
        misused "--vm: '$1' is not an IPv4 address of a VM; type one like 192.168.56.10 (in the VM: ip -4 address)"
    ! has ip || ! ip -4 -o address | grep -qF " $1/" || misused "--vm: $1 is this host's own address; give the VM's"
}

saved() { sed -n "s/^$1=//p" $STATE 2>/dev/null || :; } # NAME
device() { ip -4 route get "$vm" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p'; }
inside() { ip -4 route get "$vm" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p'; } # this host, seen by the VM
# The network that this host and the VM share. The VM would answer its machines directly, from an address that they
# have not asked. Prints nothing if the VM is further away.
neighbours() {
    ! ip -4 route get "$vm" 2>/dev/null | grep -q " via " || return 0
    ip -4 route show match "$vm" dev "$(device)" scope link 2>/dev/null | sed -n '1s/^\([0-9.]*\/[0-9]*\) .*/\1/p'
}
# An address of this host that the VM can answer only by its default route. None if the VM is in the clients' network.
outside() {
    ! ip -4 route show default | grep -q " dev $(device) " || return 0
    cards | awk -v inner="$(device)" '$1 != inner { print $2; exit }'
}

# --- nftables
# Other programs' forward chains that may drop packets: "FAMILY TABLE CHAIN". iptables itself handles iptables-nft's.
foreign_chains() {
    has nft || return 0
    nft list chains 2>/dev/null | awk -v own=$TABLE '
        /^table/ { family = $2; table = $3 }
        /^\tchain/ { name = family " " table " " $2 }
        /hook forward/ && table != own && name ~ /^(inet|ip) / && name !~ /^ip .* FORWARD$/ { print name }' |
        while read -r family table chain; do
            ! nft list table "$family" "$table" | grep -qwE 'drop|reject' || echo "$family $table $chain"
        done
}
marked() { nft -a list chain "$1" "$2" "$3" | sed -n "s/.*comment \"$TABLE\".*# handle //p"; } # FAMILY TABLE CHAIN

nft_rules() {
    cat <<END
table ip $TABLE
delete table ip $TABLE
table ip $TABLE {
	chain prerouting { type nat hook prerouting priority -100
		fib daddr type local tcp dport $port dnat to $vm:$port; }
	chain output { type nat hook output priority -100
		fib daddr type local ip daddr != 127.0.0.0/8 tcp dport $port dnat to $vm:$port; }
	chain postrouting { type nat hook postrouting priority 100
		ct status dnat ip daddr $vm tcp dport $port${hidden:+ ip saddr $hidden} masquerade; }
	$(only_this)
}
END
}

only_this() { # a chain that forwards only connections with a DNAT, ours or another program's
    [ -n "$guard" ] || return 0
    echo "chain forward { type filter hook forward priority 0"
    echo "		ct state established,related accept; ct status dnat accept"
    echo "$BRIDGES" | tr '|' '\n' | sed 's/.*/\t\tiifname "&*" accept/'
    echo "		drop; }"
}

# --- iptables
kinds() { # iptables itself at last, and iptables-legacy, if another program (the Docker of snap) has rules there
    ! has iptables-legacy || ! grep -qsx filter /proc/net/ip_tables_names || iptables -V | grep -q legacy ||
        echo iptables-legacy
    ! has iptables || echo iptables
}
ipt=iptables # the kind that the next functions mean
drops() { case $($ipt -w -S FORWARD 2>/dev/null) in '' | "-P FORWARD ACCEPT") false ;; esac }
guards() { [ "$guard$backend$ipt" = yesiptablesiptables ]; } # must iptables do what `only_this` does?
hook() { $ipt -w -t "$1" -C "$2" -j "$3" 2>/dev/null || run $ipt -w -t "$1" -I "$2" -j "$3"; } # TABLE CHAIN OWN

remove_chain() { # TABLE OWN CHAIN...
    table=$1 own=$2; shift 2
    $ipt -w -t "$table" -S "$own" >/dev/null 2>&1 || return 0
    for chain; do
        ! $ipt -w -t "$table" -C "$chain" -j "$own" 2>/dev/null || run $ipt -w -t "$table" -D "$chain" -j "$own"
    done
    run $ipt -w -t "$table" -F "$own"; run $ipt -w -t "$table" -X "$own"
}

forward_rules() {
    cat <<END
*filter
:CLASSCORD-FORWARD - [0:0]
-A CLASSCORD-FORWARD -d $vm -p tcp --dport $port -m conntrack --ctstate DNAT -j ACCEPT
-A CLASSCORD-FORWARD -s $vm -p tcp --sport $port -m conntrack --ctstate DNAT -j ACCEPT
END
    if guards; then
        echo "-A CLASSCORD-FORWARD -m conntrack --ctstate DNAT,ESTABLISHED,RELATED -j RETURN"
        echo "$BRIDGES" | tr '|' '\n' | sed 's/.*/-A CLASSCORD-FORWARD -i &+ -j RETURN/'
        echo "-A CLASSCORD-FORWARD -j DROP"
    fi
    echo COMMIT
}

nat_rules() {
    cat <<END
*nat
:CLASSCORD-DNAT - [0:0]
:CLASSCORD-SNAT - [0:0]
-A CLASSCORD-DNAT ! -d 127.0.0.0/8 -p tcp --dport $port -m addrtype --dst-type LOCAL -j DNAT --to-destination $vm:$port
-A CLASSCORD-SNAT${hidden:+ -s $hidden} -d $vm -p tcp --dport $port -m conntrack --ctstate DNAT -j MASQUERADE
COMMIT
END
}

remove_rules() { # [BACKEND]: all, except this backend's NAT, which is replaced in one step later
    if has nft; then
        foreign_chains | while read -r family table chain; do
            for handle in $(marked "$family" "$table" "$chain"); do
                run nft delete rule "$family" "$table" "$chain" handle "$handle"
            done
        done
        if [ "${1:-}" != nft ] && nft list table ip $TABLE >/dev/null 2>&1; then run nft delete table ip $TABLE; fi
    fi
    for ipt in $(kinds); do remove_chain filter CLASSCORD-FORWARD FORWARD; done
    if has iptables && [ "${1:-}" != iptables ]; then
        remove_chain nat CLASSCORD-DNAT PREROUTING OUTPUT
        remove_chain nat CLASSCORD-SNAT POSTROUTING
    fi
}

set_rules() {
    # the VM must not see these clients' addresses: its answers would not pass this host
    hidden=$(neighbours | grep . || echo "$vm")
    [ -z "$masquerade" ] || hidden='' # everybody's
    remove_rules "$backend"
    if [ "$backend" = nft ]; then
        nft_rules | feed nft -f -
    else
        nat_rules | feed iptables-restore -w -n
        hook nat PREROUTING CLASSCORD-DNAT; hook nat OUTPUT CLASSCORD-DNAT; hook nat POSTROUTING CLASSCORD-SNAT
    fi
    foreign_chains | while read -r family table chain; do
        for way in "daddr $vm tcp dport $port" "saddr $vm tcp sport $port"; do
            # shellcheck disable=SC2086 # the words of the rule
            run nft insert rule "$family" "$table" "$chain" ip $way ct status dnat accept comment "\"$TABLE\""
        done
    done
    for ipt in $(kinds); do
        if drops || guards; then forward_rules | feed "$ipt-restore" -w -n; hook filter FORWARD CLASSCORD-FORWARD; fi
    done
}

unit() {
    cat <<END
[Unit]
Description=ClassCord: port $port of this host leads to the VM $vm
Wants=network-online.target
# each of these may add rules that must come after ours, or delete all rules when it restarts
After=network-online.target nftables.service firewalld.service ufw.service docker.service libvirtd.service
PartOf=nftables.service firewalld.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$COPY apply --vm $vm --port $port${masquerade:+ --masquerade} --persist --no-check

[Install]
WantedBy=multi-user.target
END
}

# Is that file our unit, as this script wrote it for some address and port?
unedited() { [ -f "$1" ] && [ "$(masked "$1")" = "$(unit | masked -)" ]; }
masked() { sed -E 's/[0-9][0-9.]*/N/g; s/ --masquerade//' "$1"; }
persists() { systemctl is-enabled -q $UNIT 2>/dev/null; }
by_unit() { [ "$(systemctl is-active $UNIT 2>/dev/null)" = activating ]; } # does the unit run this script now?
# Prints something if every client's address is replaced now, or would be by the unit
masquerades() { if [ -e $STATE ]; then saved MASQUERADE; else systemctl show -p ExecStart $UNIT 2>/dev/null | grep -o -e --masquerade; fi; }

set_unit() {
    ! by_unit || return 0 # it would wait for itself
    if unedited $LOCAL; then run rm $LOCAL; fi
    cmp -s "$0" $COPY || run install -m 755 "$0" $COPY
    unit | feed install -D -m 644 /dev/stdin $UNITS/$UNIT
    run systemctl daemon-reload; run systemctl reenable -q $UNIT
    # start it, although all is set: then a restart of nftables or firewalld starts it again
    run systemctl start $UNIT
    [ ! -e $LOCAL ] || warn "at boot, $LOCAL is used as you wrote it; sudo systemctl revert $UNIT removes it"
}

remove_unit() {
    [ -e $UNITS/$UNIT ] || unedited $LOCAL || return 0
    run systemctl disable -q --now $UNIT
    if unedited $LOCAL; then run rm $LOCAL; elif [ -e $LOCAL ]; then say "$LOCAL stays, because you changed it."; fi
    run rm -f $UNITS/$UNIT $COPY
    run rmdir --ignore-fail-on-non-empty $UNITS ${UNITS%/*} 2>/dev/null || :
    run systemctl daemon-reload
}

apply() {
    if [ -z "$masquerade" ] && ! by_unit && [ -n "$(masquerades)" ]; then masquerade=yes; fi
    masquerade=${masquerade#no}
    if [ "$(sysctl -n $FORWARDING)" = 0 ]; then forwarding_was=0; else forwarding_was=$(saved FORWARDING_WAS); fi
    [ "$forwarding_was" != 0 ] || guard=yes
    # this comes first: undo needs it, even if this run is ended half way
    [ -n "$dry" ] || printf '%s\n' "VM=$vm" "PORT=$port" "MASQUERADE=$masquerade" "BACKEND=$backend" \
        "FORWARDING_WAS=$forwarding_was" >$STATE
    set_rules
    run sysctl -q -w $FORWARDING=1
    if [ -n "$persist" ]; then set_unit; else remove_unit; fi
    if [ -n "$dry" ]; then look && echo "The server will see $seen."; else report || :; fi
}

undo() {
    vm=${vm:-0} # some address, for `unedited`
    if [ "$(saved FORWARDING_WAS)" = 0 ]; then
        user=$(ip -o link | sed -nE "s/^[0-9]+: (($BRIDGES)[^:@]*).*/\1/p" | head -n 1)
        if [ -n "$user" ]; then echo "Forwarding stays on: $user needs it."; else run sysctl -q -w $FORWARDING=0; fi
    fi
    remove_rules; remove_unit
    [ ! -e $STATE ] || run rm -f $STATE
    [ -n "$dry" ] || echo "Undone: no port of this host leads to the VM any more."
}

good() { echo "✔ $1"; }
bad() { printf '✘ %s\n    %s\n' "$1" "$2" && code=1; } # WHAT TO_TYPE

in_force() {
    if [ "$backend" = nft ]; then
        nft list chain ip $TABLE prerouting 2>/dev/null | grep -q "tcp dport $port dnat to $vm:$port"
    else
        iptables -w -t nat -C PREROUTING -j CLASSCORD-DNAT 2>/dev/null &&
            iptables -w -t nat -S CLASSCORD-DNAT 2>/dev/null | grep -q -- "--dport $port .*--to-destination $vm:$port"
    fi
}
let_through() {
    for ipt in $(kinds); do ! drops || $ipt -w -C FORWARD -j CLASSCORD-FORWARD 2>/dev/null || return 1; done
    foreign_chains | while read -r family table chain; do [ -n "$(marked "$family" "$table" "$chain")" ] || exit 1; done
}

status() {
    if [ -z "$(saved VM)" ]; then
        again="sudo sh deploy/nat/linux.sh apply --vm ${vm:-ADDRESS} --port $port"
        if persists; then again="sudo systemctl restart $UNIT"; fi
        bad "no port of this host leads to a VM" "$again"
        say "Seen: nothing is set on this host. What remains: all of it. Next: the command above, then status again."
        echo "The server will see nobody: nothing is set on this host."
        return 1
    fi
    backend=$(saved BACKEND) vm=$(saved VM) port=$(saved PORT) masquerade=$(saved MASQUERADE)
    [ "$(saved FORWARDING_WAS)" != 0 ] || guard=yes
    report
}

look() { # sets `seen`, the clients' address as the server will see it, and the addresses that decide it
    inside=$(inside) shared=$(neighbours) outside=$(outside)
    if [ -z "$inside" ]; then
        seen="nobody: this host has no way to $vm"
    elif [ -n "$masquerade" ]; then
        seen="$inside for every client (--masquerade)"
    elif [ -z "$outside" ]; then
        seen="$inside for clients of $shared, which is the VM's network: they can connect to $vm directly"
    else
        seen="each client's own address, not $inside"
    fi
}

report() {
    code=0 place=desk heard="nothing is broken on this host, and the VM was not asked"
    again="sudo sh deploy/nat/linux.sh apply --vm $vm --port $port${masquerade:+ --masquerade}${persist:+ --persist}"
    way="port $port of this host leads to $vm port $port ($backend)"
    if in_force; then good "$way"; else bad "the rule is gone: $way" "$again"; fi
    if let_through; then good "this host lets it through"; else bad "a rule of this host drops it" "$again"; fi
    if [ "$(sysctl -n $FORWARDING)" = 1 ]; then good "forwarding is on${guard:+, for this port only}"; else bad "forwarding is off" "$again"; fi
    if persists; then good "set again at each boot"; else echo "- gone after a reboot (--persist keeps it)"; fi
    look
    from=${masquerade:+$inside} from=${from:-${outside:-$inside}}
    [ $code = 0 ] || place=here
    if [ -n "$no_check" ]; then
        echo "- $vm was not asked"
    elif [ -z "$inside" ]; then
        bad "this host has no way to $vm" "is the VM's network up on this host? ip route get $vm" && place=here
    elif ! has python3 && ! nc -h 2>&1 | grep -q -e '-s[ ,]'; then # a small nc can't choose its own address
        echo "- $vm was not asked: that needs python3 or netcat (sudo apt install netcat-openbsd)"
    elif answers "$vm" "$port" "$from"; then
        good "$vm answers this host's $from" && heard="the server answers this host"
    elif [ "$from" = "$inside" ] || ! answers "$vm" "$port" "$inside"; then
        bad "$vm doesn't answer on port $port" "in the VM: sudo make doctor PORT=$port"
        seen="$seen, once it answers"
        [ $place = here ] || place=vm
    else
        bad "$vm answers $inside, but not $outside: it has no way back to the clients" \
            "in the VM: sudo ip route replace default via $inside; or here: $again --masquerade"
        seen="nobody: its answers don't find the way back"
        place=here
    fi
    # what was seen, what remains, and where to look next: host and VM must not send a person to each other for ever
    case $place in
    here) say "Seen: the first ✘ is on this host. What remains: what comes after it. Next: type what is under it, then status again." ;;
    vm) printf '%s\n' "Seen: this host forwards, but $vm does not answer it. What remains: the VM, then the network between them." \
        "Next, once, unless you come from there: the VM. If its line « adresse » shows another address, here:" \
        "    $(say "$again" | sed "s/--vm $vm/--vm NEW/")" \
        "If nothing is broken there, don't come back: look at the network between them (card, cable, the hypervisor's mode)." ;;
    desk) say "Seen: $heard. What remains: a desk, then the network between. Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ${outside:-$inside} --port $port" ;;
    esac
    echo "The server will see $seen."
    return $code
}

action='' vm='' port=12345 masquerade='' persist='' no_check='' dry='' guard='' words=$*
while [ $# -gt 0 ]; do
    case $1 in
    apply | status | undo) action=$action$1 ;;
    --vm) [ $# -gt 1 ] || misused "$1 needs a value"; vm=$2; shift ;;
    --port) [ $# -gt 1 ] || misused "$1 needs a value"; port=$2; shift ;;
    --masquerade) masquerade=yes ;; --no-masquerade) masquerade=no ;;
    --persist) persist=yes ;; --no-persist) persist=no ;;
    --no-check) no_check=yes ;; --dry-run) dry=yes ;; -h | --help) usage; exit ;;
    *) misused "unknown word: '$1'" ;;
    esac
    shift
done
case $action in apply | status | undo) ;; *) misused "say apply, status or undo" ;; esac
[ -n "$vm" ] || [ "$action" != apply ] || misused "which VM? --vm ADDRESS, like --vm 192.168.56.10"
[ -z "$vm" ] || check_address "$vm"
is_port "$port" || misused "--port: '$port' is not a port; type a number from 1 to 65535"
[ "$(id -u)" -eq 0 ] || fail "needs root: sudo sh deploy/nat/linux.sh $words"
for need in ip:iproute2 sysctl:procps; do has ${need%:*} || fail "the command ${need%:*} isn't here: sudo apt install ${need#*:}"; done
if has nft; then backend=nft; else backend=iptables; fi
case $persist in '') if persists; then persist=yes; fi ;; no) persist='' ;; esac
$action
