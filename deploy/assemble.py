#!/usr/bin/env python3
"""Puts shared code into the scripts that are copied to a machine alone. `make assemble` runs it after a change.

A script says between two marks what it needs. The lines between them are replaced:

    # --- from deploy/common.sh: has is_port BRIDGES ---
    # --- from deploy/nat/common.ps1 ---
    # --- end of deploy/common.sh ---

The first form takes the functions and variables of these names, with the comments above them, in the library's order.
The second takes the whole library, without the comment at its top.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(
    r"^# --- from (?P<library>\S+?)(?:: (?P<names>[\w ]+))? ---\n(?:(?!# --- ).*\n)*?# --- end of (?P=library) ---\n",
    re.MULTILINE,
)
MARK = re.compile(r"^# --- (?:from|end of) deploy/.*\n", re.MULTILINE)
# a function, whose last line is a } of its own unless it has only one line, or a variable
DEFINITION = re.compile(
    r"^(?:#.*\n)*(?P<name>\w+)(?:\(\) \{(?:.*\} *(?:#.*)?\n|.*\n(?:(?!\}).*\n)*\}\n)|=.*\n)", re.MULTILINE
)


class Fault(Exception):
    """A script asks for something that is not there; the text says what."""


def definitions(library: str) -> dict[str, str]:
    """The functions and variables of a shell library, by name, in its order."""
    return {found["name"]: found[0] for found in DEFINITION.finditer(library)}


def wanted(library: str, names: str | None) -> str:
    """The part of a library with these names (separated by spaces), or all of it."""
    if names is None:
        return library.partition("\n\n")[2]
    known = definitions(library)
    missing = [name for name in names.split() if name not in known]
    if missing:
        raise Fault(f"the library does not define {missing[0]}")
    return "".join(lines for name, lines in known.items() if name in names.split())


def assembled(script: str) -> str:
    """The script with its regions filled from the libraries. Raises Fault."""

    def fill(region: re.Match[str]) -> str:
        library = ROOT / region["library"]
        if not library.is_file():
            raise Fault(f"there is no file {region['library']}")
        first, last = region[0].splitlines()[0], region[0].splitlines()[-1]
        return f"{first}\n{wanted(library.read_text(), region['names'])}{last}\n"

    if len(MARK.findall(script)) != 2 * len(REGION.findall(script)):
        raise Fault("a line '# --- from' or '# --- end of' has no partner")
    return REGION.sub(fill, script)


def main(arguments: list[str]) -> int:
    """Write the scripts anew, or with --check only name those that would change. Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: assemble.py [--check]", file=sys.stderr)
        return 2
    code = 0
    for path in sorted(each for end in ("sh", "ps1") for each in (ROOT / "deploy").rglob(f"*.{end}")):
        before = path.read_text()
        try:
            after = assembled(before)
        except Fault as fault:
            print(f"assemble.py: {path.relative_to(ROOT)}: {fault}", file=sys.stderr)
            return 1
        if after == before:
            continue
        if arguments:
            print(f"{path.relative_to(ROOT)} is not what its libraries make it: make assemble")
            code = 1
        else:
            path.write_text(after)
            print(f"{path.relative_to(ROOT)} is assembled")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
