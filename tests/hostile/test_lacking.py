"""Starts that lack an interpreter, a module, threads, files or memory: one line says what to type."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.tools import launcher
from tests.support import DEADLINE, ROOT, Server

FAILED = 1
PROGRAM = [sys.executable, str(ROOT / "server.py")]
NOBODY = 64321
"""A user without processes."""


def line_of(
    command: list[str], code: int = FAILED, *, stdout: int = subprocess.PIPE, env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
) -> str:
    """Run a program; it must end with this exit code. Returns its one line on standard error."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=DEADLINE,
        check=False, env=env, cwd=cwd,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("server.py: "), lines
    assert lines[0].isprintable()
    assert "Traceback" not in lines[0]
    assert done.returncode == code
    return lines[0]


def at(data: Path) -> list[str]:
    """The flags of a server that would start."""
    return ["--host", "127.0.0.1", "--port", "0", "--data", str(data), "--password-cost", "1"]


def in_shell(before: str, command: list[str]) -> list[str]:
    """The command after a line of shell."""
    return ["sh", "-c", f'{before}\nexec "$@"', "sh", *command]


def starts_after(typed: str, before: str, data: Path, program: list[str] = PROGRAM) -> None:
    """See that the server starts in a shell where `before` was typed, and then the remedy that was printed."""
    with Server(data, command=in_shell(f"{before}\n{typed.replace('sudo ', '')}", program)) as server:
        assert server.stop() == 0


def _may_raise_limits() -> bool:
    (capabilities,) = re.findall(r"^CapEff:\s+(\S+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return bool(int(capabilities, 16) >> 24 & 1)  # CAP_SYS_RESOURCE, which some containers take from root


def remedy(line: str) -> str:
    """The command in the line that stands behind "type" or a colon."""
    found = re.search(r"type (.*?) and start it again", line)
    assert found is not None, line
    return found[1]


# --- the interpreter ---

OLD = sorted(
    path for pattern in ("2.*", "3.[6-9].*")
    for path in (Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob(f"{pattern}/bin/python")
)
NONE = pytest.param(Path(), marks=pytest.mark.skip("needs a Python older than 3.10: pyenv install 3.9"))


@pytest.mark.parametrize("python", OLD or [NONE], ids=lambda path: path.parent.parent.name)
@pytest.mark.parametrize("arguments", [[], ["health"], ["--help"]], ids=" ".join)
def test_an_old_python(python: Path, arguments: list[str], tmp_path: Path) -> None:
    line = line_of([str(python), str(ROOT / "server.py"), *arguments])
    assert f"Python 3.10 or later is needed, this is {python.parent.parent.name}; " in line
    other = re.search(r"this machine has one: (\S+) (\S+)$", line)
    if other is not None:  # the interpreter that it names works
        with Server(tmp_path / "data", command=[*other.groups()]) as server:
            assert server.stop() == 0


@pytest.mark.parametrize("python", OLD or [NONE], ids=lambda path: path.parent.parent.name)
@pytest.mark.parametrize("target", ["run", "test"])
def test_make_with_an_old_python(python: Path, target: str) -> None:
    done = subprocess.run(["make", target, f"PYTHON={python}"], cwd=ROOT, capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert line.startswith(f"Python 3.10 or later is needed, {python} is older: ")
    assert done.returncode == 2


def test_the_door_reads_on_every_python() -> None:
    """No annotation, and nothing else that is newer than Python 2.7. This test needs no old interpreter."""
    door = (ROOT / "server.py").read_text()
    assert door.isascii()
    compile(door, "server.py", "exec", dont_inherit=True)
    newer = r'^\s*def .*(->|: \w+[,)])|\bf"|:=|from __future__|\bnonlocal\b'
    assert not re.search(newer, door, re.MULTILINE)


# --- modules ---


@pytest.mark.parametrize(
    ("module", "cure"),
    [
        ("fcntl", "docker compose up -d"), ("resource", "docker compose up -d"), ("_sqlite3", "apt install python3"),
        ("sqlite3", "apt install python3"), ("unicodedata", "apt install python3"), ("select", "apt install python3"),
        ("socketserver", "apt install python3"), ("logging", "apt install python3"),
        ("classcord.chat.room", "copy the whole project"), ("handlers", "copy the whole project"),
    ],
)
def test_a_module_that_is_missing(tmp_path: Path, module: str, cure: str) -> None:
    hide = launcher("")[2].replace("import server\n", f"import server\nsys.modules[{module!r}] = None\n")
    line = line_of([sys.executable, "-c", hide, *at(tmp_path / "data")])
    assert module in line
    assert cure in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("change", "name", "cure"),
    [
        ("import select; del select.epoll", "epoll", "docker compose up -d"),
        ("del os.eventfd", "eventfd", "docker compose up -d"),
        ("import signal; del signal.sigwait", "sigwait", "docker compose up -d"),
        ("import hashlib; del hashlib.scrypt", "scrypt", "apt install python3"),
        ("import hashlib\ndef no(*a, **b): raise ValueError('x')\nhashlib.scrypt = no", "scrypt", "apt install"),
    ],
)
def test_a_function_that_is_missing(tmp_path: Path, change: str, name: str, cure: str) -> None:
    """Windows and macOS lack the first ones; a reduced OpenSSL lacks the last one."""
    line = line_of([*launcher(change), *at(tmp_path / "data")])
    assert name in line
    assert cure in line
    assert not (tmp_path / "data").exists()


def test_server_py_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "server.py", tmp_path)
    assert "copy the whole project" in line_of([sys.executable, str(tmp_path / "server.py")])


# --- threads ---

_COUNT = """
import threading
start, left = threading.Thread.start, {number}
def counted(self):
    global left
    left -= 1
    if left < 0:
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = counted
from classcord import serving
serving._Signals.wait = lambda self: 15
"""
"""Changes to a server that may start so many threads, and that stops as soon as it serves."""


def test_a_thread_that_cannot_be_started(tmp_path: Path) -> None:
    """It does not matter which of its own threads can't start."""
    failed = 0
    watched = {"NOTIFY_SOCKET": "@nobody", "WATCHDOG_USEC": "9000000"}
    for number in range(100):
        command = [*launcher(_COUNT.format(number=number)), *at(tmp_path / "data")]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **watched},
            timeout=DEADLINE, check=False,
        )
        assert "Traceback" not in done.stderr
        if done.returncode == 0:
            break
        failed += 1
        assert done.returncode == FAILED
        *_, said = done.stderr.splitlines()
        assert said.startswith("server.py: no thread can be started")
    assert failed >= 7


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user: run the tests as root")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder with the project, which every user may read, and a folder `data` for everybody."""
    folder = Path(f"/tmp/classcord-test-{os.getpid()}")
    folder.mkdir(mode=0o755)
    try:
        for name in ("classcord", "handlers"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "server.py", folder)
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        subprocess.run(["chmod", "-R", "go=u-w", *(folder / name for name in ("classcord", "handlers", "server.py"))],
                       check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def public_python() -> str:
    """An interpreter that every user may start, or skip."""
    for python in (sys.executable, "/usr/bin/python3"):
        test = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", python, "-c",
                "import sqlite3, sys; sys.exit(sys.version_info < (3, 10))"]
        if subprocess.run(test, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("no Python from 3.10 on that another user may start")


@needs_root
def test_a_user_with_few_processes(public: Path) -> None:
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    program = [*become, public_python(), str(public / "server.py"), *at(public / "data")]
    for number in (1, 2, 3, 5):
        limited = in_shell(f"prlimit --pid $$ --nproc={number}:", program)
        line = line_of(limited, cwd=public)
        assert "no thread can be started" in line
    starts_after(remedy(line), "prlimit --pid $$ --nproc=5:", public / "data", program[:5])


# --- files and memory ---


@pytest.mark.parametrize("number", [9, 10, 12, 16, 20, 25, 31])
def test_few_open_files(tmp_path: Path, number: int) -> None:
    line = line_of(in_shell(f"ulimit -n {number}", [*PROGRAM, *at(tmp_path / "data")]))
    assert f"open files is {number}" in line
    if _may_raise_limits():
        starts_after(remedy(line), f"ulimit -n {number}", tmp_path / "data")


def test_the_fewest_open_files_with_which_it_starts(tmp_path: Path) -> None:
    with Server(tmp_path / "data", command=in_shell("ulimit -n 32", PROGRAM)) as server:
        assert server.stop() == 0
        assert "event=few_open_files" in "".join(server.log)


@pytest.mark.parametrize("limit", range(24_000, 80_000, 8_000))
def test_little_memory(tmp_path: Path, limit: int) -> None:
    """With so many KiB, it either starts or says in one line that this is not enough, before it makes anything."""
    command = in_shell(f"ulimit -Sv {limit}", [*PROGRAM, *at(tmp_path / "data")])
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "event=listening" in line:
                process.send_signal(signal.SIGTERM)
        code = process.wait(DEADLINE)
    if code == 127 or "Fatal Python error" in "".join(lines) or (code != 0 and "server.py" not in "".join(lines)):
        return  # Python itself doesn't start with so little
    assert "Traceback" not in "".join(lines), lines
    if code != 0:
        assert code == FAILED
        assert not (tmp_path / "data").exists()
        if "not even enough memory" in lines[-1]:
            return
        assert f"{limit} KiB of memory are not enough" in lines[-1]
        starts_after(remedy(lines[-1]), f"ulimit -Sv {limit}", tmp_path / "data")


# --- the standard files and the folder ---


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_files_that_are_closed(tmp_path: Path, closed: str) -> None:
    """No file of the server gets their numbers: printed text would go into the database or to a client."""
    script = launcher(f"""
from classcord.ops import logs
event = logs.event
def seen(name, *arguments, **more):
    if name == "listening":
        with open({str(tmp_path / "seen")!r}, "w") as file:
            file.write("\\n".join(os.readlink(f"/proc/self/fd/{{number}}") for number in range(3)))
        os.kill(os.getpid(), 15)
    event(name, *arguments, **more)
logs.event = seen
""")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *script, *at(tmp_path / "data")], capture_output=True, text=True,
        timeout=DEADLINE, check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    held = (tmp_path / "seen").read_text().splitlines()
    assert [name for name in held if not name.startswith(("pipe:", "/dev/"))] == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--check-config"], ["health", "--help"],
                                       ["health", "--port", "1"]], ids=" ".join)
def test_standard_output_that_is_full(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        line = line_of([*PROGRAM, *arguments], stdout=full.fileno())
    assert "No space left on device" in line


def test_standard_error_that_is_full() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "--port", "x"], stderr=full, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_reader_that_has_read_enough() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "--help"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (FAILED, b"")


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = line_of(in_shell("rmdir ../gone", [*PROGRAM, "--host", "127.0.0.1", "--port", "0"]), 78, cwd=gone)
    assert "data" in line
    with Server(tmp_path / "data", command=in_shell("mkdir ../gone2; cd ../gone2; rmdir ../gone2", PROGRAM)) as server:
        assert server.stop() == 0


def test_an_empty_environment_and_a_name_that_is_not_ascii(tmp_path: Path) -> None:
    data = tmp_path / "donn\u00e9es"
    for variables in ([], ["LC_ALL=POSIX", "PYTHONCOERCECLOCALE=0", "PYTHONUTF8=0"]):
        with Server(data, command=["env", "-i", *variables, *PROGRAM]) as server:
            assert server.stop() == 0
        for command in (["--check-config"], ["health", "--port", "1"]):
            done = subprocess.run(["env", "-i", *variables, *PROGRAM, *command], capture_output=True, check=False)
            assert done.stderr == b""


# --- faults ---


@pytest.mark.parametrize("place", ["classcord.serving.Texts", "classcord.serving.ChatServer.serve_forever"])
def test_a_fault_of_ours(tmp_path: Path, place: str) -> None:
    """One line reports it, the traceback is in the log, and no process stays."""
    if place.endswith("serve_forever"):
        change = "from classcord.ops import systemd\ndef fail(*a): raise KeyError('oops')\nsystemd.Manager.tell = fail"
    else:
        change = "from classcord import serving\ndef fail(*a): raise KeyError('oops')\nserving.Texts = fail"
    done = subprocess.run(
        [*launcher(change), *at(tmp_path / "data")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=DEADLINE, check=False,
    )
    assert done.returncode == FAILED
    *logged, line = done.stderr.splitlines()
    assert line.startswith("server.py: a fault in ClassCord, incident ")
    incident = re.findall(r"incident ([0-9a-f]{8}):", line)[0]
    (entry,) = [each for each in logged if "event=internal_error" in each]
    assert incident in entry
    assert "Traceback" in entry


@pytest.mark.parametrize(
    "step", ["classcord.ops.needs.few_resources", "traceback.extract_tb", "classcord.ops.logs.exception"]
)
def test_memory_that_ends_while_the_cause_is_looked_for(tmp_path: Path, step: str) -> None:
    module = step.rpartition(".")[0]
    change = f"""
import {module}
from classcord import serving
def fail(*a): raise KeyError("oops")
def lack(*a, **b): raise MemoryError
serving.Texts, {step} = fail, lack
"""
    done = subprocess.run(
        [*launcher(change), *at(tmp_path / "data")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=DEADLINE, check=False,
    )
    assert done.returncode == FAILED
    assert done.stderr.startswith("server.py: there is not even enough memory to find the cause; ")
    assert done.stderr.count("\n") == 1
