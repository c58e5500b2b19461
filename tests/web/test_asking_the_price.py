"""“How much is it?” through HTTP: the item at hand is priced, a message's are asked about, nothing is passed off."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Served, serving
from tests.support.scripted_model import ScriptedModel, scripted_model, text
from tests.waiting import until

ITEMS = [
    {"id": "A1", "title": "White lantern", "price": "3.50", "currency": "GBP"},
    {"id": "B2", "title": "Red teapot", "price": "12.00", "currency": "GBP"},
    {"id": "C3", "title": "心形蜡烛", "price": "4.20", "currency": "GBP"},
    {"id": "D4", "title": "Gala ticket", "price": "99.00", "currency": "GBP", "audience": 'plan = "gold"'},
    {"id": "E5", "title": "Old clock", "price": "7.00", "valid_to": "2020-01-01T00:00:00Z"},
    {"id": "F6", "title": "100%_cotton bag", "price": "5.00", "currency": "GBP"},
]
DELIVERY = {
    "id": "delivery", "title": "Delivery costs", "language": "en",
    "text": "# Delivery costs\n\nHow much is delivery? Standard delivery costs £3.95.",
}  # fmt: skip
DELIVERY_ZH = {
    "id": "delivery-zh", "title": "运费多少钱", "language": "zh",
    "text": "# 运费多少钱\n\n标准配送运费 3.95 英镑。",
}  # fmt: skip
PRETENCE = "It costs £3.95."
"""What a model says that takes the first figure it finds for the price; its message names that figure."""


@dataclass
class Shop:
    """A served chatpush with items, and Emma at its door."""

    served: Served
    model: ScriptedModel | None

    async def message(self, locale: str, *items: str) -> dict[str, str]:
        """Send Emma a message that shows items; return what a chat opened from it is about."""
        await self.served.told("PUT", "/v1/users/emma", {"locale": locale})
        sent = await self.served.told(
            "POST", "/v1/messages",
            {
                "to": [{"user": "emma"}], "category": "transactional",
                "content": {
                    "title": "Summer hours" if locale == "en" else "夏季营业时间",
                    "body": "We open at nine, and delivery is £3.95." if locale == "en" else "九点开门，运费 £3.95。",
                    "data": {"items": [{"id": item} for item in items]},
                },
            },
            status=202,
        )  # fmt: skip

        async def arrived() -> list[str]:
            inbox = await self.served.told("GET", "/v1/me/inbox", user="emma")
            return [one["delivery"] for one in inbox["data"] if one["message"] == sent["id"]]

        return {"delivery": (await until(arrived))[0]}

    async def open(self, about: dict[str, str] | None = None, locale: str = "en") -> str:
        """Open a conversation as Emma."""
        body = {"locale": locale, **({"about": about} if about else {})}
        opened = await self.served.told("POST", "/v1/me/conversations", body, user="emma")
        return f"/v1/me/conversations/{opened['id']}"

    async def ask(self, place: str, said: str) -> dict[str, Any]:
        """Say something and return the finished answer."""
        if self.model is not None:
            self.model.otherwise = text(PRETENCE)
        turn = await self.served.told("POST", f"{place}/turns", {"text": said}, user="emma")

        async def answered() -> Any:
            now = await self.served.told("GET", place, user="emma")
            later = [one for one in now["turns"] if one["id"] > turn["turn"]["id"] and not one["streaming"]]
            return later[-1] if later else None

        return dict(await until(answered))


@pytest.fixture(params=["embedded", "pretending model"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose assistant has no model, or one that makes a price of whatever figure it sees."""
    async with AsyncExitStack() as stack:
        model = None
        writer: dict[str, Any] = {}
        if request.param != "embedded":
            model = await stack.enter_async_context(scripted_model())
            writer = {"base_url": model.url, "api_key": "k"}
        served = await stack.enter_async_context(serving(tmp_path, writer=writer))
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        await served.told("POST", "/v1/knowledge", {"articles": [DELIVERY, DELIVERY_ZH]})
        yield Shop(served, model)


@pytest.mark.parametrize(
    ("locale", "question", "which", "title", "named", "price"),
    [
        ("en", "How much is it?", "Which item do you mean?", "Summer hours", "the white lantern", "3.50 GBP"),
        ("en", "what's the price?", "Which item do you mean?", "Summer hours", "Red Teapot", "12.00 GBP"),
        ("zh-CN", "多少钱?", "您指的是哪件商品", "夏季营业时间", "心形蜡烛", "4.20 GBP"),
        ("zh-CN", "请问这个怎么卖呀？", "您指的是哪件商品", "夏季营业时间", "那个蜡烛", "4.20 GBP"),
    ],
)
async def test_a_message_without_an_item_is_named_and_the_item_asked_for(
    shop: Shop, locale: str, question: str, which: str, title: str, named: str, price: str
) -> None:
    place = await shop.open(await shop.message(locale), locale)
    asked = await shop.ask(place, question)
    assert which in asked["text"]
    assert title in asked["text"]
    assert not asked["cards"]
    told = await shop.ask(place, named)
    assert price in told["text"]
    assert len(told["cards"]) == 1


@pytest.mark.parametrize(
    ("locale", "question", "which", "price"),
    [
        ("en", "How much is it?", "Which of these do you mean?", "**Red teapot** costs 12.00 GBP."),
        ("zh-CN", "多少钱", "您指的是哪一件？", "**Red teapot** 的价格是 12.00 GBP。"),
    ],
)
async def test_of_several_items_it_is_asked_which_one(
    shop: Shop, locale: str, question: str, which: str, price: str
) -> None:
    """A name in Latin letters changes no language."""
    place = await shop.open(await shop.message(locale, "A1", "B2", "gone"), locale)
    asked = await shop.ask(place, question)
    assert asked["text"] == which
    assert [one["value"] for one in asked["actions"]] == ["White lantern", "Red teapot"]
    told = await shop.ask(place, "Red teapot")
    assert told["text"] == price
    assert [card["id"] for card in told["cards"]] == ["B2"]


async def test_the_one_item_of_a_message_has_its_price(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        shop = Shop(served, None)
        place = await shop.open(await shop.message("en", "A1"))
        told = await shop.ask(place, "How much is it?")
        assert told["text"] == "**White lantern** costs 3.50 GBP."


async def test_what_is_asked_of_something_else_is_not_the_items_price(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        await served.told("POST", "/v1/knowledge", {"articles": [DELIVERY, DELIVERY_ZH]})
        shop = Shop(served, None)
        place = await shop.open({"item": "A1"})
        assert "3.95" in (await shop.ask(place, "How much is delivery?"))["text"]
        assert "3.50" in (await shop.ask(place, "And how much is this lantern?"))["text"]
        assert "3.95" in (await shop.ask(place, "运费多少钱"))["text"]
        assert "3.50" in (await shop.ask(place, "它多少钱"))["text"]


@pytest.mark.parametrize("named", ["gala ticket", "old clock", "%", "a_b", "nothing we sell"])
async def test_what_this_user_may_not_see_is_not_found_by_its_name(tmp_path: Path, named: str) -> None:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        shop = Shop(served, None)
        place = await shop.open()
        assert (await shop.ask(place, "How much is it?"))["text"].startswith("Which item do you mean?")
        told = await shop.ask(place, named)
        assert not told["cards"]
        for price in ("99.00", "7.00", "5.00"):
            assert price not in told["text"]


async def test_signs_in_a_name_are_signs(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        await served.told("PUT", "/v1/users/emma", {"attributes": {"plan": "gold"}})
        shop = Shop(served, None)
        place = await shop.open()
        await shop.ask(place, "How much is it?")
        assert "5.00 GBP" in (await shop.ask(place, "cotton bag"))["text"]
        await shop.ask(place, "How much is it?")
        assert "99.00 GBP" in (await shop.ask(place, "the gala ticket"))["text"]
        await shop.ask(place, "How much is it?")
        told = await shop.ask(place, "How much is it?")  # it asks once, then a person comes
        assert "handing you over" in told["text"]
