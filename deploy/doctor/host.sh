# shellcheck shell=sh
# The hops of the host: from its own address to the VM's. Sourced by doctor.sh.
# shellcheck disable=SC2034,SC2153,SC2154  # the parts share their variables

VBOX="without sudo:  sh deploy/nat/virtualbox.sh"

apply() { echo "sudo sh deploy/nat/linux.sh apply --vm ${VM:-ADDRESS}$FLAG"; }

bad_nat() { # TEXT: nothing forwards the port, and it is not known which hypervisor should
    set -- "$1" "$(apply)"
    if [ "$(uname)" != Linux ]; then
        set -- "$1" "CONTAINERS.md says how, for each hypervisor"
    elif [ -z "$VM" ]; then
        set -- "$@" "ADDRESS is the VM's:  make doctor  in the VM prints it"
    fi
    if has VBoxManage; then
        text=$1 other=$2
        shift 2
        set -- "$text" "$VBOX apply" "or, if the VM is not VirtualBox's:  $other" "$@"
    fi
    bad "$@"
}

all_rules() {
    if has nft; then limit "$WAIT" nft list ruleset 2>/dev/null || :; fi
    if has iptables; then limit "$WAIT" iptables -w 2 -t nat -S 2>/dev/null || :; fi
}

# nat_rules: the rules of this host that forward the port, from nft and iptables (old and new). One line per rule:
# "HOOK ADDRESS PORT-THERE"; HOOK is prerouting (for other desks) or output (for this host itself)
nat_rules() {
    all_rules | awk -v port="$PORT" '
        $1 == "chain" { hook = "prerouting" } # unless a type line follows
        $1 == "type" { hook = $0; sub(/.*hook /, "", hook); sub(/ .*/, "", hook) }
        /^-A OUTPUT / && $(NF - 1) == "-j" { by_output[$NF] = 1 }
        /dnat to |--to-destination / && index($0, port) {
            if ($0 ~ /^-A/) {
                where = $2
                mine = index($0 " ", "--dport " port " ")
            } else {
                where = hook
                mine = $0 ~ "dport (\\{[^}]*)?" port "[^0-9:]"
            }
            to = $0
            sub(/.*(dnat to|--to-destination) /, "", to)
            sub(/[^0-9.:].*/, "", to)
            split(to, parts, ":")
            if (mine) {
                found[++count] = parts[1] " " (parts[2] == "" ? port : parts[2])
                chain[count] = where
            }
        }
        END {
            for (i = 1; i <= count; i++) {
                if (tolower(chain[i]) != "output") print "prerouting", found[i]
                if (tolower(chain[i]) == "output" || chain[i] in by_output) print "output", found[i]
            }
        }' | sort -u
}

hides_clients() { # whether a rule hides the source address of packets to the VM
    all_rules | awk -v vm="$VM" -v card="$CARD" '
        / masquerade| snat |-j MASQUERADE|-j SNAT/ && !/saddr|-s [0-9]/ {
            if (index($0, vm) || index($0, "\"" card "\"") || index($0, "-o " card " ") || $0 !~ /oif|-o |daddr|-d /) found = 1
        }
        END { exit !found }'
}

vboxmanage() { # each user has their own VMs: under sudo, ask for those of the user who typed sudo
    if am_root && [ -n "${SUDO_USER:-}" ]; then set -- sudo -n -H -u "$SUDO_USER" VBoxManage "$@"; else set -- VBoxManage "$@"; fi
    limit "$WAIT" "$@" </dev/null 2>/dev/null
}

virtualbox_rule() { # prints the forwarding of VirtualBox for the port, "STATE NAME-OF-THE-VM: RULE"; a running VM's first
    has VBoxManage || return 0
    vboxmanage list vms | sed -n 's/^".*" {\(.*\)}.*/\1/p' | while IFS= read -r uuid; do
        vboxmanage showvminfo "$uuid" --machinereadable | awk -F '"' -v port="$PORT" '
            /^name=/ { name = substr($0, 7, length($0) - 7) }
            /^VMState=/ { state = $2 }
            /^Forwarding\(/ { split($2, rule, ","); if (rule[2] == "tcp" && rule[4] == port) print state, name ": " $2 }'
    done | awk '{ if ($1 == "running" || NR == 1) best = $0 } $1 == "running" { exit } END { if (NR) print best }'
}

# hop_nat_rule: sets VM if it was not given, and FORWARDER: kernel, virtualbox, program, unseen, none, or off
# (VirtualBox has the rule, but its VM isn't running)
hop_nat_rule() {
    FORWARDER=none
    NAT_RULES=''
    if am_root; then NAT_RULES=$(nat_rules); fi
    target=$(printf '%s\n' "$NAT_RULES" | sed -n 's/^prerouting //p' | head -n 1)
    virtualbox=$(virtualbox_rule)
    if [ -n "$target" ]; then
        FORWARDER=kernel
        [ -n "$VM" ] || VM=${target% *}
        if [ "${target% *}" != "$VM" ]; then
            FORWARDER=none
            bad "NAT rule: port $PORT leads to ${target% *}, and the VM is $VM" "$(apply)"
        else
            ok "NAT rule: port $PORT leads to $VM port ${target#* }"
        fi
        INNER=${target#* }
    elif [ "${virtualbox%% *}" = running ]; then
        FORWARDER=virtualbox
        ok "NAT rule: VirtualBox forwards port $PORT (${virtualbox#* })"
    elif [ -n "$virtualbox" ]; then
        FORWARDER=off
        bad "NAT rule: VirtualBox forwards port $PORT (${virtualbox#* }), but that VM is not running (${virtualbox%% *})" \
            "start the VM; then, $VBOX status"
    elif [ -r /proc/net/tcp ] && [ -n "$(listeners_here "$PORT")" ]; then
        FORWARDER=program
        warn "NAT rule: none; a program of this host (a forwarder or a server) listens on port $PORT: a server in the VM sees the host, not the desks"
    elif [ "$(uname)" != Linux ]; then
        FORWARDER=unseen
        unknown "NAT rule: can't be seen on this system; the lines below show whether it works"
    elif ! am_root; then
        FORWARDER=unseen
        unknown "NAT rule: only root can read it" "sudo make doctor ARGS=--from-host"
    else
        bad_nat "NAT rule: nothing on this host forwards port $PORT"
    fi
}

desks_address() { # CARD: prints this host's address on the desks' network: one that isn't on CARD, the VM's card
    if [ "$(uname)" = Darwin ]; then way_to default || :; else own_addresses | awk -v card="$1" '$2 != card { print $1; exit }'; fi
}

hop_vm() { # sets CARD, LAN (this host's address on the desks' network), and REACHED if the VM's server answers a desk
    CARD='' REACHED=''
    LAN=$(desks_address '')
    if [ "$FORWARDER" = off ]; then return 0; fi
    if [ "$FORWARDER" = virtualbox ] || { [ "$FORWARDER" = program ] && [ -z "$VM" ]; }; then
        note "VM: behind its forwarder; its address is not needed"
        return
    fi
    if [ -z "$VM" ]; then
        unknown "VM: its address is not known" "make doctor  in the VM prints it; then:  make doctor ARGS='--from-host --vm ADDRESS'"
        return
    fi
    if ! way_to "$VM" >/dev/null; then
        bad "VM: this host has no way to $VM" "is the VM's network (host-only, bridge) up?  ip -4 addr"
        return
    fi
    if has ip; then CARD=$(ip route get "$VM" | sed -n 's/.* dev \([^ ]*\).*/\1/p'); fi
    LAN=$(desks_address "$CARD")
    # ask like a desk: from an address outside the VM's network, unless a masquerade or a Mac's NAT hides that address
    from=$LAN
    if hides_clients || [ "$(uname)" = Darwin ]; then from=''; fi
    in_vm="in the VM:  sudo make doctor"
    if [ "$INNER" != 12345 ]; then in_vm="$in_vm PORT=$INNER"; fi
    inside=$(way_to "$VM")
    let_in="or its firewall doesn't let ${from:-$inside} in: in the VM:  sudo sh deploy/ufw.sh status"
    probe "$VM" "$INNER" ${from:+"$from"}
    if answered; then
        REACHED=yes
        ok "VM: $(outcome) at $VM port $INNER${CARD:+ (by $CARD)}"
        return
    fi
    if [ -n "$from" ] && [ "$OUTCOME" = timeout ]; then
        probe "$VM" "$INNER"
        if answered; then
            bad "VM: it answers this host's $inside, but not $from: it has no way back to the desks, or its firewall lets no desk in" \
                "in the VM:  sudo ip route replace default via $inside" "$in_vm" "$let_in"
            return
        fi
    fi
    if [ "$OUTCOME" = refused ] || [ "$OUTCOME" = other ] || [ "$OUTCOME" = silent ] || [ "$OUTCOME" = closed ]; then
        bad "VM: it is on, but $VM port $INNER: $(outcome)" "$in_vm"
    elif pings "$VM"; then
        set --
        if hides_clients; then set -- "or let it see the desks' own addresses:  $(apply)  without --masquerade"; fi
        bad "VM: it is on, but $VM port $INNER: $(outcome)" "$in_vm" "$let_in" "$@"
    else
        bad "VM: $VM does not answer, not even a ping" "is the VM on, is this its address?  In the VM:  ip -4 addr"
    fi
}

by_program() { # whether a program forwards the port, not the kernel
    case $FORWARDER in virtualbox | off | program) ;; *) return 1 ;; esac
}

hop_forwarding() {
    if by_program || [ "$(uname)" != Linux ]; then return 0; fi
    if [ "$FORWARDER" = none ] && has VBoxManage; then return 0; fi # perhaps VirtualBox should forward
    if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]; then
        ok "forwarding: on"
    else
        bad "forwarding: off, this host sends nothing on to the VM" "$(apply)" "or by hand:  sudo sysctl -w net.ipv4.ip_forward=1"
    fi
}

hop_forward_policy() {
    if [ "$(uname)" != Linux ] || by_program || [ -z "$CARD" ]; then return 0; fi
    if ! am_root; then
        unknown "firewall: only root can read its rules" "sudo make doctor ARGS=--from-host"
        return
    fi
    if has iptables; then
        follow FORWARD "$INNER" "$PORT" "$VM" "$CARD"
        case $VERDICT:$NETS in
        ACCEPT:* | DROP:?*)
            lets "firewall: lets port $PORT through to the VM" "sudo iptables -I FORWARD -s NET -p tcp -d $VM --dport $INNER -j ACCEPT"
            ;;
        DROP:)
            bad "firewall: $CHAIN drops packets to the VM ($RULE)" "$(apply)" \
                "or by hand:  sudo iptables -I FORWARD -p tcp -d $VM --dport $INNER -j ACCEPT"
            ;;
        *) unknown "firewall: iptables does not show its rules" "sudo iptables -S FORWARD" ;;
        esac
    fi
    nft_hop forward
}

hop_own_address() { # the port at this host's own address, the one that desks use
    if [ -z "$LAN" ]; then
        if has ip; then bad "address: this host has no address on the desks' network" "is the cable in, the Wi-Fi on?  ip -4 addr"; fi
        return 0
    fi
    if [ "$FORWARDER" = none ] || [ "$FORWARDER" = off ] || { [ "$FORWARDER" = kernel ] && [ -z "$REACHED" ]; }; then
        note "through the NAT: not checked, an earlier hop is broken"
        return
    fi
    if [ "$FORWARDER" = kernel ] && ! printf '%s\n' "$NAT_RULES" | grep -q '^output '; then
        note "through the NAT: this NAT works for other desks only; type on one of them:  make doctor ARGS='--from-slam $LAN'"
        return
    fi
    probe "$LAN" "$PORT"
    if answered; then
        ok "through the NAT: $(outcome) at $LAN port $PORT: give that address to SLAM"
    else
        text="through the NAT: $LAN port $PORT: $(outcome)"
        case $FORWARDER in
        kernel) bad "$text" "$(apply)" ;;
        virtualbox) bad "$text" "in the VM:  sudo make doctor" "$VBOX status" ;;
        program) bad "$text" "in the VM:  sudo make doctor" "which program that is:  sudo ss -ltnp sport = :$PORT" ;;
        *) bad_nat "$text" ;;
        esac
    fi
}

hop_whose_address() {
    case $FORWARDER in
    kernel)
        if hides_clients; then
            warn "desks: the server sees this host's address for all of them (masquerade); chatting works" "$(apply)  without --masquerade"
        else
            ok "desks: the server sees each desk's true address; the VM's answers must go back through this host"
        fi
        ;;
    virtualbox | off) warn "desks: the server sees 10.0.2.2 for all of them; chatting works (VirtualBox's NAT always does this)" ;;
    *) note "desks: the server's log shows which addresses it sees:  sudo make doctor  in the VM" ;;
    esac
}

host_hops() {
    echo "On this host, from its port $PORT to the VM${VM:+ $VM}:"
    INNER=$PORT GATEWAY=''
    hop_nat_rule
    hop_vm
    hop_forwarding
    hop_forward_policy
    hop_own_address
    hop_whose_address
}
