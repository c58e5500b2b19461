"""Conventions of the whole API: batches, rate limits, filters."""

from datetime import timedelta

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.http.rates import Rates
from tests.clocks import StillClock
from tests.web.harness import KEY, NOBODY, user
from tests.web.notifying import notifying, problem


async def test_a_batch_takes_what_it_can_and_says_what_it_cannot(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        good = {"content": {"title": "Hi"}, "to": [{"user": "emma"}]}
        bad = {"template": "nope", "to": [{"user": "emma"}]}
        body = {"messages": [good, bad, *[good] * 300]}
        answer = await client.post("/v1/messages/batch", json=body, headers={"Idempotency-Key": "b1"})
        result = await answer.json()
        assert (answer.status, result["accepted"], result["refused"]) == (202, 301, 1)
        assert result["data"][1]["problem"]["param"] == "template"
        again = await client.post("/v1/messages/batch", json=body, headers={"Idempotency-Key": "b1"})
        assert [one["id"] for one in (await again.json())["data"]] == [one["id"] for one in result["data"]]
        await room.settle()
        page = await (await client.get("/v1/me/inbox", headers={"X-As": "user:emma"})).json()
        assert page["unread"] == 200
        many = await client.post("/v1/messages/batch", json={"messages": [good] * 1001})
        assert await problem(many, 422) == ("invalid_input", "messages")


async def test_answers_tell_what_is_left(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        first = await client.get("/v1/messages")
        second = await client.get("/v1/messages")
        assert first.headers["RateLimit-Policy"] == '"key";q=12000;w=60'
        assert first.headers["RateLimit"].startswith('"key";r=11999;')
        assert second.headers["RateLimit"].startswith('"key";r=1199')


def test_a_bucket_empties_and_fills(still_clock: StillClock) -> None:
    rates = Rates(60, still_clock)
    for _ in range(60):
        assert rates.take(KEY).wait_seconds == 0
    over = rates.take(KEY)
    assert (over.wait_seconds, over.headers["RateLimit"]) == (1, '"key";r=0;t=60')
    assert rates.take(user("emma")).headers["RateLimit"].startswith('"user";r=59')
    still_clock.forward(timedelta(seconds=2))
    assert rates.take(KEY).headers["RateLimit"] == '"key";r=1;t=59'
    assert rates.take(NOBODY).headers == {}
    assert Rates(0, still_clock).take(KEY).headers == {}


async def test_lists_are_filtered(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for name in ("t", "tt"):
            await client.put(f"/v1/templates/{name}", json={"locales": {"en": {"title": name, "body": ""}}})
            await client.post("/v1/messages", json={"template": name, "to": [{"user": "emma"}]})
        extra = {"content": {"title": "x"}, "category": "alert", "cancel_key": "k", "to": [{"user": "emma"}]}
        await client.post("/v1/messages", json=extra)
        for query, count in (
            ("template=t", 1), ("template=t@1", 1), ("template=t@2", 0), ("category=alert", 1),
            ("cancel_key=k", 1), ("cancel_key=k&category=marketing", 0), ("", 3),
        ):  # fmt: skip
            found = await (await client.get(f"/v1/messages?{query}")).json()
            assert len(found["data"]) == count, query


async def test_a_parameter_nobody_knows_is_refused_and_the_tenants_key_is_known_everywhere(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for query, param in (("colour=red", "colour"), ("limit=five", "limit"), ("limit=1.5", "limit")):
            assert await problem(await client.get(f"/v1/messages?{query}"), 422) == ("invalid_input", param)
        assert (await client.get("/v1/messages?key=pk_any&limit=5")).status == 200
