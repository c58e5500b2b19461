"""Tell a conversation what it is about: an item, a message with the items it showed, an item by its name.

Items are public goods, but not all of them for everybody: found by its name is
only what may be shown to this user now. A message is described to its reader
alone.
"""

from collections.abc import Sequence
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, Item, ItemId, TenantId, UserId
from chatpush.errors import NotFound
from chatpush.notify.audience.users import Users
from chatpush.notify.reading.inbox import Inbox
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.rankers.audiences import belongs
from chatpush.recommend.rankers.blend import in_time
from chatpush.store.database import Database
from chatpush.support.ports import Described, DescribeDelivery, DescribeItem, FindItems

SHOWN_ITEMS = 6
"""So many of a message's items are looked up; a choice of more is none."""
NAMED_ITEMS = 50
"""So many items with a name's words are looked at."""


def describe_item(catalogue: Catalogue) -> DescribeItem:
    """Let a conversation know the item it is about."""

    async def describe(tenant: TenantId, item: ItemId) -> Described | None:
        try:
            return described(await catalogue.get(tenant, item))
        except NotFound:
            return None

    return describe


def find_items(catalogue: Catalogue, users: Users, clock: Clock) -> FindItems:
    """Let the assistant find an item that a user names."""

    async def find(tenant: TenantId, user: UserId, words: Sequence[str], limit: int) -> list[Described]:
        named = await catalogue.named(tenant, words, NAMED_ITEMS)
        reader = await users.find(tenant, user) if any(item.audience for item in named) else None
        now = clock.now()
        shown = [item for item in named if in_time(item, now) and belongs(reader, item.audience)]
        return [described(item) for item in shown[:limit]]

    return find


def describe_delivery(inbox: Inbox, catalogue: Catalogue, database: Database) -> DescribeDelivery:
    """Let a conversation know the message it answers (template, items, campaign); only the user's own."""

    async def describe(tenant: TenantId, user: UserId, delivery: DeliveryId) -> Described | None:
        try:
            message = await inbox.item(tenant, user, delivery)
        except NotFound:
            return None
        given, reasons = _items_in(message), _reasons(message)
        items = await catalogue.some(tenant, [ItemId(str(one.get("id", ""))) for one in given[:SHOWN_ITEMS]])
        only = items[0] if len(given) == len(items) == 1 else None
        rows = await database.read(
            "SELECT campaign.name FROM delivery JOIN campaign ON campaign.tenant = delivery.tenant "
            "AND campaign.id = delivery.campaign WHERE delivery.tenant = :t AND delivery.id = :d",
            t=tenant, d=delivery,
        )  # fmt: skip
        return Described(
            kind="delivery",
            id=delivery,
            title=message["title"],
            text=message["body"],
            url=message.get("url") or "",
            image=message.get("image") or "",
            item=only.id if only is not None else "",
            brand=_brand(only) if only is not None else "",
            template=str(message.get("template") or "").partition("@")[0],  # without its version
            campaign=rows[0]["name"] if rows else "",
            reasons=reasons,
            shown=tuple(described(item, reasons.get(item.id, "")) for item in items),
        )

    return describe


def described(item: Item, reason: str = "") -> Described:
    """Return an item in words the assistant may use."""
    return Described(
        kind="item",
        id=item.id,
        title=item.title,
        text=item.text,
        price=str(item.price) if item.price is not None else "",
        currency=item.currency,
        url=item.url,
        image=item.image,
        reason=reason,
        item=item.id,
        brand=_brand(item),
    )


def _brand(item: Item) -> str:
    return str(item.attributes.get("brand", ""))


def _items_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the items a message showed, as its author gave them."""
    data = message.get("data")
    items = data.get("items") if isinstance(data, dict) else None
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _reasons(message: dict[str, Any]) -> dict[str, str]:
    """Return why a message showed each of its items, where it said so."""
    given = {str(one.get("id", "")): one.get("reason") for one in _items_in(message)}
    texts = {name: why.get("text") if isinstance(why, dict) else why for name, why in given.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str) and text}
