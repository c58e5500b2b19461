"""Remember who did what, in the same transaction as the deed.

An entry exists exactly if the deed was committed: callers pass the
transaction they change things in. Entries are only ever added. They name ids,
never contents, so that they can be kept when a user's data is erased.
"""

from dataclasses import dataclass
from datetime import datetime

from chatpush.clock import Clock
from chatpush.domain import Identity, IdentityKind, TenantId, from_ms, new_id, to_ms
from chatpush.store.database import Database, Row, Transaction

SYSTEM = "system"
LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed: ``who`` is ``person:…``, ``key:…``, ``user:…`` or ``system``."""

    id: str
    who: str
    action: str
    subject: str
    at: datetime


def who_of(identity: Identity | None) -> str:
    """Return how the trail names an identity; the command line and chatpush itself are ``system``."""
    if identity is None:
        return SYSTEM
    if identity.kind is IdentityKind.ANONYMOUS:
        return identity.kind.value
    return f"{identity.kind.value}:{identity.subject}"


class Audit:
    """The trail of one installation, kept apart by tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record_in(
        self, tx: Transaction, tenant: TenantId, by: Identity | None, action: str, subject: str
    ) -> None:
        """Add an entry such as (``key.revoke``, the key's id) to the caller's transaction."""
        tx.insert(
            "audit_entry",
            {
                "tenant": tenant,
                "id": new_id("aud"),
                "who": who_of(by),
                "action": action,
                "subject": subject,
                "at": to_ms(self._clock.now()),
            },
        )

    async def record(self, tenant: TenantId, by: Identity | None, action: str, subject: str) -> None:
        """Add an entry for a deed that changed nothing in the database, such as an export."""
        await self._database.write(lambda tx: self.record_in(tx, tenant, by, action, subject))

    async def after(self, tenant: TenantId, position: str, until: datetime, limit: int) -> list[AuditEntry]:
        """Return the entries after an id and not younger than a time, oldest first; asking again gives the same."""
        rows = await self._database.read(
            "SELECT id, who, action, subject, at FROM audit_entry"
            " WHERE tenant = :t AND id > :after AND at <= :until ORDER BY id LIMIT :n",
            t=tenant, after=position, until=to_ms(until), n=limit,
        )  # fmt: skip
        return [_entry(row) for row in rows]

    async def list(self, tenant: TenantId, limit: int = 50, starting_after: str = "") -> list[AuditEntry]:
        """Return entries, newest first; ``starting_after`` is the last id of the page before."""
        rows = await self._database.read(
            "SELECT id, who, action, subject, at FROM audit_entry"
            " WHERE tenant = :tenant AND (:after = '' OR id < :after) ORDER BY id DESC LIMIT :limit",
            tenant=tenant, after=starting_after, limit=min(limit, LARGEST_PAGE),
        )  # fmt: skip
        return [_entry(row) for row in rows]


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(row["id"], row["who"], row["action"], row["subject"], from_ms(row["at"]))
