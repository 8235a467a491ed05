# shellcheck shell=sh
# The hops of the host: from its own address to the VM's. Sourced by doctor.sh.
# shellcheck disable=SC2034,SC2153,SC2154  # it shares its variables with the other parts

apply() { echo "sudo sh deploy/nat/linux.sh apply --vm ${VM:-ADDRESS}"; }

all_rules() {
    if has nft; then limit "$WAIT" nft list ruleset 2>/dev/null || :; fi
    if has iptables; then limit "$WAIT" iptables -w 2 -t nat -S 2>/dev/null || :; fi
}

# nat_rules: the rules of this host that forward the port, nft's and iptables' (old and new), a line each as
# "HOOK ADDRESS PORT-THERE"; HOOK is prerouting (for other desks) or output (for this host itself)
nat_rules() {
    all_rules | awk -v port="$PORT" '
        $1 == "chain" { hook = "prerouting" } # as long as nothing else is said
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

hides_clients() { # whether a rule masks the source address of what goes to the VM
    all_rules | awk -v vm="$VM" -v card="$CARD" '
        / masquerade| snat |-j MASQUERADE|-j SNAT/ && !/saddr|-s [0-9]/ {
            if (index($0, vm) || index($0, "\"" card "\"") || index($0, "-o " card " ") || $0 !~ /oif|-o |daddr|-d /) found = 1
        }
        END { exit !found }'
}

virtualbox_rule() { # prints the forwarding of VirtualBox for the port, "NAME-OF-THE-VM: RULE"
    has VBoxManage || return 0
    limit "$WAIT" VBoxManage list vms 2>/dev/null | sed -n 's/^"\(.*\)" {.*/\1/p' | while IFS= read -r machine; do
        limit "$WAIT" VBoxManage showvminfo "$machine" --machinereadable 2>/dev/null |
            sed -n "s/^Forwarding([0-9]*)=\"\([^\"]*,tcp,[^,]*,$PORT,[^\"]*\)\".*/$machine: \1/p"
    done
}

hop_nat_rule() { # sets VM where it was not given, FORWARDER (kernel, virtualbox, program, unseen or none)
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
    elif [ -n "$virtualbox" ]; then
        FORWARDER=virtualbox
        ok "NAT rule: VirtualBox forwards port $PORT ($virtualbox)"
    elif [ -r /proc/net/tcp ] && [ -n "$(listeners_here "$PORT")" ]; then
        FORWARDER=program
        warn "NAT rule: none; a program of this host listens on port $PORT, a forwarder or a server: the VM's sees the host, not the desks"
    elif [ "$(uname)" != Linux ]; then
        FORWARDER=unseen
        unknown "NAT rule: can't be seen on this system; whether it works shows below"
    elif ! am_root; then
        FORWARDER=unseen
        unknown "NAT rule: only root can read it" "sudo make doctor ARGS=--from-host"
    else
        if [ -z "$VM" ]; then set -- "ADDRESS is the VM's:  make doctor  in the VM prints it"; fi
        bad "NAT rule: nothing on this host forwards port $PORT" "$(apply)" "$@"
    fi
}

hop_vm() { # sets CARD, LAN (this host's address on the desks' network), REACHED where the VM's server answers a desk
    CARD='' REACHED=''
    LAN=$(own_addresses | awk '{ print $1; exit }')
    if [ -z "$VM" ] && { [ "$FORWARDER" = virtualbox ] || [ "$FORWARDER" = program ]; }; then
        note "VM: behind its forwarder, it has no address of its own for this host"
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
    LAN=$(own_addresses | awk -v card="$CARD" '$2 != card { print $1; exit }')
    # as a desk asks: from an address that isn't in the VM's network, unless a masquerade hides that
    from=$LAN
    if hides_clients; then from=''; fi
    probe "$VM" "$INNER" ${from:+"$from"}
    if answered; then
        REACHED=yes
        ok "VM: $(outcome) at $VM port $INNER${CARD:+ (by $CARD)}"
        return
    fi
    if [ -n "$from" ]; then
        probe "$VM" "$INNER"
        if answered; then
            inside=$(way_to "$VM")
            bad "VM: it answers this host's $inside, but not $from: it has no way back to the desks, or its firewall lets none in" \
                "in the VM:  sudo ip route replace default via $inside" "in the VM:  sudo make doctor"
            return
        fi
    fi
    if [ "$OUTCOME" = refused ] || [ "$OUTCOME" = other ] || [ "$OUTCOME" = silent ] || [ "$OUTCOME" = closed ] || pings "$VM"; then
        bad "VM: it is on, but $VM port $INNER: $(outcome)" "in the VM:  sudo make doctor"
    else
        bad "VM: $VM does not answer, not even a ping" "is the VM on, is this its address?  In the VM:  ip -4 addr"
    fi
}

hop_forwarding() {
    if [ "$FORWARDER" = virtualbox ] || [ "$FORWARDER" = program ] || [ ! -r /proc/sys/net/ipv4/ip_forward ]; then return 0; fi
    if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]; then
        ok "forwarding: on"
    else
        bad "forwarding: off, this host hands nothing on to the VM" "$(apply)" "or by hand:  sudo sysctl -w net.ipv4.ip_forward=1"
    fi
}

hop_forward_policy() {
    if [ "$(uname)" != Linux ] || [ "$FORWARDER" = virtualbox ] || [ "$FORWARDER" = program ] || [ -z "$CARD" ]; then return 0; fi
    if ! am_root; then
        unknown "firewall: only root can read its rules" "sudo make doctor ARGS=--from-host"
        return
    fi
    if has iptables; then
        follow FORWARD "$INNER" "$PORT" "$VM" "$CARD"
        case $VERDICT in
        ACCEPT) lets "firewall: lets port $PORT through to the VM" ;;
        DROP)
            if [ -n "$NETS" ]; then ok "firewall: lets port $PORT through to the VM from $NETS only"; else
                bad "firewall: $CHAIN drops what goes to the VM ($RULE)" "$(apply)" \
                    "or by hand:  sudo iptables -I FORWARD -p tcp -d $VM --dport $INNER -j ACCEPT"
            fi
            ;;
        *) unknown "firewall: iptables does not say its rules" "sudo iptables -S FORWARD" ;;
        esac
    fi
    nft_hop forward
}

hop_own_address() { # the port at this host's own address, as the desks ask for it
    if [ -z "$LAN" ]; then
        if has ip; then bad "address: this host has none on the desks' network" "is the cable in, the Wi-Fi on?  ip -4 addr"; fi
        return 0
    fi
    if [ "$FORWARDER" = none ] || { [ "$FORWARDER" = kernel ] && [ -z "$REACHED" ]; }; then
        note "through the NAT: not asked, a hop before it is broken"
        return
    fi
    if [ "$FORWARDER" = kernel ] && ! printf '%s\n' "$NAT_RULES" | grep -q '^output '; then
        note "through the NAT: this NAT is for other desks only; there:  make doctor ARGS='--from-slam $LAN'"
        return
    fi
    probe "$LAN" "$PORT"
    if answered; then
        ok "through the NAT: $(outcome) at $LAN port $PORT: give that address to SLAM"
    else
        bad "through the NAT: $LAN port $PORT: $(outcome)" "$(apply)"
    fi
}

hop_whose_address() {
    case $FORWARDER in
    kernel)
        if hides_clients; then
            warn "desks: the server sees this host's address for all of them (masquerade); chatting works" "$(apply)  without --masquerade"
        else
            ok "desks: the server sees the true address of each; the VM's way back must lead by this host"
        fi
        ;;
    virtualbox) warn "desks: the server sees 10.0.2.2 for all of them; chatting works (VirtualBox's NAT can't do otherwise)" ;;
    *) note "desks: whose address the server sees, its log says:  sudo make doctor  in the VM" ;;
    esac
}

host_hops() {
    echo "On this host, from its port $PORT to the VM${VM:+ $VM}:"
    INNER=$PORT
    hop_nat_rule
    hop_vm
    hop_forwarding
    hop_forward_policy
    hop_own_address
    hop_whose_address
}
