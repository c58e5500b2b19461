"""Every event has its consequences at least once, in order, and a bad one does not hold up the rest."""

from datetime import timedelta

import pytest

from chatpush.domain import Event, Item, ItemId, TenantId, UserId
from chatpush.recommend.behaviour.behaviour import event
from chatpush.schedule.reactor import MOST_ATTEMPTS, Reactor
from chatpush.store.database import Database
from tests.clocks import StillClock
from tests.schedule.building import Office, spec
from tests.waiting import until


@pytest.fixture
def database(any_database: Database) -> Database:
    """Everything here holds on both databases."""
    return any_database


class Recorder:
    """A reactor that remembers, and fails as told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.failing: set[str] = set()

    async def __call__(self, event: Event) -> None:
        if event.id in self.failing:
            raise RuntimeError("no")
        self.seen.append(event.id)


def paid(office: Office, user: str, name: str, **properties: object) -> Event:
    now = office.runs._clock.now()
    return event(office.tenant, UserId(user), "order.paid", now, properties=dict(properties), event_id=name)


def reactor(office: Office, *reactors: Recorder) -> Reactor:
    return Reactor(office.behaviour._database, office.behaviour, reactors, office.runs._clock)


async def test_each_users_events_in_order_and_then_gone(
    office: Office, database: Database, tenant: TenantId
) -> None:
    seen = Recorder()
    await office.behaviour.record(tenant, [paid(office, f"u{n % 3}", f"e{n}") for n in range(30)])
    assert await reactor(office, seen).turn() == 0
    for user in range(3):
        own = [name for name in seen.seen if int(name[1:]) % 3 == user]
        assert own == [f"e{n}" for n in range(30) if n % 3 == user]
    assert await database.read("SELECT 1 FROM reaction") == []


async def test_a_failing_one_is_tried_later_and_the_others_go_on(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    seen = Recorder()
    seen.failing = {"e1"}
    one = reactor(office, seen)
    await office.behaviour.record(tenant, [paid(office, "ann", f"e{n}") for n in range(3)])
    await one.turn()
    assert seen.seen == ["e0", "e2"]
    pause = await one.turn()
    assert pause is not None
    assert 0 < pause <= 1.0
    seen.failing = set()
    still_clock.forward(timedelta(seconds=2))
    await one.turn()
    assert seen.seen == ["e0", "e2", "e1"]


async def test_one_that_never_works_is_parked_with_its_error_and_can_be_released(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    seen = Recorder()
    seen.failing = {"e0"}
    one = reactor(office, seen)
    await office.behaviour.record(tenant, [paid(office, "ann", "e0")])
    for _ in range(MOST_ATTEMPTS + 3):
        await one.turn()
        still_clock.forward(timedelta(hours=1))
    (parked,) = await one.parked(tenant)
    assert (parked.event, parked.attempts, parked.error) == ("e0", MOST_ATTEMPTS, "RuntimeError: no")
    assert await one.parked(TenantId("other")) == []
    seen.failing = set()
    assert await one.release(tenant, parked.id)
    await one.turn()
    assert seen.seen == ["e0"]


async def test_what_a_killed_node_had_taken_is_done_at_its_next_start(
    office: Office, tenant: TenantId
) -> None:
    seen = Recorder()
    await office.behaviour.record(tenant, [paid(office, "ann", "e0")])
    await office.behaviour._database.write(reactor(office, seen)._claim)  # killed here
    again = reactor(office, seen)
    await again.start()
    await until(lambda: seen.seen == ["e0"])
    await office.behaviour.record(tenant, [paid(office, "ann", "e1")])
    await until(lambda: seen.seen == ["e0", "e1"])
    await again.stop()


async def test_an_erased_users_events_have_no_consequences(
    office: Office, database: Database, tenant: TenantId
) -> None:
    seen = Recorder()
    await office.behaviour.record(tenant, [paid(office, "ann", "e0")])
    await database.write(lambda tx: tx.execute("DELETE FROM event"))
    await reactor(office, seen).turn()
    assert seen.seen == []
    assert await database.read("SELECT 1 FROM reaction") == []


async def test_an_event_sets_off_its_campaigns_message_once(office: Office, tenant: TenantId) -> None:
    await office.template("order_paid", "Thank you for {{ order }}")
    trigger = {"kind": "event", "type": "order.paid", "match": {"shop": "GB"}}
    await office.campaigns.create(tenant, spec(name="Paid", to=[], template="order_paid", trigger=trigger))
    happened = paid(office, "ann", "e0", order="A-1", shop="GB")
    await office.behaviour.record(tenant, [happened, paid(office, "bob", "e1", order="B-1", shop="FR")])
    await office.reactor.turn()
    await office.event_campaigns.on_event(happened)  # at least once means perhaps twice
    await office.settle()
    assert [message["body"] for message in office.got("ann")] == ["Thank you for A-1"]
    assert office.got("bob") == []


async def test_an_events_message_may_wait_and_knows_the_item(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    await office.catalogue.upsert(tenant, [Item(tenant, ItemId("mug"), "Red Mug")])
    await office.template("cart", "Still thinking about {{ item.title }}?")
    trigger = {"kind": "event", "type": "cart", "delay_seconds": 3600}
    await office.campaigns.create(tenant, spec(name="Cart", to=[], template="cart", trigger=trigger))
    await office.behaviour.record(
        tenant, [event(tenant, UserId("ann"), "cart", still_clock.now(), ItemId("mug"))]
    )
    await office.reactor.turn()
    await office.settle()
    assert office.got("ann") == []
    still_clock.forward(timedelta(hours=1))
    await office.settle()
    assert [message["body"] for message in office.got("ann")] == ["Still thinking about Red Mug?"]


async def test_imported_history_sets_off_nothing(
    office: Office, still_clock: StillClock, tenant: TenantId
) -> None:
    trigger = {"kind": "event", "type": "purchase"}
    await office.campaigns.create(tenant, spec(name="Thanks", to=[], trigger=trigger))
    old = event(tenant, UserId("ann"), "purchase", still_clock.now() - timedelta(days=300), ItemId("mug"))
    await office.behaviour.record(tenant, [old])
    await office.reactor.turn()
    await office.settle()
    assert office.got("ann") == []
