#!/bin/sh
# Carries accounts and messages from the container to the systemd service, or back, and starts the server there.
# What the other side held is set aside; if something fails, the side that ran before runs again.
set -eu

usage="usage: migrate.sh to-systemd|to-docker [--dry-run]"
NAME=${NAME:-classcord}
PORT=${PORT:-12345}
IMAGE=${IMAGE:-classcord-server}
volume=$NAME-data
here=$(cd "$(dirname "$0")" && pwd)
aside=classcord.db.$(date +%Y%m%d-%H%M%S) # what a database is called that has to make room
stage='' spare='' carried='' done_with='' dry=''

say() { printf '%s\n' "$*"; }
fail() {
    printf 'migrate.sh: %s\n' "$*" >&2
    exit 1
}
run() {
    if [ -n "$dry" ]; then say "+ $*"; else "$@"; fi
}
container() { docker container inspect --format "$1" "$NAME" 2>/dev/null || :; }

need_both_sides() {
    [ "$(id -u)" = 0 ] || fail "only root may do that: sudo make migrate-$action"
    [ -d /run/systemd/system ] || fail "systemd doesn't run here: there is no service to carry anything to or from"
    command -v docker >/dev/null || fail "Docker is not installed: there is no container to carry anything to or from"
    docker version >/dev/null 2>&1 || fail "the Docker engine is not running: sudo systemctl start docker"
}

# Where the service keeps its data: systemd makes it at the first start
state_folder() {
    state=$(readlink -f /var/lib/classcord)
    if [ "$state" = /var/lib/classcord ] && [ ! -d "$state" ]; then state=/var/lib/private/classcord; fi
}

active_units() {
    for unit in classcord.socket classcord.service; do
        if systemctl --quiet "$1" $unit 2>/dev/null; then say $unit; fi
    done
}

# --- to systemd ---

to_systemd() {
    policy=$(container '{{.HostConfig.RestartPolicy.Name}}')
    was_running=$(container '{{.State.Running}}')
    [ -n "$was_running" ] || docker volume inspect "$volume" >/dev/null 2>&1 ||
        fail "there is no container $NAME and no volume $volume, so nothing to carry: sudo make install"
    was_active=$(active_units is-active)
    was_enabled=$(active_units is-enabled)
    run sh "$here/install.sh" install --no-start
    state_folder
    if [ -n "$dry" ]; then
        say "+ docker stop $NAME; copy its /data/classcord.db to $state"
        say "+ systemctl enable --now classcord.service; docker rm $NAME"
        return
    fi
    trap back_to_docker EXIT
    trap 'exit 130' INT TERM HUP
    # shellcheck disable=SC2086 # a list of units
    [ -z "$was_active" ] || systemctl stop $was_active
    if [ -n "$was_running" ]; then
        say "Stopping the container $NAME..."
        docker update --restart no "$NAME" >/dev/null
        docker stop --time 10 "$NAME" >/dev/null
        source=$NAME
    else
        docker image inspect "$IMAGE" >/dev/null 2>&1 || sh "$here/docker.sh" build
        spare=$(docker create --volume "$volume:/data" "$IMAGE")
        source=$spare
    fi
    install -d -m 700 "$(dirname "$state")" "$state"
    stage=$(mktemp -d "$state/.carried.XXXXXX")
    docker cp "$source:/data/classcord.db" "$stage" >/dev/null 2>&1 ||
        fail "the container $NAME has no database in /data, so nothing to carry: make docker-stop, sudo make install"
    # only after a stop that was none, a kill -9
    docker cp "$source:/data/classcord.db-wal" "$stage" >/dev/null 2>&1 || :
    carried=yes
    rm -f "$state/classcord.db-shm"
    [ ! -e "$state/classcord.db-wal" ] || mv "$state/classcord.db-wal" "$state/$aside-wal"
    [ ! -e "$state/classcord.db" ] || mv "$state/classcord.db" "$state/$aside"
    mv "$stage"/classcord.db* "$state"
    # systemd gives the folder, with all that is in it, to the service's user once it belongs to another
    chown -R root:root "$state"
    sh "$here/install.sh" install
    done_with=yes
    [ -z "$was_running" ] || docker rm "$NAME" >/dev/null
    say "The accounts and messages are those of the container, which is removed; its volume stays as a backup: $volume"
    [ ! -e "$state/$aside" ] || say "The database that the service had before: /var/lib/classcord/$aside"
    say "Settings were not carried along: they are in /etc/classcord/classcord.env"
}

back_to_docker() {
    trap - EXIT INT TERM HUP
    [ -z "$spare" ] || docker rm "$spare" >/dev/null 2>&1 || :
    [ -z "$stage" ] || rm -rf "$stage"
    [ -z "$done_with" ] || return 0
    systemctl stop classcord.service 2>/dev/null || :
    if [ -z "$was_enabled" ]; then systemctl disable --quiet classcord.service 2>/dev/null || :; fi
    if [ -n "$carried" ]; then
        rm -f "$state/classcord.db" "$state/classcord.db-wal" "$state/classcord.db-shm"
        [ ! -e "$state/$aside" ] || mv "$state/$aside" "$state/classcord.db"
        [ ! -e "$state/$aside-wal" ] || mv "$state/$aside-wal" "$state/classcord.db-wal"
        chown -R root:root "$state"
    fi
    # shellcheck disable=SC2086 # a list of units
    [ -z "$was_active" ] || systemctl start $was_active || :
    [ -z "$policy" ] || docker update --restart "$policy" "$NAME" >/dev/null
    if [ "$was_running" = true ] && docker start "$NAME" >/dev/null; then
        fail "nothing was carried: the container $NAME runs again"
    fi
    fail "nothing was carried: all is as it was"
}

# --- to Docker ---

# A line of shell in a container that sees nothing but the volume
in_volume() {
    docker run --rm --interactive --network none --user 0:0 --volume "$volume:/data" --workdir /data \
        --entrypoint sh "$IMAGE" -euc "$1"
}

to_docker() {
    state_folder
    [ -e "$state/classcord.db" ] ||
        fail "the service has no database in /var/lib/classcord, so nothing to carry: make docker-run"
    was_active=$(active_units is-active)
    was_enabled=$(active_units is-enabled)
    was_running=$(container '{{.State.Running}}')
    docker image inspect "$IMAGE" >/dev/null 2>&1 || run sh "$here/docker.sh" build
    if [ -n "$dry" ]; then
        say "+ systemctl disable --now classcord.socket classcord.service"
        say "+ copy $state/classcord.db to the volume $volume"
        say "+ sh deploy/docker.sh run"
        return
    fi
    trap back_to_systemd EXIT
    trap 'exit 130' INT TERM HUP
    say "Stopping the service classcord..."
    # shellcheck disable=SC2086 # lists of units
    {
        [ -z "$was_active" ] || systemctl stop $was_active
        [ -z "$was_enabled" ] || systemctl disable --quiet $was_enabled
    }
    [ "$was_running" != true ] || docker stop --time 10 "$NAME" >/dev/null
    files=classcord.db
    [ ! -e "$state/classcord.db-wal" ] || files="$files classcord.db-wal"
    # shellcheck disable=SC2086 # a list of files
    tar -C "$state" -cf - $files | in_volume "
        rm -rf .carried .carrying
        mkdir .carried
        tar -xf - -C .carried
        mv .carried .carrying
        rm -f classcord.db-shm
        [ ! -e classcord.db-wal ] || mv classcord.db-wal $aside-wal
        [ ! -e classcord.db ] || mv classcord.db $aside
        mv .carrying/* .
        chown \"\$(stat -c %u:%g .)\" classcord.db*"
    NAME=$NAME PORT=$PORT IMAGE=$IMAGE sh "$here/docker.sh" run
    done_with=yes
    in_volume "rmdir .carrying"
    say "The accounts and messages are those of the service, which is stopped and disabled; its own copy stays in" \
        "/var/lib/classcord (sudo make uninstall PURGE=yes removes it)"
    if in_volume "[ -e $aside ]"; then say "The database that the container had before: $aside in the volume $volume"; fi
    say "Settings were not carried along: see make docker-run in README.md"
}

back_to_systemd() {
    trap - EXIT INT TERM HUP
    [ -z "$done_with" ] || return 0
    docker stop "$NAME" >/dev/null 2>&1 || :
    in_volume "
        rm -rf .carried
        [ -d .carrying ] || exit 0
        [ ! -e .carrying/classcord.db ] || rm -rf .carrying # nothing had been moved, or only aside
        [ ! -d .carrying ] || rm -f classcord.db classcord.db-wal classcord.db-shm
        [ ! -e $aside ] || mv $aside classcord.db
        [ ! -e $aside-wal ] || mv $aside-wal classcord.db-wal
        rm -rf .carrying" >/dev/null 2>&1 || :
    [ "$was_running" != true ] || docker start "$NAME" >/dev/null 2>&1 || :
    # shellcheck disable=SC2086 # lists of units
    {
        [ -z "$was_enabled" ] || systemctl enable --quiet $was_enabled
        if [ -n "$was_active" ] && systemctl start $was_active; then
            fail "nothing was carried: the service classcord runs again"
        fi
    }
    fail "nothing was carried: all is as it was"
}

action=${1-}
[ $# = 0 ] || shift
case "$action $*" in
"to-systemd " | "to-docker ") ;;
"-h " | "--help " | "help ")
    say "$usage"
    exit 0
    ;;
"to-systemd --dry-run" | "to-docker --dry-run") dry=yes ;;
*) fail "$usage" ;;
esac
need_both_sides
case $action in
to-systemd) to_systemd ;;
to-docker) to_docker ;;
esac
