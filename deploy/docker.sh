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
PATIENCE=60 # seconds until the server must answer

usage() {
    cat <<'END'
Usage: sh deploy/docker.sh COMMAND

  build   build the image
  run     build if needed, start the container, wait until it is healthy, print its addresses; replaces a running one
  stop    stop the container and remove it; the data stays
  logs    show and follow the container's log
  shell   open a shell in the running container
  test    run the functional tests against a new container
  save    write the image and its base image to FILE
  load    read the image from FILE
  clean   remove container and image; VOLUME=yes removes the data too
  check   check that Docker can be used; if not, say what to type

Variables (defaults): CONTAINER (classcord; make calls it NAME), with its data in the volume CONTAINER-data; PORT, the
port to publish (12345); IMAGE (classcord-server); FILE (build/classcord-server.tar.gz); PYTEST (python3 -m pytest).
run passes the server's own variables on (CLASSCORD_LANG=en, CLASSCORD_LOG_LEVEL=debug; see server.py --help).

Exit code: 0 done, 1 failed, 2 wrong command line. If the server ends at once, run gives the server's exit code.
END
}

# The names of the server's settings that are set in this environment
settings() {
    awk 'BEGIN { for (name in ENVIRON) if (name ~ /^CLASSCORD_[A-Z_]+$/ && name !~ /^CLASSCORD_TEST_/) print name }'
}

is_port() {
    case $1 in '' | *[!0-9]* | 0* | ??????*) return 1 ;; esac
    [ "$1" -le 65535 ]
}

check_settings() {
    is_port "$PORT" || misused "PORT: '$PORT' is not a port; type a number from 1 to 65535"
    case $NAME in
    [!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]* | '' | ?) misused "NAME=$NAME: give two or more of a-z A-Z 0-9 _ . -" ;;
    esac
    case $FILE in -*) FILE=./$FILE ;; esac
    [ ! -d "$FILE" ] || misused "FILE=$FILE is a folder: give a file in it, like $FILE/classcord-server.tar.gz"
    case $1:$(settings) in
    run:*CLASSCORD_HOST* | run:*CLASSCORD_PORT* | run:*CLASSCORD_DATA*)
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

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# The reason in docker's output of several lines, as one line
reason() { printf '%s\n' "$1" | grep -v -e "See 'docker run --help'" -e '^$' -e '^[0-9a-f]*$' | tail -n 1; }

base() { sed -n 's/^ARG BASE=//p' "$ROOT/Dockerfile"; }

# Download the base image if it is missing; false if that fails
get_base() {
    has_image "$(base)" && return
    say "Fetching the base image $(base)..."
    docker pull --quiet "$(base)" >/dev/null
}

build() {
    get_base ||
        fail "the base image $(base) can't be downloaded: go online," \
            "or copy the image from another machine: make docker-save, docker-load"
    # quiet: a person needs only the reason of a failure
    say "Building the image $IMAGE..."
    output=$(docker build --quiet --tag "$IMAGE" "$ROOT" 2>&1) || {
        printf '%s\n' "$output" >&2
        fail "the image could not be built; see above"
    }
}

# Remove our images that lost their name to a newer image and that no container uses
prune() { docker image prune --force --filter "label=org.opencontainers.image.title=$TITLE" >/dev/null; }

# Build, so that the container runs the code of this folder. Without the base image, use the image that is there
build_or_take() {
    if has_image "$IMAGE" && ! get_base; then
        warn "the base image $(base) can't be downloaded, so nothing was built: the old image $IMAGE is used"
    else
        build
    fi
}

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

# Wait until the server in the container answers. If it stops or takes too long: false, a line on stderr, and the exit
# code for it in `code`.
wait_healthy() {
    code=1
    end=$(($(date +%s) + PATIENCE))
    until docker exec "$1" python3 /app/server.py health >/dev/null 2>&1; do
        if [ "$(container "$1" '{{.State.Running}}')" != true ]; then
            code=$(container "$1" '{{.State.ExitCode}}')
            [ "${code:-0}" != 0 ] || code=1
            warn "the container stopped: $(docker logs --tail 1 "$1" 2>&1)"
            return 1
        fi
        if [ "$(date +%s)" -ge "$end" ]; then
            warn "the server does not answer after $PATIENCE seconds: $(docker logs --tail 1 "$1" 2>&1)"
            return 1
        fi
        sleep 0.2
    done
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

# Put back the container that `run` set aside
put_back() {
    trap - EXIT INT TERM HUP
    if [ -z "$was_running" ] || exists "$ASIDE"; then docker rm --force "$NAME" >/dev/null 2>&1 || :; fi
    if exists "$ASIDE"; then docker rename "$ASIDE" "$NAME"; fi
    # restart, not start: the engine may still be stopping it
    if [ "$was_running" = true ] && docker restart "$NAME" >/dev/null; then
        warn "nothing was replaced: the old container runs again"
    fi
}

# A killed `run` may have left a container aside
tidy_aside() {
    exists "$ASIDE" || return 0
    if exists "$NAME"; then docker rm --force "$ASIDE" >/dev/null; else docker rename "$ASIDE" "$NAME"; fi
}

run_container() {
    exec 9<"$ROOT" # two runs at once would replace each other's container; the lock ends with this process
    if command -v flock >/dev/null && ! flock -n 9; then say "Waiting for another docker-run..." && flock 9; fi
    check_ours "$NAME"
    tidy_aside
    if loses_data "$NAME"; then
        fail "the container $NAME was started with --rm: its data is lost when it stops." \
            "Save it first: $(saving "$NAME"); or give it up: docker stop $NAME"
    fi
    check_port
    build_or_take
    was_running=$(container "$NAME" '{{.State.Running}}')
    there=$(data_of "$NAME")
    trap 'put_back; exit 130' INT TERM HUP
    trap put_back EXIT
    if [ -n "$was_running" ]; then
        say "Stopping the container $NAME to replace it..."
        halt "$NAME"
        if exists "$NAME"; then docker rename "$NAME" "$ASIDE"; else was_running=''; fi
    fi
    # the server's settings: --env NAME passes on the value that is set here
    set --
    variables=$(settings)
    for variable in $variables; do set -- "$@" --env "$variable"; done
    output=$(start "$NAME" "$DATA" "$PORT:12345" "$@") || {
        case $output in
        *"already allocated"* | *"address already in use"*) check_port ;;
        esac
        fail "the container can't start: $(reason "$output")"
    }
    wait_healthy "$NAME" || exit "$code"
    docker update --restart unless-stopped "$NAME" >/dev/null
    trap - EXIT INT TERM HUP
    if exists "$ASIDE"; then docker rm "$ASIDE" >/dev/null; fi
    prune
    if [ -n "$there" ] && [ "$there" != "$DATA" ]; then
        warn "the old container kept its data in $there; the new one uses the volume $DATA"
    fi
    # shellcheck disable=SC2046 # a list of addresses
    announce "The server runs in the container $NAME" "$PORT" $(addresses)
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
    halt "$NAME"
    if exists "$NAME"; then docker rm "$NAME" >/dev/null; fi
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
    terminal=--interactive
    if [ -t 0 ]; then terminal=--interactive\ --tty; fi
    # shellcheck disable=SC2086 # two words
    exec docker exec $terminal "$NAME" sh
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
    output=$(start "$scratch" "$scratch" 127.0.0.1::12345 --env CLASSCORD_PASSWORD_COST=1) ||
        fail "the container can't start: $(reason "$output")"
    wait_healthy "$scratch" || exit "$code"
    CLASSCORD_TEST_ADDR=$(docker port "$scratch" 12345/tcp | head -n 1)
    export CLASSCORD_TEST_ADDR
    say "Testing the container $scratch at $CLASSCORD_TEST_ADDR..."
    $PYTEST tests/functional
}

# The type of processor that an image is for, or nothing if there is no such image
processor() { docker image inspect --format '{{.Architecture}}' "$1" 2>/dev/null || :; }

save() {
    has_image "$IMAGE" || fail "there is no image $IMAGE: make docker-build makes it"
    mkdir -p "$(dirname "$FILE")" || fail "the folder of $FILE can't be made"
    draft=$FILE.$$
    trap 'rm -f "$draft" "$draft.gz"' EXIT
    trap 'exit 130' INT TERM HUP
    # with its base, so that it can be built again without a registry; but not with a base for another processor
    set -- "$IMAGE"
    if [ "$(processor "$IMAGE")" = "$(processor "$(base)")" ]; then set -- "$@" "$(base)"; fi
    docker save --output "$draft" "$@" || fail "the image could not be written to $FILE"
    gzip -1 <"$draft" >"$draft.gz" || fail "the image could not be written to $FILE"
    mv "$draft.gz" "$FILE"
    say "The image is in $FILE ($(du -h "$FILE" | cut -f 1)). Carry it to the other machine, into the same place,"
    say "and type there: make docker-load docker-run (or, without this folder: docker load -i $(basename "$FILE"))"
}

load() {
    [ -r "$FILE" ] ||
        fail "there is no file $FILE: make docker-save writes it, on a machine that has the image; or FILE=..."
    output=$(docker load --input "$FILE" 2>&1) || fail "$FILE is not an image: $(reason "$output")"
    has_image "$IMAGE" || fail "$FILE does not contain the image $IMAGE: $(reason "$output")"
    say "The image $IMAGE is here. Start it: make docker-run"
}

clean() {
    check_ours "$NAME"
    tidy_aside
    if exists "$NAME"; then stop; fi
    users=$(docker ps --all --filter "ancestor=$IMAGE" --format '{{.Names}}')
    if [ -n "$users" ]; then
        say "The image $IMAGE stays: the container $(say "$users" | head -n 1) uses it."
    elif has_image "$IMAGE"; then
        output=$(docker image rm "$IMAGE" 2>&1) || fail "the image stays: $(reason "$output")"
        say "The image $IMAGE is removed."
    fi
    if docker volume inspect "$DATA" >/dev/null 2>&1; then
        if [ "${VOLUME:-}" = yes ]; then
            output=$(docker volume rm "$DATA" 2>&1) || fail "the data stays: $(reason "$output")"
            say "The data, the volume $DATA, is removed."
        else
            say "The data stays in the volume $DATA; VOLUME=yes removes it too."
        fi
    fi
}

[ $# -eq 1 ] || misused "say one command, like run or stop"
case $1 in
build | run | stop | logs | shell | test | save | load | clean | check) ;;
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
run) run_container ;;
test) run_tests ;;
check) ;;
*) "$1" ;;
esac
