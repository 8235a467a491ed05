# shellcheck shell=sh
# What the doctor says at a desk, in French and English. `make assemble` puts it into doctor.sh.
# shellcheck disable=SC2034,SC2154 # the variables in the texts are those of doctor.sh

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
