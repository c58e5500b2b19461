"""Small drops are no news; who named a price hears when it is reached, from the shop's change to the inbox."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import Event
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from tests.plugins.firstparty import load
from tests.serving import serving
from tests.waiting import until


def drop(before: Any, after: Any, kind: str = "item.price_drop") -> Event:
    return samples.event(kind, "lamp", properties={"before": before, "after": after})


def watch(below: Any, minutes_ago: int = 1, item: str = "lamp") -> Event:
    at = samples.MOMENT - timedelta(minutes=minutes_ago)
    return samples.event("price.watch", item, properties={"below": below}, at=at)


async def judged(occasion: Event, *history: Event, **own: Any) -> Event | Drop:
    plugins, _ = load("price_watch", **own)
    passed = await plugins.filter_occasion(occasion, history)
    assert not plugins.states()[0].failures
    return passed


async def test_small_drops_are_no_news() -> None:
    assert await judged(drop("100", "95")) == drop("100", "95")
    assert await judged(drop("100", "95.10")) == Drop("only 4.9 % cheaper")
    assert await judged(drop("100", "99"), least_percent=0) == drop("100", "99")


async def test_who_named_a_price_hears_when_it_is_reached_and_not_before() -> None:
    assert await judged(drop("40", "31"), watch("30")) == Drop("waits for 30")
    reached = await judged(drop("40", "30.00"), watch("30"))
    assert isinstance(reached, Event)
    assert (reached.type, reached.properties["below"]) == ("item.price_reached", "30")
    assert await judged(drop("31", "30.9"), watch("31")) != Drop("only 0.3 % cheaper"), (
        "any drop that reaches it"
    )


async def test_the_newest_watch_of_the_item_counts() -> None:
    assert await judged(drop("40", "25"), watch("20", 5), watch("30", 60)) == Drop("waits for 20")
    assert await judged(drop("40", "25"), watch(None, 5), watch("20", 60)) == drop("40", "25")
    assert await judged(drop("40", "25"), watch("20", item="cup")) == drop("40", "25")


@pytest.mark.parametrize("odd", [None, "", "NaN", "Infinity", [], {}, "many", "-1", "0"])
async def test_odd_prices_pass(odd: Any) -> None:
    assert await judged(drop(odd, "25")) == drop(odd, "25")
    assert not isinstance(
        await judged(drop("40", "20"), watch(odd if odd not in ("-1", "0") else None)), Drop
    )


async def test_other_occasions_are_left_alone() -> None:
    back = drop("0", "5", "item.back_in_stock")
    assert await judged(back) == back


def test_wrong_settings_stop_the_start() -> None:
    with pytest.raises(PluginFailed, match="least_percent"):
        load("price_watch", least_percent=100)


async def test_from_the_shops_change_to_the_inbox(tmp_path: Path) -> None:
    plugins: dict[str, object] = {"price_watch": load("price_watch")[1]}

    def lamp(price: str) -> dict[str, Any]:
        return {"items": [{"id": "lamp", "title": "Lamp", "price": price, "currency": "GBP", "stock": 5}]}

    async with serving(tmp_path, plugins=plugins) as served:
        await served.told("PUT", "/v1/items", lamp("40.00"))
        await served.told(
            "POST",
            "/v1/campaigns",
            {
                "name": "Your price", "trigger": {"kind": "event", "type": "item.price_reached"},
                "content": {"title": "Your price is here", "body": "Go."}, "category": "alert",
            },
        )  # fmt: skip
        for user, below in (("emma", "30"), ("lin", "20")):
            body = {"user": user, "type": "price.watch", "item": "lamp", "properties": {"below": below}}
            await served.told("POST", "/v1/events", body)
        await served.told("PUT", "/v1/items", lamp("35.00"))
        await served.told("PUT", "/v1/items", lamp("29.00"))

        async def titles(user: str) -> list[str]:
            inbox = await served.told("GET", "/v1/me/inbox", user=user)
            return [one["title"] for one in inbox["data"]]

        assert await until(lambda: titles("emma")) == ["Your price is here"]
        assert await titles("lin") == []
