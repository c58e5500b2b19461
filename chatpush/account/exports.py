"""Tell other systems what was used and what was done, completely and under ids that never change.

Exporters come from plugins. Usage goes as increments by tenant, day and kind:
the total that is about to be told is written down first, so an increment that
is told again after a crash or a refusal is the same one, under the same id.
Whoever drops ids it knows (CloudEvents' rule, OpenMeter's and Lago's practice)
counts exactly. Audit entries go in order, each after it has settled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial

import structlog

from chatpush.account.audit import Audit
from chatpush.account.metering import Meter
from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.plugins.contracts import Exporter, Record
from chatpush.rounds import Rounds
from chatpush.store.database import Database, Transaction

log = structlog.get_logger(__name__)
LOOK_SECONDS = 30.0
EXPORT_SECONDS = 30.0
SETTLED = timedelta(seconds=10)
"""So old is an audit entry when every transaction begun before it has surely ended."""
LOOK_BACK_DAYS = 35
"""So long may an exporter fail before usage is lost to it."""
FORGET_DAYS = 45
PAGE = 100
ListTenants = Callable[[], Awaitable[Sequence[TenantId]]]


class Exports:
    """Brings usage and audit entries to every exporter."""

    def __init__(
        self,
        database: Database,
        exporters: Sequence[Exporter],
        meter: Meter,
        audit: Audit,
        tenants: ListTenants,
        clock: Clock,
    ) -> None:
        self._database = database
        self._exporters = exporters
        self._meter = meter
        self._audit = audit
        self._tenants = tenants
        self._clock = clock
        self._rounds = Rounds("account.exports", self.turn)

    async def start(self) -> None:
        """Begin, if there is anybody to tell."""
        if self._exporters:
            await self._rounds.start()

    async def stop(self) -> None:
        """End; what was not confirmed is told at the next start."""
        if self._exporters:
            await self._rounds.stop()

    async def turn(self) -> float:
        """Tell every exporter what is new; one that refuses holds up nobody else."""
        for exporter in self._exporters:
            try:
                for tenant in await self._tenants():
                    await self._tell_usage(exporter, tenant)
                    await self._tell_audit(exporter, tenant)
            # A plugin's door: whatever it raises, the records are still here and are told again.
            except Exception as error:
                log.warning("export failed; trying again", exporter=exporter.name, error=type(error).__name__)
        await self._forget()
        return LOOK_SECONDS

    async def _tell_usage(self, exporter: Exporter, tenant: TenantId) -> None:
        today = self._clock.now().date()
        first = today - timedelta(days=LOOK_BACK_DAYS)
        days = await self._meter.by_day(tenant, first, today)
        totals = {(day, kind): total for day, kinds in days.items() for kind, total in kinds.items()}
        due = await self._database.write(lambda tx: _due(tx, tenant, exporter.name, first, totals))
        for begin in range(0, len(due), PAGE):
            page = due[begin : begin + PAGE]
            records = [_increment(tenant, *one, now=self._clock.now()) for one in page]
            await self._export(exporter, records)
            await self._database.write(partial(_confirm, tenant=tenant, exporter=exporter.name, told=page))

    async def _tell_audit(self, exporter: Exporter, tenant: TenantId) -> None:
        position = await self._position(tenant, exporter.name)
        while True:
            until = self._clock.now() - SETTLED
            entries = await self._audit.after(tenant, position, until, PAGE)
            if not entries:
                return
            records = [
                Record(
                    entry.id, f"audit.{entry.action}", tenant, entry.subject, entry.at,
                    {"who": entry.who, "action": entry.action, "subject": entry.subject},
                )
                for entry in entries
            ]  # fmt: skip
            await self._export(exporter, records)
            position = entries[-1].id
            await self._move(tenant, exporter.name, position)

    async def _export(self, exporter: Exporter, records: list[Record]) -> None:
        async with asyncio.timeout(EXPORT_SECONDS):
            await exporter.export(records)

    async def _position(self, tenant: TenantId, exporter: str) -> str:
        rows = await self._database.read(
            "SELECT position FROM export_cursor WHERE tenant = :t AND exporter = :e AND source = 'audit'",
            t=tenant, e=exporter,
        )  # fmt: skip
        return str(rows[0]["position"]) if rows else ""

    async def _move(self, tenant: TenantId, exporter: str, position: str) -> None:
        row = {"tenant": tenant, "exporter": exporter, "source": "audit", "position": position}
        moved = "(tenant, exporter, source) DO UPDATE SET position = excluded.position"
        await self._database.write(lambda tx: tx.insert("export_cursor", row, moved))

    async def _forget(self) -> None:
        oldest = (self._clock.now() - timedelta(days=FORGET_DAYS)).date().isoformat()
        old = "SELECT 1 AS one FROM export_usage WHERE day < :day LIMIT 1"
        if await self._database.read(old, day=oldest):
            await self._database.write(
                lambda tx: tx.execute("DELETE FROM export_usage WHERE day < :day", day=oldest)
            )


Due = tuple[str, str, int, int]
"""A day, a kind, the total told before and the total to be told."""


def _due(
    tx: Transaction, tenant: TenantId, exporter: str, first: date, totals: dict[tuple[str, str], int]
) -> list[Due]:
    """Return the increments to tell, what is pending since earlier first and unchanged."""
    rows = tx.query(
        "SELECT day, kind, exported, pending FROM export_usage"
        " WHERE tenant = :t AND exporter = :e AND (day >= :first OR pending <> exported)",
        t=tenant, e=exporter, first=first.isoformat(),
    )  # fmt: skip
    due: list[Due] = []
    known = {(row["day"], row["kind"]): row for row in rows}
    for (day, kind), row in known.items():
        if row["pending"] != row["exported"]:
            due.append((day, kind, row["exported"], row["pending"]))
    for (day, kind), total in totals.items():
        row_before = known.get((day, kind))
        told = row_before["exported"] if row_before else 0
        if (row_before and row_before["pending"] != told) or total == told:
            continue
        tx.insert(
            "export_usage",
            {
                "tenant": tenant,
                "exporter": exporter,
                "day": day,
                "kind": kind,
                "exported": told,
                "pending": total,
            },
            "(tenant, exporter, day, kind) DO UPDATE SET pending = excluded.pending",
        )
        due.append((day, kind, told, total))
    return sorted(due)


def _confirm(tx: Transaction, *, tenant: TenantId, exporter: str, told: Sequence[Due]) -> None:
    for day, kind, _, total in told:
        tx.execute(
            "UPDATE export_usage SET exported = pending WHERE tenant = :t AND exporter = :e"
            " AND day = :d AND kind = :k AND pending = :total",
            t=tenant, e=exporter, d=day, k=kind, total=total,
        )  # fmt: skip


def _increment(tenant: TenantId, day: str, kind: str, before: int, total: int, *, now: datetime) -> Record:
    at = min(now, datetime.fromisoformat(f"{day}T23:59:59+00:00"))
    data = {"kind": kind, "day": day, "quantity": total - before, "total": total}
    return Record(f"{tenant}/{kind}/{day}/{total}", f"usage.{kind}", tenant, tenant, at, data)
