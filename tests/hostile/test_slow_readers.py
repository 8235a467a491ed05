"""Clients that don't read, or hardly read: each is dropped alone, and no other client notices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.tools import eventually, fill, launcher, open_files, said, stuck_member
from tests.support import Bystanders, Server, fields, member, unique

NO_HURRY = ("--stall-timeout", "3600")
"""For clients that must not be dropped for stalling, even if a busy machine needs long for the test."""


def _dropped(lines: list[str]) -> list[dict[str, str]]:
    return [fields(line) for line in lines if "event=dropped" in line]


def test_clients_that_never_read_are_dropped_alone(own_server: Callable[..., Server]) -> None:
    server = own_server(*NO_HURRY)
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender:
        before = server.status("VmRSS")
        most = before
        stuck = [stuck_member(address) for _ in range(5)]
        ports = {str(client.socket.getsockname()[1]) for client in stuck}

        def all_dropped() -> bool:
            nonlocal most
            most = max(most, server.status("VmRSS"))
            return len(_dropped(server.log_so_far())) == len(stuck)

        for _ in range(10):  # 1 MiB in the outbox, as much in the kernel: 48 lines of 48 kB are more than enough
            fill(bystanders, sender, 5)
            if all_dropped():
                break
        eventually(bystanders, all_dropped, "the stuck clients are dropped")
        assert most - before < 32 * 1024, "kB of memory for five stuck clients"
        # gone from the list, and the socket is closed
        sender.send({"type": "users"})
        assert sender.until(type="users")["users"] == sorted([bystanders.one.name, bystanders.two.name, sender.name])
        for client in stuck:
            client.at_end()
            client.close()
        fill(bystanders, sender, 5)
    assert server.stop() == 0
    dropped = _dropped(server.log)
    assert len(dropped) == len(ports)
    assert {line["port"] for line in dropped} == ports
    for line in dropped:
        assert (line["reason"], line["peer"]) == ("outbox_full", "127.0.0.1")
        assert int(line["pending"]) < (1 << 20) + (1 << 19)


def test_the_bound_of_the_outbox_is_the_one_that_is_set(own_server: Callable[..., Server]) -> None:
    server = own_server(*NO_HURRY, "--outbox-limit", str(8 << 20))
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender, stuck_member(address) as stuck:
        fill(bystanders, sender, 40)
        before = said(bystanders, sender)
        got = [stuck.until(type="message", **{"from": sender.name})["content"] for _ in range(40)]
        assert got == before, "a late reader gets everything, in order"
        stuck.pending()
        fill(bystanders, sender, 40)
        assert [stuck.until(type="message", **{"from": sender.name})["content"] for _ in range(40)] == got
    assert server.stop() == 0
    assert _dropped(server.log) == []


def _drops_after(own_server: Callable[..., Server], flag: Path) -> Server:
    """A server with a short time for stalled clients, which drops none before the flag is there.

    Else it might drop a client before the test has come so far; and while much is sent, a bystander that had to wait.
    """
    changes = f"""
from classcord.delivery.registry import Registry
drop = Registry._drop_stalled
def later(self, batch, number):
    if os.path.exists({str(flag)!r}):
        drop(self, batch, number)
Registry._drop_stalled = later
"""
    return own_server("--stall-timeout", "1", "--outbox-limit", str(64 << 20), command=launcher(changes))


@pytest.mark.parametrize("reads", [True, False], ids=["one byte at a time", "nothing"])
def test_a_client_that_hardly_reads_is_dropped_for_stalling(
    own_server: Callable[..., Server], tmp_path: Path, reads: bool
) -> None:
    flag = tmp_path / "everybody has all"
    server = _drops_after(own_server, flag)
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender, stuck_member(address) as stuck:
        fill(bystanders, sender, 20)
        flag.touch()

        def dropped() -> bool:
            if reads and not _dropped(server.log_so_far()):
                try:
                    stuck.socket.recv(1)
                except ConnectionResetError:
                    pass
            return bool(_dropped(server.log_so_far()))

        eventually(bystanders, dropped, "the client that hardly reads is dropped")
        port = str(stuck.socket.getsockname()[1])
        flag.unlink()
        sender.send({"type": "users"})
        assert sender.until(type="users")["users"] == sorted([bystanders.one.name, bystanders.two.name, sender.name])
        fill(bystanders, sender, 5)
    assert server.stop() == 0
    assert [(line["reason"], line["port"]) for line in _dropped(server.log)] == [("stalled", port)]


def test_a_stuck_client_that_half_closes_does_not_stay(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    """It has ended its side, but does not read the lines that are left for it."""
    flag = tmp_path / "it has half-closed"
    server = _drops_after(own_server, flag)
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender:
        threads, files = server.status("Threads"), open_files(server)
        stuck = stuck_member(address)
        fill(bystanders, sender, 20)
        stuck.half_close()
        flag.touch()
        eventually(bystanders, lambda: server.status("Threads") == threads, "its thread has ended")
        eventually(bystanders, lambda: open_files(server) == files, "its socket is closed")
        stuck.close()
    assert server.stop() == 0
    assert [line["reason"] for line in _dropped(server.log)] == ["stalled"]


def test_a_stuck_client_that_vanishes_leaves_nothing(own_server: Callable[..., Server]) -> None:
    server = own_server(*NO_HURRY)
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender:
        threads, files = server.status("Threads"), open_files(server)
        for _ in range(3):
            stuck = stuck_member(address)
            fill(bystanders, sender, 20)
            stuck.close()  # with unread data: a reset
            eventually(bystanders, lambda: server.status("Threads") == threads, "its thread has ended")
            eventually(bystanders, lambda: open_files(server) == files, "its socket is closed")
    assert server.stop() == 0
    assert _dropped(server.log) == []
