"""How long a client that speaks HTTP may take, and when the server calls itself ill."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from classcord.delivery.registry import Registry
from classcord.net.listener import ChatServer
from tests.support import Client, Closed, ask_http
from tests.support.web import answer


@pytest.fixture
def hasty(start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A connection to a server with little patience."""
    monkeypatch.setattr("handlers.web._HEAD_TIME", 0.05)
    monkeypatch.setattr("handlers.web._IDLE", 0.05)
    with Client(("127.0.0.1", start().socket.getsockname()[1])) as client:
        yield client


def test_a_head_that_comes_too_slowly(hasty: Client) -> None:
    hasty.send_raw(ask_http()[:-2])
    assert answer(hasty)[0] == 408
    assert hasty.at_end() == b""


def test_a_browser_that_asks_no_more_is_let_go(hasty: Client) -> None:
    hasty.send_raw(ask_http())
    assert answer(hasty)[0] == 200
    with pytest.raises(Closed):
        hasty.read_line()


def test_a_chat_that_stands_still_is_ill(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "makes_progress", lambda self, seconds: False)
    with Client(("127.0.0.1", start().socket.getsockname()[1])) as client:
        client.send_raw(ask_http("/healthz"))
        status, headers, body = answer(client)
    assert (status, headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert body
