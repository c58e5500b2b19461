"""Open the database that the settings name: a SQLite file, or a PostgreSQL server."""

from chatpush.errors import InvalidSettings
from chatpush.settings import Settings
from chatpush.store.database import Database, SqliteDatabase
from chatpush.store.migrate import migrate

try:
    from chatpush.store.postgres import PostgresDatabase
except ModuleNotFoundError:  # psycopg is an extra; a single machine does without it
    PostgresDatabase = None  # type: ignore[assignment,misc]

SERVERS = ("postgresql://", "postgres://")


def open_database(settings: Settings) -> Database:
    """Return the database of ``store.database``, not yet started.

    Raises:
        InvalidSettings: its driver is not installed, or nobody knows such an address.
    """
    where = settings.store.database
    if where.startswith(SERVERS):
        if PostgresDatabase is None:
            raise InvalidSettings(
                'store.database names a PostgreSQL server; `pip install "chatpush[postgres]"` brings its driver'
            )
        return PostgresDatabase(where, migrate, write_queue=settings.store.write_queue)
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
