"""Firings happen once, runs reach each user once, whatever comes in between."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatpush.domain import Item, ItemId, MessageId, TenantId, UserId
from chatpush.errors import Conflict, NotFound, Unavailable
from chatpush.notify.listing import Window
from chatpush.notify.messages.drafts import MessageDraft
from chatpush.recommend.behaviour.behaviour import event
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office, build_office, spec


@pytest.fixture
def database(any_database: Database) -> Database:
    """Everything here holds on both databases."""
    return any_database


NINE = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


async def made(office: Office, **changes: object) -> str:
    return (await office.campaigns.create(office.tenant, spec(**changes))).id


async def runs_of(office: Office, campaign: str) -> list[str]:
    found = await office.runs.of_campaign(office.tenant, campaign, Window(100))
    return [run.state for run in found.data]


async def test_a_slot_fires_once_and_reaches_everybody_once(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    campaign = await made(office)
    assert await office.runs.tick() == []
    still_clock.set(NINE)
    (run,) = await office.runs.tick()
    assert await office.runs.tick() == []
    await office.settle()
    for user in ("ann", "bob", "cat"):
        assert [message["body"] for message in office.got(user)] == ["Hello you"]
    done = await office.runs.get(tenant, run)
    assert (done.state, done.users, done.accepted, done.skipped) == ("finished", 3, 3, 0)
    assert (await office.campaigns.get(tenant, campaign)).next_at == NINE + timedelta(days=1)


async def test_two_nodes_that_tick_fire_once(
    office: Office, database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    campaign = await made(office)
    other = build_office(database, vault, still_clock, tenant)
    still_clock.set(NINE)
    due = await office.campaigns.due(NINE)
    await office.runs.tick()
    for stale in due:  # the other node read it before the first one fired
        assert await other.runs._firing.fire_due(stale, NINE) is None
    assert await runs_of(office, campaign) == ["running"]
    await other.stop()


async def test_of_missed_slots_only_the_latest_is_made_up_for(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    campaign = await made(office)
    still_clock.set(NINE + timedelta(days=3, hours=5))
    (run,) = await office.runs.tick()
    assert (await office.runs.get(tenant, run)).due_at == NINE + timedelta(days=3)
    await office.settle()
    assert await office.runs.tick() == []
    assert await runs_of(office, campaign) == ["finished"]
    assert len(office.got("ann")) == 1


async def test_who_skips_misfires_waits_for_the_next(office: Office, still_clock: StillClock) -> None:
    await made(office, misfire="skip")
    still_clock.set(NINE + timedelta(hours=5))
    assert await office.runs.tick() == []
    still_clock.set(NINE + timedelta(days=1, minutes=2))
    assert len(await office.runs.tick()) == 1


async def test_the_doubled_hour_fires_once_and_clock_jumps_do_no_harm(
    office: Office, still_clock: StillClock
) -> None:
    still_clock.set(datetime(2026, 10, 31, 12, 0, tzinfo=UTC))
    campaign = await made(
        office, trigger={"kind": "cron", "cron": "30 1 * * *", "timezone": "America/New_York"}
    )
    for minutes in range(0, 24 * 60, 10):
        still_clock.set(datetime(2026, 10, 31, 23, 0, tzinfo=UTC) + timedelta(minutes=minutes))
        await office.runs.tick()
        await office.settle()
    assert await runs_of(office, campaign) == ["finished"]
    still_clock.set(datetime(2026, 11, 1, 5, 0, tzinfo=UTC))  # the machine's clock is set back
    await office.runs.tick()
    still_clock.set(datetime(2026, 11, 1, 5, 40, tzinfo=UTC))
    await office.runs.tick()
    assert await runs_of(office, campaign) == ["finished"]


async def test_a_run_under_way_lets_the_next_slot_pass(office: Office, still_clock: StillClock) -> None:
    campaign = await made(office)
    still_clock.set(NINE)
    await office.runs.tick()
    still_clock.forward(timedelta(days=1))
    await office.runs.tick()
    assert await runs_of(office, campaign) == ["skipped", "running"]


async def test_a_run_that_is_held_is_under_way_and_one_that_was_cancelled_is_not(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    campaign = await made(office)
    still_clock.set(NINE)
    (run,) = await office.runs.tick()
    await office.runs.pause(tenant, campaign, run)
    still_clock.forward(timedelta(days=1))
    await office.runs.tick()
    assert await runs_of(office, campaign) == ["skipped", "paused"]
    await office.runs.cancel(tenant, campaign, run)
    still_clock.forward(timedelta(days=1))
    await office.runs.tick()
    await office.settle()
    assert await runs_of(office, campaign) == ["finished", "skipped", "cancelled"]


async def test_who_allows_overlap_has_both_runs(office: Office, still_clock: StillClock) -> None:
    campaign = await made(office, overlap="allow")
    still_clock.set(NINE)
    await office.runs.tick()
    still_clock.forward(timedelta(days=1))
    await office.runs.tick()
    assert await runs_of(office, campaign) == ["running", "running"]
    await office.settle()
    assert await runs_of(office, campaign) == ["finished", "finished"]
    assert len(office.got("ann")) == 2


async def test_a_clock_set_back_by_hours_does_not_hold_a_run(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    run = await office.runs.run_now(tenant, await made(office))
    await office.runs.turn()
    still_clock.set(still_clock.now() - timedelta(hours=3))
    await office.settle()
    assert (await office.runs.get(tenant, run.id)).state == "finished"
    still_clock.forward(timedelta(hours=4))  # the deliveries of the first page were due then
    await office.settle()
    assert [len(office.got(user)) for user in ("ann", "bob", "cat")] == [1, 1, 1]


async def test_run_now_is_out_of_turn(office: Office, tenant: TenantId) -> None:
    campaign = await made(office)
    run = await office.runs.run_now(tenant, campaign)
    await office.settle()
    assert (await office.runs.get(tenant, run.id)).state == "finished"
    assert (await office.campaigns.get(tenant, campaign)).next_at == NINE
    await office.campaigns.pause(tenant, campaign)
    with pytest.raises(Conflict, match="resume it first"):
        await office.runs.run_now(tenant, campaign)
    with pytest.raises(NotFound):
        await office.runs.run_now(tenant, "cmp_none")


async def test_a_pause_in_the_middle_holds_the_run_and_resume_goes_on(
    office: Office, tenant: TenantId
) -> None:
    campaign = await made(office)
    await office.runs.run_now(tenant, campaign)
    await office.runs.turn()
    await office.campaigns.pause(tenant, campaign)
    await office.settle()
    assert (len(office.got("bob")), len(office.got("cat"))) == (1, 0)
    await office.campaigns.resume(tenant, campaign)
    await office.settle()
    assert [len(office.got(user)) for user in ("ann", "bob", "cat")] == [1, 1, 1]


async def test_a_page_done_twice_is_sent_once_even_if_users_joined_meanwhile(
    office: Office, tenant: TenantId
) -> None:
    run = await office.runs.run_now(tenant, await made(office))
    accept = office.room.messages.accept

    async def accept_then_die(
        tenant: TenantId, draft: MessageDraft, idempotency_key: str = "", **more: Any
    ) -> MessageId:
        await accept(tenant, draft, idempotency_key, **more)
        raise Unavailable("killed behind the commit")

    office.room.messages.accept = accept_then_die  # type: ignore[method-assign, assignment]
    await office.runs.turn()
    office.room.messages.accept = accept  # type: ignore[method-assign]
    await office.people("abe", "amy", attributes={"name": "new"})  # between ann and bob
    await office.runs._database.write(lambda tx: tx.execute("UPDATE run SET leased_until = 0"))
    await office.settle()
    assert [len(office.got(user)) for user in ("ann", "bob", "cat")] == [1, 1, 1]
    assert (await office.runs.get(tenant, run.id)).state == "finished"


async def test_a_page_that_fails_is_tried_again_later_and_given_up_in_the_end(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    run = await office.runs.run_now(tenant, await made(office))

    async def refuse(
        tenant: TenantId, draft: MessageDraft, idempotency_key: str = "", **more: Any
    ) -> MessageId:
        raise Unavailable("the disk is full")

    office.room.messages.accept = refuse  # type: ignore[method-assign, assignment]
    await office.runs.turn()
    pause = await office.runs.turn()
    assert pause is not None
    assert 0 < pause <= 1.0
    for _ in range(20):
        still_clock.forward(timedelta(hours=1))
        await office.runs.turn()
    failed = await office.runs.get(tenant, run.id)
    assert (failed.state, failed.error) == ("failed", "the disk is full")


async def test_a_changed_campaign_does_not_change_a_run_under_way(office: Office, tenant: TenantId) -> None:
    campaign = await made(office)
    await office.runs.run_now(tenant, campaign)
    await office.template("hello", "Changed")
    await office.template("other", "Other")
    await office.campaigns.replace(tenant, campaign, spec(template="other"))
    await office.settle()
    assert [message["body"] for message in office.got("cat")] == ["Hello you"]


async def test_picks_are_each_users_own_and_who_has_none_gets_no_message(
    office: Office, tenant: TenantId
) -> None:
    await office.template("picks", "{{ items[0].title }}: {{ items[0].reason }} / {{ headline }}")
    await office.catalogue.upsert(
        tenant, [Item(tenant, ItemId(name), name.title()) for name in ("mug", "cup", "spade", "rake")]
    )
    for user, bought in (
        ("ann", "mug"),
        ("x", "mug"),
        ("x", "cup"),
        ("bob", "spade"),
        ("y", "spade"),
        ("y", "rake"),
    ):
        await office.behaviour.record(
            tenant, [event(tenant, UserId(user), "purchase", office.runs._clock.now(), ItemId(bought))]
        )
    await office.behaviour.record(
        tenant,
        [
            event(tenant, UserId("cat"), "dismiss", office.runs._clock.now(), ItemId(n))
            for n in ("mug", "cup", "spade", "rake")
        ],
    )
    campaign = await made(
        office, template="picks", recommend={"limit": 1}, slots={"headline": {"text": {"en": "Try {title}"}}}
    )
    run = await office.runs.run_now(tenant, campaign)
    await office.settle()
    assert office.got("ann")[0]["body"].startswith("Cup: ")
    assert office.got("bob")[0]["body"].endswith("/ Try Rake")
    assert office.got("bob")[0]["data"]["items"][0]["id"] == "rake"
    assert office.got("cat") == []
    done = await office.runs.get(tenant, run.id)
    assert (done.users, done.accepted, done.skipped) == (3, 2, 1)


async def test_everybody_at_their_own_hour(office: Office, still_clock: StillClock, tenant: TenantId) -> None:
    await office.people("ann", timezone="Asia/Shanghai")
    await office.people("bob", "cat", timezone="America/New_York")
    campaign = await made(office, send_hour="best")
    await office.runs.run_now(tenant, campaign)
    await office.settle()
    hours = {}
    rows = await office.runs._database.read("SELECT user_id, due_at FROM delivery")
    for row in rows:
        hours[row["user_id"]] = datetime.fromtimestamp(row["due_at"] / 1000, UTC)
    assert set(hours) == {"ann", "bob", "cat"}
    assert hours["ann"] != hours["bob"]
    assert all(still_clock.now() <= hour <= still_clock.now() + timedelta(days=1) for hour in hours.values())


async def test_an_empty_audience_finishes_at_once(office: Office, tenant: TenantId) -> None:
    await office.room.topics.add(tenant, "vip", [UserId("ann")])
    await office.room.topics.remove(tenant, "vip", UserId("ann"))
    run = await office.runs.run_now(tenant, await made(office, to=[{"topic": "vip"}]))
    await office.settle()
    assert (await office.runs.get(tenant, run.id)).state == "finished"


async def test_dry_run_counts_and_shows_and_sends_nothing(office: Office, tenant: TenantId) -> None:
    dry = await office.dry_runs.of(tenant, await made(office), samples=2)
    assert dry.users == 3
    assert [(sample.user, sample.body, sample.problem) for sample in dry.samples] == [
        ("ann", "Hello you", ""),
        ("bob", "Hello you", ""),
    ]
    await office.settle()
    assert office.got("ann") == []


async def test_dry_run_tells_what_is_wrong_with_a_message(office: Office, tenant: TenantId) -> None:
    await office.template("broken", "{{ nothing.here }}")
    dry = await office.dry_runs.of(tenant, await made(office, template="broken"), samples=1)
    assert "nothing" in dry.samples[0].problem


async def test_old_runs_are_forgotten_and_their_slots_do_not_fire_again(
    office: Office, still_clock: StillClock
) -> None:
    campaign = await made(office)
    still_clock.set(NINE)
    await office.runs.tick()
    await office.settle()
    assert await office.runs.forget(timedelta(days=90)) == 0
    await office.campaigns.pause(office.tenant, campaign)
    still_clock.forward(timedelta(days=91))
    assert await office.runs.forget(timedelta(days=90)) == 1
    await office.campaigns.resume(office.tenant, campaign)
    assert await office.runs.tick() == []
