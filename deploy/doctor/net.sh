# shellcheck shell=sh
# Shared by the VM's hops and the host's: listening sockets, addresses, firewall rules. Sourced by doctor.sh.
# shellcheck disable=SC2034,SC2153,SC2154  # the parts share their variables

SUDO_DOCTOR="sudo make doctor$SET"

listeners() { # PORT, with /proc/net/tcp and tcp6 on standard input: prints where a program listens, * or addresses
    awk -v port="$(printf '%04X' "$1")" '
        function byte(i) { return index(digits, substr(hex, i, 1)) * 16 + index(digits, substr(hex, i + 1, 1)) - 17 }
        BEGIN { digits = "0123456789ABCDEF" }
        $4 == "0A" && split($2, local, ":") == 2 && local[2] == port {
            hex = local[1]
            if (hex ~ /^0+$/)
                print "*"
            else if (hex == "00000000000000000000000001000000")
                print "::1"
            else if (length(hex) == 8 || hex ~ /^0000000000000000FFFF0000/) {
                hex = substr(hex, length(hex) - 7)
                print byte(7) "." byte(5) "." byte(3) "." byte(1)
            } else
                print "IPv6"
        }' | sort -u
}

listeners_here() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | listeners "$1"; }

only_loopback() { # LISTENERS: whether only this machine itself can connect
    [ -n "$1" ] || return 1
    for each in $1; do
        case $each in 127.* | ::1) ;; *) return 1 ;; esac
    done
}

own_addresses() { # this machine's IPv4 addresses, "ADDRESS CARD" per line, without bridges of containers and VMs
    ip -4 -o addr show scope global 2>/dev/null |
        awk '$2 !~ /^(docker|br-|veth|virbr|lxcbr|lxdbr)/ { split($4, address, "/"); print address[1], $2 }'
}

gateway() { ip -4 route show default 2>/dev/null | sed -n 's/.* via \([0-9.]*\).*/\1/p' | head -n 1; }

# follow START PORT ORIGINAL DESTINATION CARD-OUT: follows an imagined new connection through iptables' rules. Sets
# VERDICT (ACCEPT, DROP, or nothing if the rules can't be read), CHAIN and RULE (they decide), NETS, DENIED (filter.awk)
follow() {
    VERDICT='' CHAIN='' RULE='' NETS='' DENIED=''
    rules=$(limit "$WAIT" iptables -w 2 -S 2>/dev/null) || return 0
    cards=$(own_addresses | awk '{ printf " %s ", $2 }')
    answer=$(printf '%s\n' "$rules" |
        awk -v start="$1" -v port="$2" -v original="$3" -v dst="$4" -v out="$5" -v cards="$cards" -f "$folder/filter.awk")
    VERDICT=${answer%%|*}
    answer=${answer#*|}
    CHAIN=${answer%%|*}
    answer=${answer#*|}
    DENIED=${answer##*|}
    answer=${answer%|*}
    NETS=${answer##*|}
    NETS=${NETS# }
    RULE=${answer%|*}
}

# nft_blocks HOOK: nft's own tables (not those of iptables) that drop the port at that hook, one per line:
# "closed TABLE" if no rule in it could let the port through, else "maybe TABLE"
nft_blocks() {
    has nft || return 0
    limit "$WAIT" nft list ruleset 2>/dev/null | awk -v hook="$1" -v port="$PORT" '
        function report() { if (drops && !opens && !iptables) print (maybe ? "maybe" : "closed"), table }
        /^table / { report(); table = $2 " " $3; drops = opens = maybe = iptables = hooked = 0; next }
        $1 == "chain" { hooked = 0; if ($2 ~ /^(INPUT|FORWARD)$/) iptables = 1 }
        $1 == "type" && index($0, "hook " hook " ") { hooked = 1; if (/policy drop/) drops = 1 }
        hooked && /^[ \t]+(counter packets [0-9]+ bytes [0-9]+ )?(drop|reject)/ { drops = 1 }
        hooked && /dport/ && index($0, port) && /(drop|reject)/ && !/saddr/ { drops = 1 }
        / accept/ && (index($0, port) || /ct status dnat/) { opens = 1 }
        / accept/ && !/established|iif(name)? "?lo"?|icmp|dport [0-9]+ / { maybe = 1 }
        END { report() }'
}

nft_hop() { # HOOK: prints a line for each table of nft_blocks
    blocks=$(nft_blocks "$1")
    while read -r sure table; do
        case $sure in
        closed)
            bad "nftables: the table '$table' drops every port that it does not name, and it does not name port $PORT" \
                "look:  sudo nft list table $table" \
                "open:  sudo nft insert rule $table CHAIN tcp dport $PORT accept  (CHAIN: the one that has 'hook $1')"
            ;;
        maybe) warn "nftables: the table '$table' drops by default; see whether port $PORT gets through" "sudo nft list table $table" ;;
        esac
    done <<END
$blocks
END
}

# --- the VM's firewalls ---

hop_firewall() {
    if [ -z "$OPEN" ]; then return 0; fi
    if [ "$RUNNER" = container ] && [ "$NETWORK" != host ]; then
        if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then note "ufw: on, but Docker goes around it: ufw does not block or protect the container"; fi
        if am_root; then container_firewall; else unknown "DOCKER-USER: only root can read firewall rules" "$SUDO_DOCTOR"; fi
    elif am_root; then
        if ! has iptables; then note "iptables: not installed"; else machine_firewall; fi
        nft_hop input
    elif [ -e /etc/ufw/ufw.conf ] && ! grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then
        unknown "firewall: ufw is off; only root can read other rules" "$SUDO_DOCTOR"
    else
        unknown "firewall: only root can read its rules" "$SUDO_DOCTOR"
    fi
}

for_nets() { # TEXT COMMAND: a firewall lets in NETS only; COMMAND lets in NET
    set -- "$1 from $NETS only" "$2"
    instead=10.0.108.0/24
    case " $NETS " in *" $instead "*) instead=NETWORK ;; esac
    hidden=''
    case " $NETS " in
    *" $GATEWAY "* | *" $GATEWAY/32 "*) ;;
    *) hidden="if a NAT hides the desks' addresses, they come as $GATEWAY; then:  $(printf %s "$2" | sed "s|NET|$GATEWAY|")" ;;
    esac
    warn "$1" "are the desks in it? If not:  $(printf %s "$2" | sed "s|NET|$instead|")" ${GATEWAY:+${hidden:+"$hidden"}}
}

lets() { # TEXT COMMAND: prints the result of `follow` if it lets some or all in; COMMAND lets in NET
    if [ -n "$NETS" ]; then
        for_nets "$@"
    elif [ -n "$DENIED" ]; then
        warn "$1, but not from$DENIED" "sudo iptables -S | grep -e '-s'  shows the rule about them"
    else
        ok "$1"
    fi
}

BY_UFW="sudo sh deploy/ufw.sh apply --from NET$FLAG"

machine_firewall() { # for a unit or a process: INPUT, where ufw's rules are too
    name=firewall
    allow="sudo iptables -I INPUT -s NET -p tcp --dport $PORT -j ACCEPT"
    if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then name=ufw allow=$BY_UFW; fi
    follow INPUT "$PORT" "$PORT" "${ADDRESSES%% *}" ''
    case $VERDICT:$CHAIN:$NETS in
    :*) unknown "firewall: iptables does not show its rules" "sudo iptables -S" ;;
    ACCEPT:* | *:?*:?*) lets "$name: lets port $PORT in" "$allow" ;;
    DROP:ufw-*:* | DROP:INPUT:*)
        if [ "$name" = ufw ]; then
            bad "ufw: is on and has no rule that lets port $PORT in" "sudo sh deploy/ufw.sh apply$FLAG" "or by hand:  sudo ufw allow $PORT/tcp"
        else
            bad "firewall: iptables drops port $PORT ($RULE)" "sudo iptables -I INPUT -p tcp --dport $PORT -j ACCEPT"
        fi
        ;;
    *) bad "firewall: iptables drops port $PORT ($RULE)" "sudo iptables -D ${RULE#-A }" ;;
    esac
}

container_firewall() { # DOCKER-USER and everything else on the way to a published port
    has iptables || return 0
    if ! limit "$WAIT" iptables -w 2 -t nat -S 2>/dev/null | grep -q -e "--dport $PORT .*-j DNAT"; then
        bad "Docker's NAT rule for port $PORT is gone: somebody flushed the firewall" "sudo systemctl restart docker"
        return
    fi
    follow FORWARD "$INNER" "$PORT" "$INSIDE" "$(ip route get "$INSIDE" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')"
    allow="sudo iptables -I DOCKER-USER -s NET -p tcp -m conntrack --ctorigdstport $PORT --ctdir ORIGINAL -j RETURN"
    case $rules in *'-A DOCKER-USER -j CLASSCORD'*) allow=$BY_UFW ;; esac # the guard that deploy/ufw.sh made
    case $VERDICT:$CHAIN:$NETS in
    :*) unknown "DOCKER-USER: iptables does not show its rules" "sudo iptables -S DOCKER-USER" ;;
    DROP:FORWARD:* | DROP:DOCKER:* | DROP:DOCKER-[!U]*)
        bad "iptables: $CHAIN drops packets to the container ($RULE): Docker's own rules are gone" "sudo systemctl restart docker"
        ;;
    ACCEPT:* | *:?*:?*) lets "DOCKER-USER: lets port $PORT through" "$allow" ;;
    DROP:CLASSCORD:*)
        bad "DOCKER-USER: the guard of deploy/ufw.sh lets nobody reach port $PORT" \
            "sudo sh deploy/ufw.sh apply --from 10.0.108.0/24$FLAG" "or open it to all:  sudo sh deploy/ufw.sh undo"
        ;;
    *) bad "DOCKER-USER: a rule drops port $PORT ($RULE)" "sudo iptables -D ${RULE#-A }" ;;
    esac
    nft_hop forward
}
