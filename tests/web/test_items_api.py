"""Items over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing

MUG = {
    "id": "mug", "title": "红色杯子 Red Mug", "text": "Holds 300 ml", "price": 9.5, "currency": "GBP", "stock": 4,
    "url": "/mug", "image": "/mug.svg", "tags": ["kitchen"], "attributes": {"brand": "Acme"},
    "valid_from": "2026-11-01T00:00:00Z", "valid_to": None, "language": "zh-CN",
    "audience": "age >= 18",
}  # fmt: skip


@pytest.fixture
async def client(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[Client]:
    async with officing(database, vault, still_clock) as (client, _):
        yield client


async def test_items_come_back_as_they_went_in(client: Client) -> None:
    answer = await client.put("/v1/items", json={"items": [MUG, {"id": "cup", "title": "Cup"}]})
    assert await answer.json() == {"items": 2, "changes": []}
    assert await (await client.get("/v1/items/mug")).json() == MUG
    page = await (await client.get("/v1/items?limit=1")).json()
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["cup"], True)


async def test_changes_are_told(client: Client) -> None:
    await client.put("/v1/items", json={"items": [MUG]})
    answer = await client.put("/v1/items", json={"items": [{**MUG, "price": 8}]})
    assert (await answer.json())["changes"] == [
        {"item": "mug", "kind": "price_drop", "before": "9.5", "after": "8"}
    ]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({}, "items.0.id"),
        ({"id": "", "title": "x"}, "items.0.id"),
        ({"id": "a b", "title": "x"}, "items.0.id"),
        ({"id": "a"}, "items.0.title"),
        ({"id": "a", "title": "x", "price": -1}, "items.0.price"),
        ({"id": "a", "title": "x", "price": "cheap"}, "items.0.price"),
        ({"id": "a", "title": "x", "price": "NaN"}, "items.0.price"),
        ({"id": "a", "title": "x", "currency": "pounds"}, "items.0.currency"),
        ({"id": "a", "title": "x", "stock": 1.5}, "items.0.stock"),
        ({"id": "a", "title": "nul \x00"}, "items.0.title"),
        ({"id": "a", "title": "x", "colour": "red"}, "items.0.colour"),
    ],
)
async def test_bad_ones_name_the_field(client: Client, item: dict[str, Any], param: str) -> None:
    assert await problem(await client.put("/v1/items", json={"items": [item]}), 422) == (
        "invalid_input",
        param,
    )


async def test_an_unknown_item(client: Client) -> None:
    assert await problem(await client.get("/v1/items/none"), 404) == ("not_found", "")
