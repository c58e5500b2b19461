"""Tell a full disk apart from whatever else keeps a database from writing.

Two rooms write SQLite files; both tell their callers the same. Where the files
are stands in the log, not in what browsers may read.
"""

import sqlite3

from chatpush.errors import StorageFull, Unavailable

DISK = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR))
PRIMARY = 0xFF
"""The byte of SQLite's extended codes that is the plain one."""
RETRY_SECONDS = 30.0


def unwritten(error: Exception, what: str) -> Unavailable:
    """Return what callers are told when SQLite did not take a write; nothing of it happened."""
    match sqlite_code(error):
        case sqlite3.SQLITE_FULL:
            return full("the disk of data_dir")
        case sqlite3.SQLITE_IOERR:
            said = f"the disk of data_dir does not write ({error}); what was acknowledged is stored"
        case _:
            said = f"{what} did not commit: {error}"
    return Unavailable(said)


def sqlite_code(error: Exception) -> int:
    """Return SQLite's plain result code, 0 for an error that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & PRIMARY


def full(place: str) -> StorageFull:
    """Return the refusal of a place that has no room."""
    return StorageFull(
        f"{place} is full: free space there, then send this again; what was acknowledged is stored",
        retry_after_seconds=RETRY_SECONDS,
    )
