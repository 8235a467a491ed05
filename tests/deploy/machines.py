"""Machines for the tests of deploy/: Debian systems with systemd as PID 1, each in a network namespace of its own.

A machine is an overlay on a root file system that mmdebstrap makes once, in CACHE. So it boots in about two seconds,
and the changes of a test vanish with it. Root only. Nothing here touches this machine's own network,
firewall or services.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support import DEADLINE, ROOT

__all__ = [
    "PROJECT", "USER", "Desk", "Done", "Machine", "NoMirror", "bootstrap", "made_once", "missing", "rootfs", "until",
]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "classcord-lab"
USER = "etudiant"
"""The user who works on a machine, with docker, and sudo without a password."""
PROJECT = f"/home/{USER}/classcord"
"""The project's folder on a machine."""

PACKAGES = (
    "ca-certificates", "dbus", "docker.io", "docker-compose", "git", "iproute2", "iptables", "iputils-ping", "less",
    "make", "ncat", "netcat-openbsd", "nftables", "openssh-client", "openssh-server", "procps", "python3",
    "python3-venv", "rootlesskit", "slirp4netns", "sudo", "systemd", "systemd-sysv", "ufw", "uidmap",
)
_SUITE = "bookworm"
_NEEDED = {
    "mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ip": "iproute2", "nsenter": "util-linux",
    "git": "git", "pgrep": "procps", "ping": "iputils-ping", "nc.openbsd": "netcat-openbsd",
}
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The engine and systemd's own limits need the resource controllers, which nspawn leaves read-only
_CGROUPS_UNIT = """[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for d in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$d" || :; done'
ExecStart=/bin/sh -c 'mount -o remount,bind,rw /sys/fs/cgroup || :'
[Install]
WantedBy=sysinit.target
"""
_SETUP = f"""
set -e
useradd --create-home --shell /bin/bash --groups sudo,docker {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
systemctl enable -q lab-cgroups.service
systemctl disable -q docker.service docker.socket containerd.service ufw.service ssh.service
systemctl mask -q systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-logind.service \
    apt-daily.timer apt-daily-upgrade.timer console-getty.service getty@.service
rm -f /etc/fstab /etc/machine-id /etc/hostname
: >/etc/machine-id
"""

Done = subprocess.CompletedProcess[str]


def missing() -> str | None:
    """The tools that a lab lacks here and how to get them, or None."""
    if os.geteuid() != 0:
        return "needs root: sudo make test-deploy"
    packages = sorted(package for tool, package in _NEEDED.items() if shutil.which(tool) is None)
    if packages:
        return f"needs {', '.join(packages)}: apt install {' '.join(packages)}"
    return None


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Wait until the condition holds. For events without a line to wait for, like another machine's processes."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s: {what}"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.5)  # a look may start programs, and what it waits for needs the processor too


@contextmanager
def made_once(name: str, recipe: str) -> Iterator[tuple[Path, Path | None]]:
    """The recipe's result in CACHE, and the place to make it (None if it exists). Other test runs wait meanwhile."""
    made = CACHE / name.format(hashlib.sha256(recipe.encode()).hexdigest()[:12])
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists():
            yield made, None
            return
        draft = CACHE / f"draft-{made.name}"
        subprocess.run(["rm", "-rf", str(draft)], check=True)  # of a run that was interrupted
        yield made, draft
        draft.rename(made)


class NoMirror(Exception):
    """Debian's packages can't be downloaded; the text says why."""


def bootstrap(*arguments: str) -> None:
    """Run mmdebstrap. Raises NoMirror."""
    done = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", *arguments], check=False, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
    )
    if done.returncode:
        raise NoMirror(f"needs Debian's packages, once, to make machines of: {done.stderr.strip()[-500:]}")


def rootfs() -> Path:
    """The root file system that all machines share. If it is missing, it is made in about half a minute."""
    with made_once("rootfs-{}", "\0".join([_SUITE, *PACKAGES, "cache", _CGROUPS_UNIT, _SETUP])) as (made, draft):
        if draft is not None:
            # the packages stay in apt's cache, so that a machine can install them again without a network
            bootstrap("--skip=cleanup/apt", f"--include={','.join(PACKAGES)}", _SUITE, str(draft))
            (draft / "etc/systemd/system/lab-cgroups.service").write_text(_CGROUPS_UNIT)
            subprocess.run(["chroot", str(draft), "sh", "-c", _SETUP], check=True)
    return made


class Desk:
    """A network namespace in which commands of this machine run: a desk that has only its own addresses."""

    def __init__(self, netns: str) -> None:
        self.netns = netns

    def command(self, command: str, *, user: str = "root", env: dict[str, str] | None = None,
                cwd: str | None = None) -> list[str]:
        """The argument list that runs a line of shell there."""
        del user  # there is no other user
        settings = [f"{name}={value}" for name, value in (env or {}).items()]
        return ["nsenter", f"--net=/run/netns/{self.netns}", "env", *settings, "bash", "-c",
                f"cd {shlex.quote(cwd or '/')} && {command}"]

    def run(self, command: str, *, check: bool = True, user: str = "root", env: dict[str, str] | None = None,
            cwd: str | None = None, input: str | None = None, timeout: float = 120) -> Done:
        """Run a line of shell as `user`, and capture its output. With `check`, fail with the output if it failed."""
        done = subprocess.run(
            self.command(command, user=user, env=env, cwd=cwd), input=input, capture_output=True, text=True,
            timeout=timeout, check=False, stdin=subprocess.DEVNULL if input is None else None,
        )
        assert not check or done.returncode == 0, (
            f"{self.netns}$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def start(self, command: str, *, user: str = "root") -> subprocess.Popen[str]:
        """Start a line of shell with pipes; the caller ends it."""
        return subprocess.Popen(
            self.command(command, user=user), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the desk's network, and stay there."""
        with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{self.netns}") as there:
            _enter_network(there.fileno())
            try:
                yield
            finally:
                _enter_network(here.fileno())


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


def _is_systemd(pid: int) -> bool:
    """Whether the process is PID 1 of a namespace, and systemd by now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return status.startswith("Name:\tsystemd\n") and re.search(r"^NSpid:.*\s1$", status, re.MULTILINE) is not None


def _make_cgroups(name: str) -> list[Path]:
    """A control group in each hierarchy: without it, two machines would mix up their processes."""
    made = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        mount = Path("/sys/fs/cgroup", controllers.removeprefix("name=") or "unified")
        if not controllers and not mount.is_dir():
            mount = mount.parent  # only the unified hierarchy
        parent = Path(f"{mount}{own}")
        if controllers == "cpuset":
            (parent / "cgroup.clone_children").write_text("1")  # else the new group has no processor to run on
        group = parent / f"lab-{name}"
        group.mkdir(exist_ok=True)
        made.append(group)
    return made


def _enter(groups: list[Path]) -> None:
    """Move this process there, before it becomes the machine. It ends when the test run ends, in any way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _remove_cgroups(groups: list[Path]) -> None:
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            # the last processes of the machine may still be on their way out
            until(partial(_remove_folder, folder), f"nothing runs in {folder} any more")


def _remove_folder(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def _enter_network(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0):  # os.setns came with Python 3.12
        raise OSError(ctypes.get_errno(), "setns")


class Machine(Desk):
    """A booted Debian in a network namespace. Commands of `run` are its own; the project lies in ~etudiant/classcord.

    `folder` holds what it writes. `close` ends it.
    """

    def __init__(self, netns: str, folder: Path) -> None:
        super().__init__(netns)
        self._folder = folder
        self.root = folder / "root"
        self._leader = 0
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._mounted = False
        self._cgroups: list[Path] = []
        for name in ("upper", "work", "root", "docker"):
            (folder / name).mkdir(parents=True)

    def boot(self) -> None:
        """Start it and wait until systemd has started everything."""
        name = self.netns.partition("-")[0]
        if not self._mounted:
            layers = f"lowerdir={rootfs()},upperdir={self._folder}/upper,workdir={self._folder}/work"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
            self._mounted = True
            (self.root / "etc/hostname").write_text(f"{name}\n")
            (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
        self._cgroups = _make_cgroups(self.netns)
        log = (self._folder / "boot.log").open("ab")
        self._nspawn = subprocess.Popen(
            [
                # its own namespace: when its first process ends, all others end too, the machine's as well
                "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                "systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot", "--register=no", "--keep-unit",
                f"--machine={self.netns}", f"--network-namespace-path=/run/netns/{self.netns}", "--capability=all",
                "--system-call-filter=add_key keyctl bpf", f"--bind={self._folder}/docker:/var/lib/docker",
                "--console=pipe",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=partial(_enter, self._cgroups),
            env={"PATH": _PATH, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        )
        log.close()
        until(self._find_leader, f"the machine {self.netns} boots: {self._folder}/boot.log")
        until(self._is_up, f"systemd in {self.netns} is up: {self._folder}/boot.log", 60)
        self.run("systemctl daemon-reexec")  # systemd found the resource controllers read-only at its start

    def _find_leader(self) -> bool:
        """Look for the machine's PID 1 among nspawn's children, the first of which only prepares it."""
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, (self._folder / "boot.log").read_text(errors="replace")
        grandchildren = [child for nspawn in _children(self._nspawn.pid) for child in _children(nspawn)]
        self._leader = next(filter(_is_systemd, grandchildren), 0)
        return self._leader != 0

    def _is_up(self) -> bool:
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def command(self, command: str, *, user: str = "root", env: dict[str, str] | None = None,
                cwd: str | None = None) -> list[str]:
        home = "/root" if user == "root" else f"/home/{user}"
        settings = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": home, "USER": user, "TERM": "dumb", **(env or {})}
        change = f"cd {shlex.quote(cwd or home)} && "
        inside = ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), "bash", "-c", change + command]
        if user != "root":
            inside = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *inside]
        return ["nsenter", "-t", str(self._leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root",
                "--", *inside]

    def lay_project(self, target: str = PROJECT) -> str:
        """Put the project's files there, as they are now, owned by USER. Returns the folder."""
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
            check=True,
        ).stdout
        self.run(f"rm -rf {target} && mkdir -p {target}")
        there = [name for name in names.split(b"\0") if name and os.path.lexists(ROOT / os.fsdecode(name))]
        packed = subprocess.run(
            ["tar", "-C", str(ROOT), "--null", "--files-from=-", "-c"], input=b"\0".join(there), capture_output=True,
            check=True,
        ).stdout
        unpack = f"tar -C {target} -xf - && chown -R {USER}:{USER} {target}"
        subprocess.run(self.command(unpack), input=packed, check=True)
        return target

    def outside(self, path: str) -> Path:
        """The path on this machine of a file of that one, even of a file on a file system mounted there."""
        return Path(f"/proc/{self._leader}/root{path}")

    def shut_down(self) -> None:
        """Power off in the normal way, as a person would."""
        assert self._nspawn is not None
        self.run("systemctl poweroff", check=False)
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            pass
        self._kill()

    def reboot(self) -> None:
        """Power off and boot again, and keep the files. Firewall rules and forwarding are lost."""
        self.shut_down()
        # a network namespace would keep them
        forget = f"chroot {rootfs()} /usr/sbin/nft flush ruleset && echo 0 >/proc/sys/net/ipv4/ip_forward"
        Desk(self.netns).run(forget)
        self.boot()

    def _kill(self) -> None:
        if self._nspawn is not None and self._nspawn.poll() is None:
            if self._leader:
                os.kill(self._leader, signal.SIGKILL)  # PID 1 of the machine: everything in it ends too
            try:
                self._nspawn.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        self._nspawn = None
        _remove_cgroups(self._cgroups)

    def close(self) -> None:
        """End it, and delete its files."""
        try:
            self._kill()
        finally:
            if self._mounted:
                subprocess.run(["umount", "--lazy", str(self.root)], check=True)
                self._mounted = False
            shutil.rmtree(self._folder, ignore_errors=True)
