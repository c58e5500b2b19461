"""Put messages aside: archive them, or snooze them until a time.

What is snoozed comes back by the clock alone: an item counts as snoozed only
while its time is ahead, so lists and counts are right whether we run or not.
The wake-up tells open pages, under a key that makes a repetition harmless,
and then clears the time; a kill anywhere loses no wake-up and doubles none.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from chatpush.clock import Clock
from chatpush.domain import DeliveryId, Json, ReceiptKind, TenantId, UserId, from_ms, to_ms
from chatpush.errors import InvalidInput
from chatpush.notify.reading.inbox import Inbox
from chatpush.notify.reading.receipts import Receipts
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction

PAGE = 500
FURTHEST = timedelta(days=366)


class Publisher(Protocol):
    """Where pages are told."""

    async def publish(
        self, tenant: TenantId, channel: str, data: Json, *, idempotency_key: str = ""
    ) -> object:
        """Publish, durably, once per idempotency key."""
        ...


class Shelving(Worker):
    """The shelves of every user's inbox."""

    def __init__(
        self, database: Database, inbox: Inbox, receipts: Receipts, publisher: Publisher, clock: Clock
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._receipts = receipts
        self._publisher = publisher
        self._clock = clock
        super().__init__("notify.shelving", self.turn)

    async def archive(self, tenant: TenantId, user: UserId, delivery: DeliveryId) -> int:
        """Put an item away and return the unread count.

        Raises:
            NotFound: this user has no such item.
        """
        return await self._put(tenant, user, delivery, ReceiptKind.ARCHIVED, "snoozed_until = NULL")

    async def snooze(self, tenant: TenantId, user: UserId, delivery: DeliveryId, until: datetime) -> int:
        """Put an item aside until a time, when it is back, unread; return the unread count.

        Raises:
            NotFound: this user has no such item.
            InvalidInput: the time has no offset, is past or too far ahead.
        """
        now = self._clock.now()
        if until.tzinfo is None:
            raise InvalidInput("until needs an offset: 2026-12-01T09:00:00Z", param="until")
        if not now < until <= now + FURTHEST:
            raise InvalidInput(f"until is ahead, and at most {FURTHEST.days} days", param="until")
        changes = "archived_at = NULL, seen_at = NULL, snoozed_until = :until"
        unread = await self._put(tenant, user, delivery, ReceiptKind.SNOOZED, changes, until=to_ms(until))
        self.ring()
        return unread

    async def bring_back(self, tenant: TenantId, user: UserId, delivery: DeliveryId) -> int:
        """Take an item out of the archive or its snooze and return the unread count.

        Raises:
            NotFound: this user has no such item.
        """
        return await self._put(tenant, user, delivery, None, "archived_at = NULL, snoozed_until = NULL")

    async def turn(self) -> float | None:
        """Wake one page of what is due; say when the next is."""
        now = to_ms(self._clock.now())
        rows = await self._database.read(
            "SELECT tenant, user_id, delivery, snoozed_until FROM inbox_item WHERE snoozed_until <= :now"
            " ORDER BY snoozed_until LIMIT :n",
            now=now, n=PAGE,
        )  # fmt: skip
        if rows:
            await asyncio.gather(*(self._tell(row) for row in rows))
            await self._database.write(lambda tx: _clear(tx, rows))
            return 0
        ahead = await self._database.read(
            "SELECT MIN(snoozed_until) AS at FROM inbox_item WHERE snoozed_until IS NOT NULL"
        )
        if ahead[0]["at"] is None:
            return None
        return max(0.001, (from_ms(ahead[0]["at"]) - self._clock.now()).total_seconds())

    async def _tell(self, row: Row) -> None:
        """Show the item on open pages again, with the new count."""
        tenant, user = TenantId(row["tenant"]), UserId(row["user_id"])
        unread = await self._inbox.unread(tenant, user)
        await self._publisher.publish(
            tenant,
            f"user:{user}",
            {"type": "unread", "unread": unread, "returned": row["delivery"]},
            idempotency_key=f"woken:{row['delivery']}:{row['snoozed_until']}",
        )

    async def _put(
        self, tenant: TenantId, user: UserId, delivery: DeliveryId, kind: ReceiptKind | None, changes: str,
        **values: int,
    ) -> int:  # fmt: skip
        item = await self._inbox.item(tenant, user, delivery)

        def along(tx: Transaction) -> None:
            tx.execute(
                f"UPDATE inbox_item SET {changes} WHERE tenant = :t AND user_id = :u AND delivery = :d",
                t=tenant, u=user, d=item["delivery"], **values,
            )  # fmt: skip

        given = [(DeliveryId(item["delivery"]), kind)] if kind is not None else []
        return await self._receipts.record(tenant, user, given, along)


def _clear(tx: Transaction, rows: list[Row]) -> None:
    """Forget the times that pages were told of; who snoozed again meanwhile keeps the new one."""
    for row in rows:
        tx.execute(
            "UPDATE inbox_item SET snoozed_until = NULL"
            " WHERE tenant = :tenant AND user_id = :user_id AND delivery = :delivery"
            " AND snoozed_until = :snoozed_until",
            **row,
        )
