"""systemd, if it started this process: notifications, the watchdog, and a listening socket from it.

Without systemd nothing here has an effect. See sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping

from classcord.ops import logs
from classcord.ops.config import UsageError

__all__ = ["OTHER_PORT", "Manager"]

OTHER_PORT = (
    "sudo systemctl edit classcord.socket, with three lines: [Socket], ListenStream= and ListenStream=2000;"
    " then: sudo systemctl stop classcord.socket classcord; sudo systemctl start classcord.socket classcord"
)
"""What to type for another port of classcord.socket. The empty ListenStream= takes the unit's own port away.

`systemctl restart` can't do it: systemd refuses to start a socket whose service runs.
"""

_FIRST_SOCKET = 3
"""The file descriptor of the first socket from systemd."""
_PATIENCE = 2.0
"""Seconds that a message to systemd may take."""


def _number(text: str) -> int:
    """A number from systemd; 0 for any other text.

    20 digits are systemd's "never" (2^64 - 1), or not from systemd.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


class Manager:
    """The service manager that started this process, if one did.

    Removes systemd's variables from the environment, because they are only for this process.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        own = str(os.getpid())
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self._watchdog = _number(environment.pop("WATCHDOG_USEC", "")) / 1e6
        if environment.pop("WATCHDOG_PID", own) != own:
            self._watchdog = 0
        self._handed = environment.pop("LISTEN_FDS", "0")
        if environment.pop("LISTEN_PID", "") != own:
            self._handed = "0"
        environment.pop("LISTEN_FDNAMES", None)

    @property
    def present(self) -> bool:
        """Whether a service manager started this process."""
        return self._address != ""

    def tell(self, *states: str) -> None:
        """Send these states, like READY=1. Any thread; a failure is only logged."""
        if self._address[:1] not in ("/", "@"):
            return
        address = self._address
        if address[0] == "@":  # an abstract socket
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(_PATIENCE)
                channel.sendto("\n".join(states).encode(), address)
        except OSError as error:
            logs.event("notify_failed", detail=str(error))

    def listening_socket(self) -> socket.socket | None:
        """The socket that clients connect to, if systemd opened it.

        Raises UsageError unless it is one TCP socket that listens.
        """
        if self._handed == "0":
            return None
        hint = "classcord.socket must have exactly one ListenStream= with a port (or [address]:port)"
        if self._handed != "1":
            raise UsageError(f"systemd hands over {self._handed[:20]!r} sockets; {hint}")
        try:
            given = socket.socket(fileno=_FIRST_SOCKET)
        except OSError as error:
            raise UsageError(f"systemd hands over no socket ({error.strerror}); {hint}") from None
        tcp = given.family in (socket.AF_INET, socket.AF_INET6) and given.type == socket.SOCK_STREAM
        if not tcp or not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            given.close()
            raise UsageError(f"systemd hands over a socket that is not a listening TCP socket; {hint}")
        given.set_inheritable(False)
        # systemd keeps it open: at a restart the next server may take the waiting connections before this accept()
        given.setblocking(False)
        return given

    def watch(self, test: Callable[[], tuple[bool, str]]) -> None:
        """From now on, tell systemd that all is well, as often as it asks for, while the test passes.

        `test` returns whether it passes, and a line that says why not. A new thread calls it.
        """
        if self._watchdog:
            threading.Thread(target=self._feed, args=(test,), name="watchdog", daemon=True).start()

    def _feed(self, test: Callable[[], tuple[bool, str]]) -> None:
        hint = "systemd restarts the server if this goes on"
        while True:
            try:
                passes, text = test()
                if passes:
                    self.tell("WATCHDOG=1")
                else:
                    logs.event("self_test_failed", detail=text, hint=hint)
            except Exception as error:
                logs.exception("internal_error", error)
            time.sleep(self._watchdog / 3)  # three times as often as needed: one test may fail or be late
