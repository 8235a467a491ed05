#!/bin/sh
# Opens the port of the ClassCord server in ufw, for everybody or for one network; `sh ufw.sh --help` says how.
#
# Docker goes around ufw: a packet for a published port is sent on to the container (FORWARD). It never meets ufw's
# rules, which are in INPUT. So with --from, this script also guards the ports that Docker publishes. It does so in
# DOCKER-USER, the chain that the engine leaves to its users. The guard is the chain CLASSCORD. It is kept in
# /etc/ufw/classcord.rules, and the unit classcord-firewall.service loads it before the engine starts. An engine that was
# told to leave iptables alone does not use DOCKER-USER: then a table of nft has the same rules. See ufw/guard.sh. If a
# program of Docker's listens instead (docker-proxy, rootless), ufw sees the packets as those for a service.
set -eu
export LC_ALL=C LANGUAGE=C # this script reads ufw's output
export PATH="$PATH:/usr/sbin:/sbin"

PROFILE=/etc/ufw/applications.d/classcord
KEPT=/var/lib/classcord-ufw
COMMENT="comment 'ClassCord'"
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/common.sh
. "$here/common.sh"

usage() {
    cat <<END
Usage: sudo sh deploy/ufw.sh apply|status|undo [--from NETWORK] [--port N] [--dry-run]

  apply           let clients in: ufw allow 12345/tcp. A second call replaces the first. It never turns ufw on.
    --from NET    only from this network or address, like 10.0.108.0/24. Docker goes around ufw, so this also closes
                  every port that Docker publishes on this machine, except the server's to NET.
    --port N      the port of the server, as clients see it (default: 12345)
  status          say who can reach the server, and whether the rules of apply are active
  undo            remove everything that apply set
  --dry-run       show the commands of apply or undo, and change nothing

Exit code: 0 done, 1 not active or failed, 2 wrong command line.
END
}

# ufw_run WORDS...: a command of ufw that changes something; it would say what it did
ufw_run() { if [ -n "$dry" ]; then run ufw "$@"; else run ufw "$@" >/dev/null; fi; }

write() { # FILE, from standard input
    content=$(cat)
    if [ -n "$dry" ]; then
        printf '+ write %s:\n' "$1"
        printf '%s\n' "$content" | sed 's/^/      /'
    elif ! printf '%s\n' "$content" | cmp -s - "$1"; then
        printf '%s\n' "$content" >"$1"
    fi
}

# Print the network as ufw writes it. Fails with a hint if it is not a network.
network() {
    bits=32
    case $1 in */*) bits=${1#*/} ;; esac
    case $bits in [0-9] | [12][0-9] | 3[0-2]) is_ipv4 "${1%%/*}" ;; *) false ;; esac ||
        misused "--from: '$1' is not an IPv4 network or address; type one like 10.0.108.0/24"
    [ "$bits" -gt 0 ] || misused "--from: '$1' means everybody; leave --from out"
    old=$IFS IFS=.
    # shellcheck disable=SC2086 # split at the dots
    set -- "$1" ${1%%/*}
    IFS=$old
    left=$bits net=''
    for part in "$2" "$3" "$4" "$5"; do
        taken=$((left > 8 ? 8 : left)) left=$((left > 8 ? left - 8 : 0))
        net=$net${net:+.}$((part >> (8 - taken) << (8 - taken)))
    done
    [ "$net" = "${1%%/*}" ] || misused "--from: '$1' is an address in a network; type the network: $net/$bits"
    if [ "$bits" = 32 ]; then echo "$net"; else echo "$net/$bits"; fi
}

read_rules() { added=$(ufw show added | sed -n 's/^ufw //p'); } # all rules that people made, like: allow 22/tcp
ours() { echo "$added" | sed -n "s/ $COMMENT\$//p"; }           # those that apply made
rule() { # [NETWORK] PORT, in ufw's words
    if [ -n "$1" ]; then echo "allow from $1 to any port $2 proto tcp"; else echo "allow $2/tcp"; fi
}

# Rules of others that name the port or the profile, comments cut off
others() {
    echo "$added" | grep -v " $COMMENT\$" | sed "s/ comment '.*'\$//" |
        grep -E "(^| )($port|$port/tcp|ClassCord)( |\$)" || :
}

# Rules of others that open the port together with more: a range, all ports, one network card
wider() {
    echo "$added" | sed "s/ comment '.*'\$//" | awk -v port="$port" '
        $1 != "allow" && $1 != "limit" || / proto udp/ || $2 == "out" { next }
        {
            ports = $2 ~ /^[0-9][0-9:,]*(\/tcp)?$/ ? $2 : ""
            for (i = 3; i <= NF; i++) if ($(i - 1) == "port" && $(i - 3) == "to") ports = $i
            if ($2 !~ /^(from|to|in|proto|[0-9])/ || $2 ~ /udp$/ || / app /) next # a service or a profile by its name
            sub("/tcp", "", ports)
            here = ports == ""
            n = split(ports, each, ",")
            for (i = 1; i <= n; i++) {
                if (split(each[i], bounds, ":") == 1) bounds[2] = bounds[1]
                if (bounds[1] + 0 <= port + 0 && port + 0 <= bounds[2] + 0) here = 1
            }
            if (here) print
        }'
}

delete() { # RULE
    # shellcheck disable=SC2086 # the words of the rule
    ufw_run delete $1
}

# ufw writes its files again, even the package's files that say the same in other words. So the originals are kept, and
# undo puts them back if only this script has changed them since.
sums() { (cd /etc/ufw && cksum user.rules user6.rules); }
keep_originals() {
    if [ -d $KEPT ] && [ "$(cat $KEPT/sums 2>/dev/null)" != "$(sums)" ]; then
        rm -rf $KEPT
    elif [ ! -d $KEPT ] && [ -z "$(ours)" ]; then
        mkdir -m 700 $KEPT
        cp -p /etc/ufw/user.rules /etc/ufw/user6.rules $KEPT
    fi
}

apply() {
    read_rules
    wanted=$(rule "$from" "$port")
    [ -n "$dry" ] || keep_originals
    sed "s|^ports=.*|ports=$port/tcp|" "$here/ufw/classcord" | write $PROFILE
    if others | grep -qxF "$wanted"; then
        echo "ufw has this rule already, but this script did not make it: it is kept"
    elif ! ours | grep -qxF "$wanted"; then
        # shellcheck disable=SC2086 # the words of the rule
        ufw_run $wanted comment ClassCord
    fi
    ours | grep -vxF "$wanted" | while read -r old; do delete "$old"; done
    [ -n "$dry" ] || [ ! -d $KEPT ] || sums >$KEPT/sums
    if [ -n "$from" ]; then set_guard; else remove_guard; fi
    [ -n "$dry" ] || { status || :; }
    [ -n "$dry" ] || [ -z "$from" ] || try_as_stranger
}

undo() {
    read_rules
    untouched=''
    if [ -d $KEPT ] && [ "$(cat $KEPT/sums 2>/dev/null)" = "$(sums)" ]; then untouched=yes; fi
    ours | while read -r old; do delete "$old"; done
    if [ -d $KEPT ]; then
        [ -z "$untouched" ] || run cp -p $KEPT/user.rules $KEPT/user6.rules /etc/ufw
        run rm -rf $KEPT
    fi
    [ ! -e $PROFILE ] || run rm -f $PROFILE
    remove_guard
    [ -n "$dry" ] || echo "Undone: ufw and Docker's rules are as before."
}

# The ports for ssh on this machine
ssh_ports() {
    {
        [ -z "${SSH_CONNECTION:-}" ] || echo "${SSH_CONNECTION##* }"
        ss -Hltnp 2>/dev/null | sed -n 's/^[^:]*[^ ]*:\([0-9]*\) .*"sshd".*/\1/p'
        systemctl show -p Listen ssh.socket 2>/dev/null | sed -n 's/^Listen=.*:\([0-9]*\) .*/\1/p'
    } | sort -un
}

good() { echo "✔ $1"; }
bad() { # WHAT TO_TYPE...
    echo "✘ $1"
    shift
    for line in "$@"; do echo "    $line"; done
    code=1
}

status() {
    code=0
    read_rules
    mine=$(ours | head -n 1)
    own='allow (from [^ ]+ to any port [0-9]+ proto tcp|[0-9]+/tcp|ClassCord)' # or the same, typed by hand
    [ -n "$mine" ] || mine=$(others | grep -m 1 -xE "$own" || :)
    [ -z "$mine" ] || [ "$mine" = "allow ClassCord" ] || port=$(echo "$mine" | sed 's/ proto tcp$//; s/.* //; s,/tcp,,')
    from=$(echo "$mine" | sed -n 's/^allow from \([^ ]*\) .*/\1/p')
    verbose=$(ufw status verbose)
    incoming=$(echo "$verbose" | sed -n 's/^Default: \([a-z]*\) (incoming).*/\1/p')

    case $incoming in
    '')
        set -- "to turn it on:"
        for ssh in $(ssh_ports); do set -- "$@" "sudo ufw allow $ssh/tcp    (first: this is your ssh)"; done
        bad "ufw is inactive: it filters nothing" "$@" "sudo ufw enable"
        unit="open to everybody"
        ;;
    allow)
        bad "ufw is active, but lets in everything that no rule forbids" "sudo ufw default deny incoming"
        unit="open to everybody"
        ;;
    *)
        good "ufw is active, incoming by default: $incoming"
        unit="closed"
        ;;
    esac

    if [ -n "$mine" ]; then
        good "ufw has the rule: $mine"
        [ "$unit" != closed ] || unit="open to ${from:-everybody}${from:+ only, over IPv4}"
    else
        bad "ufw has no rule for port $port alone" "sudo sh deploy/ufw.sh apply"
    fi
    while read -r other; do
        case $other in
        '' | "$mine") ;;
        allow*)
            [ -z "$from" ] || {
                bad "another rule lets more people in: $other" "sudo ufw delete $other"
                unit="open to others too"
            }
            ;;
        *) bad "another rule is about this port: $other" "sudo ufw delete $other" ;;
        esac
    done <<END
$(others)
$([ -z "$from" ] || wider | grep -v -e ' from [0-9]' -e " $port " -e " $port/tcp")
END
    if [ "$unit" = closed ] && [ -n "$(wider)" ]; then
        unit="open to all that these rules let in: $(wider | paste -s -d ';')"
    fi

    container="open to everybody, whatever ufw says, and so is every port that Docker publishes"
    guarded="open to $from only; every other port that Docker publishes is closed"
    guard=DOCKER-USER
    # shellcheck disable=SC2086 # its family and its name
    if meets_ufw; then
        guard=ufw container="$unit: a program of Docker's listens on it, so ufw decides, as for a service"
    elif rules=$(nft list table $TABLE 2>/dev/null); then
        guard="the table $TABLE of nft"
        case $rules in
        *" ip saddr ${from:-nobody} "*" ct original proto-dst $port accept"*) container=$guarded ;;
        *)
            container="closed, like every port that Docker publishes"
            bad "the guard in $guard lets nobody in" "sudo sh deploy/ufw.sh apply --from NETWORK"
            ;;
        esac
    elif needs_table; then
        [ -z "$from" ] || bad "DOCKER-USER is not used: Docker does not send its packets there" \
            "sudo sh deploy/ufw.sh apply --from $from"
    elif iptables -w -C DOCKER-USER -j CLASSCORD 2>/dev/null; then
        if [ -n "$from" ] && iptables -w -C CLASSCORD -s "$from" -p tcp -m conntrack --ctstate DNAT \
            --ctorigdstport "$port" --ctdir ORIGINAL -j RETURN 2>/dev/null; then
            container=$guarded
        else
            container="closed, like every port that Docker publishes"
            bad "the guard in DOCKER-USER lets nobody in" "sudo sh deploy/ufw.sh apply --from NETWORK"
        fi
    elif [ -n "$from" ]; then
        bad "DOCKER-USER has no guard: Docker goes around ufw" "sudo sh deploy/ufw.sh apply --from $from"
    fi
    if [ -n "$from" ]; then
        case $container in "open to $from "*) good "$guard guards the ports that Docker publishes" ;; esac
        systemctl is-enabled -q $UNIT 2>/dev/null ||
            bad "the guard is lost at the next boot" "sudo sh deploy/ufw.sh apply --from $from"
    fi
    case $container,$unit in "$guarded,open to everybody" | "$guarded,open to others too")
        if proxied 6 && ! dnat 6; then container="$container. Over IPv6, like a service: $unit"; fi ;;
    esac
    echo "Port $port of a systemd service: $unit."
    echo "Port $port of a container: $container."
    return $code
}

action='' from='' port=12345 dry=''
while [ $# -gt 0 ]; do
    case $1 in
    apply | status | undo) action=$action$1 ;;
    --from | --port)
        [ $# -gt 1 ] || misused "$1 needs a value"
        case $1 in --from) from=$(network "$2") ;; --port) port=$2 ;; esac
        shift
        ;;
    --dry-run) dry=yes ;;
    -h | --help) usage && exit ;;
    *) misused "unknown word: '$1'" ;;
    esac
    shift
done
case $action in apply | status | undo) ;; *) misused "say apply, status or undo" ;; esac
is_port "$port" || misused "--port: '$port' is not a port; type a number from 1 to 65535"
[ "$(id -u)" -eq 0 ] || fail "needs root: sudo sh deploy/ufw.sh $action"
has ufw || fail "ufw isn't installed: sudo apt install ufw"
if [ "$action" = apply ] && [ -n "$from" ] && [ ! -d /run/systemd/system ]; then
    fail "--from needs systemd, to set the rules of Docker's ports again after a reboot"
fi
# shellcheck source=deploy/ufw/guard.sh
. "$here/ufw/guard.sh"
engines=$(engines)
$action
