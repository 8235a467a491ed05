#!/bin/sh
# Installs ClassCord as a systemd service, replaces it by a newer version, or removes it.
set -eu

home=/opt/classcord
etc=/etc/classcord
units=/etc/systemd/system
python=/usr/bin/python3 # the unit starts this one
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/common.sh
. "$here/common.sh"
project=$(dirname "$here")
stage='' old='' changed='' dry='' purge='' start=yes

usage() {
    cat <<END
Usage: sudo sh deploy/install.sh install|upgrade|uninstall [--purge] [--no-start] [--dry-run]

  install       copy the server to $home, enable the systemd service, start it, print its addresses
  upgrade       install the version in this folder, and restart; if it doesn't start, put the old one back
    --no-start  with install or upgrade: only copy; don't start or restart the service
  uninstall     stop the service and remove it; its settings and data stay
    --purge     with uninstall: remove settings and data too
  --dry-run     show the commands, and change nothing

Exit code: 0 done, 1 failed, 2 wrong command line.
END
}

tidy() {
    if [ -n "$stage" ]; then rm -rf "$stage"; fi
}

need_root_and_systemd() {
    [ "$(id -u)" = 0 ] || fail "only root may do that: sudo make $action"
    [ -d /run/systemd/system ] || fail "systemd doesn't run here (on WSL: systemd=true in /etc/wsl.conf);" \
        "start the container instead (make docker-run), or the server by hand (make run)"
}

need_python() {
    [ -x $python ] || fail "the service needs $python: sudo apt install python3"
    $python -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "the service needs Python 3.10 or later, and $python is $($python --version 2>&1);" \
            "start the container instead: make docker-run"
    $python -I -c 'import sqlite3, hashlib; hashlib.scrypt' 2>/dev/null ||
        fail "$python comes without sqlite3 or scrypt: sudo apt install --reinstall libpython3-stdlib"
}

# Refuse if a container has the port, or takes it at the next boot: only one of it and the service can have the port
need_no_container() {
    command -v docker >/dev/null || return 0
    found=$(docker ps --filter publish=12345/tcp --format '{{.Names}}' 2>/dev/null | head -n 1) || return 0
    if [ -z "$found" ]; then
        [ "$(container classcord '{{.HostConfig.RestartPolicy.Name}}')" = always ] && is_ours classcord || return 0
        found=classcord
    fi
    if ! is_ours "$found"; then
        fail "the container $found has port 12345: sudo docker stop $found"
    elif loses_data "$found"; then
        fail "the container $found has port 12345: sudo docker stop $found, which deletes its data" \
            "(to save it first: sudo $(saving "$found"))"
    elif is_passing "$found"; then
        fail "the container $found has port 12345: sudo docker stop $found (its data stays in $(data_of "$found"))"
    fi
    other=''
    [ "$found" = classcord ] || other=" NAME=$found"
    fail "the container $found has port 12345: make docker-stop$other (or sudo docker rm -f $found)," \
        "or sudo make migrate-to-systemd$other, which copies its accounts and messages"
}

version_in() {
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$1/classcord/__init__.py" 2>/dev/null || :
}

# Put the service's files into a folder that only has to be renamed
make_stage() {
    stage=$(mktemp -d "$(dirname $home)/.classcord.XXXXXX")
    mkdir "$stage/classcord" "$stage/handlers" "$stage/deploy"
    cp "$project/server.py" "$stage"
    cp "$project"/classcord/*.py "$stage/classcord"
    cp "$project"/handlers/*.py "$stage/handlers"
    cp "$here/classcord.service" "$here/classcord.socket" "$here/classcord.env" "$stage/deploy"
    # a hash in it instead of the time: the same sources give the same files
    $python -m compileall -q -s "$stage" -p $home --invalidation-mode checked-hash "$stage" ||
        fail "$python can't compile the files in $project"
    chown -R root:root "$stage"
    chmod -R u=rwX,go=rX "$stage"
}

# Sets `changed` if a file was replaced, and `old` to the folder of the former version, if there was one
replace_files() {
    if ! diff -r "$stage" $home >/dev/null 2>&1; then
        changed=yes
        if [ -d $home ]; then
            old=$home.old
            rm -rf $old
            mv -T $home $old
        fi
        mv -T "$stage" $home
        stage=''
    fi
    for unit in classcord.service classcord.socket; do
        if ! cmp -s $home/deploy/$unit $units/$unit; then
            install -m 644 $home/deploy/$unit $units/$unit
            changed=yes
        fi
    done
}

# Leave a file alone that a person has changed
place_settings() {
    if [ ! -e $etc/classcord.env ]; then
        install -d -m 755 $etc
        install -m 644 $home/deploy/classcord.env $etc/classcord.env
    elif [ -n "$old" ] && ! cmp -s $home/deploy/classcord.env $old/deploy/classcord.env; then
        if cmp -s $etc/classcord.env $old/deploy/classcord.env; then
            install -m 644 $home/deploy/classcord.env $etc/classcord.env
        else
            say "$etc/classcord.env stays as you wrote it; the new settings: diff $etc/classcord.env $home/deploy/classcord.env"
        fi
    fi
}

last_words() {
    journalctl --sync 2>/dev/null || : # the service has just ended: its last line may still be on its way
    journalctl --unit classcord --lines 20 --output cat --no-pager 2>/dev/null |
        grep -v -e '^classcord.service: ' -e '^Start' -e '^Stop' -e '^Failed' -e 'event=' | tail -n 1
}

# With Type=notify, a start returns when the server listens or has failed
start_service() {
    systemctl reset-failed classcord.service 2>/dev/null || :
    systemctl restart classcord.service 2>/dev/null && healthy
}

# Does the service answer where systemd says that it listens? Sets `host` and `port` for show_addresses. It asks more
# than once: a server that is upgraded in the middle of a lesson may be busy.
healthy() {
    for _ in 1 2 3 4 5; do
        systemctl is-active --quiet classcord.service || return 1
        status=$(systemctl show --property StatusText --value classcord.service)
        port=${status##* port }
        host=${status#Listening on }
        host=${host%% port *}
        # without settings from this shell's environment
        if env -i CLASSCORD_HOST="$host" CLASSCORD_PORT="$port" $python $home/server.py health >/dev/null; then return; fi
        sleep 1
    done
    return 1
}

# Put back the version that was installed `before`, if there was one
put_back() {
    [ -n "$old" ] && [ -d $old ] || return 0
    rm -rf $home
    mv -T $old $home
    for unit in classcord.service classcord.socket; do
        install -m 644 $home/deploy/$unit $units/$unit
    done
    systemctl daemon-reload
    if start_service; then
        warn "version $before is back and runs"
    else
        warn "version $before is back, and doesn't start either: sudo journalctl -u classcord"
    fi
}

show_addresses() {
    reached=$host
    case $host in 0.0.0.0 | ::) reached=$(addresses) ;; esac
    # shellcheck disable=SC2086 # a list of addresses
    announce "The service classcord runs" "$port" $reached
    say "To watch it: sudo systemctl status classcord; sudo journalctl -u classcord -f"
}

do_install() {
    need_root_and_systemd
    need_python
    before=$(version_in $home)
    after=$(version_in "$project")
    [ "$action" = install ] || [ -n "$before" ] || fail "nothing is installed yet: sudo make install"
    [ -z "$start" ] || need_no_container
    if [ -n "$dry" ]; then
        say "+ copy server.py, handlers/ and classcord/ to $home, compiled"
        say "+ copy classcord.service and classcord.socket to $units"
        [ -e $etc/classcord.env ] || say "+ copy classcord.env to $etc"
        say "+ systemctl daemon-reload"
        [ -z "$start" ] || say "+ systemctl enable classcord.service; systemctl restart classcord.service"
        return
    fi
    trap tidy EXIT
    trap 'exit 130' INT TERM HUP PIPE
    make_stage
    replace_files
    if [ -n "$changed" ]; then
        say "Version $after is now in $home${before:+, instead of $before}"
    else
        say "Version $after is in $home already"
        [ ! -d $home.old ] || changed=yes # but the running server may be the old one
    fi
    place_settings
    systemctl daemon-reload
    [ -n "$start" ] || { rm -rf $home.old; return 0; }
    systemctl enable --quiet classcord.service
    if [ -z "$changed" ] && systemctl is-active --quiet classcord.service && healthy; then
        show_addresses
    elif start_service; then
        rm -rf $home.old
        show_addresses
    else
        words=$(last_words)
        words=${words:-see sudo journalctl -u classcord}
        [ -n "$old" ] || words="$words (after the repair: sudo systemctl start classcord)"
        warn "the service does not start: $words"
        put_back
        exit 1
    fi
}

do_uninstall() {
    need_root_and_systemd
    for unit in classcord.socket classcord.service; do
        [ ! -e $units/$unit ] || run systemctl disable --quiet --now $unit
    done
    run rm -rf $home $home.old $units/classcord.service $units/classcord.socket
    if [ -n "$purge" ]; then
        run rm -rf $units/classcord.service.d $units/classcord.socket.d $etc
        run rm -rf /var/lib/private/classcord /var/lib/classcord
    fi
    run systemctl daemon-reload
    run systemctl reset-failed classcord.service classcord.socket 2>/dev/null || :
    if [ -n "$purge" ]; then
        say "The service classcord is gone, with its settings and data"
    else
        say "The service classcord is gone; its settings are in $etc, its data in /var/lib/classcord" \
            "(sudo make uninstall PURGE=yes removes them too)"
    fi
}

action=''
for word; do
    case $word in
    install | upgrade | uninstall) action=$action$word ;;
    --purge) purge=yes ;;
    --no-start) start='' ;;
    --dry-run) dry=yes ;;
    -h | --help | help) usage && exit 0 ;;
    *) misused "unknown word: '$word'" ;;
    esac
done
case $action$purge${start:+start} in
installstart | upgradestart | install | upgrade) do_install ;;
uninstallstart | uninstallyesstart) do_uninstall ;;
installyes* | upgradeyes*) misused "--purge goes with uninstall" ;;
uninstall*) misused "--no-start goes with install and upgrade" ;;
*) misused "say install, upgrade or uninstall" ;;
esac
