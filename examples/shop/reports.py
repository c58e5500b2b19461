"""Tell chatpush what customers do: look, take, buy, and how their orders fare.

An event is first written to the shop's own database, in the transaction of what
it reports, and sent a moment later. If chatpush is away it waits; if the reply
is lost it is sent again under the same id, and chatpush counts it once.
"""

import asyncio
import json
import logging
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from examples.shop.catalogue import CURRENCY
from examples.shop.push import Push, PushError
from examples.shop.storage import Storage

log = logging.getLogger(__name__)
_BATCH = 200
_LONGEST_PAUSE = 15.0


class Reports:
    """Events on their way to chatpush."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._bell = asyncio.Event()
        self._refused = False

    def behaviour(self, customer: str, kind: str, item: str) -> None:
        """Report a ``view`` or a ``cart``."""
        self._write(
            {"id": f"shop-{uuid.uuid4()}", "user": customer, "type": kind, "item": item}, datetime.now(UTC)
        )

    def purchase(self, customer: str, order: str, item: str, quantity: int, price: Decimal) -> None:
        """Report that an order holds an item."""
        properties = {"quantity": quantity, "price": str(price), "currency": CURRENCY, "order": order}
        event = {
            "id": f"{order}-{item}",
            "user": customer,
            "type": "purchase",
            "item": item,
            "properties": properties,
        }
        self._write(event, datetime.now(UTC))

    def order(self, customer: str, kind: str, properties: dict[str, Any], at: datetime) -> None:
        """Report a step of an order, such as ``order.shipped``."""
        self._write(
            {"id": f"{properties['order']}-{kind}", "user": customer, "type": kind, "properties": properties},
            at,
        )

    def waiting(self) -> int:
        """Return how many events chatpush has not confirmed."""
        count: int = self._storage.rows("SELECT count(*) FROM reports")[0][0]
        return count

    def held(self) -> int:
        """Return how many events wait because chatpush does not take them; 0 while they are only on their way."""
        return self.waiting() if self._refused else 0

    async def send_for_ever(self, push: Push) -> None:
        """Send what is waiting, as it comes."""
        pause = 0.5
        while True:
            rows = self._storage.rows("SELECT number, body FROM reports ORDER BY number LIMIT ?", _BATCH)
            if not rows:
                self._bell.clear()
                await self._bell.wait()
                continue
            try:
                await push.events([json.loads(row["body"]) for row in rows])
            except PushError as error:
                self._refused = True
                log.warning("%d events wait for chatpush: %s", self.waiting(), error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._storage.run("DELETE FROM reports WHERE number <= ?", rows[-1]["number"])
                self._refused = False
                pause = 0.5

    def _write(self, event: dict[str, Any], at: datetime) -> None:
        event["at"] = at.isoformat().replace("+00:00", "Z")
        self._storage.run("INSERT INTO reports (body) VALUES (?)", json.dumps(event, ensure_ascii=False))
        self._bell.set()
