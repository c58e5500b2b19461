"""Picks for everybody, with reasons, and never a forbidden one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chatpush.domain import Item, ItemId, TenantId, User, UserId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.recommend.world import World
from tests.waiting import until


@pytest.fixture
async def shop(world: World) -> World:
    """Gardeners and bakers, who never buy from each other's shelves."""
    garden = [f"spade-{n}" for n in range(6)]
    kitchen = [f"bowl-{n}" for n in range(6)]
    await world.stock(
        *(world.item(name, tags=("garden",), text="outdoor steel") for name in garden),
        *(world.item(name, tags=("kitchen",), text="baking ceramic") for name in kitchen),
        world.item("untouched", title="Untouched", text="nothing like it"),
    )
    for n in range(12):
        goods, other = (garden, "g") if n % 3 else (kitchen, "k")
        for step in range(4):
            await world.happened(
                world.event(f"{other}{n}", "purchase", goods[(n + step) % 6], ago=timedelta(hours=n))
            )
    return world


async def test_a_known_user_gets_what_the_likes_of_them_bought(shop: World) -> None:
    await shop.happened(shop.event("me", "purchase", "bowl-0"))
    picks = await shop.recommender.pick(shop.tenant, UserId("me"), 3)
    assert all(pick.item.id.startswith("bowl") for pick in picks)
    assert "bowl-0" not in [pick.item.id for pick in picks]
    assert picks[0].reason.text in {"Because you bought Bowl 0", "Often bought together with Bowl 0"}


async def test_one_view_is_enough_and_counts_at_once(shop: World) -> None:
    await shop.picked("new", 3)  # fitted before the view
    await shop.happened(shop.event("new", "view", "bowl-1"))
    assert (await shop.picked("new", 3))[0].startswith("bowl")


async def test_nobody_and_a_stranger_get_the_charts(shop: World) -> None:
    for user in (None, "stranger"):
        found = await shop.recommender.picked(shop.tenant, UserId(user) if user else None, 3)
        assert found.source == "popular"
        assert all(pick.item.id.startswith("spade") for pick in found.picks)
        assert found.picks[0].reason.text == "Popular this week"


async def test_old_charts_do_not_call_themselves_this_week(shop: World) -> None:
    shop.clock.forward(timedelta(days=30))
    picks = await shop.recommender.pick(shop.tenant, None, 20)
    assert not {"popular_week", "rising"} & {pick.reason.code for pick in picks}


async def test_reasons_speak_the_users_language(shop: World) -> None:
    shop.users["me"] = User(shop.tenant, UserId("me"), locale="zh-CN")
    await shop.happened(shop.event("me", "purchase", "bowl-0"))
    picks = await shop.recommender.pick(shop.tenant, UserId("me"), 2)
    assert "「Bowl 0」" in picks[0].reason.text


async def test_the_switch_to_non_personal_is_honoured_and_dismissals_still_hold(shop: World) -> None:
    shop.users["me"] = User(shop.tenant, UserId("me"), personalized=False)
    await shop.happened(shop.event("me", "view", "bowl-0"), shop.event("me", "dismiss", "spade-3"))
    found = await shop.recommender.picked(shop.tenant, UserId("me"), 12)
    assert found.source == "popular"
    assert found.picks[0].item.id.startswith("spade")
    assert "spade-3" not in [pick.item.id for pick in found.picks]


async def test_forbidden_items_never_come_and_allowed_ones_fill_the_list(shop: World) -> None:
    await shop.stock(shop.item("bowl-1", tags=("kitchen",), stock=0))
    await shop.happened(
        shop.event("me", "purchase", "bowl-0"),
        shop.event("me", "dismiss", "bowl-2"),
        shop.event("me", "mute", properties={"tag": "garden"}),
    )
    picks = await shop.picked("me", 50)
    assert set(picks) == {"bowl-3", "bowl-4", "bowl-5", "untouched"}


async def test_all_dismissed_is_an_empty_list(shop: World) -> None:
    items = (await shop.catalogue.shelf(shop.tenant)).items
    await shop.happened(*(shop.event("me", "dismiss", name) for name in items))
    found = await shop.recommender.picked(shop.tenant, UserId("me"), 5)
    assert (found.picks, found.source) == ((), "none")


async def test_an_empty_shop_and_a_shop_of_one(world: World) -> None:
    assert await world.picked("me") == []
    await world.stock(world.item("only"))
    assert await world.picked("me") == ["only"]
    assert await world.picked(None) == ["only"]


async def test_events_of_unknown_items_and_unknown_types_do_no_harm(shop: World) -> None:
    await shop.happened(shop.event("me", "purchase", "gone"), shop.event("me", "levitate", "bowl-0"))
    assert len(await shop.picked("me", 3)) == 3


async def test_a_new_item_without_events_reaches_users_of_its_like(shop: World) -> None:
    world = World(shop.catalogue._database, shop.behaviour._vault, shop.clock, shop.tenant, exploration=0.34)
    shop.clock.forward(timedelta(days=2))
    await world.stock(world.item("bowl-new", tags=("kitchen",), text="baking ceramic"))
    reached = 0
    for n in range(30):
        await world.happened(world.event(f"b{n}", "purchase", f"bowl-{n % 6}"))
        picks = await world.recommender.pick(world.tenant, UserId(f"b{n}"), 3)
        reached += any(pick.item.id == "bowl-new" for pick in picks)
    assert reached > 15


async def test_the_same_user_gets_the_same_list_all_day(shop: World) -> None:
    world = World(shop.catalogue._database, shop.behaviour._vault, shop.clock, shop.tenant, exploration=0.5)
    await world.happened(world.event("me", "purchase", "bowl-0"))
    first = await world.picked("me", 4)
    shop.clock.forward(timedelta(hours=2))
    assert await world.picked("me", 4) == first


async def test_one_script_cannot_push_an_item_up(shop: World) -> None:
    await shop.happened(
        *(shop.event("bot", "cart", "untouched", ago=timedelta(seconds=n)) for n in range(500))
    )
    assert "untouched" not in await shop.picked(None, 6)


async def test_tenants_never_mix(shop: World) -> None:
    other = TenantId("other")
    await shop.behaviour._vault.ready(other)
    await shop.catalogue.upsert(other, [replace(shop.item("theirs"), tenant=other)])
    picks = await shop.recommender.pick(other, UserId("me"), 5)
    assert [pick.item.id for pick in picks] == ["theirs"]
    assert "theirs" not in await shop.picked("me", 50)


async def test_new_events_are_learned_in_the_background(shop: World) -> None:
    assert "untouched" not in await shop.picked(None, 6)
    await shop.happened(*(shop.event(f"fan{n}", "purchase", "untouched") for n in range(40)))
    shop.clock.forward(timedelta(minutes=1))

    async def learned() -> bool:
        return (await shop.picked(None, 1)) == ["untouched"]

    await until(learned)


class Promotion:
    name = "promotion"
    weight = 3.0

    async def rank(self, request: RankingRequest, items: dict[ItemId, Item]) -> list[Candidate]:
        return [
            Candidate(ItemId("untouched"), 1.0, "promotion", {"en": "Half price", "zh-CN": "半价"}),
            Candidate(ItemId("nowhere"), 1.0, "promotion"),
        ]


class Broken:
    name = "broken"
    weight = 1.0

    async def rank(self, request: RankingRequest, items: dict[ItemId, Item]) -> list[Candidate]:
        raise RuntimeError("model file missing")


class RankerPlugin:
    @hook
    def register_rankers(self) -> list[object]:
        return [Promotion(), Broken()]


async def test_plugin_rankers_join_and_broken_ones_are_left_out(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    world = World(database, vault, still_clock, tenant, plugins=Plugins({"promo": RankerPlugin()}))
    await world.stock(world.item("plain"), world.item("untouched"))
    picks = await world.recommender.pick(tenant, None, 2)
    assert (picks[0].item.id, picks[0].reason.text) == ("untouched", "Half price")
    assert [pick.item.id for pick in picks] == ["untouched", "plain"]


async def test_many_users_at_once(shop: World) -> None:
    await shop.happened(shop.event("a", "purchase", "bowl-0"), shop.event("b", "purchase", "spade-0"))
    found = await shop.recommender.pick_many(shop.tenant, [UserId("a"), UserId("b")], 2)
    assert found[UserId("a")][0].item.id.startswith("bowl")
    assert found[UserId("b")][0].item.id.startswith("spade")


async def test_many_users_get_what_each_would_get_alone(shop: World) -> None:
    await shop.happened(shop.event("a", "purchase", "bowl-0"), shop.event("b", "cart", "spade-0"))
    users = [UserId(name) for name in ("a", "stranger", "b", "g1", "k0", "g2", "k3")]
    together = await shop.recommender.pick_many(shop.tenant, users, 4)
    for user in users:
        alone = await shop.recommender.pick(shop.tenant, user, 4)
        assert [(pick.item.id, pick.reason) for pick in together[user]] == [
            (pick.item.id, pick.reason) for pick in alone
        ]


async def test_a_list_may_be_confined_to_what_is_trending_or_new(shop: World) -> None:
    shop.clock.forward(timedelta(days=20))
    await shop.stock(shop.item("bowl-new", tags=("kitchen",), text="baking ceramic"))
    await shop.happened(*(shop.event(f"fan{n}", "purchase", "spade-5") for n in range(9)))
    await shop.happened(shop.event("me", "purchase", "bowl-0"))
    await shop.recommender.training.refit(shop.tenant)
    me = UserId("me")
    new = await shop.recommender.pick_many(shop.tenant, [me], 3, kind="new")
    assert [pick.item.id for pick in new[me]] == ["bowl-new"]
    trending = await shop.recommender.pick_many(shop.tenant, [me], 1, kind="trending")
    assert "bowl-new" not in [pick.item.id for pick in trending[me]]


async def test_a_user_with_a_great_many_events_is_read_as_quickly_as_others(shop: World) -> None:
    crowd = [shop.event("till", "purchase", f"bowl-{n % 6}", ago=timedelta(seconds=n)) for n in range(5000)]
    for start in range(0, 5000, 1000):
        await shop.happened(*crowd[start : start + 1000])
    found = await shop.behaviour.recent_many(shop.tenant, [UserId("till"), UserId("g1")])
    assert len(found[UserId("till")]) == 2000
    assert len(found[UserId("g1")]) == 4
    assert len(await shop.picked("till", 5)) == 5


async def test_what_is_due_again_comes_back_though_it_was_bought(shop: World) -> None:
    day = timedelta(days=1)
    for n in range(6):
        await shop.happened(
            *(shop.event(f"eater{n}", "purchase", "untouched", ago=(1 + 10 * k) * day) for k in range(4))
        )
    await shop.happened(
        *(shop.event("me", "purchase", "untouched", ago=(11 + 10 * k) * day) for k in range(2))
    )
    await shop.recommender.training.refit(shop.tenant)
    picks = await shop.recommender.pick(shop.tenant, UserId("me"), 3)
    due = next(pick for pick in picks if pick.item.id == "untouched")
    assert due.reason.text == "Time for Untouched again?"
    assert "untouched" not in await shop.picked("eater1", 5)


async def test_what_was_looked_at_lately_is_shown_again(shop: World) -> None:
    await shop.happened(shop.event("me", "view", "untouched"), shop.event("me", "cart", "bowl-1"))
    reasons = {
        str(pick.item.id): pick.reason.code
        for pick in await shop.recommender.pick(shop.tenant, UserId("me"), 14)
    }
    assert reasons["untouched"] == "seen"
    assert reasons["bowl-1"] == "in_cart"
