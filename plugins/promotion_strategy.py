"""Sell what should go, to who may still want it, and stop when it annoys.

What is on promotion or overstocked is proposed to the recommender with that
reason, first to users who care for its kind. Marketing messages leave out what
their reader bought lately, and are not sent at all if nothing remains. Whoever
waves away several of them in a row gets a rest; one click ends it.

    [plugins.settings.promotion_strategy]
    overstock = 200          # this many pieces are too many
    tags = ["promotion"]     # items with such a tag are on promotion
    bought_days = 30
    dismissals = 3
    rest_days = 7

What users bought and waved away is learned from events and receipts as they
come and kept in memory: after a restart it is learned anew.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatpush.clock import Clock, SystemClock
from chatpush.domain import (
    Category,
    DeliveryId,
    Event,
    Item,
    ItemId,
    OutgoingMessage,
    Receipt,
    ReceiptKind,
    TenantId,
    UserId,
)
from chatpush.plugins.contracts import Candidate, Drop, Ranker, RankingRequest
from chatpush.plugins.hooks import hook

inline = True
clock: Clock = SystemClock()

REMEMBERED_USERS = 100_000
REMEMBERED_DELIVERIES = 100_000
PURCHASES_PER_USER = 200
REASONS = {
    "promotion": {"en": "On promotion now", "zh-CN": "正在促销"},
    "overstock": {"en": "Plenty in stock, ready to ship today", "zh-CN": "现货充足，今天就能发货"},
}
Who = tuple[TenantId, UserId]


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.promotion_strategy]``."""

    model_config = ConfigDict(extra="forbid")

    overstock: int = Field(200, ge=1, description="From so many pieces on there are too many.")
    tags: list[str] = Field(["promotion", "sale"], description="Tags of items on promotion.")
    weight: float = Field(0.2, ge=0, le=5, description="What a promotion counts beside other reasons.")
    bought_days: int = Field(30, ge=0, description="How long what was bought is not promoted again.")
    dismissals: int = Field(3, ge=1, description="So many promotions waved away in a row earn a rest.")
    rest_days: int = Field(7, ge=0, description="How long the rest is.")


@dataclass
class Reader:
    """What is known of a user."""

    bought: OrderedDict[ItemId, datetime] = field(default_factory=OrderedDict)
    dismissed: int = 0
    last_dismissed: datetime | None = None


class Memory:
    """Readers and the deliveries they got, the oldest forgotten first."""

    def __init__(self) -> None:
        self._readers: OrderedDict[Who, Reader] = OrderedDict()
        self._deliveries: OrderedDict[DeliveryId, Who] = OrderedDict()

    def reader(self, tenant: TenantId, user: UserId) -> Reader:
        """Return a reader, a new one if nothing is known."""
        reader = self._readers.setdefault((tenant, user), Reader())
        self._readers.move_to_end((tenant, user))
        if len(self._readers) > REMEMBERED_USERS:
            self._readers.popitem(last=False)
        return reader

    def sent(self, message: OutgoingMessage) -> None:
        """Remember whose delivery this is."""
        self._deliveries[message.delivery] = (message.tenant, message.user.id)
        if len(self._deliveries) > REMEMBERED_DELIVERIES:
            self._deliveries.popitem(last=False)

    def reader_of(self, delivery: DeliveryId) -> Reader | None:
        """Return who got a delivery that came by here."""
        who = self._deliveries.get(delivery)
        return self.reader(*who) if who else None


memory = Memory()


class PromotionRanker:
    """Proposes what is on promotion or overstocked."""

    name = "promotion_strategy"

    def __init__(self, settings: Settings) -> None:
        self.weight = settings.weight
        self._tags = {tag.lower() for tag in settings.tags}
        self._overstock = settings.overstock
        self._seen: Mapping[ItemId, Item] | None = None
        self._promoted: list[tuple[float, Item, str]] = []

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        """Return the strongest promotions; a kind the user cares for counts up to twice as much."""
        if items is not self._seen:
            self._seen = items
            self._promoted = [found for item in items.values() if (found := self._promotion(item))]
        touched = (items[event.item] for event in request.events if event.item and event.item in items)
        cares_for = Counter(tag for item in touched for tag in item.tags)
        most = max(cares_for.values(), default=1)
        candidates = [
            Candidate(item.id, base * (1 + self._affinity(item, cares_for, most)) / 2, code, REASONS[code])
            for base, item, code in self._promoted
        ]
        return sorted(candidates, key=lambda one: (-one.score, one.item))[: request.limit]

    def _promotion(self, item: Item) -> tuple[float, Item, str] | None:
        if item.attributes.get("promotion") or self._tags & {tag.lower() for tag in item.tags}:
            return 1.0, item, "promotion"
        if item.stock is not None and item.stock >= self._overstock:
            return min(0.8, 0.4 * item.stock / self._overstock), item, "overstock"
        return None

    @staticmethod
    def _affinity(item: Item, cares_for: Counter[str], most: int) -> float:
        return max((cares_for[tag] / most for tag in item.tags), default=0.0)


@hook
def register_rankers(settings: dict[str, Any]) -> list[Ranker]:
    """Return the ranker of promotions."""
    return [PromotionRanker(Settings(**settings))]


@hook
def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> OutgoingMessage | Drop | None:
    """Leave out what was bought lately; give who waves promotions away a rest."""
    if message.category is not Category.MARKETING:
        return None
    now, reader = clock.now(), memory.reader(message.tenant, message.user.id)
    resting = timedelta(days=settings["rest_days"])
    if reader.dismissed >= settings["dismissals"] and reader.last_dismissed:
        if now - reader.last_dismissed < resting:
            return Drop(f"waved away the last {reader.dismissed} promotions")
        reader.dismissed = 0
    memory.sent(message)
    items = message.content.data.get("items")
    if not isinstance(items, list) or not items:
        return None
    since = now - timedelta(days=settings["bought_days"])
    kept = [item for item in items if not _bought(reader, item, since)]
    if not kept:
        return Drop("everything in it was bought lately")
    if len(kept) == len(items):
        return None
    return replace(message, content=replace(message.content, data={**message.content.data, "items": kept}))


@hook
def on_event(event: Event) -> None:
    """Learn what was bought."""
    if event.type != "purchase" or not event.item:
        return
    bought = memory.reader(event.tenant, event.user).bought
    bought[event.item] = max(event.at, bought.get(event.item, event.at))
    bought.move_to_end(event.item)
    if len(bought) > PURCHASES_PER_USER:
        bought.popitem(last=False)


@hook
def on_receipt(receipt: Receipt) -> None:
    """Learn what readers make of promotions."""
    reader = memory.reader_of(receipt.delivery)
    if reader is None:
        return
    if receipt.kind is ReceiptKind.DISMISSED:
        reader.dismissed += 1
        reader.last_dismissed = receipt.at
    elif receipt.kind is ReceiptKind.CLICKED:
        reader.dismissed = 0


def _bought(reader: Reader, item: Any, since: datetime) -> bool:
    at = reader.bought.get(ItemId(str(item.get("id", "")))) if isinstance(item, dict) else None
    return at is not None and at >= since
