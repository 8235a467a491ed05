# shellcheck shell=sh
# How the doctor asks a server from a desk. `make assemble` puts it into doctor.sh.
# shellcheck disable=SC2034,SC2154 # the variables are those of doctor.sh

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
