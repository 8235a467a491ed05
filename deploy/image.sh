# shellcheck shell=sh
# The images, for docker.sh, which sources this file: build, keep the one before and the data that it wrote, save, load,
# remove.
# shellcheck disable=SC2154  # variables that docker.sh sets
# the image before the present one; a tag of IMAGE is replaced, a port of a registry is not a tag
case ${IMAGE##*/} in *:*) PREVIOUS=${IMAGE%:*}:previous ;; *) PREVIOUS=$IMAGE:previous ;; esac
LAST=$TITLE:last-$NAME # the image that used the data of NAME last; whatever IMAGE is, the data is the same
LABEL=org.opencontainers.image
KEPT=3 # backups that upgrades leave in the volume

# image NAME FORMAT: a fact about an image, or nothing if there is no such image
image() { docker image inspect --format "$2" "$1" 2>/dev/null || :; }

has_image() { [ -n "$(image "$1" '{{.Id}}')" ]; }

base() { sed -n 's/^ARG BASE=//p' "$ROOT/Dockerfile"; }

# Download the base image if it is missing; false if that fails
get_base() {
    has_image "$(base)" && return
    say "Fetching the base image $(base)..."
    docker pull --quiet "$(base)" >/dev/null
}

# git in this folder, which another user may own, and not in a repository around it; nothing without git
in_git() {
    GIT_CEILING_DIRECTORIES=$(dirname "$ROOT") git -C "$ROOT" -c safe.directory="$ROOT" "$@" 2>/dev/null || :
}

# The commit of the code that is built, with -dirty if files differ from it; nothing if it is not known
revision() {
    commit=$(in_git rev-parse --verify HEAD)
    [ -n "$commit" ] || return 0
    changed=$(in_git status --porcelain -- Dockerfile deploy/bytecode.py server.py handlers classcord)
    say "$commit${changed:+-dirty}"
}

# The address of the repository, without a name and password in it; nothing if it is a folder or not known
origin() {
    in_git config --get remote.origin.url |
        sed -n -e '/^file:/d' -e 's|^\([a-z+]*://\)\([^/]*@\)\{0,1\}|\1|p' -e 's|^[^/:]*@\([^/:]*\):/*|ssh://\1/|p'
}

version() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$ROOT/classcord/__init__.py"; }

# The version and the commit of an image, for people
about() {
    commit=$(image "$1" "{{index .Config.Labels \"$LABEL.revision\"}}")
    dirty=''
    case $commit in *-dirty) dirty=', changed' ;; esac
    commit=$(say "${commit%-dirty}" | cut -c 1-12)
    of=$(image "$1" "{{index .Config.Labels \"$LABEL.version\"}}")
    # an image of Compose or of docker build has no such label, but the program knows its version
    of=${of:-$(docker run --rm --network none --read-only "$1" --version 2>/dev/null | sed -n 's/^ClassCord //p')}
    if [ -n "$of" ] && [ -n "$commit" ]; then
        say "version $of (commit $commit$dirty)"
    else
        say "${of:+version $of, }image $(image "$1" '{{.Id}}' | sed 's/^sha256://' | cut -c 1-12)"
    fi
}

build() {
    get_base ||
        fail "the base image $(base) can't be downloaded: go online," \
            "or copy the image from another machine: make docker-save, docker-load"
    # quiet: a person needs only the reason of a failure
    say "Building the image $IMAGE..."
    replaced=$(image "$IMAGE" '{{.Id}}')
    # the labels that no Dockerfile can know; one that is not known stays away
    set -- --label "$LABEL.version=$(version)"
    [ -z "$(revision)" ] || set -- "$@" --label "$LABEL.revision=$(revision)"
    [ -z "$(origin)" ] || set -- "$@" --label "$LABEL.source=$(origin)"
    output=$(docker build --quiet --tag "$IMAGE" "$@" "$ROOT" 2>&1) || {
        printf '%s\n' "$output" >&2
        fail "the image could not be built; see above"
    }
    keep_previous "$replaced"
}

# Give the name PREVIOUS to an image that another one has replaced
keep_previous() {
    if [ -n "$1" ] && [ "$1" != "$(image "$IMAGE" '{{.Id}}')" ]; then docker tag "$1" "$PREVIOUS"; fi
}

# Give the image and the one before their names
name_images() {
    docker tag "$1" "$IMAGE"
    if [ -n "$2" ]; then docker tag "$2" "$PREVIOUS"; fi
}

# back_up IMAGE...: copy the database in the volume before another image opens it. The first image that can do it does.
back_up() {
    [ "${BACKUP:-}" != no ] || return 0
    docker volume inspect "$DATA" >/dev/null 2>&1 || return 0
    for writer; do
        # the newest copies stay: their names are times, so the shell lists the oldest first
        # shellcheck disable=SC2016 # for the shell in the container
        if output=$(docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --volume "$DATA:/data" \
            --entrypoint sh "$writer" -euc '
                exec 2>&1 # Docker may mix up the order of two streams
                [ -e /data/classcord.db ] || exit 0
                mkdir -p -m 700 /data/backups
                copy=/data/backups/classcord-$(date -u +%Y%m%dT%H%M%SZ).db
                python3 /app/server.py backup "$copy"
                set -- "$1" /data/backups/classcord-*.db
                while [ $# -gt $(($1 + 1)) ]; do rm "$2"; kept=$1; shift 2; set -- "$kept" "$@"; done
                echo "$copy"' sh "$KEPT" 2>&1); then
            copy=$(reason "$output")
            [ -z "$copy" ] ||
                say "The data of before the upgrade is in the volume $DATA: $copy (the last $KEPT are kept)."
            return
        fi
    done
    fail "the data can't be saved before the upgrade, so nothing was replaced: $(reason "$output");" \
        "to go on without that: $(again "$action") BACKUP=no"
}

# Remove our images that lost their name to a newer image and that no container uses
prune() { docker image prune --force --filter "label=$LABEL.title=$TITLE" >/dev/null; }

# Build, so that the container runs the code of this folder. Without the base image, use the image that is there
build_or_take() {
    if has_image "$IMAGE" && ! get_base; then
        warn "the base image $(base) can't be downloaded, so nothing was built: the old image $IMAGE is used"
    else
        build
    fi
}

# The type of processor that an image is for, or nothing if there is no such image
processor() { image "$1" '{{.Architecture}}'; }

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
    replaced=$(image "$IMAGE" '{{.Id}}')
    output=$(docker load --input "$FILE" 2>&1) || fail "$FILE is not an image: $(reason "$output")"
    has_image "$IMAGE" || fail "$FILE does not contain the image $IMAGE: $(reason "$output")"
    keep_previous "$replaced"
    say "The image $IMAGE is here. Start it: make docker-run"
}

# Remove the image and the one before, and forget which one used the data last. If a container uses the image, it needs
# its way back too: both stay
remove_images() {
    docker image rm "$LAST" >/dev/null 2>&1 || :
    for each in "$IMAGE" "$PREVIOUS"; do
        has_image "$each" || continue
        users=$(docker ps --all --filter "ancestor=$each" --format '{{.Names}}')
        if [ -n "$users" ]; then
            say "The image $each stays: the container $(say "$users" | head -n 1) uses it."
            return
        fi
        output=$(docker image rm "$each" 2>&1) || fail "the image stays: $(reason "$output")"
        say "The image $each is removed."
    done
}
