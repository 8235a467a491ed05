# shellcheck shell=sh
# Small functions for the scripts in deploy/. docker.sh, install.sh, migrate.sh and ufw.sh source this file, and set `dry`
# if they have a --dry-run. A script that is copied alone contains the functions that it needs: `make assemble` puts them
# there.
# shellcheck disable=SC2034,SC2154  # variables for them, and variables that they set

script=${0##*/}
TITLE=classcord-server # the label of our containers and images
PATIENCE=60            # seconds until a server that was started must answer
BRIDGES='docker|br-|veth|virbr|lxdbr|lxcbr|incusbr|podman' # so begin the names of containers' and VMs' network cards
# Where our systemd units go: not where `systemctl edit --full` writes
UNITS=/usr/local/lib/systemd/system
! mountpoint -q /usr/local 2>/dev/null || UNITS=/usr/lib/systemd/system # systemd reads them before it mounts anything

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

# container NAME FORMAT: a fact about a container, or nothing if it does not exist
container() { docker container inspect --format "$2" "$1" 2>/dev/null || :; }

is_ours() { [ "$(container "$1" '{{index .Config.Labels "org.opencontainers.image.title"}}')" = $TITLE ]; }

# Never touch a container of another program that has the same name. A container of --rm that was just stopped still
# exists for a moment: wait until it is gone.
check_ours() {
    for _ in $(seq 100); do
        case $(container "$1" '{{.HostConfig.AutoRemove}} {{.State.Status}}') in
        'true exited' | 'true removing') sleep 0.1 ;;
        *) break ;;
        esac
    done
    [ -z "$(container "$1" '{{.Id}}')" ] || is_ours "$1" ||
        fail "the container $1 is not ClassCord's: choose another name with NAME=..."
}

# Where a container keeps its data: a volume or a folder, or nothing if it keeps no data
data_of() { container "$1" '{{range .Mounts}}{{if eq .Destination "/data"}}{{or .Name .Source}}{{end}}{{end}}'; }

is_passing() { [ "$(container "$1" '{{.HostConfig.AutoRemove}}')" = true ]; } # was started with --rm?

# Is a container's data lost when it stops? Yes with --rm, if no volume or folder was named for the data: the engine
# then makes a volume with a name of 64 digits, and removes it with the container.
loses_data() {
    is_passing "$1" || return 1
    case $(data_of "$1") in
    '') ;;
    *[!0-9a-f]*) return 1 ;;
    ????????????????????????????????????????????????????????????????) ;;
    *) return 1 ;;
    esac
}

# The command that saves the data of a running container
saving() { say "docker exec $1 python3 server.py backup - >backup.db"; }

# The name of the project that compose gives to the project's folder, ROOT
project() {
    printf %s "${COMPOSE_PROJECT_NAME:-${ROOT##*/}}" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-' | sed 's/^[_-]*//'
}

# Labels with which compose takes the volume and the container NAME for its own: it replaces the container without a
# conflict, and does not warn of the volume. Only for the names in docker-compose.yml.
compose_labels() {
    [ "$NAME" = classcord ] || return 0
    say "--label com.docker.compose.project=$(project)"
    for label; do say "--label com.docker.compose.$label"; done
}

# Make a volume for the data, if there is none. The labels of one that exists can't be changed
make_volume() {
    # shellcheck disable=SC2046 # words without spaces
    docker volume create $(compose_labels volume=data) "$1" >/dev/null
}

# Wait until the server in a container answers. False if the container ends, if the engine starts it again and again, or
# after PATIENCE
container_answers() {
    end=$(($(date +%s) + PATIENCE))
    until docker exec "$1" python3 /app/server.py health >/dev/null 2>&1; do
        case $(container "$1" '{{.State.Running}} {{.RestartCount}}') in 'true '[0-4]) ;; *) return 1 ;; esac
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# Our systemd units for which `systemctl $1` is true
units_that() {
    has systemctl || return 0
    found=''
    for unit in classcord.socket classcord.service; do
        if systemctl --quiet "$1" "$unit" 2>/dev/null; then found="$found $unit"; fi
    done
    say "${found# }"
}

# The IPv4 addresses at which others may reach this machine
addresses() {
    if has ip; then
        cards | sed 's/.* //'
    elif has ifconfig; then
        ifconfig | awk '$1 == "inet" && $2 !~ /^127\./ { print $2 }'
    fi
}

# announce TEXT PORT PAGE [ADDRESS...]: say that the server runs, and how to reach it. PAGE: off if browsers get no page
announce() {
    say "$1 and answers. The address to give to SLAM:"
    announced_port=$2 announced_page=$3
    shift 3
    for address; do say "    $address port $announced_port"; done
    if [ $# -eq 0 ] && ! has ip && ! has ifconfig; then
        say "    the command ip prints it: sudo apt install iproute2; ip -4 address"
    elif [ $# -eq 0 ]; then
        say "    none: this machine has no network card with an address"
    fi
    if [ $# -gt 0 ] && [ "$announced_page" != off ]; then
        say "To open in a browser:"
        for address; do
            case $address in *:*) address="[$address]" ;; esac
            say "    http://$address:$announced_port/"
        done
    fi
    say "In a virtual machine behind NAT, give the host's address instead: see CONTAINERS.md."
    say "To try it:"
    say "    printf '{\"type\":\"ping\"}\\n' | nc -N ${1:-localhost} $announced_port"
}
