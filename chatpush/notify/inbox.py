"""Show users what they were sent, newest first, and count what they have not seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, Json, TenantId, UserId, to_ms
from chatpush.errors import NotFound
from chatpush.notify.listing import Listed, Window, among
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

UNREAD = "seen_at IS NULL AND dismissed_at IS NULL AND deleted_at IS NULL"


class Announcer(Protocol):
    """Where the user's other tabs are told."""

    async def publish(self, tenant: TenantId, channel: str, data: Json) -> object:
        """Publish to a channel."""
        ...


@dataclass(frozen=True, slots=True)
class UnreadCount:
    """How many items an inbox has, and how many of them were not seen."""

    items: int
    unread: int


def unread_in(tx: Transaction, tenant: TenantId, users: Iterable[str]) -> dict[str, UnreadCount]:
    """Return the counts of some users' inboxes within a transaction."""
    names, params = among(users)
    rows = tx.query(
        f"SELECT user_id, COUNT(*) AS items, SUM(CASE WHEN {UNREAD} THEN 1 ELSE 0 END) AS unread"
        f" FROM inbox_item WHERE tenant = :t AND user_id IN {names} GROUP BY user_id",
        t=tenant, **params,
    )  # fmt: skip
    return {row["user_id"]: UnreadCount(row["items"], int(row["unread"])) for row in rows}


class Inbox:
    """The inboxes of every tenant's users."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, announcer: Announcer) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._announcer = announcer

    async def item(self, tenant: TenantId, user: UserId, delivery: DeliveryId) -> dict[str, Any]:
        """Return one item as the user sees it.

        Raises:
            NotFound: this user has no such item.
        """
        rows = await self._database.read(
            "SELECT * FROM inbox_item WHERE tenant = :t AND user_id = :u AND (delivery = :d OR latest = :d)"
            " AND deleted_at IS NULL",
            t=tenant, u=user, d=delivery,
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no message {delivery[:64]!r} in this inbox", param="delivery")
        await self._vault.ready(tenant, user)
        return self._item(rows[0])

    async def unread(self, tenant: TenantId, user: UserId) -> int:
        """Return how many items the user has not seen."""
        rows = await self._database.read(
            f"SELECT COUNT(*) AS n FROM inbox_item WHERE tenant = :t AND user_id = :u AND {UNREAD}",
            t=tenant, u=user,
        )  # fmt: skip
        return int(rows[0]["n"])

    async def read_all(self, tenant: TenantId, user: UserId) -> int:
        """Mark everything as seen and tell the user's other tabs; return how many that was."""
        now = to_ms(self._clock.now())

        def mark(tx: Transaction) -> int:
            rows = tx.query(
                f"UPDATE inbox_item SET seen_at = :now WHERE tenant = :t AND user_id = :u AND {UNREAD}"
                " RETURNING latest",
                now=now, t=tenant, u=user,
            )  # fmt: skip
            ids, params = among(row["latest"] for row in rows)
            tx.execute(
                "UPDATE delivery SET seen_at = COALESCE(seen_at, :now), delivered_at = COALESCE(delivered_at, :now),"
                f" state = 'delivered' WHERE tenant = :t AND id IN {ids}",
                now=now, t=tenant, **params,
            )  # fmt: skip
            return len(rows)

        marked = await self._database.write(mark)
        if marked:
            await self.announce_unread(tenant, user, 0)
        return marked

    async def announce_unread(self, tenant: TenantId, user: UserId, unread: int) -> None:
        """Tell the user's open pages the new count."""
        await self._announcer.publish(tenant, f"user:{user}", {"type": "unread", "unread": unread})

    def _item(self, row: Row) -> dict[str, Any]:
        if row["deleted_at"] is not None:
            return {"delivery": row["delivery"], "deleted": True}
        content: dict[str, Any] = self._vault.open_json(
            row["tenant"], row["user_id"], "inbox_item", "content", row["delivery"], row["content_sealed"]
        )
        return {
            **content,
            "seen": row["seen_at"] is not None,
            "clicked": row["clicked_at"] is not None,
            "dismissed": row["dismissed_at"] is not None,
        }

    async def list(
        self, tenant: TenantId, user: UserId, window: Window, *, tombstones: bool = False
    ) -> Listed[dict[str, Any]]:
        """Return a page of the user's items, newest first; dismissed ones are gone.

        ``tombstones`` lists those that were taken back too, without their words.
        """
        clause, params = window.clause("delivery")
        alive = "" if tombstones else " AND deleted_at IS NULL"
        rows = await self._database.read(
            f"SELECT * FROM inbox_item WHERE tenant = :t AND user_id = :u AND dismissed_at IS NULL{alive}{clause}",
            t=tenant, u=user, **params,
        )  # fmt: skip
        if rows:
            await self._vault.ready(tenant, user)
        return window.page(rows, self._item)
