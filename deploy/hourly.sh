# shellcheck shell=sh
# Hourly backups of the container's data, for docker.sh, which sources this file. Docker has no timers, so it is one of
# this machine's systemd. It asks the server in the container for a copy, so it needs no other program.
# shellcheck disable=SC2154  # variables that docker.sh sets
HOURLY=$NAME-docker-backup           # the name of the units
HOURLY_UNITS=/etc/systemd/system     # they are made for this container, so no package or upgrade replaces them
HOURLY_COPIES=/data/backups/hourly   # in the volume

need_root_and_systemd() {
    [ "$(id -u)" = 0 ] || fail "only root may do that: sudo make $1"
    [ -d /run/systemd/system ] || fail "systemd doesn't run here (on WSL: systemd=true in /etc/wsl.conf); have another" \
        "timer type this each hour: docker exec $NAME python3 server.py backup --rotate $HOURLY_COPIES"
}

# Make the timer, and let it make the first backup now
backups() {
    need_root_and_systemd docker-backups
    need_container
    check_ours "$NAME"
    docker=$(command -v docker)
    cat >"$HOURLY_UNITS/$HOURLY.service" <<END
# Made by make docker-backups; sudo make docker-backups-off removes it
[Unit]
Description=Backup of the database in the container $NAME
After=docker.service

[Service]
Type=oneshot
# A container that does not run has nothing new
ExecCondition=/bin/sh -c '$docker container inspect --format {{.State.Running}} $NAME 2>/dev/null | grep -qx true'
ExecStart=$docker exec $NAME python3 /app/server.py backup --rotate $HOURLY_COPIES
SyslogIdentifier=$HOURLY
Nice=10
TimeoutStartSec=1800
END
    cat >"$HOURLY_UNITS/$HOURLY.timer" <<END
# Made by make docker-backups; sudo make docker-backups-off removes it
[Unit]
Description=Hourly backup of the database in the container $NAME

[Timer]
OnCalendar=hourly
Persistent=yes

[Install]
WantedBy=timers.target
END
    systemctl daemon-reload
    systemctl enable --quiet --now "$HOURLY.timer"
    say "The data of the container $NAME is copied each hour while it runs, to $HOURLY_COPIES in $(data_of "$NAME")." \
        "The newest 24 copies are kept, and the last one of each of 7 days."
    if [ "$(container "$NAME" '{{.State.Running}}')" = true ]; then
        systemctl start "$HOURLY.service" || fail "but the first copy failed: sudo journalctl -u $HOURLY says why"
        say "The first copy is made."
    fi
    say "To see the next one: systemctl list-timers $HOURLY.timer. To end this: sudo $(again backups-off)"
}

backups_off() {
    need_root_and_systemd docker-backups-off
    [ -e "$HOURLY_UNITS/$HOURLY.timer" ] || fail "there are no hourly backups of a container $NAME"
    systemctl disable --quiet --now "$HOURLY.timer"
    rm -f "$HOURLY_UNITS/$HOURLY.timer" "$HOURLY_UNITS/$HOURLY.service" "/var/lib/systemd/timers/stamp-$HOURLY.timer"
    systemctl daemon-reload
    systemctl reset-failed "$HOURLY.service" 2>/dev/null || :
    say "The hourly backups of the container $NAME have ended; the copies stay in $HOURLY_COPIES."
}
