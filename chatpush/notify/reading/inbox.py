"""Show users what they were sent, newest first, and count what they have not seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from chatpush.clock import Clock
from chatpush.domain import Category, DeliveryId, Json, TenantId, UserId, from_ms, iso, to_ms
from chatpush.errors import NotFound
from chatpush.notify.listing import Listed, Window
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

AWAKE = "(snoozed_until IS NULL OR snoozed_until <= :now)"
UNREAD = (
    "seen_at IS NULL AND dismissed_at IS NULL AND deleted_at IS NULL AND archived_at IS NULL AND counted = 1"
    f" AND {AWAKE}"
)
"""What counts as unread, at the parameter ``now``."""


class Shelf(StrEnum):
    """Where in the inbox an item is."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    SNOOZED = "snoozed"


SHELVES = {
    Shelf.ACTIVE: f"archived_at IS NULL AND {AWAKE}",
    Shelf.ARCHIVED: "archived_at IS NOT NULL",
    Shelf.SNOOZED: "archived_at IS NULL AND snoozed_until > :now",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What of an inbox is wanted; ``tombstones``: also what was taken back, without its words."""

    shelf: Shelf = Shelf.ACTIVE
    category: Category | None = None
    tag: str = ""
    unread: bool = False
    tombstones: bool = False

    def clause(self, now: int) -> tuple[str, dict[str, Any]]:
        """Return conditions after a WHERE, and their parameters."""
        parts, params = [SHELVES[self.shelf]], dict[str, Any](now=now)
        if not self.tombstones:
            parts.append("deleted_at IS NULL")
        if self.category is not None:
            parts.append("category = :category")
            params["category"] = self.category.value
        if self.tag:
            parts.append("tags LIKE :tag ESCAPE '!'")
            params["tag"] = f"%,{self.tag.replace('_', '!_')},%"
        if self.unread:
            parts.append(UNREAD)
        return "".join(f" AND {part}" for part in parts), params


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


def unread_in(tx: Transaction, tenant: TenantId, users: Iterable[str], now: int) -> dict[str, UnreadCount]:
    """Return the counts of some users' inboxes within a transaction, at a time in milliseconds."""
    names, params = among(users)
    rows = tx.query(
        f"SELECT user_id, COUNT(*) AS items, SUM(CASE WHEN {UNREAD} THEN 1 ELSE 0 END) AS unread"
        f" FROM inbox_item WHERE tenant = :t AND user_id IN {names} GROUP BY user_id",
        t=tenant, now=now, **params,
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
            t=tenant, u=user, now=to_ms(self._clock.now()),
        )  # fmt: skip
        return int(rows[0]["n"])

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
            "read": row["read_at"] is not None,
            "clicked": row["clicked_at"] is not None,
            "dismissed": row["dismissed_at"] is not None,
            "archived": row["archived_at"] is not None,
            "snoozed_until": iso(from_ms(row["snoozed_until"])) if row["snoozed_until"] else None,
        }

    async def list(
        self, tenant: TenantId, user: UserId, window: Window, wanted: Filter | None = None
    ) -> Listed[dict[str, Any]]:
        """Return a page of the user's items, newest first; dismissed ones are gone."""
        clause, params = window.clause("delivery")
        only, values = (wanted or Filter()).clause(to_ms(self._clock.now()))
        rows = await self._database.read(
            f"SELECT * FROM inbox_item WHERE tenant = :t AND user_id = :u AND dismissed_at IS NULL{only}{clause}",
            t=tenant, u=user, **values, **params,
        )  # fmt: skip
        if rows:
            await self._vault.ready(tenant, user)
        return window.page(rows, self._item)
