"""The shop's own database: orders, visits and events not yet reported.

One small SQLite file, nothing of chatpush in it. Calls are synchronous: each
takes a fraction of a millisecond, and one shop window has few clerks.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS visits (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, locale TEXT NOT NULL, basket TEXT NOT NULL, seen_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, country TEXT NOT NULL, lines TEXT NOT NULL,
    goods TEXT NOT NULL, delivery TEXT NOT NULL, status TEXT NOT NULL, carrier TEXT NOT NULL DEFAULT '',
    tracking_number TEXT NOT NULL DEFAULT '', placed_at TEXT NOT NULL, paid_at TEXT, shipped_at TEXT,
    delivered_at TEXT, eta TEXT
);
CREATE INDEX IF NOT EXISTS orders_of_customer ON orders (customer, placed_at);
CREATE TABLE IF NOT EXISTS reports (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
"""


class Storage:
    """An open database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_TABLES)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return what a question yields."""
        return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, *values: object) -> None:
        """Carry out one statement."""
        self._connection.execute(sql, values)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make several statements happen together or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
