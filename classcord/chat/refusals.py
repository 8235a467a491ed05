"""How a client is told that it may not write now: with an error line, or with a notice, which every client shows."""

from __future__ import annotations

from classcord.chat.effects import Effect, Noticed, Refused
from classcord.chat.people import Seat
from classcord.wire.protocol import ProtocolError

__all__ = ["Silenced", "told"]


class Silenced(ProtocolError):
    """The person may not write now. `said` is the text in the server's language."""

    def __init__(self, text: str, said: str) -> None:
        super().__init__("muted", text)
        self.said = said


def told(seat: Seat, error: ProtocolError) -> Effect:
    """The answer to a request of this client that can't be done.

    Most old clients show no error line, and their people would take a message for sent. So who may not write now is
    told so by a notice, unless the client has shown that it is newer: it sends the key `channel`, and has not a type of
    its own for private messages, as one old client does.
    """
    if isinstance(error, Silenced) and (seat.private_type or not seat.keyed):
        return Noticed(seat.address(), error.said)
    return Refused(seat.number, error.code, error.text, error.example)
