"""The whole program over HTTP: who is shown what, from the backend's first event to the pick with its reason."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, Item, ItemId, User, iso
from chatpush.plugins.contracts import Drop
from tests.plugins.parts import plugin
from tests.serving import Served, serving
from tests.waiting import until

KINDS = ("mug", "cup", "pot", "pan", "jug", "wok")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        await fill(served)
        yield served


async def fill(served: Served) -> None:
    await stock(served, *({"id": kind, "title": kind.title()} for kind in KINDS))
    events = [
        {"user": f"u{user}", "type": "purchase", "item": KINDS[(user + step) % len(KINDS)]}
        for user in range(12) for step in range(3)
    ]  # fmt: skip
    await served.told("POST", "/v1/events", {"events": events})
    await served.chatpush.recommender.training.refit(DEFAULT_TENANT)


async def stock(served: Served, *items: dict[str, Any]) -> None:
    """Put items and let them be known; a quick machine would not need to be waited for."""
    await served.told("PUT", "/v1/items", {"items": items})
    await served.chatpush.recommender.training.refit(DEFAULT_TENANT)


async def picked(served: Served, user: str = "", **query: Any) -> list[str]:
    """Return the ids of what is recommended, best first."""
    return [pick["item"]["id"] for pick in (await answer(served, user, **query))["picks"]]


async def answer(served: Served, user: str = "", **query: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in ({"user": user, "limit": 20} | query).items())
    return await served.told("GET", f"/v1/recommendations?{asked}")


async def happens(served: Served, user: str, kind: str, item: str | None = None, **more: Any) -> None:
    event = {"user": user, "type": kind, **more} | ({"item": item} if item else {})
    assert (await served.told("POST", "/v1/events", event))["accepted"] == 1


async def test_an_item_with_an_audience_is_shown_to_its_readers_only(shop: Served) -> None:
    await stock(
        shop,
        {"id": "wine", "title": "Wine", "audience": 'age >= 18 and country in ("GB", "DE")'},
        {"id": "tea", "title": "Tea", "audience": 'not (country = "US")'},
    )
    for name, attributes in (
        ("old", {"age": 40, "country": "GB"}), ("young", {"age": 12, "country": "GB"}),
        ("far", {"age": 40, "country": "US"}),
    ):  # fmt: skip
        await shop.told("PUT", f"/v1/users/{name}", {"attributes": attributes})
    assert {"wine", "tea"} <= set(await picked(shop, "old"))
    assert {"wine", "tea"} & set(await picked(shop, "young")) == {"tea"}
    assert not {"wine", "tea"} & set(await picked(shop, "far"))
    assert not {"wine", "tea"} & set(await picked(shop)), "nobody in particular is of no audience"
    assert not {"wine", "tea"} & set(await picked(shop, "stranger"))
    await shop.told("PUT", "/v1/users/young", {"attributes": {"age": 18, "country": "DE"}})
    assert "wine" in await picked(shop, "young"), "it counts at once"
    await shop.told(
        "PUT", "/v1/users/young", {"attributes": {"age": 12, "country": "GB"}, "personalized": False}
    )
    assert "wine" not in await picked(shop, "young"), "a rule holds for who wants nothing personal, too"


async def test_back_in_stock_is_told_to_the_items_audience_only(shop: Served) -> None:
    wine = {"id": "wine", "title": "Wine", "audience": "age >= 18", "stock": 0}
    await stock(shop, wine)
    for name, age in (("old", 40), ("young", 12)):
        await shop.told("PUT", f"/v1/users/{name}", {"attributes": {"age": age}})
        await happens(shop, name, "wishlist", "wine")
    await stock(shop, wine | {"stock": 5})

    async def told() -> list[str]:
        sql = "SELECT user_id FROM event WHERE type = 'item.back_in_stock'"
        return [row["user_id"] for row in await shop.chatpush.database.read(sql)]

    assert await until(told) == ["old"]  # the users of one change are told in one transaction


@pytest.mark.parametrize(
    ("audience", "words"),
    [
        ("age >", "position"),
        ("joined > 3 days", "how long ago"),
        ('topic "vip"', "topics"),
        ("a = 1 " * 200, "1000"),
    ],
)
async def test_an_audience_that_cannot_be_asked_is_refused(shop: Served, audience: str, words: str) -> None:
    body = {"items": [{"id": "x", "title": "X", "audience": audience}]}
    refused = await shop.told("PUT", "/v1/items", body, status=422)
    assert refused["param"] == "items.0.audience"
    assert words in refused["detail"]


async def test_plugins_leave_items_out_and_others_take_the_places(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def filter_picks(items: tuple[Item, ...], user: User | None) -> Sequence[Item] | Drop | None:
        asked.append(tuple(item.id for item in items))
        if user is not None and user.id == "closed":
            return Drop("nothing for this one")
        if user is None:
            return None
        return [item for item in items if item.id.startswith("good")] + [
            Item(items[0].tenant, ItemId("free"), "Free!")
        ]

    async with serving(tmp_path, plugins={"strict": plugin(filter_picks)}) as served:
        await fill(served)
        bad = [{"id": f"bad{number}", "title": "Bad"} for number in range(300)]
        good = [{"id": f"good{number}", "title": "Good"} for number in range(4)]
        await stock(served, *good, *bad)
        for user in ("u1", "new"):
            found = (await answer(served, user, limit=6))["picks"]
            kept = [pick["item"]["id"] for pick in found]
            assert {"good0", "good1", "good2", "good3"} <= set(kept), "the last of three hundred is found"
            assert all(pick["item"]["title"] != "Free!" for pick in found), "what is left is as it was"
        assert len(await picked(served, limit=6)) == 6
        assert await picked(served, "closed", limit=6) == []
        assert (await answer(served, "closed"))["source"] == "none"
        assert asked


async def test_a_failing_filter_keeps_the_list_unless_it_fails_closed(tmp_path: Path) -> None:
    def filter_picks(items: tuple[Item, ...]) -> Any:
        raise RuntimeError("no")

    for closed in (False, True):
        strict = plugin(filter_picks, fail_closed=closed)
        async with serving(tmp_path / str(closed), plugins={"strict": strict}) as served:
            await fill(served)
            assert bool(await picked(served, "u1")) is not closed


async def test_what_a_visitor_has_before_them_counts_and_is_stored_nowhere(shop: Served) -> None:
    found = await answer(shop, context="mug,nothing", limit=2)
    assert found["source"] == "personal"
    assert "mug" not in [pick["item"]["id"] for pick in found["picks"]]
    assert found["picks"][0]["reason"]["text"] in ("Because you looked at Mug", "Similar to Mug")
    mine = await shop.told("GET", "/v1/me/recommendations?context=pot&limit=1", user="new")
    assert mine["picks"][0]["reason"]["text"].endswith("Pot")
    assert (await answer(shop))["source"] == "popular"
    assert (await answer(shop, "new"))["source"] == "popular"
    assert not await shop.chatpush.database.read("SELECT 1 FROM event WHERE user_id IN ('new', '')")
    await shop.told("PUT", "/v1/users/new", {"personalized": False})
    assert (await answer(shop, "new", context="mug"))["source"] == "popular"
    many = ",".join(f"i{number}" for number in range(21))
    refused = await shop.told("GET", f"/v1/recommendations?context={many}", status=422)
    assert refused["param"] == "context"


async def test_a_bad_rating_is_no_taste_and_a_good_one_is(shop: Served) -> None:
    await happens(shop, "fan", "rating", "mug", properties={"value": 5})
    found = await answer(shop, "fan", limit=3)
    assert found["source"] == "personal"
    await happens(shop, "hater", "rating", "mug", properties={"value": 1})
    found = await answer(shop, "hater", limit=20)
    assert found["source"] == "popular"
    assert "mug" not in [pick["item"]["id"] for pick in found["picks"]], "nor is it offered again"
    await happens(shop, "hater", "purchase", "mug", at=iso(shop.chatpush.clock.now() - timedelta(days=1)))
    assert (await answer(shop, "hater"))["source"] == "popular", "bought, and regretted"
    await happens(shop, "thumbs", "rating", "mug", properties={"value": 1, "best": 1})
    assert (await answer(shop, "thumbs", limit=3))["source"] == "personal"
    await shop.chatpush.recommender.training.refit(DEFAULT_TENANT)
    prints = shop.chatpush.recommender.likeminded.prints(DEFAULT_TENANT)
    assert prints is not None
    assert prints.user.size == 12 * 3 + 3, "what is rated badly teaches nobody"


async def test_who_has_done_nothing_gets_what_people_like_them_want(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await fill(served)
        events = []
        for number in range(30):
            for country, item in (("GB", "pot"), ("DE", "wok")):
                name = f"{country}{number}"
                await served.told(
                    "PUT", f"/v1/users/{name}", {"attributes": {"country": country, "code": name}}
                )
                events.append({"user": name, "type": "view", "item": item})
        await served.told("POST", "/v1/events", {"events": events})
        for name, country in (("anna", "GB"), ("bert", "DE"), ("cleo", "FR")):
            await served.told(
                "PUT", f"/v1/users/{name}", {"attributes": {"country": country}, "locale": "en"}
            )
        await served.chatpush.recommender.training.refit(DEFAULT_TENANT)
        for name, item in (("anna", "pot"), ("bert", "wok")):
            found = await answer(served, name, limit=1)
            assert found["source"] == "personal"
            assert found["picks"][0]["item"]["id"] == item
            assert found["picks"][0]["reason"]["text"] == "Popular with customers like you"
        assert (await answer(served, "anna", limit=1, locale="zh-CN"))["picks"][0]["reason"]["text"] == (
            "和你相似的顾客也喜欢"
        )
        for stranger in ("cleo", "nobody", ""):
            assert (await answer(served, stranger, limit=1))["source"] == "popular"
        await served.told("PUT", "/v1/users/anna", {"personalized": False})
        assert (await answer(served, "anna", limit=1))["source"] == "popular"
        for _ in range(3):
            await happens(served, "bert", "purchase", "mug")
        assert "kindred" not in {pick["reason"]["code"] for pick in (await answer(served, "bert"))["picks"]}


async def test_the_switch_to_nothing_personal_is_the_users_own(shop: Served) -> None:
    await happens(shop, "me", "view", "mug")
    await happens(shop, "me", "dismiss", "wok")
    assert (await answer(shop, "me"))["source"] == "personal"
    await shop.told("PUT", "/v1/me/preferences", {"personalized": False}, user="me")
    found = await shop.told("GET", "/v1/me/recommendations?limit=20", user="me")
    assert found["source"] == "popular"
    assert "wok" not in [pick["item"]["id"] for pick in found["picks"]], "what was waved away stays away"


async def test_what_a_page_reports_counts_at_once_and_noise_does_not(shop: Served) -> None:
    view = {"type": "view", "item": "mug"}
    assert (await shop.told("POST", "/v1/me/events", view, user="me"))["accepted"] == 1
    assert (await shop.told("POST", "/v1/me/events", view, user="me"))["dropped"] == 1, "a double click"
    robot = {"type": "view", "item": "pot", "properties": {"user_agent": "Googlebot/2.1"}}
    assert (await shop.told("POST", "/v1/me/events", robot, user="me"))["dropped"] == 1
    first = (await shop.told("GET", "/v1/me/recommendations?limit=1", user="me"))["picks"][0]
    assert first["reason"]["text"] in ("Because you looked at Mug", "Similar to Mug")
    await shop.told("POST", "/v1/me/events", {"type": "dismiss", "item": first["item"]["id"]}, user="me")
    assert first["item"]["id"] not in await picked(shop, "me")
    assert (
        await shop.ask("POST", "/v1/me/events", {"type": "purchase", "item": "mug"}, user="me")
    ).status == 422


async def test_a_new_item_is_found_by_its_words_at_once_and_one_sold_out_or_over_never(shop: Served) -> None:
    await stock(shop, {"id": "lamp", "title": "Brass garden lamp", "tags": ["garden"]})
    await happens(shop, "me", "view", "lamp")
    now = shop.chatpush.clock.now()
    alike = {"title": "Copper garden lamp", "tags": ["garden"]}
    await stock(
        shop,
        alike | {"id": "new"},
        alike | {"id": "sold", "stock": 0},
        alike | {"id": "over", "valid_to": iso(now - timedelta(hours=1))},
        alike | {"id": "later", "valid_from": iso(now + timedelta(hours=1))},
    )
    found = await answer(shop, "me", locale="zh-CN")
    reasons = {pick["item"]["id"]: pick["reason"]["text"] for pick in found["picks"]}
    assert reasons["new"] == "与「Brass garden lamp」相似"
    assert not {"sold", "over", "later"} & set(reasons)
