# shellcheck shell=sh
# The service as systemd has it: the unit in force with its drop-ins, never one file; and its start. For install.sh
# and migrate.sh.
ENV_FILE=/etc/classcord/classcord.env

# unit_says PROPERTY [UNIT]: what systemd knows about a unit, for at most 3 seconds; nothing without systemd
unit_says() { timeout 3 systemctl show --property "$1" --value "${2:-classcord.service}" 2>/dev/null || :; }

# unit_setting NAME: a setting that the service has from its next start on (port, data): a flag in ExecStart=, else the
# variable in EnvironmentFile=, else in Environment=. Nothing if it is not set.
unit_setting() {
    flag=$(unit_says ExecStart | sed -n "s/^.* argv\[\]=[^;]* --$1[ =]\([^ ;]*\).*/\1/p" | tail -n 1)
    if [ -n "$flag" ]; then
        printf '%s\n' "$flag"
        return
    fi
    variable=CLASSCORD_$(printf '%s' "$1" | tr a-z- A-Z_)
    {
        unit_says Environment | tr ' ' '\n'
        environment_files | while read -r file; do
            cat "$file" 2>/dev/null || :
            echo # its last line may have no end
        done
    } | sed -n "s/^[ \t]*$variable=[\"']*\([^\"']*\).*/\1/p" | tail -n 1
}

environment_files() {
    if [ "$(unit_says LoadState)" = loaded ]; then
        unit_says EnvironmentFiles | sed 's/ (ignore_errors=[a-z]*)$//'
    else
        echo $ENV_FILE # it is kept when the service is removed, and the next installation uses it
    fi
}

# The port that clients connect to from the next start on. With classcord.socket, that unit says it.
unit_port() {
    found=''
    if timeout 3 systemctl --quiet is-active classcord.socket 2>/dev/null ||
        timeout 3 systemctl --quiet is-enabled classcord.socket 2>/dev/null; then
        found=$(unit_says Listen classcord.socket | sed -n 's/^.*:\([0-9]*\) (Stream)$/\1/p' | head -n 1)
    fi
    found=${found:-$(unit_setting port)}
    printf '%s\n' "${found:-12345}"
}

# Does the service answer where systemd says that it listens? Sets `host` and `port`. It asks more than once: a server
# that is upgraded in the middle of a lesson may be busy.
healthy() {
    for _ in 1 2 3 4 5; do
        systemctl is-active --quiet classcord.service || return 1
        status=$(unit_says StatusText)
        port=${status##* port }
        host=${status#Listening on }
        host=${host%% port *}
        # without settings from this shell's environment
        if env -i CLASSCORD_HOST="$host" CLASSCORD_PORT="$port" /usr/bin/python3 /opt/classcord/server.py health >/dev/null
        then return; fi
        sleep 1
    done
    return 1
}

# With Type=notify, a start returns when the server listens or has failed
start_service() {
    systemctl reset-failed classcord.service 2>/dev/null || :
    # systemd has closed a socket whose address was edited: the server would now listen on the port of its own settings
    if systemctl --quiet is-active classcord.socket &&
        ! ss -Hltnp "sport = :$(unit_port)" 2>/dev/null | grep -q '"systemd",pid=1,'; then
        systemctl stop classcord.socket classcord.service 2>/dev/null
        systemctl start classcord.socket 2>/dev/null || return 1
    fi
    systemctl restart classcord.service 2>/dev/null && healthy
}
