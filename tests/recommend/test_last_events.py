"""When a user's latest event of a type was: one look at the end of an index, however many there are."""

from datetime import timedelta

from chatpush.domain import TenantId, UserId
from chatpush.recommend.behaviour.behaviour import LAST, _values
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.recommend.world import World


async def test_the_latest_of_each_type_and_nothing_of_others(
    any_database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    world = World(any_database, vault, still_clock, tenant)
    given = (
        ("ada", "view", 3), ("ada", "view", 1), ("ada", "purchase", 9), ("ada", "purchase", 20),
        ("noah", "cart", 2), ("noah", "view", 5),
    )  # fmt: skip
    await world.happened(
        *(world.event(user, kind, "mug", timedelta(days=days)) for user, kind, days in given)
    )
    users = [UserId(name) for name in ("noah", "ada", "nobody")]
    found = await world.behaviour.last_of(tenant, users, {"purchase", "cart", "never"})
    now = still_clock.now()
    assert found == {
        "ada": {"purchase": now - timedelta(days=9)}, "noah": {"cart": now - timedelta(days=2)},
    }  # fmt: skip


async def test_it_looks_at_no_other_event(database: Database, tenant: TenantId) -> None:
    who, which = {"u0": "ada", "u1": "noah"}, {"k0": "purchase"}
    plan = await database.read(
        "EXPLAIN QUERY PLAN " + LAST.format(users=_values(who), types=_values(which)),
        t=tenant,
        **who,
        **which,
    )
    steps = [row["detail"] for row in plan if "event" in row["detail"]]
    assert steps
    assert all(
        "USING COVERING INDEX event_type (tenant=? AND user_id=? AND type=?)" in step for step in steps
    ), steps
