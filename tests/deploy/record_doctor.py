"""Runs the doctor, and writes what it asked of the machine, and the answers, to a file.

    PYTHONPATH=deploy/doctor python3 -B tests/deploy/record_doctor.py FILE vm --port 12345

For the tests that play such a recording again without a lab: machine.Recorded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from machine import Recorder
from report import main

if __name__ == "__main__":
    recorder = Recorder()
    code = main(sys.argv[2:], recorder)
    Path(sys.argv[1]).write_text(json.dumps(recorder.seen, indent=1, ensure_ascii=False) + "\n")
    sys.exit(code)
