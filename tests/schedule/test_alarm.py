"""The alarm rings by the real clock, and again after every change."""

import asyncio
from datetime import timedelta

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import TenantId
from chatpush.notify.listing import Window
from chatpush.schedule.alarm import Alarm
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.schedule.building import build_office, spec
from tests.waiting import until


async def test_a_campaign_made_while_it_runs_fires_on_time(
    database: Database, vault: Vault, tenant: TenantId
) -> None:
    clock = SystemClock()
    office = build_office(database, vault, clock, tenant)
    await office.template("hello")
    await office.people("ann", attributes={"name": "you"})
    alarm = Alarm(office.campaigns, office.runs, clock)
    await office.runs.start()
    await alarm.start()
    at = (clock.now() + timedelta(milliseconds=300)).isoformat()
    made = await office.campaigns.create(tenant, spec(trigger={"kind": "date", "at": at}))

    async def finished() -> bool:
        runs = await office.runs.of_campaign(tenant, made.id, Window())
        return [run.state for run in runs.data] == ["finished"]

    await until(finished)
    assert (await office.campaigns.get(tenant, made.id)).state == "finished"
    await alarm.stop()
    await office.runs.stop()
    await office.stop()


async def test_what_was_missed_while_it_was_off_is_made_up_for_at_the_start(
    database: Database, vault: Vault, tenant: TenantId
) -> None:
    clock = SystemClock()
    office = build_office(database, vault, clock, tenant)
    await office.template("hello")
    made = await office.campaigns.create(
        tenant, spec(trigger={"kind": "interval", "every": 1, "unit": "minutes"})
    )
    await database.write(
        lambda tx: tx.execute("UPDATE campaign SET checked_at = checked_at - 600000, next_at = next_at - 600000,"
                              " created_at = created_at - 600000")
    )  # fmt: skip
    alarm = Alarm(office.campaigns, office.runs, clock)
    await alarm.start()
    runs = await office.runs.of_campaign(tenant, made.id, Window())
    assert len(runs.data) == 1
    await alarm.stop()
    await office.stop()


async def test_chores_are_done_and_a_failing_one_is_done_again(
    database: Database, vault: Vault, tenant: TenantId
) -> None:
    office = build_office(database, vault, SystemClock(), tenant)
    alarm = Alarm(office.campaigns, office.runs, SystemClock())
    done: list[int] = []

    async def chore() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("once")

    alarm.every("test", 0.05, chore)
    await alarm.start()
    await until(lambda: len(done) >= 2)
    await alarm.stop()
    await office.stop()


async def test_a_chore_cut_short_by_the_end_is_no_failure(
    database: Database, vault: Vault, tenant: TenantId, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SystemClock()
    office = build_office(database, vault, clock, tenant)
    alarm = Alarm(office.campaigns, office.runs, clock)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    alarm.every("endless", 0.05, endless)
    await alarm.start()
    await begun.wait()
    await alarm.stop()
    await ended.wait()
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    await office.stop()
