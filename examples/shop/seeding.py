"""Fill a new chatpush with the shop: items, customers, baskets, articles, campaigns.

Everything is sent through the public API under stable ids, so doing it twice, or
again after being interrupted, changes nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from examples.shop.bodies import buyer_body, item_body, person_body, purchase_body
from examples.shop.catalogue import Catalogue
from examples.shop.people import CUSTOMERS
from examples.shop.push import Json, Push

T = TypeVar("T")
Advance = Callable[[int], None]
ITEMS_AT_ONCE = 500
EVENTS_AT_ONCE = 1000
USERS_AT_ONCE = 8
WEEKLY_PICKS = "Weekly picks"


class Seeding:
    """Sends the shop's data."""

    def __init__(self, push: Push, catalogue: Catalogue, shop: str) -> None:
        self._push = push
        self._catalogue = catalogue
        self._shop = shop

    async def items(self, advance: Advance) -> None:
        """Send every item."""
        for batch in _batches(self._catalogue.items.values(), ITEMS_AT_ONCE):
            body = {"items": [item_body(item, self._shop) for item in batch]}
            await self._push.call("PUT", "/v1/items", body, seconds=60)
            advance(len(batch))

    async def users(self, advance: Advance) -> None:
        """Send the demo customers and the data's own, a few at a time."""
        bodies = {person.id: person_body(person) for person in CUSTOMERS.values()}
        bodies |= {
            user: buyer_body(user, country)
            for user, country in self._catalogue.countries.items()
            if user not in CUSTOMERS
        }
        waiting = iter(bodies.items())

        async def work() -> None:
            for user, body in waiting:
                await self._push.call("PUT", f"/v1/users/{quote(user)}", body, seconds=30)
                advance(1)

        await asyncio.gather(*(work() for _ in range(USERS_AT_ONCE)))

    async def purchases(self, advance: Advance) -> None:
        """Send every purchase of the data set."""
        for batch in _batches(self._catalogue.purchases, EVENTS_AT_ONCE):
            body = {"events": [purchase_body(purchase) for purchase in batch]}
            await self._push.call("POST", "/v1/events", body, seconds=60)
            advance(len(batch))

    async def campaigns(self, advance: Advance) -> None:
        """Create the campaigns that are not there yet: the shop's own, and chatpush's ready ones with their words."""
        answer = await self._push.call("GET", "/v1/campaigns", query={"limit": "100"})
        present = {campaign["name"] for campaign in answer.get("data", [])}
        ready = (await self._push.call("GET", "/v1/campaigns/presets")).get("data", [])
        flows = [one for one in ready if one["name"] in FLOWS]
        for campaign in [*CAMPAIGNS, *(one["campaign"] for one in flows)]:
            if campaign["name"] not in present:
                words = next((one["locales"] for one in flows if one["campaign"] is campaign), None)
                if words:
                    template = {"locales": words, "category": campaign["category"]}
                    await self._push.call("PUT", f"/v1/templates/{campaign['template']}", template)
                await self._push.call("POST", "/v1/campaigns", campaign)
            advance(1)


FLOWS = ("abandoned_cart", "price_drop", "back_in_stock", "replenishment")
"""Ready campaigns that the shop makes its own; chatpush finds their occasions in what customers do."""
CAMPAIGNS: list[Json] = [
    *(
        {
            "name": f"Order {step}",
            "trigger": {"kind": "event", "type": f"order.{step}"},
            "template": f"order_{step}",
        }
        for step in ("paid", "shipped", "delivered")
    ),
    {
        "name": WEEKLY_PICKS,
        "trigger": {"kind": "cron", "cron": "0 18 * * fri", "timezone": "Europe/London"},
        "to": [{"all": True}],
        "template": "weekly_picks",
        "recommend": {"limit": 3},
    },
]


def _batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(things)
    while batch := list(islice(source, size)):
        yield batch
