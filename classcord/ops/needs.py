"""The needs of the server: Python, the system and its limits. If one is missing, the text says what to type."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import resource
import select
import signal

from classcord.ops import logs
from classcord.ops.failure import EXIT_FAILED, Failure

__all__ = ["allow_files", "check", "few_resources"]

_FEWEST_FILES = 32
"""Open files that the server needs to start."""
_MEMORY = 40 << 20
"""Bytes that the server needs after its imports: its start takes 20 MiB (threads, SQLite), and one password 16 MiB."""
_THREADS, _FILES = 4096, 4096
"""The limits to propose: enough for the connections that are allowed by default."""
_ELSEWHERE = "ClassCord's server needs Linux; run it in Docker: docker compose up -d"
_OTHER_PYTHON = "use the system's: sudo apt install python3, then /usr/bin/python3 server.py; or: make docker-run"


def check() -> None:
    """Raise Failure if this system or this Python can't run the server, OSError if there is too little memory."""
    for module, name in ((select, "epoll"), (os, "eventfd"), (signal, "pthread_sigmask"), (signal, "sigwait")):
        if not hasattr(module, name):
            raise Failure(EXIT_FAILED, f"this system has no {module.__name__}.{name}: {_ELSEWHERE}")
    try:
        hashlib.scrypt(b"", salt=b"", n=2, r=1, p=1)
    except (AttributeError, ValueError) as error:  # OpenSSL was built or set up without it
        raise Failure(EXIT_FAILED, f"this Python's OpenSSL has no scrypt ({error}): {_OTHER_PYTHON}") from None
    # With a little less, SQLite speaks of a disk error, and Python waits for ever for a thread that could not begin.
    mmap.mmap(-1, _MEMORY).close()


def allow_files(wanted: int) -> None:
    """Raise the limit of open files as far as needed and allowed. Raises Failure if it stays too low to start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < _FEWEST_FILES:
        raise Failure(EXIT_FAILED, f"the limit of open files is {allowed}, and {_FEWEST_FILES} are needed to start; "
                                   + _raised("nofile", wanted, f"--ulimit nofile={wanted}", f"LimitNOFILE={wanted}"))
    if allowed < wanted:
        logs.event("few_open_files", allowed=allowed, wanted=wanted,
                   hint=f"raise the hard limit (ulimit -Hn; the service: {_drop_in(f'LimitNOFILE={wanted}')}), or lower"
                        " --max-connections")


def few_resources(error: BaseException) -> Failure | None:
    """The failure to report if the error means a lack of threads, files or memory; None for any other error."""
    no_thread = isinstance(error, RuntimeError) and "start new thread" in str(error)  # threading has no class for it
    number = error.errno if isinstance(error, OSError) else None
    no_memory = isinstance(error, MemoryError) or number == errno.ENOMEM or (
        isinstance(error, ImportError) and "failed to map" in str(error)  # a library
    )
    if no_thread or no_memory:
        for kind, option in ((resource.RLIMIT_AS, "as"), (resource.RLIMIT_DATA, "data")):
            limit, _ = resource.getrlimit(kind)
            if limit != resource.RLIM_INFINITY:
                how = f"type sudo prlimit --pid $$ --{option}=unlimited:unlimited and start it again"
                return Failure(EXIT_FAILED, f"{limit >> 10} KiB of memory are not enough (ulimit); {how}")
    if no_thread:
        how = _raised("nproc", _THREADS, f"--pids-limit {_THREADS}", f"TasksMax={_THREADS}")
        return Failure(EXIT_FAILED, f"no thread can be started, the limit of processes is too low; {how}")
    if no_memory:
        return Failure(EXIT_FAILED, "there is not enough memory; end other programs, or give the machine more")
    if number in (errno.EMFILE, errno.ENFILE):
        how = _raised("nofile", _FILES, f"--ulimit nofile={_FILES}", f"LimitNOFILE={_FILES}")
        return Failure(EXIT_FAILED, f"no file can be opened ({os.strerror(number or 0)}); {how}")
    return None


def _raised(limit: str, number: int, container: str, unit: str) -> str:
    return (f"type sudo prlimit --pid $$ --{limit}={number}:{number} and start it again"
            f" (a container takes {container}; the service: {_drop_in(unit)})")


def _drop_in(line: str) -> str:
    return f"sudo systemctl edit classcord, with the lines [Service] and {line}"
