"""Let exporters follow every delivery: accepted, sent, delivered, seen, failed …, completely and in order.

A step is written in the transaction that makes it (``happenings``), so it is
true if and only if it is told. It waits on disk until every exporter that takes
deliveries has it, for ``KEPT`` at most: a system that is away longer is told by
a ``delivery.gap`` how much it missed. Who erased themselves is no longer named.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, from_ms, iso, new_id, to_ms
from chatpush.plugins.contracts import Record
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

log = structlog.get_logger(__name__)

KEPT = timedelta(days=7)
DROPPED_AT_ONCE = 5000
GAP = "delivery.gap"
EVERYTHING = "~"  # sorts after every id


class Steps:
    """The steps of every tenant's deliveries; a ``Stream`` of ``account.exports``."""

    name = "deliveries"

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def after(self, tenant: TenantId, position: str, until: datetime, limit: int) -> list[Record]:
        """Return the steps after one, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM delivery_step WHERE tenant = :t AND id > :after AND at <= :until ORDER BY id LIMIT :n",
            t=tenant, after=position, until=to_ms(until), n=limit,
        )  # fmt: skip
        ids, params = among(dict.fromkeys(row["delivery"] for row in rows if row["delivery"]))
        about = await self._database.read(
            "SELECT d.id, d.category, d.campaign, m.template, u.id AS user_id FROM delivery AS d"
            " JOIN message AS m ON m.tenant = d.tenant AND m.id = d.message"
            " LEFT JOIN app_user AS u ON u.tenant = d.tenant AND u.id = d.user_id"
            f" WHERE d.tenant = :t AND d.id IN {ids}",
            t=tenant, **params,
        )  # fmt: skip
        known = {row["id"]: row for row in about}
        return [_record(tenant, row, known.get(row["delivery"])) for row in rows]

    async def forget(self, tenant: TenantId, taken: Mapping[str, str]) -> None:
        """Drop what every exporter has, and what has waited too long."""
        through = min(taken.values(), default=EVERYTHING)
        oldest = to_ms(self._clock.now() - KEPT)
        while await self._database.write(lambda tx: _drop_in(tx, tenant, through)) == DROPPED_AT_ONCE:
            pass
        first = "SELECT at FROM delivery_step WHERE tenant = :t ORDER BY id LIMIT 1"
        rows = await self._database.read(first, t=tenant)
        if rows and rows[0]["at"] < oldest:
            now = self._clock.now()
            lost = await self._database.write(lambda tx: _lose_in(tx, tenant, oldest, taken, now))
            log.error("steps of deliveries were dropped untold", tenant=tenant, **lost)

    async def clear(self) -> int:
        """Drop everything, because nobody takes deliveries any more; return how many that was."""
        return await self._database.write(lambda tx: tx.execute("DELETE FROM delivery_step"))


def _drop_in(tx: Transaction, tenant: TenantId, through: str) -> int:
    return tx.execute(
        "DELETE FROM delivery_step WHERE tenant = :t AND id IN"
        " (SELECT id FROM delivery_step WHERE tenant = :t AND id <= :through ORDER BY id LIMIT :n)",
        t=tenant, through=through, n=DROPPED_AT_ONCE,
    )  # fmt: skip


def _lose_in(
    tx: Transaction, tenant: TenantId, oldest: int, taken: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """Drop what is too old, leave word of it in its place, and return the word."""
    old = {"t": tenant, "oldest": oldest}
    last = tx.query("SELECT MAX(id) AS id FROM delivery_step WHERE tenant = :t AND at < :oldest", **old)[0][
        "id"
    ]
    lost = tx.execute("DELETE FROM delivery_step WHERE tenant = :t AND at < :oldest", **old)
    behind = sorted(name for name, position in taken.items() if position < last)
    said = {"dropped": lost, "exporters": behind, "before": iso(from_ms(oldest))}
    gap = {
        "tenant": tenant, "id": new_id("stp"), "type": GAP, "message": "", "delivery": "",
        "detail": json.dumps(said), "at": to_ms(now),
    }  # fmt: skip
    tx.insert("delivery_step", gap)
    return said


def _record(tenant: TenantId, row: Row, about: Row | None) -> Record:
    """Return a step; what it is about may be gone by now."""
    data = {"message": row["message"] or None, "delivery": row["delivery"] or None}
    if about is not None:
        data |= {
            "user": about["user_id"], "category": about["category"], "campaign": about["campaign"] or None,
            "template": about["template"] or None,
        }  # fmt: skip
    data |= json.loads(row["detail"])
    return Record(row["id"], row["type"], tenant, row["delivery"] or row["message"], from_ms(row["at"]), data)
