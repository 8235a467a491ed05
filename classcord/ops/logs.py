"""The log: one line for each event, on standard error, as logfmt or JSON.

    2026-11-23T10:00:00.000Z INFO event=login user="alice" peer=10.0.108.34 port=50312

If standard error is systemd's journal, a line begins with the priority (sd-daemon(3)) instead of the time: the journal
keeps the time of every line itself.

Fields are escaped, so that no name can forge a line. Any thread may call `event`, which never waits: another thread
writes, so a reader of the log that has stopped (Ctrl-S in a terminal, a full pipe) does not stop the server.
Passwords and the contents of messages are never passed here.
"""

from __future__ import annotations

import functools
import json
import logging
import logging.handlers
import math
import os
import queue
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from classcord.ops import counts
from classcord.ops.events import EVENTS
from classcord.ops.quota import Quota

__all__ = [
    "LEVELS", "LogThrottle", "Often", "caused", "event", "exception", "priority", "report_left_out", "start",
    "stop", "traceback_of",
]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_WAITING = 10_000
"""Lines that may wait for a slow reader of the log; more lines are counted and left out."""
_LONGEST = 8192
"""Characters of a field: a long traceback has about as many. A client's line has up to 65,536."""
_BARE = re.compile(r"[A-Za-z0-9_.:/%*+-]+")
_PROSE = frozenset({"user", "old", "name", "text", "hint", "detail", "actor", "target", "why"})
"""Fields that are always quoted: people choose their contents."""

_PRIORITIES = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"), (0, "<7>"))

_log = logging.getLogger("classcord")


def _format_time(record: logging.LogRecord) -> str:
    seconds, milliseconds = divmod(int(record.created * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


@functools.cache
def _is_journal() -> bool:
    try:
        error = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{error.st_dev}:{error.st_ino}"


def priority(level: int) -> str:
    """The start of a line of this level: empty, unless standard error is the journal."""
    return next(prefix for least, prefix in _PRIORITIES if level >= least) if _is_journal() else ""


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        journal = priority(record.levelno)
        parts = [journal + record.levelname if journal else f"{_format_time(record)} {record.levelname}"]
        parts.append(f"event={record.msg}")
        for name, value in _fields(record).items():
            text = str(value)
            if isinstance(value, str) and (name in _PROSE or not _BARE.fullmatch(text)):
                text = json.dumps(text)
            parts.append(f"{name}={text}")
        return " ".join(parts)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": _format_time(record), "level": record.levelname, "event": record.msg, **_fields(record)}
        return priority(record.levelno) + json.dumps(fields, default=str)


class _Queue(logging.handlers.QueueHandler):
    """Never blocks and never formats in the caller's thread."""

    left_out = 0
    queue: queue.Queue[logging.LogRecord | None]

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.count()
            self.queue.put_nowait(record)
        except queue.Full:
            self.left_out += 1

    def count(self, seconds: float = 0.0) -> None:
        """Say how many lines were left out, if any. Raises queue.Full if there is no place within these seconds."""
        if self.left_out:
            name = "log_lines_left_out"
            lost = logging.LogRecord(_log.name, EVENTS[name].level, "", 0, name, None, None)
            lost.fields = {"count": self.left_out}
            self.queue.put(lost, seconds > 0, seconds)
            self.left_out = 0


class LogThrottle:
    """Allows one log line in `interval` seconds for many events of one kind, with their count. For one thread.

    The caller gives the time, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next: float | None = None
        self._count = 0

    def happened(self, now: float) -> int:
        """Count one event; return 0 if one was reported within `interval` seconds, else the count since."""
        self._count += 1
        return self.due(now)

    def due(self, now: float) -> int:
        """The count of the events that were not reported yet; 0 if one was reported within `interval` seconds."""
        if not self._count or (self._next is not None and now < self._next):
            return 0
        self._next = now + self._interval
        count, self._count = self._count, 0
        return count


class Often:
    """Logs events that may come often: one line in `interval` seconds for each kind, with the count. For one thread.

    That thread also calls `report` now and then. The lines have the fields of the last event of their kind.
    """

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._kinds: dict[str, tuple[LogThrottle, dict[str, Any]]] = {}

    def event(self, event_name: str, /, **fields: Any) -> None:
        """Log an event of events.EVENTS, which has the field `count`, now or later. It is counted in any case."""
        throttle, latest = self._kinds.setdefault(event_name, (LogThrottle(self._interval), {}))
        latest.update(fields)
        self._tell(event_name, throttle.happened(self._clock()), latest)

    def report(self, *, at_the_end: bool = False) -> None:
        """Log the events that wait for their line, if it is time; at the end, all."""
        now = math.inf if at_the_end else self._clock()
        for event_name, (throttle, latest) in self._kinds.items():
            self._tell(event_name, throttle.due(now), latest)

    def _tell(self, event_name: str, count: int, fields: dict[str, Any]) -> None:
        if count:
            event(event_name, **{**fields, "count": count})


_listener: logging.handlers.QueueListener | None = None
_waiting = _Queue(queue.Queue[Any](_WAITING))
_quota: Quota | None = None


def start(level: str = "info", style: str = "text", lines: int | None = None) -> None:
    """Begin to write; `level` is a key of LEVELS, `style` is text or json. Once, in the main thread.

    `lines` is how many lines of one event an address may cause in ten seconds.
    """
    global _listener, _quota
    _quota = Quota(lines) if lines is not None else None
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(_Json() if style == "json" else _Logfmt())
    logging.raiseExceptions = False  # don't fail when standard error is closed, and don't write to it
    logging.logThreads = False  # looking for the thread's name would make an object for each client's thread
    _log.handlers[:] = [_waiting]
    _log.propagate = False
    _log.setLevel(LEVELS[level])
    listener = logging.handlers.QueueListener(_waiting.queue, writer)
    listener.start()
    _listener = listener  # only after it has started: stop() needs a started one


def stop(seconds: float = 1.0) -> None:
    """Write the waiting lines, and how many were left out, for at most so many seconds."""
    global _listener
    if _listener is None:
        return
    report_left_out(at_the_end=True)
    listener, _listener = _listener, None
    thread = listener._thread  # private, but the public stop() has no time limit
    if thread is not None:
        deadline = time.monotonic() + seconds
        try:
            _waiting.count(seconds)
            _waiting.queue.put(None, timeout=max(0.0, deadline - time.monotonic()))
        except queue.Full:
            return
        thread.join(max(0.0, deadline - time.monotonic()))


def event(event_name: str, level: int | None = None, /, **fields: Any) -> None:
    """Log an event of events.EVENTS with its fields, at its level or at another one. None fields are left out.

    Any thread; never waits.
    """
    if event_name in counts.COUNTED:
        counts.add(event_name, fields.get("count", 1))
    _write(event_name, level, fields)


def _write(event_name: str, level: int | None, fields: dict[str, Any]) -> None:
    if level is None:
        level = EVENTS[event_name].level
    if _log.isEnabledFor(level):
        kept = {
            name: value[:_LONGEST] if isinstance(value, str) else value
            for name, value in fields.items() if value is not None
        }
        _log.log(level, event_name, extra={"fields": kept})


def caused(share: str, event_name: str, level: int | None = None, /, **fields: Any) -> None:
    """Log an event that a client of this share of the network (see net/peer.py) has caused.

    If it causes too many, the line is left out and counted.

    Events that matter each time are never left out.
    """
    if event_name in counts.COUNTED:
        counts.add(event_name, 1)
    if not _log.isEnabledFor(EVENTS[event_name].level if level is None else level):
        return  # it would not be written: so it is not left out either
    if _quota is None or EVENTS[event_name].always or _quota.take(event_name, share, time.monotonic()):
        _write(event_name, level, fields)


def report_left_out(*, at_the_end: bool = False) -> None:
    """Log how many lines were left out in the times that are over; at the end, also in those that are not.

    Any thread calls it now and then.
    """
    if _quota is not None:
        for event_name, address, count in _quota.ended(math.inf if at_the_end else time.monotonic()):
            event("log_lines_left_out", what=event_name, count=count, peer=address or None)


def traceback_of(error: BaseException) -> str:
    """The traceback; of a very long one only the end, which is the most useful part."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))[-_LONGEST:]


def exception(event_name: str, error: BaseException, /, **fields: Any) -> None:
    """Log a fault with its traceback, escaped into one line."""
    event(event_name, **fields, detail=traceback_of(error))
