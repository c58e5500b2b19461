"""Archive, snooze and filter the inbox over HTTP; what is snoozed comes back whatever happens."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import iso
from chatpush.errors import Unavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.serving import serving
from tests.waiting import until
from tests.web.harness import Client
from tests.web.notifying import notifying, problem

EMMA = {"X-As": "user:emma"}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Shelves are the same on each kind of database."""
    return any_database


async def sent(client: Client, room: Room, title: str, **more: Any) -> str:
    """Send to emma and return the delivery's id."""
    body = {"to": [{"user": "emma"}], "content": {"title": title}, **more}
    answer = await client.post("/v1/messages", json=body)
    assert answer.status == 202, await answer.text()
    await room.settle()
    return str(room.publisher.to("emma")[-1]["delivery"])


async def titles(client: Client, query: str = "") -> list[str]:
    page = await (await client.get(f"/v1/me/inbox?{query}", headers=EMMA)).json()
    return [one["title"] for one in page["data"]]


async def put(client: Client, delivery: str, what: str, **body: Any) -> Any:
    answer = await client.post(f"/v1/me/inbox/{delivery}/{what}", json=body or None, headers=EMMA)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_an_archived_message_leaves_the_list_and_the_count(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        first, _ = await sent(client, room, "one"), await sent(client, room, "two")
        assert await put(client, first, "archive") == {"unread": 1}
        assert room.publisher.to("emma")[-1] == {"type": "unread", "unread": 1}
        assert await titles(client) == ["two"]
        assert await titles(client, "state=archived") == ["one"]
        assert await put(client, first, "archive") == {"unread": 1}
        report = await (await client.get(f"/v1/deliveries/{first}")).json()
        assert report["archived_at"] == iso(still_clock.now())
        assert await put(client, first, "unarchive") == {"unread": 2}
        assert await titles(client) == ["two", "one"]
        assert await put(client, first, "archive") == {"unread": 1}
        assert await titles(client, "state=archived") == ["one"]


async def test_a_snoozed_message_comes_back_by_itself(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room, "pay the bill")
        seen = {"receipts": [{"delivery": delivery, "kind": "seen"}]}
        await client.post("/v1/me/receipts", json=seen, headers=EMMA)
        later = still_clock.now() + timedelta(hours=3)
        assert await put(client, delivery, "snooze", until=iso(later)) == {"unread": 0}
        assert (await titles(client), await titles(client, "state=snoozed")) == ([], ["pay the bill"])
        page = await (await client.get("/v1/me/inbox?state=snoozed", headers=EMMA)).json()
        assert page["data"][0]["snoozed_until"] == iso(later)
        assert 0 < (await room.shelving.turn() or 0) <= 3 * 3600
        still_clock.forward(timedelta(hours=3, seconds=1))
        # Even before anybody was told, list and count are right.
        page = await (await client.get("/v1/me/inbox", headers=EMMA)).json()
        assert ([one["title"] for one in page["data"]], page["unread"]) == (["pay the bill"], 1)
        await room.settle()
        assert room.publisher.to("emma")[-1] == {"type": "unread", "unread": 1, "returned": delivery}
        before = len(room.publisher.to("emma"))
        await room.settle()
        assert len(room.publisher.to("emma")) == before
        assert await room.shelving.turn() is None


async def test_a_wake_up_that_breaks_off_is_told_once(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room, "later")
        await put(client, delivery, "snooze", until=iso(still_clock.now() + timedelta(minutes=1)))
        still_clock.forward(timedelta(minutes=2))
        room.publisher.down = True
        with pytest.raises(Unavailable):
            await room.shelving.turn()
        room.publisher.down = False
        # As if killed between telling the pages and writing that they were told.
        rows = await database.read("SELECT * FROM inbox_item WHERE snoozed_until IS NOT NULL")
        for row in rows:
            await room.shelving._tell(row)
        await room.settle()
        told = [one for one in room.publisher.to("emma") if one.get("returned")]
        assert told == [{"type": "unread", "unread": 1, "returned": delivery}]


async def test_snoozing_again_and_archiving_win_over_an_older_snooze(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room, "x")
        start = still_clock.now()
        await put(client, delivery, "snooze", until=iso(start + timedelta(hours=1)))
        await put(client, delivery, "snooze", until=iso(start + timedelta(hours=9)))
        still_clock.forward(timedelta(hours=2))
        await room.settle()
        assert await titles(client) == []
        await put(client, delivery, "archive")
        assert (await titles(client, "state=snoozed"), await titles(client, "state=archived")) == ([], ["x"])
        await put(client, delivery, "snooze", until=iso(start + timedelta(hours=9)))
        assert await put(client, delivery, "unarchive") == {"unread": 1}
        assert await titles(client) == ["x"]


async def test_a_replacement_comes_out_of_the_archive(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room, "shipped", collapse_key="order:7")
        await put(client, delivery, "archive")
        assert await sent(client, room, "delivered", collapse_key="order:7") == delivery
        assert await titles(client) == ["delivered"]


async def test_tabs_by_tag_and_category(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await sent(client, room, "order", tags=["orders", "big_ones"])
        await sent(client, room, "risk", category="alert", tags=["bigXones"])
        await sent(client, room, "plain")
        assert await titles(client, "tag=orders") == ["order"]
        assert await titles(client, "tag=big_ones") == ["order"]
        assert await titles(client, "category=alert") == ["risk"]
        assert await titles(client, "tag=nothing") == []
        page = await (await client.get("/v1/me/inbox?tag=orders", headers=EMMA)).json()
        assert page["data"][0]["tags"] == ["orders", "big_ones"]
        receipts = {"receipts": [{"delivery": page["data"][0]["delivery"], "kind": "replied"}]}
        await client.post("/v1/me/receipts", json=receipts, headers=EMMA)
        assert await titles(client, "unread=true") == ["plain", "risk"]
        page = await (await client.get("/v1/me/inbox?tag=orders", headers=EMMA)).json()
        assert (page["data"][0]["read"], page["data"][0]["seen"]) == (True, True)


async def test_what_can_not_be_put_aside_says_so(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        delivery = await sent(client, room, "x")
        for moment in (
            iso(still_clock.now() - timedelta(seconds=1)),
            iso(still_clock.now() + timedelta(days=400)),
            "2027-01-01T09:00",
            "tomorrow",
        ):
            answer = await client.post(
                f"/v1/me/inbox/{delivery}/snooze", json={"until": moment}, headers=EMMA
            )
            assert await problem(answer, 422) == ("invalid_input", "until")
        for what in ("archive", "unarchive"):
            answer = await client.post(f"/v1/me/inbox/{delivery}/{what}", headers={"X-As": "user:lin"})
            assert (await problem(answer, 404))[0] == "not_found"
        bad = {"receipts": [{"delivery": delivery, "kind": "snoozed"}]}
        assert (
            "snooze"
            in (await (await client.post("/v1/me/receipts", json=bad, headers=EMMA)).json())["detail"]
        )
        assert (await client.get("/v1/me/inbox?state=lost", headers=EMMA)).status == 422


async def test_a_snooze_outlives_the_process(tmp_path: Path) -> None:
    moment: dict[str, Any] = {}
    async with serving(tmp_path) as served:
        body = {"to": [{"user": "emma"}], "content": {"title": "Later"}}
        await served.told("POST", "/v1/messages", body)

        async def listed() -> Any:
            return (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]

        (item,) = await until(listed)
        moment["until"] = iso(served.chatpush.clock.now() + timedelta(seconds=1))
        path = f"/v1/me/inbox/{item['delivery']}/snooze"
        assert await served.told("POST", path, moment, user="emma") == {"unread": 0}
    async with serving(tmp_path) as served:

        async def told() -> Any:
            asked = {"channel": "user:emma", "limit": 10}
            answer = await served.http.post(
                served.url + "/api/history", json=asked, headers={"X-API-Key": "server-api-key"}
            )
            publications = (await answer.json())["result"]["publications"]
            return [one["data"] for one in publications if one["data"].get("returned")]

        assert await until(told) == [{"type": "unread", "unread": 1, "returned": item["delivery"]}]
