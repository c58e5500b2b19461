"""What should go is proposed to who may still want it, and annoys nobody for long."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import Category, DeliveryId, ItemId, OutgoingMessage, ReceiptKind
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop, RankingRequest
from chatpush.plugins.host import Plugins
from tests.clocks import StillClock
from tests.plugins.firstparty import load

CARDS = [{"id": "lamp"}, {"id": "cup"}]


@pytest.fixture
def strategy(still_clock: StillClock) -> Plugins:
    plugins, module = load("promotion_strategy", dismissals=2, rest_days=7, bought_days=30, overstock=100)
    module.clock = still_clock  # type: ignore[attr-defined]
    still_clock.set(samples.MOMENT)
    return plugins


def promotion(number: int = 1, **data: Any) -> OutgoingMessage:
    return samples.message(delivery=DeliveryId(f"dlv_{number}"), data=data)


async def test_promotions_and_overstock_are_proposed_with_their_reason(strategy: Plugins) -> None:
    items = {
        item.id: item
        for item in (
            samples.item("lamp", tags=("Sale", "light")), samples.item("cup", stock=100, tags=("kitchen",)),
            samples.item("pile", stock=1000, tags=("garden",)), samples.item("rare", stock=3),
            samples.item("named", attributes={"promotion": True}), samples.item("endless", stock=None),
        )
    }  # fmt: skip
    (ranker,) = strategy.rankers()
    nobody = await ranker.rank(RankingRequest(samples.TENANT, None, (), 10, "en"), items)
    assert [(one.item, one.reason_code) for one in nobody] == [
        ("lamp", "promotion"), ("named", "promotion"), ("pile", "overstock"), ("cup", "overstock"),
    ]  # fmt: skip
    assert nobody[0].reason_values["zh-CN"] == "正在促销"
    assert all(0 <= one.score <= 1 for one in nobody)
    likes_cups = (samples.event("view", "cup"),)
    cook = await ranker.rank(RankingRequest(samples.TENANT, samples.user(), likes_cups, 3, "en"), items)
    assert [one.item for one in cook] == ["lamp", "named", "cup"]


async def test_what_was_bought_lately_is_left_out(strategy: Plugins, still_clock: StillClock) -> None:
    sent = promotion(items=CARDS)
    assert await strategy.filter_message(sent) is sent
    await strategy.on_event(samples.event("purchase", "lamp"))
    await strategy.on_event(samples.event("view", "cup"))
    passed = await strategy.filter_message(sent)
    assert isinstance(passed, OutgoingMessage)
    assert passed.content.data["items"] == [{"id": "cup"}]
    assert await strategy.filter_message(samples.message(user=samples.user("lin"), data={"items": CARDS}))
    await strategy.on_event(samples.event("purchase", "cup"))
    assert await strategy.filter_message(sent) == Drop("everything in it was bought lately")
    still_clock.forward(timedelta(days=31))
    assert await strategy.filter_message(sent) is sent


async def test_an_old_purchase_told_late_counts_by_its_own_time(strategy: Plugins) -> None:
    await strategy.on_event(samples.event("purchase", "lamp", at=samples.MOMENT - timedelta(days=90)))
    sent = promotion(items=CARDS)
    assert await strategy.filter_message(sent) is sent


async def test_who_waves_promotions_away_gets_a_rest(strategy: Plugins, still_clock: StillClock) -> None:
    for number in (1, 2):
        await strategy.filter_message(promotion(number))
        await strategy.on_receipt(
            samples.receipt(ReceiptKind.DISMISSED, delivery=DeliveryId(f"dlv_{number}"))
        )
    assert await strategy.filter_message(promotion(3)) == Drop("waved away the last 2 promotions")
    order = samples.message(category=Category.TRANSACTIONAL)
    assert await strategy.filter_message(order) is order
    still_clock.forward(timedelta(days=7))
    sent = promotion(4)
    assert await strategy.filter_message(sent) is sent


async def test_a_click_makes_up_for_it(strategy: Plugins) -> None:
    kinds = [ReceiptKind.DISMISSED, ReceiptKind.CLICKED, ReceiptKind.SEEN, ReceiptKind.DISMISSED]
    for number, kind in enumerate(kinds):
        await strategy.filter_message(promotion(number))
        await strategy.on_receipt(samples.receipt(kind, delivery=DeliveryId(f"dlv_{number}")))
    assert isinstance(await strategy.filter_message(promotion(9)), OutgoingMessage)
    await strategy.on_receipt(samples.receipt(ReceiptKind.DISMISSED, delivery=DeliveryId("unknown")))


@pytest.mark.parametrize("items", [None, "lamp", [], [7], [{"id": None}], [{}]])
async def test_odd_data_passes(strategy: Plugins, items: Any) -> None:
    sent = promotion(items=items)
    assert await strategy.filter_message(sent) is sent
    assert strategy.states()[0].failures == 0


async def test_memory_is_bounded(still_clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins, module = load("promotion_strategy")
    monkeypatch.setattr(module, "REMEMBERED_USERS", 3)
    monkeypatch.setattr(module, "REMEMBERED_DELIVERIES", 3)
    monkeypatch.setattr(module, "PURCHASES_PER_USER", 3)
    for number in range(9):
        name = f"user_{number}"
        await plugins.filter_message(
            promotion(number) if number % 2 else samples.message(user=samples.user(name))
        )
        await plugins.on_event(samples.event("purchase", f"item_{number}"))
    memory = module.memory
    assert (len(memory._readers), len(memory._deliveries)) == (3, 3)
    emma = memory.reader(samples.TENANT, samples.user().id)
    assert list(emma.bought) == [ItemId(f"item_{number}") for number in (6, 7, 8)]


def test_wrong_settings_stop_the_start() -> None:
    with pytest.raises(PluginFailed, match="overstok: no such setting; did you mean overstock"):
        load("promotion_strategy", overstok=5)
