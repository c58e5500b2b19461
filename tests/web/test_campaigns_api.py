"""Campaigns over HTTP, from the first draft to the runs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from chatpush.notify.audience.dynamic_audiences import DynamicAudiences
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office, spec
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing
from tests.web.test_audiences_api import Everyone


@pytest.fixture
async def served(
    database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[tuple[Client, Office]]:
    async with officing(database, vault, still_clock) as (client, office):
        await office.template("hello")
        await office.people("ann", "bob", attributes={"name": "you"})
        yield client, office


async def make(client: Client, **changes: Any) -> Any:
    answer = await client.post("/v1/campaigns", json=spec(**changes))
    assert answer.status == 201, await answer.text()
    return await answer.json()


async def test_a_campaigns_life(served: tuple[Client, Office]) -> None:
    client, office = served
    made = await make(client)
    place = f"/v1/campaigns/{made['id']}"
    assert (made["state"], made["next_at"]) == ("active", "2026-11-25T09:00:00.000Z")
    assert made["trigger"]["timezone"] == "Europe/London"
    assert (await (await client.get("/v1/campaigns")).json())["data"] == [
        await (await client.get(place)).json()
    ]

    firings = (await (await client.get(f"{place}/preview?count=2")).json())["data"]
    assert [one["local"] for one in firings] == ["2026-11-25T09:00+00:00", "2026-11-26T09:00+00:00"]

    dry = await (await client.post(f"{place}/dry-run")).json()
    assert dry["users"] == 2
    assert dry["samples"][0]["body"] == "Hello you"

    answer = await client.post(f"{place}/run")
    assert answer.status == 202
    await office.settle()
    (run,) = (await (await client.get(f"{place}/runs")).json())["data"]
    assert (run["id"], run["state"], run["accepted"]) == ((await answer.json())["id"], "finished", 2)
    assert len(office.got("ann")) == 1

    assert (await (await client.post(f"{place}/pause")).json())["state"] == "paused"
    assert await problem(await client.post(f"{place}/run"), 409) == ("conflict", "")
    assert (await (await client.post(f"{place}/resume")).json())["state"] == "active"

    changed = spec(trigger={"kind": "cron", "cron": "30 8 * * 1", "timezone": "Asia/Shanghai"})
    answer = await client.put(place, json=changed)
    assert (await answer.json())["next_at"] == "2026-11-30T00:30:00.000Z"

    assert (await client.delete(place)).status == 204
    assert await problem(await client.get(place), 404) == ("not_found", "id")


async def test_nothing_that_was_not_written_is_shown(served: tuple[Client, Office]) -> None:
    client, _ = served
    made = await make(client, data={"code": None})
    own = {"id", "state", "next_at", "created_at", "updated_at"}
    assert {name: made[name] for name in set(made) - own} == spec(data={"code": None})


EVERYTHING = {
    "template": None,
    "variants": [{"name": "a", "template": "hello", "weight": 3}, {"name": "b", "template": "other@1"}],
    "holdout": 0.1,
    "channels": ["ws", "webpush"],
    "escalate_after": 600,
    "priority": "high",
    "score": 2.5,
    "ttl": 3600,
    "collapse_key": "morning",
    "quiet_hours": "skip",
    "send_at": "09:00",
    "tz": "recipient",
    "badge": 3,
    "display_seconds": 8,
    "tags": ["offers"],
}


async def test_a_campaign_carries_all_that_a_message_can(served: tuple[Client, Office]) -> None:
    client, office = served
    await office.template("other", "Good morning {{ user.name }}")
    await office.people(*(f"user-{n:03}" for n in range(60)), attributes={"name": "you"})
    office.room.messages._checking._channels |= {"webpush"}
    written = {name: value for name, value in spec(**EVERYTHING).items() if value is not None}
    made = await make(client, **EVERYTHING)
    assert {name: made[name] for name in written} == written
    await client.post(f"/v1/campaigns/{made['id']}/run")
    await office.settle()
    rows = await office.room.database.read("SELECT * FROM delivery WHERE campaign = :c", c=made["id"])
    assert {row["variant"] for row in rows} == {"a", "b", "holdout"}
    waiting = [row for row in rows if row["variant"] != "holdout"]
    assert {(row["state"], row["due_at"] % 86_400_000, row["collapse_key"]) for row in waiting} == {
        ("scheduled", 9 * 3_600_000, "morning")
    }
    assert {row["expires_at"] - row["due_at"] for row in waiting} == {3_600_000}
    (message,) = await office.room.database.read(
        "SELECT * FROM message WHERE campaign = :c LIMIT 1", c=made["id"]
    )
    accepted = await office.room.messages._accepted.of_row(message)
    assert (accepted.escalate_after, accepted.score, accepted.priority) == (600, 2.5, "high")
    assert [one.template for one in accepted.variants] == ["hello@1", "other@1"]
    assert (accepted.badge, accepted.display_seconds, accepted.tags) == (3, 8, ("offers",))


async def test_a_campaign_goes_to_an_audience_of_a_plugin(served: tuple[Client, Office]) -> None:
    client, office = served
    office.room.audience._dynamic = DynamicAudiences([Everyone(700)])
    to = [{"audience": "numbered", "arguments": {"most": 600}}]
    made = await make(client, to=to)
    assert made["to"] == to
    await client.post(f"/v1/campaigns/{made['id']}/run")
    await office.settle()
    rows = await office.room.database.read(
        "SELECT COUNT(*) AS n FROM delivery WHERE campaign = :c", c=made["id"]
    )
    assert rows[0]["n"] == 600
    wrong = {"audience": "numbered", "arguments": {"most": "all"}}
    answer = await client.post("/v1/campaigns", json=spec(to=[wrong]))
    assert (await problem(answer, 422))[1] == "to.arguments.most"


async def test_a_campaign_feeds_a_digest(served: tuple[Client, Office], still_clock: StillClock) -> None:
    client, office = served
    await office.template("hello", "{{ digest.count }} things")
    made = await make(client, digest={"key": "news", "window": 600}, overlap="allow")
    for _ in range(3):
        await client.post(f"/v1/campaigns/{made['id']}/run")
        await office.settle()
        still_clock.forward(timedelta(minutes=1))
    assert office.got("ann") == []
    still_clock.forward(timedelta(minutes=10))
    await office.settle()
    assert [message["body"] for message in office.got("ann")] == ["3 things"]


async def test_what_was_written_comes_back_and_can_be_put_again(served: tuple[Client, Office]) -> None:
    client, _ = served
    written = spec(
        recommend={"limit": 2}, slots={"headline": {"text": {"en": "Hi"}}}, send_hour="best", ttl=60
    )
    made = await make(client, **written)
    assert made["recommend"]["limit"] == 2
    assert (made["send_hour"], made["ttl"]) == ("best", 60)
    again = {name: made[name] for name in written}
    assert (await client.put(f"/v1/campaigns/{made['id']}", json=again)).status == 200


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"name": " "}, "name"),
        ({"trigger": {"kind": "weekly"}}, "trigger.kind"),
        ({"trigger": {"kind": "cron", "cron": "0 25 * * *"}}, "trigger.cron"),
        ({"trigger": {"kind": "cron", "cron": "0 9 * * *", "timezone": "Mars"}}, "trigger.timezone"),
        ({"trigger": {"kind": "date", "at": "2020-01-01"}}, "trigger.at"),
        ({"trigger": {"kind": "interval", "every": 1, "unit": "years"}}, "trigger.unit"),
        ({"trigger": {"kind": "event"}}, "trigger.type"),
        ({"to": [{"topic": "nowhere"}]}, "to.topic"),
        ({"to": [{"all": False}]}, "to.0.all"),
        ({"to": []}, "to"),
        ({"template": "none"}, "template"),
        ({"category": "spam"}, "category"),
        ({"colour": "red"}, "colour"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"variants": [{"name": "a", "template": "hello"}]}, "template"),
        ({"template": None, "variants": [{"name": "a", "template": "none"}]}, "variants"),
        ({"template": None, "variants": [{"name": "holdout", "template": "hello"}]}, "variants"),
        ({"holdout": 1}, "holdout"),
        ({"escalate_after": 0}, "escalate_after"),
        ({"digest": {"key": "k", "window": 0}}, "digest.window"),
        ({"ttl": 10**9}, "ttl"),
        ({"send_at": "9 am"}, "send_at"),
        ({"send_at": "09:00", "tz": "Mars"}, "tz"),
        ({"tz": "recipient"}, "tz"),
        ({"send_at": "09:00", "send_hour": "best"}, "send_at"),
        ({"throttle": 0}, "throttle"),
        ({"throttle": 5, "send_hour": "best"}, "throttle"),
        ({"trigger": {"kind": "event", "type": "x"}, "to": [], "throttle": 5}, "throttle"),
    ],
)
async def test_bad_ones_name_the_field(
    served: tuple[Client, Office], changes: dict[str, Any], param: str
) -> None:
    client, _ = served
    answer = await client.post("/v1/campaigns", json=spec(**changes))
    assert await problem(answer, 422) == ("invalid_input", param)


@pytest.mark.parametrize("act", ["run", "pause", "resume", "dry-run"])
async def test_unknown_campaigns(served: tuple[Client, Office], act: str) -> None:
    client, _ = served
    assert await problem(await client.post(f"/v1/campaigns/cmp_none/{act}"), 404) == ("not_found", "id")


async def test_users_may_not_plan(served: tuple[Client, Office]) -> None:
    client, _ = served
    assert (await client.post("/v1/campaigns", json=spec(), headers={"X-As": "user:ann"})).status == 403
