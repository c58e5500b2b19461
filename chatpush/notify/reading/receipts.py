"""Record what users did with their messages, once each, and only with their own.

``read`` and ``clicked`` include ``seen``, ``replied`` includes ``read``, any
receipt includes ``delivered``. Repeating a receipt changes nothing. After the
commit the user's other tabs learn the new unread count, then plugins and
listeners (the recommender) hear of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    CampaignId,
    Category,
    DeliveryId,
    MessageId,
    Receipt,
    ReceiptKind,
    TenantId,
    UserId,
    from_ms,
    to_ms,
)
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.inbox import UNREAD, Inbox, unread_in
from chatpush.notify.reading.trace import entry
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

log = structlog.get_logger(__name__)

INCLUDES = {
    ReceiptKind.DELIVERED: ("delivered_at",),
    ReceiptKind.SEEN: ("delivered_at", "seen_at"),
    ReceiptKind.READ: ("delivered_at", "seen_at", "read_at"),
    ReceiptKind.CLICKED: ("delivered_at", "seen_at", "clicked_at"),
    ReceiptKind.REPLIED: ("delivered_at", "seen_at", "read_at", "replied_at"),
    ReceiptKind.DISMISSED: ("delivered_at", "dismissed_at"),
    ReceiptKind.ARCHIVED: ("delivered_at", "archived_at"),
    ReceiptKind.SNOOZED: ("delivered_at", "snoozed_at"),
}
ITEM_COLUMNS = {"seen_at", "read_at", "clicked_at", "dismissed_at", "archived_at"}


@dataclass(frozen=True, slots=True)
class Reception:
    """A new receipt with whose it is and what it is about."""

    tenant: TenantId
    user: UserId
    message: MessageId
    category: Category
    campaign: CampaignId | None
    receipt: Receipt


Listener = Callable[[Reception], Awaitable[None]]
Along = Callable[[Transaction], object]
"""What else happens in the transaction that stores receipts."""


class Receipts:
    """The receipts of every tenant's users."""

    def __init__(
        self, database: Database, inbox: Inbox, plugins: Plugins, clock: Clock,
        happenings: Happenings | None = None,
    ) -> None:  # fmt: skip
        self._happenings = happenings or Happenings(clock)
        self._database = database
        self._inbox = inbox
        self._plugins = plugins
        self._clock = clock
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call this after each new receipt is stored; its failures are logged and go no further."""
        self._listeners.append(listener)

    async def record(
        self, tenant: TenantId, user: UserId, given: Sequence[tuple[DeliveryId, ReceiptKind]],
        along: Along | None = None,
    ) -> int:  # fmt: skip
        """Store receipts and return the unread count. What is not the user's own is passed over.

        ``along`` happens in the same transaction, before the count.
        """
        now = self._clock.now()

        def write(tx: Transaction) -> tuple[list[Reception], bool, int]:
            own = _own(tx, tenant, user, [delivery for delivery, _ in given])
            before = _unread(tx, tenant, user, to_ms(now))
            fresh = []
            for delivery, kind in given:
                row = own.get(delivery)
                if row is not None and _record_in(tx, tenant, user, row, kind, to_ms(now)):
                    step = f"delivery.{kind.value}"
                    self._happenings.step_in(tx, tenant, step, [(row["message"], row["id"], {})])
                    fresh.append(_reception(tenant, user, row, Receipt(DeliveryId(row["id"]), kind, now)))
            if along is not None:
                along(tx)
            unread = _unread(tx, tenant, user, to_ms(now))
            return fresh, unread != before, unread

        fresh, changed, unread = await self._database.write(write)
        if changed:
            await self._inbox.announce_unread(tenant, user, unread)
        for reception in fresh:
            await self._tell(reception)
        return unread

    async def see_all(self, tenant: TenantId, user: UserId) -> int:
        """Store ``seen`` for everything unread and return the unread count."""
        now = to_ms(self._clock.now())
        rows = await self._database.read(
            f"SELECT latest FROM inbox_item WHERE tenant = :t AND user_id = :u AND {UNREAD}",
            t=tenant, u=user, now=now,
        )  # fmt: skip
        return await self.record(
            tenant, user, [(DeliveryId(row["latest"]), ReceiptKind.SEEN) for row in rows]
        )

    async def _tell(self, reception: Reception) -> None:
        await self._plugins.on_receipt(reception.receipt)
        for listener in self._listeners:
            try:
                await listener(reception)
            # Whoever listens has its own room; its failure must not spoil the user's request.
            except Exception:
                log.exception("receipt listener failed", delivery=reception.receipt.delivery)


def _own(
    tx: Transaction, tenant: TenantId, user: UserId, deliveries: list[DeliveryId]
) -> dict[DeliveryId, Row]:
    """Return the user's own among the deliveries, by the id the user sees.

    An item that was replaced on the screen keeps its id; its receipts count
    for the delivery it shows now.
    """
    names, params = among(deliveries)
    columns = "d.id, d.message, d.category, d.campaign"
    found = {
        DeliveryId(row["id"]): row
        for row in tx.query(
            f"SELECT {columns} FROM delivery AS d WHERE d.tenant = :t AND d.user_id = :u AND d.id IN {names}",
            t=tenant, u=user, **params,
        )
    }  # fmt: skip
    for row in tx.query(
        f"SELECT i.delivery AS shown, {columns} FROM inbox_item AS i JOIN delivery AS d"
        f" ON d.tenant = i.tenant AND d.id = i.latest"
        f" WHERE i.tenant = :t AND i.user_id = :u AND i.delivery IN {names}",
        t=tenant, u=user, **params,
    ):  # fmt: skip
        found[DeliveryId(row["shown"])] = row
    return found


def _record_in(
    tx: Transaction, tenant: TenantId, user: UserId, row: Row, kind: ReceiptKind, now: int
) -> bool:
    """Write a receipt; return whether it is new."""
    columns = INCLUDES[kind]
    assignments = ", ".join(f"{name} = COALESCE({name}, :now)" for name in columns)
    new = tx.execute(
        f"UPDATE delivery SET {assignments}, state = CASE WHEN state IN ('queued', 'sent') THEN 'delivered'"
        f" ELSE state END, pending = CASE WHEN stage > 0 THEN 0 ELSE pending END"
        f" WHERE tenant = :t AND id = :d AND {columns[-1]} IS NULL",
        now=now, t=tenant, d=row["id"],
    )  # fmt: skip
    if new:
        tx.insert("trace_entry", entry(tenant, row["id"], "receipt", kind.value, from_ms(now)))
    shown = [name for name in columns if name in ITEM_COLUMNS]
    if shown:
        assignments = ", ".join(f"{name} = COALESCE({name}, :now)" for name in shown)
        tx.execute(
            f"UPDATE inbox_item SET {assignments} WHERE tenant = :t AND user_id = :u AND latest = :d",
            now=now, t=tenant, u=user, d=row["id"],
        )  # fmt: skip
    return bool(new)


def _unread(tx: Transaction, tenant: TenantId, user: UserId, now: int) -> int:
    count = unread_in(tx, tenant, [user], now).get(user)
    return count.unread if count else 0


def _reception(tenant: TenantId, user: UserId, row: Row, receipt: Receipt) -> Reception:
    return Reception(
        tenant=tenant,
        user=user,
        message=MessageId(row["message"]),
        category=Category(row["category"]),
        campaign=CampaignId(row["campaign"]) if row["campaign"] else None,
        receipt=receipt,
    )
