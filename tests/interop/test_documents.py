"""The examples of WebSocket in docs/PROTOCOLE.md do what they say, in Java 11 and in JavaScript."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.test_clients import WEB
from tests.support import DEADLINE, ROOT, Server

PROTOCOL = (ROOT / "docs" / "PROTOCOLE.md").read_text()
JAVA = """
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletionStage;
class Web {{
    public static void main(String[] mots) throws Exception {{
        String hote = mots[0], port = mots[1];
{example}
        System.in.read();
        chat.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
        System.out.println("fin");
        System.exit(0);
    }}
}}
"""


def example(language: str) -> str:
    """The document's example in that language."""
    (found,) = re.findall(rf"```{language} WebSocket\n(.*?)```", PROTOCOL, re.DOTALL)
    return str(found)


def test_they_are_about_ten_lines() -> None:
    assert all(len(example(language).splitlines()) <= 12 for language in ("java", "js"))


def test_the_one_in_java(own_server: Callable[..., Server], tmp_path: Path) -> None:
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("needs a JDK: apt install default-jdk-headless")
    (tmp_path / "Web.java").write_text(JAVA.format(example=example("java")), encoding="utf-8")
    compiling = ["javac", "-encoding", "UTF-8", "--release", "11", "-Xlint:all,-options", "-Werror", "Web.java"]
    subprocess.run(compiling, cwd=tmp_path, check=True, timeout=120)
    server = own_server()  # where the guest is the only one
    with subprocess.Popen(
        ["java", "-XX:TieredStopAtLevel=1", "Web", server.host, str(server.port)], cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as java:
        try:
            assert java.stdout is not None
            assert java.stdout.readline().startswith('{"type":"users","users":["invit\\u00e9-'), java.stderr
            assert java.communicate("\n", DEADLINE)[0].endswith("fin\n")
        finally:
            java.kill()


def test_the_one_for_browsers(own_server: Callable[..., Server]) -> None:
    """In node, with the class of the browsers: its own, or that of `ws`, which is alike."""
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "ws").is_dir():
        pytest.skip("needs node and ws: apt install nodejs npm; npm ci --prefix tests/web")
    program = (
        "const WebSocket = globalThis.WebSocket || require('ws'); const adresse = process.argv[1];\n" + example("js")
        + "chat.addEventListener('message', () => chat.close(1000));"
    )
    server = own_server()
    done = subprocess.run(
        [node, "-e", program, f"{server.host}:{server.port}"], capture_output=True, text=True, timeout=DEADLINE,
        check=False, env={**os.environ, "NODE_PATH": str(WEB / "node_modules")},
    )
    first, last = done.stdout.splitlines()
    assert first.startswith("users [ 'invité-"), done.stderr
    assert last == "fin 1000"
