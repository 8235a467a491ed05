"""For the Dockerfile: compile the modules of the standard library that the server and its health check load.

Usage: python3 bytecode.py SERVER TARGET

SERVER is the path of server.py. The bytecode goes below TARGET, to the path where Python looks for it below /: in the
image, TARGET is / itself. Official Python images have no bytecode: without it, each start and each check compiles these
modules again.
"""

from __future__ import annotations

import os
import py_compile
import re
import subprocess
import sys
import tempfile
from importlib.util import cache_from_source, source_from_cache
from pathlib import Path

PATIENCE = 120
"""Seconds that a check or the end of a server may take. Its modules are compiled meanwhile, on any processor."""


def loaded(server: str) -> list[str]:
    """The source files outside the server's folder that Python loads for a server with a client, and for a check.

    Python itself says which: it writes bytecode of all that it loads into an empty folder. The check is the client.
    If the server does not run here, only the files that it loaded until then.
    """
    with tempfile.TemporaryDirectory() as scratch:
        seen = os.path.join(scratch, "seen")
        settings = {
            "PYTHONPYCACHEPREFIX": seen, "PYTHONDONTWRITEBYTECODE": "",
            "CLASSCORD_DATA": os.path.join(scratch, "data"), "CLASSCORD_PORT": "0",
        }
        try:
            _serve_and_check(server, {**os.environ, **settings})
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"bytecode.py: not everything is compiled: {error}", file=sys.stderr)
        sys.pycache_prefix = seen
        sources = [source_from_cache(str(path)) for path in sorted(Path(seen).rglob("*.pyc"))]
        sys.pycache_prefix = None
    own = os.path.dirname(os.path.abspath(server)) + os.sep
    return [source for source in sources if not source.startswith(own)]


def _serve_and_check(server: str, environment: dict[str, str]) -> None:
    command = [sys.executable, server]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            for said in process.stderr:
                listening = re.search(r"event=listening .*port=(\d+)", said)
                if listening is not None:
                    break
            else:
                raise RuntimeError(said.strip() or "the server said nothing")
            environment["CLASSCORD_PORT"] = listening[1]
            subprocess.run([*command, "health"], env=environment, check=True, timeout=PATIENCE, stdout=sys.stderr)
            process.terminate()
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


def compile_below(source: str, target: str) -> None:
    """Compile the file, without a check of its time: builders and registries change the times of files."""
    folder = os.path.realpath(os.path.dirname(source))
    bytecode = cache_from_source(os.path.join(folder, os.path.basename(source)), optimization="")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(source, target.rstrip(os.sep) + bytecode, doraise=True, invalidation_mode=mode)


def main(server: str, target: str) -> None:
    """Compile what `loaded` names, below `target`."""
    for source in loaded(server):
        compile_below(source, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
