"""Each preset, made over HTTP as it is offered, does what it says: from its reason to the reader's inbox."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, iso
from tests.clocks import StillClock
from tests.serving import Served, serving
from tests.waiting import until

GOODS = ("lamp", "vase", "mug", "cup", "pot", "jug")


@pytest.fixture
async def shop(tmp_path: Path, still_clock: StillClock) -> AsyncIterator[Served]:
    notify = {"marketing_cap": 0}
    async with serving(tmp_path, clock=still_clock, notify=notify) as served:
        await stock(served, *({"id": one, "title": one.title(), "price": 10, "stock": 5} for one in GOODS))
        for user, locale in (("emma", "en"), ("lin", "zh-CN")):
            body = {"locale": locale, "consents": {"marketing": True}, "timezone": "UTC"}
            await served.told("PUT", f"/v1/users/{user}", body)
        yield served


async def stock(served: Served, *items: dict[str, Any]) -> None:
    await served.told("PUT", "/v1/items", {"items": items})


async def happened(
    served: Served, clock: StillClock, user: str, kind: str, item: str, *days_ago: float
) -> None:
    events = [
        {"user": user, "type": kind, "item": item, "at": iso(clock.now() - timedelta(days=days))}
        for days in days_ago or (0,)
    ]
    await served.told("POST", "/v1/events", {"events": events})


async def made(served: Served, name: str) -> str:
    """Make the campaign of a preset and its template, as a person does with what is offered."""
    offered = (await served.told("GET", "/v1/campaigns/presets"))["data"]
    preset = next(one for one in offered if one["name"] == name)
    template = {"category": "marketing", "locales": preset["locales"]}
    await served.told("PUT", f"/v1/templates/{preset['campaign']['template']}", template)
    return str((await served.told("POST", "/v1/campaigns", preset["campaign"]))["id"])


async def reads(served: Served, user: str, title: str) -> str:
    """Wait for a message of this title and return its words."""

    async def found() -> str:
        served.chatpush.outbox.ring()
        inbox = (await served.told("GET", "/v1/me/inbox?limit=50", user=user))["data"]
        return next((one["body"] for one in inbox if one["title"] == title), "")

    return str(await until(found))


@pytest.mark.parametrize(
    ("name", "day", "title", "title_zh"),
    [
        ("weekly_picks", "Fri 09", "Picked for you this week", "本周为你精选"),
        ("trending", "Tue 10", "Trending now", "正在流行"),
        ("new_arrivals", "Wed 10", "New, and maybe yours", "新品推荐"),
        ("digest", "Tue 10", "Your month", "每月精选"),
    ],
)
async def test_by_the_clock(
    shop: Served, still_clock: StillClock, name: str, day: str, title: str, title_zh: str
) -> None:
    for user in ("emma", "lin", "max", "ada"):
        await happened(shop, still_clock, user, "view", "lamp")
    await happened(shop, still_clock, "ada", "view", "vase")
    still_clock.forward(timedelta(days=3))  # what came on a catalogue's first day is not new
    campaign = await made(shop, name)
    due = datetime.fromisoformat((await shop.told("GET", f"/v1/campaigns/{campaign}"))["next_at"])
    assert due.strftime("%a %H") == day
    still_clock.set(due - timedelta(hours=30))
    fresh = ("kettle", "basket") if name == "new_arrivals" else ()
    if fresh:
        await stock(shop, *({"id": one, "title": one.title()} for one in fresh))
    still_clock.set(due + timedelta(seconds=1))
    await shop.chatpush.runs.tick()

    async def finished() -> bool:
        runs = (await shop.told("GET", f"/v1/campaigns/{campaign}/runs"))["data"]
        return bool(runs and runs[0]["state"] == "finished")

    await until(finished)
    still_clock.forward(timedelta(hours=24))  # by then everybody's own best hour has come
    words = await reads(shop, "emma", title)
    assert any(one.title() in words for one in fresh or GOODS)
    assert "、" in await reads(shop, "lin", title_zh)


async def test_by_what_happens(shop: Served, still_clock: StillClock) -> None:
    for name in ("abandoned_cart", "back_in_stock", "price_drop", "win_back", "replenishment"):
        await made(shop, name)
    look = shop.chatpush.occasions.look
    await happened(shop, still_clock, "lin", "view", "vase")
    await stock(shop, {"id": "vase", "title": "Vase", "price": 10, "stock": 0})
    await stock(shop, {"id": "vase", "title": "Vase", "price": 10, "stock": 3})
    assert await reads(shop, "lin", "到货啦") == "「Vase」又有货了。"
    await stock(shop, {"id": "vase", "title": "Vase", "price": 7, "stock": 3})
    assert await reads(shop, "lin", "降价了") == "「Vase」现价 7，原价 10。"

    await happened(shop, still_clock, "lin", "cart", "pot")
    still_clock.forward(timedelta(hours=5))
    assert await look(DEFAULT_TENANT) == 1
    assert await reads(shop, "lin", "还在考虑吗？") == "「Pot」还在你的购物车里。"

    for user in ("emma", "max", "ada"):
        await happened(shop, still_clock, user, "purchase", "mug", 21, 41, 61, 81)
    await shop.chatpush.recommender.training.refit(DEFAULT_TENANT)
    assert await look(DEFAULT_TENANT) == 3
    await until(lambda: deliveries(shop, "emma"))
    still_clock.forward(timedelta(hours=24))
    assert await reads(shop, "emma", "Running low?") == "It may be time for Mug again."


async def test_a_customer_who_stays_away_is_won_back(shop: Served, still_clock: StillClock) -> None:
    await made(shop, "win_back")
    await happened(shop, still_clock, "emma", "purchase", "cup", 45, 65)
    await happened(shop, still_clock, "lin", "purchase", "cup", 3, 23)
    await shop.told("GET", "/v1/recommendations?user=emma")
    assert await shop.chatpush.occasions.look(DEFAULT_TENANT) == 1
    await until(lambda: deliveries(shop, "emma"))
    still_clock.forward(timedelta(hours=24))
    assert (await reads(shop, "emma", "It has been a while")).startswith("New since your last visit: ")
    assert await deliveries(shop, "lin") == []


async def deliveries(served: Served, user: str) -> list[dict[str, Any]]:
    return list((await served.told("GET", f"/v1/deliveries?user={user}"))["data"])
