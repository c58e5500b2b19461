"""Templates over HTTP: versions, previews, and whatever strangers write into them."""

import re
from typing import Any

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.notifying import notifying, problem


def english(title: str = "t", body: str = "b", **more: Any) -> dict[str, Any]:
    return {"locales": {"en": {"title": title, "body": body, **more}}}


async def test_versions_and_previews(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        go = {"id": "go", "label": "Go to {{ n }}"}
        body = {
            "category": "marketing",
            "locales": {
                "en": {"title": "Hi {{ user.name }}", "body": "{{ n|number }}", "actions": [go]},
                "zh-CN": {"title": "你好", "body": "{{ 1234.5|money('CNY') }} {{ '2026-11-24'|date }}"},
            },
        }  # fmt: skip
        assert await (await client.put("/v1/templates/hi", json=body)).json() == {
            "name": "hi",
            "version": 1,
            "state": "published",
        }
        assert await (await client.put("/v1/templates/hi", json=body)).json() == {
            "name": "hi",
            "version": 1,
            "state": "published",
        }
        body["category"] = "alert"
        assert await (await client.put("/v1/templates/hi", json=body)).json() == {
            "name": "hi",
            "version": 2,
            "state": "published",
        }
        shown = await client.post("/v1/templates/hi/preview", json={"locale": "zh-Hans", "data": {"n": 1}})
        found = await shown.json()
        assert (found["locale"], found["body"]) == ("zh-CN", "¥1,234.50 2026年11月24日")
        shown = await (await client.post("/v1/templates/hi/preview", json={"data": {"n": 4321}})).json()
        assert (shown["title"], shown["body"], shown["actions"]) == (
            "Hi Ada", "4,321", [{"id": "go", "label": "Go to 4321"}],
        )  # fmt: skip
        detail = await (await client.get("/v1/templates/hi")).json()
        assert (detail["version"], detail["versions"], detail["category"]) == (2, [2, 1], "alert")
        old = await (await client.get("/v1/templates/hi@1")).json()
        assert (old["version"], old["category"]) == (1, "marketing")
        listed = await (await client.get("/v1/templates")).json()
        assert [(one["name"], one["version"]) for one in listed["data"]] == [("hi", 2)]
        assert (await problem(await client.get("/v1/templates/nope"), 404))[1] == "template"


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (english(body="one\n{{ two"), "locales.en.body", "line 2"),
        (english(body="{% if x %}\n\n{{ y }}"), "locales.en.body", "line"),
        (english(title="{{ x|nosuchfilter }}"), "locales.en.title", "nosuchfilter"),
        (english(url="{% set x = 1 %}{{"), "locales.en.url", "line 1"),
        (english(format="hologram"), "locales.en.format", "hologram"),
        (
            english(body="(" * 5 + "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"),
            "locales.en.body",
            "compiled",
        ),
        ({"locales": {}}, "locales", ""),
        ({"locales": {"klingon!": {"title": "t", "body": "b"}}}, "locales", "klingon"),
        ({"locales": {"en": {"title": "t"}}}, "locales.en.body", "required"),
        ({**english(), "category": "spam"}, "category", ""),
    ],
)
async def test_broken_templates_are_refused_with_their_place(
    database: Database, vault: Vault, still_clock: StillClock, body: Any, param: str, words: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        answer = await client.put("/v1/templates/x", json=body)
        detail = (await answer.json(content_type="application/problem+json"))["detail"]
        assert (await problem(answer, 422))[1] == param
        assert re.search(words, detail)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "longer than"),
        ("{% for a in range(10**9) %}x{% endfor %}", "MAX_RANGE"),
        ("{{ 'x' * 10000000 }}", "too large"),
        ("{{ 9 ** 99999 }}", "too large"),
        ("{% for a in range(99999) %}{{ a }}{% endfor %}", "grew beyond"),
        ("{% set n = namespace(x='x') %}{% for a in range(62) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "memory|long"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ user.__init__.__globals__ }}", "unsafe"),
        ("{{ 'a'|center(2000000000) }}", "memory|longer"),
        ("{{ '%2000000000d' % 1 }}", "switched off"),
        ("{{ 'x'|money('GBP') }}", "not a number"),
        ("{{ 1 // 0 }}", "zero"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
    ],
)  # fmt: skip
async def test_templates_of_strangers_cannot_hang_or_fill_the_server(
    database: Database, vault: Vault, still_clock: StillClock, source: str, words: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        saved = await client.put("/v1/templates/evil", json=english(body=source))
        if saved.status == 200:
            saved = await client.post("/v1/templates/evil/preview", json={"data": {}})
        detail = (await saved.json(content_type="application/problem+json"))["detail"]
        await problem(saved, 422)
        assert re.search(words, detail)
        await client.put("/v1/templates/good", json=english(body="fine"))
        shown = await (await client.post("/v1/templates/good/preview", json={})).json()
        assert shown["body"] == "fine"


@pytest.mark.parametrize(
    "unsafe", ["{{ a.__class__ }}", "{{ a['__class__'] }}", "{{ __import__ }}", "{% if a.b().__mro__ %}{% endif %}"]
)  # fmt: skip
async def test_pythons_own_names_are_refused_when_they_are_saved(
    database: Database, vault: Vault, still_clock: StillClock, unsafe: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        answer = await client.put("/v1/templates/evil", json=english(body=f"Hello\n{unsafe}"))
        detail = (await answer.json(content_type="application/problem+json"))["detail"]
        assert (await problem(answer, 422))[1] == "locales.en.body"
        assert "en.body, line 2" in detail
        assert "unsafe" in detail
        data = {"data": {"item": {"__typename": "Lantern"}}}
        await client.put("/v1/templates/good", json=english(body="{{ item.__typename }}"))
        shown = await (await client.post("/v1/templates/good/preview", json=data)).json()
        assert shown["body"] == "Lantern"


async def test_addresses_a_browser_must_not_open(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        await client.put("/v1/templates/x", json=english(url="{{ link }}"))
        for link in ("javascript:alert(1)", "//evil.example", " JaVaScRiPt:x", "data:text/html,x"):
            answer = await client.post("/v1/templates/x/preview", json={"data": {"link": link}})
            assert (await problem(answer, 422))[1] == "url"
