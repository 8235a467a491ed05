# shellcheck shell=sh
# The hops of the VM: from the process to the network card. Sourced by doctor.sh.
# shellcheck disable=SC2034,SC2153,SC2154  # the parts share their variables
# shellcheck source=deploy/unit.sh
. "${folder%/doctor}/unit.sh"

# --- what runs here ---

ASKED=$NAME
RUN="make docker-run$SET"
if [ "$NAME" != classcord ]; then RUN="$RUN NAME=$NAME" SUDO_DOCTOR="$SUDO_DOCTOR NAME=$NAME"; fi

docker_says() { limit "$WAIT" docker "$@" 2>/dev/null; }

look_for_container() { # sets ENGINE (none, forbidden, down, hangs, up) and the facts about the container
    ENGINE=none STATE='' RESTARTS=0 EXIT=0 NETWORK='' UP='' INSIDE=''
    has docker || return 0
    ENGINE=up
    text=$(limit "$WAIT" docker ps -q 2>&1) || ENGINE=down
    if [ "$ENGINE" = down ]; then
        case $text in
        *'ermission denied'*) ENGINE=forbidden ;;
        '') ENGINE=hangs ;; # ended because it took too long
        esac
        return
    fi
    # `docker run -p 12345:12345 classcord-server` lets Docker choose the container's name
    label=label=org.opencontainers.image.title=classcord-server
    text=$(docker_says container inspect -f '{{.State.Running}}' "$NAME") || :
    if [ "$text" != true ]; then
        other=$(docker_says ps --filter "publish=$PORT" --format '{{.Names}}' | head -n 1)
        other=${other:-$(docker_says ps --filter "$label" --format '{{.Names}}' | head -n 1)}
        if [ -z "$text$UNIT" ]; then other=${other:-$(docker_says ps -a --filter "$label" --format '{{.Names}}' | head -n 1)}; fi
        NAME=${other:-$NAME}
    fi
    form='{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}} {{.HostConfig.NetworkMode}}'
    form="$form {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    # shellcheck disable=SC2046  # one word for each
    set -- $(docker_says inspect --type container -f "$form" "$NAME")
    if [ $# -ge 4 ]; then
        STATE=$1 RESTARTS=$2 EXIT=$3 NETWORK=$4 INSIDE=${5:-}
        UP=$(docker_says ps -a --filter "name=^/$NAME\$" --format '{{.Status}}')
    fi
}

# sets UNIT and SOCKET to the units' states (or nothing), SET_PORT to how to set the port, RESTART to what comes then
look_for_unit() {
    UNIT='' SOCKET=''
    has systemctl || return 0
    if [ "$(unit_says LoadState)" = loaded ]; then
        UNIT=$(limit "$WAIT" systemctl is-active classcord.service 2>/dev/null) || :
        SOCKET=$(limit "$WAIT" systemctl is-active classcord.socket 2>/dev/null) || :
    fi
    RESTART="sudo systemctl restart classcord" SET_PORT="set CLASSCORD_PORT=$PORT in /etc/classcord/classcord.env"
    if [ "$SOCKET" = active ]; then
        RESTART="sudo systemctl stop classcord.socket classcord; sudo systemctl start classcord.socket classcord"
        SET_PORT="sudo systemctl edit classcord.socket, with the lines  [Socket]  ListenStream=  ListenStream=$PORT"
    fi
}

read_log() { # sets LOG to the server's last lines, from its last start on if that is among them
    LOG=''
    case $RUNNER in
    container) LOG=$(limit "$WAIT" docker logs --tail 3000 "$NAME" 2>&1) || : ;;
    unit)
        limit "$WAIT" journalctl --sync 2>/dev/null || : # its newest lines may be on their way; for root only
        LOG=$(limit "$WAIT" journalctl _SYSTEMD_UNIT=classcord.service -n 3000 -o cat --no-pager -q 2>/dev/null) || :
        ;;
    esac
    LOG=$(printf '%s\n' "$LOG" | awk '/event"?[:=] ?"?listening/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }')
}

logged() { # FIELD EVENT: that field of the last such event in the log
    printf '%s\n' "$LOG" | grep "event\"*[=:] *\"*$2\"*" | tail -n 1 | sed -n "s/.*[ \"]$1[\"=: ]*\([^\", ]*\).*/\1/p"
}

last_line() { printf '%s\n' "$LOG" | grep . | tail -n 1 | cut -c 1-200; }

hop_runs() { # sets RUNNER: container, unit, process, unseen, or none if no server runs
    RUNNER=none
    if [ "$ENGINE" = hangs ]; then
        if [ -n "$LISTENERS" ]; then RUNNER=unseen; fi
        bad "server: the Docker engine does not answer within $WAIT s" "sudo systemctl restart docker"
    elif [ "$STATE" = running ] && [ "$UNIT" = active ]; then
        RUNNER=container
        bad "server: the container $NAME and the unit classcord.service both run; only one can have port $PORT" \
            "keep the container:  sudo systemctl disable --now classcord" "keep the unit:  docker rm -f $NAME"
    elif [ "$STATE" = running ]; then
        RUNNER=container
        case $UP in
        *[sS]econd*)
            if [ "$RESTARTS" -ge 3 ]; then
                container_loops
                return
            fi
            ;;
        esac
        ok "server: the container $NAME runs ($UP)"
    elif [ "$UNIT" = active ] && [ -z "$LISTENERS" ] && [ "$(unit_says NRestarts)" != 0 ]; then
        unit_fails "starts again and again"
    elif [ "$UNIT" = active ]; then
        RUNNER=unit
        ok "server: the unit classcord.service is active"
    elif [ "$STATE" = restarting ]; then
        container_loops
    elif [ "$STATE" = paused ]; then
        bad "server: the container $NAME is paused" "docker unpause $NAME"
    elif [ "$UNIT" = activating ] && [ "$(unit_says SubState)" = start ] && [ "$(unit_says NRestarts)" = 0 ]; then
        bad "server: the unit classcord.service is still starting" "wait a moment, and ask again:  $SUDO_DOCTOR"
    elif [ "$UNIT" = activating ]; then
        unit_fails "starts again and again"
    elif [ "$UNIT" = inactive ] && [ "$SOCKET" = active ]; then
        RUNNER=unit
        ok "server: the unit classcord.socket listens, and starts the server for the first client"
    elif [ -n "$LISTENERS" ]; then
        something_listens
    elif [ "$UNIT" = failed ]; then
        unit_fails "has failed"
    else
        nothing_runs
    fi
}

container_loops() {
    RUNNER=container
    read_log
    RUNNER=none
    bad "server: the container $NAME is restarted again and again: $(last_line)" \
        "docker logs --tail 20 $NAME"
}

unit_fails() { # WHAT
    RUNNER=unit
    read_log
    RUNNER=none
    facts=''
    why=$(limit "$WAIT" systemctl show -p Result -p ExecMainStatus classcord.service 2>/dev/null | sort -r | tr '\n' ' ')
    case $why in 'Result=success '* | '') ;; *) facts=" (${why% })" ;; esac
    reason=$(printf '%s\n' "$LOG" | grep '^server\.py: ' | tail -n 1 | cut -c 1-200)
    bad "server: the unit classcord.service $1$facts${reason:+: $reason}" "sudo journalctl -u classcord -n 20" \
        "then:  sudo systemctl reset-failed classcord; sudo systemctl start classcord"
}

something_listens() {
    if [ "$ENGINE" = forbidden ]; then
        RUNNER=unseen
        unknown "server: a program listens on port $PORT; only root and the group docker can see whether it is a container" "$SUDO_DOCTOR"
    else
        RUNNER=process
        ok "server: a plain process listens on port $PORT, not a container or a unit; it ends when its terminal closes"
    fi
}

nothing_runs() {
    start_engine=''
    if [ "$ENGINE" = forbidden ]; then
        unknown "containers: only root and the group docker can see them" "$SUDO_DOCTOR"
    elif [ "$ENGINE" = down ]; then
        start_engine="the Docker engine is down, that first:  sudo systemctl start docker"
    fi
    if [ -n "$STATE" ]; then
        start=$RUN
        if [ "$NAME" != "$ASKED" ]; then start="docker start $NAME"; fi
        bad "server: the container $NAME is stopped (exit code $EXIT)" "$start" "why it stopped:  docker logs --tail 20 $NAME"
    elif [ -n "$UNIT" ]; then
        bad "server: the unit classcord.service is not started ($UNIT)" "sudo systemctl start classcord"
    else
        bad "server: nothing runs: there is no container $NAME and no unit classcord.service, and nothing listens on port $PORT" \
            ${start_engine:+"$start_engine"} "with Docker:  $RUN" "without:  sudo make install${SET:+  (and CLASSCORD_PORT=$PORT in /etc/classcord/classcord.env)}"
    fi
}

# --- does it answer, and where ---

hop_healthy() { # the server alone, without the way to it; sets HEALTHY
    HEALTHY=yes
    case $RUNNER in
    container)
        if ! text=$(limit $((WAIT + 1)) docker exec "$NAME" python3 /app/server.py health 2>&1); then
            HEALTHY=''
            bad "health: inside the container: $(printf '%s\n' "${text:-no answer}" | tail -n 1)" \
                "docker logs --tail 20 $NAME" "then:  docker restart $NAME"
            return
        fi
        ok "health: the server in the container answers"
        ;;
    *)
        if [ -z "$LISTENERS" ]; then
            HEALTHY=''
            port=$(logged port listening)
            port=${port:-$(unit_port)}
            if [ "$port" != "$PORT" ]; then
                bad "health: the server listens on port $port, not on $PORT" "$SET_PORT" \
                    "then:  $RESTART" "or check the other port:  sudo make doctor PORT=$port"
            else
                bad "health: it is started, but nothing listens on port $PORT" "sudo journalctl -u classcord -n 20"
            fi
            return
        fi
        if [ "$LISTENERS" = IPv6 ]; then return 0; fi # the address is not decoded here; see the next hop
        at=127.0.0.1
        case $LISTENERS in
        *'*'* | *127.0.0.1*) ;;
        *[0-9].*) at=$(printf '%s\n' "$LISTENERS" | grep -F . | head -n 1) ;;
        *) at=::1 ;;
        esac
        probe "$at" "$PORT"
        if answered; then
            ok "health: $(outcome)"
        elif [ "$OUTCOME" = refused ] || [ "$OUTCOME" = timeout ]; then
            REJECTED=yes # it listens, so the server is not the cause
            if am_root; then note "health: not checked, a firewall of this machine blocks even local connections"; else
                bad "health: on this machine itself, port $PORT: $(outcome): a firewall blocks it" "$SUDO_DOCTOR"
            fi
        else
            HEALTHY=''
            restart="end it (Ctrl-C) and start it again:  make run"
            case $RUNNER in unit) restart="sudo systemctl restart classcord" ;; unseen) restart=$SUDO_DOCTOR ;; esac
            bad "health: on this machine itself, port $PORT: $(outcome)" "$restart"
        fi
        ;;
    esac
}

hop_settings() { # the port of the unit in force, if no other hop has named it
    port=$(unit_port)
    if [ -z "$UNIT" ] || [ "$port" = "$PORT" ] || [ "$port" = 0 ]; then return 0; fi
    case $RUNNER in
    none) warn "settings: the unit's port is $port, not $PORT; to change it: $SET_PORT" "sudo make doctor PORT=$port" ;;
    unit)
        if [ -n "$LISTENERS" ]; then
            warn "settings: from its next start the unit's port is $port, not $PORT; where that is set:  systemctl cat 'classcord.*'" \
                "$RESTART; sudo make doctor PORT=$port"
        fi
        ;;
    esac
}

hop_listens() { # sets OPEN if the port is open on the machine's other addresses
    OPEN=''
    if [ "$RUNNER" = container ] && [ "$NETWORK" != host ]; then
        container_listens
    elif only_loopback "$LISTENERS"; then
        bad "listening: on loopback only ($(printf %s "$LISTENERS" | tr '\n' ' '| sed 's/ $//')): only this VM can connect" \
            "start it without --host 127.0.0.1, and without CLASSCORD_HOST (unit: /etc/classcord/classcord.env)"
    elif [ "$LISTENERS" = IPv6 ]; then
        bad "listening: on an IPv6 address only: the desks use IPv4" "start it without --host (unit: without CLASSCORD_HOST)"
    else
        OPEN=yes
        case $LISTENERS in
        *'*'*) ok "listening: on all addresses" ;;
        *) ok "listening: on $(printf %s "$LISTENERS" | tr '\n' ' ')" ;;
        esac
    fi
}

container_listens() {
    again="docker rm -f $NAME; $RUN  (it uses the accounts and messages in the volume $ASKED-data)"
    inside=$(limit "$WAIT" docker exec "$NAME" cat /proc/net/tcp /proc/net/tcp6 2>/dev/null) || inside=''
    published=$(docker_says port "$NAME")
    inner=$(printf '%s\n' "$published" | sed -n "s|^\([0-9]*\)/tcp -> .*:$PORT\$|\1|p" | head -n 1)
    INNER=${inner:-12345}
    if only_loopback "$(printf '%s\n' "$inside" | listeners "$INNER")"; then
        bad "listening: inside the container on 127.0.0.1 only: no published port reaches it" \
            "run it without --host and without CLASSCORD_HOST:  $again"
        return
    fi
    if [ -z "$published" ]; then
        bad "published: the container's port is not published: nobody can connect" "$again"
    elif [ -z "$inner" ]; then
        others=$(printf '%s\n' "$published" | sed 's/.*://' | sort -u | tr '\n' ' ')
        bad "published: port $PORT is not published, but ${others% } is" \
            "$again" "or check that port:  sudo make doctor PORT=${others%% *}"
    elif ! printf '%s\n' "$published" | grep ":$PORT\$" | grep -qv -e '-> 127\.' -e '-> \[::1\]'; then
        bad "published: on 127.0.0.1 only: only this VM can connect" "$again"
    else
        OPEN=yes
        ok "published: $(printf '%s\n' "$published" | sed -n "s|\(.*\) -> \(.*:$PORT\)\$|\2 leads to the container's \1|p" | head -n 1)"
    fi
}

# --- the network ---

hop_address() { # sets ADDRESSES
    ADDRESSES=$(own_addresses)
    if ! has ip; then
        unknown "address: needs the command ip" "sudo apt install iproute2"
    elif [ -z "$ADDRESSES" ]; then
        bad "address: this VM has no address" "is the network card connected in the hypervisor?  ip link" "sudo dhclient"
    else
        ok "address: $(printf '%s\n' "$ADDRESSES" | sed 's/ \(.*\)/ (\1)/' | tr '\n' ' ')- give it to --vm on the host"
        case $ADDRESSES in
        10.0.2.*) note "10.0.2.x is VirtualBox's NAT: the host can connect only by a port forwarding of VirtualBox (deploy/nat/virtualbox.*)" ;;
        esac
    fi
}

hop_route() {
    has ip || return 0
    GATEWAY=$(gateway)
    if [ -n "$GATEWAY" ] || ip -4 route show default 2>/dev/null | grep -q .; then
        ok "default route: ${GATEWAY:+via $GATEWAY, }answers reach the desks"
    else
        guess=$(printf '%s\n' "$ADDRESSES" | sed -n '1s/\.[0-9]* .*/.1/p')
        bad "default route: none; answers to the desks get lost" \
            "sudo ip route add default via ${guess:-ADDRESS}  (the host's address on the VM's network)"
    fi
}

hop_own_address() {
    if [ -z "$OPEN" ] || [ -z "$ADDRESSES" ] || [ -n "$REJECTED" ]; then return 0; fi
    address=${ADDRESSES%% *}
    probe "$address" "$PORT"
    if answered; then
        ok "from here: $(outcome) at $address port $PORT"
    else
        bad "from here: $address port $PORT: $(outcome)" "does it listen on that address?  sudo ss -ltnp 'sport = :$PORT'"
    fi
}

# --- the data, and the desks ---

hop_data() {
    data=$(logged data listening)
    case $RUNNER in
    container)
        data=${data:-/data}
        room=$(limit "$WAIT" docker exec "$NAME" df -P "$data" 2>/dev/null) || room=''
        ;;
    unit) room=$(df -P "${data:-/var/lib}" 2>/dev/null || df -P /var/lib) ;;
    *) return 0 ;;
    esac
    # only the last of these counts
    if [ "$(printf '%s\n' "$LOG" | grep -o 'storage_failed\|storage_recovered\|listening' | tail -n 1)" = storage_failed ]; then
        bad "data: the server can't write: $(printf '%s\n' "$LOG" | sed -n 's/.*storage_failed.*detail="\([^"]*\).*/\1/p' | tail -n 1)" \
            "is the disk full?  df -h" "or does the folder belong to another user?  ls -ld ${data:-/var/lib/classcord}"
        return
    fi
    free=$(printf '%s\n' "$room" | awk 'NR == 2 { print $4 }')
    case $free in
    '' | *[!0-9]*) unknown "data: can't see how full the disk is" "df -h" ;;
    *)
        if [ "$free" -lt 10240 ]; then
            bad "data: the disk is full ($free kB left for $data)" "df -h" "docker system prune  removes what Docker no longer needs"
        else
            ok "data: the disk has $((free / 1024)) MB left${data:+ for $data}"
        fi
        ;;
    esac
}

hop_seen() { # the clients' addresses in the log; one address for all desks means that a NAT hides them
    case $RUNNER in container | unit) ;; *) return 0 ;; esac
    if [ -z "$LOG" ]; then
        unknown "desks: the server's log can't be read" "$SUDO_DOCTOR"
        return
    fi
    mine=$(ip -o addr show 2>/dev/null | awk '{ split($4, a, "/"); printf "|%s", a[1] }')
    peers=$(printf '%s\n' "$LOG" | sed -n 's/.*[ "]peer\(=\|": "\)\([0-9a-f.:]*\).*/\2/p' | sort -u |
        awk -v mine="$mine|" 'index(mine, "|" $1 "|") == 0' | tr '\n' ' ')
    peers=${peers% }
    hidden=$(logged peer nat_hides_clients)
    case $peers in
    '' ) note "desks: none has connected yet" ;;
    10.0.2.2 | "${GATEWAY:-none}") hidden=$peers ;;
    esac
    if [ -n "$hidden" ]; then
        warn "desks: they come as $hidden. If these are several desks, a NAT hides their addresses; chatting works" \
            "on a Linux host:  sudo sh deploy/nat/linux.sh apply --vm ${ADDRESSES%% *}  without --masquerade"
    elif [ -n "$peers" ]; then
        ok "desks: the server has seen $(printf '%s\n' "$peers" | cut -d ' ' -f 1-8)"
    fi
}

vm_hops() {
    echo "In this machine, port $PORT:"
    GATEWAY='' OPEN='' REJECTED='' INNER=12345
    look_for_unit
    look_for_container
    LISTENERS=$(listeners_here "$PORT")
    hop_runs
    read_log
    hop_settings
    if [ "$RUNNER" != none ]; then
        hop_healthy
        if [ -n "$HEALTHY" ]; then hop_listens; fi
    fi
    hop_address
    hop_own_address
    hop_route
    before=$broken
    hop_firewall
    if [ -n "$REJECTED" ] && [ -n "$OPEN" ] && [ "$broken" -eq "$before" ] && am_root; then
        bad "firewall: something blocks even local connections, and it isn't in the rules above" "sudo iptables-save; sudo nft list ruleset"
    fi
    if [ "$RUNNER" != none ]; then
        hop_data
        hop_seen
    fi
}
