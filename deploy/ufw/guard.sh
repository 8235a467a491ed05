# shellcheck shell=sh
# The guard of the ports that Docker publishes: its rules, the unit that loads them, and whether it holds. For ufw.sh.
# shellcheck disable=SC2154  # variables that ufw.sh sets
RULES=/etc/ufw/classcord.rules
RULES6=/etc/ufw/classcord6.rules
TABLE="inet classcord-guard" TABLE_FILE=/etc/ufw/classcord.nft
STRANGER=classcord-test # a network namespace that lives for a second
UNIT=classcord-firewall.service
UNIT_FILE=/etc/systemd/system/$UNIT

guard() { # [NETWORK]: the chain, as iptables-restore reads it
    cat <<END
# Written by ClassCord's deploy/ufw.sh: limits access to the ports that Docker publishes. DOCKER-USER jumps here.
*filter
:CLASSCORD - [0:0]
# answers, and connections that were let in before
-A CLASSCORD -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
END
    # By the port that the client asked for: 8080 published as 8080->12345 stays closed
    [ -z "$1" ] ||
        echo "-A CLASSCORD -s $1 -p tcp -m conntrack --ctstate DNAT --ctorigdstport $port --ctdir ORIGINAL -j RETURN"
    # It needs no name of a network card: every packet that is sent on to a published port comes from outside
    cat <<'END'
# any other published port
-A CLASSCORD -m conntrack --ctstate DNAT -j DROP
# from container to container, and from containers to the outside
-A CLASSCORD -i docker0 -j RETURN
-A CLASSCORD -i br-+ -j RETURN
# from a neighbour that has set a route to the containers' own addresses
-A CLASSCORD -o docker0 -j DROP
-A CLASSCORD -o br-+ -j DROP
COMMIT
END
}

# Does a packet for a published port meet DOCKER-USER? Not if the engine makes its rules with nft, or none at all. An
# engine that is down sets the jump when it starts.
jumps() {
    iptables -w -C FORWARD -j DOCKER-USER 2>/dev/null || ! docker ps -q >/dev/null 2>&1
}

table() { # NETWORK: the same as `guard`, for nft
    cat <<END
# Written by ClassCord's deploy/ufw.sh, because Docker does not use DOCKER-USER here.
table $TABLE
delete table $TABLE
table $TABLE {
    chain forward {
        type filter hook forward priority -5; policy accept;
        ct state established,related accept
        meta l4proto tcp ip saddr $1 ct status dnat ct direction original ct original proto-dst $port accept
        ct status dnat drop
        iifname "docker0" accept
        iifname "br-*" accept
        oifname "docker0" drop
        oifname "br-*" drop
    }
}
END
}

unit() {
    load() { # COMMAND FILE PREFIX
        printf "ExecStart=%s/bin/sh -ec '%s'\n" "$3" \
            "$1 -w -nL DOCKER-USER >/dev/null 2>&1 || $1 -w -N DOCKER-USER; $1-restore -w -n $2; $(
            )$1 -w -C DOCKER-USER -j CLASSCORD 2>/dev/null || $1 -w -I DOCKER-USER -j CLASSCORD"
    }
    cat <<END
[Unit]
Description=ClassCord: limits access to the ports that Docker publishes
# the engine keeps the rules that it finds in DOCKER-USER: so no port is open even for a moment
Before=docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
$(load iptables $RULES '')
# may fail where the kernel has no IPv6
$(load ip6tables $RULES6 -)
ExecStart=/bin/sh -ec '[ ! -e $TABLE_FILE ] || nft -f $TABLE_FILE'

[Install]
WantedBy=multi-user.target docker.service
END
}

set_guard() {
    guard "$from" | write $RULES
    guard '' | write $RULES6
    if jumps; then
        remove_table
    else
        command -v nft >/dev/null || die "Docker does not use iptables here, and nft is missing: sudo apt install nftables"
        table "$from" | write $TABLE_FILE
    fi
    unit | write $UNIT_FILE
    run systemctl daemon-reload
    run systemctl enable -q $UNIT
    run systemctl restart $UNIT
}

remove_table() {
    [ ! -e $TABLE_FILE ] || run rm -f $TABLE_FILE
    # shellcheck disable=SC2086 # its family and its name
    if nft list table $TABLE >/dev/null 2>&1; then run nft delete table $TABLE; fi
}

# Does the guard bite? Asks for the port from an address outside the network, in a network namespace of its own. Says so
# if a container answers.
try_as_stranger() {
    [ -n "$(docker ps -q --filter "publish=$port" 2>/dev/null)" ] || return 0
    trap 'ip netns del $STRANGER 2>/dev/null' EXIT
    ip netns del $STRANGER 2>/dev/null || :
    if ip netns add $STRANGER && ip link add cc-guard0 type veth peer name cc-guard1 netns $STRANGER &&
        ip addr add 192.0.2.1/30 dev cc-guard0 && ip link set cc-guard0 up &&
        ip -n $STRANGER addr add 192.0.2.2/30 dev cc-guard1 && ip -n $STRANGER link set cc-guard1 up; then
        if ip netns exec $STRANGER python3 -I -c "import socket
socket.create_connection(('192.0.2.1', $port), 2)" 2>/dev/null; then
            die "the guard does not hold: 192.0.2.2, which is not in $from, reaches the container; see the lines above"
        fi
        good "a stranger (192.0.2.2) does not reach the container"
    fi
}

remove_guard() {
    remove_table
    if [ -e $UNIT_FILE ]; then
        run systemctl disable -q --now $UNIT
        run rm -f $UNIT_FILE
        run systemctl daemon-reload
    fi
    for tables in iptables ip6tables; do
        if $tables -w -C DOCKER-USER -j CLASSCORD 2>/dev/null; then
            run $tables -w -D DOCKER-USER -j CLASSCORD
        fi
        if $tables -w -nL CLASSCORD >/dev/null 2>&1; then
            run $tables -w -F CLASSCORD
            run $tables -w -X CLASSCORD
            # if the engine doesn't use it, this script made it
            [ -n "$dry" ] || $tables -w -X DOCKER-USER 2>/dev/null || :
        fi
    done
    [ ! -e $RULES ] || run rm -f $RULES $RULES6
}
