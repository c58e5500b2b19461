"""Keep records: many readers, one writer, and no acknowledgement before the commit.

``Database`` is what the rooms see; SQLite is here, PostgreSQL in
``postgres.py``, and one contract test runs over both. A write is a plain
function that gets a ``Transaction``: it runs whole or not at all, and when the
``await`` returns it is durable.

SQLite has one writer thread. It takes whatever writes are waiting, runs each
in its own savepoint inside one ``BEGIN IMMEDIATE``, commits once (group
commit) and only then wakes the callers. Readers have connections of their own
(WAL), so they never wait for the writer. A sqlite-utils connection is never
shared between threads: that loses committed writes.
"""

import asyncio
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlite_utils
import structlog

from chatpush.errors import InvalidInput, InvalidSettings, Unavailable
from chatpush.fullness import DISK, sqlite_code, unwritten
from chatpush.store.parameters import placed

Row = dict[str, Any]
TOO_LARGE = "a number is larger than 64 bits hold"
UNREADABLE = "a text holds what no database keeps: a NUL, or half a character (a lone surrogate)"
T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_LIMIT = 512
READERS = 2
BUSY_MILLISECONDS = 5000
STOP = object()


class Transaction(Protocol):
    """One write's view of the database; synchronous, inside one transaction."""

    lock: str

    def query(self, sql: str, **params: Any) -> list[Row]:
        """Return the rows of a statement (a SELECT or one with RETURNING)."""
        ...

    def execute(self, sql: str, **params: Any) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def insert(self, table: str, row: Mapping[str, Any], on_conflict: str = "") -> int:
        """Insert one row; ``on_conflict`` is the text after ON CONFLICT, if any."""
        ...

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]], on_conflict: str = "") -> int:
        """Insert rows that all have the same columns; return how many."""
        ...


class Database(Protocol):
    """Where records live."""

    async def start(self) -> None:
        """Connect and bring the schema up to date."""
        ...

    async def stop(self) -> None:
        """Finish what waits and disconnect."""
        ...

    async def read(self, sql: str, **params: Any) -> list[Row]:
        """Return the rows of a SELECT that sees all acknowledged writes."""
        ...

    async def write(self, job: Callable[[Transaction], T]) -> T:
        """Run the job in a transaction and return its result once it is durable.

        A job may be run again after colliding with another node's, so it changes
        nothing but the database and hands over what it found by returning it.

        Raises:
            Unavailable: too many writes are waiting, or the database is stopped.
        """
        ...


@lru_cache(maxsize=512)
def _insert_by_place(table: str, names: tuple[str, ...], on_conflict: str) -> str:
    tail = f" ON CONFLICT {on_conflict}" if on_conflict else ""
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}){tail}"


def _by_place(sql: str, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
    statement, names = placed(sql)
    return statement, [params[name] for name in names]


def rows_of(cursor: Any) -> list[Row]:
    """Return a cursor's rows as dictionaries; none if it has no columns."""
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


class SqliteTransaction:
    """A ``Transaction`` on the writer thread's connection."""

    lock = ""

    def __init__(self, connection: sqlite_utils.Database) -> None:
        self._connection = connection

    def query(self, sql: str, **params: Any) -> list[Row]:
        return rows_of(self._connection.execute(*_by_place(sql, params)))

    def execute(self, sql: str, **params: Any) -> int:
        return self._connection.execute(*_by_place(sql, params)).rowcount

    def insert(self, table: str, row: Mapping[str, Any], on_conflict: str = "") -> int:
        statement = _insert_by_place(table, tuple(row), on_conflict)
        return self._connection.execute(statement, tuple(row.values())).rowcount

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]], on_conflict: str = "") -> int:
        all_rows = list(rows)
        if not all_rows:
            return 0
        names = tuple(all_rows[0])
        statement = _insert_by_place(table, names, on_conflict)
        values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        return self._connection.conn.executemany(statement, map(values, all_rows)).rowcount


class _Write:
    """A job with the future that waits for it."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Callable[[Transaction], Any], future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class SqliteDatabase:
    """A ``Database`` in one SQLite file.

    ``migrate`` brings the schema up to date on the writer's connection before
    anything else runs. ``synchronous`` FULL keeps acknowledged writes through
    a power loss; NORMAL only through a crash of the process.
    """

    def __init__(
        self,
        path: Path,
        migrate: Callable[[Transaction, Callable[[str], str]], None],
        *,
        synchronous: str = "FULL",
        write_queue: int = 10_000,
    ) -> None:
        self._path = path
        self._migrate = migrate
        self._synchronous = synchronous
        self._waiting: queue.Queue[Any] = queue.Queue(write_queue)
        self._local = threading.local()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="chatpush-reader")
        self._connections: list[sqlite3.Connection] = []
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._open()
        except (OSError, sqlite3.Error) as error:
            raise InvalidSettings(f"store.database: {self._path} can't be opened: {error}") from error

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._write_loop, args=(loop, ready), name="chatpush-writer")
        self._thread.start()
        await ready

    async def stop(self) -> None:
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._waiting.put, STOP)
        await loop.run_in_executor(None, thread.join)
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()

    async def read(self, sql: str, **params: Any) -> list[Row]:
        if self._thread is None:
            raise Unavailable("the database is stopped")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, sql, params)

    async def write(self, job: Callable[[Transaction], T]) -> T:
        if self._thread is None:
            raise Unavailable("the database is stopped")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait(_Write(job, future))
        except queue.Full as error:
            raise Unavailable("too many writes are waiting; try again in a moment") from error
        return await future

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _read(self, sql: str, params: dict[str, Any]) -> list[Row]:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._connections.append(connection)
        try:
            return rows_of(connection.execute(*_by_place(sql, params)))
        except OverflowError as error:
            raise InvalidInput(TOO_LARGE) from error
        except UnicodeEncodeError as error:
            raise InvalidInput(UNREADABLE) from error

    def _write_loop(self, loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> None:
        try:
            database = sqlite_utils.Database(self._connect())
            database.enable_wal()
            database.execute(f"PRAGMA synchronous = {self._synchronous}")
            transaction = SqliteTransaction(database)
            database.execute("BEGIN IMMEDIATE")
            self._migrate(transaction, _sqlite_dialect)
            database.execute("COMMIT")
        except Exception as error:
            loop.call_soon_threadsafe(_finish, ready, None, error)
            return
        loop.call_soon_threadsafe(_finish, ready, None, None)
        while (group := self._next_group()) is not None:
            self._commit(database, transaction, group)
            loop.call_soon_threadsafe(_wake, group)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    def _next_group(self) -> list[_Write] | None:
        """Return the writes that wait now (at least one), or None to stop."""
        first = self._waiting.get()
        if first is STOP:
            return None
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                further = self._waiting.get_nowait()
            except queue.Empty:
                break
            if further is STOP:
                self._waiting.put(STOP)
                break
            group.append(further)
        return group

    def _commit(
        self, database: sqlite_utils.Database, transaction: SqliteTransaction, group: list[_Write]
    ) -> None:
        try:
            database.execute("BEGIN IMMEDIATE")
            for write in group:
                _run(database, transaction, write)
            database.execute("COMMIT")
        except Exception as error:
            log.error("commit failed", error=str(error), writes=len(group))
            if database.conn.in_transaction:
                database.execute("ROLLBACK")
            for write in group:
                write.error = write.error or unwritten(error, "the database")


def _run(database: sqlite_utils.Database, transaction: SqliteTransaction, write: _Write) -> None:
    """Run one job in its savepoint; its exception is the caller's, not the group's."""
    database.execute("SAVEPOINT job")
    try:
        write.result = write.job(transaction)
    except Exception as error:
        write.error = _told(error)
        if not database.conn.in_transaction:
            raise
        database.execute("ROLLBACK TO job")
    database.execute("RELEASE job")


def _told(error: Exception) -> Exception:
    """Return a job's exception as its caller hears it."""
    if sqlite_code(error) in DISK:
        log.error("the disk does not take a write", error=str(error))
        return unwritten(error, "the database")
    if isinstance(error, OverflowError):
        return InvalidInput(TOO_LARGE)
    return InvalidInput(UNREADABLE) if isinstance(error, UnicodeEncodeError) else error


def _wake(group: list[_Write]) -> None:
    for write in group:
        _finish(write.future, write.result, write.error)


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _sqlite_dialect(sql: str) -> str:
    """Return the shared schema text as SQLite wants it."""
    return re.sub(r"\bBYTES\b", "BLOB", sql)
