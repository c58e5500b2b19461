"""Versions on disk: sealed, swapped whole, rolled back, and passed over when damaged."""

import functools
from datetime import timedelta
from pathlib import Path

import pytest

from chatpush.domain import TenantId, UserId
from chatpush.errors import InvalidInput, NotFound
from chatpush.recommend.training.learning import Learning
from chatpush.recommend.training.models import Models
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.recommend.world import World


@pytest.fixture
async def shop(world: World) -> World:
    """Forty gardeners and forty bakers."""
    for kind in ("spade", "bowl"):
        await world.stock(*(world.item(f"{kind}-{n}", tags=(kind,)) for n in range(12)))
        for user in range(40):
            await world.happened(
                *(world.event(f"{kind}{user}", "purchase", f"{kind}-{(user + k * 5) % 12}") for k in range(5))
            )
    return world


@pytest.fixture
def models(database: Database, vault: Vault, still_clock: StillClock, tmp_path: Path) -> Models:
    return Models(database, vault, still_clock, tmp_path / "models")


@pytest.fixture
def learning(shop: World, models: Models, still_clock: StillClock) -> Learning:
    return learning_of(shop, models, still_clock)


def learning_of(shop: World, models: Models, clock: StillClock) -> Learning:
    recommender = shop.recommender
    return Learning(recommender.training, recommender.likeminded, models, clock)


async def test_training_says_how_far_it_is_and_serves_what_it_made(
    shop: World, learning: Learning, tmp_path: Path
) -> None:
    told: list[str] = []
    version = await learning.train(shop.tenant, told.append)
    assert told[0] == "reading events"
    assert told[-1] == "serving"
    assert version.report["tried"]
    learned = shop.recommender.likeminded.learned(shop.tenant)
    assert learned is not None
    assert learned.settings.method == version.method
    await shop.happened(shop.event("me", "purchase", "bowl-0"))
    assert (await shop.picked("me", 3))[0].startswith("bowl")
    (file,) = (tmp_path / "models").rglob("*.model")
    assert b"spade-0" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


async def test_another_process_takes_up_what_was_trained_and_rolls_back(
    shop: World, learning: Learning, models: Models, still_clock: StillClock
) -> None:
    first = await learning.train(shop.tenant)
    second = await learning.train(shop.tenant)
    other = learning_of(World(shop.catalogue._database, shop.behaviour._vault, shop.clock, shop.tenant),
                        models, still_clock)  # fmt: skip
    assert await other.take_up(shop.tenant) == second.id
    await models.serve(shop.tenant, first.id)
    assert await other.take_up(shop.tenant) == first.id
    with pytest.raises(NotFound):
        await models.serve(shop.tenant, "mdl_none")
    assert await models.serving(shop.tenant) == first.id


async def test_a_damaged_file_is_passed_over_for_the_one_before(
    shop: World, learning: Learning, models: Models, tmp_path: Path
) -> None:
    first = await learning.train(shop.tenant)
    second = await learning.train(shop.tenant)
    file = next((tmp_path / "models").rglob(f"{second.id}.model"))
    file.write_bytes(file.read_bytes()[:100] + b"\x00" * 50)
    found = await models.load(shop.tenant)
    assert found is not None
    assert found[0].id == first.id
    next((tmp_path / "models").rglob(f"{first.id}.model")).unlink()
    assert await models.load(shop.tenant) is None
    assert len(await shop.picked("bowl1", 3)) == 3


async def test_what_serves_in_place_of_a_file_that_can_not_be_read_is_told(
    shop: World, learning: Learning, models: Models, still_clock: StillClock, tmp_path: Path
) -> None:
    first = await learning.train(shop.tenant)
    second = await learning.train(shop.tenant)
    file = next((tmp_path / "models").rglob(f"{second.id}.model"))
    whole = file.read_bytes()
    for length in (0, 3, 4, 5, 12, 13, 20, 25, 40, len(whole) - 1):
        file.write_bytes(whole[:length])
        again = learning_of(shop, models, still_clock)
        assert await again.take_up(shop.tenant) == first.id, length
        assert await again.take_up(shop.tenant) == first.id, "asked twice, it says the same"
    file.write_bytes(whole)
    assert await learning_of(shop, models, still_clock).take_up(shop.tenant) == second.id


async def test_a_model_is_trained_anew_when_there_is_more_or_when_it_is_old(
    shop: World, learning: Learning, models: Models, still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.recommend.training.learning.LEAST_EVENTS", 300)
    await learning.train(shop.tenant)
    restarted = learning_of(shop, models, still_clock)
    await restarted.take_up(shop.tenant)
    assert not restarted._is_due(shop.tenant), "a start is no reason to train"
    still_clock.forward(timedelta(days=2))
    assert not restarted._is_due(shop.tenant), "nothing is new"
    still_clock.forward(timedelta(days=5))
    assert restarted._is_due(shop.tenant), "as many events, but after a week they are others"
    await restarted.train(shop.tenant)
    await shop.happened(*(shop.event(f"new{n}", "purchase", "bowl-1") for n in range(40)))
    await shop.recommender.training.refit(shop.tenant)
    assert not restarted._is_due(shop.tenant), "not before a day is over"
    still_clock.forward(timedelta(days=1))
    assert restarted._is_due(shop.tenant)


async def test_a_large_model_is_sealed_in_pieces_none_of_which_may_be_missing_or_moved(
    shop: World, learning: Learning, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.recommend.training.models.PIECE", 200)
    version = await learning.train(shop.tenant)
    found = await models.load(shop.tenant)
    assert found is not None
    assert found[0].id == version.id
    file = next((tmp_path / "models").rglob("*.model"))
    whole = file.read_bytes()
    length = 4 + int.from_bytes(whole[:4], "big")
    assert len(whole) > 3 * length
    for damaged in (
        whole[length:],
        whole[:-length],
        whole[length : 2 * length] + whole[:length] + whole[2 * length :],
        whole[: length + 2],
        b"",
    ):
        file.write_bytes(damaged)
        assert await models.load(shop.tenant) is None


async def test_a_model_of_another_tenant_does_not_open_here(
    shop: World, learning: Learning, models: Models, vault: Vault
) -> None:
    version = await learning.train(shop.tenant)
    other = TenantId("other")
    await vault.ready(other)
    stolen = models._path(shop.tenant, version.id).read_bytes()
    target = models._path(other, version.id)
    target.parent.mkdir(parents=True)
    target.write_bytes(stolen)
    with pytest.raises(Exception, match="key"):
        models._read(other, version.id)


async def test_only_a_few_versions_are_kept(shop: World, learning: Learning, tmp_path: Path) -> None:
    for _ in range(6):
        await learning.train(shop.tenant)
    assert len(await learning.models.list(shop.tenant)) == 4
    assert len(list((tmp_path / "models").rglob("*.model"))) == 4


async def test_too_little_to_learn_from_is_said(
    world: World, models: Models, still_clock: StillClock
) -> None:
    await world.stock(world.item("only"))
    with pytest.raises(InvalidInput, match="too few"):
        await learning_of(world, models, still_clock).train(world.tenant)


async def test_picks_go_on_while_a_model_is_swapped(shop: World, learning: Learning) -> None:
    await learning.train(shop.tenant)
    learned = shop.recommender.likeminded.learned(shop.tenant)
    for turn in range(10):
        adopt = learned if turn % 2 else None
        job = functools.partial(shop.recommender.likeminded.adopt, shop.tenant, adopt)
        await shop.recommender.training.swap(shop.tenant, job)
        picks = await shop.recommender.pick_many(shop.tenant, [UserId(f"bowl{n}") for n in range(20)], 3)
        assert all(one[0].item.id.startswith("bowl") for one in picks.values())
