"""Helpers of all tests: a server in another process, and a client that waits for lines, never for time."""

from tests.support.client import Client, Closed
from tests.support.lines import Message, fields, say, unique
from tests.support.machine import DEADLINE, IPV6_IS_OFF, ROOT, has_ipv6, insisted
from tests.support.people import Bystanders, bystander_waits, member
from tests.support.server import Server, listener, nobody
from tests.support.web import WebClient, ask_http, frame

__all__ = [
    "DEADLINE", "IPV6_IS_OFF", "ROOT", "Bystanders", "Client", "Closed", "Message", "Server", "WebClient",
    "ask_http", "bystander_waits", "fields", "frame", "has_ipv6", "insisted", "listener", "member", "nobody", "say",
    "unique",
]
