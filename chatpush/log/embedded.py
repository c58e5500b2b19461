"""The log of one process: a tail in memory per channel, and one SQLite file behind it.

Durable channels are numbered and committed by the writer thread; what has
left the tail is read from the file. Channels whose retention is not durable
live in the tail alone: their epoch ends with the process or with their
eviction. Both end in the same tail, and watchers hear of every append on the
loop, in order, before the appender is woken.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.errors import CursorLost, Unavailable
from chatpush.log.contract import Cursor, Draft, Publication, Retention, Rules, Sealing, Slice, Watcher
from chatpush.log.reader import Reader
from chatpush.log.records import published
from chatpush.log.tail import Tail
from chatpush.log.together import Together
from chatpush.log.writer import IDEMPOTENCY_MS, Append, Job, Noise, Removal, Sweep, Writer

log = structlog.get_logger(__name__)
T = TypeVar("T")
After = tuple[TenantId, str, Cursor, int]

TAIL_SIZE = 1000
TAILS_KEPT = 100_000
READERS = 2
SWEEP_SECONDS = 60.0
PROBE_BYTES = 8192
UNUSED_MS = 30 * 24 * 3600 * 1000


class EmbeddedLog:
    """A ``Log`` in this process. ``rules(channel)`` says how a channel is kept."""

    def __init__(
        self,
        path: Path,
        rules: Rules,
        sealing: Sealing,
        clock: Clock,
        *,
        synchronous: str = "FULL",
        write_queue: int = 10_000,
        tails_kept: int = TAILS_KEPT,
    ) -> None:
        self._path = path
        self._rules = rules
        self._sealing = sealing
        self._now_ms = clock.milliseconds
        self._write_queue = write_queue
        self._tails_kept = tails_kept
        self._tails: OrderedDict[tuple[TenantId, str], Tail] = OrderedDict()
        self._watchers: list[Watcher] = []
        self._writer = Writer(path, sealing, synchronous, self._report)
        self._reader = Reader(path, sealing, lambda: self._writer.epoch)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="chatpush-log-reader")
        self._tops: Together[tuple[TenantId, str], Cursor] = Together(self._tops_in_file)
        self._afters: Together[After, Slice | str] = Together(self._after_in_file)
        self._waiting = 0
        # Questions that memory could not answer.
        self.file_reads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.start)
        self._loop = loop
        self._sweeper = loop.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await loop.run_in_executor(None, self._writer.stop)
        self._threads.shutdown(wait=True)
        self._reader.close()

    def watch(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    async def append(self, tenant: TenantId, channel: str, draft: Draft) -> Cursor:
        found = self.submit(tenant, channel, draft)
        if found is None:
            await self._sealing.ready(tenant, channel)
            found = self._put(tenant, channel, draft, self._rules(channel))
        return found if isinstance(found, Cursor) else await found

    def submit(
        self, tenant: TenantId, channel: str, draft: Draft
    ) -> "Cursor | asyncio.Future[Cursor] | None":
        retention = self._rules(channel)
        if not retention.durable:
            return self._append_in_memory(tenant, channel, draft, retention)
        if not self._sealing.loaded(tenant, channel):
            return None
        return self._put(tenant, channel, draft, retention)

    async def top(self, tenant: TenantId, channel: str) -> Cursor:
        tail = self._tail(tenant, channel)
        if tail is None:
            if not self._rules(channel).durable:
                tail = self._new_memory_tail(tenant, channel)
            else:
                position = await self._tops.ask((tenant, channel))
                tail = self._tail(tenant, channel) or self._keep(
                    tenant, channel, Tail(position.epoch, position.offset)
                )
        return Cursor(tail.epoch, tail.top)

    async def after(self, tenant: TenantId, channel: str, cursor: Cursor, limit: int) -> Slice:
        found = self.at_hand(tenant, channel, cursor, limit)
        if found is not None:
            return found
        await self._sealing.ready(tenant, channel)
        answer = await self._afters.ask((tenant, channel, cursor, limit))
        if isinstance(answer, str):
            raise CursorLost(answer)
        return answer

    def at_hand(self, tenant: TenantId, channel: str, cursor: Cursor, limit: int) -> Slice | None:
        retention = self._rules(channel)
        tail = self._tail(tenant, channel) or (
            None if retention.durable else self._new_memory_tail(tenant, channel)
        )
        if tail is not None:
            self._expire(tail, retention)
            if tail.epoch == cursor.epoch and tail.covers(cursor.offset):
                return Slice(tail.epoch, tail.top, tail.after(cursor.offset, limit))
        if retention.durable:
            return None
        raise CursorLost(f"{channel}: publications after {cursor.offset} are gone; fetch the state anew")

    async def history(
        self, tenant: TenantId, channel: str, limit: int, since: Cursor | None = None, reverse: bool = False
    ) -> Slice:
        retention = self._rules(channel)
        if retention.durable:
            await self._sealing.ready(tenant, channel)
            self.file_reads += 1
            return await self._in_thread(
                self._reader.history, tenant, channel, limit, since, reverse, retention, self._now_ms()
            )
        tail = self._tail(tenant, channel) or self._new_memory_tail(tenant, channel)
        self._expire(tail, retention)
        if since is not None and since.epoch != tail.epoch:
            raise CursorLost(f"{channel} is in epoch {tail.epoch} now; fetch the state anew")
        if reverse:
            found = tail.before(since.offset if since else tail.top + 1, limit)
        else:
            found = tail.after(since.offset if since else tail.start, limit)
        return Slice(tail.epoch, tail.top, found)

    async def remove(self, tenant: TenantId, channel: str) -> None:
        if self._rules(channel).durable:
            if self._loop is None:
                raise Unavailable("the log is stopped")
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting += 1
            self._writer.put(Removal(tenant, channel, future))
            await future
        elif tail := self._tail(tenant, channel):
            tail.clear()

    async def sweep(self) -> None:
        """Delete what has expired, on disk and in memory."""
        if self._loop is None:
            return
        now_ms = self._now_ms()
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting += 1
        self._writer.put(Sweep(now_ms, now_ms - UNUSED_MS, future))
        for (_, channel), tail in list(self._tails.items()):
            self._expire(tail, self._rules(channel))
            tail.forget_keys(now_ms)
        await future

    async def probe(self) -> None:
        """Return if the file takes publications: noise is written durably and removed again.

        Raises:
            StorageFull: the disk is full. Unavailable: it does not, for another reason.
        """
        for text in (secrets.token_hex(PROBE_BYTES), ""):
            if self._loop is None:
                raise Unavailable("the log is stopped")
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting += 1
            self._writer.put(Noise(text, future))
            await future

    # -- appending -----------------------------------------------------------

    def _put(
        self, tenant: TenantId, channel: str, draft: Draft, retention: Retention
    ) -> "asyncio.Future[Cursor]":
        if self._loop is None or self._waiting >= self._write_queue:
            raise Unavailable("too many publications are waiting for the disk; try again in a moment")
        future: asyncio.Future[Cursor] = self._loop.create_future()
        self._waiting += 1
        self._writer.put(Append(tenant, channel, draft, retention, self._now_ms(), future))
        return future

    # -- memory channels ---------------------------------------------------

    def _append_in_memory(self, tenant: TenantId, channel: str, draft: Draft, retention: Retention) -> Cursor:
        tail, now_ms = self._tail(tenant, channel), self._now_ms()
        if tail is None:
            tail = self._new_memory_tail(tenant, channel)
        if draft.idempotency_key or draft.version:
            covered = self._covered(tail, draft, now_ms)
            if covered is not None:
                return covered
        offset = tail.top + 1
        publication = published(draft, offset, now_ms)
        tail.add(publication, retention.size if retention.size < TAIL_SIZE else TAIL_SIZE)
        self._tell(tenant, channel, tail.epoch, publication)
        return Cursor(tail.epoch, offset)

    def _covered(self, tail: Tail, draft: Draft, now_ms: int) -> Cursor | None:
        """Return the position of a repeated or stale draft; remember a new one."""
        if draft.idempotency_key and (offset := tail.known(draft.idempotency_key, now_ms)):
            return Cursor(tail.epoch, offset)
        if 0 < draft.version <= tail.version and draft.version_epoch == tail.version_epoch:
            return Cursor(tail.epoch, tail.top)
        if draft.idempotency_key:
            tail.remember(draft.idempotency_key, tail.top + 1, now_ms + IDEMPOTENCY_MS)
        if draft.version:
            tail.version, tail.version_epoch = draft.version, draft.version_epoch
        return None

    def _new_memory_tail(self, tenant: TenantId, channel: str) -> Tail:
        """An epoch of its own, so that an evicted channel never reuses a position."""
        return self._keep(tenant, channel, Tail(secrets.token_hex(4), 0))

    # -- the writer's report -------------------------------------------------

    def _report(self, group: list[Job]) -> None:
        """Called in the writer's thread after a commit."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._committed, group)
        else:  # stopping: nobody watches any more, but callers still wait
            for job in group:
                job.future.get_loop().call_soon_threadsafe(self._committed, [job])

    def _committed(self, group: list[Job]) -> None:
        self._waiting -= len(group)
        for job in group:
            if isinstance(job, Append):
                self._appended(job)
            elif (
                isinstance(job, Removal)
                and job.error is None
                and (tail := self._tail(job.tenant, job.channel))
            ):
                tail.clear()
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.position if isinstance(job, Append) else None)

    def _appended(self, job: Append) -> None:
        publication, position = job.publication, job.position
        if publication is None or position is None or job.error is not None:
            return
        tail = self._tail(job.tenant, job.channel)
        if tail is None or tail.epoch != position.epoch:
            tail = self._keep(job.tenant, job.channel, Tail(position.epoch, publication.offset - 1))
        tail.add(publication, min(job.retention.size, TAIL_SIZE))
        self._tell(job.tenant, job.channel, position.epoch, publication)

    def _tell(self, tenant: TenantId, channel: str, epoch: str, publication: Publication) -> None:
        for watcher in self._watchers:
            try:
                watcher(tenant, channel, epoch, publication)
            except Exception:
                log.exception("a watcher of the log failed", channel=channel)

    # -- odds and ends -------------------------------------------------------

    def _tail(self, tenant: TenantId, channel: str) -> Tail | None:
        tail = self._tails.get((tenant, channel))
        if tail is not None:
            self._tails.move_to_end((tenant, channel))
        return tail

    def _keep(self, tenant: TenantId, channel: str, tail: Tail) -> Tail:
        self._tails[tenant, channel] = tail
        while len(self._tails) > self._tails_kept:
            self._tails.popitem(last=False)
        return tail

    def _expire(self, tail: Tail, retention: Retention) -> None:
        if retention.ttl_seconds:
            tail.expire(self._now_ms() - retention.ttl_seconds * 1000)

    async def _tops_in_file(self, channels: list[tuple[TenantId, str]]) -> list[Cursor]:
        self.file_reads += 1
        return await self._in_thread(self._reader.tops, channels)

    async def _after_in_file(self, questions: list[After]) -> list[Slice | str]:
        """Return what follows each cursor, or why nothing does."""
        self.file_reads += 1
        now_ms = self._now_ms()

        def read() -> list[Slice | str]:
            return [self._reader_says(question, now_ms) for question in questions]

        return await self._in_thread(read)

    def _reader_says(self, question: After, now_ms: int) -> Slice | str:
        tenant, channel, cursor, limit = question
        try:
            return self._reader.after(tenant, channel, cursor, limit, self._rules(channel), now_ms)
        except CursorLost as lost:
            return lost.message

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Exception:
                log.exception("the log's sweep failed")
