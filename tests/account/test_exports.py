"""Other systems learn every use and every deed once, whatever fails in between."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatpush.account import exports
from chatpush.account.audit import Audit
from chatpush.account.exports import FORGET_DAYS, LOOK_SECONDS, Exports
from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.domain import TenantId, UserId
from chatpush.errors import Unavailable
from chatpush.plugins.contracts import Record
from chatpush.store.database import Database
from tests.clocks import StillClock

OTHER = TenantId("other")


class Ledger:
    """A system that drops ids it knows, and fails before or after taking what it is told to fail at."""

    name = "ledger"

    def __init__(self) -> None:
        self.fail_before: set[int] = set()
        self.fail_after: set[int] = set()
        self.calls = 0
        self.ids: list[str] = []
        self.records: dict[str, Record] = {}

    async def export(self, records: Sequence[Record]) -> None:
        self.calls += 1
        if self.calls in self.fail_before:
            raise Unavailable("not now")
        for record in records:
            known = self.records.setdefault(record.id, record)
            assert known.data == record.data, "what comes again says the same"
            self.ids.append(record.id)
        if self.calls in self.fail_after:
            raise RuntimeError("the answer got lost")

    def used(self, tenant: TenantId, kind: Kind) -> int:
        """Return what a tenant has used, by what was told."""
        own = [one for one in self.records.values() if (one.tenant, one.type) == (tenant, f"usage.{kind}")]
        return sum(one.data["quantity"] for one in own)


class House:
    """Meter, audit and exports over one database; ``open`` again is a restart."""

    def __init__(self, database: Database, clock: StillClock, *ledgers: Ledger) -> None:
        self.database, self.clock, self.ledgers = database, clock, ledgers
        self.meter, self.audit = Meter(database, clock), Audit(database, clock)
        self.open()

    def open(self) -> None:
        self.exports = Exports(self.database, self.ledgers, self.meter, self.audit, self._tenants, self.clock)

    async def turn(self) -> None:
        assert await self.exports.turn() == LOOK_SECONDS

    async def _tenants(self) -> list[TenantId]:
        return [TenantId("default"), OTHER]


async def test_usage_goes_as_increments_and_audit_in_order(
    any_database: Database, still_clock: StillClock, tenant: TenantId
) -> None:
    ledger = Ledger()
    house = House(any_database, still_clock, ledger)
    await house.meter.record(tenant, Kind.MESSAGES, 7, "dlv_1")
    await house.meter.record(OTHER, Kind.MODEL_TOKENS, 90, "trn_1")
    for action in ("key.issue", "key.revoke"):
        await house.audit.record(tenant, None, action, "key_1")
    await house.turn()
    assert ledger.ids == ["default/messages/2026-11-24/7", "other/model_tokens/2026-11-24/90"]
    still_clock.forward(timedelta(seconds=11))
    await house.meter.record(tenant, Kind.MESSAGES, 2, "dlv_2")
    await house.turn()
    last = [ledger.records[one] for one in ledger.ids[2:]]
    assert [one.type for one in last] == ["usage.messages", "audit.key.issue", "audit.key.revoke"]
    assert last[0].data == {"kind": "messages", "day": "2026-11-24", "quantity": 2, "total": 9}
    assert last[1].data == {"who": "system", "action": "key.issue", "subject": "key_1"}
    await house.turn()
    assert len(ledger.ids) == 5, "nothing new, nothing told"


async def test_what_is_told_again_is_the_same_and_counts_once(
    any_database: Database, still_clock: StillClock, tenant: TenantId
) -> None:
    ledger = Ledger()
    ledger.fail_after = {1}
    house = House(any_database, still_clock, ledger)
    await house.meter.record(tenant, Kind.MESSAGES, 7, "dlv_1")
    await house.turn()
    await house.meter.record(tenant, Kind.MESSAGES, 5, "dlv_2")
    house.open()
    await house.turn()
    assert ledger.ids == ["default/messages/2026-11-24/7"] * 2
    await house.turn()
    assert ledger.ids[2:] == ["default/messages/2026-11-24/12"]
    assert ledger.used(tenant, Kind.MESSAGES) == 12


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
@given(
    uses=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 30)), min_size=1, max_size=8),
    before=st.sets(st.integers(1, 12)),
    after=st.sets(st.integers(1, 12)),
)
async def test_a_system_that_drops_known_ids_counts_exactly(
    database: Database,
    still_clock: StillClock,
    uses: list[tuple[int, int]],
    before: set[int],
    after: set[int],
) -> None:
    await database.write(lambda tx: [tx.execute(f"DELETE FROM {name}") for name in TABLES])
    ledger = Ledger()
    ledger.fail_before, ledger.fail_after = before, after
    house = House(database, still_clock, ledger)
    total = 0
    for number, (quantity, hours) in enumerate(uses):
        total += quantity
        await house.meter.record(TenantId("default"), Kind.MESSAGES, quantity, f"dlv_{number}")
        await house.turn()
        still_clock.forward(timedelta(hours=hours))
        house.open()
    for _ in range(len(before | after) + 2):
        await house.turn()
    assert ledger.used(TenantId("default"), Kind.MESSAGES) == total


TABLES = ("usage_event", "usage_day", "usage_fold", "export_usage", "export_cursor", "audit_entry")


async def test_one_that_refuses_or_hangs_holds_up_nobody(
    database: Database, still_clock: StillClock, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "EXPORT_SECONDS", 0.01)

    class Hanging(Ledger):
        name = "hanging"

        async def export(self, records: Sequence[Record]) -> None:
            await asyncio.Event().wait()

    refusing, good = Ledger(), Ledger()
    refusing.name, refusing.fail_before = "refusing", {1}
    house = House(database, still_clock, Hanging(), refusing, good)
    await house.meter.record(tenant, Kind.MESSAGES, 1, "dlv_1")
    await house.turn()
    assert (refusing.ids, len(good.ids)) == ([], 1)
    await house.turn()
    assert (len(refusing.ids), len(good.ids)) == (1, 1)


async def test_old_marks_are_forgotten(database: Database, still_clock: StillClock, tenant: TenantId) -> None:
    house = House(database, still_clock, Ledger())
    await house.meter.record(tenant, Kind.MESSAGES, 1, "dlv_1")
    await house.meter.active(tenant, UserId("emma"))
    await house.turn()
    still_clock.forward(timedelta(days=FORGET_DAYS + 1))
    await house.turn()
    assert await database.read("SELECT * FROM export_usage") == []


async def test_more_than_a_page_goes_in_pages(
    database: Database, still_clock: StillClock, tenant: TenantId
) -> None:
    ledger = Ledger()
    house = House(database, still_clock, ledger)
    for number in range(250):
        await house.audit.record(tenant, None, "thing.change", str(number))
    still_clock.forward(timedelta(seconds=11))
    await house.turn()
    assert [ledger.records[one].subject for one in ledger.ids] == [str(number) for number in range(250)]
    assert ledger.calls == 3


async def test_nobody_to_tell_costs_nothing(database: Database, still_clock: StillClock) -> None:
    house = House(database, still_clock)
    await house.exports.start()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "account.exports"]
    await house.exports.stop()
