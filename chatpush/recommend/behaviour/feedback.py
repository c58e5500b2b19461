"""Let what readers did with a message count as behaviour.

A receipt becomes an event of its user: ``seen`` and ``click`` tell when they
look and what they like, ``dismiss`` what to spare them. The event's id follows
from the receipt, so a receipt told twice counts once. A message with words that
were tried against others tells how these did, too.
"""

from collections.abc import Mapping
from typing import Any

from chatpush.domain import Event, EventId, ItemId, ReceiptKind
from chatpush.errors import NotFound, VaultError
from chatpush.notify.reading.inbox import Inbox
from chatpush.notify.reading.receipts import Reception
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.words.copies import Copies

TYPES = {ReceiptKind.SEEN: "seen", ReceiptKind.CLICKED: "click", ReceiptKind.DISMISSED: "dismiss"}


class Feedback:
    """Records receipts as events; a listener of ``Receipts``."""

    def __init__(self, behaviour: Behaviour, inbox: Inbox, copies: Copies | None = None) -> None:
        self._behaviour = behaviour
        self._inbox = inbox
        self._copies = copies

    async def on_reception(self, reception: Reception) -> None:
        """Record one receipt.

        A click or a dismissal of a message with several items says when, but not what.
        """
        receipt = reception.receipt
        kind = TYPES.get(receipt.kind)
        if kind is None:
            return
        data = await self._data(reception)
        await self._count(reception, data)
        items = data.get("items")
        event = Event(
            reception.tenant,
            EventId(f"{receipt.delivery}:{receipt.kind}"),
            reception.user,
            kind,
            receipt.at,
            _only(items) if isinstance(items, list) else None,
            {"delivery": receipt.delivery, "campaign": reception.campaign or ""},
        )
        await self._behaviour.record(reception.tenant, [event])

    async def _count(self, reception: Reception, data: Mapping[str, Any]) -> None:
        """Count for the words; who clicks without a word of having seen has seen."""
        copy, receipt = data.get("copy"), reception.receipt
        if self._copies is None or not isinstance(copy, str) or receipt.kind is ReceiptKind.DISMISSED:
            return
        clicked = receipt.kind is ReceiptKind.CLICKED
        before = EventId(f"{receipt.delivery}:{ReceiptKind.SEEN}")
        seen = not clicked or await self._behaviour.get(reception.tenant, before) is None
        await self._copies.count(reception.tenant, copy, seen=seen, clicked=clicked)

    async def _data(self, reception: Reception) -> Mapping[str, Any]:
        """Return what the message carried."""
        try:
            shown = await self._inbox.item(reception.tenant, reception.user, reception.receipt.delivery)
        except (NotFound, VaultError):
            return {}  # out of the inbox already, or erased
        data = shown.get("data")
        return data if isinstance(data, Mapping) else {}


def _only(items: list[Any]) -> ItemId | None:
    if len(items) != 1 or not isinstance(items[0], Mapping) or not items[0].get("id"):
        return None
    return ItemId(str(items[0]["id"]))
