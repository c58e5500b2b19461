"""The shop's flows from event to inbox, over HTTP, in both languages: what ``make demo`` ships does what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chatpush.domain import DEFAULT_TENANT
from examples.shop import rendering
from examples.shop.bodies import item_body, item_card
from examples.shop.catalogue import Catalogue, Item
from examples.shop.orders import Orders
from examples.shop.people import CUSTOMERS
from examples.shop.push import Push
from examples.shop.reports import Reports
from examples.shop.seeding import CAMPAIGNS, FLOWS, WEEKLY_PICKS, Seeding
from examples.shop.storage import Storage
from tests.clocks import StillClock
from tests.serving import Served, serving
from tests.waiting import until

SHOP = "http://shop.example"
TEMPLATES = Path(rendering.__file__).parent / "templates"
ITEMS = 12


@dataclass
class Flowing:
    """A chatpush that the shop has filled, and what a test does with it."""

    served: Served
    push: Push
    clock: StillClock
    items: list[Item]

    async def happens(self, user: str, kind: str, item: str | None = None, **properties: Any) -> None:
        """Report something that a customer did."""
        event = {"user": user, "type": kind, "properties": properties} | ({"item": item} if item else {})
        await self.push.events([event])

    async def changes(self, item: Item, **fields: Any) -> None:
        """Change an item, as the shop's warehouse does."""
        await self.push.call("PUT", "/v1/items", {"items": [item_body(item, SHOP) | fields]})

    async def reads(self, user: str, title: str, *words: str) -> dict[str, Any]:
        """Wait until a customer's inbox has a title, and return the entry; it says these words."""

        async def found() -> dict[str, Any]:
            inbox = await self.served.told("GET", "/v1/me/inbox?limit=50", user=user)
            return next((one for one in inbox["data"] if one["title"] == title), {})

        entry: dict[str, Any] = await until(found)
        assert all(word in entry["body"] for word in words), entry["body"]
        return entry

    async def titles(self, user: str) -> list[str]:
        """What a customer's inbox has."""
        inbox = await self.served.told("GET", "/v1/me/inbox?limit=50", user=user)
        return [one["title"] for one in inbox["data"]]


@asynccontextmanager
async def flowing(folder: Path, clock: StillClock, catalogue: Catalogue) -> AsyncIterator[Flowing]:
    items = list(islice(catalogue.items.values(), ITEMS))
    few = replace(catalogue, items={item.id: item for item in items}, purchases=[], countries={})
    notify = {"templates_dir": str(TEMPLATES), "read_from_users": 2, "marketing_cap": 0}
    async with serving(folder, clock=clock, notify=notify) as served:
        push = Push(served.http, served.url, served.secret)
        seeding = Seeding(push, few, SHOP)
        for send in (seeding.items, seeding.users, seeding.campaigns):
            await send(lambda _: None)
        yield Flowing(served, push, clock, items)


@pytest.fixture
async def shop(tmp_path: Path, still_clock: StillClock, catalogue: Catalogue) -> AsyncIterator[Flowing]:
    async with flowing(tmp_path / "data", still_clock, catalogue) as opened:
        yield opened


async def test_an_order_is_told_step_by_step_in_the_customers_language(
    shop: Flowing, tmp_path: Path, catalogue: Catalogue
) -> None:
    shop.clock.set(datetime.now(UTC))  # the shop lives by the real one
    storage = Storage(tmp_path / "shop.db")
    reports = Reports(storage)
    orders = Orders(storage, catalogue, reports, SHOP)
    reporting = asyncio.create_task(reports.send_for_ever(shop.push))
    try:
        own = [orders.place(CUSTOMERS[user], {shop.items[0].id: 2}).id for user in ("emma", "linxiao")]
        await shop.reads("emma", "Thank you, Emma: your order is in", own[0], shop.items[0].title)
        for step, en, zh in (
            ("shipped", "Your parcel is on its way", "您的包裹出发了"),
            ("delivered", "Delivered. We hope you like it", "包裹已送达，希望您喜欢"),
        ):
            for order in own:
                orders.advance(order, step)
            await shop.reads("emma", en, own[0])
            await shop.reads("linxiao", zh, own[1])
    finally:
        reporting.cancel()
    assert len(await shop.titles("linxiao")) == 3
    assert await shop.titles("jonas") == []


async def test_a_cart_left_alone_is_spoken_of_after_four_hours_unless_it_was_bought(shop: Flowing) -> None:
    for user in ("emma", "linxiao"):
        await shop.happens(user, "cart", shop.items[0].id)
    await shop.happens("linxiao", "purchase", shop.items[0].id)
    look = shop.served.chatpush.occasions.look
    shop.clock.forward(timedelta(hours=3))
    assert await look(DEFAULT_TENANT) == 0
    shop.clock.forward(timedelta(hours=2))
    assert await look(DEFAULT_TENANT) == 1
    await shop.reads("emma", "Still thinking it over?", shop.items[0].title)
    assert await look(DEFAULT_TENANT) == 0, "an occasion is found once"
    assert await shop.titles("linxiao") == []


async def test_a_price_drop_is_told_to_who_looked_and_to_nobody_else(shop: Flowing) -> None:
    lamp, cheaper = shop.items[0], shop.items[0].price / 2
    for user in ("emma", "linxiao", "jonas"):
        await shop.happens(user, "view", lamp.id)
    await shop.changes(lamp, price=str(cheaper))
    await shop.reads("emma", "Now for less", lamp.title, str(lamp.price))
    await shop.reads("linxiao", "降价了", lamp.title)
    await shop.changes(lamp, price=str(lamp.price))
    assert await shop.titles("jonas") == [], "he agreed to no advertising"
    assert await shop.titles("zhouning") == [], "and she never looked"


async def test_what_is_back_in_stock_is_told_to_who_waited(shop: Flowing) -> None:
    lamp = shop.items[1]
    await shop.happens("zhouning", "wishlist", lamp.id)
    await shop.changes(lamp, stock=0)
    await shop.changes(lamp, stock=25)
    await shop.reads("zhouning", "到货啦", lamp.title)
    assert await shop.titles("emma") == []


async def test_what_runs_out_is_offered_again(shop: Flowing) -> None:
    await shop.happens("emma", "item.due", shop.items[2].id)
    await until_scheduled_or_read(shop, "emma", "Running low?")


async def test_what_customers_buy_again_and_again_is_offered_when_it_runs_out(shop: Flowing) -> None:
    candles, now = shop.items[2], shop.clock.now()
    for user in ("emma", "linxiao", "jonas"):
        ago = (
            [30 + 20 * step for step in range(4)]
            if user == "linxiao"
            else [21 + 20 * step for step in range(4)]
        )
        await shop.push.events(
            [
                {
                    "user": user,
                    "type": "purchase",
                    "item": candles.id,
                    "at": (now - timedelta(days=days)).isoformat(),
                }
                for days in ago
            ]
        )
    await shop.served.chatpush.recommender.training.refit(DEFAULT_TENANT)
    assert await shop.served.chatpush.occasions.look(DEFAULT_TENANT) == 3
    await until_scheduled_or_read(shop, "emma", "Running low?")
    await shop.reads("linxiao", "快用完了吗？", candles.title)
    assert await shop.titles("jonas") == [], "he agreed to no advertising"


async def until_scheduled_or_read(shop: Flowing, user: str, title: str) -> None:
    """Wait for a message that may choose its reader's best hour, and let that hour come."""

    async def accepted() -> bool:
        newest = (await shop.push.call("GET", "/v1/messages"))["data"]
        return bool(newest)

    await until(accepted)
    shop.clock.forward(timedelta(hours=24))
    shop.served.chatpush.outbox.ring()
    await shop.reads(user, title, shop.items[2].title)


async def test_a_promotion_to_everybody_is_one_row_and_asks_for_consent(shop: Flowing) -> None:
    body = {
        "template": "promotion", "to": [{"all": True}], "category": "marketing", "collapse_key": "promotion",
        "data": {
            "shelf": {"en": "light", "zh-CN": "灯饰"}, "titles": [shop.items[0].title], "url": SHOP, "image": SHOP,
            "items": [item_card(shop.items[0], SHOP)],
        },
    }  # fmt: skip
    message = await shop.push.message(body, "promotion-1")
    assert await shop.push.message(body, "promotion-1") == message, "sent twice, accepted once"
    await shop.reads("emma", "Small lights for long evenings", "Emma", "light")
    await shop.reads("linxiao", "长夜里，留一盏小灯", "灯饰")
    assert await shop.titles("jonas") == []
    seen = await shop.push.call("GET", f"/v1/messages/{message}")
    assert seen["fan_out"] == "read"


async def test_weekly_picks_reach_everybody_who_agreed_with_items_and_reasons(shop: Flowing) -> None:
    for user in ("emma", "linxiao"):
        await shop.happens(user, "view", shop.items[3].id)
    campaign = await shop.push.campaign_named(WEEKLY_PICKS)
    assert campaign
    await shop.push.run_campaign(campaign)

    async def picked() -> bool:
        return bool(await shop.titles("emma")) and bool(await shop.titles("linxiao"))

    await until(picked)
    inbox = await shop.served.told("GET", "/v1/me/inbox", user="emma")
    items = inbox["data"][0]["data"]["items"]
    assert 1 <= len(items) <= 3
    assert all(item["reason"] for item in items)
    assert await shop.titles("jonas") == []


async def test_weekly_picks_come_on_friday_evening_by_themselves_and_once(shop: Flowing) -> None:
    for user in ("emma", "linxiao"):
        await shop.happens(user, "view", shop.items[3].id)
    campaign = await shop.push.campaign_named(WEEKLY_PICKS)
    due = (await shop.push.call("GET", f"/v1/campaigns/{campaign}"))["next_at"]
    friday = datetime.fromisoformat(due).astimezone(ZoneInfo("Europe/London"))
    assert (friday.strftime("%A"), friday.hour) == ("Friday", 18)
    shop.clock.set(friday - timedelta(minutes=1))
    tick = shop.served.chatpush.runs.tick  # what the alarm calls
    await tick()
    assert await shop.titles("emma") == []
    shop.clock.set(friday + timedelta(seconds=1))
    await tick()

    async def picked() -> bool:
        return bool(await shop.titles("emma")) and bool(await shop.titles("linxiao"))

    await until(picked)
    await tick()
    runs = (await shop.push.call("GET", f"/v1/campaigns/{campaign}/runs"))["data"]
    assert len(runs) == 1


async def test_filling_it_twice_makes_nothing_twice(shop: Flowing, catalogue: Catalogue) -> None:
    await Seeding(shop.push, catalogue, SHOP).campaigns(lambda _: None)
    made = (await shop.push.call("GET", "/v1/campaigns", query={"limit": "100"}))["data"]
    assert len(made) == len({one["name"] for one in made}) == len(CAMPAIGNS) + len(FLOWS)
    assert len(CUSTOMERS) == 4
