"""The judge: no peeking, honest intervals, known values, and an estimate that undoes the logging."""

import xml.etree.ElementTree as ET
from datetime import timedelta

import numpy as np
import pytest

from chatpush.domain import UserId
from chatpush.errors import InvalidInput
from chatpush.recommend.behaviour.exposures import Exposures
from chatpush.recommend.training.counterfactual import estimate, from_log
from chatpush.recommend.training.evaluation import evaluate, interval, judged, picture, temporal_split
from chatpush.recommend.training.footprints import PURCHASE, Footprints
from tests.recommend import retail
from tests.recommend.crowds import crowd, prints
from tests.recommend.world import World


def retail_prints() -> Footprints:
    rows = retail.lines()
    bought, items = retail.purchases(rows), retail.items(rows)
    users = {user: n for n, user in enumerate(sorted({one.user for one in bought}))}
    index = {item.id: n for n, item in enumerate(items)}
    return Footprints(
        tuple(index), len(users),
        np.array([users[one.user] for one in bought]), np.array([index[one.item] for one in bought if one.item]),
        np.full(len(bought), PURCHASE), np.array([int(one.at.timestamp() * 1000) for one in bought]),
    )  # fmt: skip


def test_the_future_stays_unknown() -> None:
    world = prints(crowd())
    known, later = temporal_split(world)
    assert known.multiply(later).nnz == 0
    assert known.nnz > 3 * later.nnz
    assert (np.diff(known.indptr)[np.diff(later.indptr) > 0] > 0).all()


def test_on_real_baskets_it_beats_popularity_and_item_neighbours_with_confidence() -> None:
    found = evaluate(retail_prints())
    assert found.ahead["popularity"].low > 0
    assert found.ahead["item-kNN"].low > 0
    assert found.coverage["chatpush"] > 2 * found.coverage["popularity"]
    ET.fromstring(picture(found))
    assert found.report()["figures"]["chatpush"]["ndcg"][0] == round(
        found.figures["chatpush"]["ndcg"].mean, 5
    )


def test_nothing_to_judge_by_is_said() -> None:
    nothing = crowd()
    nothing.data[:] = 0.0
    nothing.eliminate_zeros()
    with pytest.raises(InvalidInput):
        judged(crowd(), nothing)
    empty = Footprints((), 0, *(np.zeros(0, dtype=np.int64),) * 4)
    with pytest.raises(InvalidInput):
        temporal_split(empty)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    held = 0
    for turn in range(100):
        figure = interval((chance.random(200) < 0.3).astype(float), seed=turn)
        held += figure.low <= 0.3 <= figure.high
    assert held >= 88


def test_weighing_by_the_logged_chance_undoes_the_choice() -> None:
    chance = np.random.default_rng(2)
    good = chance.random(40_000) < 0.5
    logged_with = np.where(good, 0.9, 0.1)  # the old policy showed good items nine times as often
    shown = chance.random(good.size) < logged_with
    responded = (chance.random(good.size) < np.where(good, 0.4, 0.1)).astype(float)[shown]
    found = estimate(logged_with[shown], np.zeros(int(shown.sum()), dtype=np.bool_), responded)
    assert found is not None
    assert found.logged.mean > 0.33
    assert abs(found.exploit_snips - 0.25) < 0.02


async def test_what_is_shown_is_logged_with_its_chance_and_forgotten_with_the_user(world: World) -> None:
    log = Exposures(world.catalogue._database, world.clock)
    shop = World(
        world.catalogue._database, world.behaviour._vault, world.clock, world.tenant,
        exploration=0.5, on_shown=log.note,
    )  # fmt: skip
    await shop.stock(*(shop.item(f"i{n}") for n in range(12)))
    for n in range(12):
        await shop.happened(*(shop.event(f"u{n}", "purchase", f"i{(n + k) % 8}") for k in range(3)))
    shown = await shop.picked("u1", 4)
    await log.flush()
    rows = await shop.catalogue._database.read("SELECT * FROM exposure ORDER BY place")
    assert [row["item"] for row in rows] == shown
    assert all(0.0 < row["propensity"] <= 1.0 for row in rows)
    shop.clock.forward(timedelta(hours=1))
    await shop.happened(shop.event("u1", "click", shown[0]))
    found = await from_log(shop.catalogue._database, shop.tenant)
    assert found is not None
    assert found.logged.mean == 0.25
    await log.erase(shop.tenant, UserId("u1"))
    assert await from_log(shop.catalogue._database, shop.tenant) is None
