"""Caps that keep the best, holdouts and variants, through HTTP."""

from datetime import timedelta
from typing import Any

from chatpush.domain import Category, TenantId, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.notify.deciding.policy import Cap
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import notifying, problem


async def send(client: Client, title: str, **more: Any) -> str:
    """Send to emma unless said otherwise; return the message's id."""
    body = {"content": {"title": title}, "to": [{"user": "emma"}], **more}
    answer = await client.post("/v1/messages", json=body)
    accepted = await answer.json()
    assert answer.status == 202, accepted
    return str(accepted["id"])


async def test_a_cap_keeps_the_best_and_defers_the_others(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    rules = Rules(marketing_cap=2)
    async with notifying(database, vault, still_clock, rules=rules) as (client, room):
        await room.users.put(tenant, UserId("emma"), UserChange(consents={"marketing": True}))
        for title, score in (("meh", 0.1), ("best", 0.9), ("poor", 0.0), ("good", 0.5)):
            await send(client, title, score=score, category="marketing")
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["best", "good"]
        still_clock.forward(timedelta(hours=24))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")][2:] == ["meh", "poor"]


async def test_caps_by_category_and_by_topic_over_their_own_windows(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    rules = Rules(
        caps=(Cap(1, timedelta(hours=1), Category.ALERT), Cap(2, timedelta(days=7), topic="prices"))
    )
    async with notifying(database, vault, still_clock, rules=rules) as (client, room):
        await client.put("/v1/topics/prices/members", json={"users": ["emma"]})
        to = [{"topic": "prices"}]
        sent = []
        for hour in range(4):
            sent.append(await send(client, f"drop {hour}", to=to, category="alert"))
            sent.append(await send(client, f"other {hour}", category="alert"))
            await room.settle()
            still_clock.forward(timedelta(hours=1))
        titles = [one["title"] for one in room.publisher.to("emma")]
        assert len(titles) == 4
        assert sum(title.startswith("drop") for title in titles) <= 2
        await send(client, "receipt")
        await room.settle()
        assert room.publisher.to("emma")[-1]["title"] == "receipt"


async def test_variants_and_a_holdout_are_kept_and_measured(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        for name in ("short", "long"):
            await room.templates.put(tenant, name, {"en": LocaleSource(name, "")}, trusted=True)
        body = {
            "variants": [{"name": "a", "template": "short"}, {"name": "b", "template": "long"}],
            "holdout": 0.2,
            "to": [{"user": f"u{number}"} for number in range(200)],
        }
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await room.settle()
        found = await (await client.get(f"/v1/messages/{message}/experiment")).json()
        arms = {arm["name"]: arm for arm in found["data"]}
        assert set(arms) == {"a", "b", "holdout"}
        assert sum(arm["users"] for arm in arms.values()) == 200
        assert (arms["holdout"]["sent"], arms["b"]["p_value"]) == (0, 1.0)
        shown = [one["title"] for number in range(200) for one in room.publisher.to(f"u{number}")]
        assert shown.count("short") == arms["a"]["sent"]
        assert shown.count("long") == arms["b"]["sent"]
        held = await (await client.get("/v1/deliveries?state=suppressed&limit=100")).json()
        assert {one["reason"] for one in held["data"]} == {"holdout"}
        clicker = next(n for n in range(200) if any(o["title"] == "long" for o in room.publisher.to(f"u{n}")))
        delivery = room.publisher.to(f"u{clicker}")[0]["delivery"]
        receipts = {"receipts": [{"delivery": delivery, "kind": "clicked"}]}
        await client.post("/v1/me/receipts", json=receipts, headers={"X-As": f"user:u{clicker}"})
        found = await (await client.get(f"/v1/messages/{message}/experiment")).json()
        assert {arm["name"]: arm["clicked"] for arm in found["data"]}["b"] == 1
        assert 0 < next(arm for arm in found["data"] if arm["name"] == "b")["p_value"] < 1


async def test_experiments_that_make_no_sense_are_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        one = {"name": "a", "template": "nope"}
        for body, param in (
            ({"variants": [one]}, "variants"),
            ({"variants": [one], "template": "nope"}, "template"),
            ({"variants": [one, one]}, "variants"),
            ({"content": {"title": "x"}, "holdout": 1.0}, "holdout"),
        ):
            answer = await client.post("/v1/messages", json={"to": [{"user": "emma"}], **body})
            assert (await problem(answer, 422))[1] == param
