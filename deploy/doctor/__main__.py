"""The hops of the VM and of its host. deploy/doctor.sh starts this folder: python3 -I deploy/doctor vm --port 12345."""

from __future__ import annotations

import io
import sys

from machine import Machine
from report import main

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # in the language C, Python may not print accents
    sys.exit(main(sys.argv[1:], Machine()))
