#!/bin/sh
# Checks the way to the server hop by hop: whether each hop works, and what to type for a broken one.
# It changes nothing. A desk needs only this file; deploy/doctor/ has the hops of the VM and of its host.
set -eu
LC_ALL=C # this script reads the output of other commands
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

EXIT_USAGE=125 # never a number of broken hops
WAIT=3         # seconds that a probe may take
OTHER_PORTS="22 80 443 445 3389" # what a host with another service listens on: ssh, web, Windows

usage() {
    cat <<'END'
Usage: deploy/doctor.sh [--port N] [--name NAME] [--desk ADDRESS] [--json]   in the VM
       deploy/doctor.sh --from-host [--vm ADDRESS] [--port N] [--json]       on the host that forwards the port to the VM
       deploy/doctor.sh --from-slam HOST [--port N]        at any other desk; HOST is the host's address, 10.0.108.Y

Checks the way to the ClassCord server hop by hop. It changes nothing, and takes 15 seconds at most.

  --port N        the port that clients connect to (default: 12345)
  --name NAME     the container's name (default: classcord)
  --desk ADDRESS  a desk to which answers must find back (default: those in the server's log)
  --vm ADDRESS    the VM's address (default: the one that the host's NAT rule leads to)
  --json          print the same as one JSON object: place, port, broken (how many) and hops, a list of objects with
                  name, mark (ok, broken, warn, unknown, note), text and remedies

  ✔ works   ✘ broken; a command to type is below   ! works, but read this   ? can't be seen from here   · for information

It speaks French, and English with CLASSCORD_LANG=en: sudo make doctor CLASSCORD_LANG=en
Only root can read firewall rules: sudo make doctor.
At a desk it needs python3 or nc, in the VM and on the host python3 (3.10 or newer).
Exit code: the number of broken hops; 125 when the command line is wrong, or a tool is missing or can't do it.
END
}

# --- what it says ---

# --- from deploy/doctor/desk_texts.sh ---
# t KEY: that text in the reader's language. The values in it are variables of this script
t() {
    case $1 in
    start) fr="De ce poste vers $TARGET, port $PORT :" en="From this desk to $TARGET port $PORT:" ;;
    all_well) fr="Rien n'est rompu, pour autant qu'on puisse le voir d'ici$mind."
        en="Nothing is broken, as far as can be seen from here$mind." ;;
    mind) fr=" ; lisez les lignes marquées !" en="; read the lines marked !" ;;
    one_broken) fr="1 étape est rompue." en="1 hop is broken." ;;
    many_broken) fr="$broken étapes sont rompues ; réparez la première, puis relancez cette commande."
        en="$broken hops are broken; repair the first one, then run this again." ;;
    # the outcomes of a probe
    answers) fr="un serveur ClassCord répond" en="a ClassCord server answers" ;;
    full) fr="un serveur ClassCord répond, et il est plein" en="a ClassCord server answers, and is full" ;;
    other) fr="connexion acceptée, mais ce n'est pas un serveur ClassCord : $DETAIL"
        en="connected, but this is not a ClassCord server: $DETAIL" ;;
    silent) fr="connexion acceptée, mais pas de réponse en $WAIT s" en="connected, but no answer within $WAIT s" ;;
    closed) fr="connexion acceptée, et fermée aussitôt sans réponse" en="connected, and closed at once without an answer" ;;
    failed) fr="connexion impossible : $DETAIL" en="can't connect: $DETAIL" ;;
    # the hops
    no_address) fr="adresse : $TARGET n'est ni une adresse, ni un nom que ce poste connaît"
        en="address: $TARGET is not an address, and not a name that this desk knows" ;;
    give_address) fr="donnez l'adresse de l'hôte, comme 10.0.108.42 : l'étudiant SISR la lit avec  ip -4 addr  (Windows : ipconfig)"
        en="give the host's address, like 10.0.108.42: the SISR student reads it with  ip -4 addr  (Windows: ipconfig)" ;;
    address) fr="adresse : $ADDRESS" en="address: $ADDRESS" ;;
    name) fr="nom : $TARGET est $ADDRESS" en="name: $TARGET is $ADDRESS" ;;
    no_route) fr="route : ce poste n'a aucun chemin vers $ADDRESS" en="route: this desk has no way to $ADDRESS" ;;
    cable) fr="le câble est-il branché, le Wi-Fi actif ?  ip -4 addr; ip route  (macOS : ifconfig; netstat -rn)"
        en="is the cable in, the Wi-Fi on?  ip -4 addr; ip route  (macOS: ifconfig; netstat -rn)" ;;
    route) fr="route : ce poste y va${OWN:+ depuis sa propre adresse $OWN}"
        en="route: this desk goes there${OWN:+ from its own address $OWN}" ;;
    no_ping) fr="ping : pas installé ici, pas nécessaire" en="ping: not installed here, not needed" ;;
    pings) fr="ping : $ADDRESS répond" en="ping: $ADDRESS answers" ;;
    pings_not) fr="ping : $ADDRESS ne répond pas ; Windows et beaucoup de pare-feu ne le font jamais"
        en="ping: $ADDRESS does not answer; Windows and many firewalls never do" ;;
    open) fr="port : $ADDRESS accepte les connexions sur $PORT" en="port: $ADDRESS takes connections on $PORT" ;;
    server) fr="serveur : $(t "$OUTCOME")" en="server: $(t "$OUTCOME")" ;;
    peer) fr="le journal du serveur devrait vous montrer comme peer=$OWN ; une autre adresse est celle d'un NAT"
        en="the server's log should show you as peer=$OWN; if it shows another address, that is a NAT's" ;;
    # the page for browsers
    page) fr="page : répond, dans un navigateur : http://$TARGET:$PORT/"
        en="page: answers, in a browser: http://$TARGET:$PORT/" ;;
    page_off) fr="page : éteinte sur ce serveur (--web off) ; le chat, lui, marche sans elle"
        en="page: switched off on this server (--web off); the chat works without it" ;;
    page_name) fr="page : le serveur ne connaît pas le nom $TARGET" en="page: the server does not know the name $TARGET" ;;
    by_address) fr="ouvrez  http://$ADDRESS:$PORT/  ; ou l'étudiant SISR relance le serveur avec  CLASSCORD_WEB_HOST=$TARGET"
        en="open  http://$ADDRESS:$PORT/  ; or the SISR student starts the server with  CLASSCORD_WEB_HOST=$TARGET" ;;
    page_other) fr="page : le chat répond, mais un navigateur reçoit : $DETAIL" en="page: the chat answers, but a browser gets: $DETAIL" ;;
    page_silent) fr="page : le chat répond, mais rien ne revient à un navigateur"
        en="page: the chat answers, but nothing comes back to a browser" ;;
    page_filter) fr="si la page y va bien, un filtre ou un antivirus est sur le chemin : un autre port, et le dire au service informatique"
        en="if the page is well there, a filter or an antivirus is on the way: another port, and tell the school's IT" ;;
    page_proxy) fr="page : un navigateur d'ici la demande peut-être au serveur mandataire $DETAIL, qui ne la trouve pas toujours"
        en="page: a browser here may ask the proxy $DETAIL for it, which does not always find it" ;;
    no_proxy) fr="dans les réglages du navigateur, « pas de proxy pour » $TARGET ; dans un terminal :  export no_proxy=$TARGET"
        en="in the browser's settings, \"no proxy for\" $TARGET; in a terminal:  export no_proxy=$TARGET" ;;
    refused) fr="port : $ADDRESS refuse les connexions sur $PORT : il est allumé, mais aucune règle NAT ne redirige le port, ou le serveur est arrêté"
        en="port: $ADDRESS refuses connections on $PORT: it is on, but no NAT rule forwards the port, or the server is down" ;;
    timeout) fr="port : aucune réponse de $ADDRESS, port $PORT, en $WAIT s : ${maybe_off:+il est éteint, ou }un pare-feu jette les paquets, ou le NAT mène à une mauvaise adresse, ou la VM n'a pas de chemin de retour"
        en="port: no answer from $ADDRESS port $PORT within $WAIT s: ${maybe_off:+it is off, or }a firewall drops the packets, or the NAT leads to a wrong address, or the VM has no way back" ;;
    noroute) fr="port : $ADDRESS est hors d'atteinte : il est éteint, ou sur un autre réseau, ou son pare-feu rejette les connexions"
        en="port: $ADDRESS can't be reached: it is off, or on another network, or its firewall rejects connections" ;;
    nobody) fr="port : personne n'a l'adresse $ADDRESS sur ce réseau : l'hôte est éteint ou débranché, ou son adresse est une autre"
        en="port: $ADDRESS can't be reached: nobody on this network has this address: the host is off or unplugged, or its address is another" ;;
    cant_connect) fr="port : $(t failed)" en="port: $(t failed)" ;;
    right_port) fr="$PORT est-il le bon port ? --port N en essaie un autre"
        en="is $PORT the right port? --port N tries another" ;;
    not_checked) fr="serveur : pas vérifié, le port n'est pas ouvert" en="server: not checked, the port is not open" ;;
    the_vm) fr="$ADDRESS ressemble à l'adresse de la VM ; d'ici, il faut celle de l'hôte (10.0.108.Y)"
        en="$ADDRESS looks like the VM's own address; from here use the host's address (10.0.108.Y)" ;;
    this_desk) fr="$ADDRESS est ce poste lui-même ; donnez l'adresse de l'hôte"
        en="$ADDRESS is this desk itself; give the host's address" ;;
    # whether the desk itself is the cause
    self_drops) fr="ce poste : son propre pare-feu bloque le port $PORT ($found)"
        en="this desk: its own firewall blocks port $PORT ($found)" ;;
    even_to_itself) fr="même vers lui-même" en="even to itself" ;;
    self_ufw) fr="ce poste : son ufw ne laisse rien sortir par défaut" en="this desk: its ufw lets nothing out by default" ;;
    self_port) fr="ce poste : $ADDRESS réagit ailleurs ($others), mais pas sur le port $PORT : le pare-feu de l'hôte le bloque, ou bien celui de ce poste"
        en="this desk: $ADDRESS reacts elsewhere ($others), but not on port $PORT: the host's firewall blocks it, or this desk's own" ;;
    self_nothing) fr="ce poste : rien ne lui répond, ni un autre port de $ADDRESS${ROUTER:+, ni la passerelle $ROUTER} : est-ce son propre pare-feu, ou son réseau ?"
        en="this desk: nothing answers it, no other port of $ADDRESS${ROUTER:+, not the gateway $ROUTER}: is it its own firewall, or its network?" ;;
    self_lets) fr="ce poste : il laisse sortir le port $PORT, la passerelle $ROUTER y réagit"
        en="this desk: it lets port $PORT out, the gateway $ROUTER reacts to it" ;;
    self_works) fr="ce poste : son réseau marche, la passerelle $ROUTER répond"
        en="this desk: its network works, the gateway $ROUTER answers" ;;
    port_unseen) fr="port : ne se voit pas tant que ce poste le bloque" en="port: can't be seen as long as this desk blocks it" ;;
    on_mac) fr="Réglages Système › Réseau › Coupe-feu ; Little Snitch, LuLu ou un antivirus ;  sudo pfctl -sr"
        en="System Settings › Network › Firewall; Little Snitch, LuLu or an antivirus;  sudo pfctl -sr" ;;
    on_windows) fr="dans PowerShell :  Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True  ; un antivirus aussi peut bloquer"
        en="in PowerShell:  Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True  ; an antivirus may block too" ;;
    on_linux) fr="regardez :  sudo ufw status verbose; sudo iptables -S; sudo nft list ruleset"
        en="look:  sudo ufw status verbose; sudo iptables -S; sudo nft list ruleset" ;;
    ufw_out) fr="si c'est ufw :  sudo ufw allow out $PORT/tcp" en="if it is ufw:  sudo ufw allow out $PORT/tcp" ;;
    # the end: what was seen, what remains, where to look next
    in_vm) fr="demandez à l'étudiant SISR de taper dans la VM :  sudo make doctor$SET"
        en="ask the SISR student to run in the VM:  sudo make doctor$SET" ;;
    on_host) fr="demandez à l'étudiant SISR de taper sur l'hôte :  sudo make doctor ARGS=--from-host$SET"
        en="ask the SISR student to run on the host:  sudo make doctor ARGS=--from-host$SET" ;;
    end_desk) fr="vu : ce poste bloque lui-même. Reste : tout ce qui vient après lui. Ensuite : réparez-le, puis relancez cette commande"
        en="seen: this desk itself blocks. What remains: all that comes after it. Next: repair it, then run this again" ;;
    end_host_on) fr="vu : $ADDRESS est allumé. Reste : l'hôte (pare-feu, redirection), puis la VM. Ensuite, une fois : l'hôte ; ses dernières lignes disent où chercher après lui"
        en="seen: $ADDRESS is on. What remains: the host (firewall, forwarding), then the VM. Next, once: the host; its last lines say where to look after it" ;;
    end_host_off) fr="vu : rien ne revient de $ADDRESS. Reste : l'hôte (allumé ? cette adresse ? pare-feu ?), puis la VM. Ensuite, une fois : l'hôte ; ses dernières lignes disent où chercher après lui"
        en="seen: nothing comes back from $ADDRESS. What remains: the host (is it on, is this its address, its firewall?), then the VM. Next, once: the host; its last lines say where to look after it" ;;
    end_server) fr="vu : le port $PORT de $ADDRESS est ouvert. Reste : ce qui y répond. Ensuite, une fois : la VM ; si tout y va bien, l'hôte (make doctor ARGS=--from-host$SET)"
        en="seen: port $PORT of $ADDRESS is open. What remains: what answers there. Next, once: the VM; if all is well there, the host (make doctor ARGS=--from-host$SET)" ;;
    # the command line and the tools
    needs_python) fr="dans la VM et sur l'hôte, il faut python3, 3.10 ou plus récent :  sudo apt install python3  (macOS :  brew install python3)"
        en="in the VM and on the host this needs python3, 3.10 or newer:  sudo apt install python3  (macOS:  brew install python3)" ;;
    needs_tool) fr="il faut python3 ou nc :  sudo apt install python3  (Debian, Ubuntu)"
        en="needs python3 or nc:  sudo apt install python3  (Debian, Ubuntu)" ;;
    tool_unfit) fr="la commande $TOOL d'ici ne dit pas si un port est ouvert (celle de BusyBox n'a pas d'option -v) :  sudo apt install python3  ou  netcat-openbsd"
        en="the $TOOL of this machine can't say whether a port is open (BusyBox's has no option -v):  sudo apt install python3  or  netcat-openbsd" ;;
    tool_failed) fr="$TOOL n'a pas pu poser la question, donc on ne sait rien du port : « $DETAIL » ; installez python3 ou netcat-openbsd"
        en="$TOOL could not ask, so nothing is known about the port: \"$DETAIL\"; install python3 or netcat-openbsd" ;;
    no_folder) fr="il manque le dossier $folder : lancez-le depuis le projet, ou, sur un poste SLAM, avec --from-slam 10.0.108.42"
        en="the folder $folder is missing: run this from the project, or, at a SLAM desk, with --from-slam 10.0.108.42" ;;
    no_target) fr="--from-slam veut l'adresse de l'hôte : --from-slam 10.0.108.42"
        en="--from-slam needs the host's address: --from-slam 10.0.108.42" ;;
    vm_elsewhere) fr="--vm va avec --from-host" en="--vm goes with --from-host" ;;
    desk_elsewhere) fr="--desk ne va que dans la VM" en="--desk goes only in the VM" ;;
    json_elsewhere) fr="--json ne va pas avec --from-slam" en="--json does not go with --from-slam" ;;
    bad_address) fr="${option% *} veut une adresse comme 192.168.56.10, pas '${option#* }'"
        en="${option% *} must be an address like 192.168.56.10, not '${option#* }'" ;;
    unknown) fr="argument inconnu '$option' ; voir --help" en="unknown argument '$option'; see --help" ;;
    bad_port) fr="--port veut un nombre de 1 à 65535, pas '$PORT'" en="--port must be a number from 1 to 65535, not '$PORT'" ;;
    not_an_address) fr="--from-slam ne prend qu'une adresse, comme 10.0.108.42, pas '$TARGET'"
        en="--from-slam takes only an address, like 10.0.108.42, not '$TARGET'" ;;
    port_in_address) fr="--from-slam ne prend qu'une adresse : --from-slam ${TARGET%%:*} --port ${TARGET#*:}"
        en="--from-slam takes only an address: --from-slam ${TARGET%%:*} --port ${TARGET#*:}" ;;
    no_value) fr="$option veut une valeur ; voir --help" en="$option needs a value; see --help" ;;
    esac
    case ${CLASSCORD_LANG:-} in [eE][nN]*) printf '%s\n' "$en" ;; *) printf '%s\n' "$fr" ;; esac
}
# --- end of deploy/doctor/desk_texts.sh ---

ok() { printf ' ✔ %s\n' "$1"; }
bad() {
    broken=$((broken + 1))
    report ✘ "$@"
}
warn() {
    mind=$(t mind)
    report ! "$@"
}
note() { report · "$@"; }

report() { # MARK TEXT [WHAT TO TYPE...]
    printf ' %s %s\n' "$1" "$2"
    shift 2
    for line; do printf '     → %s\n' "$line"; done
}

fail() {
    printf 'doctor.sh: %s\n' "$1" >&2
    exit "$EXIT_USAGE"
}

# --- from deploy/common.sh: say has is_port is_ipv4 ---
say() { printf '%s\n' "$*"; } # echo would change a backslash
has() { command -v "$1" >/dev/null 2>&1; }
is_port() { case $1 in '' | *[!0-9]* | 0* | ??????*) false ;; *) [ "$1" -le 65535 ] ;; esac; }
is_ipv4() {
    number='(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
    case $1 in *[!0-9.]*) false ;; *) say "$1" | grep -qxE "($number\.){3}$number" ;; esac
}
# --- end of deploy/common.sh ---

limit() { # SECONDS COMMAND...: ends the command after that time. macOS has no timeout(1)
    if has timeout; then
        timeout "$@"
        return
    fi
    seconds=$1
    shift
    { # without this detour a background command would read nothing
        "$@" <&3 3<&- &
        running=$!
        (sleep "$seconds" && kill "$running") >/dev/null 2>&1 3<&- &
        watcher=$!
    } 3<&0
    status=0
    wait "$running" 2>/dev/null || status=$?
    kill "$watcher" 2>/dev/null || :
    return "$status"
}

ended() { # STATUS: whether `limit` ended that command
    case $1 in 124 | 137 | 143) ;; *) return 1 ;; esac
}

has_python() { # on a Mac without developer tools, python3 only asks to install them
    has python3 && limit "$WAIT" python3 -I -c '' >/dev/null 2>&1
}

choose_tool() { # sets TOOL to a program that speaks TCP, and says what became of a connection
    TOOL=python3
    if has_python; then return; fi
    TOOL=''
    for each in nc ncat netcat; do
        has "$each" || continue
        TOOL=$each
        HELP=$(limit "$WAIT" "$TOOL" -h 2>&1) || :
        # Debian's BusyBox has a nc without this option
        case $HELP in *[!a-z]-v[!a-z]*) return ;; esac
    done
    if [ -n "$TOOL" ]; then fail "$(t tool_unfit)"; fi
    fail "$(t needs_tool)"
}

# --- asking a server ---

# --- from deploy/doctor/desk_probe.sh ---
# probe ADDRESS PORT: asks a server. Sets OUTCOME to one of the words below, and DETAIL to the text that came instead of
# an answer. If the tool could not ask, nothing is known about the port: that ends the script
probe() {
    DETAIL='' status=0
    if [ "$TOOL" != python3 ]; then
        probe_with_nc "$@"
        return
    fi
    text=$(limit $((WAIT + 2)) python3 -I -c "$PROBE" "$@" 2>&1) || status=$?
    if ended "$status"; then text="timeout killed"; fi
    OUTCOME=${text%% *}
    if [ "$OUTCOME" != "$text" ]; then DETAIL=${text#* }; fi
    case $OUTCOME in
    answers | full | other | silent | closed | refused | noroute | timeout | failed) ;;
    *) DETAIL=$(printf '%s\n' "$text" | sed -n '$p') && fail "$(t tool_failed)" ;;
    esac
}

# The folder may hold a pupil's own socket.py or json.py: with -I, Python does not import it.
# answers, full, other (something else answers), silent, closed (without an answer), refused, noroute, timeout, failed
PROBE='
import errno, json, socket, sys, time
def text(data):
    return "".join(c if c.isprintable() else " " for c in data.decode("ascii", "replace"))[:60].strip()
end = time.monotonic() + 3
data = b""
try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
except ConnectionRefusedError:
    sys.exit(print("refused"))
except socket.timeout:
    sys.exit(print("timeout"))
except OSError as error:
    if error.errno == errno.ETIMEDOUT:
        sys.exit(print("timeout"))
    known = error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
    sys.exit(print("noroute" if known else "failed %s" % error))
try:
    connection.sendall(b"{\"type\":\"ping\"}\n")
    while b"\n" not in data and len(data) < 65536:
        connection.settimeout(max(0.01, end - time.monotonic()))
        part = connection.recv(4096)
        if not part:
            break
        data += part
except socket.timeout:
    if not data:
        sys.exit(print("silent"))
except OSError:
    pass
try:
    answer = json.loads(data.split(b"\n")[0].decode("utf-8"))
    if answer.get("type") == "pong":
        sys.exit(print("answers"))
    if answer.get("code") == "server_full":
        sys.exit(print("full"))
except (ValueError, AttributeError):
    pass
print("other " + text(data) if data else "closed")
'

probe_with_nc() {
    flags="-v -w $WAIT"
    case $HELP in
    *Ncat*) ;;                      # half-closes by itself
    *Shutdown*) flags="$flags -N" ;; # OpenBSD's: -N ends it when the server has closed too
    *'quit after EOF'*) flags="$flags -q 2" ;;
    esac
    # shellcheck disable=SC2086  # several words
    text=$(printf '{"type":"ping"}\n' | limit $((WAIT + 2)) "$TOOL" $flags "$1" "$2" 2>&1) || status=$?
    case $text in
    *'"pong"'*) OUTCOME=answers ;;
    *'"server_full"'*) OUTCOME=full ;;
    *succeeded* | *' open'* | *Connected*)
        DETAIL=$(printf '%s\n' "$text" | sed '/succeeded!$/d; / open$/d; /lookup failed/d; /^Ncat: /d' | tr -cd ' -~' | cut -c 1-60)
        OUTCOME=${DETAIL:+other}
        OUTCOME=${OUTCOME:-silent}
        ;;
    *refused*) OUTCOME=refused ;;
    *'o route'* | *nreachable* | *'ost is down'*) OUTCOME=noroute ;;
    *'timed out'* | *TIMEOUT*) OUTCOME=timeout ;;
    *)
        OUTCOME=timeout DETAIL=killed
        if ! ended "$status"; then
            DETAIL=$(printf '%s\n' "$text" | tr -cd '\n -~' | grep . | sed -n '$p')
            fail "$(t tool_failed)"
        fi
        ;;
    esac
}

# ask_page NAME ADDRESS PORT: asks for the page as a browser that was given NAME, once `probe` got an answer there. Sets
# PAGE to what came
ask_page() {
    PAGE=$(
        printf '%s\r\n' 'GET /healthz HTTP/1.1' "Host: $1:$3" 'Connection: close' '' | if [ "$TOOL" = python3 ]; then
            limit $((WAIT + 2)) python3 -I -c "$EXCHANGE" "$2" "$3" 2>/dev/null
        else
            # shellcheck disable=SC2086  # several words
            limit $((WAIT + 2)) "$TOOL" $flags "$2" "$3" 2>/dev/null
        fi | tr -cd '\n -~'
    ) || : # what came before it failed counts
}

EXCHANGE='
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
connection.sendall(sys.stdin.buffer.read())
for _ in range(16):
    part = connection.recv(4096)
    if not part:
        break
    sys.stdout.buffer.write(part)
    sys.stdout.flush()
'
# --- end of deploy/doctor/desk_probe.sh ---

# --- at another desk ---

resolve() { # sets ADDRESS to an address of the name $1, or to nothing
    ADDRESS=$1
    case $1 in
    localhost) # always this machine (RFC 6761), even where /etc/hosts is missing
        ADDRESS=127.0.0.1
        return
        ;;
    *[!0-9.]*) ;;
    *)
        is_ipv4 "$1" || ADDRESS=
        return
        ;;
    esac
    if [ "$TOOL" = python3 ]; then
        ADDRESS=$(limit "$WAIT" python3 -I -c 'import socket, sys
print(sorted((f, a[0]) for f, *_, a in socket.getaddrinfo(sys.argv[1], 1, type=socket.SOCK_STREAM))[0][1])' \
            "$1" 2>/dev/null) || ADDRESS=
    elif has getent; then
        ADDRESS=$(limit "$WAIT" getent ahosts "$1" | sed 's/ .*//; q') || ADDRESS=
    fi
}

# way_to ADDRESS: sets OWN to this desk's own address on the way there, and ROUTER to its gateway. Fails without a way
way_to() {
    OWN='' ROUTER=''
    if [ "$(uname)" = Darwin ]; then
        found=$(limit "$WAIT" route -n get "$1" 2>/dev/null) || return 1
        OWN=$(ipconfig getifaddr "$(printf '%s\n' "$found" | sed -n 's/^ *interface: //p')" 2>/dev/null) || OWN=''
        ROUTER=$(limit "$WAIT" route -n get default 2>/dev/null | sed -n 's/^ *gateway: \([0-9.]*\)$/\1/p') || :
    elif has ip; then
        found=$(ip route get "$1" 2>/dev/null) || return 1
        case $found in *" src "*)
            found=${found#* src }
            OWN=${found%%[!0-9a-f.:]*}
            ;;
        esac
        ROUTER=$(ip -4 route show default 2>/dev/null | sed -n '1s/.* via \([0-9.]*\).*/\1/p') || :
    fi
}

pings() { # ADDRESS: whether it answers a ping, within 2 seconds
    wait_flag=-W
    if [ "$(uname)" = Darwin ]; then wait_flag=-t; fi # its -W counts milliseconds
    limit "$WAIT" ping -c 1 "$wait_flag" 2 "$1" >/dev/null 2>&1
}

slam_hops() {
    resolve "$TARGET"
    if [ -z "$ADDRESS" ]; then
        bad "$(t no_address)" "$(t give_address)"
        return
    fi
    if [ "$ADDRESS" = "$TARGET" ]; then ok "$(t address)"; else ok "$(t name)"; fi
    if ! way_to "$ADDRESS"; then
        bad "$(t no_route)" "$(t cable)"
        return
    fi
    ok "$(t route)"
    PINGED=''
    if ! has ping; then
        note "$(t no_ping)"
    elif pings "$ADDRESS"; then
        PINGED=yes
        ok "$(t pings)"
    else
        note "$(t pings_not)"
    fi
    probe "$ADDRESS" "$PORT"
    slam_connection
}

slam_connection() { # the desk itself, the port, and the server behind it
    case $OUTCOME in
    answers | full)
        ok "$(t open)"
        ok "$(t server)"
        if [ "$OUTCOME" = answers ]; then slam_page; fi
        if [ -n "$OWN" ]; then note "$(t peer)"; fi
        return
        ;;
    silent | closed | other)
        ok "$(t open)"
        bad "$(t server)" "$(t in_vm)" "$(t right_port)"
        END=$(t end_server)
        return
        ;;
    esac
    result=$OUTCOME maybe_off=yes
    if [ "$result" = refused ] || [ -n "$PINGED" ]; then maybe_off=''; fi
    if [ "$result" = noroute ] && nobody_has_it; then result=nobody; fi
    if [ "$result" != nobody ]; then suspect_this_desk; fi
    case $result in
    self) note "$(t port_unseen)" ;;
    failed) bad "$(t cant_connect)" "$(t on_host)" ;;
    *) bad "$(t "$result")" "$(t on_host)" ;;
    esac
    if [ "$result" = self ]; then END=$(t end_desk); elif [ -n "$maybe_off" ]; then END=$(t end_host_off); else END=$(t end_host_on); fi
    not_the_vm
    note "$(t not_checked)"
}

slam_page() { # what a browser gets on the same port
    ask_page "$TARGET" "$ADDRESS" "$PORT"
    DETAIL=${PAGE%%
*}
    case $PAGE in
    'HTTP/1.1 200 '*'
ok') ok "$(t page)" ;;
    HTTP/*' a ClassCord chat server'*) note "$(t page_off)" ;;
    'HTTP/1.1 403 '*--web-host*) warn "$(t page_name)" "$(t by_address)" ;;
    '') bad "$(t page_silent)" "$(t in_vm)" "$(t page_filter)" ;;
    *)
        DETAIL=$(printf '%s\n' "$DETAIL" | cut -c 1-60)
        bad "$(t page_other)" "$(t in_vm)" "$(t page_filter)"
        ;;
    esac
    DETAIL=${http_proxy:-${HTTP_PROXY:-}}
    case ",${no_proxy:-${NO_PROXY:-}}," in *",$TARGET,"* | *",*,"*) DETAIL='' ;; esac
    DETAIL=${DETAIL##*@} # without a password
    if [ -n "$DETAIL" ]; then warn "$(t page_proxy)" "$(t no_proxy)"; fi
}

nobody_has_it() { # whether the kernel asked the neighbours for the address, and no card has it. No firewall hides that
    has ip && ip neigh show to "$ADDRESS" 2>/dev/null | grep -q -e FAILED -e INCOMPLETE
}

# came_back ADDRESS:PORT...: prints those from which a packet comes back, be it a refusal; asks all at the same time
came_back() {
    if [ "$TOOL" = python3 ]; then
        limit $((WAIT + 2)) python3 -I -c "$REACH" "$@" 2>/dev/null
        return
    fi
    for each; do
        (
            probe "${each%:*}" "${each##*:}" 2>/dev/null
            case $OUTCOME in timeout | noroute | failed) ;; *) printf '%s\n' "$each" ;; esac
        ) &
    done
    wait
}

REACH='
import socket, sys, threading
def ask(peer):
    address, _, port = peer.rpartition(":")
    try:
        socket.create_connection((address, int(port)), 3).close()
    except ConnectionRefusedError:
        pass
    except OSError:
        return
    sys.stdout.write(peer + "\n")
for peer in sys.argv[1:]:
    threading.Thread(target=ask, args=(peer,)).start()
'

blocks_itself() { # whether a connection of this desk to itself gets no answer, although nobody stops it on the way
    probe "${OWN:-127.0.0.1}" "$PORT"
    case $OUTCOME:$DETAIL in timeout: | noroute:) ;; *) return 1 ;; esac
}

# reacted ADDRESS:PORT: whether it is in `back`, what came_back printed
reacted() { case $back in *" $1"*) ;; *) return 1 ;; esac; }

own_rule() { # prints a rule of this desk that blocks what goes out to the port. Only root can read the rules
    has iptables || return 0
    rules=$(limit "$WAIT" iptables -w 2 -S 2>/dev/null | grep -e '^-[AP] OUTPUT ' -e '^-A ufw-[a-z-]*output ') || return 0
    case $rules in *"--dport $PORT -j ACCEPT"*) return ;; esac
    printf '%s\n' "$rules" | grep -e '^-P OUTPUT DROP' -e "--dport $PORT -j DROP" -e "--dport $PORT -j REJECT" | sed -n 1p
}

# The desk may be the cause itself: its firewall, its network. Sets `result` to self if that is certain
suspect_this_desk() {
    case $ADDRESS in 127.* | ::1 | "$OWN") return ;; esac
    found=$(own_rule)
    if [ -z "$found" ] && [ "$result" != refused ] && blocks_itself; then found=$(t even_to_itself); fi
    set --
    for each in $OTHER_PORTS; do
        if [ "$each" != "$PORT" ]; then set -- "$@" "$ADDRESS:$each" ${ROUTER:+"$ROUTER:$each"}; fi
    done
    back=$(came_back "$@" ${ROUTER:+"$ROUTER:$PORT"}) || return 0 # it took too long: nothing is known
    back=" $(printf %s "$back" | tr '\n' ' ') "
    others=$(printf %s "$back" | tr ' ' '\n' | sed -n "s/^$ADDRESS://p" | sort -n | tr '\n' ' ')
    others=${others% }
    others=${others:-${PINGED:+ping}}
    case $(uname) in
    Darwin) set -- "$(t on_mac)" ;;
    MINGW* | MSYS* | CYGWIN*) set -- "$(t on_windows)" ;;
    *)
        set -- "$(t on_linux)" "$(t ufw_out)"
        if grep -qis microsoft /proc/version; then set -- "$@" "$(t on_windows)"; fi # WSL
        ;;
    esac
    if [ -n "$others" ]; then maybe_off=''; fi
    if [ -n "$found" ]; then
        result=self
        bad "$(t self_drops)" "$@"
    elif grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && grep -qsE '^DEFAULT_OUTPUT_POLICY="?(DROP|REJECT)' /etc/default/ufw; then
        warn "$(t self_ufw)" "$@"
    elif [ "$result" = refused ]; then
        : # it went there and came back
    elif [ -n "$ROUTER" ] && reacted "$ROUTER:$PORT "; then
        ok "$(t self_lets)"
    elif [ -n "$others" ]; then
        warn "$(t self_port)" "$@"
    elif [ -n "$ROUTER" ] && { reacted "$ROUTER:" || { has ping && pings "$ROUTER"; }; }; then
        ok "$(t self_works)"
    else
        warn "$(t self_nothing)" "$@"
    fi
}

not_the_vm() { # the usual mistake: the address of the VM or of this desk, instead of the host's
    case $ADDRESS in
    192.168.* | 10.0.2.*)
        case $OWN in
        192.168.* | 10.0.2.*) ;;
        *) warn "$(t the_vm)" ;;
        esac
        ;;
    127.* | ::1) warn "$(t this_desk)" ;;
    esac
}

# --- the command line ---

broken=0 mind='' END=''
PLACE=vm PORT=12345 NAME=classcord VM='' DESK='' TARGET='' JSON=''

while [ $# -gt 0 ]; do
    option=$1
    case $option in
    --from-host) PLACE=host ;;
    --json) JSON=--json ;;
    --from-slam)
        if [ $# -lt 2 ] || [ "${2#-}" != "$2" ]; then fail "$(t no_target)"; fi
        PLACE=slam TARGET=$2
        shift
        ;;
    --port | --name | --vm | --desk)
        if [ $# -lt 2 ]; then fail "$(t no_value)"; fi
        case $option in --port) PORT=$2 ;; --name) NAME=$2 ;; --vm) VM=$2 ;; --desk) DESK=$2 ;; esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail "$(t unknown)" ;;
    esac
    shift
done
if ! is_port "$PORT"; then fail "$(t bad_port)"; fi
if [ -n "$VM" ] && [ "$PLACE" != host ]; then fail "$(t vm_elsewhere)"; fi
if [ -n "$DESK" ] && [ "$PLACE" != vm ]; then fail "$(t desk_elsewhere)"; fi
if [ -n "$JSON" ] && [ "$PLACE" = slam ]; then fail "$(t json_elsewhere)"; fi
for option in "--vm $VM" "--desk $DESK"; do
    if [ -n "${option#* }" ] && ! is_ipv4 "${option#* }"; then fail "$(t bad_address)"; fi
done
case $TARGET in
*/* | *\ *) fail "$(t not_an_address)" ;;
*:*:*) ;;
*:*) fail "$(t port_in_address)" ;;
esac

if [ "$PLACE" != slam ]; then
    folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/doctor
    if [ ! -f "$folder/__main__.py" ]; then fail "$(t no_folder)"; fi
    if ! has_python || ! python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then fail "$(t needs_python)"; fi
    set -- "$PLACE" --port "$PORT" --name "$NAME" ${VM:+--vm "$VM"} ${DESK:+--desk "$DESK"} ${JSON:+"$JSON"}
    exec python3 -IB "$folder" "$@" # -B: root must not leave files in a student's folder
fi

SET='' # added to the make commands in the advice
if [ "$PORT" != 12345 ]; then SET=" PORT=$PORT"; fi
choose_tool
t start
slam_hops
if [ -n "$END" ]; then note "$END"; fi
case $broken in
0) t all_well ;;
1) t one_broken ;;
*) t many_broken ;;
esac
exit "$broken"
