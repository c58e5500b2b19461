"""Keep what can be recommended, and a shelf of it in memory for the rankers.

Items are the tenant's public goods: nothing here is secret, so nothing is
sealed. A shelf never changes once it is handed out; the next one is built from
the rows that changed since, so other nodes' changes arrive too.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import Item, ItemId, TenantId, from_ms, new_id, to_ms
from chatpush.errors import NotFound
from chatpush.store.database import Database, Row, Transaction

UPSERT = """(tenant, id) DO UPDATE SET title = excluded.title, text = excluded.text,
 price = excluded.price, currency = excluded.currency, stock = excluded.stock, url = excluded.url,
 image = excluded.image, tags = excluded.tags, attributes = excluded.attributes,
 valid_from = excluded.valid_from, valid_to = excluded.valid_to, language = excluded.language,
 updated_at = excluded.updated_at"""
LOOK_AGAIN = timedelta(seconds=30)
"""How long another node's change may stay unseen."""
OVERLAP_MILLISECONDS = 60_000
SHELVES_KEPT = 64
TELLING = frozenset({"back_in_stock", "price_drop"})
"""Changes that somebody may be waiting for."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an import changed about an item that was there before."""

    item: ItemId
    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The outcome of one batch."""

    items: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Shelf:
    """All items of a tenant at one moment; ``version`` grows with every change."""

    items: Mapping[ItemId, Item]
    created_ms: Mapping[ItemId, int]
    version: int
    seen_ms: int
    looked: float

    @cached_property
    def newest_first(self) -> tuple[ItemId, ...]:
        """All items, the last added first."""
        return tuple(sorted(self.items, key=lambda item: (-self.created_ms[item], item)))


EMPTY = Shelf({}, {}, 0, 0, float("-inf"))


class Catalogue:
    """The items of all tenants. ``bell`` is set when an item changed that somebody may be waiting for."""

    def __init__(self, database: Database, clock: Clock, max_items: int = 200_000) -> None:
        self._database = database
        self._clock = clock
        self._max_items = max_items
        self._shelves: OrderedDict[TenantId, Shelf] = OrderedDict()
        self._stale: set[TenantId] = set()
        self.bell = asyncio.Event()

    async def upsert(self, tenant: TenantId, items: Sequence[Item]) -> Imported:
        """Add items or replace them whole; the last of one id wins.

        The returned changes (``price_drop``, ``price_rise``, ``back_in_stock``,
        ``sold_out``) are what campaigns about items start from.
        """
        now = to_ms(self._clock.now())
        latest = {item.id: item for item in items}

        def store(tx: Transaction) -> list[Change]:
            changes: list[Change] = []
            for item in latest.values():
                before = tx.query(
                    "SELECT price, stock FROM item WHERE tenant = :t AND id = :i", t=tenant, i=item.id
                )
                tx.insert("item", _row(tenant, item, now), UPSERT)
                if before:
                    changes += _changes(item, before[0])
            tx.insert_many("item_change", [_told(tenant, one, now) for one in changes if one.kind in TELLING])
            return changes

        changes = await self._database.write(store)
        self._stale.add(tenant)
        if any(one.kind in TELLING for one in changes):
            self.bell.set()
        return Imported(len(latest), tuple(changes))

    async def get(self, tenant: TenantId, item: ItemId) -> Item:
        """Return one item.

        Raises:
            NotFound: this tenant has no such item.
        """
        rows = await self._database.read("SELECT * FROM item WHERE tenant = :t AND id = :i", t=tenant, i=item)
        if not rows:
            raise NotFound(f"there is no item {item!r}; PUT /v1/items adds it")
        return _item(rows[0])

    async def list(self, tenant: TenantId, limit: int, after: str = "") -> list[Item]:
        """Return items in the order of their ids."""
        rows = await self._database.read(
            "SELECT * FROM item WHERE tenant = :t AND id > :a ORDER BY id LIMIT :n",
            t=tenant,
            a=after,
            n=limit,
        )
        return [_item(row) for row in rows]

    async def shelf(self, tenant: TenantId) -> Shelf:
        """Return everything on the shelf, as new as the last change on this node."""
        shelf = self._shelves.get(tenant, EMPTY)
        old = self._clock.monotonic() - shelf.looked > LOOK_AGAIN.total_seconds()
        if not old and tenant not in self._stale:
            return shelf
        self._stale.discard(tenant)
        shelf = await self._refill(tenant, shelf)
        self._shelves[tenant] = shelf
        self._shelves.move_to_end(tenant)
        while len(self._shelves) > SHELVES_KEPT:
            self._shelves.popitem(last=False)
        return shelf

    async def _refill(self, tenant: TenantId, shelf: Shelf) -> Shelf:
        rows = await self._database.read(
            "SELECT * FROM item WHERE tenant = :t AND updated_at >= :since ORDER BY updated_at DESC LIMIT :n",
            t=tenant, since=shelf.seen_ms - OVERLAP_MILLISECONDS, n=self._max_items,
        )  # fmt: skip
        looked = self._clock.monotonic()
        fresh = {ItemId(row["id"]): row for row in rows}
        changed = {key: item for key, row in fresh.items() if shelf.items.get(key) != (item := _item(row))}
        if not changed:
            return Shelf(shelf.items, shelf.created_ms, shelf.version, shelf.seen_ms, looked)
        seen = max(shelf.seen_ms, rows[0]["updated_at"])
        created = {key: int(fresh[key]["created_at"]) for key in changed}
        return Shelf(
            {**shelf.items, **changed}, {**shelf.created_ms, **created}, shelf.version + 1, seen, looked
        )


def _row(tenant: TenantId, item: Item, now: int) -> Row:
    return {
        "tenant": tenant, "id": item.id, "title": item.title, "text": item.text,
        "price": None if item.price is None else format(item.price, "f"), "currency": item.currency,
        "stock": item.stock, "url": item.url, "image": item.image,
        "tags": json.dumps(item.tags, ensure_ascii=False),
        "attributes": json.dumps(item.attributes, ensure_ascii=False),
        "valid_from": None if item.valid_from is None else to_ms(item.valid_from),
        "valid_to": None if item.valid_to is None else to_ms(item.valid_to), "language": item.language,
        "created_at": now, "updated_at": now,
    }  # fmt: skip


def _item(row: Row) -> Item:
    return Item(
        tenant=TenantId(row["tenant"]), id=ItemId(row["id"]), title=row["title"], text=row["text"],
        price=None if row["price"] is None else Decimal(row["price"]), currency=row["currency"],
        stock=row["stock"], url=row["url"], image=row["image"],
        tags=tuple(json.loads(row["tags"])), attributes=json.loads(row["attributes"]),
        valid_from=None if row["valid_from"] is None else from_ms(row["valid_from"]),
        valid_to=None if row["valid_to"] is None else from_ms(row["valid_to"]), language=row["language"],
    )  # fmt: skip


def _told(tenant: TenantId, change: Change, now: int) -> Row:
    return {
        "tenant": tenant, "id": new_id("chg"), "item": change.item, "kind": change.kind,
        "was": change.before, "becomes": change.after, "at": now,
    }  # fmt: skip


def _changes(item: Item, before: Row) -> list[Change]:
    """Compare price and stock with what was stored."""
    changes = []
    if before["price"] is not None and item.price is not None:
        old = Decimal(before["price"])
        if item.price != old:
            kind = "price_drop" if item.price < old else "price_rise"
            changes.append(Change(item.id, kind, before["price"], format(item.price, "f")))
    was, now = before["stock"], item.stock
    if was is not None and was <= 0 and (now is None or now > 0):
        changes.append(Change(item.id, "back_in_stock", str(was), str(now)))
    if now is not None and now <= 0 and (was is None or was > 0):
        changes.append(Change(item.id, "sold_out", str(was), str(now)))
    return changes


def card(item: Item) -> dict[str, Any]:
    """Return an item's facts as payloads and templates carry them."""
    return {
        "id": item.id,
        "title": item.title,
        "price": None if item.price is None else float(item.price),
        "currency": item.currency,
        "image": item.image,
        "url": item.url,
    }
