"""The command line: it runs the command, and turns its end into an exit code.

Each command imports its modules when it runs: the health check runs several times a minute and must load little.
"""

from __future__ import annotations

import os
import sys

from classcord import __version__
from classcord.ops import config
from classcord.ops.failure import (
    EXIT_DATABASE,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NO_SERVER,
    EXIT_NOT_ALLOWED,
    EXIT_USAGE,
    Failure,
    one_line,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import NoReturn

__all__ = ["main"]

_OTHER_PYTHON = "use the system's: sudo apt install python3, then /usr/bin/python3 server.py; or: make docker-run"


def main(arguments: list[str], serve: Callable[[config.Config], int]) -> int:
    """Run the command in `arguments`, or `serve` without one. Returns the exit code.

    Every error becomes one line on standard error. For the main thread.
    """
    _open_standard_files()
    for stream in (sys.stdout, sys.stderr):  # None if it was closed
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            code = _run(arguments, serve)
        except SystemExit as end:
            if end.code:
                raise
            code = EXIT_DONE  # argparse, after --help and --version
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `| head` has read enough
        return EXIT_FAILED
    except Exception as error:
        try:
            code, text = _explain(error)
        except MemoryError:
            code = EXIT_FAILED
            text = "there is not even enough memory to find the cause; type ulimit -v unlimited, or end other programs"
        _say(text)
    return code


def _open_standard_files() -> None:
    """Open the standard files that are closed: else another file would get the number, and the output with it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _say(text: str) -> None:
    """Write the waiting log lines, then print the line that says why the program ends."""
    prefix = ""
    try:
        from classcord.ops import logs

        logs.stop()
        prefix = logs.priority(logs.LEVELS["error"])
    except (ImportError, MemoryError):
        pass  # the failed import is the reason for the line
    try:
        print(f"{prefix}server.py: {one_line(text)}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the line can't be printed; the exit code says that it failed


def _explain(error: Exception) -> tuple[int, str]:
    """The exit code and the line for the error that ended a command. Raises MemoryError."""
    if isinstance(error, Failure):
        return error.code, str(error)
    if isinstance(error, config.UsageError):
        return EXIT_USAGE, str(error)
    try:
        from classcord.ops import needs

        few = needs.few_resources(error)
        if few is not None:
            return few.code, str(few)
    except ImportError as lacking:
        if "failed to map" in str(lacking):  # a library of Python's own
            raise MemoryError from None
        if not isinstance(error, ImportError):
            error = lacking
    if isinstance(error, ImportError):
        return EXIT_FAILED, _lacking(error)
    if isinstance(error, OSError):
        return EXIT_FAILED, f"{error.filename or 'standard output'}: {error.strerror or error}"
    return EXIT_FAILED, _fault(error)


def _lacking(error: ImportError) -> str:
    name = error.name or str(error)
    if name in ("fcntl", "resource"):
        return f"this system has no {name}: ClassCord's server needs Linux; run it in Docker: docker compose up -d"
    if name.partition(".")[0] in ("classcord", "handlers"):
        return f"{error}: a file of ClassCord is missing; copy the whole project again"
    what = "SQLite (module _sqlite3)" if name in ("sqlite3", "_sqlite3") else f"the module {name}"
    return f"this Python ({sys.executable}) lacks {what}; {_OTHER_PYTHON}"


def _fault(error: Exception) -> str:
    """Log a fault of the program with its traceback; the line that points to it."""
    import traceback

    from classcord.ops import logs

    incident = os.urandom(4).hex()
    place = traceback.extract_tb(error.__traceback__)[-1]
    logs.exception("internal_error", error, incident=incident)
    logs.stop()
    return (f"a fault in ClassCord, incident {incident}: {type(error).__name__}: {error}"
            f" ({os.path.basename(place.filename)} line {place.lineno}); report it with this line and the log")


# --- the commands ---


def _run(arguments: list[str], serve: Callable[[config.Config], int]) -> int:
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    given = None
    if arguments:
        about = (
            "The ClassCord chat server. Other commands: `server.py health` asks a running server whether it answers,"
            " `server.py backup FILE` copies the database, `server.py restore FILE` puts a copy back, `server.py export"
            " messages|users` writes them for other programs, `server.py import-users FILE` makes accounts of a list,"
            " `server.py forget NAME` deletes a person, `server.py admin` speaks to a running server. Each has its own"
            " --help."
        )
        parser = _parser("server.py", about)
        parser.add_argument("--check-config", action="store_true", help="print the settings in force, and exit")
        parser.add_argument("--version", action="version", version=f"ClassCord {__version__}")
        given = parser.parse_args(arguments)
    settings = config.load(given)
    if given is None or not given.check_config:
        return serve(settings)
    print(config.report(settings))
    for name in config.unknown_variables():
        print(f"server.py: {name} is not a setting; see server.py --help", file=sys.stderr)
    return EXIT_DONE


def _health(arguments: list[str]) -> int:
    from classcord.ops import health

    given = None
    if arguments:  # loading argparse takes longer than the rest of a check
        about = "Ask the server at --host (* is this machine) and --port whether it answers, within 3 seconds."
        given = _parser("server.py health", about, ("host", "port")).parse_args(arguments)
    settings = config.load(given)
    if settings.port == 0:
        raise config.SettingError("port 0 stands for any free port; give the one that the server logged")
    healthy, text = health.check(settings.host, settings.port)
    print(one_line(text))
    return EXIT_DONE if healthy else EXIT_FAILED


def _backup(arguments: list[str]) -> int:
    from classcord.commands import backup

    return _on_data("backup", backup.ABOUT, backup.SETTINGS, backup.add_flags, backup.run, arguments)


def _restore(arguments: list[str]) -> int:
    from classcord.commands import restore

    return _on_data("restore", restore.ABOUT, restore.SETTINGS, restore.add_flags, restore.run, arguments)


def _export(arguments: list[str]) -> int:
    from classcord.commands import export

    return _on_data("export", export.ABOUT, export.SETTINGS, export.add_flags, export.run, arguments)


def _import_users(arguments: list[str]) -> int:
    from classcord.commands import import_users as chosen

    return _on_data("import-users", chosen.ABOUT, chosen.SETTINGS, chosen.add_flags, chosen.run, arguments)


def _forget(arguments: list[str]) -> int:
    from classcord.commands import forget

    return _on_data("forget", forget.ABOUT, forget.SETTINGS, forget.add_flags, forget.run, arguments)


def _on_data(
    name: str, about: str, names: Sequence[str], add_flags: Callable[[argparse.ArgumentParser], None],
    carry_out: Callable[[config.Config, argparse.Namespace], int], arguments: list[str],
) -> int:
    """Run a command that works on the data folder; its exit code."""
    import signal

    from classcord.data.output import FileError
    from classcord.data.remedies import StoreError

    parser = _parser(f"server.py {name}", about, names)
    add_flags(parser)
    given = parser.parse_args(arguments)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # so that an unfinished file is removed
    try:
        return carry_out(config.load(given), given)
    except FileError as error:
        raise Failure(EXIT_FAILED, str(error)) from None
    except StoreError as error:
        raise Failure(EXIT_DATABASE, str(error)) from None


def _admin(arguments: list[str]) -> int:
    import signal

    from classcord.console.words import COMMANDS, split

    listed = "".join(f"\n  {f'{name} {row.usage}'.rstrip():<48} {row.help}" for name, row in COMMANDS.items())
    about = (
        "Speak to the running server, over a socket in its data folder. Without a command: a prompt.\n"
        "Double quotes make one command of a whole line with apostrophes or #: admin \"announce C'est l'heure\".\n\n"
        f"commands:{listed}\n\nexit codes: 0 done, 1 refused, 2 wrong words, {EXIT_NO_SERVER} no server runs with this"
        f" folder, or it ended meanwhile,\n{EXIT_NOT_ALLOWED} only root and the server's own user may do that"
    )
    parser = _parser("server.py admin", about, ("data",), raw=True)
    parser.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    parser.add_argument("words", nargs="...", metavar="COMMAND", help="see above")
    given = parser.parse_args(arguments)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C ends a command, not the prompt
    folder = config.load(given).data
    if not given.words and not given.json:
        from classcord.console.prompt import run

        return run(folder)
    from classcord.console.client import command

    words = given.words
    if len(words) == 1 and len(words[0].split()) > 1:  # a whole line; `make admin` passes one on
        words = split(words[0])
    as_json = given.json or "--json" in words[:1] + words[-1:]
    words = [word for at, word in enumerate(words) if word != "--json" or 0 < at < len(words) - 1]
    if not words:
        raise config.UsageError("--json needs a command; see server.py admin --help")
    return command(folder, words, as_json=as_json)


_COMMANDS = {
    "health": _health, "backup": _backup, "restore": _restore, "export": _export, "import-users": _import_users,
    "forget": _forget, "admin": _admin,
}


# --- flags ---


def _parser(
    program: str, description: str, names: Sequence[str] | None = None, *, raw: bool = False
) -> argparse.ArgumentParser:
    """A parser with a flag for each setting, or only for those in `names`; values stay text until config.load.

    `raw` keeps the line breaks of the description.
    """
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise config.UsageError(f"{message}; see {self.prog} --help")

        def _print_message(self, message: str, file: object = None) -> None:
            print(message, end="")  # argparse's method hides that the disk is full

    made = Parser(
        prog=program, description=description, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter if raw else argparse.HelpFormatter,
        epilog="Each setting also has an environment variable, named after its help. A flag wins over its variable.",
    )
    group = made.add_argument_group("settings")
    for setting in config.SETTINGS:
        if names is None or setting.name in names:
            unit = f" {setting.unit}" if setting.unit else ""
            text = f"{setting.help} (default: {setting.default}{unit}; {setting.variable})"
            group.add_argument(
                setting.flag, dest=setting.attribute, help=text.replace("%", "%%"),
                metavar="|".join(setting.choices) or ("N" if isinstance(setting.default, int) else "TEXT"),
            )
    return made
