"""Let what readers did with a message count as behaviour.

A receipt becomes an event of its user: ``seen`` and ``click`` tell when they
look and what they like, ``dismiss`` what to spare them. The event's id follows
from the receipt, so a receipt told twice counts once.
"""

from collections.abc import Mapping
from typing import Any

from chatpush.domain import Event, EventId, ItemId, ReceiptKind
from chatpush.errors import NotFound, VaultError
from chatpush.notify.inbox import Inbox
from chatpush.notify.receipts import Reception
from chatpush.recommend.behaviour import Behaviour

TYPES = {ReceiptKind.SEEN: "seen", ReceiptKind.CLICKED: "click", ReceiptKind.DISMISSED: "dismiss"}


class Feedback:
    """Records receipts as events; a listener of ``Receipts``."""

    def __init__(self, behaviour: Behaviour, inbox: Inbox) -> None:
        self._behaviour = behaviour
        self._inbox = inbox

    async def on_reception(self, reception: Reception) -> None:
        """Record one receipt.

        A click or a dismissal of a message with several items says when, but not what.
        """
        receipt = reception.receipt
        kind = TYPES.get(receipt.kind)
        if kind is None:
            return
        event = Event(
            reception.tenant,
            EventId(f"{receipt.delivery}:{receipt.kind}"),
            reception.user,
            kind,
            receipt.at,
            await self._only_item(reception),
            {"delivery": receipt.delivery, "campaign": reception.campaign or ""},
        )
        await self._behaviour.record(reception.tenant, [event])

    async def _only_item(self, reception: Reception) -> ItemId | None:
        """Return the item the message was about, if it was about one."""
        try:
            shown = await self._inbox.item(reception.tenant, reception.user, reception.receipt.delivery)
        except (NotFound, VaultError):
            return None  # out of the inbox already, or erased
        data = shown.get("data")
        items = data.get("items") if isinstance(data, Mapping) else None
        return _only(items) if isinstance(items, list) else None


def _only(items: list[Any]) -> ItemId | None:
    if len(items) != 1 or not isinstance(items[0], Mapping) or not items[0].get("id"):
        return None
    return ItemId(str(items[0]["id"]))
