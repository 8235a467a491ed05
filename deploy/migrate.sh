#!/bin/sh
# Copies accounts and messages from the container to the systemd service, or back, and starts the server there.
# The target's old data is set aside. If something fails, the side that ran before runs again.
set -eu

NAME=${CONTAINER:-classcord}
IMAGE=${IMAGE:-classcord-server}
volume=$NAME-data
here=$(dirname "$(readlink -f "$0")")
ROOT=$(dirname "$here")
# shellcheck source=deploy/common.sh
. "$here/common.sh"
# shellcheck source=deploy/unit.sh
. "$here/unit.sh"
server=/opt/classcord/server.py
stage='' kept='' carried='' finished='' dry=''

usage() {
    cat <<END
Usage: sudo sh deploy/migrate.sh to-systemd|to-docker [--dry-run]

  to-systemd  stop the container, copy its data to the systemd service (installed if needed), start the service
  to-docker   stop and disable the service, copy its data to the container, start the container
  --dry-run   show the commands, and change nothing

If something fails, the side that ran before runs again.
Variables (defaults): CONTAINER (classcord; make calls it NAME), with its data in the volume CONTAINER-data; PORT, the
port that to-docker publishes (12345); IMAGE (classcord-server).
Exit code: 0 done, 1 failed, 2 wrong command line.
END
}

need_both_sides() {
    [ "$(id -u)" = 0 ] || fail "only root may do that: sudo make migrate-$action"
    [ -d /run/systemd/system ] || fail "systemd doesn't run here: there is no service to copy data to or from"
    command -v docker >/dev/null ||
        fail "Docker is not installed: there is no container to copy data to or from;" \
        "install the service alone: sudo make install"
    docker version >/dev/null 2>&1 || fail "the Docker engine is not running: sudo systemctl start docker"
    check_ours "$NAME"
    ! is_passing "$NAME" || refuse_passing
}

# A container of --rm is gone once it is stopped: its data could not be read, and it could not be started again
refuse_passing() {
    where=$(data_of "$NAME")
    save='' keep=''
    if loses_data "$NAME"; then
        where="is lost when it stops"
        save="Save it first: $(saving "$NAME"); then"
    else
        where="stays in $where"
    fi
    if [ "$action" = to-systemd ] && [ "$where" != "stays in $volume" ]; then
        save="Save it first: $(saving "$NAME"); then"
        keep=", put it in the volume: docker run --rm -i -v $volume:/data $IMAGE restore - <backup.db"
    fi
    fail "the container $NAME was started with --rm: its data $where." \
        "${save:-First} stop it: docker stop $NAME$keep, and then type again: sudo make migrate-$action"
}

need_image() {
    docker image inspect "$IMAGE" >/dev/null 2>&1 || run sh "$here/docker.sh" build
}

# The folder of the service's data: systemd makes it at the first start
state_folder() {
    state=$(readlink -f /var/lib/classcord)
    if [ "$state" = /var/lib/classcord ] && [ ! -d "$state" ]; then state=/var/lib/private/classcord; fi
}

# Remember the state of both sides, to restore it if something fails
remember() {
    policy=$(container "$NAME" '{{.HostConfig.RestartPolicy.Name}}')
    was_running=$(container "$NAME" '{{.State.Running}}')
    there=$(data_of "$NAME")
    was_active=$(units_that is-active)
    was_enabled=$(units_that is-enabled)
}

# Run server.py with the data of the container, or of the volume if there is no container
in_container() {
    data="--volumes-from=$NAME"
    if [ "$action" = to-docker ] || [ -z "$was_running" ]; then data="--volume=$volume:/data"; fi
    docker run --rm --interactive --network none "$data" "$IMAGE" "$@"
}

# carry COMMAND...: give the backup to this `restore`; set `kept` to the file where it put the old database
carry() {
    said=$("$@" <"$stage/backup" 2>&1) || fail "$said"
    carried=yes
    case $said in *"the old database is now "*) kept=${said##*the old database is now } ;; esac
}

# A line of shell that undoes a `restore` in the current folder
undo_restore() {
    printf 'rm -f classcord.db classcord.db-wal classcord.db-shm\n'
    # shellcheck disable=SC2016 # for the shell that runs it
    [ -z "$kept" ] || printf 'for end in "" -wal; do [ ! -e %s$end ] || mv %s$end classcord.db$end; done\n' "$kept" "$kept"
}

begin() {
    trap put_back EXIT
    trap 'exit 130' INT TERM HUP
    umask 077
    stage=$(mktemp -d)
}

to_systemd() {
    remember
    [ -n "$was_running" ] || docker volume inspect "$volume" >/dev/null 2>&1 ||
        fail "there is no container $NAME and no volume $volume, so there is nothing to copy: sudo make install"
    need_image
    state_folder
    if [ -n "$dry" ]; then
        sh "$here/install.sh" install --no-start --dry-run
        say "+ docker stop $NAME; copy its database to $state"
        say "+ systemctl enable --now classcord.service; docker rm $NAME"
        return
    fi
    begin
    sh "$here/install.sh" install --no-start
    # shellcheck disable=SC2086 # a list of units
    [ -z "$was_active" ] || systemctl stop $was_active
    if [ -n "$was_running" ]; then
        say "Stopping the container $NAME..."
        docker update --restart no "$NAME" >/dev/null
        docker stop --time 10 "$NAME" >/dev/null
    fi
    in_container backup - >"$stage/backup" 2>"$stage/said" ||
        fail "the container's data can't be read: $(tail -n 1 "$stage/said")"
    install -d -m 700 "$(dirname "$state")" "$state"
    carry python3 $server restore --data "$state" -
    # systemd gives the folder and everything in it to the service's user, if it belongs to another user
    chown -R root:root "$state"
    sh "$here/install.sh" install
    finished=yes
    [ -z "$was_running" ] || docker rm "$NAME" >/dev/null
    say "The service now has the container's accounts and messages. The container is removed;" \
        "its volume stays as a backup: ${there:-$volume}"
    [ -z "$kept" ] || say "The database that the service had before: /var/lib/classcord/$kept"
    say "Settings were not copied: they are in /etc/classcord/classcord.env"
}

to_docker() {
    remember
    state_folder
    [ -e "$state/classcord.db" ] ||
        fail "the service has no database in /var/lib/classcord, so there is nothing to copy: make docker-run"
    need_image
    served=$(unit_port)
    if [ -n "$dry" ]; then
        say "+ systemctl disable --now classcord.socket classcord.service"
        say "+ copy $state/classcord.db to the volume $volume"
        say "+ sh deploy/docker.sh run"
        return
    fi
    begin
    say "Stopping the service classcord..."
    # shellcheck disable=SC2086 # lists of units
    {
        [ -z "$was_active" ] || systemctl stop $was_active
        [ -z "$was_enabled" ] || systemctl disable --quiet $was_enabled
    }
    [ "$was_running" != true ] || docker stop --time 10 "$NAME" >/dev/null
    python3 $server backup --data "$state" "$stage/backup" >"$stage/said" 2>&1 ||
        fail "the service's data can't be read: $(tail -n 1 "$stage/said")"
    make_volume "$volume"
    carry in_container restore -
    sh "$here/docker.sh" run
    finished=yes
    say "The container now has the service's accounts and messages. The service is stopped and disabled;" \
        "its own copy stays in /var/lib/classcord (sudo make uninstall PURGE=yes removes it)"
    [ -z "$kept" ] || say "The database that the container had before: $kept in the volume $volume"
    say "Settings were not copied: make docker-run takes them as CLASSCORD_... variables"
    [ "$served" = "${PORT:-12345}" ] || say "The service had port $served: make docker-run PORT=$served publishes that one"
}

# At every end: clean up. After a failure, start the side that ran before
put_back() {
    trap - EXIT INT TERM HUP
    rm -rf "$stage"
    [ -z "$finished" ] || return 0
    if [ "$action" = to-systemd ]; then
        systemctl stop classcord.service 2>/dev/null || :
        [ -n "$was_enabled" ] || systemctl disable --quiet classcord.service 2>/dev/null || :
        if [ -n "$carried" ]; then
            (cd "$state" && eval "$(undo_restore)")
            chown -R root:root "$state"
        fi
    else
        docker stop "$NAME" >/dev/null 2>&1 || :
        [ -z "$carried" ] || docker run --rm --network none --volume "$volume:/data" --workdir /data --entrypoint sh \
            "$IMAGE" -c "$(undo_restore)" || :
        # shellcheck disable=SC2086 # a list of units
        [ -z "$was_enabled" ] || systemctl enable --quiet $was_enabled || :
    fi
    [ -z "$policy" ] || docker update --restart "$policy" "$NAME" >/dev/null || :
    if [ "$was_running" = true ]; then
        if docker start "$NAME" >/dev/null && container_answers "$NAME"; then
            fail "nothing was copied: the container $NAME runs again"
        fi
        fail "nothing was copied, and the container $NAME does not run well: docker logs $NAME"
    fi
    if [ -n "$was_active" ]; then
        # shellcheck disable=SC2086 # a list of units
        if systemctl start $was_active && systemctl start classcord.service && healthy; then
            fail "nothing was copied: the service classcord runs again"
        fi
        fail "nothing was copied, and the service classcord does not run well: sudo journalctl -u classcord"
    fi
    fail "nothing was copied: all is as it was"
}

action=''
for word; do
    case $word in
    to-systemd | to-docker) action=$action$word ;;
    --dry-run) dry=yes ;;
    -h | --help | help) usage && exit 0 ;;
    *) misused "unknown word: '$word'" ;;
    esac
done
case $action in
to-systemd | to-docker) need_both_sides ;;
*) misused "say to-systemd or to-docker" ;;
esac
case $action in
to-systemd) to_systemd ;;
to-docker) to_docker ;;
esac
