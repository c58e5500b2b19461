"""Bring a schema up to date: numbered files, each applied once, in order.

A file is ``NNNN_name.sql``, in the SQL that SQLite and PostgreSQL share, each
statement ending with ``;`` at a line's end. All missing ones run in one
transaction. A database that is ahead of the program stops the start.
"""

import re
from collections.abc import Callable
from pathlib import Path

from chatpush.errors import InvalidSettings
from chatpush.store.database import Transaction

DIRECTORY = Path(__file__).parent / "migrations"


def migrate(tx: Transaction, dialect: Callable[[str], str], directory: Path = DIRECTORY) -> None:
    """Apply what is missing.

    Raises:
        InvalidSettings: the database was written by a newer chatpush.
    """
    tx.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)")
    applied = {row["name"] for row in tx.query("SELECT name FROM migration")}
    files = sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    unknown = applied - {file.stem for file in files}
    if unknown:
        raise InvalidSettings(
            f"the database has migrations this program does not know ({', '.join(sorted(unknown))}); "
            "start the newer chatpush that wrote it"
        )
    for file in files:
        if file.stem in applied:
            continue
        for statement in statements(file.read_text(encoding="utf-8")):
            tx.execute(dialect(statement))
        tx.insert("migration", {"name": file.stem})


def statements(text: str) -> list[str]:
    """Split a file into statements, comments dropped."""
    code = re.sub(r"--[^\n]*", "", text)
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", code) if part.strip()]
