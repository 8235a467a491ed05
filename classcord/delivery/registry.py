"""The delivery engine: the connected clients, and delivery to them by flat combining.

Clients' threads never send by themselves. They post items to one list and try the flush lock without waiting.
The thread that gets the lock runs and sends everything pending: it runs the items, stores their messages in one
transaction, and makes one non-blocking send to each receiver. A thread that doesn't get the lock goes back to reading,
because the holder looks at the list again after it has released the lock. After a few batches a client's thread leaves
the rest to the relief thread, because it must read from its own client. So:

- the order of the list is the order for everybody: ids, screens and the stored history agree;
- a message, or the answer to a registration, is sent only after it is stored (unless storing fails: then the chat
  goes on, the messages wait in the backlog, and the log says so);
- many messages share one commit and one system call for each receiver; a busier server shares more.

One rule keeps it right: every change of the people who are here, and every write to a socket, is an item, and only the
holder runs items.

Locks, in rank order (one may take a later while holding an earlier): the lock of `Hashing` and those of the limits,
which threads take while they hold nothing; the flush lock; the store's write lock; those inside the log. The
store's checkpoint lock comes before its write lock; a thread that has the write lock may only try for it.
"""

from __future__ import annotations

import itertools
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from classcord.chat.accounts import Accounts
from classcord.chat.channels import Channels
from classcord.chat.effects import Effect, HandingDue
from classcord.chat.moderation import Moderation
from classcord.chat.office import Office
from classcord.chat.room import Item, Room
from classcord.chat.waiting import Waiting
from classcord.data.backlog import Backlog
from classcord.data.store import Store
from classcord.delivery import render
from classcord.delivery.audiences import Audiences
from classcord.delivery.batch import Batch
from classcord.delivery.items import item, of_seat
from classcord.delivery.meanings import log_batch
from classcord.delivery.watching import Watching
from classcord.net.latch import Latch
from classcord.net.link import Link, internal_error
from classcord.net.outbox import WAITING, Memory
from classcord.ops import logs
from classcord.wire.texts import Texts

__all__ = ["Registry", "timestamp"]

_BATCH_ITEMS = 256
"""Items in a batch: with more, sharing gains little, and the first waits for the last."""
_BATCH_BYTES = 256 * 1024
"""Bytes of lines in a batch, well under the least outbox limit that makes sense for a busy room."""
_TURNS = 4
"""Batches that a client's thread delivers before it reads again: 1 costs too many changes of threads. With 64 the
slowest hundredth of messages on a busy server waits several times as long (`make bench`, 1000 messages a second)."""
_BACKLOG = 4096
"""With more pending items, a posting thread waits for the flush lock, so that the list stays bounded."""


def timestamp() -> str:
    """Now, ISO 8601 in UTC with milliseconds. Any thread."""
    return render.timestamp(_milliseconds())


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Registry:
    """The delivery engine: the links, and the one list of items about them.

    `clock` gives seconds and never goes back.
    """

    def __init__(
        self, store: Store, accounts: Accounts, texts: Texts, *, stall_timeout: float = 30,
        unsaved_limit: int = 8 << 20, outboxes_limit: int = 64 << 20, clock: Callable[[], float] = time.monotonic,
        channels: Channels | None = None,
    ) -> None:
        self.room = Room(accounts, texts, store.ids.take, channels)
        self.watching = Watching()
        own: tuple[Callable[..., None], ...] = (
            self._resume, self._drop_stalled, self._save, Batch.tell, Batch.raw, self.watching.pass_on,
        )
        self._own = {each.__name__: each for each in own}
        """The operations that are not the room's."""
        self._store = store
        self._backlog = Backlog(store, unsaved_limit)
        self._texts = texts
        self._stall_timeout = stall_timeout
        self._clock = clock
        now, began = _milliseconds(), clock()
        self._items: deque[Item] = deque([
            item(Moderation.begin, began, (*store.bans(now),)),
            item(Waiting.begin_waiting, began, (*store.waiting(now),)),
        ])
        self._lock = threading.Lock()
        self._audiences = Audiences()
        self._numbers = itertools.count(1)
        self._links: dict[int, Link] = {}
        self._by_descriptor: dict[int, Link] = {}
        self._waiting: dict[int, Latch] = {}
        self._answers: dict[int, Effect] = {}
        self.due: queue.SimpleQueue[tuple[float, HandingDue]] = queue.SimpleQueue()
        """Which waiting messages are to be brought, and since when, by time.monotonic: for the postman."""
        self._memory = Memory(outboxes_limit)
        self._epoll = select.epoll()
        self._relief = threading.Event()
        threading.Thread(target=self._watch, name="writable", daemon=True).start()
        threading.Thread(target=self._relieve, name="relief", daemon=True).start()

    def add(self, link: Link) -> None:
        """A connection was accepted: give it its number. Its own thread calls this first and `remove` last."""
        link.number = next(self._numbers)
        link.outbox.memory = self._memory
        self._links[link.number] = self._by_descriptor[link.transport.fileno()] = link

    def remove(self, link: Link) -> None:
        """The connection is about to be closed; nothing is pending for it."""
        self._by_descriptor.pop(link.transport.fileno(), None)
        self._links.pop(link.number, None)

    def link(self, number: int) -> Link | None:
        """The connection with this number, if it has not ended. Any thread."""
        return self._links.get(number)

    def links(self) -> list[Link]:
        """All connections now. Any thread, which may read of them what Link says."""
        return list(self._links.values())

    def storage(self) -> tuple[bool, int]:
        """Whether storing fails now, and how many messages wait until it works again. Any thread."""
        return self._backlog.failing, len(self._backlog)

    def post(self, items: Iterable[Item]) -> None:
        """Append items to the list and see that they run. Any thread; never waits for a client.

        May deliver other threads' items too, up to _TURNS batches. Waits for the flush lock while more than _BACKLOG
        items are pending.
        """
        self._items.extend(items)
        for _ in range(_TURNS):
            if not self._turn(blocking=len(self._items) > _BACKLOG) or not self._items:
                return
        self._relief.set()

    def _turn(self, blocking: bool = False) -> bool:
        """Run one batch, unless another thread is doing it."""
        if not self._lock.acquire(blocking):
            return False
        try:
            self._flush()
        finally:
            self._lock.release()
        return True

    def _relieve(self) -> None:
        """The thread that goes on after a client's thread has done its turns and must read again.

        Without it, a client's thread could deliver for ever on a busy server, and its own client would wait.
        """
        while True:
            self._relief.wait()
            self._relief.clear()
            try:
                while self._items and self._turn():
                    pass
            except Exception as error:
                logs.exception("internal_error", error)

    def wait(self) -> None:
        """Wait until all items that this thread has posted are done and stored. Any thread.

        After `close` has begun it may wait for ever.
        """
        self._told().wait()

    def ask(self, question: Callable[[int], Item]) -> Effect | None:
        """The room's answer to a question, made with its number; None if the room has refused it. Waits like `wait`."""
        done, number = Latch(), next(self._numbers)
        self._waiting[number] = done
        self.post([question(number), item(Batch.tell, number)])
        done.wait()
        return self._answers.pop(number, None)

    def makes_progress(self, seconds: float) -> bool:
        """Whether items are done within this many seconds. Any thread."""
        return self._told().wait(seconds)

    def _told(self) -> Latch:
        """A latch that is set once the batch of the items before it is stored and sent."""
        done, number = Latch(), next(self._numbers)
        self._waiting[number] = done
        self.post([item(Batch.tell, number)])
        return done

    # --- for the holder of the flush lock ---

    def _flush(self) -> None:
        """Run one batch to its end: items that were taken from the list are not put back."""
        batch = Batch(self._links, self._audiences, _milliseconds(), self._clock())
        try:
            self._carry_out(batch)
            if batch.messages or batch.accounts or batch.changes:
                self._commit(batch)
            log_batch(batch, self._links)
            for link, data, shared in self.watching.deliveries(batch):
                try:
                    trouble = link.outbox.send(data, batch.now, shared)
                    if trouble is not None:
                        self._look_after(link, trouble)
                except Exception as error:  # it ends only this client's connection
                    link.log_exception("internal_error", error)
                    self._drop(link, "internal_error")
            for number in batch.expelled:
                self._expel(self._links[number])
            while self._memory.used > self._memory.limit:
                self._drop(max(self._links.values(), key=lambda each: each.outbox.own), "outboxes_full")
            for due in batch.due:
                self.due.put((time.monotonic(), due))
            self._backlog.confirm(batch.messages)
        finally:
            self._answers.update(batch.answers)
            for number in batch.waiting:
                self._waiting.pop(number).set()
            for number in batch.leaving:
                if number in self._links:
                    self._links[number].left = True
                    self._let_go(self._links[number])

    def _carry_out(self, batch: Batch) -> None:
        items, links, do, effects = self._items, self._links, self.room.do, self.room.effects
        meanings = self.watching.meanings()
        for _ in range(min(len(items), _BATCH_ITEMS)):
            operation, number, arguments = items.popleft()
            link = None if number is None else links.get(number)
            try:
                if link is None and operation in self._own:
                    self._own[operation](batch, *arguments)
                # nothing of an expelled client but its end: else it would come back as a new guest
                elif link is None or not link.expelled or operation == "leave":
                    try:
                        do(operation, number, arguments)
                    finally:  # what it caused until a fault is delivered too
                        for effect in effects:
                            meanings[type(effect)](batch, effect)
                        effects.clear()
            except Exception as error:
                effects.clear()
                if link is None:
                    logs.exception("internal_error", error)
                else:
                    batch.to(link.number, internal_error(link, error).line())
            if batch.size > _BATCH_BYTES:
                break

    def _look_after(self, link: Link, trouble: str) -> None:
        """Handle a socket that did not take everything."""
        if link.dropped:
            link.outbox.clear()
        elif trouble != WAITING:
            self._drop(link, trouble)
        elif not link.watched:
            self._await_writable(link)

    def _let_go(self, link: Link) -> None:
        """Wake the client's thread if it waits: for its outbox, or for its end, when nothing is left to send."""
        link.taken()
        if link.left and not link.outbox.pending and link.drained is not None:
            link.drained.set()

    def _commit(self, batch: Batch) -> None:
        """Store the batch. While that fails its messages wait in the backlog, and registrations are refused."""
        at_once = not self._backlog.failing
        if self._backlog.commit(batch.messages, batch.accounts, batch.changes):
            self.room.registrations.stored()
        else:
            self.room.not_stored()
            batch.failed(render.NOT_STORED)
            at_once = False
        self.room.waiting.settle(stored=at_once)
        if not at_once:
            batch.not_at_once()

    def _save(self, batch: Batch, /) -> None:
        """Item: check the storage, and store the messages of the backlog."""
        if self._backlog.tick():
            self._items.append(item(self._save))

    def _drop(self, link: Link, reason: str) -> None:
        """Drop this client; its own thread notices and closes.

        If the client itself is gone, the requests that it sent before still run, and then its thread leaves: many
        programs send their lines and close without reading.
        """
        link.dropped = True
        if reason != "gone":
            link.expelled = True
            self._items.append(of_seat(link.number, Room.leave))
            link.log("dropped", reason=reason, pending=link.outbox.pending)
        link.outbox.clear()
        try:
            if reason != "gone":
                link.transport.discard()
            link.transport.end()
        except Exception:
            pass  # the peer was faster; a fault of one socket must not end the batch
        self._let_go(link)

    def _expel(self, link: Link) -> None:
        """End this client's connection once it has been sent what is for it: its thread receives the end."""
        self._items.append(of_seat(link.number, Room.leave))
        try:
            link.transport.end_receiving()
        except OSError:
            pass  # it has gone

    # --- sockets that were full ---

    def _await_writable(self, link: Link) -> None:
        flags = select.EPOLLOUT | select.EPOLLONESHOT
        try:
            try:
                self._epoll.register(link.transport.fileno(), flags)
            except FileExistsError:
                self._epoll.modify(link.transport.fileno(), flags)
            link.watched = True
        except (OSError, ValueError):  # no memory for example: no event would say when to send on
            self._drop(link, "unwatched")

    def _resume(self, batch: Batch, number: int, /) -> None:
        """Item: the client's socket can be written again."""
        link = self._links.get(number)
        if link is None:
            return
        link.watched = False
        trouble = link.outbox.resume(batch.now)
        if trouble is not None:
            self._look_after(link, trouble)
        self._let_go(link)

    def _drop_stalled(self, batch: Batch, number: int, /) -> None:
        """Item: drop the client if its socket has taken nothing for too long."""
        link = self._links.get(number)
        if link is None:
            return
        outbox = link.outbox
        if outbox.pending and not link.dropped and batch.now - outbox.progress >= self._stall_timeout:
            self._drop(link, "stalled")

    def _watch(self) -> None:
        """The thread that waits for full sockets. It only posts items."""
        looked = self._clock()
        while True:
            try:
                events = self._epoll.poll(1)
                full = [self._by_descriptor.get(descriptor) for descriptor, _ in events]
                items = [item(self._resume, link.number) for link in full if link is not None]
                if self._clock() - looked >= 1:
                    looked = self._clock()
                    waiting = [link for link in list(self._links.values()) if link.outbox.pending]
                    items += [item(self._drop_stalled, link.number) for link in waiting]
                    items += [item(self._save), item(Moderation.tick, looked), item(Waiting.tick_waiting, looked)]
                    logs.report_left_out()
                if items:
                    self.post(items)
            except Exception as error:
                logs.exception("internal_error", error)

    # --- the end ---

    def close(self, drain: float = 3) -> None:
        """Announce the stop, wait up to `drain` seconds until all lines are sent, disconnect, close the store.

        For the main thread, after the server has stopped accepting connections.
        """
        self.post([item(Office.announce, self._texts("stopping"))])
        deadline = self._clock() + drain
        while self._clock() < deadline and (
            self._items or any(link.outbox.pending for link in list(self._links.values()))
        ):
            time.sleep(0.01)
        self._lock.acquire()  # never released: from here on nothing is delivered
        for link in list(self._links.values()):
            link.dropped = True
            try:
                link.transport.end()
            except OSError:
                pass
            if link.drained is not None:
                link.drained.set()
        self._backlog.close()
        self._store.close()
