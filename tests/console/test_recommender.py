"""The recommender's pages in front of the whole program: picks, what if, outlook, quality, results, advice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from chatpush.domain import DEFAULT_TENANT, TenantId, UserId, iso, to_ms
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.experiments import HOLDOUT
from chatpush.recommend.words.forms import Filled, Schema
from chatpush.web.console.recommendations import supposed
from tests.recommend.world import delivery
from tests.serving import EMAIL, PASSWORD, Served, serving
from tests.waiting import until


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        items = [{"id": f"i{n}", "title": f"Lantern {n}", "price": 5} for n in range(20)]
        await served.told("PUT", "/v1/items", {"items": items})
        now = served.chatpush.clock.now()
        events = [
            {"user": f"u{user}", "type": "purchase", "item": f"i{(user * 3 + n) % 20}",
             "at": iso(now - timedelta(days=n + 1))}
            for user in range(40) for n in range(6)
        ]  # fmt: skip
        await served.told("POST", "/v1/events", {"events": events})
        yield served


@pytest.fixture
async def person(served: Served) -> AsyncIterator[ClientSession]:
    async with signed_in(served) as session:
        yield session


@asynccontextmanager
async def signed_in(served: Served) -> AsyncIterator[ClientSession]:
    """Sign a person in to the console."""
    async with ClientSession(served.url, cookie_jar=CookieJar(unsafe=True)) as session:
        page = await (await session.get("/console/sign-in")).text()
        token = page.split('name="csrf" value="')[1].split('"')[0]
        form = {"email": EMAIL, "password": PASSWORD, "csrf": token}
        answer = await session.post("/console/sign-in", data=form)
        assert answer.status == 200
        yield session


async def page(session: ClientSession, path: str) -> str:
    answer = await session.get(path)
    assert answer.status == 200
    return await answer.text()


async def test_what_to_expect_and_what_if(served: Served, person: ClientSession) -> None:
    shown = await page(person, "/console/recommendations?user=u1")
    assert "What to expect" in shown
    assert "Next purchase" in shown
    assert "This is how it would be" not in shown
    first = (await served.told("GET", "/v1/recommendations?user=u1&limit=1"))["picks"][0]["item"]
    without = await page(person, f"/console/recommendations?user=u1&exclude={first['id']}")
    assert "This is how it would be" in without
    picks = without.split('class="picks"')[1].split("</ol>")[0]
    assert f">{first['title']}<" not in picks
    assert "A weight is a number" in await page(person, "/console/recommendations?user=u1&w_popular=99")
    assert "Write the day" in await page(person, "/console/recommendations?user=u1&as_of=yesterday")
    assert "What to expect" not in await page(person, "/console/recommendations")


async def test_weights_items_and_the_past_can_be_supposed(served: Served) -> None:
    recommender, clock = served.chatpush.recommender, served.chatpush.clock
    own = recommender.weights
    assert supposed({"w_popular": str(own["popular"])}, own) is None
    what = supposed({"w_popular": "9", "exclude": "i1, i2", "as_of": "2026-01-01"}, own)
    assert what is not None
    assert dict(what.weights) == {"popular": 9.0}
    assert sorted(what.exclude) == ["i1", "i2"]
    with pytest.raises(InvalidInput):
        supposed({"w_popular": "much"}, own)
    # As of a day before their first event, a user is a stranger.
    long_ago = supposed({"as_of": f"{clock.now() - timedelta(days=90):%Y-%m-%d}"}, own)
    assert long_ago is not None
    found = await recommender.supposed(DEFAULT_TENANT, UserId("u1"), 5, "en", long_ago)
    assert found.source == "popular"
    await served.chatpush.exposures.flush()
    rows = await served.chatpush.database.read("SELECT 1 AS one FROM exposure")
    assert rows == []  # what is supposed was not shown to anybody


async def test_quality_over_time(served: Served, person: ClientSession) -> None:
    assert "Nothing trained yet" in await page(person, "/console/recommendations/quality")
    for _ in range(6):
        await served.chatpush.learning.train(DEFAULT_TENANT)
    shown = await page(person, "/console/recommendations/quality")
    assert shown.count('class="dot recall"') == 6  # older than the models that are kept
    assert shown.count(">serving<") == 1
    assert "Give a campaign a holdout" in shown
    assert "It appears with a hundred messages" in shown
    at = to_ms(served.chatpush.clock.now() - timedelta(days=2))
    rows = [
        delivery(DEFAULT_TENANT, UserId(f"u{n % 40}"), f"c{n}", at + n, at + n + 1 if n % 2 else None)
        for n in range(160)
    ]
    await served.chatpush.database.write(lambda tx: tx.insert_many("delivery", rows))
    assert 'class="quality calibration"' in await page(person, "/console/recommendations/quality")


async def test_a_model_of_an_older_form_is_passed_over_said_so_and_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as before:
        items = [{"id": f"i{n}", "title": f"Lantern {n}"} for n in range(20)]
        await before.told("PUT", "/v1/items", {"items": items})
        events = [
            {"user": f"u{user}", "type": "purchase", "item": f"i{(user * 3 + n) % 20}"}
            for user in range(60) for n in range(10)
        ]  # fmt: skip
        await before.told("POST", "/v1/events", {"events": events})
        old = await before.chatpush.learning.train(DEFAULT_TENANT)
        vault = before.chatpush.vault
        # As the first versions wrote it: sealed whole.
        before.chatpush.learning.models._path(DEFAULT_TENANT, old.id).write_bytes(
            vault.seal(DEFAULT_TENANT, "", "model", "file", old.id, b"PK model")
        )
    async with serving(tmp_path) as served, signed_in(served) as person:
        picks = await served.told("GET", "/v1/recommendations?user=u1&limit=3")
        assert (picks["source"], len(picks["picks"])) == ("personal", 3)
        shown = await page(person, "/console/recommendations/quality")
        assert ">serving<" not in shown
        assert "can&#39;t be read; another serves" in shown
    monkeypatch.setattr("chatpush.recommend.training.learning.LOOK_SECONDS", 0.05)
    async with serving(tmp_path) as served, signed_in(served) as person:

        async def trained() -> bool:
            return len(await served.chatpush.learning.models.list(DEFAULT_TENANT)) == 2

        await until(trained, seconds=30)

        async def told() -> str:
            shown = await page(person, "/console/recommendations/quality")
            return shown if ">serving<" in shown else ""

        assert "can&#39;t be read" not in await until(told)


async def test_results_by_campaign_within_a_window(served: Served, person: ClientSession) -> None:
    assert "No results yet" in await page(person, "/console/recommendations/results")
    spec: dict[str, Any] = {
        "name": "Lanterns for all", "to": [{"all": True}], "content": {"title": "Hi", "body": "Hello"},
        "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    }  # fmt: skip
    campaign = (await served.told("POST", "/v1/campaigns", spec))["id"]
    at = to_ms(served.chatpush.clock.now() - timedelta(days=5, hours=12))
    rows = [
        delivery(DEFAULT_TENANT, UserId(f"u{n}"), str(n), at, at + 1, campaign=campaign)
        | ({"variant": HOLDOUT} if n % 4 == 0 else {"variant": "ab"[n % 2]})
        for n in range(40)
    ]
    await served.chatpush.database.write(lambda tx: tx.insert_many("delivery", rows))
    shown = await page(person, "/console/recommendations/results?hours=168")
    assert "Lanterns for all" in shown
    assert "Held out: 10." in shown
    assert '<option value="168" selected>' in shown
    assert '<option value="168" selected>' in await page(person, "/console/recommendations/results?hours=x")


async def test_a_templates_preview_advises_its_author(served: Served, person: ClientSession) -> None:
    sale = {"title": "Summer sale", "body": "Everything half price, shop now!"}
    await served.told("PUT", "/v1/templates/sale", {"locales": {"en": sale}, "category": "transactional"})
    shown = await page(person, "/console/settings/templates/sale")
    token = shown.split('name="csrf" value="')[1].split('"')[0]
    answer = await person.post(
        "/console/settings/templates/sale/preview", data={"locale": "en", "data": "{}", "csrf": token}
    )
    text = await answer.text()
    assert "This reads like marketing" in text
    assert "Most opened at" in text


async def test_an_administrator_lets_a_label_stand_and_takes_that_back(
    served: Served, person: ClientSession
) -> None:
    sale = {"title": "Summer sale", "body": "Everything half price, shop now!"}
    await served.told("PUT", "/v1/templates/sale", {"locales": {"en": sale}, "category": "transactional"})
    await served.told("PUT", "/v1/templates/paid", {"locales": {"en": {"title": "Paid", "body": "Thanks."}}})
    place = "/console/settings/templates/sale"

    async def press(reviewed: str, version: str = "1") -> int:
        token = (await page(person, place)).split('name="csrf" value="')[1].split('"')[0]
        form = {"version": version, "reviewed": reviewed, "csrf": token}
        async with person.post(f"{place}/review", data=form, allow_redirects=False) as answer:
            return answer.status

    assert "This is news" not in await page(person, "/console/settings/templates/paid")
    assert "treated as marketing whatever its label" in await page(person, place)
    assert await press("yes") == 303
    (version,) = (await served.told("GET", "/v1/templates/sale/versions"))["data"]
    assert version["reviewed_by"].startswith("person:")
    (owner,) = await served.chatpush.people.list(DEFAULT_TENANT)
    assert f"Reviewed by {owner.name}." in await page(person, place)
    assert await press("") == 303
    assert "This is news: let the label stand" in await page(person, place)
    assert (await press("yes", "9"), await press("yes", "x")) == (404, 422)
    noted = [one.action for one in await served.chatpush.audit.list(DEFAULT_TENANT, 2)]
    assert noted == ["template.review_withdrawn", "template.review"]


async def test_a_campaigns_page_advises_on_hour_length_and_subject(
    served: Served, person: ClientSession
) -> None:
    sale = {
        "en": {"title": "Summer sale, only today and only for you, on everything in the shop", "body": "{{ offer }}!"},
        "zh-CN": {"title": "夏季特卖", "body": "全网最低价，立即抢购！"},
    }  # fmt: skip
    await served.told("PUT", "/v1/templates/sale", {"locales": sale, "category": "transactional"})
    spec: dict[str, Any] = {
        "name": "Sale", "to": [{"all": True}], "template": "sale", "send_hour": "best",
        "slots": {"offer": {"text": {"en": "{title} at half price, shop now", "zh-CN": "{title}半价"}}},
        "recommend": {"limit": 3}, "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    }  # fmt: skip
    campaign = (await served.told("POST", "/v1/campaigns", spec))["id"]
    whole = await page(person, f"/console/campaigns/{campaign}")
    assert f'hx-get="/console/campaigns/{campaign}/advice"' in whole
    advice = await page(person, f"/console/campaigns/{campaign}/advice")
    assert "Most opened at" in advice
    assert "at their own best hour" in advice
    assert "This reads like marketing" in advice
    assert "a lock screen shows about 50" in advice
    assert "“全网最”" in advice
    assert "Ask the model" not in advice
    literal = {
        "name": "Hello", "content": {"title": "PARCEL HERE!!!", "body": "It has arrived."},
        "trigger": {"kind": "event", "type": "parcel.arrived"},
    }  # fmt: skip
    other = (await served.told("POST", "/v1/campaigns", literal))["id"]
    advice = await page(person, f"/console/campaigns/{other}/advice")
    assert "Capitals and rows of exclamation marks" in advice
    assert "goes out when it fires" in advice


async def test_advice_speaks_chinese_and_a_text_that_cannot_be_written_says_why(
    served: Served, person: ClientSession
) -> None:
    broken = {"en": {"title": "Hi", "body": "{{ order.lines[3].name }}"}}
    await served.told("PUT", "/v1/templates/broken", {"locales": broken})
    spec: dict[str, Any] = {
        "name": "Broken", "to": [{"all": True}], "template": "broken",
        "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    }  # fmt: skip
    campaign = (await served.told("POST", "/v1/campaigns", spec))["id"]
    text = await page(person, f"/console/campaigns/{campaign}/advice?language=zh-CN")
    assert "<h2>建议</h2>" in text
    assert 'class="note bad"' in text


async def test_only_a_button_asks_the_model_for_subjects(
    served: Served, person: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def fill(tenant: TenantId, question: str, material: str, schema: Schema) -> Filled:
        asked.append(material)
        answer = {
            "category": "marketing", "urgency": "low", "sentiment": "neutral", "claims": [],
            "subjects": ["Good tea for you"],
        }  # fmt: skip
        return Filled(answer, 10)

    monkeypatch.setattr(served.chatpush.forms, "_fill", fill)
    spec = {
        "name": "Tea", "content": {"title": "Tea", "body": "Good tea for you and yours."}, "to": [{"all": True}],
        "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    }  # fmt: skip
    place = f"/console/campaigns/{(await served.told('POST', '/v1/campaigns', spec))['id']}/advice"
    assert "Ask the model" in await page(person, place)
    assert asked == []
    whole = await page(person, place.removesuffix("/advice"))
    token = whole.split('name="csrf" value="')[1].split('"')[0]
    answer = await person.post(place, data={"csrf": token})
    assert "Good tea for you" in await answer.text()
    assert len(asked) == 1
