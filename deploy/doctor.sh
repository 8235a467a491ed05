#!/bin/sh
# Checks the way to the server hop by hop: whether each hop works, and what to type for a broken one.
# It changes nothing. A desk needs only this file; deploy/doctor/ has the hops of the VM and of its host.
set -eu
LC_ALL=C # this script reads the output of other commands
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

EXIT_USAGE=125 # never a number of broken hops
WAIT=3         # seconds that a probe may take

usage() {
    cat <<'END'
Usage: deploy/doctor.sh [--port N] [--name NAME] [--desk ADDRESS]   in the VM
       deploy/doctor.sh --from-host [--vm ADDRESS] [--port N]   on the host that forwards the port to the VM
       deploy/doctor.sh --from-slam HOST [--port N]             at any other desk; HOST is the host's address, 10.0.108.Y

Checks the way to the ClassCord server hop by hop. It changes nothing, and takes 15 seconds at most.

  --port N      the port that clients connect to (default: 12345)
  --name NAME   the container's name (default: classcord)
  --vm ADDRESS  the VM's address (default: the one that the host's NAT rule leads to)
  --desk ADDRESS  a desk's address: is there a way from the VM back to it?
  --json        print the same as one JSON object, in the VM and on the host: place, port, broken (the number of broken
                hops) and hops, a list of objects with name, mark (ok, broken, warn, unknown, note), text and remedies

  ✔ works   ✘ broken; a command to type is below   ! works, but read this   ? can't be seen from here   · for information

Only root can read firewall rules: sudo make doctor.
It speaks French, and English with CLASSCORD_LANG=en: sudo make doctor CLASSCORD_LANG=en

Needs python3; at a desk, python3 or nc. Exit code: the number of broken hops; 125 when the command line is wrong or a tool is missing.
END
}

ok() { printf ' ✔ %s\n' "$1"; }
bad() { broken=$((broken + 1)); report ✘ "$@"; }
warn() {
    warned=$((warned + 1))
    report ! "$@"
}
unknown() { report '?' "$@"; }
note() { report · "$@"; }

report() { # MARK TEXT [WHAT TO TYPE...]
    printf ' %s %s\n' "$1" "$2"
    shift 2
    for line; do printf '     → %s\n' "$line"; done
}

fail() {
    printf 'doctor.sh: %s\n' "$1" >&2
    exit "$EXIT_USAGE"
}

has() { command -v "$1" >/dev/null 2>&1; }
am_root() { [ "$(id -u)" -eq 0 ]; }

limit() { # SECONDS COMMAND...: ends the command after that time. macOS has no timeout(1)
    if has timeout; then
        timeout "$@"
        return
    fi
    seconds=$1
    shift
    { # without this detour a background command would read nothing
        "$@" <&3 3<&- &
        running=$!
        (sleep "$seconds" && kill "$running") >/dev/null 2>&1 3<&- &
        watcher=$!
    } 3<&0
    status=0
    wait "$running" 2>/dev/null || status=$?
    kill "$watcher" 2>/dev/null || :
    return "$status"
}

choose_tool() { # sets TOOL to a program that speaks TCP
    if has python3 && limit "$WAIT" python3 -I -c '' >/dev/null 2>&1; then
        TOOL=python3 # on a Mac without developer tools, python3 only asks to install them
        return
    fi
    for TOOL in nc ncat netcat; do
        if has "$TOOL"; then return; fi
    done
    fail "needs python3 or nc: sudo apt install python3 (Debian, Ubuntu)"
}

# --- asking a server ---

# probe ADDRESS PORT [FROM]: asks a server, from that address of this machine. Sets OUTCOME to one of the words below,
# and DETAIL to the text that came instead of an answer
probe() {
    DETAIL=
    if [ "$TOOL" = python3 ]; then
        text=$(limit $((WAIT + 2)) python3 -I -c "$PROBE" "$@" 2>/dev/null) || text=timeout
        OUTCOME=${text%% *}
        if [ "$OUTCOME" != "$text" ]; then DETAIL=${text#* }; fi
    else
        probe_with_nc "$@"
    fi
}

# The folder may hold a pupil's own socket.py or json.py: with -I, Python does not import it.
# answers, full, other (something else answers), silent, closed (without an answer), refused, noroute, timeout, failed
PROBE='
import errno, json, socket, sys, time
def text(data):
    return "".join(c if c.isprintable() else " " for c in data.decode("ascii", "replace"))[:60].strip()
end = time.monotonic() + 3
data = b""
try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, (sys.argv[3], 0) if sys.argv[3:] else None)
except ConnectionRefusedError:
    sys.exit(print("refused"))
except socket.timeout:
    sys.exit(print("timeout"))
except OSError as error:
    if error.errno == errno.ETIMEDOUT:
        sys.exit(print("timeout"))
    known = error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
    sys.exit(print("noroute" if known else "failed %s" % error))
try:
    connection.sendall(b"{\"type\":\"ping\"}\n")
    while b"\n" not in data and len(data) < 65536:
        connection.settimeout(max(0.01, end - time.monotonic()))
        part = connection.recv(4096)
        if not part:
            break
        data += part
except socket.timeout:
    if not data:
        sys.exit(print("silent"))
except OSError:
    pass
try:
    answer = json.loads(data.split(b"\n")[0].decode("utf-8"))
    if answer.get("type") == "pong":
        sys.exit(print("answers"))
    if answer.get("code") == "server_full":
        sys.exit(print("full"))
except (ValueError, AttributeError):
    pass
print("other " + text(data) if data else "closed")
'

probe_with_nc() {
    flags="-v -w $WAIT"
    case $("$TOOL" -h 2>&1 || :) in
    *Ncat*) ;;                      # half-closes by itself
    *Shutdown*) flags="$flags -N" ;; # OpenBSD's: -N ends it when the server has closed too
    *'quit after EOF'*) flags="$flags -q 2" ;;
    esac
    if [ $# -gt 2 ]; then flags="$flags -s $3"; fi
    # shellcheck disable=SC2086  # several words
    text=$(printf '{"type":"ping"}\n' | limit $((WAIT + 2)) "$TOOL" $flags "$1" "$2" 2>&1) || :
    case $text in
    *'"pong"'*) OUTCOME=answers ;;
    *'"server_full"'*) OUTCOME=full ;;
    *refused*) OUTCOME=refused ;;
    *'o route'* | *nreachable*) OUTCOME=noroute ;;
    *succeeded* | *' open'* | *Connected*)
        DETAIL=$(printf '%s\n' "$text" | sed '/succeeded!$/d; / open$/d; /lookup failed/d; /^Ncat: /d' | tr -cd ' -~' | cut -c 1-60)
        OUTCOME=${DETAIL:+other}
        OUTCOME=${OUTCOME:-silent}
        ;;
    *) OUTCOME=timeout ;;
    esac
}

answered() { [ "$OUTCOME" = answers ] || [ "$OUTCOME" = full ]; }

outcome() { # the result of the last probe, in words
    case $OUTCOME in
    answers) echo "a ClassCord server answers" ;;
    full) echo "a ClassCord server answers, and is full" ;;
    other) echo "connected, but this is not a ClassCord server: $DETAIL" ;;
    silent) echo "connected, but no answer within $WAIT s" ;;
    closed) echo "connected, and closed at once without an answer" ;;
    refused) echo "connection refused" ;;
    noroute) echo "no way there (host unreachable)" ;;
    timeout) echo "no answer at all within $WAIT s (timed out)" ;;
    *) echo "can't connect: $DETAIL" ;;
    esac
}

# --- at another desk ---

is_ipv4() {
    case $1 in
    *[!0-9.]* | *.*.*.*.* | .* | *. | *..*) return 1 ;;
    *.*.*.*) ;;
    *) return 1 ;;
    esac
    rest=$1.
    while [ -n "$rest" ]; do
        part=${rest%%.*}
        rest=${rest#*.}
        if [ "${#part}" -gt 3 ] || [ "$part" -gt 255 ]; then return 1; fi
    done
}

resolve() { # sets ADDRESS to an address of the name $1, or to nothing
    ADDRESS=$1
    case $1 in
    localhost) # always this machine (RFC 6761), even where /etc/hosts is missing
        ADDRESS=127.0.0.1
        return
        ;;
    *[!0-9.]*) ;;
    *)
        is_ipv4 "$1" || ADDRESS=
        return
        ;;
    esac
    if [ "$TOOL" = python3 ]; then
        ADDRESS=$(limit "$WAIT" python3 -I -c 'import socket, sys
print(sorted((f, a[0]) for f, *_, a in socket.getaddrinfo(sys.argv[1], 1, type=socket.SOCK_STREAM))[0][1])' \
            "$1" 2>/dev/null) || ADDRESS=
    elif has getent; then
        ADDRESS=$(limit "$WAIT" getent ahosts "$1" | sed 's/ .*//; q') || ADDRESS=
    fi
}

way_to() { # ADDRESS: prints this desk's own address on the way there; fails if there is no way
    if [ "$(uname)" = Darwin ]; then
        found=$(limit "$WAIT" route -n get "$1" 2>/dev/null) || return 1
        found=$(printf '%s\n' "$found" | sed -n 's/^ *interface: //p')
        ipconfig getifaddr "$found" 2>/dev/null || :
    elif has ip; then
        found=$(ip route get "$1" 2>/dev/null) || return 1
        case $found in *" src "*)
            found=${found#* src }
            printf '%s\n' "${found%%[!0-9a-f.:]*}"
            ;;
        esac
    fi
}

pings() { # ADDRESS: whether it answers a ping, within 2 seconds
    wait_flag=-W
    if [ "$(uname)" = Darwin ]; then wait_flag=-t; fi # its -W counts milliseconds
    has ping && limit "$WAIT" ping -c 1 "$wait_flag" 2 "$1" >/dev/null 2>&1
}

slam_hops() {
    resolve "$TARGET"
    if [ -z "$ADDRESS" ]; then
        bad "$TARGET is not an address, and not a name that this desk knows" \
            "give the host's address, like 10.0.108.42: the SISR student reads it with  ip -4 addr  (Windows: ipconfig)"
        return
    fi
    if [ "$ADDRESS" = "$TARGET" ]; then ok "address: $ADDRESS"; else ok "name: $TARGET is $ADDRESS"; fi
    if ! OWN=$(way_to "$ADDRESS"); then
        bad "route: this desk has no way to $ADDRESS" \
            "is the cable in, the Wi-Fi on?  ip -4 addr; ip route  (macOS: ifconfig; netstat -rn)"
        return
    fi
    ok "route: this desk goes there${OWN:+ from its own address $OWN}"
    if ! has ping; then
        note "ping: not installed here, not needed"
    elif pings "$ADDRESS"; then
        ok "ping: $ADDRESS answers"
    else
        note "ping: $ADDRESS does not answer; Windows and many firewalls never do"
    fi
    probe "$ADDRESS" "$PORT"
    slam_connection
}

slam_connection() { # two hops: the port, and the server behind it
    in_vm="ask the SISR student to run in the VM:  sudo make doctor$SET"
    on_host="ask the SISR student to run on the host:  sudo make doctor ARGS=--from-host$SET"
    case $OUTCOME in
    answers | full)
        ok "port: $ADDRESS takes connections on $PORT"
        ok "server: $(outcome)"
        if [ -n "$OWN" ]; then note "the server's log should show you as peer=$OWN; if it shows another address, that is a NAT's"; fi
        return
        ;;
    refused)
        bad "port: $ADDRESS refuses connections on $PORT: it is on, but no NAT rule forwards the port, or the server is down" \
            "$on_host" "$in_vm"
        ;;
    timeout)
        bad "port: no answer from $ADDRESS port $PORT within $WAIT s: it is off, or a firewall drops the packets, or the NAT leads to a wrong address, or the VM has no way back" \
            "$on_host" "$in_vm"
        ;;
    noroute) bad "port: $ADDRESS can't be reached: it is off, or on another network, or its firewall rejects connections" "$on_host" ;;
    silent | closed | other)
        ok "port: $ADDRESS takes connections on $PORT"
        bad "server: $(outcome)" "$in_vm" "is $PORT the right port? --port N tries another"
        return
        ;;
    *) bad "port: $(outcome)" "$on_host" ;;
    esac
    not_the_vm
    note "server: not checked, the port is not open"
}

not_the_vm() { # the usual mistake: the address of the VM or of this desk, instead of the host's
    case $ADDRESS in
    192.168.* | 10.0.2.*)
        case $OWN in
        192.168.* | 10.0.2.*) ;;
        *) warn "$ADDRESS looks like the VM's own address; from here use the host's address (10.0.108.Y)" ;;
        esac
        ;;
    127.* | ::1) warn "$ADDRESS is this desk itself; give the host's address" ;;
    esac
}

# --- the command line ---

broken=0 warned=0
PLACE=vm PORT=12345 NAME=classcord VM='' TARGET='' DESK='' JSON=''

value() { # OPTION NUMBER-OF-WORDS-LEFT: stops if the option has no value
    if [ "$2" -lt 2 ]; then fail "$1 needs a value; see --help"; fi
}

while [ $# -gt 0 ]; do
    case $1 in
    --from-host) PLACE=host ;;
    --json) JSON=--json ;;
    --from-slam)
        if [ $# -lt 2 ] || [ "${2#-}" != "$2" ]; then fail "--from-slam needs the host's address: --from-slam 10.0.108.42"; fi
        PLACE=slam TARGET=$2
        shift
        ;;
    --port | --name | --vm | --desk)
        value "$1" $#
        case $1 in --port) PORT=$2 ;; --name) NAME=$2 ;; --vm) VM=$2 ;; --desk) DESK=$2 ;; esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail "unknown argument '$1'; see --help" ;;
    esac
    shift
done
case $PORT in
'' | *[!0-9]* | 0* | ??????*) fail "--port must be a number from 1 to 65535, not '$PORT'" ;;
esac
if [ "$PORT" -gt 65535 ]; then fail "--port must be a number from 1 to 65535, not '$PORT'"; fi
if [ -n "$VM" ] && [ "$PLACE" != host ]; then fail "--vm goes with --from-host"; fi
if [ -n "$DESK" ] && [ "$PLACE" != vm ]; then fail "--desk goes with the VM, without --from-host and --from-slam"; fi
if [ -n "$DESK" ] && ! is_ipv4 "$DESK"; then fail "--desk must be an address like 10.0.108.34, not '$DESK'"; fi
if [ -n "$VM" ] && ! is_ipv4 "$VM"; then fail "--vm must be an address like 192.168.56.10, not '$VM'"; fi
case $TARGET in
*/* | *\ *) fail "--from-slam takes only an address, like 10.0.108.42, not '$TARGET'" ;;
*:*:*) ;;
*:*) fail "--from-slam takes only an address: --from-slam ${TARGET%%:*} --port ${TARGET#*:}" ;;
esac

FLAG='' SET='' # added to the commands in the advice: FLAG to scripts, SET to make
if [ "$PORT" != 12345 ]; then FLAG=" --port $PORT" SET=" PORT=$PORT"; fi

choose_tool
if [ "$PLACE" = slam ]; then
    echo "From this desk to $TARGET port $PORT:"
    slam_hops
else
    folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/doctor
    if [ ! -f "$folder/__main__.py" ]; then fail "$folder is missing: run it from the project's folder"; fi
    if [ ! -f "$folder/$PLACE.sh" ]; then # -B: root must not leave files in a student's folder
        has python3 || fail "needs python3: sudo apt install python3"
        exec python3 -IB "$folder" "$PLACE" --port "$PORT" --name "$NAME" ${VM:+--vm "$VM"} ${DESK:+--desk "$DESK"} $JSON
    fi
    # shellcheck source=deploy/doctor/net.sh
    . "$folder/net.sh"
    if [ "$PLACE" = vm ]; then
        # shellcheck source=deploy/doctor/vm.sh
        . "$folder/vm.sh"
        vm_hops
    else
        # shellcheck source=deploy/doctor/host.sh
        . "$folder/host.sh"
        host_hops
    fi
fi
case $broken in
0)
    mind=''
    if [ "$warned" -gt 0 ]; then mind="; read the lines marked !"; fi
    echo "Nothing is broken, as far as can be seen from here$mind."
    ;;
1) echo "1 hop is broken." ;;
*) echo "$broken hops are broken; repair the first one, then run this again." ;;
esac
exit "$broken"
