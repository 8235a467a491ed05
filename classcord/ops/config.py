"""The settings, in one table: command-line flags, environment variables, checks and documentation come from it.

A flag wins over its variable (`--max-connections` over `CLASSCORD_MAX_CONNECTIONS`), a variable over the default.
The health check loads this module several times a minute, so it imports nothing that takes time.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "EVERY_ADDRESS", "NO_NETWORK", "PREFIX", "SETTINGS", "Config", "Setting", "SettingError", "UsageError",
    "channels", "environment_file", "load", "markdown", "report", "unknown_variables",
]

PREFIX = "CLASSCORD_"
"""The names of all variables begin with this."""
EVERY_ADDRESS = "*"
"""The host that stands for all of this machine's addresses."""
NO_NETWORK = "none"
"""The list of networks, of channels, or of machines, that has none."""
MAX_CHANNEL = 32
"""Characters in the name of a channel. classcord/wire/channel_names.py has the same rule for what clients send."""


class UsageError(Exception):
    """The command line can't be understood."""


class SettingError(UsageError):
    """A setting has a wrong value; the text names where it was set and which values are allowed."""


class Setting:
    """One row. `low` and `high` bound a whole number; `choices` are the words a text may be. Nothing changes it."""

    def __init__(
        self, name: str, default: Any, help: str, unit: str = "", low: int | None = None, high: int | None = None,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.name, self.default, self.help, self.unit = name, default, help, unit
        self.low, self.high, self.choices = low, high, choices

    @property
    def flag(self) -> str:
        return "--" + self.name

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper().replace("-", "_")

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return " or ".join(self.choices)
        if isinstance(self.default, int):
            return f"a whole number from {self.low} to {self.high}"
        if self.name.endswith("channels"):
            return f"{NO_NETWORK}, or names with commas between them: 1 to {MAX_CHANNEL} letters, digits, - or _"
        if self.name == "web-host":
            return f"{NO_NETWORK}, or names of machines with commas between them, without http:// and without a port"
        if self.default == NO_NETWORK:
            return f"{NO_NETWORK}, or networks and addresses with commas between them"
        if self.name == "data":
            return "the name of a folder, without line breaks or other control characters"
        return "a text that isn't empty, without control characters"

    def parse(self, text: str, where: str) -> Any:
        """The value that `text` stands for. `where` is the flag or variable it came from."""
        text = text.strip()
        value: Any = text
        if isinstance(self.default, int):
            # int() also takes 1_000 and digits of other scripts
            value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
            right = value is not None and (self.low or 0) <= value <= (self.high or 0)
        elif self.choices:
            right = text in self.choices
        elif self.name.endswith("channels"):
            right = text == NO_NETWORK or all(map(_is_channel, channels(text)))
        elif self.name == "web-host":
            right = text == NO_NETWORK or all(map(_is_machine, channels(text)))
        elif self.default == NO_NETWORK:
            right = text == NO_NETWORK or _are_networks(text)
        else:
            # bytes of a file name that aren't UTF-8 come as surrogates; they are allowed
            right = text != "" and not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text)
            if self.name == "data":
                value = os.path.expanduser(text)  # shells, systemd and compose do not expand --data=~/x
        if not right:
            raise SettingError(f"{where}: {text!r} is not allowed; give {self.allowed}")
        return value

    def parse_variable(self, text: str) -> Any:
        """The same for the variable of this setting.

        Docker, systemd and others read files of variables in different ways: for some of them, quotes around a value
        and a comment after it belong to the value. So both are refused.
        """
        value = text.strip()
        if not value:
            raise SettingError(f"{self.variable}: it is set, but empty; give {self.allowed}, or remove the variable")
        if value[0] == "#" or " #" in value or "\t#" in value:
            raise SettingError(f"{self.variable}: {value!r} has a comment after the value; put it on its own line")
        if value[0] in "'\"" or value[-1] in "'\"":
            raise SettingError(f"{self.variable}: {value!r} has quotes around the value; remove them")
        return self.parse(value, self.variable)


def channels(text: str) -> list[str]:
    """The names in the value of a setting of channels, or of machines."""
    return [] if text == NO_NETWORK else [name.strip() for name in text.split(",")]


def _is_channel(name: str) -> bool:
    import unicodedata

    plain = unicodedata.normalize("NFKC", name).removeprefix("#")
    kinds = [unicodedata.category(char)[0] for char in plain]
    return 1 <= len(plain) <= MAX_CHANNEL and kinds[0] != "M" and all(
        kind in "LNM" or char in "-_" for kind, char in zip(kinds, plain, strict=True)
    )


def _is_machine(name: str) -> bool:
    parts = name.split(".")
    return name.isascii() and len(name) <= 253 and all(part.replace("-", "a").isalnum() for part in parts)


def _are_networks(text: str) -> bool:
    import ipaddress  # slow; most servers don't need it

    try:
        return all(ipaddress.ip_network(each.strip(), strict=False) for each in text.split(","))
    except ValueError:
        return False


SETTINGS: tuple[Setting, ...] = (
    Setting("host", EVERY_ADDRESS, "address to listen on; * is every address, IPv4 and IPv6"),
    Setting("port", 12345, "TCP port; 0 takes a free one and logs it", low=0, high=65535),
    Setting("data", "data", "folder of the database; the default is $STATE_DIRECTORY if that is set"),
    Setting("log-level", "info", "lowest level that is logged", choices=("debug", "info", "warning", "error")),
    Setting("log-format", "text", "format of the log lines: logfmt (text) or JSON", choices=("text", "json")),
    Setting("lang", "fr", "language of the server's messages to people", choices=("fr", "en")),
    # 14: the value that the author of scrypt (Percival, 2009) proposes for interactive logins, with r=8 and p=1
    Setting("password-cost", 14, "cost of one password hash; lower it only for tests and benchmarks",
            "= log2 of scrypt's n", 1, 20),
    # each has a thread and its buffers: so many are in the 512 MiB of the container and of the service, also when all
    # of them send (`make bench`); a school of 400 with a few connections each has fewer
    Setting("max-connections", 2000, "connections at the same time, in all", "connections", 1, 100_000),
    # four times what the whole room may send at once (ROOM_BURST in net/limits.py): with less, a burst drops clients
    # that only read a little late. The least allowed is twice the bytes of one batch
    Setting("outbox-limit", 1 << 20, "unsent bytes after which a client that doesn't read is dropped", "bytes",
            1 << 19, 1 << 30),
    Setting("unsaved-limit", 8 << 20, "memory for messages that wait while the disk fails; past it, new messages are"
            " not stored", "bytes", 0, 1 << 30),
    Setting("keep-days", 0, "age at which messages are deleted; 0: at no age", "days", 0, 36_500),
    Setting("keep-messages", 0, "messages that are kept, the newest ones; 0: without a limit", "messages",
            0, 1_000_000_000),
    # several million messages: more than a school writes in a year. The index of the searches takes about as much
    # again, and so does each backup, so the small disk of a VM does not fill
    Setting("keep-size", 1024, "size of the database at which the oldest messages are deleted; 0: without a limit",
            "MiB", 0, 1 << 20),
    # a laptop that changes its network, or a client that stops in a debugger for a moment, is back by then
    Setting("stall-timeout", 30, "time without progress after which a client that doesn't read is dropped", "seconds",
            1, 3600),
    Setting("limits", "on", "limits of what clients may send; off only for benchmarks", choices=("on", "off")),
    # a paste of 50 lines is the longest that people really make
    Setting("line-burst", 50, "lines that a client may send at once", "lines", 1, 1_000_000),
    # nobody types faster; a client that asks for the list every three seconds has the rest
    Setting("line-rate", 5, "lines that a client may send after that", "lines a second", 1, 1_000_000),
    # 50 of the longest lines, as sent and as the others receive them
    Setting("byte-burst", 6_000_000, "bytes that a client may send, and make each other client receive, at once",
            "bytes", 1 << 17, 1 << 40),
    # a third of the room's rate
    Setting("byte-rate", 32_768, "the same after that", "bytes a second", 1024, 1 << 40),
    # TCP and the client itself notice within a second that the server reads slowly; people need a little longer
    Setting("excess-time", 10, "a client that goes on sending too fast is disconnected after this time", "seconds",
            1, 3600),
    # a reader with 1 Mbit/s takes 125,000; the rest is for headers
    Setting("room-rate", 100_000, "bytes that all clients together may make everybody receive", "bytes a second",
            1024, 1 << 40),
    # as many as the default --max-connections may send at --line-rate: with fewer, the others would wait for them even
    # while the processor has nothing to do; a class of 40 that sends as fast as it may sends 200
    Setting("work-rate", 10_000, "lines that all clients together may send", "lines a second", 10, 1_000_000),
    # as many as the answers to a paste of 50 lines
    Setting("unread-limit", 1 << 16, "unsent answers from which on a client is not read until it takes some", "bytes",
            1 << 12, 1 << 30),
    # an eighth of the memory that a container or the service may have
    Setting("outboxes-limit", 1 << 26, "unsent bytes of all clients together; past it, the client with most is dropped",
            "bytes", 1 << 20, 1 << 40),
    # people mistype a password two or three times
    Setting("login-failures", 5, "failed logins to one account from one address, before pauses that grow", "a minute",
            1, 1_000_000),
    # a class of 40 twice, and some more; all of them come back in the ten minutes of a break
    Setting("registrations", 100, "new accounts that one address may make at once; they come back evenly within ten"
            " minutes: one each 6 seconds with 100", "accounts", 1, 1_000_000),
    # one for oneself, one for a neighbour, and one mistake
    Setting("connection-registrations", 3, "new accounts that one connection may make at once; they come back evenly"
            " within ten minutes: one each 200 seconds with 3", "accounts", 1, 1_000_000),
    Setting("exempt-networks", NO_NETWORK, "networks whose addresses have no limits of their own, for example"
            " 10.0.2.2,192.168.56.0/24"),
    Setting("channels", "dev", "channels that are always there, beside #général"),
    Setting("teacher-channels", "admin", "channels that are always there, for teachers alone"),
    # one for each group of a project, and one more
    Setting("own-channels", 3, "channels that a person may make; 0: nobody may", "channels", 0, 1000),
    Setting("most-channels", 50, "channels in all, after which nobody may make another", "channels", 0, 1000),
    Setting("web", "on", "a page and WebSocket for browsers, on the same port", choices=("on", "off")),
    Setting("web-host", NO_NETWORK, "names of this server that browsers may use beside its addresses, for example"
            " chat.lycee.example"),
    Setting("quiet-watch", "off", "whether the console may watch people without telling them", choices=("on", "off")),
    # 1.5 kB in ten seconds for an event that somebody causes on purpose
    Setting("log-lines", 10, "log lines of one event that one address may cause", "in ten seconds", 1, 1_000_000),
)


class Config:
    """The settings in force; `sources` tells where each came from. Nothing changes it; any thread may read it."""

    host: str
    port: int
    data: str
    log_level: str
    log_format: str
    lang: str
    password_cost: int
    max_connections: int
    outbox_limit: int
    unsaved_limit: int
    keep_days: int
    keep_messages: int
    keep_size: int
    stall_timeout: int
    limits: str
    line_burst: int
    line_rate: int
    byte_burst: int
    byte_rate: int
    excess_time: int
    room_rate: int
    work_rate: int
    unread_limit: int
    outboxes_limit: int
    login_failures: int
    registrations: int
    connection_registrations: int
    exempt_networks: str
    channels: str
    teacher_channels: str
    own_channels: int
    most_channels: int
    web: str
    web_host: str
    quiet_watch: str
    log_lines: int
    sources: Mapping[str, str]

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def load(flags: object, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings in force; `flags` has those of the command line. Raises SettingError for the first that is wrong."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        flag = getattr(flags, setting.attribute, None)
        variable = environment.get(setting.variable)
        state = environment.get("STATE_DIRECTORY", "").partition(":")[0] if setting.name == "data" else ""
        if flag is not None:
            source, value = setting.flag, setting.parse(flag, setting.flag)
        elif variable is not None:
            source, value = setting.variable, setting.parse_variable(variable)
        elif state:
            source, value = "STATE_DIRECTORY", setting.parse(state, "STATE_DIRECTORY")
        else:
            source, value = "default", setting.default
        values[setting.attribute] = value
        sources[setting.name] = source
    return Config({**values, "sources": sources})


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like settings but are not: most likely a typing error."""
    known = {setting.variable for setting in SETTINGS}
    return sorted(
        name for name in environment
        if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_")
    )


def _printable(value: Any) -> str:
    """A value for any terminal: a folder's name may hold bytes that are not UTF-8."""
    return os.fsencode(str(value)).decode("utf-8", "backslashreplace")


def report(config: Config) -> str:
    """The settings in force, each on a line with its source."""
    return "\n".join(
        f"{setting.name}={_printable(getattr(config, setting.attribute))} ({config.sources[setting.name]})"
        for setting in SETTINGS
    )


def markdown() -> str:
    """The settings as the Markdown table that README.md holds."""
    rows = ["| flag | variable | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in SETTINGS:
        unit = f" {setting.unit}" if setting.unit else ""
        bounds = f" ({setting.allowed})" if setting.choices or isinstance(setting.default, int) else ""
        rows.append(f"| `{setting.flag}` | `{setting.variable}` | `{setting.default}`{unit} | {setting.help}{bounds} |")
    return "\n".join(rows)


def environment_file() -> str:
    """The settings as deploy/classcord.env holds them: each with its default, as a comment."""
    rows = [
        "# Settings of the service classcord. Remove the # before a variable, change its value, then:",
        "#     sudo systemctl restart classcord",
        "# Write no quotes around a value, and no comment after it. A wrong value is refused with one line:",
        "#     sudo systemctl status classcord",
    ]
    for setting in SETTINGS:
        unit = f" ({setting.unit})" if setting.unit else ""
        default = setting.default
        if setting.name == "data":  # the unit lets it write there
            default = "/var/lib/classcord"
        rows += ["", f"# {setting.help}", f"# {setting.allowed}{unit}", f"#{setting.variable}={default}"]
    return "\n".join(rows) + "\n"
