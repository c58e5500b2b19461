"""Open the database that the settings name: a SQLite file, or a PostgreSQL server."""

import importlib
import importlib.util

from chatpush.errors import InvalidSettings
from chatpush.settings import Settings
from chatpush.store.database import Database, SqliteDatabase
from chatpush.store.migrate import migrate

SERVERS = ("postgresql://", "postgres://")


def open_database(settings: Settings) -> Database:
    """Return the database of ``store.database``, not yet started.

    Raises:
        InvalidSettings: its driver is not installed, or nobody knows such an address.
    """
    where = settings.store.database
    if where.startswith(SERVERS):
        return _postgres(where, settings.store.write_queue)
    if "://" in where:
        raise InvalidSettings(
            f"store.database: a file's name or postgresql://…, not {where.partition('://')[0]}://"
        )
    return SqliteDatabase(
        settings.path(where),
        migrate,
        synchronous=settings.store.synchronous,
        write_queue=settings.store.write_queue,
    )


def _postgres(address: str, write_queue: int) -> Database:
    """Return a PostgreSQL server's database; its driver is an extra, and a single machine does without it."""
    if importlib.util.find_spec("psycopg") is None:
        raise InvalidSettings(
            'store.database names a PostgreSQL server; `pip install "chatpush[postgres]"` brings its driver'
        )
    postgres = importlib.import_module("chatpush.store.postgres")
    database: Database = postgres.PostgresDatabase(address, migrate, write_queue=write_queue)
    return database
