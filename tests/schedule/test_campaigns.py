"""Campaigns are checked whole, kept sealed, paused and resumed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatpush.domain import TenantId, iso
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.notify.listing import Window
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.schedule.building import Office, spec


async def test_a_campaign_comes_back_as_it_was_written(office: Office, tenant: TenantId) -> None:
    written = spec(
        recommend={"limit": 4}, send_hour="best", data={"code": "X"}, category="marketing", ttl=3600
    )
    made = await office.campaigns.create(tenant, written)
    found = await office.campaigns.get(tenant, made.id)
    assert found.definition.spec == written
    assert found.definition.picks == 4
    assert found.next_at == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


async def test_what_it_says_is_sealed(office: Office, database: Database, tenant: TenantId) -> None:
    await office.campaigns.create(tenant, spec(data={"code": "canary-99"}))
    rows = await database.read("SELECT definition_sealed FROM campaign")
    assert b"canary" not in rows[0]["definition_sealed"]


@pytest.mark.parametrize(
    ("changes", "message", "param"),
    [
        ({"name": ""}, "needs a name", "name"),
        ({"to": []}, "name recipients", "to"),
        ({"to": [{"topic": "nowhere"}]}, "no topic 'nowhere'", "to.topic"),
        ({"to": [{"segment": "nowhere"}]}, "no segment", "to.segment"),
        ({"to": [{"user": "a b"}]}, "not a user id", "to[0].user"),
        ({"to": [{"user": "a", "all": True}]}, "a recipient is one of", "to"),
        ({"template": "missing"}, "no template 'missing'", "template"),
        ({"template": None}, "one of them", "template"),
        ({"content": {"title": "x"}}, "one of them", "template"),
        ({"template": None, "content": {}}, "a title or a body", "content"),
        (
            {"template": None, "content": {"title": "x"}, "recommend": {"limit": 2}},
            "need a template",
            "content",
        ),
        ({"recommend": {"limit": 0}}, "from 1 to 20", "recommend.limit"),
        ({"recommend": {"limit": "many"}}, "from 1 to 20", "recommend.limit"),
        ({"send_hour": "noon"}, "send_hour is 'best' or null", "send_hour"),
        ({"category": "spam"}, "use transactional, alert, marketing", "category"),
        ({"quiet_hours": "never"}, "use defer, skip, ignore", "quiet_hours"),
        ({"misfire": "maybe"}, "use catch_up or skip", "misfire"),
        ({"slots": {"X": {"text": {"en": "x"}}}}, "not a slot's name", "content.slots.X"),
        ({"trigger": {"kind": "date", "at": "2020-01-01T00:00"}}, "in the past", "trigger.at"),
        (
            {"trigger": {"kind": "cron", "cron": "0 9 * * *", "timezone": "Nowhere"}},
            "no time zone",
            "trigger.timezone",
        ),
        ({"trigger": {"kind": "event", "type": "order.paid"}}, "leave `to` out", "to"),
    ],
)
async def test_bad_ones_are_refused_with_the_field(
    office: Office, tenant: TenantId, changes: dict[str, Any], message: str, param: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        await office.campaigns.create(tenant, spec(**changes))
    assert caught.value.param == param
    assert (await office.campaigns.list(tenant, Window())).data == []


async def test_preview_shows_the_next_firings(office: Office, tenant: TenantId) -> None:
    made = await office.campaigns.create(tenant, spec())
    slots = await office.campaigns.preview(tenant, made.id, 3)
    assert [iso(slot.at)[:16] for slot in slots] == [
        "2026-11-25T09:00",
        "2026-11-26T09:00",
        "2026-11-27T09:00",
    ]


async def test_a_pause_swallows_its_slots(office: Office, still_clock: StillClock, tenant: TenantId) -> None:
    made = await office.campaigns.create(tenant, spec())
    assert (await office.campaigns.pause(tenant, made.id)).state == "paused"
    still_clock.forward(timedelta(days=3))
    assert await office.runs.tick() == []
    resumed = await office.campaigns.resume(tenant, made.id)
    assert await office.runs.tick() == []
    assert resumed.next_at is not None
    still_clock.set(resumed.next_at)
    assert len(await office.runs.tick()) == 1


async def test_a_date_that_passed_in_the_pause_is_over(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    made = await office.campaigns.create(tenant, spec(trigger={"kind": "date", "at": "2026-11-25T09:00"}))
    await office.campaigns.pause(tenant, made.id)
    still_clock.forward(timedelta(days=3))
    assert (await office.campaigns.resume(tenant, made.id)).state == "finished"
    with pytest.raises(Conflict, match="is finished; PUT it"):
        await office.campaigns.resume(tenant, made.id)


async def test_a_new_date_gives_a_finished_one_a_new_life(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    once = spec(trigger={"kind": "date", "at": "2026-11-25T09:00"})
    made = await office.campaigns.create(tenant, once)
    still_clock.forward(timedelta(days=1))
    assert len(await office.runs.tick()) == 1
    assert (await office.campaigns.get(tenant, made.id)).state == "finished"
    again = await office.campaigns.replace(
        tenant, made.id, spec(trigger={"kind": "date", "at": "2026-12-25T09:00"})
    )
    assert again.state == "active"
    await office.settle()
    still_clock.forward(timedelta(days=40))
    assert len(await office.runs.tick()) == 1


async def test_other_tenants_find_nothing(office: Office, tenant: TenantId) -> None:
    made = await office.campaigns.create(tenant, spec())
    other = TenantId("other")
    for act in (
        office.campaigns.get,
        office.campaigns.pause,
        office.campaigns.resume,
        office.campaigns.delete,
    ):
        with pytest.raises(NotFound):
            await act(other, made.id)
    assert (await office.campaigns.list(other, Window())).data == []


async def test_deleting_takes_slots_and_runs_along(
    office: Office, database: Database, tenant: TenantId
) -> None:
    made = await office.campaigns.create(tenant, spec())
    await office.runs.run_now(tenant, made.id)
    await office.campaigns.delete(tenant, made.id)
    await office.settle()
    assert await database.read("SELECT 1 FROM run UNION SELECT 1 FROM slot") == []
    assert office.got("ann") == []


async def test_whoever_listens_hears_of_changes(office: Office, tenant: TenantId) -> None:
    heard: list[str] = []
    office.campaigns.on_change = lambda: heard.append("changed")
    made = await office.campaigns.create(tenant, spec())
    await office.campaigns.pause(tenant, made.id)
    await office.campaigns.resume(tenant, made.id)
    await office.campaigns.delete(tenant, made.id)
    assert len(heard) == 4
