"""Old messages are deleted while people talk; what waits for an account stays."""

from __future__ import annotations

import itertools
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.functional.lines import private
from tests.support import DEADLINE, Bystanders, Client, Server, member, say


def test_the_oldest_go_and_what_waits_stays(tmp_path: Path) -> None:
    with Server(tmp_path, "--keep-messages", "50") as server:
        address = server.host, server.port
        with member(address, "alice") as alice, Bystanders(address) as bystanders:
            with member(address, "bob"):
                pass
            alice.until(type="status", user="bob", state="offline")
            alice.send(private("bob", "à demain"), *(say(f"mot{number}") for number in range(600)))
            server.wait_log("event=messages_expired")
            alice.until(**{"from": "Serveur"})
            deadline = time.monotonic() + DEADLINE
            for lap in itertools.count():
                if len(found := shown(alice)) <= 50:
                    break
                assert time.monotonic() < deadline
                if lap < 5:  # all that they say must leave room for the last of alice's among the 50
                    bystanders.check()
            bystanders.check()
            assert found[-1] == "mot599"
            alice.send({"type": "history", "query": "mot3"})
            assert alice.until(type="history")["count"] == 0
            with Client(address) as bob:
                bob.login("bob")
                bob.send({"type": "users"})
                assert bob.until(offline=True)["content"] == "à demain"
            deadline = time.monotonic() + DEADLINE
            while stored(tmp_path) > 50:
                assert time.monotonic() < deadline
                alice.pending()
        assert server.stop() == 0
        told = re.findall("event=messages_expired count=([0-9]+)", "\n".join(server.log))
        with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
            (said,) = db.execute("SELECT max(id) FROM message_rows").fetchone()
        assert sum(map(int, told)) == said - stored(tmp_path), "each that was deleted is counted in the log"


def stored(folder: Path) -> int:
    """How many messages are in the database."""
    with closing(sqlite3.connect(folder / "classcord.db")) as db:
        return int(db.execute("SELECT count(*) FROM message_rows").fetchone()[0])


def shown(client: Client) -> list[str]:
    """The messages of the history that begin with mot."""
    client.pending()
    client.send({"type": "history", "limit": 200})
    return [line["content"] for line in client.pending() if line.get("content", "").startswith("mot")]
