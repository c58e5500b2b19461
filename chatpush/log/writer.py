"""The one thread that writes the log's file, many appends to a commit.

It takes whatever appends are waiting, numbers and seals them, writes them in
one ``BEGIN IMMEDIATE`` transaction and reports the group only after the
commit. Numbers are given here and nowhere else, so an append that fails
leaves no hole.
"""

import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from chatpush.domain import TenantId
from chatpush.errors import Unavailable
from chatpush.fullness import unwritten
from chatpush.log.alone import Alone
from chatpush.log.contract import Cursor, Draft, Publication, Retention, Sealing
from chatpush.log.records import published, seal

log = structlog.get_logger(__name__)

GROUP_LIMIT = 1024
STATES_KEPT = 100_000
IDEMPOTENCY_MS = 300_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS channel (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, channel TEXT NOT NULL, epoch TEXT NOT NULL,
    top BIGINT NOT NULL, version BIGINT NOT NULL, version_epoch TEXT NOT NULL, used_at BIGINT NOT NULL,
    UNIQUE (tenant, channel));
CREATE TABLE IF NOT EXISTS publication (
    channel_id BIGINT NOT NULL, position BIGINT NOT NULL, time_at BIGINT NOT NULL,
    expires_at BIGINT, body_sealed BLOB NOT NULL, PRIMARY KEY (channel_id, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS publication_expires ON publication (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    channel_id BIGINT NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL, position BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, PRIMARY KEY (channel_id, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_expires ON idempotency (expires_at);
"""


@dataclass(slots=True)
class Append:
    """One append on its way through the writer; ``publication`` is set if it was written."""

    tenant: TenantId
    channel: str
    draft: Draft
    retention: Retention
    now_ms: int
    future: Any
    position: Cursor | None = None
    publication: Publication | None = None
    error: Exception | None = None


@dataclass(slots=True)
class Removal:
    """Drop a channel's publications."""

    tenant: TenantId
    channel: str
    future: Any
    error: Exception | None = None


@dataclass(slots=True)
class Sweep:
    """Delete what has expired; channels unused since ``unused_before_ms`` are forgotten."""

    now_ms: int
    unused_before_ms: int
    future: Any
    error: Exception | None = None


@dataclass(slots=True)
class Noise:
    """Take up room as a publication would; with no ``text``, give it back.

    It has a commit of its own: what it finds out must not befall what fits.
    """

    text: str
    future: Any
    error: Exception | None = None


Job = Append | Removal | Sweep | Noise


class _State:
    """What the writer knows of a channel without asking the file."""

    __slots__ = ("epoch", "id", "oldest", "top", "version", "version_epoch")

    def __init__(self, row: tuple[int, str, int, int, str], oldest: int) -> None:
        self.id, self.epoch, self.top, self.version, self.version_epoch = row
        self.oldest = oldest


class Writer:
    """Owns the write connection; ``report(group)`` is called in the thread after each commit."""

    def __init__(
        self, path: Path, sealing: Sealing, synchronous: str, report: Callable[[list[Job]], None]
    ) -> None:
        self._path = path
        self._sealing = sealing
        self._synchronous = synchronous
        self._report = report
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held: Noise | None = None
        self._states: dict[tuple[TenantId, str], _State] = {}
        self._thread = threading.Thread(target=self._run, name="chatpush-log")
        self._opened = threading.Event()
        self._failure: Exception | None = None
        self._connection: sqlite3.Connection
        self._alone = Alone(path.with_name(f"{path.name}.lock"))
        self.epoch = ""

    def start(self) -> None:
        """Open the file and start the thread; blocks until the file is open.

        Raises:
            Unavailable: the file can't be opened.
            InvalidSettings: another process writes it.
        """
        self._alone.take()
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            self._alone.give()
            raise Unavailable(f"the log {self._path} can't be opened: {self._failure}") from self._failure

    def put(self, job: Job) -> None:
        """Queue a job; the report comes after its commit."""
        self._queue.put(job)

    def stop(self) -> None:
        """Finish what is queued and close; blocks."""
        self._queue.put(None)
        self._thread.join()
        self._alone.give()

    def _run(self) -> None:
        try:
            self._open()
        except Exception as error:
            self._failure = error
            return
        finally:
            self._opened.set()
        while (group := self._next_group()) is not None:
            self._commit(group)
            self._report(group)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection = connection
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.executescript(SCHEMA)
        connection.execute(
            "INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT (name) DO NOTHING", (secrets.token_hex(4),)
        )
        self.epoch = self._stored_epoch()

    def _stored_epoch(self) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        return str(row[0])

    def _next_group(self) -> list[Job] | None:
        first, self._held = self._held or self._queue.get(), None
        if first is None:
            return None
        group = [first]
        if isinstance(first, Noise):
            return group
        while len(group) < GROUP_LIMIT:
            try:
                further = self._queue.get_nowait()
            except queue.Empty:
                break
            if further is None:
                self._queue.put(None)
                break
            if isinstance(further, Noise):
                self._held = further
                break
            group.append(further)
        return group

    def _commit(self, group: list[Job]) -> None:
        """Write the group in one transaction; if that fails, nothing of it has happened."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            rows: list[tuple[Any, ...]] = []
            touched: dict[int, tuple[_State, Retention, int]] = {}
            for job in group:
                if isinstance(job, Append):
                    self._append(job, rows, touched)
                    continue
                self._flush(rows, touched)
                if isinstance(job, Removal):
                    self._remove(job)
                elif isinstance(job, Sweep):
                    self._sweep(job)
                else:
                    self._connection.execute("DELETE FROM meta WHERE name = 'noise'")
                    if job.text:
                        self._connection.execute("INSERT INTO meta VALUES ('noise', ?)", (job.text,))
            self._flush(rows, touched)
            self._connection.execute("COMMIT")
        except Exception as error:
            log.error("log commit failed", error=str(error), jobs=len(group))
            self._states.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.epoch = self._stored_epoch()
            for job in group:
                job.error = job.error or unwritten(error, "the log")

    def _append(
        self, job: Append, rows: list[tuple[Any, ...]], touched: dict[int, tuple[_State, Retention, int]]
    ) -> None:
        state = self._state(job.tenant, job.channel, job.now_ms)
        draft = job.draft
        if draft.idempotency_key:
            found = self._connection.execute(
                "SELECT epoch, position FROM idempotency WHERE channel_id = ? AND name = ? AND expires_at > ?",
                (state.id, draft.idempotency_key, job.now_ms),
            ).fetchone()
            if found:
                job.position = Cursor(*found)
                return
        if 0 < draft.version <= state.version and draft.version_epoch == state.version_epoch:
            job.position = Cursor(state.epoch, state.top)
            return
        offset = state.top + 1
        try:
            sealed = seal(self._sealing, job.tenant, job.channel, state.epoch, offset, draft)
        except Exception as error:
            job.error = error
            return
        ttl = job.retention.ttl_seconds
        rows.append((state.id, offset, job.now_ms, job.now_ms + ttl * 1000 if ttl else None, sealed))
        state.top = offset
        if draft.version:
            state.version, state.version_epoch = draft.version, draft.version_epoch
        touched[state.id] = (state, job.retention, job.now_ms)
        job.position = Cursor(state.epoch, offset)
        job.publication = published(draft, offset, job.now_ms)
        if draft.idempotency_key:
            self._connection.execute(
                "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)",
                (state.id, draft.idempotency_key, state.epoch, offset, job.now_ms + IDEMPOTENCY_MS),
            )

    def _flush(self, rows: list[tuple[Any, ...]], touched: dict[int, tuple[_State, Retention, int]]) -> None:
        """Write the collected rows and trim the channels that grew well past their size."""
        if not rows:
            return
        self._connection.executemany("INSERT INTO publication VALUES (?, ?, ?, ?, ?)", rows)
        self._connection.executemany(
            "UPDATE channel SET top = ?, version = ?, version_epoch = ?, used_at = ? WHERE id = ?",
            [(s.top, s.version, s.version_epoch, now_ms, s.id) for s, _, now_ms in touched.values()],
        )
        for state, retention, _ in touched.values():
            slack = max(16, retention.size // 4)
            if state.top - state.oldest >= retention.size + slack:
                state.oldest = state.top - retention.size
                self._connection.execute(
                    "DELETE FROM publication WHERE channel_id = ? AND position <= ?", (state.id, state.oldest)
                )
        rows.clear()
        touched.clear()

    def _state(self, tenant: TenantId, channel: str, now_ms: int) -> _State:
        state = self._states.get((tenant, channel))
        if state is not None:
            return state
        execute = self._connection.execute
        execute(
            "INSERT INTO channel (tenant, channel, epoch, top, version, version_epoch, used_at)"
            " VALUES (?, ?, ?, 0, 0, '', ?) ON CONFLICT (tenant, channel) DO NOTHING",
            (tenant, channel, self.epoch, now_ms),
        )
        row = execute(
            "SELECT id, epoch, top, version, version_epoch FROM channel WHERE tenant = ? AND channel = ?",
            (tenant, channel),
        ).fetchone()
        oldest = execute("SELECT MIN(position) FROM publication WHERE channel_id = ?", (row[0],)).fetchone()[
            0
        ]
        state = self._states[tenant, channel] = _State(row, oldest - 1 if oldest else row[2])
        if len(self._states) > STATES_KEPT:
            self._states.pop(next(iter(self._states)))
        return state

    def _remove(self, job: Removal) -> None:
        self._connection.execute(
            "DELETE FROM publication WHERE channel_id IN"
            " (SELECT id FROM channel WHERE tenant = ? AND channel = ?)",
            (job.tenant, job.channel),
        )

    def _sweep(self, job: Sweep) -> None:
        """Expire rows; forgetting channels starts a new epoch, so that offsets are never reused in one."""
        execute = self._connection.execute
        execute("DELETE FROM publication WHERE expires_at <= ?", (job.now_ms,))
        execute("DELETE FROM idempotency WHERE expires_at <= ?", (job.now_ms,))
        forgotten = execute(
            "DELETE FROM channel WHERE used_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM publication WHERE channel_id = channel.id)",
            (job.unused_before_ms,),
        ).rowcount
        if forgotten:
            self._states.clear()
            self.epoch = secrets.token_hex(4)
            execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (self.epoch,))
