"""Keep records in PostgreSQL ≥ 15: the same ``Database``, for more than one node.

Each write job is one SERIALIZABLE transaction, so a job may think it is alone,
as it is with SQLite. Where two would collide, one is rolled back and run again
(which is why jobs change nothing but the database). Reads are single
statements on connections of their own and see all that is committed. Both run
in small pools of threads, each thread with its own connection, made when first
needed and again after the server was away.

The SQL is the one SQLite gets: ``:name`` parameters become psycopg's,
``BYTES`` becomes ``BYTEA``, text sorts by code point (``COLLATE "C"``), whole
numbers of whatever width come back as ``int`` and truth as 0 or 1.
"""

import asyncio
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.abc import Buffer
from psycopg.types.string import StrDumper

from chatpush.errors import InvalidInput, InvalidSettings, Unavailable
from chatpush.fullness import full
from chatpush.store.database import TOO_LARGE, UNREADABLE, Row, Transaction, rows_of
from chatpush.store.parameters import formatted

T = TypeVar("T")
log = structlog.get_logger(__name__)

OLDEST_SERVER = 150_000
WRITERS = 4
READERS = 4
ATTEMPTS = 20
FIRST_WAIT_SECONDS = 0.002
LONGEST_WAIT_SECONDS = 0.25
MIGRATION_LOCK = 0x63_68_61_74  # "chat": one number for all nodes
CONNECT = {
    "connect_timeout": 10,
    "application_name": "chatpush",
    "keepalives_idle": 30,
    "options": "-c statement_timeout=60000 -c lock_timeout=15000 -c idle_in_transaction_session_timeout=60000",
}
COLLISIONS = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
REFUSALS = (psycopg.DataError, UnicodeEncodeError)
ENDINGS = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
)
Connection = psycopg.Connection[tuple[Any, ...]]


def _bound(sql: str, params: Mapping[str, Any]) -> bytes:
    return formatted(sql, frozenset(name for name, value in params.items() if value is None))


def _insertion(table: str, columns: Iterable[str], on_conflict: str) -> str:
    """Return an INSERT with one ``:name`` parameter per column."""
    names = list(columns)
    tail = f" ON CONFLICT {on_conflict}" if on_conflict else ""
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}){tail}"


def dialect(sql: str) -> str:
    """Return the shared schema text as PostgreSQL wants it."""
    return re.sub(r"\bTEXT\b", 'TEXT COLLATE "C"', re.sub(r"\bBYTES\b", "BYTEA", sql))


class _NumberLoader(psycopg.adapt.Loader):
    """Sums of BIGINT are numeric here; give them back as SQLite would."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


class _TruthLoader(psycopg.adapt.Loader):
    """A comparison's outcome as 0 or 1."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _TruthDumper(psycopg.adapt.Dumper):
    """A bool goes into the BIGINT columns that hold truth."""

    oid = psycopg.postgres.types["int2"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


class PostgresTransaction:
    """A ``Transaction`` on one writer's connection."""

    lock = "FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()

    def query(self, sql: str, **params: Any) -> list[Row]:
        return rows_of(self._cursor.execute(_bound(sql, params), params))

    def execute(self, sql: str, **params: Any) -> int:
        return self._cursor.execute(_bound(sql, params), params).rowcount

    def insert(self, table: str, row: Mapping[str, Any], on_conflict: str = "") -> int:
        return self.execute(_insertion(table, row, on_conflict), **row)

    def insert_many(self, table: str, rows: Iterable[Mapping[str, Any]], on_conflict: str = "") -> int:
        all_rows = list(rows)
        if not all_rows:
            return 0
        statement = formatted(_insertion(table, all_rows[0], on_conflict))
        self._cursor.executemany(statement, all_rows)
        return self._cursor.rowcount


class _Pool:
    """Threads that each hold one connection."""

    def __init__(self, url: str, threads: int, name: str, prepare: Callable[[Connection], None]) -> None:
        self._url = url
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"chatpush-{name}")
        self._local = threading.local()
        self._open: set[Connection] = set()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run the work in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def connection(self) -> Connection:
        """Return this thread's connection, a new one if the last was lost.

        Raises:
            Unavailable: the server can't be reached.
        """
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            if connection is not None:
                self._open.discard(connection)
            connection = self._local.connection = self._connect()
            self._open.add(connection)
        return connection

    def _connect(self) -> Connection:
        try:
            connection = psycopg.connect(self._url, **CONNECT)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise Unavailable(f"can't connect to PostgreSQL (store.database): {error}") from error
        connection.adapters.register_loader("numeric", _NumberLoader)
        connection.adapters.register_loader("bool", _TruthLoader)
        connection.adapters.register_dumper(bool, _TruthDumper)
        connection.adapters.register_dumper(str, StrDumper)  # as text, not as a literal of unknown type
        self._prepare(connection)
        return connection

    def close(self) -> None:
        """Finish what was begun or waits, then disconnect."""
        self._threads.shutdown(wait=True)
        for connection in self._open:
            connection.close()


class PostgresDatabase:
    """A ``Database`` on a PostgreSQL server."""

    def __init__(
        self,
        url: str,
        migrate: Callable[[Transaction, Callable[[str], str]], None],
        *,
        write_queue: int = 10_000,
    ) -> None:
        self._url = url
        self._migrate = migrate
        self._write_queue = write_queue
        self._waiting = 0
        self._pools: tuple[_Pool, _Pool] | None = None

    async def start(self) -> None:
        """Connect and bring the schema up to date; nodes that start together take turns.

        Raises:
            InvalidSettings: the server is too old, or its schema too new.
            Unavailable: the server can't be reached.
        """
        readers = _Pool(self._url, READERS, "reader", _for_reading)
        writers = _Pool(self._url, WRITERS, "writer", _for_writing)
        self._pools = readers, writers
        try:
            await writers.run(self._bring_up_to_date, writers)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._pools is None:
            return
        pools, self._pools = self._pools, None
        for pool in pools:
            await asyncio.get_running_loop().run_in_executor(None, pool.close)

    async def read(self, sql: str, **params: Any) -> list[Row]:
        if self._pools is None:
            raise Unavailable("the database is stopped")
        readers, _ = self._pools
        return await readers.run(_read, readers, _bound(sql, params), params)

    async def write(self, job: Callable[[Transaction], T]) -> T:
        if self._pools is None:
            raise Unavailable("the database is stopped")
        if self._waiting >= self._write_queue:
            raise Unavailable("too many writes are waiting; try again in a moment")
        _, writers = self._pools
        self._waiting += 1
        try:
            return await writers.run(_write, writers, job)
        finally:
            self._waiting -= 1

    def _bring_up_to_date(self, writers: _Pool) -> None:
        connection = writers.connection()
        version = connection.info.server_version
        if version < OLDEST_SERVER:
            raise InvalidSettings(
                f"store.database: PostgreSQL {version // 10_000} is too old; 15 or newer is needed"
            )
        # A node that waited for the lock must see what the one before it did.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        transaction = PostgresTransaction(connection)
        try:
            transaction.query("SELECT pg_advisory_xact_lock(:lock)", lock=MIGRATION_LOCK)
            self._migrate(transaction, dialect)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        _for_writing(connection)


def _for_reading(connection: Connection) -> None:
    connection.autocommit = True
    connection.execute("SET default_transaction_read_only = on")


def _for_writing(connection: Connection) -> None:
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE


def _read(readers: _Pool, sql: bytes, params: dict[str, Any]) -> list[Row]:
    """Run a SELECT, once more on a fresh connection if the old one was lost."""
    connection = readers.connection()
    try:
        return rows_of(connection.execute(sql, params))
    except REFUSALS as error:
        raise _told(error) from None
    except psycopg.OperationalError as error:
        if not _lost(connection, error):
            raise
    try:
        return rows_of(readers.connection().execute(sql, params))
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database does not answer: {error}") from error


def _write(writers: _Pool, job: Callable[[Transaction], T]) -> T:
    """Run a job to its commit, again as long as it collides with others.

    A connection lost before the commit was asked for is worth one more try;
    lost while committing, nobody knows what happened, and the caller is told.
    """
    wait, losses = FIRST_WAIT_SECONDS, 0
    for _ in range(ATTEMPTS):
        connection = writers.connection()
        try:
            result = job(PostgresTransaction(connection))
            _commit(connection)
        except REFUSALS as error:
            connection.rollback()
            raise _told(error) from None
        except COLLISIONS as error:
            log.debug("write collided", error=str(error))
            connection.rollback()
        except errors.DiskFull as error:
            connection.rollback()
            raise full("PostgreSQL's disk") from error
        except psycopg.OperationalError as error:
            if not _lost(connection, error):
                connection.rollback()
                raise
            losses += 1
            if losses > 1:
                raise Unavailable(f"the database does not answer: {error}") from error
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise
        else:
            return result
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
    raise Unavailable(f"the write collided with others {ATTEMPTS} times; try again in a moment")


def _told(error: Exception) -> Exception:
    """Return what could not be sent or kept as the caller hears it."""
    if isinstance(error, errors.NumericValueOutOfRange):
        return InvalidInput(TOO_LARGE)
    # The driver refuses by the bare class, the server by one of its children, which are mistakes of ours.
    unreadable = type(error) is psycopg.DataError or isinstance(error, UnicodeEncodeError)
    return InvalidInput(UNREADABLE) if unreadable else error


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except COLLISIONS:
        raise
    except psycopg.OperationalError as error:
        connection.close()
        raise Unavailable(f"lost the database at the commit, which may have happened: {error}") from error


def _lost(connection: Connection, error: psycopg.OperationalError) -> bool:
    """Return whether the connection is gone, and close what is left of it."""
    if not connection.closed and not isinstance(error, ENDINGS):
        return False
    connection.close()
    return True
