"""Forget what is old: deliveries with their traces and dead letters, then messages without any.

What is still to be sent stays, however old. Some hundred rows go in one
transaction, so nobody else waits long for theirs.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from chatpush.clock import Clock
from chatpush.domain import to_ms
from chatpush.store.database import Database, Transaction
from chatpush.store.parameters import among

PAGE = 500


class Retention:
    """How long messages are remembered; ``others`` are pruned along with them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        days: int,
        others: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(days=days)
        self._others = others

    async def prune(self) -> int:
        """Forget everything older than it need be; return how many deliveries and messages that were."""
        before = to_ms(self._clock.now() - self._kept)
        total = 0
        for page in (_deliveries, _messages):
            while gone := await self._database.write(lambda tx, page=page: page(tx, before)):  # type: ignore[misc]
                total += gone
        for prune in self._others:
            await prune()
        return total


def _deliveries(tx: Transaction, before: int) -> int:
    rows = tx.query(
        "SELECT tenant, id FROM delivery WHERE created_at < :b AND pending = 0 ORDER BY created_at LIMIT :n",
        b=before, n=PAGE,
    )  # fmt: skip
    by_tenant: dict[str, list[str]] = {}
    for row in rows:
        by_tenant.setdefault(row["tenant"], []).append(row["id"])
    for tenant, own in by_tenant.items():
        ids, params = among(own)
        for table in ("trace_entry", "dead_letter", "digest_item"):
            tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND delivery IN {ids}", t=tenant, **params)
        tx.execute(f"DELETE FROM inbox_item WHERE tenant = :t AND latest IN {ids}", t=tenant, **params)
        tx.execute(f"DELETE FROM delivery WHERE tenant = :t AND id IN {ids}", t=tenant, **params)
    return len(rows)


def _messages(tx: Transaction, before: int) -> int:
    """A broadcast that is still open has readers to come; its message stays."""
    rows = tx.query(
        "SELECT m.tenant, m.id FROM message AS m WHERE m.accepted_at < :b AND m.fanned_at IS NOT NULL"
        " AND m.recalling = 0"
        " AND NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.tenant = m.tenant AND d.message = m.id)"
        " AND NOT EXISTS (SELECT 1 FROM broadcast AS o WHERE o.tenant = m.tenant AND o.message = m.id"
        " AND (o.seq IS NULL OR o.closes_at >= :b)) ORDER BY m.accepted_at LIMIT :n",
        b=before, n=PAGE,
    )  # fmt: skip
    for row in rows:
        for table, column in (("broadcast", "message"), ("message", "id")):
            tx.execute(
                f"DELETE FROM {table} WHERE tenant = :t AND {column} = :m", t=row["tenant"], m=row["id"]
            )
    return len(rows)
