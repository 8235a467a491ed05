"""How the program ends: its exit codes, and the one line on standard error that says why."""

from __future__ import annotations

__all__ = [
    "EXIT_CANT_LISTEN", "EXIT_DATABASE", "EXIT_DONE", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_NOT_ALLOWED",
    "EXIT_NO_SERVER", "EXIT_USAGE", "Failure", "one_line",
]

EXIT_DONE, EXIT_CANT_LISTEN, EXIT_FAILED, EXIT_USAGE, EXIT_DATABASE, EXIT_INTERRUPTED = 0, 1, 1, 2, 78, 130
EXIT_NO_SERVER, EXIT_NOT_ALLOWED = 69, 77
"""As in sysexits.h: the server does not run; only another user may do that."""


class Failure(Exception):
    """The program can't go on. The text is one line with the cause and what to do; `code` is the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def one_line(text: str) -> str:
    """The text with all unprintable characters escaped: newlines, controls, bytes that aren't UTF-8."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
