"""Old messages go, with everything that speaks of them; what waits stays."""

from datetime import timedelta

import pytest

from chatpush.domain import Content, TenantId, UserId
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.reporting.retention import Retention
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.notify.building import Room

TABLES = ("message", "delivery", "trace_entry", "inbox_item")


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database forget."""
    return any_database


async def test_what_is_old_goes_and_what_waits_stays(
    room: Room, tenant: TenantId, still_clock: StillClock
) -> None:
    to = (Recipient(user=UserId("emma")),)
    await room.messages.accept(tenant, MessageDraft(to=to, content=Content("old", "")))
    await room.settle()
    later = still_clock.now() + timedelta(days=200)
    await room.messages.accept(tenant, MessageDraft(to=to, content=Content("waits", ""), send_at=later))
    still_clock.forward(timedelta(days=91))
    await room.messages.accept(tenant, MessageDraft(to=to, content=Content("new", "")))
    await room.settle()
    retention = Retention(room.database, still_clock, 90)
    assert await retention.prune() == 2
    assert await retention.prune() == 0
    counts = {
        table: (await room.database.read(f"SELECT COUNT(*) AS n FROM {table}"))[0]["n"] for table in TABLES
    }
    assert counts == {"message": 2, "delivery": 2, "trace_entry": 1, "inbox_item": 1}
