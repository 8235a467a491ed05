"""The console's socket: a file in the data folder, which only root and the server's own user can open.

The address of a Unix socket has room for 107 bytes, and the folder's path may be longer. So both sides open the folder,
and name the socket through it: /proc/self/fd/5/admin.sock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator

__all__ = ["NAME", "Place", "connect", "peer_user", "user_name"]

NAME = "admin.sock"
_WAITING = 8
"""Connections that may wait to be accepted."""


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[tuple[int, str]]:
    """The open folder, and the path of the socket through it."""
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield number, f"/proc/self/fd/{number}/{NAME}"
    finally:
        os.close(number)


class Place:
    """The listening socket in `folder`. The caller holds the folder's lock, so a socket that lies there is an old one.

    Raises OSError: EEXIST if something else lies there, which is left alone.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(folder)
        with _opened(self._folder) as (above, path):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISSOCK(os.stat(NAME, dir_fd=above, follow_symlinks=False).st_mode):
                    raise OSError(errno.EEXIST, "it is not a socket")
                os.unlink(NAME, dir_fd=above)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                # Linux makes the file with the mode of the socket: there is never a moment in which others may open it
                os.fchmod(self.socket.fileno(), 0o600)
                self.socket.bind(path)
                made = os.stat(NAME, dir_fd=above, follow_symlinks=False)
                if made.st_mode & 0o077:
                    os.unlink(NAME, dir_fd=above)
                    raise OSError(errno.EPERM, "this file system gives the socket to everybody")
                owner = os.fstat(above)
                if os.geteuid() == 0 != owner.st_uid:  # root leaves nothing of its own in another user's folder
                    os.chown(NAME, owner.st_uid, owner.st_gid, dir_fd=above, follow_symlinks=False)
                self.socket.listen(_WAITING)
            except OSError:
                self.socket.close()
                raise
            self._made = made.st_dev, made.st_ino

    def remove(self) -> None:
        """Take the socket's file away, if it is still ours. Any thread; safe to repeat."""
        with contextlib.suppress(OSError), _opened(self._folder) as (above, _):
            found = os.stat(NAME, dir_fd=above, follow_symlinks=False)
            if (found.st_dev, found.st_ino) == self._made:
                os.unlink(NAME, dir_fd=above)


def connect(folder: str) -> socket.socket:
    """A connection to the server that uses this folder. Raises OSError."""
    with _opened(folder) as (_, path):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        return connection


def peer_user(connection: socket.socket) -> int:
    """The number of the user at the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def user_name(connection: socket.socket) -> str:
    """Its name, or its number if this system has no name for it."""
    number = peer_user(connection)
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
