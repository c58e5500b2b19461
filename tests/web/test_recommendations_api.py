"""Picks over HTTP, for a server and for the user's own page."""

from collections.abc import AsyncIterator

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing


@pytest.fixture
async def client(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[Client]:
    async with officing(database, vault, still_clock) as (client, _):
        shop = [{"id": name, "title": name.title(), "price": 2} for name in ("mug", "cup", "spade")]
        await client.put("/v1/items", json={"items": shop})
        bought = [("x", "mug"), ("x", "cup"), ("y", "mug"), ("y", "cup"), ("z", "spade"), ("me", "mug")]
        events = [{"user": user, "type": "purchase", "item": item} for user, item in bought]
        await client.post("/v1/events", json={"events": events})
        yield client


async def test_a_user_gets_picks_with_reasons_in_their_language(client: Client) -> None:
    found = await (await client.get("/v1/recommendations?user=me&limit=1&locale=zh-CN")).json()
    assert found["source"] == "personal"
    (pick,) = found["picks"]
    assert (pick["item"]["id"], pick["item"]["price"]) == ("cup", 2.0)
    assert "「Mug」" in pick["reason"]["text"]


async def test_nobody_gets_what_is_popular(client: Client) -> None:
    found = await (await client.get("/v1/recommendations")).json()
    assert found["source"] == "popular"
    assert {pick["item"]["id"] for pick in found["picks"]} == {"mug", "cup", "spade"}


async def test_the_users_own_page_asks_for_itself_only(client: Client) -> None:
    mine = {"X-As": "user:me"}
    found = await (await client.get("/v1/me/recommendations?limit=1", headers=mine)).json()
    assert found["picks"][0]["item"]["id"] == "cup"
    assert (await client.get("/v1/me/recommendations?user=x", headers=mine)).status == 422
    assert (await client.get("/v1/recommendations?user=x", headers=mine)).status == 403
    assert (await client.get("/v1/me/recommendations")).status == 403


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("user=a%20b", "user"),
        ("locale=!", "locale"),
    ],
)
async def test_bad_questions(client: Client, query: str, param: str) -> None:
    assert await problem(await client.get(f"/v1/recommendations?{query}"), 422) == ("invalid_input", param)
