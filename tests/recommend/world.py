"""A small shop for the recommender's tests."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chatpush.domain import Event, Item, ItemId, TenantId, User, UserId
from chatpush.plugins.host import Plugins
from chatpush.recommend.behaviour.behaviour import Behaviour, event
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.recommender import Recommender
from chatpush.store.database import Database, Row
from chatpush.store.vault import Vault
from tests.clocks import StillClock


class World:
    """The recommend room on one database, with users held in a dictionary."""

    def __init__(self, database: Database, vault: Vault, clock: StillClock, tenant: TenantId, **options: Any):
        self.tenant = tenant
        self.database = database
        self.clock = clock
        self.users: dict[str, User] = {}
        self.catalogue = Catalogue(database, clock)
        self.behaviour = Behaviour(database, vault, clock)
        self.recommender = Recommender(
            database,
            self.catalogue,
            self.behaviour,
            options.pop("plugins", Plugins()),
            clock,
            self.find,
            exploration=options.pop("exploration", 0.0),
            **options,
        )

    async def find(self, tenant: TenantId, user: UserId) -> User | None:
        return self.users.get(user)

    def item(self, name: str, **values: Any) -> Item:
        return Item(self.tenant, ItemId(name), values.pop("title", name.replace("-", " ").title()), **values)

    async def stock(self, *items: Item) -> None:
        await self.catalogue.upsert(self.tenant, items)

    def event(
        self, user: str, kind: str, item: str | None = None, ago: timedelta | None = None, **more: Any
    ) -> Event:
        at: datetime = self.clock.now() - (ago or timedelta())
        return event(
            self.tenant, UserId(user), kind, at, ItemId(item) if item else None, more.get("properties"),
            more.get("id", ""),
        )  # fmt: skip

    async def happened(self, *events: Event) -> None:
        await self.behaviour.record(self.tenant, events)

    async def picked(self, user: str | None, limit: int = 5, locale: str = "") -> list[str]:
        picks = await self.recommender.pick(self.tenant, UserId(user) if user else None, limit, locale)
        return [pick.item.id for pick in picks]


PRICE = Decimal("9.95")


def delivery(
    tenant: TenantId, user: UserId, name: str, at: int, seen_at: int | None = None, **columns: Any
) -> Row:
    """Return a message that reached a user at a time, in milliseconds."""
    row: Row = {
        "tenant": tenant, "id": f"dlv_{name}", "message": f"msg_{name}", "user_id": user, "category": "marketing",
        "campaign": "", "collapse_key": "", "state": "sent", "reason": "", "pending": 0, "priority_rank": 1,
        "due_at": at, "expires_at": None, "attempts": 1, "claimed_by": "", "shown_as": "", "stage": 0,
        "left_channels": "", "topic": "", "variant": "", "digest_key": "", "data_sealed": None, "created_at": at,
        "settled_at": at, "published_at": at, "sent_at": at, "delivered_at": seen_at, "seen_at": seen_at,
        "clicked_at": None, "dismissed_at": None,
    }  # fmt: skip
    return row | columns
