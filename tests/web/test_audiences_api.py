"""Audiences and formats that plugins bring, through the API: paged, bounded, and held to their contract."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chatpush.domain import Content, TenantId, UserId
from chatpush.errors import InvalidInput, PluginFailed, Unavailable
from chatpush.notify.audience import dynamic_audiences
from chatpush.notify.audience.dynamic_audiences import DynamicAudiences
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.notifying import notifying, problem

HELLO = {"content": {"title": "Hello"}}


class Everyone:
    """Users u0000…; ``wrong`` says how it breaks its contract."""

    name = "numbered"

    def __init__(self, count: int = 1200) -> None:
        self.users = [UserId(f"u{number:04}") for number in range(count)]
        self.asked: list[tuple[str, int]] = []
        self.wrong: Any = None

    async def page(
        self, tenant: TenantId, arguments: Mapping[str, Any], after: UserId, limit: int
    ) -> list[UserId]:
        self.asked.append((after, limit))
        if isinstance(self.wrong, Exception):
            raise self.wrong
        if self.wrong is not None:
            found: list[UserId] = self.wrong
            return found
        if "most" in arguments and not isinstance(arguments["most"], int):
            raise InvalidInput("most is a number", param="to.arguments.most")
        users = self.users[: arguments.get("most", len(self.users))]
        return [user for user in users if user > after][:limit]


class Loud:
    """A format that shouts, and fails as told."""

    name = "loud"
    wrong: Any = None

    async def shape(self, content: Content) -> Content:
        if isinstance(self.wrong, Exception):
            raise self.wrong
        if self.wrong is not None:
            made: Content = self.wrong
            return made
        return replace(
            content, title=content.title.upper(), data={"volume": 11}, url="https://elsewhere.example/"
        )


class Brought:
    """Brings both."""

    def __init__(self) -> None:
        self.audience, self.format = Everyone(), Loud()

    @hook
    def register_audiences(self) -> list[Any]:
        return [self.audience]

    @hook
    def register_formats(self) -> list[Any]:
        return [self.format]


async def test_an_audience_is_asked_page_by_page(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    brought = Brought()
    plugins = Plugins({"brought": brought})
    async with notifying(database, vault, still_clock, plugins=plugins, page_size=500) as (client, room):
        to = [{"audience": "numbered", "arguments": {"most": 1100}}, {"user": "u0003"}, {"user": "zoe"}]
        answer = await client.post("/v1/messages", json={**HELLO, "to": to})
        assert answer.status == 202
        await room.settle()
        message = (await answer.json())["id"]
        found = await (await client.get(f"/v1/messages/{message}")).json()
        assert found["counts"] == {"sent": 1101}
        assert max(limit for _, limit in brought.audience.asked) <= 500
        assert [after for after, limit in brought.audience.asked if limit > 1] == ["", "u0499", "u0999"]


async def test_what_an_audience_refuses_is_told_to_the_sender(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, plugins=Plugins({"b": Brought()})) as (client, _):
        for to, param in (
            ({"audience": "nobody"}, "to.audience"),
            ({"audience": "numbered", "arguments": {"most": "all"}}, "to.arguments.most"),
            ({"user": "emma", "arguments": {"x": 1}}, "to.0.arguments"),
            ({"user": "emma", "audience": "numbered"}, "to.0"),
        ):
            answer = await client.post("/v1/messages", json={**HELLO, "to": [to]})
            assert (await problem(answer, 422))[1] == param


async def test_a_contract_is_kept_or_nobody_is_sent_to(
    monkeypatch: pytest.MonkeyPatch, tenant: TenantId
) -> None:
    audience = Everyone(5)
    dynamic = DynamicAudiences([audience])
    broken = (
        "abc", [1], ["a b"], [UserId("b"), UserId("a")], [UserId("b"), UserId("b")],
        [UserId(f"v{number}") for number in range(9)], ValueError("down"),
    )  # fmt: skip
    for wrong in broken:
        audience.wrong = wrong
        with pytest.raises(PluginFailed, match="audience numbered"):
            await dynamic.page(tenant, "numbered", {}, UserId("a"), 4)
    audience.wrong = Unavailable("the CRM is down")
    with pytest.raises(Unavailable):
        await dynamic.page(tenant, "numbered", {}, UserId(""), 4)
    audience.wrong = TimeoutError()
    with pytest.raises(Unavailable, match="took over"):
        await dynamic.page(tenant, "numbered", {}, UserId(""), 4)
    with pytest.raises(InvalidInput, match="any more"):
        await DynamicAudiences().page(tenant, "numbered", {}, UserId(""), 4)
    assert dynamic_audiences.PAGE_SECONDS == 10


async def test_an_audience_that_is_down_for_a_while_loses_nobody(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    brought = Brought()
    async with notifying(database, vault, still_clock, plugins=Plugins({"b": brought}), page_size=500) as (
        client,
        room,
    ):
        answer = await client.post("/v1/messages", json={**HELLO, "to": [{"audience": "numbered"}]})
        await room.fanout.turn()
        brought.audience.wrong = Unavailable("the CRM is down")
        with pytest.raises(Unavailable):
            await room.fanout.turn()
        brought.audience.wrong = None
        await room.settle()
        found = await (await client.get(f"/v1/messages/{(await answer.json())['id']}")).json()
        assert found["counts"] == {"sent": 1200}


async def test_a_format_looks_at_contents_and_templates(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    brought = Brought()
    async with notifying(database, vault, still_clock, plugins=Plugins({"b": brought})) as (client, room):
        to = [{"user": "emma"}]
        await client.post("/v1/messages", json={"to": to, "content": {"title": "hey", "format": "loud"}})
        texts = {"en": {"title": "ho {{ n }}", "body": "", "format": "loud", "url": "/mine"}}
        saved = await client.put("/v1/templates/loud", json={"locales": texts})
        assert saved.status == 200, await saved.text()
        await client.post("/v1/messages", json={"to": to, "template": "loud", "data": {"n": 1}})
        await room.settle()
        first, second = room.publisher.to("emma")
        assert (first["title"], first["format"], first["data"]) == ("HEY", "loud", {"volume": 11})
        assert (second["title"], second["url"]) == ("HO 1", "/mine")
        await client.post("/v1/messages", json={"to": to, "content": {"title": "q", "format": "quote"}})
        unknown = {"to": to, "content": {"title": "t", "format": "hologram"}}
        assert "loud" in (await (await client.post("/v1/messages", json=unknown)).json())["detail"]


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        (InvalidInput("too quiet"), 422, "too quiet"),
        (ValueError("bug"), 422, "failed: ValueError"),
        ("words", 422, "no content"),
        (Content("t", "", data={"much": "x" * 40_000}), 413, "at most"),
    ],
)
async def test_a_format_that_fails_spoils_its_own_message_alone(
    database: Database, vault: Vault, still_clock: StillClock, wrong: Any, status: int, words: str
) -> None:
    brought = Brought()
    async with notifying(database, vault, still_clock, plugins=Plugins({"b": brought})) as (client, room):
        texts = {"en": {"title": "t", "body": "", "format": "loud"}}
        await client.put("/v1/templates/loud", json={"locales": texts})
        brought.format.wrong = wrong
        body = {"to": [{"user": "emma"}], "content": {"title": "t", "format": "loud"}}
        answer = await client.post("/v1/messages", json=body)
        assert answer.status == status
        assert words in (await answer.json())["detail"]
        sent = await client.post("/v1/messages", json={"to": [{"user": "emma"}], "template": "loud"})
        await room.settle()
        found = await (await client.get(f"/v1/messages/{(await sent.json())['id']}")).json()
        assert words in found["deliveries"][0]["reason"]
