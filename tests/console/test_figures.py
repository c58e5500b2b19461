"""The numbers of the overview: per step of time, by state, and who a message went to."""

from datetime import UTC, datetime, timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, DeliveryId, MessageId, to_ms
from chatpush.notify.reading.trace import entry
from chatpush.notify.reporting.figures import Figures, _id_at
from chatpush.store.database import Database

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def figures(any_database: Database) -> Figures:
    """Five deliveries of two messages over some days, on both databases."""
    rows = [
        _row("m1", "ada", "delivered", NOW, delivered=NOW, seen=NOW),
        _row("m1", "bob", "sent", NOW - timedelta(minutes=2)),
        _row("m1", "eve", "suppressed", None, born=NOW - timedelta(minutes=2)),
        _row("m2", "ada", "delivered", NOW - timedelta(minutes=59), delivered=NOW, born=NOW - DAY),
        _row("m3", "ada", "sent", NOW - 9 * DAY),
    ]
    await any_database.write(lambda tx: tx.insert_many("delivery", rows))
    return Figures(any_database)


def _row(
    message: str,
    user: str,
    state: str,
    sent: datetime | None,
    *,
    delivered: datetime | None = None,
    seen: datetime | None = None,
    born: datetime | None = None,
) -> dict[str, object]:
    at = born or sent
    assert at is not None
    return {
        "tenant": DEFAULT_TENANT, "id": f"{_id_at(at)}{message}{user}", "message": message, "user_id": user,
        "category": "alert", "campaign": "", "collapse_key": "", "state": state, "reason": "", "pending": 0,
        "priority_rank": 1, "due_at": to_ms(at), "attempts": 1, "claimed_by": "", "shown_as": "",
        "stage": 0, "left_channels": "", "topic": "", "variant": "", "digest_key": "",
        "created_at": to_ms(at), "sent_at": to_ms(sent) if sent else None,
        "delivered_at": to_ms(delivered) if delivered else None, "seen_at": to_ms(seen) if seen else None,
    }  # fmt: skip


async def test_counts_fall_into_the_steps_they_happened_in(figures: Figures) -> None:
    series = await figures.series(DEFAULT_TENANT, NOW, timedelta(minutes=1), 60)
    assert len(series.at) == 60
    assert series.at[-1] == NOW.replace(second=0)
    assert {index: count for index, count in enumerate(series.sent) if count} == {0: 1, 57: 1, 59: 1}
    assert series.delivered[59] == 2
    assert sum(series.seen) == 1


async def test_totals_count_what_was_born_since(figures: Figures) -> None:
    today = await figures.totals(DEFAULT_TENANT, NOW - timedelta(hours=1))
    engagement = {"seen": 1, "clicked": 0, "replied": 0, "dismissed": 0}
    assert today == {"delivered": 1, "sent": 1, "suppressed": 1} | engagement
    assert (await figures.totals(DEFAULT_TENANT, NOW - 10 * DAY))["sent"] == 2


async def test_a_message_to_one_user_names_them(figures: Figures) -> None:
    found = await figures.only_users(DEFAULT_TENANT, [MessageId("m1"), MessageId("m2"), MessageId("m9")])
    assert found == {"m2": "ada"}
    assert await figures.only_users(DEFAULT_TENANT, []) == {}


async def test_traces_come_by_delivery(figures: Figures, any_database: Database) -> None:
    rows = [entry(DEFAULT_TENANT, "dlv_1", "policy", "suppress", NOW, reason="no_consent")]
    await any_database.write(lambda tx: tx.insert_many("trace_entry", rows))
    found = await figures.traces(DEFAULT_TENANT, [DeliveryId("dlv_1"), DeliveryId("dlv_2")])
    assert [(step.step, step.verdict, dict(step.detail)) for step in found[DeliveryId("dlv_1")]] == [
        ("policy", "suppress", {"reason": "no_consent"})
    ]
