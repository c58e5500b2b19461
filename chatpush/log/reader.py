"""Read the log's file: each call one snapshot, in any thread but the writer's."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from chatpush.domain import TenantId
from chatpush.errors import CursorLost
from chatpush.log.contract import Cursor, Publication, Retention, Sealing, Slice
from chatpush.log.records import unseal

# Within SQLite's limits on rows of VALUES and on parameters, also of old builds.
NAMES_AT_ONCE = 400


class Reader:
    """Read-only connections, one per thread. ``epoch()`` is that of channels never written."""

    def __init__(self, path: Path, sealing: Sealing, epoch: Callable[[], str]) -> None:
        self._path = path
        self._sealing = sealing
        self._epoch = epoch
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def tops(self, channels: list[tuple[TenantId, str]]) -> list[Cursor]:
        """Return where each channel stands in the file.

        Asked all at once: with a busy loop beside it, a thread waits for the
        interpreter's lock after every step of a statement, for milliseconds.
        """
        connection = self._connection()
        found: dict[tuple[str, str], Cursor] = {}
        for start in range(0, len(channels), NAMES_AT_ONCE):
            names = [name for asked in channels[start : start + NAMES_AT_ONCE] for name in asked]
            places = ", ".join(["(?, ?)"] * (len(names) // 2))
            rows = connection.execute(
                f"WITH asked (tenant, channel) AS (VALUES {places})"
                " SELECT tenant, channel, epoch, top FROM asked CROSS JOIN channel USING (tenant, channel)", names,
            )  # fmt: skip
            found |= {(tenant, channel): Cursor(epoch, top) for tenant, channel, epoch, top in rows}
        never = Cursor(self._epoch(), 0)
        return [found.get(asked, never) for asked in channels]

    def after(
        self, tenant: TenantId, channel: str, cursor: Cursor, limit: int, retention: Retention, now_ms: int
    ) -> Slice:
        """Return what follows the cursor without a hole.

        Raises:
            CursorLost: another epoch, or something after the cursor is gone.
        """
        found = self.history(tenant, channel, limit, cursor, False, retention, now_ms)
        expected = cursor.offset + 1
        for publication in found.publications:
            if publication.offset != expected:
                raise CursorLost(
                    f"{channel}: publications after {cursor.offset} are gone; fetch the state anew"
                )
            expected += 1
        if cursor.offset > found.top or (not found.publications and cursor.offset != found.top and limit > 0):
            raise CursorLost(f"{channel}: nothing is kept after {cursor.offset}; fetch the state anew")
        return found

    def history(
        self,
        tenant: TenantId,
        channel: str,
        limit: int,
        since: Cursor | None,
        reverse: bool,
        retention: Retention,
        now_ms: int,
    ) -> Slice:
        """Return what is kept, as ``Log.history`` promises.

        Raises:
            CursorLost: ``since`` is of another epoch.
        """
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            channel_id, epoch, top = self._channel(connection, tenant, channel)
            if since is not None and since.epoch != epoch:
                raise CursorLost(f"{channel} is in epoch {epoch} now; fetch the state anew")
            low, high = top - retention.size, top + 1
            if since is not None and reverse:
                high = min(high, since.offset)
            elif since is not None:
                low = max(low, since.offset)
            rows = connection.execute(
                "SELECT position, time_at, body_sealed FROM publication WHERE channel_id = ? AND position > ?"
                " AND position < ? AND (expires_at IS NULL OR expires_at > ?)"
                f" ORDER BY position {'DESC' if reverse else 'ASC'} LIMIT ?",
                (channel_id, low, high, now_ms, limit),
            ).fetchall()
        finally:
            connection.execute("COMMIT")
        opened = (self._opened(tenant, channel, epoch, row) for row in rows)
        return Slice(epoch, top, tuple(publication for publication in opened if publication))

    def close(self) -> None:
        """Close all connections; no thread may be reading."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _opened(
        self, tenant: TenantId, channel: str, epoch: str, row: tuple[int, int, bytes]
    ) -> Publication | None:
        offset, time_ms, sealed = row
        return unseal(self._sealing, tenant, channel, epoch, offset, time_ms, sealed)

    def _channel(
        self, connection: sqlite3.Connection, tenant: TenantId, channel: str
    ) -> tuple[int, str, int]:
        row: tuple[int, str, int] | None = connection.execute(
            "SELECT id, epoch, top FROM channel WHERE tenant = ? AND channel = ?", (tenant, channel)
        ).fetchone()
        return row or (0, self._epoch(), 0)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            self._connections.append(connection)
        return connection
