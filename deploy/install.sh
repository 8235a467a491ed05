#!/bin/sh
# Installs ClassCord as a systemd service, replaces it by a newer version, goes back to the version before, or removes it.
set -eu

home=/opt/classcord
old=$home.old           # the version that ran, until the new one runs
previous=$home.previous # the version before the installed one
backups=/var/backups/classcord
hourly=/var/backups/classcord-hourly # classcord-backup.service writes there
etc=/etc/classcord
copies=/etc/systemd/system # where `systemctl edit --full` writes; older versions put our units there
python=/usr/bin/python3 # the unit starts this one
console=/usr/local/sbin/classcord-admin
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/common.sh
. "$here/common.sh"
# shellcheck source=deploy/unit.sh
. "$here/unit.sh"
project=$(dirname "$here")
units='classcord.socket classcord.service classcord-backup.service classcord-backup.timer'
stage='' changed='' backup='' dry='' purge='' start=yes new_timer=''

usage() {
    cat <<END
Usage: sudo sh deploy/install.sh install|upgrade|rollback|uninstall [--purge] [--no-start] [--dry-run]

  install       copy the server to $home, enable the systemd service, start it, print its addresses
  upgrade       install the version in this folder, and restart; if it doesn't start, put the old one back
  rollback      go back to the version before, which is in $previous; a second time: forward again
    --no-start  with these three: only copy; don't start or restart the service
  uninstall     stop the service and remove it; its settings, data and backups stay
    --purge     with uninstall: remove them too
  --dry-run     show the commands, and change nothing

Before a version is replaced, the database is copied to $backups. The newest three copies are kept.
Each hour that the service runs, classcord-backup.timer copies it to $hourly.

Exit code: 0 done, 1 failed, 2 wrong command line.
END
}

tidy() {
    if [ -n "$stage" ] && [ "$stage" != $previous ]; then rm -rf "$stage"; fi
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

need_no_mask() {
    [ "$(unit_says LoadState)" != masked ] || fail "the service is masked: sudo systemctl unmask classcord.service"
}

# Refuse if a container has the port, or takes it at the next boot: only one of it and the service can have the port
need_no_container() {
    command -v docker >/dev/null || return 0
    port=$(unit_port)
    found=$(docker ps --filter "publish=$port/tcp" --format '{{.Names}}' 2>/dev/null | head -n 1) || return 0
    if [ -z "$found" ]; then
        [ "$(container classcord '{{.HostConfig.RestartPolicy.Name}}')" = always ] && is_ours classcord || return 0
        found=classcord
    fi
    if ! is_ours "$found"; then
        fail "the container $found has port $port: sudo docker stop $found"
    elif loses_data "$found"; then
        fail "the container $found has port $port: sudo docker stop $found, which deletes its data" \
            "(to save it first: sudo $(saving "$found"))"
    elif is_passing "$found"; then
        fail "the container $found has port $port: sudo docker stop $found (its data stays in $(data_of "$found"))"
    fi
    other=''
    [ "$found" = classcord ] || other=" NAME=$found"
    fail "the container $found has port $port: make docker-stop$other (or sudo docker rm -f $found)," \
        "or sudo make migrate-to-systemd$other, which copies its accounts and messages"
}

version_in() {
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$1/classcord/__init__.py" 2>/dev/null || :
}

# The commit of the project's files, if they are a git checkout, with a + if they were changed since
commit_here() {
    if [ ! -e "$project/.git" ] || ! command -v git >/dev/null; then return 0; fi
    # root must not write the index of another user
    set -- git --no-optional-locks --git-dir="$project/.git" --work-tree="$project"
    number=$("$@" rev-parse --short HEAD 2>/dev/null) || return 0
    altered=$("$@" status --porcelain -- server.py classcord handlers deploy 2>/dev/null) || return 0
    say "$number${altered:++}"
}

# Put the service's files into a folder that only has to be renamed
make_stage() {
    stage=$(mktemp -d "$(dirname $home)/.classcord.XXXXXX")
    for source in "$project"/server.py "$project"/handlers/*.py "$project"/classcord/*.py "$project"/classcord/*/*.py \
        "$project"/classcord/web/*.*; do
        mkdir -p "$(dirname "$stage/${source#"$project/"}")"
        cp "$source" "$stage/${source#"$project/"}"
    done
    mkdir "$stage/deploy"
    for file in $units classcord.env unit.sh admin.sh; do cp "$here/$file" "$stage/deploy"; done
    commit_here >"$stage/deploy/commit"
    # a hash in it instead of the time: the same sources give the same files
    $python -m compileall -q -s "$stage" -p $home --invalidation-mode checked-hash "$stage" ||
        fail "$python can't compile the files in $project"
    chown -R root:root "$stage"
    chmod -R u=rwX,go=rX "$stage"
}

# Copy the database before another version opens it. Sets `backup` to the file
back_up() {
    data=$(unit_setting data)
    data=${data:-/var/lib/classcord}
    [ -e "$data/classcord.db" ] || return 0
    install -d -m 700 $backups
    backup=$backups/$(date -u +%Y%m%dT%H%M%SZ).db
    # without settings from this shell's environment, and as root's file
    [ -e "$backup" ] || said=$(env -i $python "$stage/server.py" backup --data "$data" "$backup" 2>&1) ||
        fail "the database can't be copied, so nothing was changed: ${said#server.py: }"
}

# restoring PROGRAM FILE: the commands that put a backup back
restoring() {
    active=$(units_that is-active)
    active=${active:-classcord.service}
    say "sudo systemctl stop $active; sudo python3 $1/server.py restore --data $data $2; sudo systemctl start $active"
}

# Put the files of `stage` in place. Sets `changed` if something was replaced
replace_files() {
    if ! diff -r --exclude=commit "$stage" $home >/dev/null 2>&1; then
        changed=yes
        back_up
        # after a run that was stopped, the old version is there already, and nobody knows whether the new one runs
        if [ -d $old ]; then rm -rf $home; elif [ -d $home ]; then mv -T $home $old; fi
        mv -T "$stage" $home
        stage=''
    fi
    place_units
    place_console
}

# sudo classcord-admin; a version that has none takes it away
place_console() {
    if [ ! -e $home/deploy/admin.sh ]; then
        rm -f $console
    elif ! cmp -s $home/deploy/admin.sh $console; then
        changed=yes
        install -D -m 755 $home/deploy/admin.sh $console
    fi
}

# is_unedited FILE UNIT: is it as we wrote it?
is_unedited() {
    for version in $home $old $previous; do
        ! cmp -s "$1" "$version/deploy/$2" || return 0
    done
    return 1
}

# Never overwrite a unit that a person has changed: it becomes, or stays, a local copy, which hides ours
place_units() {
    [ -e $UNITS/classcord-backup.timer ] || new_timer=yes
    for unit in $units; do
        if [ ! -e "$home/deploy/$unit" ]; then
            drop_unit "$unit"
            continue
        fi
        if [ ! -L "$copies/$unit" ] && is_unedited "$copies/$unit" "$unit"; then
            rm "$copies/$unit"
            changed=yes
        fi
        if ! cmp -s "$home/deploy/$unit" "$UNITS/$unit"; then
            changed=yes
            if [ -e "$UNITS/$unit" ] && ! is_unedited "$UNITS/$unit" "$unit" && [ ! -e "$copies/$unit" ]; then
                mv "$UNITS/$unit" "$copies/$unit"
            fi
            install -D -m 644 "$home/deploy/$unit" "$UNITS/$unit"
        fi
        # the links that start it at boot: systemd ignores one that leads to a unit that was removed
        for link in "$copies"/*.wants/"$unit"; do
            [ ! -L "$link" ] || ln -sfT "$UNITS/$unit" "$link"
        done
    done
    systemctl daemon-reload
    for unit in $units; do tell_local_copy "$unit"; done
}

# Remove a unit that the version in place does not have
drop_unit() {
    [ -e "$UNITS/$1" ] || return 0
    systemctl disable --quiet --now "$1" 2>/dev/null || :
    rm -f "$UNITS/$1"
}

# tell_local_copy UNIT: say so if the unit in force is not ours
tell_local_copy() {
    used=$(readlink -f -- "$(unit_says FragmentPath "$1")" 2>/dev/null) || : # systemd doesn't know it
    [ "$used" != "$UNITS/$1" ] && [ -f "$used" ] || return 0
    warn "a local copy hides ours: $used stays as you wrote it, and no upgrade changes it. What differs:" \
        "diff $UNITS/$1 $used. To use ours with some lines of yours: sudo systemctl revert $1 (it removes the copy and" \
        "your drop-ins), then sudo systemctl edit $1. To see what is in force: systemctl cat $1"
}

# Leave a file alone that a person has changed
place_settings() {
    if [ ! -e $etc/classcord.env ]; then
        install -d -m 755 $etc
        install -m 644 $home/deploy/classcord.env $etc/classcord.env
    elif [ -d $old ] && ! cmp -s $home/deploy/classcord.env $old/deploy/classcord.env; then
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

# The new version runs: keep the old one as the version before, and of the backups the newest three
keep_previous() {
    set -- $backups/*Z.db # in the order of their times
    while [ $# -gt 3 ]; do
        rm -f "$1"
        shift
    done
    [ -d $old ] || return 0
    rm -rf $previous
    mv -T $old $previous
}

# The new version doesn't run: put back the one that was installed `before`, if there was one
put_back() {
    [ -d $old ] || return 0
    for unit in $units; do
        if [ -e "$old/deploy/$unit" ]; then
            install -m 644 "$old/deploy/$unit" "$UNITS/$unit"
        else
            drop_unit "$unit"
        fi
    done
    # the version of a rollback stays the version before
    if [ "$action" = rollback ]; then mv -T $home $previous; else rm -rf $home; fi
    mv -T $old $home
    place_console
    systemctl daemon-reload
    if start_service; then
        warn "version $before is back and runs"
        [ -z "$backup" ] || rm -f "$backup" # it is what the service has
        backup=$(find $backups -name '*Z.db' 2>/dev/null | sort | tail -n 1)
        if [ "$action" = rollback ] && [ -n "$backup" ]; then
            commands=$(restoring $previous "$backup")
            warn "if the database is too new for version $after, put back its copy from before the upgrade too:" \
                "${commands%; *}; sudo make rollback"
        fi
    else
        warn "version $before is back, and doesn't start either: sudo journalctl -u classcord"
        [ -z "$backup" ] || warn "if the new version has changed the database: $(restoring $home "$backup")"
    fi
}

show_addresses() {
    reached=$host
    case $host in 0.0.0.0 | ::) reached=$(addresses) ;; esac
    # shellcheck disable=SC2086 # a list of addresses
    announce "The service classcord runs" "$port" "$(unit_setting web)" $reached
    say "To watch it: sudo systemctl status classcord; sudo journalctl -u classcord -f"
    next=$(unit_port)
    active=$(units_that is-active)
    [ "$next" = "$port" ] || [ "$next" = 0 ] ||
        warn "its port is $next after the next start: sudo systemctl stop $active; sudo systemctl start $active"
}

# Say how to go back, if a version was replaced
tell_way_back() {
    [ -z "$before" ] || [ -z "$changed" ] || [ ! -d $previous ] ||
        say "The version before is in $previous. To go back to it: sudo make rollback"
    [ -z "$backup" ] || say "The database as it was before is in $backup. To go back to it: $(restoring $home "$backup")"
}

# named VERSION FOLDER: a version, with the commit if both versions have the same number
named() {
    commit=$(cat "$2/deploy/commit" 2>/dev/null) || :
    [ "$before" = "$after" ] || commit=''
    say "$1${commit:+ (commit $commit)}"
}

# An upgrade leaves the timer off if a person has switched it off
enable_timer() {
    [ -e $UNITS/classcord-backup.timer ] || return 0
    if [ "$action" = install ] || [ -n "$new_timer" ]; then systemctl enable --quiet --now classcord-backup.timer; fi
}

do_install() {
    need_root_and_systemd
    need_python
    # a run that was stopped in the middle has left the version that ran in $old
    last=$home
    [ ! -d $old ] || last=$old
    before=$(version_in $last)
    case $action in
    install) after=$(version_in "$project") ;;
    upgrade)
        after=$(version_in "$project")
        [ -n "$before" ] || fail "nothing is installed yet: sudo make install"
        ;;
    rollback)
        after=$(version_in $previous)
        [ -n "$after" ] || fail "there is no version to go back to: an upgrade keeps the one before it in $previous"
        [ ! -d $old ] || fail "the last upgrade was stopped before its end: sudo make upgrade"
        ;;
    esac
    if [ -n "$start" ]; then
        need_no_mask
        need_no_container
    fi
    if [ -n "$dry" ]; then
        if [ "$action" = rollback ]; then
            say "+ exchange $home and $previous"
        else
            say "+ copy server.py, handlers/ and classcord/ to $home, compiled"
        fi
        say "+ copy the database to $backups, if there is one"
        say "+ copy $units to $UNITS, and the console to $console"
        [ -e $etc/classcord.env ] || say "+ copy classcord.env to $etc"
        say "+ systemctl daemon-reload"
        [ -n "$start" ] || return 0
        say "+ systemctl enable classcord.service; systemctl restart classcord.service"
        [ "$action" = rollback ] || say "+ systemctl enable --now classcord-backup.timer, if it is new"
        return
    fi
    trap tidy EXIT
    trap 'exit 130' INT TERM HUP PIPE
    if [ "$action" = rollback ]; then stage=$previous; else make_stage; fi
    was=$(named "$before" $last)
    new=$(named "$after" "$stage")
    replace_files
    if [ -n "$changed" ]; then
        say "Version $new is now in $home${before:+, instead of $was}"
    else
        say "Version $after is in $home already"
        [ ! -d $old ] || changed=yes # but the running server may be the old one
    fi
    place_settings
    if [ -z "$start" ]; then
        keep_previous
        tell_way_back
        return
    fi
    # systemd 249 doesn't enable a unit once more if a local copy hides it
    systemctl --quiet is-enabled classcord.service || systemctl enable --quiet classcord.service
    if [ -z "$changed" ] && systemctl is-active --quiet classcord.service && healthy; then
        enable_timer
        show_addresses
    elif start_service; then
        enable_timer
        keep_previous
        tell_way_back
        show_addresses
    else
        words=$(last_words)
        words=${words:-see sudo journalctl -u classcord}
        [ -d $old ] || words="$words (after the repair: sudo systemctl start classcord)"
        warn "the service does not start: $words"
        put_back
        exit 1
    fi
}

do_uninstall() {
    need_root_and_systemd
    theirs=''
    for unit in classcord.socket classcord.service classcord-backup.timer; do
        [ -z "$(unit_says FragmentPath $unit)" ] || run systemctl disable --quiet $unit
        # only what runs: a stop warns of the drop-ins of a masked unit
        case $(unit_says ActiveState $unit) in inactive | failed | '') ;; *) run systemctl stop $unit ;; esac
    done
    for unit in $units; do
        if [ -n "$purge" ] || is_unedited "$copies/$unit" "$unit"; then
            run rm -rf "$copies/$unit"
        elif [ -e "$copies/$unit" ]; then
            theirs="$theirs $copies/$unit"
        fi
        if [ -n "$purge" ]; then
            run rm -rf "$copies/$unit.d"
        elif [ -d "$copies/$unit.d" ]; then
            theirs="$theirs $copies/$unit.d"
        fi
        run rm -f "$UNITS/$unit" "$copies"/*.wants/"$unit" # systemctl doesn't disable a masked unit
    done
    run rmdir --ignore-fail-on-non-empty $UNITS ${UNITS%/*} 2>/dev/null || :
    run rm -rf $home $old $previous $console
    run rm -f /var/lib/systemd/timers/stamp-classcord-backup.timer
    [ -z "$purge" ] || run rm -rf $etc $backups $hourly /var/lib/private/classcord /var/lib/classcord
    run systemctl daemon-reload
    # shellcheck disable=SC2086 # a list of units
    run systemctl reset-failed $units 2>/dev/null || :
    if [ -n "$purge" ]; then
        say "The service classcord is gone, with its settings and data"
    else
        saved=''
        for folder in $backups $hourly; do
            [ ! -d "$folder" ] || saved="$saved and $folder"
        done
        say "The service classcord is gone; its settings are in $etc, its data in /var/lib/classcord$saved" \
            "(sudo make uninstall PURGE=yes removes them too)"
        [ -z "$theirs" ] || say "What you changed in its units stays too:$theirs"
    fi
}

action=''
for word; do
    case $word in
    install | upgrade | rollback | uninstall) action=$action$word ;;
    --purge) purge=yes ;;
    --no-start) start='' ;;
    --dry-run) dry=yes ;;
    -h | --help | help) usage && exit 0 ;;
    *) misused "unknown word: '$word'" ;;
    esac
done
case $action$purge${start:+start} in
installstart | upgradestart | rollbackstart | install | upgrade | rollback) do_install ;;
uninstallstart | uninstallyesstart) do_uninstall ;;
installyes* | upgradeyes* | rollbackyes*) misused "--purge goes with uninstall" ;;
uninstall*) misused "--no-start goes with install, upgrade and rollback" ;;
*) misused "say install, upgrade, rollback or uninstall" ;;
esac
