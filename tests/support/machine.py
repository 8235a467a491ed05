"""What all tests use of this machine: the project's folder, the deadline, the network."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 20.0
"""Seconds after which something that must happen is taken not to: far more than it needs on a busy machine."""

IPV6_IS_OFF = "this machine has no IPv6: sudo sysctl net.ipv6.conf.all.disable_ipv6=0"
"""Why a test is skipped if `has_ipv6` is false, and what to do about it."""


Answer = TypeVar("Answer")


def insisted(ask: Callable[[], Answer], wanted: Callable[[Answer], bool]) -> Answer:
    """Ask until this answer comes, or too long; the last answer.

    For a program that gives another one up soon: on a busy machine the other may need longer.
    """
    deadline = time.monotonic() + DEADLINE
    while not wanted(answer := ask()) and time.monotonic() < deadline:
        pass
    return answer


def has_ipv6() -> bool:
    """Whether this machine has the address ::1. It may have the sockets and no address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
