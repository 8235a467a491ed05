"""`server.py admin` without a command: a prompt, with help, completion, and the history of this session only."""

from __future__ import annotations

import cmd
from typing import Any

from classcord.console.client import command, replies
from classcord.console.words import COMMANDS, quoted, split
from classcord.ops.config import UsageError
from classcord.ops.failure import EXIT_DONE, Failure, one_line

__all__ = ["run"]

_END = ("exit", "quit", "EOF")


class _Prompt(cmd.Cmd):
    prompt = "classcord> "
    intro = "The console of the ClassCord server. Type help for the commands, Tab to complete, exit to leave."

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def onecmd(self, line: str) -> bool:
        """Run a line; whether it is the last one."""
        try:
            words = split(line)
            if words[:1] in (["help"], ["?"]):
                self.do_help(" ".join(words[1:]))
            elif words and words[0] in _END:
                return True
            elif words:
                command(self._folder, words, as_json=False)
        except KeyboardInterrupt:
            print()  # Ctrl-C ends the command
        except (Failure, UsageError) as failure:  # a server that is started again may answer the next one
            print(one_line(str(failure)))
        return False

    def do_help(self, arg: str) -> None:
        for name in [arg] if arg in COMMANDS else COMMANDS:
            print(f"  {f'{name} {COMMANDS[name].usage}'.rstrip():<48} {COMMANDS[name].help}")

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        return [f"{name} " for name in (*COMMANDS, "help", "exit") if name.startswith(text)]

    def completedefault(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        """The names of the people who are here."""
        words = line[:begidx].split()
        if len(words) != 1 or words[0] not in COMMANDS or not COMMANDS[words[0]].people:
            return []
        try:
            people = [user["name"] for reply in replies(self._folder, ["users"]) for user in reply.get("users", ())]
        except Failure:
            return []
        return [f"{quoted(name)} " for name in people if name.startswith(text)]


def run(folder: str) -> int:
    """Read commands until the end. Raises Failure if no server answers at the beginning."""
    for _ in replies(folder, ["stats"]):
        pass
    try:
        import readline

        readline.set_completer_delims(" \t\n")
    except ImportError:
        pass  # a Python without it: no completion
    console = _Prompt(folder)
    intro: str | None = console.intro
    while True:
        try:
            console.cmdloop(intro)
            return EXIT_DONE
        except KeyboardInterrupt:  # at the prompt: only the line is given up
            print()
            intro = ""
