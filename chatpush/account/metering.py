"""Count what is used, exactly once each, in the transaction of the thing itself.

Every use has an id of its own ("2026-11:emma"); reporting it again changes
nothing, so whoever may run twice simply reports twice. Messages go by the page:
the transaction that marks them counts those that nobody marked before. Recording is one insert
without contention. Sums are taken when asked for: days that are surely over
are folded into one row each, once, and the ids of old days are dropped
(``REMEMBER_DAYS``), so a year of usage is a few hundred rows.
"""

from datetime import date, timedelta

from chatpush.account.plans import Kind
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, to_ms
from chatpush.store.database import Database, Transaction

REMEMBER_DAYS = 40
OPEN_DAYS = 2  # today and yesterday: a transaction begun before midnight may still commit
SEEN_USERS = 100_000

FOLD = """
INSERT INTO usage_day (tenant, day, kind, quantity)
SELECT tenant, day, kind, SUM(quantity) FROM usage_event
WHERE tenant = :t AND day > :after AND day <= :through GROUP BY tenant, day, kind
ON CONFLICT (tenant, day, kind) DO NOTHING
"""
USAGE = """
SELECT day, kind, SUM(quantity) AS quantity FROM (
    SELECT day, kind, quantity FROM usage_day WHERE tenant = :t AND day >= :first AND day <= :last
    UNION ALL
    SELECT day, kind, quantity FROM usage_event
    WHERE tenant = :t AND day >= :first AND day <= :last AND day > :folded
) AS used GROUP BY day, kind ORDER BY day, kind
"""


class Meter:
    """The usage of every tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._folded: dict[TenantId, str] = {}
        self._seen: set[tuple[TenantId, str, UserId]] = set()

    def record_in(
        self, tx: Transaction, tenant: TenantId, kind: Kind, quantity: int, unique_id: str, subject: str = ""
    ) -> None:
        """Write a use in the caller's transaction; one already written is left alone."""
        now = self._clock.now()
        use = {
            "tenant": tenant, "id": f"{kind.value}:{unique_id}", "kind": kind.value, "quantity": quantity,
            "subject": subject, "day": now.date().isoformat(), "at": to_ms(now),
        }  # fmt: skip
        tx.insert("usage_event", use, "(tenant, id) DO NOTHING")

    async def record(
        self, tenant: TenantId, kind: Kind, quantity: int, unique_id: str, subject: str = ""
    ) -> None:
        """Write one use by itself; it is durable when this returns."""
        await self._database.write(lambda tx: self.record_in(tx, tenant, kind, quantity, unique_id, subject))

    async def active(self, tenant: TenantId, user: UserId) -> None:
        """Count a user as active this month; cheap when they are counted already."""
        month = self._clock.now().strftime("%Y-%m")
        if (tenant, month, user) in self._seen:
            return
        await self.record(tenant, Kind.ACTIVE_USERS, 1, f"{month}:{user}", user)
        if len(self._seen) >= SEEN_USERS:
            self._seen.clear()
        self._seen.add((tenant, month, user))

    async def by_day(self, tenant: TenantId, first: date, last: date) -> dict[str, dict[str, int]]:
        """Return ISO day → kind → quantity within two days, both included."""
        folded = await self._fold(tenant)
        rows = await self._database.read(
            USAGE, t=tenant, first=first.isoformat(), last=last.isoformat(), folded=folded
        )
        days: dict[str, dict[str, int]] = {}
        for row in rows:
            days.setdefault(row["day"], {})[row["kind"]] = int(row["quantity"])
        return days

    async def total(self, tenant: TenantId, first: date, last: date) -> dict[str, int]:
        """Return kind → quantity within two days, both included."""
        total: dict[str, int] = {}
        for kinds in (await self.by_day(tenant, first, last)).values():
            for kind, quantity in kinds.items():
                total[kind] = total.get(kind, 0) + quantity
        return total

    async def _fold(self, tenant: TenantId) -> str:
        """Sum up the days that are over, once each; return the last one that is."""
        today = self._clock.now().date()
        through = (today - timedelta(days=OPEN_DAYS)).isoformat()
        known = self._folded.get(tenant, "")
        if known >= through:
            return known
        oldest = (today - timedelta(days=REMEMBER_DAYS)).isoformat()

        def fold(tx: Transaction) -> str:
            # The upsert also locks the row, so that two nodes fold one after the other.
            tx.insert("usage_fold", {"tenant": tenant, "through": ""}, "(tenant) DO NOTHING")
            tx.execute("UPDATE usage_fold SET through = through WHERE tenant = :t", t=tenant)
            rows = tx.query("SELECT through FROM usage_fold WHERE tenant = :t", t=tenant)
            after = str(rows[0]["through"])
            if after >= through:
                return after
            tx.execute(FOLD, t=tenant, after=after, through=through)
            tx.execute(
                "UPDATE usage_fold SET through = :through WHERE tenant = :t", through=through, t=tenant
            )
            tx.execute("DELETE FROM usage_event WHERE tenant = :t AND day < :oldest", t=tenant, oldest=oldest)
            return through

        self._folded[tenant] = await self._database.write(fold)
        return self._folded[tenant]
