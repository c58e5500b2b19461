"""What a campaign would have done, asked over HTTP before it does it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import Category, Content, TenantId, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.recommend.behaviour.behaviour import event
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office, spec
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing


@pytest.fixture
async def served(
    database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[tuple[Client, Office]]:
    async with officing(database, vault, still_clock) as (client, office):
        await office.template("hello")
        users = office.room.users
        for name, consent, zone in (
            ("ann", True, "UTC"), ("bob", True, "America/New_York"), ("cat", False, "UTC"),
        ):  # fmt: skip
            change = UserChange(consents={"marketing": consent}, timezone=zone, attributes={"name": name})
            await users.put(office.tenant, UserId(name), change)
        yield client, office


async def ask(client: Client, place: str, **question: Any) -> Any:
    answer = await client.post(f"{place}/what-if", json=question)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def made(client: Client, **changes: Any) -> str:
    body = spec(category="marketing", quiet_hours="defer", **changes)
    return f"/v1/campaigns/{(await (await client.post('/v1/campaigns', json=body)).json())['id']}"


async def rows(office: Office) -> dict[str, int]:
    tables = await office.room.database.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    counts = {}
    for table in tables:
        counts[table["name"]] = (
            await office.room.database.read(f"SELECT COUNT(*) AS n FROM {table['name']}")
        )[0]["n"]
    return counts


async def test_a_week_of_mornings_meets_consent_caps_and_quiet_hours(served: tuple[Client, Office]) -> None:
    client, office = served
    place = await made(client)
    before = await rows(office)
    week = await ask(client, place, hours=7 * 24)
    assert (week["firings"], week["audience"], week["users"], week["next"]) == (7, 3, 3, None)
    assert week["replayed"]["messages"] == 21
    assert (week["replayed"]["sent"], week["replayed"]["suppressed"]) == (14, {"opted_out": 7})
    assert week["cost"] == {"amount": "0.1400", "currency": "EUR"}
    assert week["samples"][0]["body"] == "Hello ann"
    assert week["really"] == {"states": {}, "suppressed": {}}

    quiet = await ask(client, place, hours=7 * 24, policy={"default_quiet_hours": "00:00-10:00"})
    assert quiet["replayed"]["deferred"] == {"quiet_hours": 14}  # nine in London is early for both
    assert (quiet["replayed"]["sent"], quiet["replayed"]["waiting"]) == (
        13,
        1,
    )  # New York's last is not up yet
    capped = await ask(client, place, hours=7 * 24, policy={"marketing_cap": 1, "marketing_cap_hours": 71})
    assert capped["replayed"]["sent"] == 6
    assert set(capped["replayed"]["suppressed"]) | set(capped["replayed"]["deferred"]) >= {"frequency_cap"}
    eager = await ask(
        client, place, hours=7 * 24, policy={"marketing_needs_consent": False, "marketing_cap": 0}
    )
    assert eager["replayed"]["sent"] == 14  # a no stays a no
    assert await rows(office) == before
    assert office.room.publisher.all == []


async def test_channels_a_user_closed_are_not_counted_as_used(served: tuple[Client, Office]) -> None:
    client, office = served
    users = office.room.users
    await users.put(
        office.tenant, UserId("ann"), UserChange(channel_consents={"marketing": {"inbox": False}})
    )
    only_mail = UserChange(channel_consents={"marketing": {"mail": True}})
    await users.put(office.tenant, UserId("cat"), only_mail)
    found = await ask(client, await made(client), hours=24)
    assert (found["replayed"]["sent"], found["replayed"]["channels"]) == (1, {"ws": 1})
    assert found["replayed"]["suppressed"] == {"opted_out: inbox": 2}


async def test_changes_templates_and_filters_are_tried_before_they_are_real(
    served: tuple[Client, Office],
) -> None:
    client, office = served
    await office.template("spam", "Free money for {{ user.name }}")
    await office.template("broken", "{{ nothing }}")
    place = await made(client)
    spam = await ask(
        client, place, hours=24, changes={"template": "spam", "to": [{"user": "ann"}]},
        plugins={"content_filter": {"drop": ["free money"]}},
    )  # fmt: skip
    assert (spam["users"], spam["filters"]["rendered"]) == (1, 1)
    assert list(spam["filters"]["dropped"].values()) == [1]
    unfiltered = await ask(client, place, hours=24, changes={"template": "spam"})
    assert unfiltered["filters"]["dropped"] == {}
    broken = await ask(client, place, hours=24, changes={"template": "broken"})
    assert sum(broken["filters"]["broken"].values()) == 2
    split = await ask(
        client, place, hours=31 * 24,
        changes={"template": None, "holdout": 0.5, "variants": [{"name": "a", "template": "hello"}]},
    )  # fmt: skip
    assert sum(split["replayed"]["variants"].values()) == split["replayed"]["sent"]
    assert (await (await client.get(place)).json())["template"] == "hello"


async def test_it_is_compared_with_what_really_happened_and_with_what_others_sent(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    client, office = served
    place = await made(client)
    still_clock.set(still_clock.now().replace(hour=9) + timedelta(days=1))
    await office.runs.tick()
    await office.settle()
    for _ in range(3):  # another sender fills ann's cap
        draft = MessageDraft(
            to=(Recipient(user=UserId("ann")),), content=Content("Sale", ""), category=Category.MARKETING
        )
        await office.room.messages.accept(office.tenant, draft)
    await office.settle()
    still_clock.forward(timedelta(hours=25))
    found = await ask(client, place, hours=26)
    assert found["really"]["states"] == {"sent": 2, "suppressed": 1}
    assert found["really"]["suppressed"] == {"opted_out": 1}
    assert found["firings"] == 2
    late = await ask(client, place, hours=26, changes={"send_at": "11:00", "tz": "UTC"})
    assert late["replayed"]["sent"] >= 1


async def test_events_of_the_window_are_replayed(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    client, office = served
    now = still_clock.now()
    happened = (("ann", 1, "GB"), ("ann", 5, "GB"), ("bob", 2, "US"), ("cat", 3, "GB"), ("ann", 40, "GB"))
    events = [
        event(
            office.tenant, UserId(user), "cart.abandoned", now - timedelta(hours=hours),
            properties={"country": country},
        )
        for user, hours, country in happened
    ]  # fmt: skip
    await office.behaviour.record(TenantId("default"), events)
    plan = {
        "name": "Cart",
        "content": {"title": "Still there"},
        "category": "alert",
        "trigger": {"kind": "event", "type": "cart.abandoned", "match": {"country": "GB"}},
    }
    answer = await client.post("/v1/campaigns/what-if", json={"campaign": plan, "hours": 24})
    found = await answer.json()
    assert answer.status == 200, found
    assert (found["firings"], found["audience"], found["users"]) == (3, 3, 3)
    assert found["replayed"]["sent"] == 3
    delayed = {**plan, "trigger": {**plan["trigger"], "delay_seconds": 4 * 3600}}  # type: ignore[dict-item]
    found = await (await client.post("/v1/campaigns/what-if", json={"campaign": delayed, "hours": 24})).json()
    assert (found["replayed"]["sent"], found["replayed"]["waiting"]) == (1, 2)


async def test_pages_add_up(served: tuple[Client, Office]) -> None:
    client, office = served
    await office.room.users.ensure(office.tenant, [UserId(f"u{n:03}") for n in range(250)])
    place = await made(client, to=[{"all": True}])
    whole = await ask(client, place, policy={"marketing_needs_consent": False})
    after: str | None = ""
    sent = users = 0
    while after is not None:
        page = await ask(client, place, policy={"marketing_needs_consent": False}, users=100, after=after)
        assert page["audience"] == (None if after else 253)
        sent, users, after = sent + page["replayed"]["sent"], users + page["users"], page["next"]
    assert (sent, users) == (whole["replayed"]["sent"], whole["users"]) == (252, 253)


@pytest.mark.parametrize(
    ("question", "param"),
    [
        ({"hours": 0}, "hours"),
        ({"since": "2026-01-01T00:00:00Z"}, "since"),
        ({"until": "2099-01-01T00:00:00Z"}, "since"),
        ({"since": "2026-11-24T00:00:00"}, "since"),
        ({"policy": {"colour": 1}}, "policy"),
        ({"policy": {"marketing_cap": -1}}, "policy"),
        ({"policy": {"default_quiet_hours": "night"}}, "policy"),
        ({"plugins": {"nobody": {"x": 1}}}, "plugins"),
        ({"plugins": {"content_filter": {"drop_patterns": ["("]}}}, "plugins"),
        ({"changes": {"template": "none"}}, "template"),
        ({"changes": {"throttle": -1}}, "throttle"),
        (
            {"changes": {"trigger": {"kind": "interval", "every": 1, "unit": "minutes"}}, "hours": 31 * 24},
            "since",
        ),
        ({"users": 0}, "users"),
        ({"changes": {"colour": "red"}}, "changes.colour"),
        ({"changes": {"throttle": "5"}}, "changes.throttle"),
        ({"changes": {"silent": "yes"}}, "changes.silent"),
    ],
)
async def test_bad_questions_name_the_field(
    served: tuple[Client, Office], question: dict[str, Any], param: str
) -> None:
    client, _ = served
    answer = await client.post(f"{await made(client)}/what-if", json=question)
    assert await problem(answer, 422) == ("invalid_input", param)


async def test_there_is_no_such_campaign(served: tuple[Client, Office]) -> None:
    client, _ = served
    answer = await client.post("/v1/campaigns/cmp_none/what-if", json={})
    assert await problem(answer, 404) == ("not_found", "id")


async def test_collapse_keys_and_digests_count_as_what_would_really_be_sent(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    """A digest is one message, and who waits for the morning gets the last of a collapse key."""
    client, office = served
    body = "{{ digest.count if digest is defined else 1 }} new"
    await office.room.templates.put(office.tenant, "news", {"en": LocaleSource("News", body)}, trusted=True)
    digested = {
        "name": "News", "template": "news", "category": "alert", "digest": {"key": "news", "window": 3600},
        "trigger": {"kind": "event", "type": "answered"},
    }  # fmt: skip
    collapsed = {
        "name": "Price", "template": "news", "category": "alert", "collapse_key": "price",
        "trigger": {"kind": "event", "type": "answered"}, "quiet_hours": "defer",
    }  # fmt: skip
    begun = still_clock.now()
    still_clock.forward(timedelta(hours=6))
    for minute in (0, 10, 50, 70, 200):
        at = begun + timedelta(minutes=minute)
        await office.behaviour.record(office.tenant, [event(office.tenant, UserId("ann"), "answered", at)])

    async def replayed(plan: dict[str, Any], **question: Any) -> Any:
        answer = await client.post("/v1/campaigns/what-if", json={"campaign": plan, "hours": 8, **question})
        assert answer.status == 200, await answer.text()
        return await answer.json()

    found = await replayed(digested)
    assert (found["replayed"]["messages"], found["replayed"]["sent"]) == (5, 3)
    assert found["replayed"]["suppressed"] == {"digested": 2}
    assert [one["body"] for one in found["samples"]] == ["3 new", "1 new", "1 new"]
    found = await replayed(collapsed)
    assert (found["replayed"]["sent"], found["replayed"]["replaced"]) == (5, 4)
    night = f"{begun - timedelta(minutes=5):%H:%M}-{begun + timedelta(minutes=80):%H:%M}"
    found = await replayed(collapsed, policy={"default_quiet_hours": night})
    assert (found["replayed"]["sent"], found["replayed"]["replaced"]) == (2, 1)
    assert found["replayed"]["suppressed"] == {"collapsed": 3}
