"""Find the occasions to write to somebody: an item's change, a cart left alone, a thing used up, a user gone quiet.

Each occasion becomes an event of the user concerned, so event campaigns say
what follows. Its id is made of what it is about: looking twice finds it once.
Changes of items are stored with the items in one transaction and taken from
there, so that none is lost.

``item.back_in_stock``, ``item.price_drop``: who looked at it, put it into the
cart or on the wish list or watches its price in the last 60 days, is of its audience, did not buy
it since and neither dismissed nor muted it. ``cart.abandoned``: 4 hours after the last look at the
cart, nothing bought since. ``item.due``: its interval has passed (``again.py``).
``user.lapsed``: bought before, and nothing at all for twice the usual pause.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    DEFAULT_TENANT,
    Event,
    EventId,
    ItemId,
    TenantId,
    User,
    UserId,
    from_ms,
    to_ms,
)
from chatpush.plugins.contracts import Drop
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.rankers import blend
from chatpush.recommend.rankers.again import AgainRanker
from chatpush.recommend.rankers.audiences import belongs
from chatpush.recommend.training.training import Training
from chatpush.store.database import Database, Row

log = structlog.get_logger(__name__)
TOLD = {"back_in_stock": "item.back_in_stock", "price_drop": "item.price_drop"}
INTERESTED_FOR = timedelta(days=60)
LOOK_SECONDS = 900.0
PAGE = 500
CART_LEFT, CART_FORGOTTEN = timedelta(hours=4), timedelta(hours=28)
LAPSED_LEAST, LAPSED_WINDOW = timedelta(days=30), timedelta(days=14)
LAPSED_PAUSES = 2.0
FilterOccasion = Callable[[Event, tuple[Event, ...]], Awaitable[Event | Drop]]
FindUsers = Callable[[TenantId, Iterable[UserId]], Awaitable[Mapping[UserId, User]]]


class Occasions:
    """Finds occasions; ``look`` and ``changes`` may run as often as one likes."""

    def __init__(
        self,
        database: Database,
        behaviour: Behaviour,
        catalogue: Catalogue,
        again: AgainRanker,
        training: Training,
        clock: Clock,
        filter_occasion: FilterOccasion | None = None,
        find_users: FindUsers | None = None,
    ) -> None:
        self._find_users = find_users
        self._filter_occasion = filter_occasion
        self._database = database
        self._behaviour = behaviour
        self._catalogue = catalogue
        self._again = again
        self._training = training
        self._clock = clock
        self._loop: asyncio.Task[None] | None = None

    async def changes(self) -> int:
        """Turn the stored changes of items into events of the users they concern; return how many."""
        told = 0
        for row in await self._database.read("SELECT * FROM item_change ORDER BY at, tenant, id LIMIT 1000"):
            tenant = TenantId(row["tenant"])
            told += await self._tell_interested(tenant, row)
            await self._drop(row)
        return told

    async def _drop(self, change: Row) -> None:
        gone = "DELETE FROM item_change WHERE tenant = :t AND id = :i"
        await self._database.write(lambda tx: tx.execute(gone, t=change["tenant"], i=change["id"]))

    async def look(self, tenant: TenantId) -> int:
        """Record carts left alone, things due again and users gone quiet; return how many were new."""
        now = self._clock.now()
        found = [
            *await self._abandoned(tenant, now),
            *await self._lapsed(tenant, now),
            *await self._due(tenant, now),
        ]
        return await self._record(tenant, found)

    async def start(self) -> None:
        """Look in the background: at changes as they come, at the rest every quarter of an hour."""
        self._loop = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        """End; what was not looked at is found at the next start."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _look_on(self) -> None:
        looked = float("-inf")
        while True:
            self._catalogue.bell.clear()
            try:
                await self.changes()
                if self._clock.monotonic() - looked >= LOOK_SECONDS:
                    for tenant in {DEFAULT_TENANT, *self._training.tenants()}:
                        await self.look(tenant)
                    looked = self._clock.monotonic()
            except Exception as error:
                log.exception("looking for occasions failed; trying again", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._catalogue.bell.wait(), LOOK_SECONDS)

    async def _tell_interested(self, tenant: TenantId, change: Row) -> int:
        kind, item, told, after = TOLD[change["kind"]], ItemId(change["item"]), 0, ""
        known = (await self._catalogue.shelf(tenant)).items.get(item)
        if known is None or (known.stock is not None and known.stock <= 0):
            return 0
        properties = {"before": change["was"], "after": change["becomes"]}
        while True:
            rows = await self._database.read(
                """SELECT DISTINCT user_id FROM event WHERE tenant = :t AND item = :i AND at >= :since
                   AND type IN ('view', 'click', 'cart', 'wishlist', 'price.watch') AND user_id > :after
                   ORDER BY user_id LIMIT :n""",
                t=tenant, i=item, since=change["at"] - _ms(INTERESTED_FOR), after=after, n=PAGE,
            )  # fmt: skip
            if not rows:
                return told
            users, after = [UserId(row["user_id"]) for row in rows], rows[-1]["user_id"]
            histories = await self._behaviour.recent_many(tenant, users)
            now = self._clock.now()
            people = await self._find_users(tenant, users) if known.audience and self._find_users else {}
            wanted = [
                user
                for user, events in histories.items()
                if blend.forbidden(events, now, belongs=partial(belongs, people.get(user))).allows(known)
            ]
            told += await self._record(
                tenant, [_event(tenant, user, kind, now, item, change["id"], properties) for user in wanted]
            )

    async def _abandoned(self, tenant: TenantId, now: datetime) -> list[Event]:
        rows = await self._database.read(
            """SELECT user_id, item, MAX(at) AS at FROM event AS cart WHERE tenant = :t AND type = 'cart'
               AND item IS NOT NULL AND at > :from_at AND at <= :until AND NOT EXISTS (
                 SELECT 1 FROM event WHERE event.tenant = cart.tenant AND event.user_id = cart.user_id
                 AND event.at >= cart.at AND (event.type IN ('purchase', 'order.paid')
                   OR (event.type = 'cart' AND event.at > cart.at)))
               GROUP BY user_id, item ORDER BY at DESC LIMIT 10000""",
            t=tenant, from_at=to_ms(now - CART_FORGOTTEN), until=to_ms(now - CART_LEFT),
        )  # fmt: skip
        latest: dict[str, Row] = {}
        for row in rows:
            latest.setdefault(row["user_id"], row)
        return [
            _event(tenant, UserId(user), "cart.abandoned", now, ItemId(row["item"]), str(row["at"]))
            for user, row in latest.items()
        ]

    async def _lapsed(self, tenant: TenantId, now: datetime) -> list[Event]:
        rows = await self._database.read(
            """SELECT user_id, MIN(at) AS first_at, COUNT(*) AS bought FROM event
               WHERE tenant = :t AND type = 'purchase' AND user_id IN (
                 SELECT user_id FROM event WHERE tenant = :t GROUP BY user_id
                 HAVING MAX(at) <= :quiet AND MAX(at) > :long)
               GROUP BY user_id ORDER BY user_id LIMIT 10000""",
            t=tenant, quiet=to_ms(now - LAPSED_LEAST), long=to_ms(now - LAPSED_LEAST * 12),
        )  # fmt: skip
        if not rows:
            return []
        histories = await self._behaviour.recent_many(tenant, [UserId(row["user_id"]) for row in rows])
        found = []
        for row in rows:
            events = histories[UserId(row["user_id"])]
            if not events or row["bought"] < 2:
                continue
            last = events[0].at
            pause = (last - from_ms(row["first_at"])) / max(int(row["bought"]) - 1, 1)
            quiet_since = last + max(pause * LAPSED_PAUSES, LAPSED_LEAST)
            if quiet_since <= now < quiet_since + LAPSED_WINDOW:
                found.append(
                    _event(tenant, UserId(row["user_id"]), "user.lapsed", now, None, str(to_ms(last)))
                )
        return found

    async def _due(self, tenant: TenantId, now: datetime) -> list[Event]:
        items = sorted(self._again.lasting(tenant))
        found: list[Event] = []
        for item in items:
            rows = await self._database.read(
                """SELECT user_id, MAX(at) AS at FROM event WHERE tenant = :t AND item = :i
                   AND type = 'purchase' GROUP BY user_id ORDER BY at DESC LIMIT 10000""",
                t=tenant, i=item,
            )  # fmt: skip
            for row in rows:
                last = Event(
                    tenant, EventId(""), UserId(row["user_id"]), "purchase", from_ms(row["at"]), item
                )
                if self._again.due(tenant, [last]):
                    found.append(_event(tenant, last.user, "item.due", now, item, str(row["at"])))
        return found

    async def _record(self, tenant: TenantId, events: Sequence[Event]) -> int:
        accepted = 0
        for start in range(0, len(events), PAGE):
            page = await self._filtered(tenant, events[start : start + PAGE])
            if page:
                accepted += (await self._behaviour.record(tenant, page)).accepted
        return accepted

    async def _filtered(self, tenant: TenantId, events: Sequence[Event]) -> Sequence[Event]:
        """Return the occasions as the plugins leave them."""
        if self._filter_occasion is None:
            return events
        histories = await self._behaviour.recent_many(tenant, [event.user for event in events])
        verdicts = [await self._filter_occasion(event, histories[event.user]) for event in events]
        return [verdict for verdict in verdicts if isinstance(verdict, Event)]


def _event(
    tenant: TenantId,
    user: UserId,
    kind: str,
    at: datetime,
    item: ItemId | None,
    about: str,
    properties: Mapping[str, Any] | None = None,
) -> Event:
    """Return an event whose id is what it is about, so that it is recorded once."""
    digest = hashlib.sha256("\x00".join((kind, user, item or "", about)).encode()).hexdigest()[:24]
    return Event(tenant, EventId(f"occ_{digest}"), user, kind, at, item, dict(properties or {}))


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
