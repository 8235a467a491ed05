#!/usr/bin/env python3
"""The start of the ClassCord server. It checks the interpreter, sets the signals, and joins the parts.

Every Python from 2.7 on must be able to read this file, so that an old one can say that it is too old. So nothing
here has annotations. `classcord/command_line.py` is the program itself.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - older versions can't read the imports below
    import os

    hint = "on Debian 12, Ubuntu 22.04 or later: sudo apt install python3; or run it in Docker: make docker-run"
    for name in ["/usr/bin/python3"] + ["python3.%s" % minor for minor in range(14, 9, -1)]:  # noqa: UP031
        test = name + " -c 'import sqlite3, sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1"
        if os.name == "posix" and os.system(test) == 0:
            hint = "this machine has one: " + name + " " + sys.argv[0]
            break
    this = ".".join(map(str, sys.version_info[:3]))
    sys.exit("server.py: Python 3.10 or later is needed, this is " + this + "; " + hint)

COMMANDS = ("health", "backup", "restore", "export", "import-users", "forget", "admin")
"""The commands of the program other than serving."""
BRIEF = ("-h", "--help", "--version", "--check-config")
"""With one of these flags the program doesn't serve."""


def see_to_signals():  # type: ignore[no-untyped-def]
    """Block the signals that stop a server, until it waits for them; other commands end at once at a signal.

    The kernel drops a signal that process 1 of a container does not handle and does not block. So this comes before
    the slow imports: `signal` alone takes 30 ms if the base has no bytecode.
    """
    import _signal  # type: ignore[import-not-found]

    if not hasattr(_signal, "pthread_sigmask"):
        return  # not a system that the server runs on
    stop = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP}
    if set(sys.argv[1:2]) & set(COMMANDS) or set(sys.argv) & set(BRIEF):
        if _signal.getsignal(_signal.SIGINT) == _signal.default_int_handler:  # which would print a traceback
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, stop)
    else:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, stop)


def serve(settings):  # type: ignore[no-untyped-def]
    """Serve until a signal says stop; the exit code."""
    from classcord import serving
    from handlers.connection import serve_client

    return serving.serve(settings, serve_client)


def main(arguments):  # type: ignore[no-untyped-def]
    """The program. Returns its exit code."""
    try:
        from classcord.command_line import main
    except ModuleNotFoundError as error:
        if error.name not in ("classcord", "classcord.command_line"):
            raise
        sys.stderr.write("server.py: the folder classcord must be beside it: copy the whole project, not one file\n")
        return 1
    return main(arguments, serve)


if __name__ == "__main__":
    see_to_signals()  # type: ignore[no-untyped-call]
    code = main(sys.argv[1:])  # type: ignore[no-untyped-call]
    import os

    os._exit(code)  # clients' threads may still be in a system call; there is nothing left to tidy
