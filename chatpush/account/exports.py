"""Tell other systems what was used and what was done, completely and under ids that never change.

Exporters come from plugins. Usage goes as increments by tenant, day and kind:
the total that is about to be told is written down first, so an increment that
is told again after a crash or a refusal is the same one, under the same id.
Whoever drops ids it knows (CloudEvents' rule, OpenMeter's and Lago's practice)
counts exactly. What is a stream (audit entries, steps of deliveries) goes in
order, each entry after it has settled, and the place reached is kept.

Each exporter has a loop of its own: one that is slow or refuses holds up neither
the others nor whoever makes the entries. What it has not taken waits on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol

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
PAGES_AT_ONCE = 50
"""So many of a stream go before usage has its turn again."""
ListTenants = Callable[[], Awaitable[Sequence[TenantId]]]


class Stream(Protocol):
    """Records in an order that their ids have, kept until they are forgotten."""

    name: str

    async def after(self, tenant: TenantId, position: str, until: datetime, limit: int) -> Sequence[Record]:
        """Return the records after a position, none of them younger than ``until``."""
        ...

    async def forget(self, tenant: TenantId, taken: Mapping[str, str]) -> None:
        """Drop what every exporter has taken; ``taken`` is each one's position."""
        ...


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
        self._streams: list[tuple[Stream, tuple[str, ...]]] = []
        self.also(AuditStream(audit), [exporter.name for exporter in exporters])
        self._rounds = [
            Rounds(f"account.exports.{exporter.name}", partial(self.tell, exporter)) for exporter in exporters
        ]

    def also(self, stream: Stream, takers: Sequence[str]) -> None:
        """Bring a stream to these exporters too."""
        self._streams.append((stream, tuple(takers)))

    async def start(self) -> None:
        """Begin, if there is anybody to tell."""
        for rounds in self._rounds:
            await rounds.start()

    async def stop(self) -> None:
        """End; what was not confirmed is told at the next start."""
        await asyncio.gather(*(rounds.stop() for rounds in self._rounds))

    async def turn(self) -> float:
        """Tell every exporter what is new; return when to look again."""
        return min([await self.tell(exporter) for exporter in self._exporters], default=LOOK_SECONDS)

    async def tell(self, exporter: Exporter) -> float:
        """Tell an exporter what is new to it; return when to look again."""
        more = False
        try:
            for tenant in await self._tenants():
                await self._tell_usage(exporter, tenant)
                for stream, takers in self._streams:
                    if exporter.name in takers:
                        more |= await self._tell_stream(exporter, tenant, stream)
        # A plugin's door: whatever it raises, the records are still here and are told again.
        except Exception as error:
            log.warning("export failed; trying again", exporter=exporter.name, error=type(error).__name__)
        await self._forget()
        return 0.0 if more else LOOK_SECONDS

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

    async def _tell_stream(self, exporter: Exporter, tenant: TenantId, stream: Stream) -> bool:
        """Tell what comes next in a stream; return whether there is more."""
        position = await self._position(tenant, exporter.name, stream.name)
        for _ in range(PAGES_AT_ONCE):
            records = await stream.after(tenant, position, self._clock.now() - SETTLED, PAGE)
            if not records:
                return False
            await self._export(exporter, list(records))
            position = records[-1].id
            await self._move(tenant, exporter.name, stream.name, position)
        return True

    async def _export(self, exporter: Exporter, records: list[Record]) -> None:
        async with asyncio.timeout(EXPORT_SECONDS):
            await exporter.export(records)

    async def _position(self, tenant: TenantId, exporter: str, source: str) -> str:
        rows = await self._database.read(
            "SELECT position FROM export_cursor WHERE tenant = :t AND exporter = :e AND source = :s",
            t=tenant, e=exporter, s=source,
        )  # fmt: skip
        return str(rows[0]["position"]) if rows else ""

    async def _move(self, tenant: TenantId, exporter: str, source: str, position: str) -> None:
        row = {"tenant": tenant, "exporter": exporter, "source": source, "position": position}
        moved = "(tenant, exporter, source) DO UPDATE SET position = excluded.position"
        await self._database.write(lambda tx: tx.insert("export_cursor", row, moved))

    async def _forget(self) -> None:
        """Drop usage that is long over, and of the streams what everybody has."""
        oldest = (self._clock.now() - timedelta(days=FORGET_DAYS)).date().isoformat()
        old = "SELECT 1 AS one FROM export_usage WHERE day < :day LIMIT 1"
        if await self._database.read(old, day=oldest):
            await self._database.write(
                lambda tx: tx.execute("DELETE FROM export_usage WHERE day < :day", day=oldest)
            )
        for tenant in await self._tenants():
            for stream, takers in self._streams:
                taken = {name: await self._position(tenant, name, stream.name) for name in takers}
                await stream.forget(tenant, taken)


class AuditStream:
    """The audit entries of every tenant, which stay for whoever reads them here."""

    name = "audit"

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def after(self, tenant: TenantId, position: str, until: datetime, limit: int) -> list[Record]:
        """Return the entries after one."""
        return [
            Record(
                entry.id, f"audit.{entry.action}", tenant, entry.subject, entry.at,
                {"who": entry.who, "action": entry.action, "subject": entry.subject},
            )
            for entry in await self._audit.after(tenant, position, until, limit)
        ]  # fmt: skip

    async def forget(self, _tenant: TenantId, _taken: Mapping[str, str]) -> None:
        """Keep them: retention is the audit log's own."""


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
