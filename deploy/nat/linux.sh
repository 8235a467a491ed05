#!/bin/sh
# On the Linux host of the VM (KVM, libvirt, Proxmox, VMware): port 12345 of the host leads to the VM;
# `sh linux.sh --help` says how.
#
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
UNIT_FILE=/etc/systemd/system/$UNIT
FORWARDING=net.ipv4.ip_forward
BRIDGES="docker br- virbr lxdbr lxcbr incusbr" # how the names of containers' and VMs' network cards begin

usage() {
    cat <<END
Usage: sudo sh deploy/nat/linux.sh apply|status|undo --vm ADDRESS [--port N] [--masquerade] [--persist] [--dry-run]

  apply           clients of this host's port 12345 reach the VM. A second call replaces the first.
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

die() { echo "linux.sh: $1" >&2 && exit "${2:-1}"; } # MESSAGE [EXIT_CODE]
wrong() { die "$1; see sh deploy/nat/linux.sh --help" 2; }
has() { command -v "$1" >/dev/null 2>&1; }

run() { # a command that changes something
    if [ -n "$dry" ]; then echo "+ $*"; else "$@" >/dev/null || die "failed: $*"; fi
}

feed() { # COMMAND..., which changes something and reads standard input
    if [ -n "$dry" ]; then echo "+ $* <<END"; sed 's/^/      /'; echo "      END"; else "$@" || die "failed: $*"; fi
}

whole() { # TEXT LOW HIGH: a whole number in these bounds?
    case $1 in '' | *[!0-9]* | 0?* | ??????*) return 1 ;; esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

check_address() {
    printf '%s\n' "$1" | awk -F. '
        NF != 4 || $1 < 1 || $1 == 127 || $1 > 223 { exit 1 }
        { for (i = 1; i <= 4; i++) if ($i !~ /^(0|[1-9][0-9]?[0-9]?)$/ || $i > 255) exit 1 }' ||
        wrong "--vm: '$1' is not an IPv4 address of a VM; type one like 192.168.56.10 (in the VM: ip -4 address)"
    ! has ip || ! ip -4 -o address | grep -qF " $1/" || wrong "--vm: $1 is this host's own address; give the VM's"
}

saved() { sed -n "s/^$1=//p" $STATE 2>/dev/null || :; } # NAME

# --- what lies between this host and the VM

device() { ip -4 route get "$vm" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p'; }
inside() { ip -4 route get "$vm" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p'; } # this host, seen by the VM
# The network that this host and the VM share. The VM would answer its machines directly, from an address that they
# have not asked. Prints nothing if the VM is further away.
neighbours() {
    case $(ip -4 route get "$vm" 2>/dev/null) in
    *" via "* | '') ;;
    *) ip -4 route show match "$vm" dev "$(device)" scope link 2>/dev/null | sed -n '1s/^\([0-9.]*\/[0-9]*\) .*/\1/p' ;;
    esac
}
# An address of this host that the VM can answer only by its default route. None if the VM is in the clients' network.
outside() {
    ! ip -4 route show default | grep -q " dev $(device) " || return 0
    ip -4 -o address show scope global | grep -vE "^[0-9]+: ($(device)|docker0|br-[0-9a-f]{12}|virbr[0-9]+) " |
        sed -n '1s/.* inet \([0-9.]*\).*/\1/p'
}

# Does the server in the VM answer when it is asked from this address of the host?
answers() {
    if has python3; then
        python3 -I - "$vm" "$port" "$1" <<'END' 2>/dev/null
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2, (sys.argv[3], 0)) as connection:
    connection.sendall(b'{"type":"ping"}\n')
    connection.settimeout(2)
    sys.exit(b"pong" not in connection.makefile("rb").readline())
END
    else
        { printf '{"type":"ping"}\n'; sleep 1; } | timeout 3 nc -w 2 -s "$1" "$vm" "$port" 2>/dev/null | grep -q pong
    fi
}

# --- nftables

# Other programs' forward chains that may drop packets: "FAMILY TABLE CHAIN". iptables itself handles iptables-nft's.
foreign_chains() {
    has nft || return 0
    nft list chains 2>/dev/null | awk -v own=$TABLE '
        /^table/ { family = $2; table = $3 }
        /^\tchain/ { chain = $2 }
        /hook forward/ && table != own && (family == "inet" || family == "ip" && chain != "FORWARD") {
            print family, table, chain
        }' |
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
	chain prerouting {
		type nat hook prerouting priority -100; policy accept;
		fib daddr type local tcp dport $port dnat to $vm:$port
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local ip daddr != 127.0.0.0/8 tcp dport $port dnat to $vm:$port
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		ct status dnat ip daddr $vm tcp dport $port${hidden:+ ip saddr $hidden} masquerade
	}
	$(only_this)
}
END
}

# A chain that forwards only connections with a DNAT, ours or another program's
only_this() {
    [ -n "$guard" ] || return 0
    printf 'chain forward {\n\t\ttype filter hook forward priority 0;\n\t\tct state established,related accept\n'
    printf '\t\tct status dnat accept\n'
    for card in $BRIDGES; do printf '\t\tiifname "%s*" accept\n' "$card"; done
    printf '\t\tdrop\n\t}\n'
}

# --- iptables

# TABLE CHAIN OWN
hook() { iptables -w -t "$1" -C "$2" -j "$3" 2>/dev/null || run iptables -w -t "$1" -I "$2" -j "$3"; }

remove_chain() { # TABLE OWN CHAIN...
    table=$1 own=$2
    shift 2
    iptables -w -t "$table" -S "$own" >/dev/null 2>&1 || return 0
    for chain; do
        ! iptables -w -t "$table" -C "$chain" -j "$own" 2>/dev/null || run iptables -w -t "$table" -D "$chain" -j "$own"
    done
    run iptables -w -t "$table" -F "$own"
    run iptables -w -t "$table" -X "$own"
}

iptables_drops() { case $(iptables -w -S FORWARD 2>/dev/null) in '' | "-P FORWARD ACCEPT") false ;; esac }

forward_rules() {
    cat <<END
*filter
:CLASSCORD-FORWARD - [0:0]
-A CLASSCORD-FORWARD -d $vm -p tcp --dport $port -m conntrack --ctstate DNAT -j ACCEPT
-A CLASSCORD-FORWARD -s $vm -p tcp --sport $port -m conntrack --ctstate DNAT -j ACCEPT
END
    if [ "$backend$guard" = iptablesyes ]; then
        echo "-A CLASSCORD-FORWARD -m conntrack --ctstate DNAT,ESTABLISHED,RELATED -j RETURN"
        for card in $BRIDGES; do echo "-A CLASSCORD-FORWARD -i $card+ -j RETURN"; done
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

# --- both

remove_rules() { # [BACKEND]: all, except this backend's NAT, which is replaced in one step later
    if has nft; then
        foreign_chains | while read -r family table chain; do
            for handle in $(marked "$family" "$table" "$chain"); do
                run nft delete rule "$family" "$table" "$chain" handle "$handle"
            done
        done
        if [ "${1:-}" != nft ] && nft list table ip $TABLE >/dev/null 2>&1; then run nft delete table ip $TABLE; fi
    fi
    if has iptables; then
        remove_chain filter CLASSCORD-FORWARD FORWARD
        if [ "${1:-}" != iptables ]; then
            remove_chain nat CLASSCORD-DNAT PREROUTING OUTPUT
            remove_chain nat CLASSCORD-SNAT POSTROUTING
        fi
    fi
}

set_rules() {
    # the VM must not see these clients' addresses: its answers would not pass this host
    hidden=$(neighbours)
    hidden=${hidden:-$vm}
    [ -z "$masquerade" ] || hidden='' # everybody's
    remove_rules "$backend"
    if [ "$backend" = nft ]; then
        nft_rules | feed nft -f -
    else
        nat_rules | feed iptables-restore -w -n
        hook nat PREROUTING CLASSCORD-DNAT
        hook nat OUTPUT CLASSCORD-DNAT
        hook nat POSTROUTING CLASSCORD-SNAT
    fi
    foreign_chains | while read -r family table chain; do
        for way in "daddr $vm tcp dport $port" "saddr $vm tcp sport $port"; do
            # shellcheck disable=SC2086 # the words of the rule
            run nft insert rule "$family" "$table" "$chain" ip $way ct status dnat accept comment "\"$TABLE\""
        done
    done
    if iptables_drops || [ "$backend$guard" = iptablesyes ]; then
        forward_rules | feed iptables-restore -w -n
        hook filter FORWARD CLASSCORD-FORWARD
    fi
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

set_unit() {
    # at boot the unit runs the same command: then there is nothing to do
    if cmp -s "$0" $COPY && unit | cmp -s - $UNIT_FILE; then return; fi
    run install -m 755 "$0" $COPY
    unit | feed cp /dev/stdin $UNIT_FILE
    run systemctl daemon-reload
    run systemctl enable -q $UNIT
    # start it, although all is set: then a restart of nftables or firewalld starts it again
    run systemctl start $UNIT
}

remove_unit() {
    [ -e $UNIT_FILE ] || return 0
    run systemctl disable -q --now $UNIT
    run rm -f $UNIT_FILE $COPY
    run systemctl daemon-reload
}

apply() {
    forwarding_was=$(saved FORWARDING_WAS)
    if [ "$(sysctl -n $FORWARDING)" = 0 ]; then forwarding_was=0; fi
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
    if [ "$(saved FORWARDING_WAS)" = 0 ]; then
        user=$(find /sys/class/net -name 'docker[0-9]*' -o -name 'virbr[0-9]*' -o -name 'lxdbr[0-9]*' | sed 's,.*/,,; q')
        if [ -n "$user" ]; then echo "Forwarding stays on: $user needs it."; else run sysctl -q -w $FORWARDING=0; fi
    fi
    remove_rules
    remove_unit
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
            iptables -w -t nat -S CLASSCORD-DNAT | grep -q -- "--dport $port .*--to-destination $vm:$port"
    fi
}

let_through() {
    if iptables_drops && ! iptables -w -C FORWARD -j CLASSCORD-FORWARD 2>/dev/null; then return 1; fi
    foreign_chains | while read -r family table chain; do [ -n "$(marked "$family" "$table" "$chain")" ] || exit 1; done
}

status() {
    asked=$vm
    backend=$(saved BACKEND) vm=$(saved VM) port=$(saved PORT) masquerade=$(saved MASQUERADE)
    [ "$(saved FORWARDING_WAS)" != 0 ] || guard=yes
    if [ -z "$vm" ]; then
        bad "no port of this host leads to a VM" "sudo sh deploy/nat/linux.sh apply --vm ${asked:-ADDRESS}"
        echo "The server will see nobody: nothing is set on this host."
        return 1
    fi
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
    code=0
    again="sudo sh deploy/nat/linux.sh apply --vm $vm --port $port${masquerade:+ --masquerade}"
    way="port $port of this host leads to $vm port $port ($backend)"
    if in_force; then good "$way"; else bad "the rule is gone: $way" "$again"; fi
    if let_through; then good "this host lets it through"; else bad "a rule of this host drops it" "$again"; fi
    if [ "$(sysctl -n $FORWARDING)" = 1 ]; then good "forwarding is on${guard:+, for this port only}"; else bad "forwarding is off" "$again"; fi
    if [ -e $UNIT_FILE ]; then good "set again at each boot"; else echo "- gone after a reboot (--persist keeps it)"; fi
    look
    if [ -n "$no_check" ]; then
        echo "- $vm was not asked"
    elif [ -z "$inside" ]; then
        bad "this host has no way to $vm" "is the VM's network up on this host? ip route get $vm"
    elif ! has python3 && ! has nc; then
        echo "- $vm was not asked: that needs python3 or netcat (sudo apt install netcat-openbsd)"
    elif [ -z "$masquerade" ] && [ -n "$outside" ] && answers "$outside"; then
        good "$vm answers this host's $outside"
    elif ! answers "$inside"; then
        bad "$vm doesn't answer on port $port" "does the server run there, and does its firewall let clients in? In the VM: make doctor"
        seen="$seen, once it answers"
    elif [ -z "$masquerade" ] && [ -n "$outside" ]; then
        bad "$vm answers $inside, but not $outside: it has no way back to the clients" \
            "in the VM: sudo ip route replace default via $inside; or here: $again --masquerade"
        seen="nobody: its answers don't find the way back"
    else
        good "$vm answers this host"
    fi
    echo "The server will see $seen."
    return $code
}

action='' vm='' port=12345 masquerade='' persist='' no_check='' dry='' guard=''
while [ $# -gt 0 ]; do
    case $1 in
    apply | status | undo) action=$action$1 ;;
    --vm | --port)
        [ $# -gt 1 ] || wrong "$1 needs a value"
        case $1 in --vm) vm=$2 ;; *) port=$2 ;; esac
        shift ;;
    --masquerade) masquerade=yes ;;
    --persist) persist=yes ;;
    --no-check) no_check=yes ;;
    --dry-run) dry=yes ;;
    -h | --help) usage && exit ;;
    *) wrong "unknown word: '$1'" ;;
    esac
    shift
done
case $action in apply | status | undo) ;; *) wrong "say apply, status or undo" ;; esac
[ -n "$vm" ] || [ "$action" != apply ] || wrong "which VM? --vm ADDRESS, like --vm 192.168.56.10"
[ -z "$vm" ] || check_address "$vm"
whole "$port" 1 65535 || wrong "--port: '$port' is not a port; type a number from 1 to 65535"
[ "$(id -u)" -eq 0 ] || die "needs root: sudo sh deploy/nat/linux.sh $action${vm:+ --vm $vm}"
has ip || die "the command ip isn't here: sudo apt install iproute2"
has sysctl || die "the command sysctl isn't here: sudo apt install procps"
if has nft; then backend=nft; else backend=iptables; fi
has $backend || die "neither nft nor iptables is here: sudo apt install nftables"
$action
