"""The hashing of passwords: two threads that do only this, and the order of the jobs.

A hash takes 16 MiB at the default cost. In each client's own thread, the allocator kept them for that thread: a class
that logged in took hundreds of MiB. Two threads need 32 MiB, however many clients register and log in. A client's
thread hands its work in and waits, so a connection never has more than one job here.

The addresses take turns; the jobs of one address keep their order of arrival, but those of connections that have sent
a wrong password come last. A class behind one address is served in order, and so are pupils with an address each. A
hundred sockets of one address delay another address by one hash.
Nothing is hashed for a connection that was reset or dropped. A peer that has only closed its side of the connection, as
`nc -N` does, may still read, and looks the same as a program that ended. It waits until no other peer waits. But it
gets one turn in ten, so that it never waits for ever.
"""

from __future__ import annotations

import select
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from classcord.net.latch import Latch
from classcord.net.link import Gone, Link
from classcord.ops import logs

__all__ = ["Hashing"]

Result = TypeVar("Result")

_THREADS = 2
"""Hashes at the same time: each takes 16 MiB at the default cost, and the chat needs a processor too."""
_SHARE = 10
"""One turn in this many goes to a peer that has closed its side, if one waits."""


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""
_OWN_MAPPING = 4 << 20
"""Bytes from which a block of memory gets its own mapping, which costs a page fault for each 4 KiB. More than a batch
of lines takes, and more than the worst line (2.6 MB: bytes.join for 65,536 quotes); less than a hash.
"""


def _give_memory_back() -> None:
    """Make each hash use a mapping of its own, which goes back to the system at once.

    glibc stops doing so after the first hash. From then on hashes share memory with other threads: if a small block
    lies in the freed memory of a hash, the next hash takes another 16 MiB. Measured peak with 400 clients: 102 MiB, in
    steps of 16 by chance; with this 71 MiB, and 39 afterwards. Each hash costs a quarter more processor time.
    """
    try:
        import ctypes  # some systems build Python without it

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, AttributeError, OSError, MemoryError):
        return  # another C library, or ctypes fails in a sandbox: the server only takes more memory
    mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING)
    mallopt(_M_TRIM_THRESHOLD, 2 * _OWN_MAPPING)  # glibc's own default ends with the line above


class _Job:
    """A job that one client's thread waits for."""

    __slots__ = ("done", "fault", "link", "result", "work")

    def __init__(self, link: Link, work: Callable[[], Any]) -> None:
        self.link = link
        self.work = work
        self.done = Latch()
        self.result: Any = None
        self.fault: BaseException | None = None


class _Turns:
    """Jobs by address. For the holder of the lock of `Hashing`."""

    def __init__(self) -> None:
        # in the order of their turns; the second queue has the jobs of connections that have sent a wrong password
        self._by_address: OrderedDict[str, tuple[deque[_Job], deque[_Job]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._by_address)

    def add(self, job: _Job) -> None:
        queues = self._by_address.get(job.link.peer.share)
        if queues is None:
            queues = self._by_address[job.link.peer.share] = (deque(), deque())
        queues[job.link.peer.failures > 0].append(job)

    def pop(self) -> _Job:
        """The first job of the address at the front. The address stays at the front until `served`."""
        address, (first, last) = next(iter(self._by_address.items()))
        job = (first or last).popleft()
        if not first and not last:
            del self._by_address[address]
        return job

    def served(self, address: str) -> None:
        """The turn of this address is over."""
        if address in self._by_address:
            self._by_address.move_to_end(address)


class Hashing:
    """Two threads that carry out jobs, once `start` was called, and the jobs that wait."""

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.Lock())  # notified when a job comes
        self._here = _Turns()
        self._leaving = _Turns()  # of peers that have closed their side
        self._count = 0  # jobs that got their turn

    def start(self) -> None:
        """Start the two threads. Raises RuntimeError where the system has no thread left."""
        _give_memory_back()
        for number in range(_THREADS):
            threading.Thread(target=self._serve, name=f"hashing-{number + 1}", daemon=True).start()

    def run(self, link: Link, work: Callable[[], Result]) -> Result:
        """Wait for this client's turn; the result of `work()`. For the client's thread, which may hold no lock.

        Raises Gone if the connection has ended when its turn comes.
        """
        job = _Job(link, work)
        with self._lock:
            self._here.add(job)
            self._lock.notify()
        job.done.wait()
        if job.fault is not None:
            raise job.fault
        result: Result = job.result
        return result

    # --- the two threads ---

    def _serve(self) -> None:
        while True:
            try:
                self._carry_out(self._next())
            except Exception as error:  # no fault may end this thread
                logs.exception("internal_error", error)

    def _carry_out(self, job: _Job) -> None:
        try:
            job.result = job.work()
        except BaseException as fault:
            job.fault = fault
        finally:
            job.done.set()

    def _next(self) -> _Job:
        """Wait for the next job."""
        with self._lock:
            while True:
                while not self._here and not self._leaving:
                    self._lock.wait()
                job = self._pop()
                if job is not None:
                    return job

    def _pop(self) -> _Job | None:
        """The next job, or None if the first job was put aside: call it again."""
        share = self._leaving and self._count % _SHARE == _SHARE - 1
        turns = self._leaving if share or not self._here else self._here
        job = turns.pop()
        try:
            ended = job.link.ended()
            if ended == select.POLLHUP:
                job.fault = Gone()
                job.done.set()
                return None
            if ended and turns is self._here:
                self._leaving.add(job)
                return None
        except BaseException as fault:
            job.fault = fault
            job.done.set()
            raise
        turns.served(job.link.peer.share)
        self._count += 1
        return job
