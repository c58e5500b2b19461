"""Let a shop live through its last hour in seconds, so that pictures of it are not of an empty house.

chatpush runs in this process under a clock that lags behind and catches up;
everything that happens is said over HTTP, as customers' pages and the shop's
backend say it.
"""

import asyncio
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from aiohttp import ClientSession

from chatpush.app import Chatpush
from chatpush.clock import SystemClock
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Role
from examples.shop import bodies, seeding
from examples.shop.bodies import item_card
from examples.shop.catalogue import Catalogue, Item
from examples.shop.demo import Addresses, send_everything
from examples.shop.people import CUSTOMERS
from examples.shop.preparation import Prepared
from examples.shop.push import Push, customer_token
from tests.journeys.premises import zone_at
from tests.waiting import until

MINUTES = 58
SHOPPING_BEFORE, PICKS_BEFORE = timedelta(minutes=130), timedelta(minutes=95)
NAMES = (
    "Amélie Laurent", "Oliver Hughes", "Sofia Rossi", "Hannah Schmidt", "James Walker", "Ingrid Larsen",
    "Chloé Martin", "Liam Murphy", "Marta García", "Noah Williams", "Grace Taylor", "Lukas Weber",
)  # fmt: skip
QUESTIONS = (
    "How long do refunds take?",
    "Do you gift wrap?",
    "Can I pay by invoice?",
    "Do you deliver to Norway?",
    "My candle arrived broken",
    "Can I change my delivery address?",
    "How long is the warranty on the alarm clock?",
    "Where is my invoice?",
)
AT_ONCE = 12


class CatchingUp(SystemClock):
    """The time of day, a while ago."""

    def __init__(self, lag: timedelta) -> None:
        self.lag = lag

    def now(self) -> datetime:
        return super().now() - self.lag


@contextmanager
def in_daylight() -> Iterator[None]:
    """Let it be afternoon in all of the data's countries, and the picks heed no quiet hours."""
    countries = {name: (code, zone_at(15)) for name, (code, _) in bodies.COUNTRIES.items()}
    campaigns = [
        campaign | {"quiet_hours": "ignore"} if campaign["name"] == seeding.WEEKLY_PICKS else campaign
        for campaign in seeding.CAMPAIGNS
    ]
    with (
        mock.patch.dict(bodies.COUNTRIES, countries),
        mock.patch.object(seeding, "CAMPAIGNS", campaigns),
        mock.patch("examples.shop.demo.CAMPAIGNS", campaigns),
    ):
        yield


@dataclass
class Afternoon:
    """An hour of the shop's life."""

    prepared: Prepared
    addresses: Addresses
    catalogue: Catalogue
    http: ClientSession
    push: Push
    clock: CatchingUp
    chance: random.Random
    seen: set[str] = field(default_factory=set)

    async def live(self) -> None:
        """Let every minute of it pass."""
        buyers = sorted(user for user in self.catalogue.countries if user.startswith("customer-"))
        guests = self.chance.sample(buyers, len(NAMES))
        for user, name in zip(guests, NAMES, strict=True):
            await self.push.call("PUT", f"/v1/users/{user}", {"attributes": {"name": name}})
        talks = dict(
            zip(sorted(self.chance.sample(range(3, MINUTES), len(QUESTIONS))), QUESTIONS, strict=True)
        )
        talkers = iter(guests)
        self.clock.lag = SHOPPING_BEFORE
        await self._orders(0, list(CUSTOMERS))
        self.clock.lag = PICKS_BEFORE
        await self._picks(buyers)
        for minute in range(1, MINUTES):
            self.clock.lag = timedelta(minutes=MINUTES - minute)
            wave = 9 + 5 * math.sin(minute / 7) + minute / 12
            await self._orders(minute, self.chance.sample(buyers, round(wave * (0.7 + self.chance.random()))))
            if minute in talks:
                await self._talk(next(talkers), talks[minute])
        self.clock.lag = timedelta(0)

    async def _orders(self, minute: int, users: Sequence[str]) -> None:
        """Let customers pay, and some parcels leave; most of them have the page open."""
        events = [self._order(user, minute, number) for number, user in enumerate(users)]
        await self.push.call("POST", "/v1/events", {"events": events})

        async def told() -> bool:
            query = {"user": users[-1], "limit": "1"}
            last = (await self.push.call("GET", "/v1/deliveries", query=query))["data"]
            return bool(last and last[0]["state"] == "sent" and last[0]["id"] not in self.seen)

        await until(told)
        await asyncio.gather(*(self._read(user, 0.9) for user in users if user not in CUSTOMERS))

    def _order(self, user: str, minute: int, number: int) -> dict[str, Any]:
        order = f"HL-{18000 + minute * 20 + number}"
        item: Item = self.chance.choice(self.catalogue.popular[:200])
        shop = self.addresses.shop
        properties = {
            "order": order, "total": str(item.price * 4), "currency": "GBP", "count": 4,
            "first_item": item.title, "carrier": "Royal Mail", "tracking_number": f"RM{minute:02}7400{number:02}GB",
            "eta": (datetime.now(UTC) + timedelta(days=3)).isoformat(), "url": f"{shop}/orders/{order}",
            "image": f"{shop}/images/{item.id}.svg", "items": [item_card(item, shop)],
        }  # fmt: skip
        kinds = ("order.paid", "order.paid", "order.shipped", "order.delivered")
        kind = "order.paid" if user in CUSTOMERS else self.chance.choice(kinds)
        return {"id": f"{order}-{kind}", "user": user, "type": kind, "properties": properties}

    async def _picks(self, buyers: Sequence[str]) -> None:
        """Let the weekly picks go out, and part of the customers look at them."""
        campaign = await self.push.campaign_named(seeding.WEEKLY_PICKS)
        assert campaign
        await self.push.run_campaign(campaign)

        async def finished() -> bool:
            runs = (await self.push.call("GET", f"/v1/campaigns/{campaign}/runs"))["data"]
            messages = (await self.push.call("GET", "/v1/messages", query={"campaign": campaign}))["data"]
            waiting = sum(message["counts"].get("queued", 0) for message in messages)
            return bool(runs[0]["state"] == "finished" and messages and not waiting)

        await until(finished, seconds=120)
        for start in range(0, len(buyers), AT_ONCE):
            await asyncio.gather(*(self._read(user, 0.75) for user in buyers[start : start + AT_ONCE]))

    async def _read(self, user: str, online: float) -> None:
        """Let a customer's page confirm what came, and the customer look at it, perhaps."""
        if self.chance.random() > online:
            return
        inbox = (await self._as(user, "GET", "/v1/me/inbox"))["data"]
        receipts = []
        for item in inbox:
            kinds = [
                kind for kind, share in (("seen", 0.68), ("clicked", 0.3)) if self.chance.random() < share
            ]
            receipts += [{"delivery": item["delivery"], "kind": kind} for kind in ("delivered", *kinds)]
        self.seen |= {item["delivery"] for item in inbox}
        if receipts:
            await self._as(user, "POST", "/v1/me/receipts", {"receipts": receipts[:50]})

    async def _talk(self, user: str, question: str) -> None:
        """Let a customer ask the assistant something."""
        place = "/v1/me/conversations/" + (await self._as(user, "POST", "/v1/me/conversations", {}))["id"]
        await self._as(user, "POST", f"{place}/turns", {"text": question, "client_id": question})

        async def answered() -> bool:
            last = (await self._as(user, "GET", place))["turns"][-1]
            return bool(last["by"] != "user" and not last["streaming"])

        await until(answered)

    async def _as(self, user: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {customer_token(user, '', self.prepared.token_secret)}"}
        async with self.http.request(
            method, self.addresses.chatpush + path, json=body, headers=headers
        ) as answer:
            assert answer.ok, await answer.text()
            return await answer.json()


async def live_through(
    prepared: Prepared, addresses: Addresses, catalogue: Catalogue, staff: Mapping[str, str]
) -> None:
    """Fill a fresh chatpush, add its staff (email and name) and let its last hour pass."""
    clock = CatchingUp(timedelta(minutes=MINUTES))
    chatpush = Chatpush(load(prepared.config, {}), clock=clock)
    async with chatpush.serving(), ClientSession() as http:
        push = Push(http, addresses.chatpush, prepared.secret_key)
        for email, name in staff.items():
            await chatpush.people.add(DEFAULT_TENANT, email, name, prepared.password, Role.ADMIN)
        with in_daylight():
            await send_everything(prepared.config.parent, prepared, push, addresses, catalogue)
        chance = random.Random(7)
        await Afternoon(prepared, addresses, catalogue, http, push, clock, chance).live()
