# Follows a new TCP connection from somewhere outside through the rules that `iptables -S` prints.
#
# Given: start (INPUT or FORWARD), port (its port now), original (its port before any DNAT), dst (its destination
# address), out (the card it leaves by; FORWARD only), cards (the names of this machine's cards, each between spaces).
# It may come in by any card except out, from any address.
# Prints five fields with | between them: ACCEPT or DROP; the chain; the rule that decides; the networks that are let in
# while others are dropped (with ACCEPT: the only ones that no rule drops); the networks that are dropped while others
# are let in.

/^-P/ { policy[$2] = $3 }
/^-N/ { count[$2] += 0 }
/^-A/ { rules[$2, ++count[$2]] = $0 }

END {
    verdict = walk(start, 0)
    if (verdict == "") {
        verdict = policy[start]
        where = start
        why = "policy " verdict
    }
    print (verdict == "DROP" ? verdict : "ACCEPT") "|" where "|" why "|" (verdict == "DROP" ? allowed : only) "|" denied
}

# The verdict of a chain, or "" if it ends without a verdict
function walk(chain, depth,    i, match_, to, from, verdict) {
    for (i = 1; i <= count[chain] && depth < 20; i++) {
        match_ = matches(rules[chain, i])
        to = target
        from = source
        if (match_ == "no" || to == "")
            continue
        if (to in count)
            verdict = walk(to, depth + 1)
        else if (to == "ACCEPT" || to == "RETURN")
            verdict = to
        else if (to == "DROP" || to == "REJECT")
            verdict = "DROP"
        else
            continue # LOG and the like
        if (match_ == "some") { # the rule is for some sources only
            if (verdict == "ACCEPT" || verdict == "RETURN")
                allowed = allowed " " from
            else if (verdict == "DROP" && !index(allowed " ", " " from " "))
                denied = denied " " from
        } else if (match_ == "others") { # ... or for all except some
            if (verdict == "DROP")
                only = only " " from
        } else if (verdict == "RETURN" && !(to in count)) {
            return ""
        } else if (verdict != "") {
            if (!(to in count)) {
                where = chain
                why = rules[chain, i]
            }
            return verdict
        }
    }
    return ""
}

# Whether a rule is for this connection: yes, no, some (only some sources) or others (all other sources). Sets target
# and source. The answer is no if the rule has a condition that this script doesn't know.
function matches(rule,    words, n, i, word, not_, result, fits) {
    target = source = ""
    result = "yes"
    gsub(/--comment ("[^"]*"|[^ ]+)/, "", rule)
    n = split(rule, words, " ")
    for (i = 3; i <= n; i++) {
        word = words[i]
        if (word == "!") {
            not_ = 1
            continue
        }
        if (word == "-j" || word == "-g") {
            target = words[i + 1]
            return result
        }
        if (word == "-s") {
            source = words[++i]
            if (source ~ /^127\./)
                return "no"
            result = not_ ? "others" : "some"
            not_ = 0
            continue
        }
        fits = holds(word, words[i + 1], words[i + 2])
        if (fits == (not_ ? 1 : 0))
            return "no"
        not_ = 0
        i += word == "--tcp-flags" ? 2 : 1
    }
    return result
}

function holds(option, value, second) {
    if (option == "-m")
        return value ~ /^(tcp|conntrack|state|comment|multiport|addrtype|limit)$/
    if (option == "-p")
        return value == "tcp" || value == "all"
    if (option == "-d")
        return dst != "" && within(dst, value)
    if (option == "-i")
        return value != out && is_card(value)
    if (option == "-o")
        return start == "FORWARD" && (value == out || value ~ /\+$/ && index(out, substr(value, 1, length(value) - 1)) == 1)
    if (option == "--dport" || option == "--dports")
        return listed(port, value)
    if (option == "--ctorigdstport")
        return listed(original, value)
    if (option == "--ctdir")
        return value == "ORIGINAL"
    if (option == "--ctstate" || option == "--state")
        return value ~ /(^|,)NEW(,|$)/ || start == "FORWARD" && value ~ /DNAT/
    if (option == "--dst-type")
        return start == "INPUT" && value == "LOCAL"
    if (option == "--tcp-flags")
        return second == "SYN"
    return option == "--limit" || option == "--limit-burst"
}

# Whether others come in by a card of this name. A + at the end stands for any text
function is_card(name) {
    return sub(/\+$/, "", name) ? index(cards, " " name) : index(cards, " " name " ")
}

# Whether the port is in a list like 80,1000:2000
function listed(number, list,    parts, bounds, n, i) {
    n = split(list, parts, ",")
    for (i = 1; i <= n; i++)
        if (split(parts[i], bounds, ":") == 1 ? number == bounds[1] : number >= bounds[1] + 0 && number <= bounds[2] + 0)
            return 1
    return 0
}

# Whether the address is in a network like 10.0.108.0/24
function within(address, network,    parts, size) {
    size = split(network, parts, "/") == 2 ? 2 ^ (32 - parts[2]) : 1
    return int(number_of(address) / size) == int(number_of(parts[1]) / size)
}

function number_of(address,    parts) {
    split(address, parts, ".")
    return ((parts[1] * 256 + parts[2]) * 256 + parts[3]) * 256 + parts[4]
}
