"""On real purchases the picks beat the charts, by a margin that is not luck."""

from datetime import timedelta
from math import sqrt
from statistics import mean, stdev

from chatpush.domain import TenantId, UserId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.recommend import retail
from tests.recommend.world import World

K = 20


async def test_picks_beat_the_charts_on_later_purchases(
    database: Database, vault: Vault, tenant: TenantId
) -> None:
    clock = StillClock(retail.SPLIT + timedelta(minutes=1))
    world = World(database, vault, clock, tenant, exploration=0.1)
    rows = retail.lines()
    await world.stock(*retail.items(rows))
    before, later = retail.split(retail.purchases(rows))
    for start in range(0, len(before), 1000):
        await world.behaviour.record(tenant, before[start : start + 1000])

    charts = await world.picked(None, 100)
    personal: dict[UserId, list[str]] = {}
    popular: dict[UserId, list[str]] = {}
    for user in sorted(later):
        personal[user] = await world.picked(user, K)
        had = {event.item for event in await world.behaviour.recent(tenant, user)}
        popular[user] = [item for item in charts if item not in had][:K]
        assert not had & set(personal[user])
        assert len(personal[user]) == K

    ours, theirs = retail.recall(personal, later), retail.recall(popular, later)
    gains = [
        retail.recall({user: personal[user]}, {user: later[user]})
        - retail.recall({user: popular[user]}, {user: later[user]})
        for user in later
    ]
    low = mean(gains) - 1.96 * stdev(gains) / sqrt(len(gains))
    assert low > 0, f"recall@{K} {ours:.4f} against {theirs:.4f}, gain at least {low:.4f}"
    assert ours > 1.2 * theirs, f"recall@{K} {ours:.4f} against {theirs:.4f}"
