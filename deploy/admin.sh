#!/bin/sh
# The console of the service: sudo classcord-admin [COMMAND...]. deploy/install.sh installs it under that name.
set -eu
home=/opt/classcord
# shellcheck source=deploy/unit.sh
. $home/deploy/unit.sh
if [ "$(id -u)" != 0 ]; then
    echo "classcord-admin: only root may do that: sudo classcord-admin" >&2
    exit 77
fi
data=$(unit_setting data)
exec /usr/bin/python3 $home/server.py admin --data "${data:-/var/lib/classcord}" "$@"
