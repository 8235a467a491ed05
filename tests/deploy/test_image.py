"""The image: its content, its size, and how it runs when docker is typed by hand."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from classcord import __version__
from tests.deploy.lab import BASE, VM, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine, until
from tests.support import DEADLINE, ROOT, Server, member, unique

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGE = "classcord-server"


# --- without an engine ---


def test_the_dockerfile_of_deploy_is_equal_to_the_one_at_the_root() -> None:
    assert (ROOT / "deploy" / "Dockerfile").read_text() == DOCKERFILE


def test_no_file_is_a_symbolic_link() -> None:
    """git on Windows writes a link as a text file, and so does a program that unpacks a zip."""
    listed = ["server.py", "Dockerfile", *map(str, ROOT.glob(".[cdg]*"))]
    for folder in ("classcord", "deploy", "docs", "handlers", "tests"):
        found = map(str, (ROOT / folder).rglob("*"))
        listed += [name for name in found if "node_modules" not in name]  # not in git
    assert [name for name in listed if (ROOT / name).is_symlink()] == []


def test_the_base_is_pinned_to_a_release_of_debian_and_the_lab_has_it() -> None:
    assert f"ARG BASE={BASE}\n" in DOCKERFILE
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", BASE)


def test_the_builder_gets_nothing_but_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, re.MULTILINE)
    assert sorted(rule.removeprefix("!") for rule in rules if rule.startswith("!")) == sorted(copied)
    assert len(copied) == DOCKERFILE.count("\nCOPY")


def test_the_version_stands_in_the_code_alone() -> None:
    assert "image.version" not in DOCKERFILE
    read = subprocess.run(
        ["sh", "-c", "ROOT=. IMAGE=classcord-server; . deploy/image.sh; version"], cwd=ROOT, capture_output=True,
        text=True, check=True,
    )
    assert read.stdout == f"{__version__}\n"


def test_all_that_a_conversation_loads_is_compiled(tmp_path: Path) -> None:
    """Without an engine, with this Python: the modules of the standard library that a server loaded until its end."""
    made, seen, flags = tmp_path / "made", tmp_path / "seen", tmp_path / "flags"
    script = [sys.executable, str(ROOT / "deploy" / "bytecode.py"), str(ROOT / "server.py"), str(made)]
    subprocess.run(script, check=True, capture_output=True)
    cache = {"PYTHONPYCACHEPREFIX": str(seen), "PYTHONDONTWRITEBYTECODE": ""}
    with Server(tmp_path / "data", env=cache) as server, member(("127.0.0.1", server.port), unique("alice")) as client:
        client.send({"type": "message", "content": "é"}, "/aide")
        client.pending()
    with_flags = "import argparse; argparse.ArgumentParser().add_argument('--port')"
    environment = {**os.environ, **cache, "PYTHONPYCACHEPREFIX": str(flags)}
    subprocess.run([sys.executable, "-c", with_flags], check=True, env=environment)
    compiled = {str(path.relative_to(made)).replace("__pycache__/", "") for path in made.rglob("*.pyc")}
    loaded = {str(path.relative_to(seen)) for path in seen.rglob("*.pyc")}
    own = str(ROOT).lstrip("/")
    outside = {path for path in loaded if not path.startswith(own)}
    assert len(outside) > 50
    # the image's server has no flags, and not the name of a host
    outside -= {str(path.relative_to(flags)) for path in flags.rglob("*.pyc")}
    assert [path for path in outside - compiled if not re.search("/(idna|stringprep)\\.", path)] == []
    assert [path for path in compiled if path.startswith(own)] == []


def test_a_server_that_cannot_run_while_the_image_is_built_does_not_end_the_build(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("import json; raise SystemExit('no threads here')")
    script = [sys.executable, str(ROOT / "deploy" / "bytecode.py"), str(tmp_path / "server.py"), str(tmp_path / "made")]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    assert done.stderr == "bytecode.py: not everything is compiled: no threads here\n"
    assert list((tmp_path / "made").rglob("json/__pycache__/decoder.*.pyc"))


# --- with an engine ---


@pytest.fixture(scope="module")
def vm(docker_vm: Machine) -> Machine:
    """The VM with the image, built by the classic builder."""
    in_project(docker_vm, f"docker build -t {IMAGE} .")
    return docker_vm


@pytest.fixture
def started(vm: Machine) -> Iterator[Callable[[str], str]]:
    """Runs a container in the background with these options and returns its name. Removes it at the end."""
    with ExitStack() as stack:
        def start(options: str) -> str:
            name = vm.run(f"docker run -d {options}").stdout.strip()
            stack.callback(vm.run, f"docker rm -fv {name}")
            return name

        yield start


def in_project(vm: Machine, command: str, **more: Any) -> str:
    """The output of the command, typed by the user in the project's folder."""
    return vm.run(command, user=USER, cwd=PROJECT, **more).stdout


def inspect(vm: Machine, what: str) -> dict[str, Any]:
    (facts,) = json.loads(vm.run(f"docker inspect {what}").stdout)
    assert isinstance(facts, dict)
    return facts


def rest(screen: int) -> str:
    """The rest of the output at a terminal with its other end closed. One read may give only a part."""
    shown = b""
    try:
        while part := os.read(screen, 4096):
            shown += part
    except OSError:
        pass  # that is how a terminal ends
    return shown.decode()


def in_image(vm: Machine, command: str, options: str = "", image: str = IMAGE) -> str:
    """The output of a line of shell in a new container."""
    return vm.run(f"docker run --rm {options} --entrypoint sh {image} -c '{command}'").stdout


@pytest.mark.lab
def test_both_builders_make_the_same_small_image(vm: Machine) -> None:
    # and a checkout under a strict umask: the server's user must still be able to read it
    vm.run(f"cp -a {PROJECT} /tmp/strict && chmod -R go= /tmp/strict")
    vm.run("cd /tmp/strict && mkdir classcord/__pycache__ && touch classcord/__pycache__/stray.cpython-313.pyc .env")
    vm.run("cd /tmp/strict && DOCKER_BUILDKIT=1 docker build -t buildkit .")
    # and one on a shared folder, where everybody may write
    vm.run(f"cp -a {PROJECT} /tmp/loose && chmod -R a=rwX /tmp/loose && cd /tmp/loose && docker build -t loose .")
    listing = 'cd /app && find . -printf "%p %m %u %l\\n" | sort; find . -name "*.py" | sort | xargs cat | sha256sum'
    seen = in_image(vm, listing)
    assert seen == in_image(vm, listing, image="buildkit")
    assert seen == in_image(vm, listing, image="loose")
    sources = in_project(vm, "git init -q . && git add . && git ls-files server.py handlers classcord").split()
    files = re.findall(r"^\./(\S+\.(?!pyc)\w+) 644 root", seen, re.MULTILINE)
    assert sorted(files) == sorted(sources), "with the files of the page"
    compiled = re.findall(r"^\./\S+\.cpython-313\.pyc 644", seen, re.MULTILINE)
    assert len(compiled) == sum(name.endswith(".py") for name in sources)
    base = inspect(vm, BASE)["Size"]
    for image in (IMAGE, "buildkit", "loose"):
        grown = inspect(vm, image)["Size"] - base
        print(f"\n{image}: {grown} bytes above the base")
        assert 0 < grown < 6_000_000  # sources and bytecode of the server, and the page: 5 MB
        assert vm.run(f"docker run --rm {image} --version").stdout == f"ClassCord {__version__}\n"


@pytest.mark.lab
@pytest.mark.parametrize("builder", ["DOCKER_BUILDKIT=0", "DOCKER_BUILDKIT=1"])
def test_the_dockerfile_of_deploy_builds_from_a_zip_of_the_project(vm: Machine, builder: str) -> None:
    unzip = "import zipfile; zipfile.ZipFile('/tmp/p.zip').extractall('/tmp/unzipped')"  # a link becomes a text file
    vm.run(
        f"cp -r {PROJECT} /tmp/zipped && cd /tmp/zipped && git init -q . && git add -A"
        " && git -c user.name=t -c user.email=t@example.org commit -qm all && git archive -o /tmp/p.zip HEAD"
        f" && cd /tmp && rm -rf unzipped zipped && python3 -c \"{unzip}\""
    )
    vm.run(f"cd /tmp/unzipped && {builder} docker build -t zipped -f deploy/Dockerfile .")
    assert vm.run("docker run --rm zipped --version").stdout == f"ClassCord {__version__}\n"
    vm.run("docker rmi zipped")


@pytest.mark.lab
def test_nothing_that_the_server_and_its_check_load_is_compiled_again(vm: Machine) -> None:
    name = vm.run(f"docker run -d -e PYTHONVERBOSE=1 {IMAGE}").stdout.strip()
    check = f"docker exec {name} python3 /app/server.py health"
    until(lambda: vm.run(f"{check} 2>/dev/null", check=False).stdout.startswith("ok"), "the server answers", 60)
    said = {"check": vm.run(check).stderr}
    vm.run(f"docker stop {name}")
    said["server"] = vm.run(f"docker logs {name} 2>&1").stdout
    vm.run(f"docker rm -v {name}")
    for program, text in said.items():
        # bytecode stands in quotes there, a file that was compiled does not
        assert len(re.findall(r"^# code object from '.*\.pyc'$", text, re.MULTILINE)) > 15, program
        assert re.findall(r"^# code object from (?!').*$", text, re.MULTILINE) == [], program


@pytest.mark.lab
def test_the_folders_of_the_base_keep_their_owner_and_mode(vm: Machine) -> None:
    listing = 'find /usr -type d ! -name __pycache__ -printf "%p %m %u:%g\\n" | sort'
    assert in_image(vm, listing) == in_image(vm, listing, image=BASE)


@pytest.mark.lab
def test_it_is_healthy_at_the_first_check_which_comes_after_five_seconds(
    vm: Machine, started: Callable[[str], str]
) -> None:
    assert inspect(vm, IMAGE)["Config"]["Healthcheck"]["Interval"] == 5_000_000_000
    name = started(IMAGE)
    until(lambda: inspect(vm, name)["State"]["Health"]["Log"], "the first check is made")
    first = inspect(vm, name)["State"]["Health"]["Log"][0]
    assert first["ExitCode"] == 0, first


class Start(NamedTuple):
    """When a container was ready, in seconds after its start, and the CPU seconds of its server until then."""

    listening: float
    healthy: float
    spent: float


def moment(stamp: str) -> float:
    """The time in the engine's form, with up to nine digits after the point, as seconds since 1970."""
    found = re.fullmatch(r"(\S{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", stamp)
    assert found is not None, stamp
    return datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp() + float(found[2] or 0)


def first_lines(vm: Machine, name: str) -> list[str]:
    return vm.run(f"docker logs --timestamps {name} 2>&1 | grep event=listening", check=False).stdout.split()


def start_of(vm: Machine, name: str) -> Start:
    """Wait until the container is healthy."""
    until(lambda: inspect(vm, name)["State"]["Health"]["Status"] == "healthy", f"{name} is healthy", 60)
    state = inspect(vm, name)["State"]
    ready = next(check for check in state["Health"]["Log"] if check["ExitCode"] == 0)
    started = moment(state["StartedAt"])
    ticks = vm.run(f"docker exec {name} cat /proc/1/stat").stdout.split()[13:15]
    spent = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return Start(moment(first_lines(vm, name)[0]) - started, moment(ready["End"]) - started, spent)


@pytest.mark.lab
def test_it_listens_sooner_than_without_bytecode_of_the_standard_library(
    vm: Machine, started: Callable[[str], str]
) -> None:
    bare = f"FROM {IMAGE}\nUSER 0\nRUN find /usr -name __pycache__ -prune -exec rm -r {{}} +\nUSER 10001:10001\n"
    vm.run("docker build -q -t bare -", input=bare)
    starts: dict[str, list[Start]] = {IMAGE: [], "bare": []}
    for _ in range(4):
        names = {}
        for image in starts:  # the second starts when the first is done with it
            name = names[image] = started(image)
            until(partial(first_lines, vm, name), f"{name} listens", 60)
        for image, name in names.items():
            starts[image].append(start_of(vm, name))
    # another program on this machine makes some of them longer
    best = {image: Start(*map(min, zip(*several, strict=True))) for image, several in starts.items()}
    for image, one in best.items():
        print(f"\n{image}: {one}")
    ours, theirs = best[IMAGE], best["bare"]
    assert ours.spent < 0.7 * theirs.spent
    assert ours.listening < theirs.listening


@pytest.mark.lab
def test_a_check_compiles_nothing(vm: Machine, started: Callable[[str], str]) -> None:
    """A check comes several times a minute, and took three times as much processor time without bytecode."""
    name = started(IMAGE)
    until(lambda: "event=listening" in vm.run(f"docker logs {name} 2>&1").stdout, "the server starts")
    told = vm.run(f"docker exec {name} python3 -v /app/server.py health 2>&1").stdout
    loaded = re.findall(r"# code object from '?([^'\n]+)", told)
    assert any("classcord" in path for path in loaded), told
    assert [path for path in loaded if not path.endswith(".pyc")] == []


@pytest.mark.lab
def test_the_image_has_the_user_port_entry_and_volume_that_the_documents_promise(vm: Machine) -> None:
    config = inspect(vm, IMAGE)["Config"]
    assert config["User"] == "10001:10001"
    assert list(config["ExposedPorts"]) == ["12345/tcp"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["env", "--block-signal=HUP,INT,TERM", "python3", "/app/server.py"]
    assert config["Cmd"] is None
    assert list(config["Volumes"]) == ["/data"]
    assert config["Labels"]["org.opencontainers.image.title"] == IMAGE
    assert "data=/data (CLASSCORD_DATA)\n" in vm.run(f"docker run --rm {IMAGE} --check-config").stdout


@pytest.mark.lab
def test_the_server_runs_from_bytecode_that_is_never_rewritten(vm: Machine) -> None:
    """The server's user and root don't rewrite it, not even after a builder has changed all files' times."""
    trace = "python3 -v /app/server.py --version 2>&1"
    for command in (trace, f"touch -d 2001-01-01 /app/*/*.py && {trace}"):
        loaded = re.findall(r"code object from '(/app/[^']*)'", in_image(vm, command, "--user 0"))
        assert loaded
        assert {os.path.splitext(path)[1] for path in loaded} == {".pyc"}
    name = vm.run(f"docker run -d --user 0 -v /tmp {IMAGE} --check-config").stdout.strip()
    vm.run(f"docker wait {name}")
    changes = vm.run(f"docker diff {name}").stdout
    assert "/app" not in changes
    vm.run(f"docker rm -v {name}")
    writable = 'find /app -writable | wc -l; id -u; stat -c "%u:%g %a" /data'
    assert in_image(vm, writable).split() == ["0", "10001", "10001:10001", "700"]


@pytest.mark.lab
def test_it_needs_to_write_nowhere_but_to_its_data(vm: Machine, started: Callable[[str], str]) -> None:
    name = started(f"--read-only --cap-drop ALL --network none {IMAGE}")
    until(lambda: "event=listening" in vm.run(f"docker logs {name} 2>&1").stdout, "the server starts")
    assert vm.run(f"docker diff {name}").stdout == ""


@pytest.mark.lab
def test_the_health_check_follows_the_port_and_docker_stop_is_not_a_failure(
    vm: Machine, started: Callable[[str], str]
) -> None:
    name = started(f"-e CLASSCORD_PORT=2000 {IMAGE}")
    kind, *check = inspect(vm, IMAGE)["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    ask = f"docker exec {name} {' '.join(check)}"
    until(lambda: vm.run(ask, check=False).returncode == 0, "the server is healthy")
    assert vm.run(ask).stdout == "ok: the server at 127.0.0.1 port 2000 answers\n"
    vm.run(f"docker stop {name}")
    assert inspect(vm, name)["State"]["ExitCode"] == 0
    assert "event=stopped" in vm.run(f"docker logs {name} 2>&1").stdout


@pytest.mark.lab
def test_a_container_that_is_stopped_as_soon_as_it_runs_ends_well(vm: Machine) -> None:
    """The kernel drops the signals that process 1 neither blocks nor handles: then the engine kills it after 10 s."""
    vm.run("mkdir -p slow && echo 'import time; time.sleep(2)' > slow/sitecustomize.py")
    for options in ["-v ~/slow:/slow:ro -e PYTHONPATH=/slow"] + [""] * 5:
        vm.run(f"docker run -d --name brief {options} {IMAGE} && docker stop --time 60 brief")
        assert inspect(vm, "brief")["State"]["ExitCode"] == 0, vm.run("docker logs brief 2>&1").stdout
        vm.run("docker rm -v brief")


@pytest.mark.lab
def test_the_line_of_old_runs_it_and_control_c_stops_it(vm: Machine) -> None:
    screen, keyboard = pty.openpty()
    try:
        typed = vm.command(f"docker run -it --rm --name typed -p 12345:12345 {IMAGE}", user=USER)
        client = subprocess.Popen(typed, stdin=keyboard, stdout=keyboard, stderr=keyboard, start_new_session=True)
        try:
            wait_for_answer(vm, VM)
            os.write(screen, b"\x03")
            assert client.wait(DEADLINE) == 0
        finally:
            client.kill()
            client.wait()
            os.close(keyboard)
        shown = rest(screen)
        assert "event=stopping signal=SIGINT" in shown
        assert "event=stopped" in shown
        until(lambda: not vm.run("docker ps -aq --filter name=typed").stdout, "the container is removed")
    finally:
        os.close(screen)
        vm.run("docker rm -fv typed", check=False)


@pytest.mark.lab
def test_a_folder_of_root_is_refused_with_the_chown_to_type(vm: Machine, started: Callable[[str], str]) -> None:
    refused = vm.run(f"docker run --rm -v /srv/chat:/data {IMAGE}", check=False)
    assert refused.returncode == 78
    assert refused.stderr == (
        "server.py: /data: user 10001 cannot write there (root owns it); type: sudo chown -R 10001:10001 FOLDER on the"
        " host (FOLDER is the folder that is mounted at /data), or mount a folder of the host's own disk there"
        " (docker run -v FOLDER:/data)\n"
    )
    hint = re.search(r"sudo (chown -R 10001:10001 FOLDER)", refused.stderr)
    assert hint is not None
    vm.run(hint[1].replace("FOLDER", "/srv/chat"))
    started(f"-v /srv/chat:/data -p 12345:12345 {IMAGE}")
    until(lambda: answers(vm, VM), "the server answers")
    assert (vm.root / "srv/chat/classcord.db").exists()
