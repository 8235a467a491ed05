# shellcheck shell=sh
# The guard of the ports that Docker publishes: its rules, the unit that loads them, and whether it holds. For ufw.sh.
# shellcheck disable=SC2153,SC2154  # variables that ufw.sh and common.sh set
RULES=/etc/ufw/classcord.rules
RULES6=/etc/ufw/classcord6.rules
TABLE="inet classcord-guard" TABLE_FILE=/etc/ufw/classcord.nft
STRANGER=classcord-test # a network namespace that lives for a second
UNIT=classcord-firewall.service
LOCAL=/etc/systemd/system/$UNIT # where `systemctl edit --full` writes; older versions put the unit there
ENGINE=/var/run/docker.sock

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

# The sockets of the engines that answer: root's first, then those that users run without root (rootless)
engines() {
    for socket in $ENGINE /run/user/*/docker.sock; do
        if timeout 5 docker -H "unix://$socket" ps -q >/dev/null 2>&1; then say "$socket"; fi
    done
}

root_engine_is_up() { case $engines in $ENGINE*) ;; *) false ;; esac }

# The setting with which root's engine was told not to use DOCKER-USER, or nothing. It also says what an engine that is
# down will do: from its files, the options in its unit, and those of its process.
left_alone() {
    {
        cat /etc/docker/daemon.json /var/snap/docker/current/config/daemon.json || :
        systemctl show --property ExecStart --value docker.service || :
        tr '\0' '\n' <"/proc/$(cat /run/docker.pid)/cmdline" || :
    } 2>/dev/null | tr -d ' \t\n"' |
        grep -oE 'iptables(:false|=([Ff]|false|False|FALSE|0))|firewall-backend[:=]?nftables' | head -n 1
}

# Does root's engine need the table, because its packets do not meet DOCKER-USER? One that is down sets the jump when it
# starts.
needs_table() {
    [ -n "$(left_alone)" ] || { root_engine_is_up && ! iptables -w -C FORWARD -j DOCKER-USER 2>/dev/null; }
}

# dnat [6]: does a rule change the destination of connections to the port? Then they never meet ufw.
dnat() {
    {
        "ip${1:-}tables-save" -t nat
        ! grep -sqx nat "/proc/net/ip${1:-}_tables_names" || "ip${1:-}tables-legacy-save" -t nat
        nft list ruleset ${1:+ip6}
    } 2>/dev/null | grep -qE "tcp.* (--)?dport $port .*(DNAT|dnat to)"
}

# proxied [6]: does a program of Docker's listen on the port, to pass the connections on?
proxied() {
    ss -Hltnp"${1:-}" "sport = :$port" 2>/dev/null |
        grep -qE '"(docker-proxy|rootlesskit|rootlessport|slirp4netns|pasta|com.docker)'
}

# Does ufw see the connections to the port of a container, as it does for a service? If no container publishes the port
# now, the engine's kind and its settings say what will be.
meets_ufw() {
    ! dnat && { proxied || case $(left_alone) in iptables*) ;; *) [ -n "$engines" ] && ! root_engine_is_up ;; esac }
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

# Is that file our unit, as this or an older version wrote it?
unedited() { [ -f "$1" ] && [ "$(essence <"$1")" = "$(unit | essence)" ]; }
essence() { sed -E "/^(#|Description=ClassCord: |.*classcord\.nft)/d"; }

set_guard() {
    guard "$from" | write $RULES
    guard '' | write $RULES6
    if ! needs_table; then
        remove_table
    elif has nft; then
        table "$from" | write $TABLE_FILE
    else
        meets_ufw || fail "Docker does not use iptables here, and nft is missing: sudo apt install nftables"
    fi
    edited=''
    if unedited $LOCAL; then run rm $LOCAL; elif [ -e $LOCAL ]; then edited=yes; fi
    [ -n "$dry" ] || mkdir -p "$UNITS"
    unit | write "$UNITS/$UNIT"
    run systemctl daemon-reload
    run systemctl reenable -q $UNIT
    run systemctl restart $UNIT
    [ -z "$edited" ] || warn "$LOCAL is used as you wrote it; sudo systemctl revert $UNIT removes it"
}

remove_table() {
    [ ! -e $TABLE_FILE ] || run rm -f $TABLE_FILE
    # shellcheck disable=SC2086 # its family and its name
    if nft list table $TABLE >/dev/null 2>&1; then run nft delete table $TABLE; fi
}

# Does the guard bite? Asks for the port from an address outside the network, in a network namespace of its own. Says so
# if a container answers.
try_as_stranger() {
    [ -n "$(for socket in $engines; do docker -H "unix://$socket" ps -q --filter "publish=$port"; done)" ] || return 0
    trap 'ip netns del $STRANGER 2>/dev/null' EXIT
    ip netns del $STRANGER 2>/dev/null || :
    if ip netns add $STRANGER && ip link add cc-guard0 type veth peer name cc-guard1 netns $STRANGER &&
        ip addr add 192.0.2.1/30 dev cc-guard0 && ip link set cc-guard0 up &&
        ip -n $STRANGER addr add 192.0.2.2/30 dev cc-guard1 && ip -n $STRANGER link set cc-guard1 up; then
        if ip netns exec $STRANGER python3 -I -c "import socket
socket.create_connection(('192.0.2.1', $port), 2)" 2>/dev/null; then
            fail "the guard does not hold: 192.0.2.2, which is not in $from, reaches the container; see the lines above"
        fi
        good "a stranger (192.0.2.2) does not reach the container"
    fi
}

remove_guard() {
    remove_table
    if [ -e "$UNITS/$UNIT" ] || [ -e $LOCAL ]; then
        run systemctl disable -q --now $UNIT
        if unedited $LOCAL; then run rm $LOCAL; elif [ -e $LOCAL ]; then say "$LOCAL stays, because you changed it."; fi
        run rm -f "$UNITS/$UNIT"
        run rmdir --ignore-fail-on-non-empty "$UNITS" "${UNITS%/*}" 2>/dev/null || :
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
