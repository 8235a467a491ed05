"""A client that speaks HTTP: its requests, one after the other, until one opens a WebSocket or the connection ends."""

from __future__ import annotations

import time

from classcord.net.web import Web
from classcord.site import Site
from classcord.wire import http, websocket
from classcord.wire.http import Answer, Refused, Request
from handlers.context import Context

__all__ = ["Visit"]

_READ = 4096
_REQUESTS = 100
"""Requests of one connection: browsers open the next one by themselves."""
_HEAD_TIME = 10.0
"""Seconds until the head of a request must be there."""
_IDLE = 15.0
"""Seconds that a connection may wait for the next request."""
_PROGRESS = 2.5
"""Seconds in which the chat must do something, to be healthy."""
_TEXT = "text/plain; charset=utf-8"


class Visit:
    """One connection of HTTP. Only its client's thread uses it.

    `transport` is that of the context's link. Every answer is an item, like the lines of a client.
    """

    def __init__(self, context: Context, transport: Web, site: Site, unread_limit: int) -> None:
        self._context = context
        self._transport = transport
        self._site = site
        self._unread_limit = unread_limit
        self._host = ""  # of the last request, if it is ours
        self._head_only = False
        self.requests = 0

    def serve(self, data: bytes) -> bytes | None:
        """Answer requests, from these first bytes on. None at the end.

        If a WebSocket is opened, the bytes behind the request. Raises OSError, Flooding, Gone.
        """
        self._received(data)
        last = False
        try:
            while not last:
                head, data = self._head(data)
                if not head:
                    return None
                self.requests += 1
                request = self._request(head)
                if request.path == "/ws":
                    self._open(request)
                    return data
                last = request.last or self.requests >= _REQUESTS
                self._send(self._answer(request), last=last)
                link = self._context.link
                link.wait_until_taken(self._unread_limit)
                if link.dropped or link.expelled:
                    return None
        except Refused as refused:
            hint = "see --web-host" if refused.text == "web_host" else None
            self._context.link.log("web_refused", status=refused.status, detail=refused.why, hint=hint)
            self._send(self._text(refused.status, refused.text, refused.headers), last=True)
        return None

    # --- the request ---

    def _received(self, data: bytes) -> None:
        if self._context.limiter is not None:
            self._context.limiter.received(len(data))

    def _head(self, data: bytes) -> tuple[bytes, bytes]:
        """The next head and what follows it; nothing at the end. Raises Refused, OSError, Flooding, Gone."""
        began = time.monotonic()
        self._host, self._head_only = "", False
        data = data.lstrip(b"\r\n")
        while (end := http.head_end(data)) < 0 and len(data) <= http.MAX_HEAD:
            left = began + (_HEAD_TIME if data else _IDLE) - time.monotonic()
            self._transport.receive_timeout(max(left, 0.001))
            try:
                more = self._transport.receive(_READ) if left > 0 else None
            except BlockingIOError:
                more = None
            if not data and not more:
                return b"", b""
            if more is None:
                raise Refused(408, "web_slow", "the head took too long")
            if not more:
                raise Refused(400, "web_bad", "the head has no end")
            self._received(more)
            if not data:
                began = time.monotonic()
                more = more.lstrip(b"\r\n")
            data += more
        if not 0 <= end <= http.MAX_HEAD:
            raise Refused(431, "web_large", "the head is too long")
        return data[:end], data[end:]

    def _request(self, head: bytes) -> Request:
        """The request that is counted, well-formed, and for this server. Raises Refused, Flooding, Gone."""
        context = self._context
        if context.limiter is not None:
            context.limiter.line()
        watching = context.registry.watching
        if watching.on:
            watching.line(">", context.link, head.partition(b"\n")[0].rstrip(b"\r"))
        self._head_only = head.startswith(b"HEAD ")
        request = http.parse(head)
        # a client of HTTP/1.0 may have no header Host, and browsers are none
        if (request.host or request.minor) and not http.is_ours(request.host, self._site.names):
            raise Refused(403, "web_host", f"the name {request.host[:100]!r} is not known")
        self._host = request.host
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, "web_method", f"the method {request.method[:20]}", (("Allow", "GET, HEAD"),))
        if request.has_body:
            raise Refused(413, "web_large", "a body")
        return request

    # --- the answer ---

    def _answer(self, request: Request) -> Answer:
        if request.path == "/healthz":
            if self._context.registry.makes_progress(_PROGRESS):
                return Answer(200, b"ok\n", _TEXT, (("Cache-Control", "no-store"),))
            return self._text(503, "web_stuck")
        wanted = self._site.files.get(request.path)
        return http.found(wanted, request) if wanted is not None else self._text(404, "web_missing")

    def _text(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        return Answer(status, self._context.texts(text).encode(), _TEXT, headers)

    def _send(self, answer: Answer, *, last: bool) -> None:
        self._context.raw(
            http.encode(answer, time.time(), host=self._host, last=last, head_only=self._head_only)
        )
        self._context.flush()

    def _open(self, request: Request) -> None:
        """Open a WebSocket. Raises Refused."""
        if request.method != "GET":
            raise Refused(405, "web_method", "HEAD of a WebSocket", (("Allow", "GET"),))
        headers = websocket.accept(request)
        origin = request.headers.get("origin")
        # a page of another site may open one, and would chat in a pupil's name; what is not a browser sends none
        if origin is not None and origin.lower() != f"http://{request.host}":
            raise Refused(403, "web_origin", f"the page is from {origin[:100]!r}, not from here")
        self._send(Answer(101, headers=headers), last=False)
        self._context.wait_until_stored()  # lines of the same batch would be sent before it
        self._context.link.peer.client = "websocket" if origin is None else "browser"  # frames may come from here on
