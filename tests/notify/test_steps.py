"""Exporters follow every delivery: all steps, in order, whatever fails in between."""

from datetime import timedelta

import pytest

from chatpush.account.exports import PAGES_AT_ONCE
from chatpush.domain import Category, Content, DeliveryId, ReceiptKind, TenantId, UserId
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.reporting.steps import KEPT
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.notify.following import Follower, followed


@pytest.fixture
def database(any_database: Database) -> Database:
    """Steps are kept in each kind of database."""
    return any_database


def hello(*users: str, **more: object) -> MessageDraft:
    to = tuple(Recipient(user=UserId(user)) for user in users)
    return MessageDraft(to=to, content=Content("Hello", "How are you?"), **more)  # type: ignore[arg-type]


async def waiting(room: Room) -> int:
    return int((await room.database.read("SELECT COUNT(*) AS n FROM delivery_step"))[0]["n"])


async def test_every_step_of_a_delivery_is_told_in_order(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    follower = Follower()
    exports = followed(room, still_clock, follower)
    await room.messages.accept(tenant, hello("emma"))
    await room.messages.accept(tenant, hello("lin", category=Category.MARKETING))
    await room.settle()
    (payload,) = room.publisher.to("emma")
    for kind in (ReceiptKind.SEEN, ReceiptKind.CLICKED, ReceiptKind.SEEN):
        await room.receipts.record(tenant, UserId("emma"), [(DeliveryId(payload["delivery"]), kind)])
    later = await room.messages.accept(
        tenant, hello("max", send_at=still_clock.now() + timedelta(hours=1), cancel_key="later")
    )
    assert await room.messages.cancel(tenant, message=later) == 1
    for _ in range(2):
        await room.messages.accept(
            tenant, hello("mia", collapse_key="k", send_at=still_clock.now() + timedelta(hours=1))
        )
    await exports.turn()
    assert follower.records == [], "what may still be overtaken by an older one waits"
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    assert follower.of("emma") == ["accepted", "sent", "seen", "clicked"]
    assert follower.of("lin") == ["accepted", "suppressed"]
    assert follower.of("max") == ["accepted", "cancelled"]
    assert follower.of("mia") == ["accepted", "cancelled", "accepted"]
    suppressed = next(one for one in follower.records if one.type == "delivery.suppressed")
    assert suppressed.data["reason"] == "no_consent"
    sent = next(one for one in follower.records if one.type == "delivery.sent")
    assert (sent.subject, sent.data["channels"]) == (payload["delivery"], ["ws"])
    assert [one.type for one in follower.records].count("message.accepted") == 5
    ids = [one.id for one in follower.records]
    assert ids == sorted(set(ids))
    assert await waiting(room) == 0, "what everybody has is gone"
    await exports.turn()
    assert [one.id for one in follower.records] == ids


async def test_what_took_a_place_and_what_was_taken_back_is_told(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    follower = Follower()
    exports = followed(room, still_clock, follower)
    later = still_clock.now() + timedelta(hours=1)
    waits = await room.messages.accept(tenant, hello("mia", collapse_key="k", send_at=later))
    newer = await room.messages.accept(tenant, hello("mia", collapse_key="k", send_at=later))
    shown = await room.messages.accept(tenant, hello("emma", collapse_key="k"))
    await room.settle()
    second = await room.messages.accept(tenant, hello("emma", collapse_key="k"))
    await room.settle()
    last = await room.messages.accept(tenant, hello("emma", collapse_key="k"))
    await room.settle()
    await room.recalls.delete(tenant, last)
    await room.settle()
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    ends = [
        (one.data["message"], one.type, one.data.get("by"))
        for one in follower.records
        if one.type in ("delivery.cancelled", "delivery.replaced", "delivery.recalled", "message.recalled")
    ]
    assert ends == [
        (waits, "delivery.cancelled", newer), (shown, "delivery.replaced", second),
        (second, "delivery.replaced", last), (last, "message.recalled", None), (last, "delivery.recalled", None),
    ]  # fmt: skip


async def test_one_that_refuses_loses_nothing_and_holds_nobody_up(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    good, bad = Follower("good"), Follower("bad")
    bad.refuses = True
    exports = followed(room, still_clock, bad, good)
    many = [f"u{number:04}" for number in range(400)]
    await room.messages.accept(tenant, hello(*many))
    await room.settle()
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    assert (len(good.records), bad.records) == (801, [])
    assert await waiting(room) == 801
    bad.refuses = False
    await exports.turn()
    assert [one.id for one in bad.records] == [one.id for one in good.records]
    assert await waiting(room) == 0


async def test_a_turn_is_bounded_and_goes_on_at_once(
    room: Room, still_clock: StillClock, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.account.exports.PAGE", 2)
    follower = Follower()
    exports = followed(room, still_clock, follower)
    await room.messages.accept(tenant, hello(*(f"u{number:04}" for number in range(2 * PAGES_AT_ONCE))))
    still_clock.forward(timedelta(seconds=20))
    assert await exports.turn() == 0
    assert len(follower.records) == 2 * PAGES_AT_ONCE
    assert await exports.turn() > 0
    assert len(follower.records) == 2 * PAGES_AT_ONCE + 1


async def test_who_is_away_for_a_week_is_told_how_much_was_missed(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    good, away = Follower("good"), Follower("away")
    away.refuses = True
    exports = followed(room, still_clock, good, away)
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    still_clock.forward(KEPT)
    await exports.turn()
    assert await waiting(room) == 1
    away.refuses = False
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    (gap,) = away.records
    assert (gap.type, gap.data["dropped"], gap.data["exporters"]) == ("delivery.gap", 3, ["away"])
    assert len(good.records) == 4


async def test_who_erased_themselves_is_not_named(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    follower = Follower()
    exports = followed(room, still_clock, follower)
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    await room.users.delete(tenant, UserId("emma"))
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    assert [one.type for one in follower.records] == [
        "message.accepted",
        "delivery.accepted",
        "delivery.sent",
    ]
    assert "emma" not in str(follower.records)


async def test_what_an_erasure_stops_is_told(room: Room, still_clock: StillClock, tenant: TenantId) -> None:
    follower = Follower()
    exports = followed(room, still_clock, follower)
    await room.messages.accept(tenant, hello("emma", send_at=still_clock.now() + timedelta(hours=1)))
    await room.users.delete(tenant, UserId("emma"))
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    last = follower.records[-1]
    assert (last.type, last.data["reason"], last.data["user"]) == ("delivery.cancelled", "user_erased", None)


async def test_what_is_taken_back_or_stopped_before_its_page_is_told(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    follower = Follower()
    exports = followed(room, still_clock, follower)
    sent = await room.messages.accept(tenant, hello("emma"))
    await room.topics.add(tenant, "vip", [UserId("lin"), UserId("mia")])
    coming = await room.messages.accept(
        tenant, MessageDraft(to=(Recipient(topic="vip"),), content=Content("Hello", ""))
    )
    assert await room.messages.cancel(tenant, message=coming, users=[UserId("lin")]) == 1
    await room.settle()
    await room.recalls.delete(tenant, sent)
    for _ in range(2):
        await room.recalls.delete(tenant, sent, [UserId("emma")])
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    assert follower.of("emma") == ["accepted", "sent", "recalled"]
    assert (follower.of("lin"), follower.of("mia")) == (["cancelled"], ["accepted", "sent"])


async def test_a_user_who_has_it_already_is_not_told_of_twice(
    room: Room, still_clock: StillClock, tenant: TenantId
) -> None:
    """A repeated page inserts nothing for those who have a delivery; only new ones are steps."""
    follower = Follower()
    exports = followed(room, still_clock, follower)
    message = await room.messages.accept(tenant, hello("emma"))
    accepted = await room.messages.check(tenant, hello("emma", "lin"))
    rows = await room.fanout.rows(tenant, message, accepted, [UserId("emma"), UserId("lin")])
    await room.database.write(lambda tx: room.fanout.insert_in(tx, tenant, accepted, list(rows)))
    still_clock.forward(timedelta(seconds=20))
    await exports.turn()
    assert (follower.of("emma"), follower.of("lin")) == (["accepted"], ["accepted"])


async def test_without_an_exporter_of_deliveries_nothing_is_written(room: Room, tenant: TenantId) -> None:
    await room.messages.accept(tenant, hello("emma"))
    await room.settle()
    assert await waiting(room) == 0
