#!/bin/sh
# The server in a container, for the docker-* targets of the Makefile. It works by hand too: sh deploy/docker.sh --help
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd)
# shellcheck source=deploy/common.sh
. "$ROOT/deploy/common.sh"
# not NAME: WSL sets NAME to the machine's name
NAME=${CONTAINER:-classcord}
PORT=${PORT:-12345}
IMAGE=${IMAGE:-classcord-server}
FILE=${FILE:-$ROOT/build/classcord-server.tar.gz}
PYTEST=${PYTEST:-python3 -m pytest}
DATA=$NAME-data # the volume
ASIDE=$NAME.replaced # the name of a container that is being replaced
# shellcheck source=deploy/image.sh
. "$ROOT/deploy/image.sh"
# shellcheck source=deploy/hourly.sh
. "$ROOT/deploy/hourly.sh"

usage() {
    cat <<'END'
Usage: sh deploy/docker.sh COMMAND [WORDS]

  build     build the image
  run       build if needed, start the container, wait until it is healthy, print its addresses; replaces a running one
  rollback  do the same with the image before, IMAGE:previous; a second rollback goes forward again
  stop      stop the container and remove it; the data stays
  logs      show and follow the container's log
  shell     open a shell in the running container
  admin     open the console of the running server; WORDS after it are one command
  test      run the functional tests against a new container
  save      write the image and its base image to FILE
  load      read the image from FILE
  clean     remove container and images; VOLUME=yes removes the data too, with the backups in it
  backups   as root: have systemd copy the data of the running container each hour, from now on
  backups-off  end that
  check     check that Docker can be used; if not, say what to type

Variables (defaults): CONTAINER (classcord; make calls it NAME), with its data in the volume CONTAINER-data; PORT, the
port to publish (12345); IMAGE (classcord-server); FILE (build/classcord-server.tar.gz); PYTEST (python3 -m pytest).
run and rollback pass the server's own variables on (CLASSCORD_LANG=en, CLASSCORD_LOG_LEVEL=debug; see server.py
--help). Before another image starts than the one that used the data last, they copy the database into the folder
backups of the volume. The last three copies stay. BACKUP=no makes no copy.

Exit code: 0 done, 1 failed, 2 wrong command line. If the server ends at once, run gives the server's exit code.
END
}

# The names of the server's settings that are set in this environment
settings() {
    awk 'BEGIN { for (name in ENVIRON) if (name ~ /^CLASSCORD_[A-Z_]+$/ && name !~ /^CLASSCORD_TEST_/) print name }'
}

check_settings() {
    is_port "$PORT" || misused "PORT: '$PORT' is not a port; type a number from 1 to 65535"
    case $NAME in
    [!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]* | '' | ?) misused "NAME=$NAME: give two or more of a-z A-Z 0-9 _ . -" ;;
    esac
    [ "$IMAGE" != "$PREVIOUS" ] || misused "IMAGE=$IMAGE: make docker-rollback starts the image of that name"
    [ "$IMAGE" != "$LAST" ] || misused "IMAGE=$IMAGE: make docker-run gives that name to the image that it starts"
    case ${BACKUP:-} in '' | yes | no) ;; *) misused "BACKUP=$BACKUP: give yes or no" ;; esac
    case $FILE in -*) FILE=./$FILE ;; esac
    [ ! -d "$FILE" ] || misused "FILE=$FILE is a folder: give a file in it, like $FILE/classcord-server.tar.gz"
    case $1:$(settings) in
    build:* | stop:* | logs:* | shell:* | admin:* | test:* | save:* | load:* | clean:* | check:*) ;;
    backups:* | backups-off:*) ;;
    *CLASSCORD_HOST* | *CLASSCORD_PORT* | *CLASSCORD_DATA*)
        misused "CLASSCORD_HOST, _PORT and _DATA are fixed in the container: unset them;" \
            "PORT=2000 publishes another port"
        ;;
    esac
}

check_engine() {
    instead="or do without Docker: sudo make install"
    command -v docker >/dev/null || fail "Docker is not installed: sudo apt install docker.io; $instead"
    if ! answer=$(docker version --format '{{.Server.Version}}' 2>&1); then
        case $answer in
        *"permission denied"*)
            fail "you may not use Docker: sudo usermod -aG docker $(id -un), then log in again (or type sudo first)" ;;
        *)
            [ -z "${DOCKER_HOST:-}" ] || fail "no engine answers at DOCKER_HOST=$DOCKER_HOST: unset DOCKER_HOST"
            fail "the Docker engine is not running: sudo systemctl enable --now docker; $instead"
            ;;
        esac
    fi
}

exists() { [ -n "$(container "$1" '{{.Id}}')" ]; }

# Stop a container. If it was started with --rm, wait until it is gone
halt() {
    passing=''
    if is_passing "$1"; then passing=yes; fi
    docker stop "$1" >/dev/null
    while [ -n "$passing" ] && exists "$1"; do sleep 0.1; done
}

# The reason in docker's output of several lines, as one line
reason() { printf '%s\n' "$1" | grep -v -e "See 'docker run --help'" -e '^$' -e '^[0-9a-f]*$' | tail -n 1; }

# start NAME VOLUME ADDRESS [OPTION...]: the container as docker-compose.yml describes it, but without restarts: a
# container that can't start must not try for ever
start() {
    start_name=$1 start_volume=$2 start_address=$3
    shift 3
    docker run --detach --name "$start_name" --publish "$start_address" --volume "$start_volume:/data" \
        --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --pids-limit 2200 \
        --ulimit nofile=4096 --memory 512m --stop-timeout 10 \
        --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 "$@" "$IMAGE" 2>&1
}

# Remove the networks that compose made for a container that is gone; one that is still in use stays
remove_networks() {
    for network in $1; do
        if [ -n "$(docker network inspect --format '{{index .Labels "com.docker.compose.project"}}' "$network")" ]; then
            docker network rm "$network" >/dev/null 2>&1 || :
        fi
    done
}

# shellcheck disable=SC2016 # not the shell's variables
networks_of() { container "$1" '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'; }

# Say what helps if the text is the failure of an old engine: it forbids clone3, by which newer systems start a thread
check_age() {
    case $1 in *"no thread can be started"* | *"can't start new thread"*) ;; *) return 0 ;; esac
    engine=$(docker version --format '{{.Server.Version}}')
    [ "$(printf '%s\n' 20.10.10 "$engine" | sort -V | head -n 1)" != 20.10.10 ] || return 0
    fail "Docker $engine is too old for the image: it forbids threads there." \
        "Install Docker 20.10.10 or later (https://docs.docker.com/engine/install/); or do without: sudo make install"
}

# Wait until the server in the container answers. If it does not: false, a line on stderr, and the exit code in `code`
wait_healthy() {
    ! container_answers "$1" || return 0
    last=$(docker logs --tail 1 "$1" 2>&1)
    code=1
    case $(container "$1" '{{.State.Running}} {{.RestartCount}}') in
    'true 0') warn "the server does not answer after $PATIENCE seconds: $last" ;;
    true*) warn "the container stops each time that it is started: $last" ;;
    *)
        code=$(container "$1" '{{.State.ExitCode}}')
        [ "${code:-0}" != 0 ] || code=1
        check_age "$last"
        warn "the container stopped: $last"
        ;;
    esac
    return 1
}

# The program that listens on PORT (other than the container NAME), and a command to type; nothing if the port is free
port_holder() {
    other=$(docker ps --filter "publish=$PORT" --format '{{.Names}}' | grep -vxF "$NAME" | head -n 1)
    if [ -n "$other" ]; then
        goes=''
        if is_ours "$other" && loses_data "$other"; then goes=", which deletes its data"; fi
        say "the container $other: docker stop $other$goes${goes:+ (to save it first: $(saving "$other"))}"
        return
    fi
    own=$(docker ps --filter "publish=$PORT" --filter "name=^/$NAME\$" --quiet)
    { [ -z "$own" ] && command -v ss >/dev/null; } || return 0
    listener=$(ss -Hltnp "sport = :$PORT" 2>/dev/null | head -n 1)
    [ -n "$listener" ] || return 0
    units=$(units_that is-active)
    process=$(say "$listener" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p')
    if [ -n "$units" ]; then
        say "the systemd service classcord: sudo systemctl disable --now $units" \
            "(sudo make migrate-to-docker copies its data)"
    elif [ -n "$process" ]; then
        say "$process: stop it"
    else
        say "another program: sudo ss -ltnp sport = :$PORT names it; stop it"
    fi
}

check_port() {
    holder=$(port_holder)
    [ -z "$holder" ] || fail "port $PORT is taken by $holder, or choose another port with PORT=..."
}

# Put back the container and the image that `replace` set aside
put_back() {
    trap - EXIT INT TERM HUP
    if [ -z "$was_running" ] || exists "$ASIDE"; then docker rm --force "$NAME" >/dev/null 2>&1 || :; fi
    if exists "$ASIDE"; then docker rename "$ASIDE" "$NAME"; fi
    if [ "$action" = rollback ] && [ -n "$present" ]; then name_images "$present" "$new"; fi
    if [ "$was_running" = true ]; then
        # restart, not start: the engine may still be stopping it
        if docker restart "$NAME" >/dev/null && wait_healthy "$NAME"; then
            warn "nothing was replaced: the old container runs again"
        else
            warn "nothing was replaced, but the old container does not answer again: make docker-logs shows why"
        fi
    elif [ -z "$was_running" ] && [ "$action" = run ] && [ -n "$before" ] && [ "$before" != "$new" ]; then
        warn "to start the image before: $(again rollback)"
    fi
}

# The line to type for `run` or `rollback`, with what was given this time
again() {
    line="make docker-$1"
    [ "$NAME" = classcord ] || line="$line NAME=$NAME"
    [ "$PORT" = 12345 ] || line="$line PORT=$PORT"
    [ "$IMAGE" = classcord-server ] || line="$line IMAGE=$IMAGE"
    for variable in $(settings); do line="$line $variable=$(printenv "$variable")"; done
    say "$line"
}

# A killed `run` may have left a container aside
tidy_aside() {
    exists "$ASIDE" || return 0
    if exists "$NAME"; then docker rm --force "$ASIDE" >/dev/null; else docker rename "$ASIDE" "$NAME"; fi
}

# replace run|rollback: start the container with a new image, or with the image before; replace the one that is there
replace() {
    action=$1
    exec 9<"$ROOT" # two runs at once would replace each other's container; the lock ends with this process
    if command -v flock >/dev/null && ! flock -n 9; then say "Waiting for another docker-run..." && flock 9; fi
    check_ours "$NAME"
    tidy_aside
    if loses_data "$NAME"; then
        fail "the container $NAME was started with --rm: its data is lost when it stops." \
            "Save it first: $(saving "$NAME"); or give it up: docker stop $NAME"
    fi
    check_port
    present=$(image "$IMAGE" '{{.Id}}')
    before=$(container "$NAME" '{{.Image}}')
    # The image that used the data last; empty if it is not known. Without a container, the name IMAGE does not tell: a
    # build or a load may have given it to another image since
    last=''
    if [ "$(data_of "$NAME")" = "$DATA" ]; then
        last=$before
    elif [ "$action" = run ]; then
        last=$(image "$LAST" '{{.Id}}')
    fi
    before=${before:-${last:-$present}}
    if [ "$action" = run ]; then
        build_or_take
        new=$(image "$IMAGE" '{{.Id}}')
        keep_previous "$before"
    else
        new=$(image "$PREVIOUS" '{{.Id}}')
        [ -n "$new" ] || fail "there is no image $PREVIOUS: make docker-run keeps the old image when it makes a new one"
    fi
    [ "$last" = "$new" ] || back_up "${before:-$new}" "$new"
    was_running=$(container "$NAME" '{{.State.Running}}')
    there=$(data_of "$NAME")
    networks=$(networks_of "$NAME")
    trap 'put_back; exit 130' INT TERM HUP
    trap put_back EXIT
    if [ "$action" = rollback ]; then name_images "$new" "$present"; fi
    if [ -n "$was_running" ]; then
        say "Stopping the container $NAME to replace it..."
        halt "$NAME"
        if exists "$NAME"; then docker rename "$NAME" "$ASIDE"; else was_running=''; fi
    fi
    make_volume "$DATA"
    # the server's settings: --env NAME passes on the value that is set here
    # shellcheck disable=SC2046 # words without spaces
    set -- $(compose_labels service=classcord container-number=1 oneoff=False config-hash=docker.sh version=2)
    for variable in $(settings); do set -- "$@" --env "$variable"; done
    output=$(start "$NAME" "$DATA" "$PORT:12345" "$@") || {
        case $output in
        *"already allocated"* | *"address already in use"*) check_port ;;
        *"is already in use by container"*) fail "another program just made a container $NAME: $(again "$action")" ;;
        esac
        fail "the container can't start: $(reason "$output")"
    }
    case $output in *"memory limit"*)
        warn "this system does not count the memory of a container, so its limit of 512 MB is off." \
            "On a Raspberry Pi: see CONTAINERS.md, cgroup_enable=memory"
        ;;
    esac
    wait_healthy "$NAME" || exit "$code"
    docker update --restart unless-stopped "$NAME" >/dev/null
    trap - EXIT INT TERM HUP
    docker tag "$new" "$LAST" || : # NAME may be too long for that; without it, the next start makes a backup
    if exists "$ASIDE"; then docker rm "$ASIDE" >/dev/null; fi
    remove_networks "$networks"
    prune
    if [ -n "$before" ] && [ "$before" != "$new" ]; then
        say "Now it is $(about "$new"), before it was $(about "$before")."
        say "To return to the image before, $PREVIOUS: $(again rollback)"
    fi
    if [ -n "$there" ] && [ "$there" != "$DATA" ]; then
        warn "the old container kept its data in $there; the new one uses the volume $DATA"
    fi
    # shellcheck disable=SC2046 # a list of addresses
    announce "The server runs in the container $NAME" "$PORT" "${CLASSCORD_WEB:-on}" $(addresses)
    units=$(units_that is-enabled)
    if [ -n "$units" ] && [ "$PORT" = 12345 ]; then
        warn "the systemd service is enabled too, and may take the port first after a reboot:" \
            "sudo systemctl disable $units"
    fi
}

stop() {
    check_ours "$NAME"
    tidy_aside
    if ! exists "$NAME"; then
        say "There is no container $NAME; nothing to stop."
        return
    fi
    there=$(data_of "$NAME")
    if loses_data "$NAME"; then there=''; fi
    networks=$(networks_of "$NAME")
    halt "$NAME"
    if exists "$NAME"; then docker rm "$NAME" >/dev/null; fi
    remove_networks "$networks"
    if [ -n "$there" ]; then there="its data stays in $there"; else there="it kept no data"; fi
    say "The container $NAME is stopped and removed; $there."
}

need_container() {
    exists "$NAME" || fail "there is no container $NAME: make docker-run starts it"
}

shell() {
    need_container
    [ "$(container "$NAME" '{{.State.Running}}')" = true ] ||
        fail "the container $NAME is stopped: make docker-run starts it"
    [ -t 0 ] || exec docker exec --interactive "$NAME" sh
    # the exit code is that of the last command that was typed there
    docker exec --interactive --tty "$NAME" sh || :
}

admin() {
    need_container
    [ "$(container "$NAME" '{{.State.Running}}')" = true ] ||
        fail "the container $NAME is stopped: make docker-run starts it"
    terminal=''
    if [ -t 0 ] && [ -t 1 ]; then terminal=--tty; fi
    exec docker exec --interactive $terminal "$NAME" python3 /app/server.py admin "$@"
}

remove_test() {
    trap - EXIT INT TERM HUP
    docker rm --force "$scratch" >/dev/null 2>&1 || :
    docker volume rm "$scratch" >/dev/null 2>&1 || :
}

run_tests() {
    cd "$ROOT"
    $PYTEST --version >/dev/null 2>&1 || fail "$PYTEST does not work: make docker-test brings its own, or set PYTEST=..."
    build_or_take
    scratch=$NAME-test-$$
    trap 'remove_test; exit 130' INT TERM HUP
    trap remove_test EXIT
    output=$(start "$scratch" "$scratch" 127.0.0.1::12345 --env CLASSCORD_PASSWORD_COST=1 \
        --env CLASSCORD_LIMITS=off) ||
        fail "the container can't start: $(reason "$output")"
    wait_healthy "$scratch" || exit "$code"
    CLASSCORD_TEST_ADDR=$(docker port "$scratch" 12345/tcp | head -n 1)
    export CLASSCORD_TEST_ADDR
    say "Testing the container $scratch at $CLASSCORD_TEST_ADDR..."
    $PYTEST tests/functional
}

clean() {
    check_ours "$NAME"
    tidy_aside
    if exists "$NAME"; then stop; fi
    remove_images
    if docker volume inspect "$DATA" >/dev/null 2>&1; then
        if [ "${VOLUME:-}" = yes ]; then
            output=$(docker volume rm "$DATA" 2>&1) || fail "the data stays: $(reason "$output")"
            say "The data, the volume $DATA, is removed."
        else
            say "The data stays in the volume $DATA; VOLUME=yes removes it too."
        fi
    fi
}

[ $# -eq 1 ] || [ "${1:-}" = admin ] || misused "say one command, like run or stop"
case $1 in
build | run | rollback | stop | logs | shell | admin | test | save | load | clean | check | backups | backups-off) ;;
-h | --help | help) usage && exit 0 ;;
*) misused "there is no command $1" ;;
esac
check_settings "$1"
check_engine
case $1 in
build)
    build
    prune
    say "The image $IMAGE is built. Start it: make docker-run"
    ;;
logs) need_container && exec docker logs --follow "$NAME" ;;
run | rollback) replace "$1" ;;
test) run_tests ;;
check) ;;
backups-off) backups_off ;;
admin) shift && admin "$@" ;;
*) "$1" ;;
esac
