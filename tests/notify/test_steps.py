"""Exporters follow every delivery: all steps, in order, whatever fails in between."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from chatpush.account.audit import Audit
from chatpush.account.exports import PAGE, PAGES_AT_ONCE, Exports
from chatpush.account.metering import Meter
from chatpush.domain import Category, Content, DeliveryId, ReceiptKind, TenantId, UserId
from chatpush.errors import Unavailable
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.reporting.steps import KEPT, Steps
from chatpush.plugins.contracts import Record
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.notify.building import Room


@pytest.fixture
def database(any_database: Database) -> Database:
    """Steps are kept in each kind of database."""
    return any_database


class Follower:
    """An exporter of deliveries that can refuse."""

    deliveries = True

    def __init__(self, name: str = "follower") -> None:
        self.name = name
        self.refuses = False
        self.records: list[Record] = []

    async def export(self, records: Sequence[Record]) -> None:
        if self.refuses:
            raise Unavailable("not now")
        assert len(records) <= PAGE
        self.records += [one for one in records if not one.type.startswith(("usage.", "audit."))]

    def of(self, user: str) -> list[str]:
        """Return the steps of a user's deliveries."""
        return [one.type.removeprefix("delivery.") for one in self.records if one.data.get("user") == user]


def followed(room: Room, clock: StillClock, *followers: Follower) -> Exports:
    """Return the exports as the app wires them."""
    room.happenings.export()

    async def tenants() -> list[TenantId]:
        return [TenantId("default")]

    exports = Exports(
        room.database, followers, Meter(room.database, clock), Audit(room.database, clock), tenants, clock
    )
    exports.also(Steps(room.database, clock), [one.name for one in followers])
    return exports


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
