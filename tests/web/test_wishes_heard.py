"""What a customer says in the chat changes what the house sends and recommends, at once, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Served, serving
from tests.support.talking import answer_to, opened
from tests.waiting import until

ITEMS: list[dict[str, Any]] = [
    {"id": "lamp", "title": "Lamp", "price": "20", "attributes": {"brand": "Acme"}},
    {"id": "shade", "title": "Shade", "price": "9", "attributes": {"brand": "Acme"}},
    {"id": "candle", "title": "Candle", "price": "2", "attributes": {"brand": "Wick"}},
]
OFFER = {"en": {"title": "Spring sale", "body": "Everything for less."}}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A shop of two brands, and Ada, who agreed to be written to."""
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": ITEMS})
        await served.told("PUT", "/v1/users/ada", {"locale": "en", "consents": {"marketing": True}})
        await served.told("PUT", "/v1/templates/sale", {"locales": OFFER, "category": "marketing"})
        yield served


async def picked(served: Served) -> set[str]:
    """Return the brands recommended to Ada."""
    found = await served.told("GET", "/v1/recommendations?user=ada")
    brands = {one["id"]: one["attributes"]["brand"] for one in ITEMS}
    return {brands[pick["item"]["id"]] for pick in found["picks"]}


async def sent(served: Served) -> dict[str, Any]:
    """Send Ada a promotion and return what became of it."""
    message = await served.told("POST", "/v1/messages", {"to": [{"user": "ada"}], "template": "sale"})

    async def settled() -> Any:
        found = (await served.told("GET", f"/v1/messages/{message['id']}/deliveries"))["data"]
        return [one for one in found if one["state"] in {"suppressed", "sent", "delivered"}]

    delivery: dict[str, Any] = (await until(settled))[0]
    return delivery


async def test_not_this_brand_is_recommended_no_more_until_it_is_taken_back(served: Served) -> None:
    place = await opened(served, "ada", {"item": "lamp"})
    assert await picked(served) == {"Acme", "Wick"}
    asked = await answer_to(served, place, "Not this brand, please", "ada")
    assert asked["text"] == "Shall I stop recommending Acme to you?"
    assert await picked(served) == {"Acme", "Wick"}
    done = await answer_to(served, place, asked["actions"][0]["value"], "ada")
    assert await picked(served) == {"Wick"}
    await answer_to(served, place, done["actions"][0]["value"], "ada")
    assert await picked(served) == {"Acme", "Wick"}


async def test_stop_sending_becomes_a_preference_that_holds(served: Served) -> None:
    place = await opened(served, "ada")
    assert (await sent(served))["state"] != "suppressed"
    asked = await answer_to(served, place, "Stop sending me promotions", "ada")
    await answer_to(served, place, asked["actions"][0]["value"], "ada")
    assert (await served.told("GET", "/v1/users/ada"))["consents"]["marketing"] is False
    ledger = (await served.told("GET", "/v1/users/ada/consents"))["data"]
    assert ("conversation", False) in {(one["via"], one["granted"]) for one in ledger}
    assert (await sent(served))["state"] == "suppressed"


async def test_nothing_is_advertised_during_an_open_complaint(served: Served) -> None:
    place = await opened(served, "ada")
    answer = await answer_to(served, place, "This is unacceptable, I want to complain", "ada")
    assert answer["text"].startswith("I'm sorry about that")
    held = await sent(served)
    assert (held["state"], held["reason"]) == ("suppressed", "open_complaint")
    await served.told("POST", f"{place.replace('/me/', '/')}/close")
    assert (await sent(served))["state"] != "suppressed"
