"""The lines of the protocol and of the log."""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from typing import Any

Message = dict[str, Any]

_numbers = itertools.count(1)
_run = f"{os.getpid():x}{int(time.time()) & 0xFFFF:x}"


def unique(name: str) -> str:
    """A name that no other test has, and no earlier run against the same server."""
    return f"{name}_{_run}_{next(_numbers)}"


def say(text: str, **more: object) -> Message:
    """A global message as most clients send it."""
    return {"type": "message", "subtype": "global", "to": "global", "content": text, **more}


def fields(line: str) -> dict[str, str]:
    """The fields of a logfmt line, unquoted."""
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)
    return {name: json.loads(value) if value.startswith('"') else value for name, value in found}
