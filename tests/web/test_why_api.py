"""Why did I get this? In the reader's words for the reader, with everything for the operator."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import OutgoingMessage
from chatpush.plugins.contracts import Drop, Sent
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.web.harness import Client
from tests.web.notifying import notifying, problem

EMMA = {"X-As": "user:emma"}
LAMP = {"id": "lamp", "title": "Lamp", "reason": "Because you looked at Lantern", "price": 9}
PICK = {"item": "lamp", "score": 0.75, "reason": "because_viewed"}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Asked of each kind of database."""
    return any_database


class Mail:
    """A channel for chains."""

    name = "mail"

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        return Sent()

    @hook
    def register_channels(self) -> list[Any]:
        return [self]


async def sent(client: Client, room: Room, **body: Any) -> str:
    """Send a message and return its delivery's id."""
    given = {"to": [{"user": "emma"}], "content": {"title": "T"}, **body}
    answer = await client.post("/v1/messages", json=given)
    assert answer.status == 202, await answer.text()
    await room.settle()
    message = (await answer.json())["id"]
    return str((await (await client.get(f"/v1/messages/{message}")).json())["deliveries"][0]["id"])


async def why(client: Client, delivery: str, query: str = "") -> Any:
    answer = await client.get(f"/v1/me/deliveries/{delivery}/why{query}", headers=EMMA)
    assert answer.status == 200, await answer.text()
    return await answer.json()


def codes(found: Any) -> list[str]:
    return [one["code"] for one in found["reasons"]]


async def test_a_receipt_says_that_it_is_the_readers_own(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        found = await why(client, await sent(client, room))
        assert codes(found) == ["about_you", "for_you"]
        assert (found["can_stop"], found["personalized"], found["items"]) == (False, False, [])
        assert found["reasons"][0]["text"].startswith("It is about something of yours")


async def test_an_offer_names_consent_and_what_was_chosen(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await client.put("/v1/users/emma", json={"consents": {"marketing": True}, "locale": "zh-CN"})
        own = {"user": "emma", "data": {"items": [LAMP], "picks": [PICK, "rubbish", {"score": "x"}]}}
        delivery = await sent(client, room, to=[own], category="marketing")
        found = await why(client, delivery)
        assert codes(found) == ["agreed_on", "for_you", "chosen"]
        assert "同意接收资讯与优惠" in found["reasons"][0]["text"]
        assert str(still_clock.now().year) in found["reasons"][0]["text"]
        assert found["items"] == [{"id": "lamp", "title": "Lamp", "reason": LAMP["reason"]}]
        assert (found["can_stop"], found["personalized"]) == (True, True)
        english = await why(client, delivery, "?locale=en-GB")
        assert "You agreed to news and offers on" in english["reasons"][0]["text"]
        assert "score" not in str(found)
        report = await (await client.get(f"/v1/deliveries/{delivery}")).json()
        assert report["candidates"] == [PICK]


async def test_what_made_it_wait_and_come_another_way_is_said(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, plugins=Plugins({"mail": Mail()})) as (client, room):
        hour = still_clock.now()
        quiet = {"start": f"{hour - timedelta(hours=1):%H:%M}", "end": f"{hour + timedelta(hours=1):%H:%M}"}
        await client.put(
            "/v1/users/emma", json={"quiet_hours": quiet, "endpoints": {"mail": ["emma@example.com"]}}
        )
        delivery = await sent(client, room, category="alert", channels=["ws", "mail"], escalate_after=60)
        for _ in range(3):
            still_clock.forward(timedelta(hours=1, minutes=1))
            await room.settle()
        found = await why(client, delivery)
        assert codes(found) == ["alerts_on", "for_you", "waited_quiet_hours", "another_way"]
        trace = (await (await client.get(f"/v1/deliveries/{delivery}")).json())["trace"]
        assert [(one["step"], one["verdict"]) for one in trace] == [
            ("policy", "scheduled"), ("delivery", "sent"), ("delivery", "sent"),
        ]  # fmt: skip


async def test_a_replaced_message_is_explained_by_what_it_is_now(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await client.put("/v1/topics/news/members", json={"users": ["emma"]})
        shown = await sent(client, room, collapse_key="k")
        await sent(client, room, to=[{"topic": "news"}], collapse_key="k", category="alert")
        assert codes(await why(client, shown)) == ["alerts_on", "group"]
        assert "news" not in str(await why(client, shown))


async def test_nobody_is_told_about_others(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room)
        for path in (delivery, "dlv_nope"):
            answer = await client.get(f"/v1/me/deliveries/{path}/why", headers={"X-As": "user:lin"})
            assert await problem(answer, 404) == ("not_found", "delivery")


class Censor:
    """Drops what is rude and defers what is early."""

    @hook
    def filter_message(self, message: OutgoingMessage) -> Drop | None:
        return Drop("rude") if "damn" in message.content.body else None


async def test_an_operator_sees_which_filter_hit(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, plugins=Plugins({"censor": Censor()})) as (
        client,
        room,
    ):
        delivery = await sent(client, room, content={"title": "T", "body": "damn"})
        found = await (await client.get(f"/v1/deliveries/{delivery}")).json()
        (step,) = found["trace"]
        assert (step["step"], step["verdict"]) == ("filter", "suppressed")
        assert step["detail"] == {"reason": "rude", "by": "censor"}


async def test_an_operator_sees_every_step(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        texts = {"locales": {"en": {"title": "Hi", "body": ""}}}
        await client.put("/v1/templates/hi", json=texts)
        body = {"to": [{"user": "emma"}], "template": "hi"}
        answer = await client.post("/v1/messages", json=body)
        await room.settle()
        message = await (await client.get(f"/v1/messages/{(await answer.json())['id']}")).json()
        delivery = message["deliveries"][0]["id"]
        receipts = {"receipts": [{"delivery": delivery, "kind": kind} for kind in ("seen", "clicked")]}
        await client.post("/v1/me/receipts", json=receipts, headers=EMMA)
        found = await (await client.get(f"/v1/deliveries/{delivery}")).json()
        assert [(one["step"], one["verdict"]) for one in found["trace"]] == [
            ("delivery", "sent"), ("receipt", "seen"), ("receipt", "clicked"),
        ]  # fmt: skip
        assert found["trace"][0]["detail"]["template"] == "hi@1"
        assert (found["candidates"], found["campaign"], found["variant"]) == ([], None, None)
