"""What to expect of a user, over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, UserId, to_ms
from chatpush.notify.audience.users import Users
from chatpush.recommend.timing.outlook import Outlooks
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.copies import Copies
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.api.recommendations import routes
from tests.clocks import StillClock
from tests.recommend.world import delivery
from tests.web.harness import Client, serve
from tests.web.notifying import problem


@pytest.fixture
async def client(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[Client]:
    users = Users(database, vault, still_clock)
    await users.ensure(DEFAULT_TENANT, {UserId("me")})
    restraint = Restraint(database, still_clock)
    timing = Timing(database, users.get_many, still_clock)
    rows = []
    for days in range(1, 31):
        at = to_ms((still_clock.now() - timedelta(days=days)).replace(hour=20))
        rows.append(delivery(DEFAULT_TENANT, UserId("me"), str(days), at, at + 60_000))
    await database.write(lambda tx: tx.insert_many("delivery", rows))
    copies = Copies(database, still_clock)
    await copies.keep(DEFAULT_TENANT, "c", "en", {"headline": "declared"}, [{"headline": "written"}])
    services: dict[type, object] = {
        Copies: copies,
        Users: users,
        Restraint: restraint,
        Outlooks: Outlooks(database, timing, restraint, still_clock),
    }
    async with serve(routes, services) as client:
        yield client


async def test_a_users_outlook(client: Client, still_clock: StillClock) -> None:
    found = await (await client.get("/v1/recommendations/outlook?user=me")).json()
    assert found["opens"] > 0.8
    assert found["best_at"].startswith("2026-11-24T20:00")
    assert len(found["weekday"]) == len(found["weekend"]) == 24
    assert max(found["weekday"]) == found["weekday"][20]
    assert found["buying"] is None
    assert found["spare"] == ""


async def test_a_stranger_has_an_outlook_too(client: Client) -> None:
    found = await (await client.get("/v1/recommendations/outlook?user=stranger")).json()
    assert found["messages"] == 0
    assert 0 < found["opens"] < 1


async def test_gains_are_empty_without_a_holdout(client: Client) -> None:
    assert await (await client.get("/v1/recommendations/gains")).json() == {"data": []}


@pytest.mark.parametrize("query", ["", "user=", "user=a%20b"])
async def test_bad_questions(client: Client, query: str) -> None:
    answer = await client.get(f"/v1/recommendations/outlook?{query}")
    assert await problem(answer, 422) == ("invalid_input", "user")


async def test_words_are_listed_with_their_control_first(client: Client) -> None:
    found = (await (await client.get("/v1/recommendations/words")).json())["data"]
    assert [(one["arm"], one["texts"]["headline"]) for one in found] == [
        ("template", "declared"),
        ("written", "written"),
    ]
    assert (found[0]["p_value"], found[1]["p_value"], found[1]["click_rate"]) == (None, None, 0.0)
