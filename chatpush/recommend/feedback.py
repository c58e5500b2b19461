"""Let what readers did with a message count as behaviour.

A receipt becomes an event of its user: ``seen`` and ``click`` tell when they
look and what they like, ``dismiss`` what to spare them. The event's id follows
from the receipt, so a receipt told twice counts once.
"""

from collections.abc import Sequence

from chatpush.domain import Event, EventId, ItemId, Receipt, ReceiptKind, TenantId, UserId
from chatpush.recommend.behaviour import Behaviour

TYPES = {ReceiptKind.SEEN: "seen", ReceiptKind.CLICKED: "click", ReceiptKind.DISMISSED: "dismiss"}


class Feedback:
    """Records receipts as events."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def on_receipt(
        self, tenant: TenantId, user: UserId, receipt: Receipt, items: Sequence[ItemId] = ()
    ) -> None:
        """Record one receipt; ``items`` are what the message recommended.

        A click without a named item, or on one of several, says when but not what.
        """
        kind = TYPES.get(receipt.kind)
        if kind is None:
            return
        item = items[0] if len(items) == 1 else None
        properties = {"delivery": receipt.delivery}
        event = Event(
            tenant, EventId(f"{receipt.delivery}:{receipt.kind}"), user, kind, receipt.at, item, properties
        )
        await self._behaviour.record(tenant, [event])
