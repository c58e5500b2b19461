"""Keep what can be recommended, and a shelf of it in memory for the rankers.

Items are the tenant's public goods: nothing here is secret, so nothing is
sealed. A shelf never changes once it is handed out; the next one is built from
the rows that changed since, so other nodes' changes arrive too.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import Item, ItemId, TenantId, from_ms, new_id, to_ms
from chatpush.errors import NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

UPSERT = """(tenant, id) DO UPDATE SET title = excluded.title, text = excluded.text,
 price = excluded.price, currency = excluded.currency, stock = excluded.stock, url = excluded.url,
 image = excluded.image, tags = excluded.tags, attributes = excluded.attributes,
 valid_from = excluded.valid_from, valid_to = excluded.valid_to, language = excluded.language,
 audience = excluded.audience,
 updated_at = CASE WHEN excluded.updated_at > item.updated_at
                   THEN excluded.updated_at ELSE item.updated_at + 1 END"""
"""``updated_at`` grows with every change of an item, so it tells whether a shelf has the latest."""
LOOK_AGAIN = timedelta(seconds=30)
"""How long another node's change may stay unseen."""
OVERLAP_MILLISECONDS = 60_000
READ_AT_ONCE = 500
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
    updated_ms: Mapping[ItemId, int]
    looked: float

    @cached_property
    def newest_first(self) -> tuple[ItemId, ...]:
        """All items, the last added first."""
        return tuple(sorted(self.items, key=lambda item: (-self.created_ms[item], item)))

    @cached_property
    def since_ms(self) -> int:
        """From when on another node may have changed something that is not on this shelf yet."""
        return max(self.updated_ms.values(), default=0) - OVERLAP_MILLISECONDS

    @cached_property
    def latest(self) -> tuple[int, int]:
        """How many items changed since then, and their times added up: any change makes this greater."""
        later = [at - self.since_ms for at in self.updated_ms.values() if at >= self.since_ms]
        return len(later), sum(later)


EMPTY = Shelf({}, {}, 0, {}, float("-inf"))


class Catalogue:
    """The items of all tenants. ``bell`` is set when an item changed that somebody may be waiting for."""

    def __init__(self, database: Database, clock: Clock, max_items: int = 200_000) -> None:
        self._database = database
        self._clock = clock
        self._max_items = max_items
        self._shelves: OrderedDict[TenantId, Shelf] = OrderedDict()
        self._stale: set[TenantId] = set()
        self._refilling: dict[TenantId, asyncio.Lock] = {}
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

    async def some(self, tenant: TenantId, items: Sequence[ItemId]) -> list[Item]:
        """Return those of a few items that are there, in the order asked for."""
        names, params = among(dict.fromkeys(items))
        rows = await self._database.read(
            f"SELECT * FROM item WHERE tenant = :t AND id IN {names}", t=tenant, **params
        )
        found = {row["id"]: _item(row) for row in rows}
        return [found[item] for item in dict.fromkeys(items) if item in found]

    async def named(self, tenant: TenantId, words: Sequence[str], limit: int) -> list[Item]:
        """Return items whose titles have all these words, the shortest titles first; none for no words.

        Every title is read, beside the loop: this answers a person, not a stream.
        """
        if not words:
            return []
        signs = {f"w{place}": f"%{_literally(word.lower())}%" for place, word in enumerate(words)}
        has_all = " AND ".join(f"LOWER(title) LIKE :{name} ESCAPE '!'" for name in signs)
        rows = await self._database.read(
            f"SELECT * FROM item WHERE tenant = :t AND {has_all} ORDER BY LENGTH(title), id LIMIT :n",
            t=tenant, n=limit, **signs,
        )  # fmt: skip
        return [_item(row) for row in rows]

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
        refilling = self._refilling.setdefault(tenant, asyncio.Lock())
        if not refilling.locked() and not self._is_old(tenant):
            return self._shelves[tenant]
        async with refilling:  # whoever comes meanwhile waits: the shelf before is not the latest
            if self._is_old(tenant):
                self._stale.discard(tenant)
                try:
                    self._shelves[tenant] = await self._refill(tenant, self._shelves.get(tenant, EMPTY))
                except BaseException:
                    self._stale.add(tenant)
                    raise
                self._shelves.move_to_end(tenant)
            shelf = self._shelves[tenant]
        while len(self._shelves) > SHELVES_KEPT:
            self._shelves.popitem(last=False)
        return shelf

    def _is_old(self, tenant: TenantId) -> bool:
        shelf = self._shelves.get(tenant, EMPTY)
        unseen = self._clock.monotonic() - shelf.looked > LOOK_AGAIN.total_seconds()
        return unseen or tenant in self._stale

    async def _refill(self, tenant: TenantId, shelf: Shelf) -> Shelf:
        """Return the shelf with what changed; reading and comparing are done beside the loop."""
        since, before = await asyncio.to_thread(lambda: (shelf.since_ms, shelf.latest))
        found = await self._database.read(
            "SELECT COUNT(*) AS n, COALESCE(SUM(updated_at - :since), 0) AS total FROM item"
            " WHERE tenant = :t AND updated_at >= :since",
            t=tenant, since=since,
        )  # fmt: skip
        looked = self._clock.monotonic()
        if (int(found[0]["n"]), int(found[0]["total"])) == before:
            return replace(shelf, looked=looked)
        times = await self._database.read(
            "SELECT id, updated_at FROM item WHERE tenant = :t AND updated_at >= :since"
            " ORDER BY updated_at DESC LIMIT :n",
            t=tenant, since=since, n=self._max_items,
        )  # fmt: skip
        changed = await asyncio.to_thread(
            lambda: [row["id"] for row in times if shelf.updated_ms.get(row["id"]) != row["updated_at"]]
        )
        rows: list[Row] = []
        for start in range(0, len(changed), READ_AT_ONCE):
            names, params = among(changed[start : start + READ_AT_ONCE])
            rows += await self._database.read(
                f"SELECT * FROM item WHERE tenant = :t AND id IN {names}", t=tenant, **params
            )
        return await asyncio.to_thread(_refilled, shelf, rows, looked)


def _refilled(shelf: Shelf, rows: Sequence[Row], looked: float) -> Shelf:
    """Return the shelf with these rows on it; the version grows only if an item is another than before."""
    fresh = {ItemId(row["id"]): _item(row) for row in rows}
    updated = {**shelf.updated_ms, **{ItemId(row["id"]): int(row["updated_at"]) for row in rows}}
    if all(shelf.items.get(key) == item for key, item in fresh.items()):
        return replace(shelf, updated_ms=updated, looked=looked)
    created = {**shelf.created_ms, **{ItemId(row["id"]): int(row["created_at"]) for row in rows}}
    return Shelf({**shelf.items, **fresh}, created, shelf.version + 1, updated, looked)


def _literally(word: str) -> str:
    """Return a word as LIKE looks for it, whatever signs it has."""
    return re.sub(r"([!%_])", r"!\1", word)


def _row(tenant: TenantId, item: Item, now: int) -> Row:
    return {
        "tenant": tenant, "id": item.id, "title": item.title, "text": item.text,
        "price": None if item.price is None else format(item.price, "f"), "currency": item.currency,
        "stock": item.stock, "url": item.url, "image": item.image,
        "tags": json.dumps(item.tags, ensure_ascii=False),
        "attributes": json.dumps(item.attributes, ensure_ascii=False),
        "valid_from": None if item.valid_from is None else to_ms(item.valid_from),
        "valid_to": None if item.valid_to is None else to_ms(item.valid_to), "language": item.language,
        "audience": item.audience,
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
        audience=row["audience"],
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
