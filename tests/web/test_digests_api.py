"""Many messages gathered into one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import TenantId
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.web.harness import Client
from tests.web.notifying import notifying, problem


@pytest.fixture
def database(any_database: Database) -> Database:
    """Digests gather on each kind of database."""
    return any_database


async def send(client: Client, who: str, number: int, **digest: Any) -> str:
    """Send one of many."""
    return await post(client, number, to=[{"user": who}], digest={"key": "news", "window": 600, **digest})


async def post(client: Client, number: int, **more: Any) -> str:
    """Send one with more than a digest; return the message's id."""
    body = {
        "template": "news", "data": {"n": number}, "to": [{"user": "emma"}],
        "digest": {"key": "news", "window": 600}, **more,
    }  # fmt: skip
    answer = await client.post("/v1/messages", json=body)
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["id"])


@asynccontextmanager
async def gathering(
    database: Database, vault: Vault, clock: StillClock, tenant: TenantId
) -> AsyncIterator[tuple[Client, Room]]:
    """Yield a client whose digests read "2 new: 0 1"."""
    async with notifying(database, vault, clock) as (client, room):
        words = "{{ digest.count }} new:{% for one in digest.items %} {{ one.n }}{% endfor %}"
        await room.templates.put(tenant, "news", {"en": LocaleSource(words, "")}, trusted=True)
        yield client, room


async def take_back(client: Client, room: Room, message: str, **more: Any) -> None:
    """Take a message back, from everybody or from some."""
    assert (await client.post(f"/v1/messages/{message}/delete", json=more)).status == 202
    await room.settle()


async def states(client: Client) -> list[tuple[str, str | None]]:
    """Return state and reason of emma's deliveries, oldest first."""
    listed = await (await client.get("/v1/deliveries?user=emma&limit=20")).json()
    return [(row["state"], row["reason"]) for row in reversed(listed["data"])]


async def test_a_fixed_window_gathers_and_sends_one(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        words = "{% for one in digest.items %}{{ one.n }} {% endfor %}"
        await room.templates.put(
            tenant, "news", {"en": LocaleSource("{{ digest.count }} new", words)}, trusted=True
        )
        for number in range(3):
            await send(client, "emma", number)
            await room.settle()
            still_clock.forward(timedelta(minutes=3))
        await send(client, "lin", 9)
        assert room.publisher.to("emma") == []
        still_clock.forward(timedelta(minutes=1))
        await room.settle()
        (one,) = room.publisher.to("emma")
        assert (one["title"], one["body"].strip()) == ("3 new", "0 1 2")
        listed = await (await client.get("/v1/deliveries?user=emma&limit=10")).json()
        assert [(row["state"], row["reason"]) for row in listed["data"]] == [
            ("suppressed", "digested"), ("suppressed", "digested"), ("sent", None),
        ]  # fmt: skip
        await send(client, "emma", 7)
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["3 new", "1 new"]
        assert [one["title"] for one in room.publisher.to("lin")] == ["1 new"]


async def test_a_sliding_window_waits_for_quiet_and_a_full_one_goes_at_once(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await room.templates.put(tenant, "news", {"en": LocaleSource("{{ digest.count }}", "")}, trusted=True)
        for number in range(3):
            await send(client, "emma", number, sliding=True)
            still_clock.forward(timedelta(minutes=8))
            await room.settle()
        assert room.publisher.to("emma") == []
        still_clock.forward(timedelta(minutes=2))
        await room.settle()
        assert room.publisher.to("emma")[0]["title"] == "3"
        for number in range(4):
            await send(client, "lin", number, max_items=4)
        await room.settle()
        assert [one["title"] for one in room.publisher.to("lin")] == ["4"]


async def test_who_leaves_a_digest_takes_nobody_along(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        first, second, *_ = [await send(client, "emma", number) for number in range(5)]
        for message in (first, second):
            gone = await client.post("/v1/messages/cancel", json={"id": message})
            assert await gone.json() == {"cancelled": 1}
        third = (await (await client.get("/v1/messages?limit=3")).json())["data"][-1]["id"]
        await client.post("/v1/messages/cancel", json={"id": third, "to": [{"user": "emma"}]})
        assert await states(client) == [
            ("cancelled", "cancelled"), ("cancelled", "cancelled"), ("cancelled", "cancelled"),
            ("scheduled", "digest"), ("suppressed", "digested"),
        ]  # fmt: skip
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["2 new: 3 4"]


async def test_all_that_is_cancelled_at_once_leaves_its_digest(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        for number in range(3):
            await post(client, number, cancel_key="cart")
        await post(client, 3)
        gone = await client.post("/v1/messages/cancel", json={"cancel_key": "cart"})
        assert await gone.json() == {"cancelled": 3}
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["1 new: 3"]


async def test_a_newer_message_of_a_collapse_key_takes_its_place_in_the_digest(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        for number, key in enumerate(("a", "b", "a", "b", "c")):
            await post(client, number, collapse_key=key)
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["3 new: 2 3 4"]
        assert (await states(client)).count(("cancelled", "collapsed")) == 2


async def test_a_newer_message_that_is_in_no_digest_takes_the_older_one_out_of_its(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        for number, key in enumerate(("a", "b", "c")):
            await post(client, number, collapse_key=key)
        body = {"to": [{"user": "emma"}], "content": {"title": "b, at once"}, "collapse_key": "b"}
        assert (await client.post("/v1/messages", json=body)).status == 202
        await room.settle()
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["b, at once", "2 new: 0 2"]
        assert (await states(client)).count(("cancelled", "collapsed")) == 1


async def test_what_is_taken_back_leaves_its_digest_and_an_empty_one_is_none(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        first, second, third = [await send(client, "emma", number) for number in range(3)]
        await take_back(client, room, second)
        assert await states(client) == [
            ("scheduled", "digest"), ("cancelled", "cancelled"), ("suppressed", "digested"),
        ]  # fmt: skip
        await take_back(client, room, first, to=[{"user": "emma"}])
        await take_back(client, room, third)
        assert set(await states(client)) == {("cancelled", "cancelled")}
        assert await database.read("SELECT * FROM digest_item") == []
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert room.publisher.to("emma") == []


async def test_what_was_sent_in_a_digest_stays_in_it(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        first, second = [await send(client, "emma", number) for number in range(2)]
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        await take_back(client, room, second)
        assert await states(client) == [("sent", None), ("suppressed", "digested")]
        assert [one["type"] for one in room.publisher.to("emma")] == ["message"]
        await take_back(client, room, first)
        assert [one["type"] for one in room.publisher.to("emma")] == ["message", "message.deleted"]


async def test_the_ttl_of_a_digest_begins_when_it_is_due(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    """Else a ttl shorter than the window would be sure to expire: marketing's three days within a week."""
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        await post(client, 0, ttl=60)
        await post(client, 1, ttl=120)
        await post(client, 2, to=[{"user": "lin"}], ttl=60)
        still_clock.forward(timedelta(minutes=11, seconds=30))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["2 new: 0 1"]
        assert room.publisher.to("lin") == []


async def test_a_digest_gathers_one_category_and_never_who_is_held_out(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    """What an advertisement may not, an order's news may: it does not depend on a consent to the other."""
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        await post(client, 0, category="marketing")
        await post(client, 1, category="transactional")
        people = [{"user": f"u{number}"} for number in range(40)]
        sent = {await post(client, number, to=people, holdout=0.5): number for number in (2, 3)}
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["1 new: 1"]
        assert await states(client) == [("suppressed", "no_consent"), ("sent", None)]
        held = 0
        for person in people:
            listed = (await (await client.get(f"/v1/deliveries?user={person['user']}")).json())["data"]
            going = sorted(sent[row["message"]] for row in listed if row["reason"] != "holdout")
            held += 2 - len(going)
            numbers = "".join(f" {number}" for number in going)
            titles = [one["title"] for one in room.publisher.to(person["user"])]
            assert titles == ([f"{len(going)} new:{numbers}"] if going else [])
        assert 10 < held < 70


async def test_a_digest_cannot_feed_itself(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    """A circle would need a digest that is gathered: what is sent joins none, whatever its key."""
    async with gathering(database, vault, still_clock, tenant) as (client, room):
        await post(client, 0, digest={"key": "a", "window": 60})
        await post(client, 1, digest={"key": "b", "window": 60})
        for _ in range(5):
            still_clock.forward(timedelta(minutes=1))
            await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["1 new: 0", "1 new: 1"]
        assert await states(client) == [("sent", None), ("sent", None)]
        body = {"content": {"title": "x"}, "to": [{"user": "emma"}], "digest": [{"key": "a", "window": 60}]}
        assert (await problem(await client.post("/v1/messages", json=body), 422))[1] == "digest"


async def test_literal_words_are_listed(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        for title in ("Ann liked it", "Ben liked it"):
            body = {
                "content": {"title": title},
                "to": [{"user": "emma"}],
                "digest": {"key": "likes", "window": 60},
            }
            await client.post("/v1/messages", json=body)
        still_clock.forward(timedelta(minutes=1))
        await room.settle()
        (one,) = room.publisher.to("emma")
        assert (one["title"], one["body"]) == ("Ann liked it (+1)", "Ann liked it\nBen liked it")


async def test_what_is_no_digest_is_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for digest in ({"key": "k", "window": 0}, {"key": "k", "window": 60, "max_items": 1}):
            body = {"content": {"title": "x"}, "to": [{"user": "emma"}], "digest": digest}
            answer = await client.post("/v1/messages", json=body)
            assert (await problem(answer, 422))[1].startswith("digest.")
