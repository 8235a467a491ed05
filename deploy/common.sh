# shellcheck shell=sh
# Shared by docker.sh, install.sh and migrate.sh. They source it, and set `dry` if they have a --dry-run.
# shellcheck disable=SC2154  # variables that they set
script=${0##*/}
TITLE=classcord-server # the label of our containers and images

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$script" "$*" >&2; }
fail() {
    warn "$*"
    exit 1
}
misused() {
    warn "$*; see sh deploy/$script --help"
    exit 2
}
run() { # a command that changes something
    if [ -n "$dry" ]; then say "+ $*"; else "$@"; fi
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

# Our systemd units for which `systemctl $1` is true
units_that() {
    command -v systemctl >/dev/null || return 0
    found=''
    for unit in classcord.socket classcord.service; do
        if systemctl --quiet "$1" "$unit" 2>/dev/null; then found="$found $unit"; fi
    done
    say "${found# }"
}

# The IPv4 addresses at which others may reach this machine, without the bridges of containers and VMs
addresses() {
    if command -v ip >/dev/null; then
        ip -4 -o address show scope global |
            awk '$2 !~ /^(docker|br-|veth|virbr|lxcbr|lxdbr)/ { sub("/.*", "", $4); print $4 }'
    elif command -v ifconfig >/dev/null; then
        ifconfig | awk '$1 == "inet" && $2 !~ /^127\./ { print $2 }'
    fi
}

# announce TEXT PORT [ADDRESS...]: say that the server runs, and how to reach it
announce() {
    say "$1 and answers. The address to give to SLAM:"
    announced_port=$2
    shift 2
    for address; do say "    $address port $announced_port"; done
    if [ $# -eq 0 ] && ! command -v ip >/dev/null && ! command -v ifconfig >/dev/null; then
        say "    the command ip prints it: sudo apt install iproute2; ip -4 address"
    elif [ $# -eq 0 ]; then
        say "    none: this machine has no network card with an address"
    fi
    say "In a virtual machine behind NAT, give the host's address instead: see CONTAINERS.md."
    say "To try it:"
    say "    printf '{\"type\":\"ping\"}\\n' | nc -N ${1:-localhost} $announced_port"
}
